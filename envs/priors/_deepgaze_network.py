"""DeepGaze's networks, from the user's own checkout or installation: built without a download, loaded strictly.

The package `deepgaze_pytorch` (https://github.com/matthias-k/DeepGaze) is on no package index and carries no licence,
so nothing of it is part of gazeworld. What it does on its own and is kept from it here: constructing a model downloads
up to four backbones, even with `pretrained=False`; its newest version imports `clip` and `einops`, which the models
here do not use (and PyPI's `clip` is a clipboard manager); `eval()` of DeepGaze I returns None.
"""

import contextlib
import importlib
import io
import os
import sys
import threading
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from ..files import DataError, expanded
from ..validation import OptionError

CHECKOUT = "GAZEWORLD_DEEPGAZE"
"""The environment variable that names a checkout where the option `repo` does not."""
PACKAGE = "deepgaze_pytorch"
_HOME = "https://github.com/matthias-k/DeepGaze"
_KNOWN = "c87b106"  # a commit with which this was tried, as 874f12e
_PLACEHOLDERS = ("clip", "einops")
_TURN = threading.RLock()  # what is patched while a network is built is everybody's


@dataclass(frozen=True)
class Model:
    """A model of the package: the prior's name here, its class there, and where its weights are published."""

    prior: str
    kind: str
    release: str

    @property
    def file(self) -> str:
        """The name of its weights, as torch.hub keeps them."""
        return f"{self.prior}.pth"

    @property
    def url(self) -> str:
        """Where the weights are published."""
        return f"{_HOME}/releases/download/{self.release}/{self.file}"


def weights_of(model: Model, weights: str) -> Path:
    """The file of a model's weights: the one that is named, or the one in torch.hub's cache.

    Raises DataError saying how to get it.
    """
    named = expanded(weights, "weights") if weights else Path(torch.hub.get_dir()) / "checkpoints" / model.file
    if not named.is_file():
        raise DataError(
            f"prior {model.prior!r}: no weights at {named}; expected {model.file}, which {model.url} gives (nothing is "
            "downloaded here), in that place or named by the option weights"
        )
    return named


def network_of(model: Model, repo: str, weights: Path) -> nn.Module:
    """The network with its weights, frozen, in evaluation.

    Raises OptionError saying how to get the package, DataError naming a file of weights that are damaged or another
    model's.
    """
    state = _state(model, weights)
    found = built(model, repo)
    _require_fit(model, weights, found.state_dict(), state)
    found.load_state_dict(state, strict=True)
    found.requires_grad_(False)
    found.eval()  # returns None for DeepGaze I
    # Their own `train` keeps batch normalisation still in some models and wakes it in others: here it never is.
    for part in found.modules():
        part.training = False
    return found


def built(model: Model, repo: str) -> nn.Module:
    """The network with random weights, in float32; neither a download nor a draw of torch's generator is made."""
    with _TURN:
        package = _package(model, repo)
        kind = vars(package).get(model.kind)
        if kind is None:
            raise OptionError(
                f"prior {model.prior!r}: {package.__file__} has no {model.kind}; expected a newer checkout of {_HOME}, "
                f"such as commit {_KNOWN}"
            )
        before = torch.get_default_dtype()
        with _quiet(), _without_downloads(), torch.random.fork_rng(devices=[]):
            try:
                torch.set_default_dtype(torch.float32)
                return kind(pretrained=False)
            finally:
                torch.set_default_dtype(before)


def _package(model: Model, repo: str) -> ModuleType:
    """The package, imported from the checkout or from where it is installed."""
    named = repo or os.environ.get(CHECKOUT, "")
    folder = expanded(named, "repo" if repo else CHECKOUT).resolve() if named else None
    if folder is not None and not (folder / PACKAGE / "__init__.py").is_file():
        raise OptionError(
            f"prior {model.prior!r}: no folder {PACKAGE} in {folder}; expected a checkout, as `git clone {_HOME}` makes"
        )
    there = sys.modules.get(PACKAGE)
    if there is None:
        return _imported(model, folder)
    if folder is not None and Path(str(there.__file__)).resolve().parent.parent != folder:
        raise OptionError(
            f"prior {model.prior!r}: {PACKAGE} was imported from {there.__file__} before, not from {folder}"
        )
    return there


