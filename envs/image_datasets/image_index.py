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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
from jaxtyping import Int32, Int64, UInt8

from ..cache import folder as cache_folder
from ..files import DataError, digest, printable, whole_file
from ..threads import every
from ..walking import Tree, is_data

VERSION = 2  # of the saved form
_RACE = 100_000_000  # ns: what was changed less than that before an index was made may change again unseen
_AT_ONCE = 4096  # files that a thread asks for before another one's turn


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

    `tops` are the folders, `label` is the number of the one that a file lies in or below; -1 where it lies in none.
    `names` are paths below `root` with forward slashes, `size` is in bytes, `mtime` in nanoseconds. `folders` are all
    folders that were looked into, and those that the tops lie in, with their `times`. `fingerprint` changes with names
    and sizes; not with where the tree lies, nor when it was copied there.
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
    key = {"root": printable(str(root)), "endings": list(endings), "tops": [printable(top) for top in tops]}
    found = saved_indexes(key, root)
    if found is None:
        found = [build_index(root, tops, endings)]
        save_indexes(key, found)
    return found[0]


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
        _fingerprint(names.blob, names.ends, label, size),
    )


def index_of(
    tree: Tree, tops: Sequence[str], names: Sequence[str], label: Int32[np.ndarray, " n"], made: int
) -> ImageIndex:
    """The index of files that were found by a walk through a tree, begun at the time `made`, in this order.

    `label` counts `tops`, and is -1 where a file is of none. Every folder that was looked into is remembered. Raises
    DataError naming a file that cannot be reached any more.
    """

    def ask(begin: int) -> Int64[np.ndarray, "k 2"]:
        root, some = str(tree.root), names[begin : begin + _AT_ONCE]
        try:
            return np.array([(s.st_size, s.st_mtime_ns) for s in (os.stat(f"{root}/{one}") for one in some)], np.int64)
        except OSError as error:
            raise DataError(f"{error.filename}: cannot be reached ({error.strerror}), expected a file") from error

    parts = every(ask, range(0, len(names), _AT_ONCE))
    size, mtime = np.concatenate([np.zeros((0, 2), np.int64), *parts]).T.copy()
    coded = Names.of(names)
    return ImageIndex(
        tree.root,
        tuple(tops),
        coded,
        label,
        size,
        mtime,
        Names.of(list(tree.looked)),
        np.array([seen.time for seen in tree.looked.values()], np.int64),
        made,
        _fingerprint(coded.blob, coded.ends, label, size),
    )


def _fingerprint(*facts: np.ndarray) -> str:
    seen = hashlib.sha256()
    for array in facts:
        seen.update(np.ascontiguousarray(array).data)
    return seen.hexdigest()[:16]


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

    def ask(begin: int) -> list[str]:
        some = range(begin, min(begin + _AT_ONCE, len(index)))
        return [said for i in some if (said := differences(i))]

    found = [said for part in every(ask, range(0, len(index), _AT_ONCE)) for said in part]
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


_ARRAYS = ("tops", "top_ends", "blob", "ends", "label", "size", "mtime", "folders", "folder_ends", "times")


def save_indexes(key: Mapping[str, Any], indexes: Sequence[ImageIndex]) -> None:
    """Keep indexes in the cache folder under a JSON-able key. Raises OSError where it cannot be written."""
    arrays: dict[str, Any] = {"count": np.array(len(indexes))}
    for i, index in enumerate(indexes):
        tops = Names.of(index.tops)
        parts = (
            tops.blob, tops.ends, index.names.blob, index.names.ends, index.label, index.size, index.mtime,
            index.folders.blob, index.folders.ends, index.times,
        )  # fmt: skip
        arrays |= {f"{name}-{i}": array for name, array in zip(_ARRAYS, parts, strict=True)}
        arrays |= {f"made-{i}": np.array(index.made), f"fingerprint-{i}": np.array(index.fingerprint)}
    with whole_file(_place(key)) as draft, draft.open("wb") as file:
        np.savez(file, **arrays)


def saved_indexes(key: Mapping[str, Any], root: Path) -> list[ImageIndex] | None:
    """What was kept under a key; None where nothing was, it is damaged, or a folder is not as it was then."""
    found: list[ImageIndex] = []
    try:
        with _place(key).open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            for i in range(int(file["count"])):
                tops, top_ends, blob, ends, label, size, mtime, folders, folder_ends, times = (
                    file[f"{name}-{i}"] for name in _ARRAYS
                )
                looked, named = Names(folders, folder_ends), str(file[f"fingerprint-{i}"])
                made, classes = int(file[f"made-{i}"]), tuple(Names(tops, top_ends))
                found.append(
                    ImageIndex(root, classes, Names(blob, ends), label, size, mtime, looked, times, made, named)
                )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return None if any(index.changed() for index in found) else found


def _place(key: Mapping[str, Any]) -> Path:
    return cache_folder() / f"index-{digest(what='index of images', version=VERSION, **key)}.npz"
