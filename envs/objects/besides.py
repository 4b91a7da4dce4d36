"""Files beside a model that it refers to: material libraries, textures, buffers."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from ..images import DataError


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Whatever readers trip over in the model `name` becomes a DataError: a bad model must not end a whole render."""
    try:
        yield
    except DataError:
        raise
    except (ValueError, LookupError, ArithmeticError) as error:
        raise DataError(f"{name}: cannot be read ({type(error).__name__}: {error}), expected a mesh") from error


class Besides(ABC, Mapping[str, bytes]):
    """What the model `name` may refer to, by the names it uses.

    Also a mapping, as trimesh wants it; because trimesh goes on without files that it cannot get, the first such
    error is kept in `failure`, and what was found in `served`. With `lenient`, files that are not there are nobody's
    mistake (`find` gives None).
    """

    def __init__(self, name: str, lenient: bool = False) -> None:
        self.name = name
        self.lenient = lenient
        self.failure: DataError | None = None
        self.served: dict[str, bytes] = {}

    def find(self, reference: str) -> bytes | None:
        """The bytes of a file; None where it is not there and may be absent, else DataError naming model and file.

        Names are taken as written, then as the last part alone beside the model (many files carry paths of the
        machine where they were made), with either slash and in any case.
        """
        wanted = reference.strip().strip('"').replace("\\", "/")
        try:
            for name in dict.fromkeys((wanted, unquote(wanted), PurePosixPath(wanted).name)):
                data = self._read(name)
                if data is not None:
                    self.served[name] = data
                    return data
        except DataError as error:
            self.failure = self.failure or error
            raise
        if self.lenient:
            return None
        error = DataError(f"{self.name}: refers to the file {reference.strip()!r}, which is not there")
        self.failure = self.failure or error
        raise error

    @abstractmethod
    def _read(self, name: str) -> bytes | None:
        """A file by its path from the model's folder, None where there is none."""

    def __getitem__(self, key: str) -> bytes:
        data = self.find(key)
        if data is None:
            raise KeyError(key)
        return data

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class Neighbours(Besides):
    """Files in the folder of a model, and around it."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._folder = path.parent

    def _read(self, name: str) -> bytes | None:
        path = self._folder / name
        try:
            if not path.is_file():
                folder = path.parent
                alike = sorted(folder.iterdir()) if folder.is_dir() else []
                found = [other for other in alike if other.name.lower() == path.name.lower() and other.is_file()]
                if not found:
                    return None
                path = found[0]
            return path.read_bytes()
        except OSError as error:
            raise DataError(f"{self.name}: refers to {name!r}, which cannot be read ({error})") from error
