"""Names and places that a command is to write: looked at before anything is done, so that no hour is lost for them.

A class of arguments marks them in its annotations: `name: Name`, `runs: Folder`, `out: File | None`.
"""

import dataclasses
import os
import tempfile
import typing
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

from gazeworld.envs.files import expanded
from gazeworld.envs.validation import nameable, shown

Arguments = TypeVar("Arguments")

_LONGEST = 200  # bytes: file systems take 255, and drafts and locks beside a folder have longer names than it


@dataclasses.dataclass(frozen=True)
class _Mark:
    """What an option names."""

    what: str


Name = Annotated[str, _Mark("name")]
"""The name of a folder that is made, or nothing for the usual one."""
Folder = Annotated[Path, _Mark("folder")]
"""A folder that is written into, and made where it is missing."""
File = Annotated[Path, _Mark("file")]
"""A file that is written, or a folder for it."""


def settled(chosen: Arguments) -> Arguments:
    """The arguments of a command with ~ in their paths as homes, after a look at what they name.

    Raises ValueError, naming the option, for a name that no folder can have and for a place that cannot be written.
    Paths that are only read are looked at, too, as far as every path must be: no NUL within it and no part that is
    longer than file systems take.
    """
    found: dict[str, Any] = {}
    for option, hint in typing.get_type_hints(type(chosen), include_extras=True).items():
        given = getattr(chosen, option)
        value = found[option] = (
            tuple(map(partial(_home, option), given)) if isinstance(given, tuple) else _home(option, given)
        )
        match _mark(hint), value:
            case "name", str():
                require_name(option, value)
            case "folder", Path():
                require_folder(option, value)
            case "file", Path():
                require_file(option, value)
            case _:
                pass
    return dataclasses.replace(typing.cast(Any, chosen), **found)


def _home(option: str, value: Any) -> Any:
    """A path with its home, if it is one; other values as they are."""
    if not isinstance(value, Path):
        return value
    require_path(option, value)
    return expanded(value, option)


def require_name(option: str, name: str) -> None:
    """Raise ValueError unless a folder can be called so (or the name is empty, for the usual one)."""
    if name in (".", "..") or "/" in name or os.sep in name or not _printable(name) or _bytes(name) > _LONGEST:
        raise ValueError(
            f"{option} is {shown(name)}, expected the name of one folder: at most {_LONGEST} bytes, without / and "
            "control characters"
        )


def require_folder(option: str, folder: Path, given: Path | None = None) -> None:
    """Raise ValueError unless files can be written into a folder, which need not be there yet; `given` is what errors
    show in its place.
    """
    near = folder.absolute()
    while not near.exists() and near != near.parent:
        near = near.parent
    if not near.is_dir():
        raise ValueError(f"{option} is {_named(given or folder)}, expected a folder, but {_named(near)} is none")
    try:
        with tempfile.TemporaryFile(dir=near):
            pass
    except OSError as error:
        raise ValueError(
            f"{option} is {_named(given or folder)}, expected a folder that can be written: {_named(near)}: "
            f"{error.strerror}"
        ) from error


def require_file(option: str, file: Path) -> None:
    """Raise ValueError unless a file can be written there, or into it, if it is a folder."""
    if file.exists() and not (file.is_file() or file.is_dir()):
        raise ValueError(f"{option} is {_named(file)}, expected a file or a folder, found something else")
    require_folder(option, file if file.is_dir() else file.parent, file)


def require_path(option: str, path: Path) -> None:
    """Raise ValueError for a path that no file system takes."""
    if not nameable(str(path)):
        raise ValueError(
            f"{option} is {_named(path)}, expected a path without NUL, of at most 4095 bytes and 255 per name"
        )


def _mark(hint: Any) -> str:
    """What the annotation of an option says that it names, also where it may be None."""
    for note in getattr(hint, "__metadata__", ()):
        if isinstance(note, _Mark):
            return note.what
    return next(filter(None, map(_mark, typing.get_args(hint))), "")


def _named(path: Path) -> str:
    return shown(str(path), 200)


def _printable(name: str) -> bool:
    return not any(ord(letter) < 32 or ord(letter) == 127 for letter in name)


def _bytes(name: str) -> int:
    return len(name.encode("utf-8", "surrogatepass"))
