"""What lies in a glTF file: its description, checked as it is looked at, and the numbers of its accessors."""

import base64
import binascii
import json
import struct
from typing import Any
from urllib.parse import unquote_to_bytes

import numpy as np
from jaxtyping import Float64, Int64

from ..files import DataError
from .referenced_files import Besides

_JSON, _BIN = 0x4E4F534A, 0x004E4942  # kinds of chunks
_COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_MOST = 10**8  # numbers of an accessor that no bytes stand behind
# Extensions that change geometry or pictures, and are read, …
_READ = {
    "KHR_mesh_quantization", "KHR_texture_transform", "KHR_materials_pbrSpecularGlossiness", "KHR_materials_unlit",
    "KHR_materials_transmission", "KHR_node_visibility", "EXT_mesh_gpu_instancing", "EXT_texture_webp",
    "EXT_texture_avif",
}  # fmt: skip
# … and those without which a file looks as its author wants it to look without them.
_LEFT_OUT = {
    "KHR_animation_pointer", "KHR_lights_punctual", "KHR_xmp", "KHR_xmp_json_ld", "KHR_materials_variants",
    "EXT_lights_image_based", "EXT_lights_ies", "MSFT_lod",
} | {
    f"KHR_materials_{what}"
    for what in (
        "anisotropy", "clearcoat", "diffuse_transmission", "dispersion", "emissive_strength", "ior", "iridescence",
        "sheen", "specular", "volume",
    )
}  # fmt: skip


