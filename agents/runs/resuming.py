"""Beginning and going on in the folder of a run or a policy: who may write there, and what must be there or not.

One rule for `train`, `train-jointly`, `train-policy` and `sweep`: a folder without a checkpoint and (of a run) without
a whole config.json holds nothing that could go on. Whatever a kill left there is cleared when it is begun again.
"""

import dataclasses
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_fabric.utilities.rank_zero import rank_zero_only

from gazeworld.envs.files import DRAFT, OLD
from gazeworld.envs.world import World
from gazeworld.models.method import CheckpointError

from ..metric_lines import read_numbers
from ..run_folder import (
    POLICY_BEGINS,
    RUN_BEGINS,
    PolicyFolder,
    RunFolder,
    of_something_else,
    read_config,
    read_fingerprint,
    require_policy_config,
)
from ..training import checkpoint
from . import lock, provenance, scenario
from .scenario import Scenario, flat


@dataclass(frozen=True)
class Kind:
    """What a folder is for, and the names of what training writes there before its first checkpoint."""

    what: str
    leaves: tuple[str, ...]


HARMLESS = tuple(f"train.{name}" for name in ("log_every", "probe_every", "save_every", "keep", "threads", "compile"))
"""Settings that may change where a run goes on: what is learnt does not depend on them, but for rounding."""
LENGTH = ("train.steps", "train.epochs")
"""Settings that may grow."""

RUN = Kind("run", RUN_BEGINS)
POLICY = Kind("policy", POLICY_BEGINS)


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
    with lock.held(folder, provenance.command()):
        checkpoint.sweep(RunFolder(folder).checkpoints)
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
    if begun(folder, kind) or PolicyFolder(folder).facts.is_file():
        raise ValueError(f"{folder}: there is a {kind.what} already; go on with --resume or choose another --name")
    others = sorted(one.name for one in folder.iterdir() if not _left(one, kind)) if folder.exists() else []
    others += [RunFolder(folder).config.name] if not others and of_something_else(folder) else []
    if others:
        raise ValueError(
            f"{folder}: holds {others[0]} and no {kind.what}, expected an empty or a new folder; choose another --name"
        )


def _obstacle(folder: Path, kind: Kind) -> str | None:
    """Why nothing can go on in a folder, or None where something can."""
    checkpoints = RunFolder(folder).checkpoints
    if checkpoint.latest(checkpoints) is not None:
        return None
    try:
        if kind is POLICY:
            require_policy_config(folder)
            checkpoint.require(checkpoints)
        else:
            read_config(folder)
    except (ValueError, CheckpointError) as error:
        return str(error)
    return None


def _saved(folder: Path) -> bool:
    """Whether training came as far as saving or recording anything of a step."""
    if checkpoint.latest(RunFolder(folder).checkpoints) is not None:
        return True
    try:
        return any(point.step for points in read_numbers(RunFolder(folder).metrics).values() for point in points)
    except ValueError:
        return True


def _left(path: Path, kind: Kind) -> bool:
    """Whether training leaves something of this name."""
    return path.name == lock.FILE or path.name in kind.leaves or _draft(path)


def _draft(path: Path) -> bool:
    return path.name.startswith(".") and (path.suffix in (DRAFT, OLD) or path.name.startswith(".draft-"))


def _clear(folder: Path, kind: Kind) -> None:
    """Delete what training writes before its first checkpoint, and drafts."""
    for one in folder.iterdir():
        if one.name in kind.leaves or _draft(one):
            if one.is_dir() and not one.is_symlink():
                shutil.rmtree(one)
            else:
                one.unlink()


def require_plain(folder: Path) -> None:
    """Raise ValueError for a run whose world model and policy take turns: plain training would do away with both."""
    newest = checkpoint.latest(RunFolder(folder).checkpoints)
    if "phases" in read_config(folder) or (newest is not None and "phase" in newest.state()):
        raise ValueError(f"{folder}: a run of alternating phases, expected one of plain training; use train-jointly")


def continued(
    folder: Path, name: str, asked: Scenario, usual: Scenario, written: Scenario, *, longer: bool = True
) -> Scenario:
    """What a run goes on with: what is written, with what may change and was asked for in its place.

    Settings that are as `usual` count as not asked for. What may change is HARMLESS and, if `longer`, the number of
    steps: `require_longer` sees to it once the data are there. Raises ValueError for a run of another scenario than
    `name`, and for all other settings that the run does not have.
    """
    own = read_config(folder)["scenario"]
    if own != name:
        raise ValueError(f"{folder}: a run of scenario {own!r}, but {name!r} is asked for")
    free = (*HARMLESS, *(LENGTH if longer else ()))
    wanted, default, found = (scenario.to_json(scenario.placed(one)) for one in (asked, usual, written))
    require_same(folder, wanted, default, found, free)
    changed = {
        key: getattr(asked.train, key)
        for key in (one.removeprefix("train.") for one in free)
        if getattr(asked.train, key) != getattr(usual.train, key)
    }
    return written.changed(train=changed)


def changes(before: Scenario, after: Scenario) -> dict[str, list[Any]]:
    """The settings of training that are not as before, each as it was and as it is, by dotted keys."""
    old, new = (flat({"train": dataclasses.asdict(one.train)}) for one in (before, after))
    return {key: [old[key], new[key]] for key in new if old[key] != new[key]}


def require_longer(folder: Path, before: Scenario, after: Scenario, steps: tuple[int, int]) -> None:
    """Raise ValueError where a run that goes on would become shorter, `steps` long before and after.

    Also where steps were asked for of a run that counts epochs, for they would have no effect.
    """
    changed = changes(before, after)
    if "train.steps" in changed and after.train.epochs:
        raise ValueError(f"{folder}: train.steps has no effect on a run that counts epochs; set train.epochs")
    if steps[1] < steps[0]:
        raise ValueError(
            f"{folder}: begun with {steps[0]} steps, but {steps[1]} are asked for; a run that goes on can only become "
            "longer"
        )


def require_same(
    folder: Path, asked: dict[str, Any], usual: dict[str, Any], written: dict[str, Any], free: Sequence[str] = ()
) -> None:
    """Raise ValueError where what is asked for is neither as usual nor as written, for it would have no effect.

    Settings in `free` may be anything.
    """
    wanted, default, found = (flat(json.loads(json.dumps(one))) for one in (asked, usual, written))
    other = [
        f"{key}={wanted.get(key)} (written: {found.get(key)})"
        for key in dict.fromkeys((*wanted, *default))
        if wanted.get(key) not in (default.get(key), found.get(key)) and key not in free
    ]
    if other:
        raise ValueError(
            f"{folder}: --resume goes on with what config.json says, but other settings are asked for: "
            f"{', '.join(other)}; leave them out or choose another --name"
        )


def require_same_data(folder: Path, world: World) -> None:
    """Raise ValueError unless what is in a folder was made with the data that the source gives now."""
    written = read_fingerprint(folder)
    if written != world.fingerprint:
        raise ValueError(f"{folder}: trained on data {written}, but the source now is {world.fingerprint}")
