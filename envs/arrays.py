"""Arrays in .npy files of strangers: what a file says about itself is checked before NumPy is given any of it.

`numpy.load` evaluates the header of a file as Python text, so that a damaged one may raise anything, and believes its
sizes. Here the header has to be what `numpy.save` writes for numbers or text, and the data have to be as long as it
says.
"""

import io
import math
import mmap
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .files import DataError, opened

_MAGIC = b"\x93NUMPY"
_LONGEST = 2**16  # bytes of a header; those of numbers have about 100
_FIELD = re.compile(
    r"""\s*['"](?:(?P<d>descr)['"]\s*:\s*['"](?P<kind>[<>|=]?(?:[biufcSUV]\d{1,9}|[?O]))['"]"""
    r"""|(?P<f>fortran_order)['"]\s*:\s*(?P<order>True|False)"""
    r"""|(?P<s>shape)['"]\s*:\s*\((?P<shape>[\d\sL,]*)\))\s*(?:,|$)"""
)
_TEXT = "U"


@dataclass(frozen=True)
class Header:
    """What stands at the beginning of a .npy file; the data begin at byte `begin`."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    order: Any
    begin: int

    @property
    def end(self) -> int:
        """Length of the whole file in bytes."""
        return self.begin + math.prod(self.shape) * self.dtype.itemsize


def read_npy(path: Path, what: str) -> np.ndarray:
    """The array in a .npy file, in new memory that may be written to. Raises DataError naming a file that is damaged.

    Arrays of objects, which would have to run code to be read, are refused as all that are neither numbers nor text.
    """
    with opened(path, what) as file:
        return parse_npy(file.read(), path, what)


def parse_npy(data: bytes, path: Path, what: str) -> np.ndarray:
    """The array in the bytes of a .npy file, see `read_npy`."""
    head = header_of(data[: _LONGEST + 12], len(data), path, what)
    flat = np.frombuffer(data, head.dtype, math.prod(head.shape), head.begin)
    if head.dtype.kind == _TEXT:
        points = flat.view(head.dtype.str[0].replace("|", "<") + "u4")
        # Bytes of a file's name that are no text are kept as U+DC80 to U+DCFF.
        halves = (points >= 0xD800) & (points < 0xE000) & ~((points >= 0xDC80) & (points < 0xDD00))
        if ((points > 0x10FFFF) | halves).any():
            raise _damaged(path, "it holds text that is no Unicode", what)
    return flat.reshape(head.shape, order=head.order).copy(order="K")


def map_npy(path: Path, what: str, *, write: bool = False) -> np.ndarray:
    """The array in a .npy file, mapped: nothing is read before it is looked at. Raises DataError as `read_npy`.

    Writing to it is refused, or with `write` changes this process's copy only, as torch wants it.
    """
    with opened(path, what) as file:
        size = file.seek(0, 2)
        file.seek(0)
        head = header_of(file.read(_LONGEST + 12), size, path, what)
        return _mapped(file, head, write)


def _mapped(file: BinaryIO, head: Header, write: bool) -> np.ndarray:
    count = math.prod(head.shape)
    if not count:
        return np.empty(head.shape, head.dtype)
    access = mmap.ACCESS_COPY if write else mmap.ACCESS_READ
    flat = np.frombuffer(mmap.mmap(file.fileno(), head.end, access=access), head.dtype, count, head.begin)
    return flat.reshape(head.shape, order=head.order)


def header_of(data: bytes, size: int, path: Path, what: str) -> Header:
    """The header of a .npy file of `size` bytes, given its first ones. Raises DataError where they do not agree."""
    if data[:4] == b"PK\3\4":
        raise DataError(f"{path}: holds NpzFile, expected {what}")
    if data[:6] != _MAGIC or len(data) < 12:
        raise _damaged(path, f"it begins with {data[:6]!r}" if data else "it is empty", what)
    version, wide = data[6:8], data[6] != 1
    if version not in (b"\1\0", b"\2\0", b"\3\0"):
        raise _damaged(path, f"its format is {data[6]}.{data[7]}", what)
    begin = 12 if wide else 10
    length = struct.unpack_from("<I" if wide else "<H", data, 8)[0]
    text = data[begin : begin + length].decode("latin1")
    if length > _LONGEST or len(text) < length:
        raise _damaged(path, f"its header should have {length} bytes", what)
    dtype, order, shape = _fields(text, path, what)
    if len(shape) > 32 or any(x >= 2**62 for x in shape) or (dtype.itemsize == 0 and math.prod(shape)):
        raise _damaged(path, f"its header says {dtype} of shape {shape}", what)
    head = Header(dtype, shape, order, begin + length)
    if head.end != size:
        raise _damaged(path, f"{size} bytes, but by its header, {dtype} of shape {shape}, there are {head.end}", what)
    return head


def _fields(text: str, path: Path, what: str) -> tuple[np.dtype[Any], Any, tuple[int, ...]]:
    """Type, order and shape in the text of a header, a dictionary as Python writes it."""
    inside = text.strip()
    fields: dict[str, str] = {}
    place = 1
    while inside[:1] == "{" and (match := _FIELD.match(inside, place, len(inside) - 1)):
        name = match["d"] or match["f"] or match["s"]
        if name in fields:
            break
        fields[name] = (match["kind"] or match["order"] or match["shape"] or "").strip()
        place = match.end()
    if len(fields) < 3 or inside[place:].strip() != "}":
        raise _damaged(path, f"its header is {text.strip()[:200]!r}", what)
    try:
        dtype = np.dtype(fields["descr"])
        # Python 2 wrote 3L for whole numbers.
        shape = tuple(int(part.strip().removesuffix("L")) for part in fields["shape"].split(",") if part.strip())
    except (TypeError, ValueError) as error:
        raise _damaged(path, f"its header is {text.strip()[:200]!r}: {error}", what) from error
    if dtype.kind == "O":
        raise _damaged(path, "it holds objects as a pickle, which could execute code", what)
    if dtype.kind not in "biufcSU":
        raise DataError(f"{path}: holds {dtype}, expected {what}")
    return dtype, "F" if fields["fortran_order"] == "True" else "C", shape


def _damaged(path: Path, why: str, what: str) -> DataError:
    return DataError(f"{path}: not a whole .npy file ({why}), expected {what}")


def npy_bytes(array: np.ndarray) -> bytes:
    """What a .npy file with this array holds."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def npy_head(kind: str, shape: tuple[int, ...]) -> bytes:
    """What a .npy file begins with whose items of this kind, such as "|u1", follow in C order."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})
    return file.getvalue()
