"""Files: read with errors that name them, written whole or not at all, and identified cheaply."""

import errno
import hashlib
import json
import os
import re
import secrets
import shlex
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

DRAFT, OLD = ".draft", ".old"
"""How hidden names end under which something is being written, or deleted."""
_BLOCK = 4096
_KINDS = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a named pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISBLK: "a device",
    stat.S_ISCHR: "a device",
}


class DataError(ValueError):
    """Something on disk is not what it should be: the message names the file, what was found and what was expected."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def printable(text: str) -> str:
    r"""The text of a path for people: bytes that are not UTF-8, which Python keeps as lone surrogates, as \xe9.

    So are characters that steer terminals, but line ends, which a text of several lines has.
    """
    return re.sub("[\ud800-\udfff\x00-\x09\x0b-\x1f\x7f-\x9f]", _escaped, text)


def one_line(text: str) -> str:
    """The same, with its line ends escaped too: what an error says is one sentence."""
    return printable(text).replace("\n", "\\n")


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    code = code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else code
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def typed(*words: object) -> str:
    """A command as it can be typed into a shell, whatever is in its words: folders of any name, for instance."""
    return " ".join(_quoted(str(word)) for word in words)


def _quoted(word: str) -> str:
    if word.isprintable():
        return shlex.quote(word)
    bits = os.fsencode(word)  # bytes that are no text, line breaks and the like, as bash and zsh write them
    return "$'" + "".join(chr(b) if 32 <= b < 127 and chr(b) not in "\\'" else f"\\x{b:02x}" for b in bits) + "'"


def expanded(path: str | Path, what: str = "path") -> Path:
    """A path that a user gave, with ~ and ~name as homes. Raises ValueError naming `what` it is where there is none."""
    try:
        found = Path(path).expanduser()
    except RuntimeError as error:
        raise ValueError(
            f"{what} is {printable(str(path))!r}, but no such home folder is known; expected a path without ~"
        ) from error
    if "\0" in str(found):
        raise ValueError(f"{what} is {str(path)!r}, expected a path without null characters")
    return found


def checksum(data: bytes | memoryview) -> str:
    """The first 16 hexadecimal digits of a SHA-256."""
    return hashlib.sha256(data).hexdigest()[:16]


def located(path: str | Path, what: str = "path") -> Path:
    """A path that a user gave, `expanded`, absolute and without links; a loop of links stays as it is.

    Raises ValueError naming `what` it is where a name in it is longer than the file system allows.
    """
    found = Path(os.path.realpath(expanded(path, what)))  # Path.resolve raises RuntimeError for a loop
    try:
        found.lstat()
    except OSError as error:  # nothing there, or nothing that can be looked at: whoever opens it says so
        if error.errno == errno.ENAMETOOLONG:
            some = printable(str(path))[:60]
            raise ValueError(
                f"{what} is {some!r} …, {len(str(path))} characters, expected a path with shorter names"
            ) from error
    return found


def opened(path: Path, what: str) -> BinaryIO:
    """A regular file, open for reading bytes. Raises DataError naming it where it is none or cannot be read."""
    try:
        # A named pipe would otherwise wait here for somebody to write into it.
        file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)))  # noqa: SIM115
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"{path}: not there, expected {what}") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}), expected {what}") from error
    if not stat.S_ISREG(mode := os.fstat(file.fileno()).st_mode):
        file.close()
        raise DataError(f"{path}: is {kind_of(mode)}, expected {what} in a regular file")
    return file


def kind_of(mode: int) -> str:
    """What a file is that is not a regular one, by its mode."""
    for test, name in _KINDS.items():
        if test(mode):
            return name
    return "no regular file"


def read_bytes(path: Path, what: str) -> bytes:
    """All bytes of a regular file. Raises DataError naming it where it is none or cannot be read."""
    with opened(path, what) as file:
        try:
            return file.read()
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error}), expected {what}") from error


def read_text(path: Path, what: str) -> str:
    """A text file in UTF-8, with or without a byte order mark. Raises DataError naming one that is not."""
    try:
        return read_bytes(path, what).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not text in UTF-8 ({error}), expected {what}") from error


def read_json(path: Path, what: str) -> Any:
    """What a JSON file holds. Raises DataError naming one that is missing, cut short or no JSON in the strict sense."""
    text = read_text(path, what)
    try:
        found = json.loads(text, parse_constant=_no_number, object_pairs_hook=_once)
        if "\\u" in text:
            # Halves of characters, which nothing could print; bytes of a file's name that are no text may stand there.
            json.dumps(found, ensure_ascii=False).encode("utf-8", "surrogateescape")
    except RecursionError as error:
        raise DataError(f"{path}: is nested too deeply, expected {what}") from error
    except json.JSONDecodeError as error:
        place = "it is empty" if not text.strip() else f"damaged at line {error.lineno}, column {error.colno}"
        raise DataError(f"{path}: not a whole JSON file ({place}), expected {what}") from error
    except ValueError as error:
        raise DataError(f"{path}: not a whole JSON file ({error}), expected {what}") from error
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands there more than once")
    return found


def digest(**facts: Any) -> str:
    """A short stable name for JSON-able facts: 16 hexadecimal digits of their SHA-256."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def identity(path: Path, blocks: int = 16) -> list[int | str]:
    """What a file holds, as [size in bytes, hash of `blocks` blocks of 4 KiB spread evenly over it].

    Independent of name, place and modification time, and cheap for files of any size; a change that keeps the size
    and misses every block goes unnoticed, which is the price of not reading gigabytes at every start.
    """
    seen = hashlib.sha256()
    with opened(path, "data") as file:
        size = os.fstat(file.fileno()).st_size
        for i in range(blocks):
            file.seek(max(0, size - _BLOCK) * i // max(1, blocks - 1))
            seen.update(file.read(_BLOCK))
    return [size, seen.hexdigest()[:16]]


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Errors of the system say which file they are about, also those of writing to an open file (disk full)."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_text(path: Path, text: str) -> None:
    """Write a file at once: whoever opens it sees the old text or the new one, never a part.

    It is UTF-8. Bytes of a file's name that are no text are written as escapes, which JSON reads back as they were.
    """
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file at once: whoever opens it sees the old bytes or the new ones, never a part."""
    with whole_file(path) as draft, naming(path):
        draft.write_bytes(data)


@contextmanager
def whole_file(path: Path, *, flushed: bool = False) -> Iterator[Path]:
    """Lends a new file to write into, which then becomes `path` at once; on an error nothing has changed.

    With `flushed` its bytes are on the disk before its name is, so that no crash of the machine leaves an empty file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _new(path, DRAFT)
    draft.touch(exist_ok=False)
    try:
        yield draft
        with naming(path):
            if flushed:
                flush(draft)
            os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path, *, flushed: bool = False) -> Iterator[Path]:
    """Lends a new folder to write into, which then becomes `path` at once; on an error nothing has changed.

    What was there before is replaced, and `path` is out of sight for the moment in between. With `flushed` its files
    are on the disk before its name is, so that no crash of the machine leaves the name without them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _new(path, DRAFT)
    draft.mkdir()
    try:
        yield draft
        with naming(path):
            for file in draft.iterdir() if flushed else ():
                flush(file)
            before = _put_aside(path)
            os.replace(draft, path)
            if flushed:
                flush(path.parent)
        _delete(before)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def remove_folder(path: Path) -> None:
    """Delete a folder, if it is there; a kill leaves no half of it under its name."""
    _delete(_put_aside(path))


def _put_aside(path: Path) -> Path | None:
    if not path.exists():
        return None
    old = _new(path, OLD)
    old.mkdir()
    os.replace(path, old / path.name)
    return old


def _delete(old: Path | None) -> None:
    if old is not None:
        shutil.rmtree(old)


def left_behind(folder: Path, name: str = "*", inside: str = "") -> list[Path]:
    """What kills left of files and folders that were being written or deleted in a folder, or in those `inside` it.

    Both are patterns: `name` is what would have been written, and `inside`, such as "*/", where in the folder.
    """
    return [path for kind in (DRAFT, OLD) for path in folder.glob(f"{inside}.{name}.*{kind}")]


def _new(path: Path, kind: str) -> Path:
    """A hidden name beside a path that nobody else has.

    Files of `tempfile` would be their owner's alone; what is made under this name others may read where the user's
    umask lets them.
    """
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}{kind}")


def flush(path: Path) -> None:
    """Force a file or folder to disk, so that a rename never outruns the data."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