class Document:
    """The description of a glTF file, text or binary, and its buffers.

    Whatever is asked for is checked: DataError naming the file for what is missing, of another type or out of range,
    for a file that is cut off, and for extensions that it requires and that are not read.
    """

    def __init__(self, data: bytes, besides: Besides) -> None:
        self.name = besides.name
        self._besides = besides
        self._chunk: bytes | None = None
        self._buffers: dict[int, bytes] = {}
        text = self._chunks(data) if data[:4] == b"glTF" else data
        try:
            tree = json.loads(text.rstrip(b"\0 ").decode("utf-8-sig"))  # some fill it up with zeros
        except (ValueError, RecursionError) as error:
            raise DataError(f"{self.name}: cannot be read ({error}), expected a glTF file") from error
        self.tree = self.table(tree, "the description")
        version = self.table(self.tree.get("asset"), "asset").get("version", "2.0")
        if not str(version).startswith("2."):
            raise DataError(f"{self.name}: is of glTF {version!r}, expected 2.0")
        required = self.tree.get("extensionsRequired", [])
        for extension in required if isinstance(required, list) else [required]:
            if extension not in _READ | _LEFT_OUT:
                raise DataError(f"{self.name}: requires the extension {extension}, which is not read here")

    def _chunks(self, data: bytes) -> bytes:
        """The text of a binary file; its bytes are kept."""
        if len(data) < 20:
            raise DataError(f"{self.name}: cannot be read, {len(data)} bytes are no binary glTF file")
        version, length = struct.unpack_from("<II", data, 4)
        if version != 2:
            raise DataError(f"{self.name}: cannot be read, is of glTF {version}, expected 2")
        if length > len(data):
            raise DataError(f"{self.name}: cannot be read, holds {len(data)} bytes, expected {length} as it says")
        at, found = 12, {}
        while at + 8 <= length:
            size, kind = struct.unpack_from("<II", data, at)
            if at + 8 + size > length:
                raise DataError(f"{self.name}: cannot be read, a chunk of {size} bytes goes beyond the end of the file")
            found.setdefault(kind, data[at + 8 : at + 8 + size])
            at += 8 + size
        if _JSON not in found:
            raise DataError(f"{self.name}: cannot be read, no description (JSON chunk) in it")
        self._chunk = found.get(_BIN)
        return found[_JSON]

    def table(self, value: Any, what: str) -> dict[str, Any]:
        """An object of the description; empty where it is absent."""
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise DataError(f"{self.name}: {what} is {str(value)[:40]!r}, expected an object of glTF")
        return value

    def rows(self, value: Any, what: str) -> list[Any]:
        """A list of the description; empty where it is absent."""
        if value is None:
            return []
        if not isinstance(value, list):
            raise DataError(f"{self.name}: {what} is {str(value)[:40]!r}, expected a list")
        return value

    def item(self, kind: str, index: Any) -> dict[str, Any]:
        """One of the file's `nodes`, `meshes`, `accessors` …, by its number."""
        there = self.rows(self.tree.get(kind), kind)
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(there):
            raise DataError(f"{self.name}: refers to number {str(index)[:40]} of its {kind}, there are {len(there)}")
        return self.table(there[index], f"{kind}[{index}]")

    def count(self, value: Any, what: str) -> int:
        """A whole number from 0."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53 or value % 1:
            raise DataError(f"{self.name}: {what} is {str(value)[:40]!r}, expected a whole number from 0")
        return int(value)

    def numbers(self, value: Any, default: tuple[float, ...], what: str) -> Float64[np.ndarray, " n"]:
        """As many finite numbers as the default has, which stands for what is absent."""
        found = default if value is None else value if isinstance(value, list) else [value]
        good = len(found) == len(default) and all(isinstance(x, int | float) and abs(x) < 1e30 for x in found)
        if not good:
            raise DataError(f"{self.name}: {what} is {str(value)[:60]}, expected {len(default)} finite numbers")
        return np.array(found, np.float64)

    def extension(self, holder: dict[str, Any], name: str) -> dict[str, Any] | None:
        """What an extension says of an object; None where it says nothing."""
        found = self.table(holder.get("extensions"), "extensions")
        return self.table(found[name], name) if name in found else None

    def uri(self, uri: Any, what: str) -> bytes:
        """What a URI refers to: bytes within it, or a file beside."""
        if not isinstance(uri, str):
            raise DataError(f"{self.name}: the uri of {what} is {str(uri)[:40]!r}, expected text")
        if not uri.startswith("data:"):
            found = self._besides.find(uri)
            if found is None:
                raise DataError(f"{self.name}: refers to the file {uri!r}, which is not there")
            return found
        head, _, body = uri.partition(",")
        try:
            return base64.b64decode(body, validate=True) if head.endswith(";base64") else unquote_to_bytes(body)
        except (binascii.Error, ValueError) as error:
            raise DataError(f"{self.name}: the data of {what} cannot be decoded ({error}), expected base64") from error

    def view(self, index: Any) -> tuple[bytes, int]:
        """The bytes of a view into a buffer, and how far apart its elements are (0: as they come)."""
        view = self.item("bufferViews", index)
        buffer = self._buffer(view)
        start, size = (self.count(view.get(key, 0), f"{key} of a view") for key in ("byteOffset", "byteLength"))
        if start + size > len(buffer):
            raise DataError(f"{self.name}: a view of bytes {start} to {start + size} of a buffer of {len(buffer)}")
        return buffer[start : start + size], self.count(view.get("byteStride", 0), "byteStride")

    def _buffer(self, view: dict[str, Any]) -> bytes:
        index: Any = view.get("buffer")
        buffer = self.item("buffers", index)
        if index not in self._buffers:
            squeezed = [name for name in self.table(view.get("extensions"), "extensions") if "compression" in name]
            if "uri" in buffer:
                found = self.uri(buffer["uri"], f"buffer {index}")
            elif index == 0 and self._chunk is not None:
                found = self._chunk
            elif squeezed:
                raise DataError(f"{self.name}: is compressed by the extension {squeezed[0]}, which is not read here")
            else:
                raise DataError(f"{self.name}: buffer {index} has no bytes, expected some")
            size = self.count(buffer.get("byteLength", 0), f"byteLength of buffer {index}")
            if len(found) < size:
                raise DataError(f"{self.name}: buffer {index} holds {len(found)} bytes, expected {size}")
            self._buffers[index] = found[:size]
        return self._buffers[index]

    def array(self, index: Any, what: str, widths: tuple[int, ...]) -> Float64[np.ndarray, "n k"]:
        """The numbers of an accessor with so many in an element; integers that are normalised become fractions."""
        accessor = self.item("accessors", index)
        found = self._dense(accessor, what, widths)
        kind = found.dtype
        values = found.astype(np.float64)
        if accessor.get("normalized") is True and kind.kind in "iu":
            values = np.maximum(values / np.iinfo(kind).max, -1.0)
        return values

    def whole(self, index: Any, what: str, width: int = 1) -> Int64[np.ndarray, "n k"]:
        """The numbers of an accessor that are numbers of something else."""
        found = self._dense(self.item("accessors", index), what, (width,))
        if found.dtype.kind != "u":
            raise DataError(f"{self.name}: {what} are of type {found.dtype}, expected whole numbers without a sign")
        return found.astype(np.int64)

    def has_bytes(self, index: Any) -> bool:
        """Whether numbers stand behind an accessor."""
        accessor = self.item("accessors", index)
        return "bufferView" in accessor or "sparse" in accessor

    def _dense(self, accessor: dict[str, Any], what: str, widths: tuple[int, ...]) -> np.ndarray:
        """The elements of an accessor as they stand, those that are replaced (sparse) replaced."""
        kind, shape = accessor.get("componentType"), accessor.get("type")
        if not isinstance(kind, int) or kind not in _COMPONENTS:
            raise DataError(f"{self.name}: {what} are of componentType {str(kind)[:40]}, expected one of glTF")
        width = _WIDTHS.get(shape) if isinstance(shape, str) else None
        if width not in widths:
            raise DataError(f"{self.name}: {what} are of type {str(shape)[:40]}, expected {widths} numbers for each")
        count = self.count(accessor.get("count"), f"the count of {what}")
        dtype = np.dtype(_COMPONENTS[kind])
        if "bufferView" in accessor:
            start = self.count(accessor.get("byteOffset", 0), f"byteOffset of {what}")
            found = self._elements(accessor["bufferView"], start, count, width, dtype, what)
        elif count * width > _MOST:
            raise DataError(f"{self.name}: {count} {what} without any bytes, expected them in a buffer")
        else:
            found = np.zeros((count, width), dtype)
        if "sparse" in accessor:
            found = self._replaced(found, self.table(accessor["sparse"], "sparse"), what)
        return found

    def _elements(self, view: Any, start: int, count: int, width: int, dtype: np.dtype, what: str) -> np.ndarray:
        data, stride = self.view(view)
        size = width * dtype.itemsize
        stride = stride or size
        if stride < size:
            raise DataError(f"{self.name}: {what} are {stride} bytes apart, expected {size} or more")
        if count and start + stride * (count - 1) + size > len(data):
            raise DataError(f"{self.name}: {count} {what} do not fit into the {len(data)} bytes that are theirs")
        if not count:
            return np.zeros((0, width), dtype)
        return np.ndarray((count, width), dtype, data, start, (stride, dtype.itemsize))

    def _replaced(self, found: np.ndarray, sparse: dict[str, Any], what: str) -> np.ndarray:
        count = self.count(sparse.get("count"), f"the count of sparse {what}")
        places, values = (self.table(sparse.get(key), f"{key} of sparse {what}") for key in ("indices", "values"))
        kind = places.get("componentType")
        if kind not in (5121, 5123, 5125):
            raise DataError(f"{self.name}: sparse {what} are numbered by componentType {str(kind)[:40]}")
        starts = [self.count(part.get("byteOffset", 0), f"byteOffset of sparse {what}") for part in (places, values)]
        at = self._elements(places.get("bufferView"), starts[0], count, 1, np.dtype(_COMPONENTS[kind]), what)[:, 0]
        new = self._elements(values.get("bufferView"), starts[1], count, found.shape[1], found.dtype, what)
        if count and at.max() >= len(found):
            raise DataError(f"{self.name}: sparse {what} up to number {at.max()}, there are {len(found)}")
        found = found.copy()
        found[at.astype(np.int64)] = new
        return found
