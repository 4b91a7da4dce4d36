"""An index of the image files of a tree: which there are, in what classes, how large, and when they were changed.

It is made by one look at every folder (some seconds for 1.28 million files on a local disk) and kept in the cache
folder, from where it is opened in a fraction of a second. Opening compares the times of change of all folders, so what
has been added, removed or renamed since is seen, and the index made anew. A file that was written over in place changes
no folder: `verify`, which `gazeworld data check` calls, asks for size and time of every single file.

Names need not be text. Hidden files and folders, and what `walking.NOT_DATA` names, are left out; links to files and
folders are followed, no folder is entered twice.
"""

import hashlib
import os
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
from jaxtyping import Int32, Int64, UInt8

from ..cache import folder as cache_folder
from ..files import DataError, digest, printable, whole_file
from ..threads import every
from ..walking import is_data

VERSION = 1  # of the saved form
_RACE = 100_000_000  # ns: what was changed less than that before an index was made may change again unseen


@dataclass(frozen=True)
class Names(Sequence[str]):
    """Very many names in one piece of memory; each becomes text when it is asked for."""

    blob: UInt8[np.ndarray, " bytes"]
    ends: Int64[np.ndarray, " n"]

    @classmethod
    def of(cls, names: Sequence[str]) -> "Names":
        """These names; bytes that are no text are kept."""
        coded = [os.fsencode(name) for name in names]
        ends = np.cumsum([len(name) for name in coded], dtype=np.int64)
        return cls(np.frombuffer(b"".join(coded), np.uint8), ends)

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"name {index} of {len(self)}")
        index %= len(self)
        begin = int(self.ends[index - 1]) if index else 0
        return os.fsdecode(self.blob[begin : int(self.ends[index])].tobytes())

    def __iter__(self) -> Iterator[str]:
        blob, begin = self.blob.tobytes(), 0
        for end in self.ends.tolist():
            yield os.fsdecode(blob[begin:end])
            begin = end


@dataclass(frozen=True)
class ImageIndex:
    """The image files in some folders below `root`, folder by folder, and in each sorted by their paths.

    `tops` are the folders, `label` is the number of the one that a file lies in or below. `names` are paths below
    `root` with forward slashes, `size` is in bytes, `mtime` in nanoseconds. `folders` are all folders that were looked
    into, and those that the tops lie in, with their `times`. `fingerprint` changes with names and sizes; not with where
    the tree lies, nor when it was copied there.
    """

    root: Path
    tops: tuple[str, ...]
    names: Names
    label: Int32[np.ndarray, " n"]
    size: Int64[np.ndarray, " n"]
    mtime: Int64[np.ndarray, " n"]
    folders: Names
    times: Int64[np.ndarray, " f"]
    made: int
    fingerprint: str

    def __len__(self) -> int:
        return len(self.names)

    def changed(self) -> str:
        """The first folder that is not as it was, or an empty text."""
        for name, before in zip(self.folders, self.times.tolist(), strict=True):
            now = _time(self.root / name)
            if now != before or before > self.made - _RACE:
                return str(self.root / name)
        return ""


def open_index(root: Path, tops: Sequence[str], endings: Sequence[str]) -> ImageIndex:
    """The index of the images in some folders of a tree: the saved one where it is still right, else a new one.

    `tops` are paths of folders below `root`, one for each class; `endings` are those of image files, in lower case.
    Raises DataError naming a folder without an image, and one or a link that cannot be followed; OSError where the
    cache cannot be written.
    """
    facts = {"what": "index of images", "version": VERSION, "root": printable(str(root)), "endings": list(endings)}
    place = cache_folder() / f"index-{digest(**facts, tops=[printable(top) for top in tops])}.npz"
    found = _load(place, root, tuple(tops))
    if found is None or found.changed():
        found = build_index(root, tops, endings)
        _save(place, found)
    return found


