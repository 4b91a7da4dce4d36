"""What identifies files and facts cheaply, as fingerprints of data sources do; files written whole or not at all."""

import hashlib
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

_BLOCK = 4096


class DataError(ValueError):
    """Something on disk is not what it should be: the message names the file, what was found and what was expected."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def printable(text: str) -> str:
    r"""The text of a path for people: bytes that are not UTF-8, which Python keeps as lone surrogates, as \xe9."""
    return re.sub("[\ud800-\udfff]", _escaped, text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


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


def located(path: str | Path, what: str = "path") -> Path:
    """A path that a user gave, `expanded`, absolute and without links; a loop of links stays as it is."""
    return Path(os.path.realpath(expanded(path, what)))  # Path.resolve raises RuntimeError for a loop


def digest(**facts: Any) -> str:
    """A short stable name for JSON-able facts: 16 hexadecimal digits of their SHA-256."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def identity(path: Path, blocks: int = 16) -> list[int | str]:
    """What a file holds, as [size in bytes, hash of `blocks` blocks of 4 KiB spread evenly over it].

    Independent of name, place and modification time, and cheap for files of any size; a change that keeps the size
    and misses every block goes unnoticed, which is the price of not reading gigabytes at every start.
    """
    size = path.stat().st_size
    seen = hashlib.sha256()
    with path.open("rb") as file:
        for i in range(blocks):
            file.seek(max(0, size - _BLOCK) * i // max(1, blocks - 1))
            seen.update(file.read(_BLOCK))
    return [size, seen.hexdigest()[:16]]


def write_text(path: Path, text: str) -> None:
    """Write a file at once: whoever opens it sees the old text or the new one, never a part.

    It is UTF-8. Bytes of a file's name that are no text are written as escapes, which JSON reads back as they were.
    """
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file at once: whoever opens it sees the old bytes or the new ones, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".draft", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(name, 0o644)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)
