"""One walk for every tree of files: images, meshes, views. It follows links and ends all the same.

A link that leads back up (`cat/up -> ..`, `self -> .`) is not entered, and no folder is entered twice, whichever way
leads to it: what a tree holds is read once, where it stands. Links to folders and files elsewhere are followed.
"""

import heapq
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .files import DataError, kind_of

NOT_DATA = (
    "@eaDir", "#recycle", "@Recycle", "#snapshot", "__MACOSX", "__pycache__", "lost+found", "$RECYCLE.BIN",
    "System Volume Information",
)  # fmt: skip
"""Folders that network drives, archives, editors and systems leave in the trees of their users."""


@dataclass(frozen=True)
class Walk:
    """What lies in a tree.

    `files` are paths as they were reached, below the root, sorted by their text with forward slashes. `aliases` gives
    for every file that is a link to another one of them, or to the same file as an earlier link, that other one.
    """

    files: tuple[Path, ...]
    aliases: dict[Path, Path]


def is_data(name: str) -> bool:
    """Whether a file or folder of this name is the user's: neither hidden nor one of `NOT_DATA`."""
    return not name.startswith(".") and name not in NOT_DATA


def subfolders(folder: Path) -> list[str]:
    """Sorted names of the folders in a folder that hold data; links that lead back up are none.

    Raises DataError naming a link that leads nowhere and a folder that cannot be looked into.
    """
    return [entry.name for entry in _entries(folder) if entry.is_dir() and not _leads_up(entry)]


def check_apart(folders: Iterable[Path]) -> None:
    """Raise DataError where two folders are the same one, by way of a link; those that are not there do not count."""
    seen: dict[tuple[int, int], Path] = {}
    for folder in folders:
        if folder.is_dir():
            facts = folder.stat()
            before = seen.setdefault((facts.st_dev, facts.st_ino), folder)
            if before is not folder:
                raise DataError(f"{folder}: is the same folder as {before}, expected one of its own")


def walk(
    root: Path, endings: Sequence[str] = (), what: str = "a file", *, tops: Sequence[str] | None = None, labels: int = 1
) -> Walk:
    """All regular files below `root` whose names end in one of `endings` (lower case; none: all files).

    `tops` limits the walk to these folders of `root`. The first `labels` parts of a path below `root` say what a file
    is (its class, or its split and class). Raises DataError naming a link that leads nowhere; a folder that cannot be
    looked into; a named pipe, socket or device with such an ending; and, where such files lie in it, a folder that
    gives a label and is a link to another one of the tree, and a file or folder elsewhere to which links of two labels
    lead.
    """
    found = _Walker(root, tuple(endings), what, labels)
    found.enter(tops)
    return Walk(*found.sorted())


@dataclass
class _Walker:
    """A walk under way: which folders were entered, what was found in them, and which links are still to be followed.

    Real folders go first and links near the root before deeper ones, so that what stands in the tree is found there
    and not through a link to it.
    """

    root: Path
    endings: tuple[str, ...]
    what: str
    labels: int
    entered: dict[tuple[int, int], Path] = field(default_factory=dict)
    own: set[Path] = field(default_factory=set)  # folders of the tree itself
    twice: dict[Path, str] = field(default_factory=dict)  # folders that were reached again under another label
    links: list[tuple[int, str]] = field(default_factory=list)  # a heap of depths and paths
    found: list[tuple[str, tuple[int, int], bool]] = field(default_factory=list)  # path, identity, whether it is a link

    def enter(self, tops: Sequence[str] | None) -> None:
        """Walk through the folders of the root, or through those named in `tops`, then through what links lead to."""
        self._folder(self.root, tops)
        self.own = set(self.entered.values())
        while self.links:
            _, path = heapq.heappop(self.links)
            self._folder(Path(path))

    def sorted(self) -> tuple[tuple[Path, ...], dict[Path, Path]]:
        """The files in order, and which of them are the same."""
        self.found.sort(key=lambda file: Path(file[0]).as_posix())
        paths = tuple(Path(path) for path, _, _ in self.found)
        for folder, message in self.twice.items():  # what holds nothing of interest may be shared
            if any(folder in path.parents for path in paths):
                raise DataError(message)
        aliases: dict[Path, Path] = {}
        if any(link for *_, link in self.found):
            first: dict[tuple[int, int], Path] = {}
            for path, (_, identity, link) in zip(paths, self.found, strict=True):
                if not link:  # hard links count as files of their own, as copies do
                    first.setdefault(identity, path)
            for path, (_, identity, link) in zip(paths, self.found, strict=True):
                other = first.setdefault(identity, path)
                if link and other != path:
                    aliases[path] = other
                    if self._label(path) != self._label(other):
                        raise DataError(f"{path}: leads to the same file as {other}, expected {self.what} in one place")
        return paths, aliases

    def _folder(self, folder: Path, tops: Sequence[str] | None = None) -> None:
        """Walk through a folder and the real folders below; by a stack of its own, as trees may be deep."""
        waiting = [folder]
        while waiting:
            folder = waiting.pop()
            device = self._entered(folder)
            for entry in _entries(folder) if device is not None else []:
                if tops is not None and folder == self.root and entry.name not in tops:
                    continue
                if not entry.is_dir():
                    self._file(entry, device)
                elif not entry.is_symlink():
                    waiting.append(Path(entry.path))
                elif not _leads_up(entry):
                    heapq.heappush(self.links, (len(self._parts(Path(entry.path))), entry.path))

    def _entered(self, folder: Path) -> int | None:
        """The device of a folder that is entered for the first time, None of one that adds nothing."""
        facts = folder.stat()
        before = self.entered.setdefault((facts.st_dev, facts.st_ino), folder)
        if before is folder:
            return facts.st_dev
        standing = before in self.own or len(self._parts(before)) <= self.labels
        if len(self._parts(folder)) <= self.labels:
            self.twice[before] = f"{folder}: is the same folder as {before}, expected one of its own"
        elif not standing and self._label(before) != self._label(folder):
            self.twice[before] = f"{folder}: leads to the same folder as {before}, expected {self.what} in one place"
        return None

    def _file(self, entry: os.DirEntry[str], device: int | None) -> None:
        if self.endings and not entry.name.lower().endswith(self.endings):
            return
        if not entry.is_file():
            if self.endings:
                kind = kind_of(entry.stat().st_mode)
                raise DataError(f"{entry.path}: is {kind}, expected {self.what} in a regular file")
            return
        if entry.is_symlink():
            facts = entry.stat()
            self.found.append((entry.path, (facts.st_dev, facts.st_ino), True))
        else:
            self.found.append((entry.path, (device or 0, entry.inode()), False))

    def _parts(self, path: Path) -> tuple[str, ...]:
        return path.relative_to(self.root).parts

    def _label(self, path: Path) -> tuple[str, ...]:
        return self._parts(path)[: self.labels]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What holds data in a folder, sorted by name. Raises DataError for links that lead nowhere."""
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry for entry in entries if is_data(entry.name)), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder}: cannot be looked into ({error.strerror}), expected a folder") from error
    for entry in found:
        if entry.is_symlink():
            try:
                entry.stat()
            except OSError as error:
                target = os.readlink(entry.path)
                raise DataError(
                    f"{entry.path}: a link to {target}, which cannot be reached ({error.strerror})"
                ) from error
    return found


def _leads_up(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a link to the folder that it lies in, or to one around that."""
    if not entry.is_symlink():
        return False
    target, place = Path(os.path.realpath(entry.path)), Path(os.path.realpath(os.path.dirname(entry.path)))
    return target == place or target in place.parents
