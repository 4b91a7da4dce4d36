"""Files beside a model that it refers to: material libraries, textures, buffers."""

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import numpy as np

from ..files import DataError

_BEYOND = ("../", "/")  # where a path begins that leads out of a folder


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Whatever readers trip over in the model `name` becomes a DataError: a bad model must not end a whole render."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # `join` looks for what is not finite
            yield
    except DataError:
        raise
    except (ValueError, TypeError, LookupError, ArithmeticError, MemoryError, RecursionError) as error:
        raise DataError(f"{name}: cannot be read ({type(error).__name__}: {error}), expected a mesh") from error


class Besides(ABC):
    """What the model `name` may refer to, by the names it uses.

    With `lenient`, files that are not there are nobody's mistake (`find` gives None).
    """

    def __init__(self, name: str, lenient: bool = False) -> None:
        self.name = name
        self.lenient = lenient

    def find(self, reference: str) -> bytes | None:
        """The bytes of a file; None where it is not there and may be absent, else DataError naming model and file.

        Names are taken as written, then as the last part alone beside the model (many files carry paths of the
        machine where they were made), with either slash and in any case.
        """
        wanted = reference.strip().strip('"').replace("\\", "/")
        for name in dict.fromkeys((wanted, unquote(wanted), PurePosixPath(wanted).name)):
            data = self._read(name)
            if data is not None:
                return data
        if self.lenient:
            return None
        raise DataError(f"{self.name}: refers to the file {reference.strip()!r}, which is not there")

    @abstractmethod
    def _read(self, name: str) -> bytes | None:
        """A file by its path from the model's folder, None where there is none."""


class Neighbours(Besides):
    """Files in the folder of a model and around it, all of them below the folder `within`.

    References that lead out of that folder are refused, as models come from strangers. Links that lie in it are
    followed, wherever they lead.
    """

    def __init__(self, path: Path, within: Path | None = None) -> None:
        super().__init__(str(path))
        self._folder = path.parent
        self._within = self._folder if within is None else within

    def _read(self, name: str) -> bytes | None:
        for spelling in _spellings(name):
            path = self._inside(spelling)
            try:
                if path is not None and (found := _found(path)) is not None:
                    return contents(found)
            except (OSError, ValueError) as error:
                if isinstance(error, DataError):
                    raise
                raise DataError(f"{self.name}: refers to {name!r}, which cannot be read ({error})") from error
        return None

    def _inside(self, name: str) -> Path | None:
        """The path of a file by its path from the model's folder; None for one that is absolute."""
        beside = os.path.relpath(os.path.normpath(self._folder / name), self._within)
        if not (beside + "/").startswith(_BEYOND):
            return self._folder / name
        if PurePosixPath(name).is_absolute() and not os.path.exists(name):
            return None  # of the machine where the model was made
        raise DataError(f"{self.name}: refers to {name!r}, which leads out of {self._within}, expected files below it")


def _spellings(name: str) -> list[str]:
    """A file's name, and the same as Latin-1 writes it: old archives have both names and text in that."""
    try:
        return list(dict.fromkeys((name, os.fsdecode(name.encode("latin-1")))))
    except UnicodeError:
        return [name]


def _found(path: Path) -> Path | None:
    """A path that exists, or the same in other case."""
    if path.exists():
        return None if path.is_dir() else path
    folder = path.parent
    alike = sorted(folder.iterdir()) if folder.is_dir() else []
    return next((other for other in alike if other.name.lower() == path.name.lower() and not other.is_dir()), None)


def contents(path: Path) -> bytes:
    """The bytes of a file; DataError for named pipes, sockets and devices, which may never end."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise DataError(f"{path}: is a named pipe, socket or device, expected a regular file")
    return path.read_bytes()
