"""Files of meshes and pictures that are written by hand, and the size of what was read from them."""

import base64
import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gazeworld.envs.objects.mesh import Mesh

BOX = """
v 0 0 0
v 2 0 0
v 2 3 0
v 0 3 0
v 0 0 1
v 2 0 1
v 2 3 1
v 0 3 1
f 1 4 3 2
f 5 6 7 8
f 1 2 6 5
f 3 4 8 7
f 2 3 7 6
f 4 1 5 8
"""
SQUARE = "# a square\nv 0 0 0 # its corner\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
PAINTED = "mtllib m.mtl\n" + SQUARE + "usemtl m\nf 1/1 2/2 3/3 4/4\n"


def save(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def quarters(side: int = 2) -> np.ndarray:
    """A picture whose upper left is red, upper right green, lower left blue and lower right white."""
    found = np.zeros((side, side, 3), np.uint8)
    half = side // 2
    found[:half, :half, 0] = found[:half, half:, 1] = found[half:, :half, 2] = 255
    found[half:, half:] = 255
    return found


def area(mesh: Mesh) -> float:
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def extent(mesh: Mesh) -> np.ndarray:
    return np.ptp(mesh.vertices, axis=0)


class Gltf:
    """A glTF file that is put together piece by piece: whatever is added gives the number by which it is known."""

    def __init__(self) -> None:
        self.data = b""
        self.tree: dict[str, Any] = {"asset": {"version": "2.0"}, "bufferViews": [], "accessors": []}

    def add(self, kind: str, entry: dict[str, Any]) -> int:
        self.tree.setdefault(kind, []).append(entry)
        return len(self.tree[kind]) - 1

    def view(self, data: bytes, **more: Any) -> int:
        self.data += bytes(-len(self.data) % 4)
        start, self.data = len(self.data), self.data + data
        return self.add("bufferViews", {"buffer": 0, "byteOffset": start, "byteLength": len(data), **more})

    def accessor(self, values: Any, kind: str = "f4", **more: Any) -> int:
        """Numbers of NumPy's type `kind`, row by row."""
        array = np.array(values, "<" + kind)
        shape = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}[array.size // len(array)]
        component = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}[kind]
        facts = {"componentType": component, "count": len(array), "type": shape}
        return self.add("accessors", {"bufferView": self.view(array.tobytes()), **facts, **more})

    def picture(self, data: bytes, **sampler: Any) -> int:
        """A texture, by its number."""
        image = self.add("images", {"bufferView": self.view(data), "mimeType": "image/png"})
        more = {"sampler": self.add("samplers", sampler)} if sampler else {}
        return self.add("textures", {"source": image, **more})

    def shown(self, attributes: dict[str, int], material: dict[str, Any] | None = None, **more: Any) -> "Gltf":
        """A part of a mesh in a node of its own; "node" and "mesh" of `more` go there, the rest to the part."""
        node, mesh = more.pop("node", {}), more.pop("mesh", {})
        if material is not None:
            more["material"] = self.add("materials", material)
        number = self.add("meshes", {"primitives": [{"attributes": attributes, **more}], **mesh})
        self.add("nodes", {"mesh": number, **node})
        return self

    def glb(self) -> bytes:
        data = self.data + bytes(-len(self.data) % 4)
        text = json.dumps({**self.tree, "buffers": [{"byteLength": len(self.data)}]}).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(data), 0x004E4942) + data
        return b"glTF" + struct.pack("<II", 2, 12 + len(chunks)) + chunks

    def text(self) -> str:
        uri = "data:application/octet-stream;base64," + base64.b64encode(self.data).decode()
        return json.dumps({**self.tree, "buffers": [{"byteLength": len(self.data), "uri": uri}]})
