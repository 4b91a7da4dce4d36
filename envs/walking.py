"""One walk for every tree of files: images, meshes, views. It follows links and ends all the same.

A link that leads back up (`cat/up -> ..`, `self -> .`) is not entered, and no folder is entered twice, whichever way
leads to it: what a tree holds is read once, where it stands. Links to folders and files elsewhere are followed.
"""

import heapq
import os
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .files import DataError, kind_of

NOT_DATA = (
    "@eaDir", "#recycle", "@Recycle", "#snapshot", "__MACOSX", "__pycache__", "lost+found", "$RECYCLE.BIN",
    "System Volume Information",
)  # fmt: skip
"""Folders that network drives, archives, editors and systems leave in the trees of their users."""
_NOT_DATA = frozenset(NOT_DATA)


@dataclass(frozen=True)
class Walk:
    """What lies in a tree.

    `files` are paths as they were reached, below the root, sorted by their text with forward slashes. `aliases` gives
    for every file that is a link to another one of them, or to the same file as an earlier link, that other one.
    """

    files: tuple[Path, ...]
    aliases: dict[Path, Path]


@dataclass(frozen=True)
class Found:
    """The same as a `Walk` for very many files: paths below the root, as text with forward slashes."""

    names: list[str]
    aliases: dict[str, str]


def is_data(name: str) -> bool:
    """Whether a file or folder of this name is the user's: neither hidden nor one of `NOT_DATA`."""
    return not name.startswith(".") and name not in _NOT_DATA


def subfolders(folder: Path) -> list[str]:
    """Sorted names of the folders in a folder that hold data; links that lead back up are none.

    Raises DataError naming a link that leads nowhere and a folder that cannot be looked into.
    """
    return Tree(folder).subfolders()


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
    """All regular files below `root` whose names end in one of `endings`, see `Tree.walk`."""
    found = Tree(root).walk(endings, what, tops=tops, labels=labels)
    return Walk(
        tuple(root / name for name in found.names), {root / name: root / other for name, other in found.aliases.items()}
    )


@dataclass
class Tree:
    """A tree of folders, each of which is looked into once, however often it is asked about.

    Folders are named by their paths below `root`, with forward slashes; the root is "". `looked` is what was seen in
    those that were looked into.
    """

    root: Path
    looked: dict[str, "Look"] = field(default_factory=dict)

    def look(self, folder: str) -> "Look":
        """What lies in a folder. Raises DataError for one that cannot be looked into and links that lead nowhere."""
        if folder not in self.looked:
            self.looked[folder] = _look(os.path.join(self.root, folder) if folder else str(self.root))
        return self.looked[folder]

    def subfolders(self, folder: str = "") -> list[str]:
        """Sorted names of the folders in a folder that hold data, see the function of this name."""
        seen = self.look(folder)
        return sorted([*seen.folders, *seen.links])

    def walk(
        self, endings: Sequence[str] = (), what: str = "a file", *, tops: Sequence[str] | None = None, labels: int = 1
    ) -> Found:
        """All regular files of the tree whose names end in one of `endings` (lower case; none: all files).

        `tops` limits the walk to these folders of the root. The first `labels` parts of a path below the root say what
        a file is (its class, or its split and class). Raises DataError naming a link that leads nowhere; a folder that
        cannot be looked into; a named pipe, socket or device with such an ending; and, where such files lie in it, a
        folder that gives a label and is a link to another one of the tree, and a file or folder elsewhere to which
        links of two labels lead.
        """
        found = _Walker(self, tuple(endings), what, labels)
        found.enter(tops)
        return found.sorted()


@dataclass(frozen=True)
class Look:
    """What holds data in one folder; links to folders that lead back up are left out.

    `identity` tells the folder from others (device and number), `time` is when it was changed, in nanoseconds, asked
    for before its files were listed. `folders`, `links` (to folders) and `odd` (neither files nor folders, with their
    modes) are sorted; `files` are not, and have the `numbers` of their inodes. `linked` are links to files, with
    their identities.
    """

    identity: tuple[int, int]
    time: int
    folders: tuple[str, ...]
    links: tuple[str, ...]
    files: list[str]
    numbers: "array[int]"
    linked: dict[str, tuple[int, int]]
    odd: dict[str, int]


def _look(path: str) -> Look:
    folders, links, files, numbers, others = list[str](), list[os.DirEntry[str]](), list[str](), array("Q"), list[str]()
    try:
        facts = os.stat(path)
        with os.scandir(path) as entries:
            for entry in entries:
                name = entry.name
                if not is_data(name):
                    continue
                if entry.is_symlink():
                    links.append(entry)
                elif entry.is_file():
                    files.append(name)
                    numbers.append(entry.inode())
                else:
                    (folders if entry.is_dir() else others).append(name)
    except OSError as error:
        raise DataError(f"{path}: cannot be looked into ({error.strerror}), expected a folder") from error
    below, linked = list[str](), dict[str, tuple[int, int]]()
    for entry in sorted(links, key=lambda entry: entry.name):
        try:
            target = entry.stat()
        except OSError as error:
            there = os.readlink(entry.path)
            raise DataError(f"{entry.path}: a link to {there}, which cannot be reached ({error.strerror})") from error
        if entry.is_dir():
            if not _leads_up(entry.path):
                below.append(entry.name)
        elif entry.is_file():
            linked[entry.name] = (target.st_dev, target.st_ino)
        else:
            others.append(entry.name)
    odd = {name: os.stat(os.path.join(path, name)).st_mode for name in sorted(others)}
    identity = (facts.st_dev, facts.st_ino)
    return Look(identity, facts.st_mtime_ns, tuple(sorted(folders)), tuple(below), files, numbers, linked, odd)


