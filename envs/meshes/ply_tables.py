"""The tables of a PLY file: its header, and the numbers of its elements, whether they are text or bytes."""

import codecs
import itertools
import re
import struct
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from ..files import DataError
from .polygon_files import decoded, numbers, whole

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "int64": "i8", "uint64": "u8",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8", "float16": "f2",
}  # fmt: skip
_LETTERS = {"i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I", "i8": "q", "u8": "Q"}
_LETTERS |= {"f2": "e", "f4": "f", "f8": "d"}
_CODES, _BIG = ({kind: struct.Struct(order + letter) for kind, letter in _LETTERS.items()} for order in "<>")
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_START = re.compile(rb"\s*ply[ \t]*(\r\n|\n|\r)")
_MOST = 2**53  # up to here whole numbers are exact as floating-point ones


@dataclass(frozen=True)
class Column:
    """What a property says of every row of an element: a number each, or a list of `sizes` numbers, all in one array.

    `bits` is "float", or how many bits its whole numbers have.
    """

    values: np.ndarray
    sizes: Int64[np.ndarray, " n"] | None
    bits: str

    def __len__(self) -> int:
        return len(self.values if self.sizes is None else self.sizes)

    def lengths(self) -> Int64[np.ndarray, " n"]:
        """How many numbers every row has."""
        return np.ones(len(self.values), np.int64) if self.sizes is None else self.sizes

    def whole(self, name: str) -> Int64[np.ndarray, " n"]:
        """The values as whole numbers; DataError naming the file where they are none."""
        found = self.values.astype(np.float64)
        if not (np.abs(found) < _MOST).all() or (found % 1).any():
            raise DataError(f"{name}: faces hold numbers that are not whole")
        return found.astype(np.int64)


Table = dict[str, Column]


class _Property(NamedTuple):
    """A property of an element: NumPy's types of its numbers and, for a list, of their number."""

    name: str
    kind: str
    counted: str = ""


@dataclass
class Head:
    """What a header says: how numbers are written, the elements in their order, and pictures for textures."""

    order: str = "?"
    elements: dict[str, tuple[int, list[_Property]]] = field(default_factory=dict)
    textures: list[str] = field(default_factory=list)


def tables(data: bytes, name: str) -> tuple[Head, dict[str, Table]]:
    """The header and the elements' columns; DataError naming the file where data are no PLY file or not as it says."""
    data = data.removeprefix(codecs.BOM_UTF8)
    start = _START.match(data)
    if start is None:
        raise DataError(f"{name}: cannot be read as a mesh, expected a PLY file, which begins with the word ply")
    end = re.compile(rb"[\r\n]end_header[ \t]*(?:" + start[1] + rb"|\r\n|\n|\r|\Z)").search(data)
    if end is None:
        raise DataError(f"{name}: cannot be read as a mesh, expected a PLY file whose header ends with end_header")
    head = _head(decoded(data[start.end() : end.start()]), name)
    body = data[end.end() :]
    if head.order == "":  # numbers of text become bytes, then both are alike
        text = decoded(body)
        surplus = _surplus(text, head)
        if surplus is not None:
            text, head = surplus
        body = numbers(text, np.float64, name, "vertices or faces").astype("<f8").tobytes()
    found, at = {}, 0
    for element, (rows, properties) in head.elements.items():
        found[element], at = _table(body, at, rows, _typed(properties, head.order), f"{name}: element {element!r}")
        for column, declared in zip(found[element], properties, strict=True):
            kind = "float" if declared.kind[0] == "f" else str(8 * int(declared.kind[1:]))
            values = found[element][column]
            found[element][column] = Column(values.values, values.sizes, kind)
    if body[at:].strip(b"\0 \t\r\n"):
        more = f"{len(body) - at} bytes" if head.order else f"{(len(body) - at) // 8} numbers"
        raise DataError(f"{name}: {more} more than its header says, expected none")
    return head, found


def _surplus(text: str, head: Head) -> tuple[str, Head] | None:
    """Text and header of a file all of whose faces have more numbers than the header says; None of any other file.

    Versions of VCGLIB write lists of colours where they announce numbers. Lists up to there say themselves how long
    they are; single numbers of such an element cannot be told from others, and are left out.
    """
    lines = [line for line in text.split("\n") if line and not line.isspace()]
    if len(lines) != sum(rows for rows, _ in head.elements.values()):
        return None
    changed, at, elements = False, 0, {}
    for element, (rows, properties) in head.elements.items():
        lists = list(itertools.takewhile(lambda p: p.counted, properties))
        elements[element] = (rows, properties)
        cut = [_begun(line.split(), properties, len(lists)) for line in lines[at : at + rows]] if lists else []
        if cut and all(cut):
            lines[at : at + rows] = [" ".join(words or ()) for words in cut]
            elements[element], changed = (rows, lists), True
        at += rows
    return ("\n".join(lines), Head(head.order, elements, head.textures)) if changed else None


