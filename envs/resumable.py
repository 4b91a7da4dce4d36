"""Large files written piece by piece: a kill costs the piece in hand, and the file ends with the same bytes.

While `path` is being written it is called `path.part`, and `path.log` has a line for every piece that is whole in it.
Going on, what is there is read again and compared with the checksums in the log, so that neither a kill nor a crash of
the machine leaves anything half-written that is taken for whole. When it is whole, `path.done` says what is in it.
"""

import errno
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from .files import DataError, checksum, read_json, write_text

_FULL = (errno.ENOSPC, errno.EDQUOT)
Piece: TypeAlias = Sequence[bytes | memoryview]
"""Things that are written together, each as its bytes."""


@dataclass(frozen=True)
class Whole:
    """What is in a file that is whole: the bytes of each thing, and the checksum of the file."""

    plan: str
    checksum: str
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class Recipe:
    """How a file is made: `head` stands at its beginning, then `count` things follow.

    `pieces` gives the things from one number on, in order, the same bytes every time. `plan` is the same only for
    files of the same bytes.
    """

    plan: str
    head: bytes
    count: int
    pieces: Callable[[int], Generator[Piece, None, None]]


def checksum_of(path: Path) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of all bytes of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16] if sys.version_info >= (3, 11) else _digest(file)


def _digest(file: BinaryIO) -> str:
    seen = hashlib.sha256()
    while data := file.read(1 << 20):
        seen.update(data)
    return seen.hexdigest()[:16]


def whole(path: Path, plan: str) -> Whole | None:
    """What is in a file that was finished under this plan; None where it was not."""
    done = path.with_name(path.name + ".done")
    if not (done.exists() and path.exists()):
        return None
    found = read_json(done, "what stands beside a file that is whole")
    if not isinstance(found, dict) or found.keys() != {"plan", "checksum", "sizes"}:
        raise DataError(f"{done}: is not what stands beside a file that is whole; delete {path.parent}")
    if found["plan"] != plan:
        raise _other(path)
    return Whole(found["plan"], found["checksum"], tuple(found["sizes"]))


def write_resumably(path: Path, recipe: Recipe, told: Callable[[int], None]) -> Whole:
    """Write a file, or go on with it; what is in it then. `told` is called with the number of things that are whole.

    Raises DataError where another plan was begun there, and OSError where another process is at the same file.
    """
    part, log_path = (path.with_name(path.name + ending) for ending in (".part", ".log"))
    with log_path.open("a+b") as log:
        require_alone(log, path)
        found = whole(path, recipe.plan)
        if found is None:
            if path.exists() and not part.exists():
                os.replace(path, part)  # killed before it was said to be whole
            part.touch()
            found = _fill(part, recipe, log, told)
            os.replace(part, path)
            write_text(path.with_name(path.name + ".done"), json.dumps(asdict(found)))
        told(len(found.sizes))
        log_path.unlink(missing_ok=True)
    return found


def _fill(part: Path, recipe: Recipe, log: BinaryIO, told: Callable[[int], None]) -> Whole:
    seen = hashlib.sha256(recipe.head)
    with part.open("r+b") as file:
        file.write(recipe.head)
        sizes = _kept(part, recipe, file, log, seen)
        told(len(sizes))
        with closing(recipe.pieces(len(sizes))) as pieces:
            for piece in pieces:
                data = b"".join(piece)
                append(file, data)
                lengths = [len(thing) for thing in piece]
                append(log, f"{checksum(data)} {' '.join(map(str, lengths))}\n".encode())
                seen.update(data)
                sizes += lengths
                told(len(sizes))
        os.fsync(file.fileno())
    if len(sizes) != recipe.count:
        raise RuntimeError(f"{part}: {len(sizes)} things were made, expected {recipe.count}")
    return Whole(recipe.plan, seen.hexdigest()[:16], tuple(sizes))


def _kept(part: Path, recipe: Recipe, file: BinaryIO, log: BinaryIO, seen: "hashlib._Hash") -> list[int]:
    """Sizes of the things that are whole; both files end with the last of them, ready to be written to."""
    log.seek(0)
    lines = log.read().split(b"\n")[:-1]  # what follows the last end of a line was cut short
    if lines and lines[0] != recipe.plan.encode():
        if lines[1:]:
            raise _other(part)
        lines = []  # nothing was written, so nothing is lost by beginning anew
    sizes: list[int] = []
    kept = 0
    for line in lines[1:]:
        words = line.decode("ascii", "replace").split(" ")
        lengths = [int(word) for word in words[1:] if word.isdecimal()]
        data = file.read(sum(lengths))
        if words[0] != checksum(data) or len(lengths) != len(words) - 1 or len(data) != sum(lengths):
            break  # never reached the disk: this piece and all after it are made again
        seen.update(data)
        sizes += lengths
        kept += 1
    log.truncate(sum(len(line) + 1 for line in lines[: 1 + kept]))
    if not lines:
        append(log, recipe.plan.encode() + b"\n")
    end = len(recipe.head) + sum(sizes)
    file.seek(end)
    file.truncate(end)
    return sizes


def _other(path: Path) -> DataError:
    return DataError(
        f"{path}: begun from other data or with other options, expected to go on with the same; delete {path.parent} "
        "or write to another folder"
    )


def append(file: BinaryIO, data: bytes | memoryview) -> None:
    """Write and hand over to the system, so that a kill loses nothing that was said to be there."""
    file.write(data)
    file.flush()


def require_room(folder: Path, need: int) -> None:
    """Raise OSError unless there are as many bytes free on the disk that a folder is on."""
    free = shutil.disk_usage(folder).free
    if need > free:
        raise OSError(errno.ENOSPC, f"{need / 1e6:,.1f} MB more are needed and {free / 1e6:,.1f} MB are free")


@contextmanager
def room_told(out: Path, again: str, done: str = "written") -> Iterator[None]:
    """Say in one sentence that the disk is full, and that nothing `done` is lost: make room and do `again`."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise OSError(
            f"{out}: the disk is full ({error.strerror}); what is {done} so far is kept: make room and {again}"
        ) from error


def require_alone(file: BinaryIO, path: Path, doing: str = "writing it") -> None:
    """Keep other processes out until the open file is closed, be it by a kill.

    Raises OSError that says what another process is `doing` where one is in.
    """
    if sys.platform == "win32":
        return  # Windows lets nobody rename a file that somebody else has open, which is what this ends with
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OSError(f"{path}: another process is {doing}, expected to be alone") from error
