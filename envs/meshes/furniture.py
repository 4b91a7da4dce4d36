"""Furniture of Sweet Home 3D: archives (.sh3f) of real models with a catalogue, as Debian's sweethome3d-furniture.

The archives of version 1.8 hold 820 models, 489 of them in the twelve classes of `RULES`. An archive's models are read
where they lie, one at a time, and stand on the z axis with their fronts towards +y, where the camera is.
"""

import functools
import lzma
import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from ..files import DataError, expanded, printable
from . import obj_files
from .mesh import Item, Mesh
from .mesh_files import UPRIGHT, turned
from .referenced_files import Besides, readable
from .surfaces import join

VERSION = 1  # of classes and meshes: raise it whenever the same archives give others
FOLDER = Path("/usr/share/sweethome3d/furniture")
CATALOGUE = "PluginFurnitureCatalog.properties"

# Textures and libraries that these models name are not in the archives of version 1.8 (they carry paths of the
# machines where they were made); Sweet Home 3D shows such surfaces in their diffuse colour.
INCOMPLETE = frozenset((
    "blendswap-cc-0/bed1", "blendswap-cc-0/bed2", "blendswap-cc-0/technicalTable1", "blendswap-cc-0/technicalTable2",
    "blendswap-cc-0/textMarker", "blendswap-cc-by/luckyBamboo", "katorlegaz/oriental-rug", "scopia/bar_chair",
    "scopia/beige_sofa", "scopia/beige_sofa_2seats", "scopia/calla_lily_with_roses", "scopia/intercom",
    "scopia/intercom_with_screen", "scopia/iron_bed", "scopia/kids_shelves", "scopia/kitchen_stool",
    "scopia/living_room_lamp1", "scopia/passage-a-niveau", "scopia/rectangle-swimming-pool",
    "scopia/round-swimming-pool", "scopia/tubular_chair",
))  # fmt: skip

_FRONT = np.diag([-1.0, -1.0, 1.0]) @ UPRIGHT  # fronts point along +z in the archives
# What is raised for archives that are damaged in one way or another, packed in unknown ways or encrypted.
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, OSError, EOFError, NotImplementedError, RuntimeError,
    ValueError, LookupError, ArithmeticError,
)  # fmt: skip
_LARGEST = 1 << 30  # bytes of a file in an archive


@dataclass(frozen=True)
class Rule:
    """What a model's name, tags or category must contain (regular expressions, lower case) to be of a class."""

    category: str
    name: str = ""
    tags: str = ""
    place: str = ""


RULES = (
    Rule(
        "", r"toilet|swing|dog house|doll house|baby bottle|table tennis bat|cup cake|knife stand|island bath|\bplug\b"
    ),
    Rule("", r"spray bottle|flower box|day bed"),
    Rule("person", tags=r"\bhuman\b"),
    Rule("vehicle", place=r"vehicles"),
    Rule("vehicle", r"^(biplane|car model|toy train|rowboat|motorbike|wheelchair)$"),
    Rule("window-door", place=r"doors and windows"),
    Rule("", r"candle"),
    Rule("lamp", place=r"lights"),
    Rule("lamp", r"\blantern\b"),
    Rule("plant", r"\b(plant|tree|flowers?|tulips|orchids|lily|bamboo|cactus|ficus|palm|hedge|bush)\b"),
    Rule("plant", tags=r"\b(plant|tree)\b"),
    Rule("sofa", r"\b(sofa|couch)\b"),
    Rule("electronics", r"^(tv|speaker|phone|tv remote control)$"),
    Rule("electronics", tags=r"\b(electronics|computer)\b"),
    Rule("storage", r"\b(cabinet|cupboard|wardrobe|bookcase|shelves|dresser|drawers|locker|island|bedside|tv stand)\b"),
    Rule("storage", r"^chest$"),
    Rule("appliance", tags=r"\bappliance\b"),
    Rule("table", r"\b(table|desk|workbench)\b"),
    Rule("", r"abdominal"),
    Rule("chair", r"\b(chair|armchair|stool|bench|seat|bank|lounge|ottoman|puff)\b"),
    Rule(
        "tableware",
        r"\b(glass|cup|mug|bowl|plate|teapot|creamer|sugar|kettle|boiler|press|bottle|jar|vase|pottery|tray|servers)\b"
        r"|\b(spoon|fork|knife|pan|shaker|cutlery|utensils|squeezer|tools?)\b",
        place=r"kitchen|bathroom|miscellaneous",
    ),
)
"""The first rule that fits decides; the class "" leaves a model out. At least 20 models of version 1.8 are in each."""