def _begun(words: list[str], properties: list[_Property], lists: int) -> list[str] | None:
    """The words of a row's first lists; None where no words are left behind all that it should have."""
    at = 0
    for _ in range(lists):
        if at >= len(words) or not words[at].isdecimal():
            return None
        at += 1 + int(words[at])
    rest = properties[lists:]
    more = not any(p.counted for p in rest) and len(words) > at + len(rest)
    return words[:at] if more else None


def _head(text: str, name: str) -> Head:
    head = Head()
    properties: list[_Property] | None = None
    for line in text.split("\n"):
        words = line.split()
        match words:
            case [] | ["obj_info", *_]:
                continue
            case ["comment", *rest]:
                if rest and rest[0].lower() == "texturefile":
                    head.textures.append(line.strip().split(None, 2)[2] if len(rest) > 1 else "")
            case ["format", order, *_] if order in _ORDERS:
                head.order = _ORDERS[order]
            case ["element", what, count] if what not in head.elements:
                rows, properties = whole(count, name, f"the number of element {what!r}"), []
                if rows < 0:
                    raise DataError(f"{name}: {rows} times element {what!r}, expected 0 or more")
                head.elements[what] = (rows, properties)
            case ["property", "list", count, kind, what] if properties is not None and {count, kind} <= _TYPES.keys():
                properties.append(_Property(what, _TYPES[kind], _TYPES[count]))
            case ["property", kind, what] if properties is not None and kind in _TYPES:
                properties.append(_Property(what, _TYPES[kind]))
            case _:
                raise DataError(f"{name}: a line of the header is {line.strip()[:60]!r}, expected a PLY file")
        if properties and len({p.name for p in properties}) < len(properties):
            raise DataError(f"{name}: property {properties[-1].name!r} stands twice in an element")
    if head.order == "?":
        raise DataError(f"{name}: no line 'format' in the header, expected ascii or binary_…_endian")
    return head


def _typed(properties: list[_Property], order: str) -> list[_Property]:
    """The properties as they lie in the bytes."""
    if order == "":
        return [_Property(p.name, "<f8", "<f8" if p.counted else "") for p in properties]
    return [_Property(p.name, order + p.kind, order + p.counted if p.counted else "") for p in properties]


def _table(body: bytes, at: int, rows: int, properties: list[_Property], what: str) -> tuple[Table, int]:
    """The columns of an element that begins at byte `at`, and where it ends."""
    if not rows or not properties:
        return {
            p.name: Column(np.zeros(0, p.kind), np.zeros(0, np.int64) if p.counted else None, "") for p in properties
        }, at
    least = rows * sum(np.dtype(p.counted or p.kind).itemsize for p in properties)
    if at + least > len(body):
        raise DataError(f"{what}: the file ends before its {rows} rows, expected it whole")
    first, end = _row(body, at, properties, what)
    sizes = [size for _, size in first]
    fields = []
    for i, (p, size) in enumerate(zip(properties, sizes, strict=True)):
        fields += [(f"n{i}", p.counted), (f"x{i}", p.kind, (size,))] if p.counted else [(f"x{i}", p.kind)]
    if at + rows * (end - at) <= len(body) and all(sizes):
        block = np.frombuffer(body, np.dtype(fields), rows, at)
        if all(
            (block[f"n{i}"] == size).all()
            for i, (p, size) in enumerate(zip(properties, sizes, strict=True))
            if p.counted
        ):
            return {
                p.name: Column(block[f"x{i}"].ravel(), np.full(rows, size) if p.counted else None, "")
                for i, (p, size) in enumerate(zip(properties, sizes, strict=True))
            }, at + rows * (end - at)
    return _ragged(body, at, rows, properties, what)


def _ragged(body: bytes, at: int, rows: int, properties: list[_Property], what: str) -> tuple[Table, int]:
    """The same where lists differ in length: row by row."""
    pieces: list[list[bytes]] = [[] for _ in properties]
    sizes: list[list[int]] = [[] for _ in properties]
    for _ in range(rows):
        row, at = _row(body, at, properties, what)
        for i, (piece, size) in enumerate(row):
            pieces[i].append(piece)
            sizes[i].append(size)
    return {
        p.name: Column(np.frombuffer(b"".join(pieces[i]), p.kind), np.array(sizes[i]) if p.counted else None, "")
        for i, p in enumerate(properties)
    }, at


def _row(body: bytes, at: int, properties: list[_Property], what: str) -> tuple[list[tuple[bytes, int]], int]:
    """The bytes of every property of a row and how many numbers they are, and where the row ends."""
    found = []
    for p in properties:
        size = 1
        if p.counted:
            count = _CODES[p.counted[1:]]
            if at + count.size > len(body):
                raise DataError(f"{what}: the file ends within it, expected it whole")
            said = (count if p.counted[0] == "<" else _BIG[p.counted[1:]]).unpack_from(body, at)[0]
            if not 0 <= said < _MOST or said % 1:
                raise DataError(f"{what}: a list of {said:g} numbers, expected 0 or more")
            size, at = int(said), at + count.size
        end = at + size * int(p.kind[2:])
        if end > len(body):
            raise DataError(f"{what}: the file ends within it, expected it whole")
        found.append((body[at:end], size))
        at = end
    return found, at