def _leads_up(link: str) -> bool:
    """Whether a link leads to the folder that it lies in, or to one around that."""
    target, place = Path(os.path.realpath(link)), Path(os.path.realpath(os.path.dirname(link)))
    return target == place or target in place.parents


@dataclass
class _Walker:
    """A walk under way: which folders were entered, what was found in them, and which links are still to be followed.

    Real folders go first and links near the root before deeper ones, so that what stands in the tree is found there
    and not through a link to it.
    """

    tree: Tree
    endings: tuple[str, ...]
    what: str
    labels: int
    entered: dict[tuple[int, int], str] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)  # folders of the tree itself
    twice: dict[str, str] = field(default_factory=dict)  # folders that were reached again under another label
    links: list[tuple[int, str]] = field(default_factory=list)  # a heap of depths and paths
    found: list[str] = field(default_factory=list)
    linked: dict[str, tuple[int, int]] = field(default_factory=dict)  # those of the found that are links

    def enter(self, tops: Sequence[str] | None) -> None:
        """Walk through the folders of the root, or through those named in `tops`, then through what links lead to."""
        self._folder("", tops)
        self.own = set(self.entered.values())
        while self.links:
            _, path = heapq.heappop(self.links)
            self._folder(path)

    def sorted(self) -> Found:
        """The files in order, and which of them are the same."""
        names = sorted(self.found)
        for folder, message in self.twice.items():  # what holds nothing of interest may be shared
            inside = f"{folder}/" if folder else ""
            after = bisect_left(names, inside)
            if after < len(names) and names[after].startswith(inside):
                raise DataError(message)
        return Found(names, self._aliases(names) if self.linked else {})

    def _aliases(self, names: list[str]) -> dict[str, str]:
        """For every link that leads to another file of these, or to that of an earlier link, that other one."""
        first = self._identities(names)
        aliases: dict[str, str] = {}
        for name in names:
            if name not in self.linked:
                continue
            other = first.setdefault(self.linked[name], name)
            if other != name:
                aliases[name] = other
                if self._label(name) != self._label(other):
                    raise DataError(
                        f"{self._path(name)}: leads to the same file as {self._path(other)}, expected {self.what} in "
                        "one place"
                    )
        return aliases

    def _identities(self, names: list[str]) -> dict[tuple[int, int], str]:
        """The first of these files of each identity that is no link: hard links count as files, as copies do."""
        known: dict[str, tuple[int, int]] = {}
        for (device, _), folder in self.entered.items():
            seen = self.tree.look(folder)
            known |= {
                _inside(folder, name): (device, number) for name, number in zip(seen.files, seen.numbers, strict=True)
            }
        first: dict[tuple[int, int], str] = {}
        for name in names:
            if name not in self.linked:
                first.setdefault(known[name], name)
        return first

    def _folder(self, folder: str, tops: Sequence[str] | None = None) -> None:
        """Walk through a folder and the real folders below; by a stack of its own, as trees may be deep."""
        waiting = [folder]
        while waiting:
            folder = waiting.pop()
            if not self._enters(folder):
                continue
            seen = self.tree.look(folder)
            chosen = None if folder else tops
            waiting += [_inside(folder, name) for name in seen.folders if chosen is None or name in chosen]
            for name in seen.links:
                if chosen is None or name in chosen:
                    path = _inside(folder, name)
                    heapq.heappush(self.links, (len(_parts(path)), path))
            if chosen is None:
                self._files(folder, seen)

    def _enters(self, folder: str) -> bool:
        """Whether a folder is entered for the first time, so that it adds something."""
        try:
            facts = os.stat(self._path(folder))
        except OSError as error:
            raise DataError(
                f"{self._path(folder)}: cannot be looked into ({error.strerror}), expected a folder"
            ) from error
        before = self.entered.setdefault((facts.st_dev, facts.st_ino), folder)
        if before == folder:
            return True
        standing = before in self.own or len(_parts(before)) <= self.labels
        here, there = self._path(folder), self._path(before)
        if len(_parts(folder)) <= self.labels:
            self.twice[before] = f"{here}: is the same folder as {there}, expected one of its own"
        elif not standing and self._label(before) != self._label(folder):
            self.twice[before] = f"{here}: leads to the same folder as {there}, expected {self.what} in one place"
        return False

    def _files(self, folder: str, seen: Look) -> None:
        endings, begin = self.endings, f"{folder}/" if folder else ""
        for name, mode in seen.odd.items():
            if endings and name.lower().endswith(endings):
                raise DataError(
                    f"{self._path(begin + name)}: is {kind_of(mode)}, expected {self.what} in a regular file"
                )
        self.found += [begin + name for name in seen.files if not endings or name.lower().endswith(endings)]
        for name, identity in seen.linked.items():
            if not endings or name.lower().endswith(endings):
                self.found.append(begin + name)
                self.linked[begin + name] = identity

    def _path(self, name: str) -> Path:
        return self.tree.root / name

    def _label(self, path: str) -> tuple[str, ...]:
        return _parts(path)[: self.labels]


def _inside(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _parts(path: str) -> tuple[str, ...]:
    return tuple(path.split("/")) if path else ()
