"""The folder of a run or of a policy: who may write there, what is none yet, and what a start that failed leaves.

One rule for `train`, `alternate`, `steer` and `sweep`: a folder without a checkpoint and (of a run) without a whole
config.json holds nothing that could go on. Whatever a kill left there is cleared when it is begun again.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lightning_fabric.utilities.rank_zero import rank_zero_only

from gazeworld.agents import checkpoint, lock
from gazeworld.agents.records import read_metrics
from gazeworld.agents.trained import read_config
from gazeworld.envs.files import read_json

from . import invocation


@dataclass(frozen=True)
class Kind:
    """What a folder is for, and the names of what training writes there before its first checkpoint."""

    what: str
    leaves: tuple[str, ...]


RUN = Kind("run", ("config.json", "metrics.jsonl", "tensorboard", "checkpoints"))
POLICY = Kind("policy", ("config.json", "history.jsonl", "checkpoints"))


@contextmanager
def writing(folder: Path, kind: Kind, *, resume: bool) -> Iterator[None]:
    """Hold the lock of a folder while something is trained there, from its beginning or (`resume`) from where it was.

    Drafts that a kill left are deleted; a start that fails before anything is saved leaves nothing. Only the first of
    several processes does all this. Raises BusyError where another process trains there, ValueError where there is
    something already, something else, or nothing to go on with.
    """
    if getattr(rank_zero_only, "rank", 0):  # a number that is set on the function
        yield
        return
    if resume:
        require_begun(folder, kind)
    with lock.held(folder, invocation.command()):
        checkpoint.sweep(folder / "checkpoints")
        if not resume:
            require_free(folder, kind)
            _clear(folder, kind)
        try:
            yield
        except BaseException:
            if not resume and not _saved(folder):
                _clear(folder, kind)
            raise


def begun(folder: Path, kind: Kind) -> bool:
    """Whether there is something in a folder that can go on: a checkpoint or, of a run, a whole config.json."""
    return _obstacle(folder, kind) is None


def require_begun(folder: Path, kind: Kind) -> None:
    """Raise ValueError, saying why, unless there is something in a folder that can go on."""
    obstacle = _obstacle(folder, kind)
    if obstacle is not None:
        raise ValueError(f"{obstacle}; there is no {kind.what} to go on with: begin it without --resume")


def require_free(folder: Path, kind: Kind) -> None:
    """Raise ValueError unless a run or a policy may be begun in a folder."""
    if begun(folder, kind) or (folder / "policy.json").is_file():
        raise ValueError(f"{folder}: there is a {kind.what} already; go on with --resume or choose another --name")
    others = sorted(one.name for one in folder.iterdir() if not _left(one, kind)) if folder.exists() else []
    others += ["config.json"] if not others and _foreign(folder / "config.json") else []
    if others:
        raise ValueError(
            f"{folder}: holds {others[0]} and no {kind.what}, expected an empty or a new folder; choose another --name"
        )


def _obstacle(folder: Path, kind: Kind) -> str | None:
    """Why nothing can go on in a folder, or None where something can."""
    checkpoints = folder / "checkpoints"
    if checkpoint.latest(checkpoints) is not None:
        return None
    if kind is POLICY:
        file = folder / "config.json"
        if not file.is_file():
            return f"{file}: no such file; expected a policy that gazeworld steer has begun to train"
        return f"{checkpoints}: no checkpoint yet; expected at least one step-… folder"
    try:
        read_config(folder)
    except ValueError as error:
        return str(error)
    return None


def _saved(folder: Path) -> bool:
    """Whether training came as far as saving or recording anything of a step."""
    if checkpoint.latest(folder / "checkpoints") is not None:
        return True
    try:
        return any(point.step for points in read_metrics(folder).values() for point in points)
    except ValueError:
        return True


def _foreign(config: Path) -> bool:
    """Whether a config.json is whole and of something else: then it is not ours to delete."""
    try:
        found = read_json(config, "the configuration of a run")
    except ValueError:
        return False
    return isinstance(found, dict) and bool(found) and not {"scenario", "steer", "config"} & found.keys()


def _left(path: Path, kind: Kind) -> bool:
    """Whether training leaves something of this name."""
    return path.name == lock.FILE or path.name in kind.leaves or _draft(path)


def _draft(path: Path) -> bool:
    return path.name.startswith(".") and (path.suffix == ".draft" or path.name.startswith(".draft-"))


def _clear(folder: Path, kind: Kind) -> None:
    """Delete what training writes before its first checkpoint, and drafts."""
    for one in folder.iterdir():
        if one.name in kind.leaves or _draft(one):
            if one.is_dir() and not one.is_symlink():
                shutil.rmtree(one)
            else:
                one.unlink()
