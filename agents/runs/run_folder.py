"""The folder of a run or of a policy: who may write there, what is none yet, and what a start that failed leaves.

One rule for `train`, `train-jointly`, `train-policy` and `sweep`: a folder without a checkpoint and (of a run) without
a whole config.json holds nothing that could go on. Whatever a kill left there is cleared when it is begun again.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from lightning_fabric.utilities.rank_zero import rank_zero_only

from gazeworld.envs.files import DRAFT, OLD, DataError, read_json
from gazeworld.envs.validation import OptionError
from gazeworld.envs.world import World

from ..file_schemas import Made, PolicyConfig, read_fields, read_lines
from ..old_files import renamed
from ..training import checkpoint
from ..training.trained_methods import read_config
from . import lock, provenance, scenario
from .provenance import made_by, write_json
from .scenario import Scenario, flat


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
    with lock.held(folder, provenance.command()):
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
            return f"{file}: no such file; expected a policy that gazeworld train-policy has begun to train"
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
        lines = read_lines(folder / "metrics.jsonl")
        return any(line["step"] and any(line[name] is not None for name in line if name != "step") for line in lines)
    except ValueError:
        return True


def _foreign(config: Path) -> bool:
    """Whether a config.json is whole and of something else: then it is not ours to delete."""
    try:
        found = read_json(config, "the configuration of a run")
    except ValueError:
        return False
    found = renamed(found, PolicyConfig.__name__)
    return isinstance(found, dict) and bool(found) and not {"scenario", "train_policy", "config"} & found.keys()


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
    newest = checkpoint.latest(folder / "checkpoints")
    if "phases" in read_config(folder) or (newest is not None and "phase" in newest.state()):
        raise ValueError(f"{folder}: a run of alternating phases, expected one of plain training; use train-jointly")


def require_same_scenario(folder: Path, name: str, asked: Scenario, usual: Scenario, written: Scenario) -> None:
    """Raise ValueError for a run of another scenario than `name`, and for settings that the run does not have.

    Settings that are as `usual` count as not asked for.
    """
    own = read_config(folder)["scenario"]
    if own != name:
        raise ValueError(f"{folder}: a run of scenario {own!r}, but {name!r} is asked for")
    require_same(folder, *(scenario.to_json(one) for one in (asked, usual, written)))


def require_same(folder: Path, asked: dict[str, Any], usual: dict[str, Any], written: dict[str, Any]) -> None:
    """Raise ValueError where what is asked for is neither as usual nor as written, for it would have no effect."""
    wanted, default, found = (flat(json.loads(json.dumps(one))) for one in (asked, usual, written))
    other = [
        f"{key}={wanted.get(key)} (written: {found.get(key)})"
        for key in dict.fromkeys((*wanted, *default))
        if wanted.get(key) not in (default.get(key), found.get(key))
    ]
    if other:
        raise ValueError(
            f"{folder}: --resume goes on with what config.json says, but other settings are asked for: "
            f"{', '.join(other)}; leave them out or choose another --name"
        )


@dataclass(frozen=True)
class Run:
    """One folder under `runs/`, and what its config.json says."""

    folder: Path
    name: str
    scenario: Scenario

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.folder / "checkpoints"

    @property
    def figures(self) -> Path:
        """Folder of the figures."""
        return self.folder / "figures"


def open_run(folder: Path) -> Run:
    """The run in a folder. Raises ValueError where there is none or config.json does not fit this version."""
    data = read_config(folder)
    try:
        return Run(folder, data["scenario"], scenario.from_json(data["config"], folder / "config.json"))
    except OptionError as error:
        raise DataError(str(error)) from error


def require_same_data(folder: Path, world: World) -> None:
    """Raise ValueError unless what is in a folder was made with the data that the source gives now."""
    file = folder / "config.json"
    written = read_fields(file, Made)["made_by"].get("fingerprint")
    if written is None:
        raise DataError(f"{file}: there is no 'made_by.fingerprint', which says what data it was trained on")
    if written != world.fingerprint:
        raise ValueError(f"{folder}: trained on data {written}, but the source now is {world.fingerprint}")


def write_config(run: Run, fabric: Fabric, world: World, **more: Any) -> None:
    """Write config.json of a run: its scenario, what made it, and what else there is to say."""
    data = {
        "scenario": run.name,
        "config": scenario.to_json(run.scenario),
        **more,
        "made_by": made_by(fabric, world),
    }
    write_json(run.folder / "config.json", data)