@dataclass(frozen=True)
class _Entry:
    """A model of a catalogue."""

    archive: Path
    model: str
    credit: str
    rotation: tuple[float, ...]

    @property
    def where(self) -> str:
        """What errors call it."""
        return f"{self.archive}:{self.model}"


def walk(folder: Path = FOLDER) -> list[Item]:
    """The models of the archives in a folder (or of one archive) that belong to a class, in the order of their keys.

    Nothing is loaded yet. Keys are "class/library_folder"; every item carries library, model, author and licence.
    Raises DataError naming the archive for one that cannot be read, holds a path that leaves it, or has no catalogue
    or an incomplete one, and for a folder without archives.
    """
    items: dict[str, Item] = {}
    for archive in archives(folder):
        for fields, entry in _entries(archive):
            category = category_of(fields)
            if not category:
                continue
            key = f"{category}/{re.sub(r'[^A-Za-z0-9.+-]+', '_', posixpath.dirname(entry.model))}"
            if key in items:
                raise DataError(f"{entry.where}: a second model called {key}, expected one")
            items[key] = Item(category, key, functools.partial(_load, entry), entry.credit)
    return [items[key] for key in sorted(items)]


def archives(folder: Path) -> list[Path]:
    """The archives in a folder, or the one archive that is named. Raises DataError where there is none."""
    folder = expanded(folder, "folder of archives")
    found = [folder] if folder.is_file() else sorted(folder.glob("*.sh3f"))
    if not found:
        raise DataError(
            f"{folder}: no furniture archive found, expected files ending in .sh3f (Debian: sweethome3d-furniture)"
        )
    for path in found:
        if not path.is_file():  # a named pipe would never end
            raise DataError(f"{path}: is no regular file, expected a furniture archive (zip)")
    return found


def category_of(fields: dict[str, str]) -> str:
    """The class of a catalogue's entry with `name`, `tags` and `category`; "" for none."""
    name, tags, place = (fields.get(key, "").lower() for key in ("name", "tags", "category"))
    for rule in RULES:
        if re.search(rule.name, name) and re.search(rule.tags, tags) and re.search(rule.place, place):
            return rule.category
    return ""


def _entries(archive: Path) -> Iterator[tuple[dict[str, str], _Entry]]:
    """What the catalogue of an archive says of every model."""
    with _opened(archive) as file:
        for name in file.namelist():
            if _leaves(name):
                raise DataError(f"{archive}: the path {name!r} leaves the archive, expected paths within it")
        if CATALOGUE not in file.namelist():
            raise DataError(f"{archive}: no {CATALOGUE} in it, expected a furniture archive of Sweet Home 3D")
        found = properties(_bytes(file, CATALOGUE, archive))
    models: dict[int, dict[str, str]] = {}
    for key, value in found.items():
        what, _, number = key.partition("#")
        if number.isdecimal():
            models.setdefault(int(number), {})[what] = value
    library = f"{found.get('name', printable(archive.stem))} {found.get('version', '')}".strip()
    for number, fields in sorted(models.items()):
        missing = [key for key in ("name", "model", "category") if key not in fields]
        if missing:
            raise DataError(f"{archive}: {CATALOGUE} says nothing of {missing[0]}#{number}, expected it")
        model = fields["model"].lstrip("/")
        if not posixpath.basename(model):
            raise DataError(
                f"{archive}: model#{number} is {fields['model']!r}, expected the path of a model in the archive"
            )
        if _leaves(model):
            raise DataError(
                f"{archive}: the path {model!r} of model {number} leaves the archive, expected one within it"
            )
        author, licence = fields.get("creator", "author unknown"), found.get("license", "licence unknown")
        credit = f"{library}: {fields['name']} ({model}) by {author}, {licence}"
        yield fields, _Entry(archive, model, credit, _rotation(fields.get("modelRotation", ""), archive, number))