def _imported(model: Model, folder: Path | None) -> ModuleType:
    added = [str(folder)] if folder is not None else []
    sys.path[:0] = added
    try:
        with _quiet(), _placeholders():
            return importlib.import_module(PACKAGE)
    except Exception as error:  # a stranger's code, which may raise anything
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
            del sys.modules[name]
        if isinstance(error, ModuleNotFoundError) and error.name == PACKAGE:
            raise OptionError(
                f"prior {model.prior!r} needs the package {PACKAGE}, which is not installed and on no package index; "
                f"`git clone {_HOME}` and name the folder by the option repo or by {CHECKOUT}, or "
                f"`pip install git+{_HOME}`"
            ) from error
        raise OptionError(
            f"prior {model.prior!r}: importing {PACKAGE} failed with {type(error).__name__}: {error}; expected a "
            f"checkout of {_HOME}, such as commit {_KNOWN}"
        ) from error
    finally:
        for path in added:
            sys.path.remove(path)


def _state(model: Model, file: Path) -> dict[str, Tensor]:
    """The tensors in a file of weights; no code in it is run."""
    try:
        # Only files in today's format can be mapped.
        found = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except Exception as error:  # torch does not say what it may raise for damaged files
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise DataError(f"{file}: no weights that can be read ({reason}), expected {model.file}") from error
    if not isinstance(found, Mapping) or not all(isinstance(value, Tensor) for value in found.values()):
        raise DataError(f"{file}: holds no weights by name, expected the state dictionary {model.file}")
    for name, value in found.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise DataError(f"{file}: {name} is not finite, expected the weights of {model.kind}")
    return dict(found)


def _require_fit(model: Model, file: Path, own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    lacking = [name for name in own if name not in given]
    strange = [name for name in given if name not in own]
    other = [name for name in own if name in given and own[name].shape != given[name].shape]
    if not (lacking or strange or other):
        return
    first = (
        f"{lacking[0]} is missing"
        if lacking
        else f"{strange[0]} is unknown"
        if strange
        else f"{other[0]} has shape {tuple(given[other[0]].shape)} and not {tuple(own[other[0]].shape)}"
    )
    raise DataError(
        f"{file}: weights of another model: of {len(own)} entries of {model.kind} {len(lacking)} are missing and "
        f"{len(other)} have another shape, and {len(strange)} are unknown (first: {first}); expected {model.file}"
    )


class _Placeholder(ModuleType):
    """Stands for a module that is imported and not used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *given, **options: _refuse(f"{self.__name__}.{name}")


def _refuse(what: str) -> NoReturn:
    raise OptionError(f"DeepGaze asked for {what}, which is not here; expected a model that needs none of it")


@contextlib.contextmanager
def _placeholders() -> Iterator[None]:
    """Modules that are only imported stand in for themselves; none is left behind."""
    names = [name for name in _PLACEHOLDERS if name not in sys.modules]
    sys.modules.update({name: _Placeholder(name) for name in names})
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What an older package says of deprecations, and prints about weights that it was not given, is of no use."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


class _Nothing:
    """What stands for a file of weights that is not fetched."""

    def __getitem__(self, name: Any) -> "_Nothing":
        return self


@contextlib.contextmanager
def _without_downloads() -> Iterator[None]:
    """Backbones come bare from torchvision, and the weights that would be loaded into them are left out."""
    from torch.utils import model_zoo
    from torchvision import models

    def bare(repo: str, name: str, *given: Any, **options: Any) -> nn.Module:
        del repo, given, options
        return models.get_model(name, weights=None)

    def nothing(*given: Any, **options: Any) -> _Nothing:
        return _Nothing()

    def skipped(*given: Any, **options: Any) -> SimpleNamespace:
        return SimpleNamespace(missing_keys=[], unexpected_keys=[])

    def never(url: str, *given: Any, **options: Any) -> NoReturn:
        _refuse(f"a download of {url}")

    replaced: list[tuple[Any, str, Any]] = [
        (torch.hub, "load", bare),
        (torch.hub, "load_state_dict_from_url", nothing),
        (torch.hub, "download_url_to_file", never),
        (model_zoo, "load_url", nothing),
        (nn.Module, "load_state_dict", skipped),
    ]
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in replaced]
    try:
        for owner, name, value in replaced:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)
