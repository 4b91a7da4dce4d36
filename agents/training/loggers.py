"""Where the numbers of a run go beside its `metrics.jsonl`: TensorBoard, Weights & Biases, trackio, or nowhere.

A logger is a matter of the session, not of the run: one that goes on may have another. The two that keep runs of their
own are told which one to go on with by a file in the run's folder.
"""

import importlib
import os
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

from gazeworld.envs.files import naming, one_line, read_json
from gazeworld.envs.validation import OptionError, shown

from ..config import LoggerName
from ..file_schemas import LoggedRuns, read_fields
from ..run_folder import RunFolder, write_json
from .event_files import EventWriter

PROJECT = "gazeworld"
"""Name of the project in which the services keep the runs, unless WANDB_PROJECT names another."""


class Logger(ABC):
    """Takes the numbers of a run as they come."""

    @abstractmethod
    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Add a point to each of the curves that are named."""

    @abstractmethod
    def close(self) -> None:
        """Let everything arrive, and end."""


def require_logger(name: str) -> None:
    """Raise OptionError for a logger that is not known or whose package is not there; before anything is trained."""
    if name not in get_args(LoggerName):
        raise OptionError(f"logger is {shown(name)}, expected one of {', '.join(get_args(LoggerName))}")
    try:
        found: Any = None
        if name == "wandb":
            found = importlib.import_module("wandb")
        elif name == "trackio":
            found = importlib.import_module("trackio")
        if found is not None and "init" not in vars(found):  # a folder of that name, as its own runs may lie in
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == name
        why = "which is not installed" if missing else f"which cannot be imported ({one_line(str(error))})"
        cure = f"`pip install {'' if missing else '--upgrade '}{name}` helps"
        raise OptionError(f"logger is {name!r}, {why}; {cure}") from error


def begin_logger(name: LoggerName, folder: Path, *, start: int) -> Logger:
    """The logger of a run's session that begins after step `start`: 0 where nothing was saved.

    Raises OptionError where the package is missing, ConnectionError where its service refuses to begin.
    """
    require_logger(name)
    match name:
        case "tensorboard":
            return _TensorBoard(RunFolder(folder).events, start)
        case "wandb":
            return _WandB(folder)
        case "trackio":
            return _Trackio(folder)
        case "none":
            return _Nowhere()


class _Nowhere(Logger):
    """For those who have enough with `metrics.jsonl`."""

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class _TensorBoard(Logger):
    """Event files in the run's folder; what a session was killed after is hidden by the next one."""

    def __init__(self, folder: Path, start: int) -> None:
        self._folder = folder
        # A run that was killed after its last checkpoint has points of later steps. Those of `start` stay, unless
        # nothing is saved at all: then step 0 is measured once more.
        with naming(folder):
            self._events = EventWriter(folder, first=start + 1 if start else 0)

    def scalars(self, step: int, values: dict[str, float]) -> None:
        with naming(self._folder):
            self._events.scalars(step, values)

    def close(self) -> None:
        with naming(self._folder):
            self._events.close()


class _WandB(Logger):
    """A run of Weights & Biases, on which WANDB_MODE, WANDB_PROJECT and its other variables work as ever.

    The step is a number among the others and the axis of them all: the service's own only goes forward, and would
    drop what a resumed run records again.
    """

    def __init__(self, folder: Path) -> None:
        wandb: Any = importlib.import_module("wandb")
        known = _known(folder).get("wandb")
        with _refusing("wandb", "`wandb login` signs in, WANDB_MODE=offline needs no account"):
            self._run = wandb.init(
                project=os.environ.get("WANDB_PROJECT", PROJECT),
                name=_name(folder),
                id=known,
                resume=None if known is None else "allow",
                dir=str(folder),
                config=_settings(folder),
                settings=wandb.Settings(console="off"),  # it would take the terminal from the progress bar
            )
            self._run.define_metric("step", hidden=True)
            self._run.define_metric("*", step_metric="step")
        _note(folder, wandb=str(self._run.id))

    def scalars(self, step: int, values: dict[str, float]) -> None:
        self._run.log({**values, "step": step})

    def close(self) -> None:
        self._run.finish()


class _Trackio(Logger):
    """A run of trackio, which knows runs by their names."""

    def __init__(self, folder: Path) -> None:
        trackio: Any = importlib.import_module("trackio")
        name = _known(folder).get("trackio") or f"{_name(folder)}-{uuid.uuid4().hex[:6]}"
        with _refusing("trackio", "TRACKIO_SPACE_ID and TRACKIO_SERVER_URL, where set, say where it is to log"):
            self._run = trackio.init(project=PROJECT, name=name, config=_settings(folder), resume="allow")
        _note(folder, trackio=name)

    def scalars(self, step: int, values: dict[str, float]) -> None:
        self._run.log(values, step=step)

    def close(self) -> None:
        self._run.finish()


@contextmanager
def _refusing(name: LoggerName, cure: str) -> Iterator[None]:
    """Whatever a service raises while it begins becomes one sentence that names the logger and what may help."""
    try:
        yield
    except Exception as error:  # each has errors of its own, and of the libraries that it stands on
        why = one_line(str(error).strip() or type(error).__name__)
        raise ConnectionError(f"logger {name!r} did not begin: {why}; {cure}") from error


def _name(folder: Path) -> str:
    return folder.resolve().name


def _settings(folder: Path) -> dict[str, Any]:
    """Everything that config.json in the folder of a run holds; nothing where there is none."""
    file = RunFolder(folder).config
    return read_json(file, "the configuration of a run") if file.is_file() else {}


def _known(folder: Path) -> dict[str, str | None]:
    """The runs that a run's earlier sessions were logged as."""
    file = RunFolder(folder).logged
    return read_fields(file, LoggedRuns) if file.is_file() else {}


def _note(folder: Path, **run: str) -> None:
    """Note as which run a session is logged."""
    known = {name: value for name, value in _known(folder).items() if value is not None}
    write_json(RunFolder(folder).logged, {**known, **run})