def _rotation(text: str, archive: Path, number: int) -> tuple[float, ...]:
    """Nine numbers, row by row; none where a model needs no rotation."""
    try:
        found = tuple(float(word) for word in text.split())
    except ValueError:
        found = (0.0,)
    rotation = np.array(found).reshape(3, 3) if len(found) == 9 else np.eye(3) * (not found)
    if not np.abs(rotation @ rotation.T - np.eye(3)).max() < 1e-3:
        raise DataError(f"{archive}: modelRotation#{number} is {text!r}, expected the 9 numbers of a rotation")
    return found


def _load(entry: _Entry) -> Mesh:
    """The mesh of a model: its rotation applied, upright, its front to +y."""
    with _opened(entry.archive) as file, readable(entry.where):
        besides = _Archived(entry, file)
        data = besides.find(posixpath.basename(entry.model))
        if data is None:
            raise DataError(f"{entry.where}: not in the archive, expected the model of its catalogue")
        soups = obj_files.read(data, besides)
        turn = _FRONT @ (np.array(entry.rotation).reshape(3, 3) if entry.rotation else np.eye(3))
        return join([turned(soup, turn) for soup in soups], entry.where)


class _Archived(Besides):
    """Files of an archive, by their path from a model's folder."""

    def __init__(self, entry: _Entry, file: zipfile.ZipFile) -> None:
        self._folder = posixpath.dirname(entry.model)
        super().__init__(entry.where, lenient=self._folder in INCOMPLETE)
        self._archive, self._file = entry.archive, file
        self._names = {name.lower(): name for name in file.namelist()}

    def _read(self, name: str) -> bytes | None:
        path = posixpath.normpath(posixpath.join(self._folder, name))
        if path.startswith("../"):
            raise DataError(f"{self.name}: the path {name!r} leaves the archive, expected one within it")
        found = self._names.get(path.lower())
        return None if found is None else _bytes(self._file, found, self._archive)


def _leaves(name: str) -> bool:
    """Whether a path points out of the archive that holds it."""
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or any(":" in part for part in path.parts[:1])


def _opened(archive: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(archive)
    except _DAMAGED as error:
        raise DataError(f"{archive}: cannot be opened ({error}), expected a furniture archive (zip)") from error


def _bytes(file: zipfile.ZipFile, name: str, archive: Path) -> bytes:
    """A file of an archive, its checksum checked."""
    try:
        size = file.getinfo(name).file_size
        data = file.read(name) if size <= _LARGEST else None
    except _DAMAGED as error:
        raise DataError(f"{archive}: {name} is damaged ({error}), expected it whole") from error
    if data is None:
        raise DataError(f"{archive}: {name} has {size:,} bytes, expected {_LARGEST:,} at most")
    return data


_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_PLAIN = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_PAIR = re.compile(r"((?:\\.|[^\\=:\s])*)\s*[=:]?\s*(.*)", re.DOTALL)


def properties(data: bytes) -> dict[str, str]:
    """The pairs of a properties file; of a key that is given twice the last one.

    Lines that begin with # or ! are comments, a backslash at a line's end continues it, and key and value are apart
    by =, : or blanks.
    """
    found: dict[str, str] = {}
    pending = ""
    for line in (*re.split(r"\r\n|\n|\r", data.decode("latin-1")), ""):
        line = line.lstrip(" \t\f")
        if not pending and line[:1] in ("", "#", "!"):
            continue
        pending += line
        if (len(pending) - len(pending.rstrip("\\"))) % 2:  # an odd number of backslashes: the last one continues
            pending = pending[:-1]
            continue
        key, value = _PAIR.fullmatch(pending).groups()  # type: ignore[union-attr]
        found[_unescaped(key)] = _unescaped(value)
        pending = ""
    return found


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    # Java writes characters beyond 16 bits as two escapes.
    return _ESCAPE.sub(_character, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _character(match: re.Match[str]) -> str:
    """What an escape stands for."""
    code = match[1]
    return chr(int(code[1:], 16)) if len(code) == 5 else _PLAIN.get(code, code)