def build_index(root: Path, tops: Sequence[str], endings: Sequence[str]) -> ImageIndex:
    """Look at all the folders, see `open_index`."""
    made, wanted = time.time_ns(), tuple(endings)
    above = sorted({top.rpartition("/")[0] for top in tops})
    folders = {name: _time(root / name) for name in above}
    files: list[tuple[str, int, int]] = []
    counts: list[int] = []
    for top, looked in zip(tops, every(lambda top: _look(root, top, wanted), tops), strict=True):
        if not looked.files:
            raise DataError(f"{root / top}: no image in it, expected files ending in {', '.join(endings)}")
        files += sorted(looked.files)
        folders.update(looked.folders)
        counts.append(len(looked.files))
    names = Names.of([name for name, _, _ in files])
    label = np.repeat(np.arange(len(tops), dtype=np.int32), counts)
    size = np.array([size for _, size, _ in files], np.int64)
    seen = hashlib.sha256()
    for array in (names.blob, names.ends, label, size):
        seen.update(np.ascontiguousarray(array).data)
    return ImageIndex(
        root,
        tuple(tops),
        names,
        label,
        size,
        np.array([mtime for _, _, mtime in files], np.int64),
        Names.of(list(folders)),
        np.array(list(folders.values()), np.int64),
        made,
        seen.hexdigest()[:16],
    )


def verify(index: ImageIndex) -> list[str]:
    """Ask for every file of an index and for every folder: what is different now, one sentence each."""

    def differences(i: int) -> str:
        path = index.root / index.names[i]
        try:
            now = path.stat()
        except OSError as error:
            return f"{path}: cannot be reached ({error.strerror}), expected a file of {index.size[i]} bytes"
        if now.st_size != index.size[i]:
            return f"{path}: has {now.st_size} bytes, expected {index.size[i]}"
        return f"{path}: was changed since it was indexed" if now.st_mtime_ns != index.mtime[i] else ""

    found = [said for said in every(differences, range(len(index))) if said]
    for name, before in zip(index.folders, index.times.tolist(), strict=True):
        if _time(index.root / name) != before:
            found.append(f"{index.root / name}: files were added or removed since it was indexed")
    return [printable(said) for said in found]


@dataclass
class _Looked:
    files: list[tuple[str, int, int]]
    folders: dict[str, int]


def _look(root: Path, top: str, endings: tuple[str, ...]) -> _Looked:
    """Files in and below one folder; all folders that were looked into."""
    found, waiting, entered = _Looked([], {}), [top], set[tuple[int, int]]()
    while waiting:
        name = waiting.pop()
        path = os.path.join(root, name) if name else str(root)
        try:
            facts = os.stat(path)
            if (facts.st_dev, facts.st_ino) in entered:
                continue
            entered.add((facts.st_dev, facts.st_ino))
            found.folders[name] = facts.st_mtime_ns  # before its files: what comes in between is seen the next time
            with os.scandir(path) as entries:
                for entry in entries:
                    inside = f"{name}/{entry.name}" if name else entry.name
                    if not is_data(entry.name):
                        continue
                    if entry.name.lower().endswith(endings):
                        now = entry.stat()
                        if entry.is_file():
                            found.files.append((inside, now.st_size, now.st_mtime_ns))
                            continue
                    if entry.is_dir():
                        waiting.append(inside)
        except OSError as error:
            raise DataError(
                f"{error.filename or path}: cannot be reached ({error.strerror}), expected files and folders"
            ) from error
    return found


def _time(folder: Path) -> int:
    """When a folder was changed, in nanoseconds; -1 where there is none."""
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return -1


_ARRAYS = ("blob", "ends", "label", "size", "mtime", "folders", "folder_ends", "times", "made", "fingerprint")


def _save(place: Path, index: ImageIndex) -> None:
    arrays = (
        index.names.blob, index.names.ends, index.label, index.size, index.mtime, index.folders.blob,
        index.folders.ends, index.times, np.array([index.made]), np.array([index.fingerprint]),
    )  # fmt: skip
    with whole_file(place) as draft, draft.open("wb") as file:
        np.savez(file, **dict(zip(_ARRAYS, arrays, strict=True)))


def _load(place: Path, root: Path, tops: tuple[str, ...]) -> ImageIndex | None:
    """A saved index, None where there is none or it is damaged: then the tree is looked at."""
    try:
        with place.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            blob, ends, label, size, mtime, folders, folder_ends, times, made, named = (file[one] for one in _ARRAYS)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    looked = Names(folders, folder_ends)
    return ImageIndex(root, tops, Names(blob, ends), label, size, mtime, looked, times, int(made[0]), str(named[0]))
