"""The folders of runs and of policies: what lies where in them, and how it is read and written; nothing else knows.

The lines of metrics.jsonl and history.jsonl are read and written in `metric_lines`, types of fields stand in
`file_schemas`, names of earlier versions in `old_files`; who may write, and what can go on, in `runs.resuming`; what a
checkpoint holds in `training.checkpoint`. Imports no torch, so that listing stays quick.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gazeworld.envs.files import DataError, read_json, typed, write_text

from .file_schemas import (
    Beside,
    Made,
    PolicyConfig,
    Probes,
    RunConfig,
    Unlabelled,
    read_fields,
    require_fields,
    require_shallow,
    unrecognised,
)
from .old_files import located, renamed

_CONFIG, _METRICS, _HISTORY, _PROBES = "config.json", "metrics.jsonl", "history.jsonl", "probes.json"
_LOGGED, _WANDB = "loggers.json", "wandb"
_CHECKPOINTS, _EVENTS, _FIGURES, _POLICIES, _ENSEMBLE = "checkpoints", "tensorboard", "figures", "policies", "ensemble"

RUN_BEGINS = (_CONFIG, _METRICS, _EVENTS, _LOGGED, _WANDB, _CHECKPOINTS)
"""Names of what training writes into the folder of a run before its first checkpoint."""
POLICY_BEGINS = (_CONFIG, _HISTORY, _CHECKPOINTS)
"""The same of a policy."""


@dataclass(frozen=True)
class RunFolder:
    """Where everything lies in the folder of a run, whether it is there yet or not."""

    path: Path

    @property
    def config(self) -> Path:
        """What was trained, and what with: `read_config` reads it."""
        return self.path / _CONFIG

    @property
    def metrics(self) -> Path:
        """A line of numbers for every step that was recorded: `read_numbers` reads it."""
        return self.path / _METRICS

    @property
    def events(self) -> Path:
        """Folder of TensorBoard's events: the same numbers and when they were written."""
        return self.path / _EVENTS

    @property
    def logged(self) -> Path:
        """What the run is called by the services that its numbers were sent to."""
        return self.path / _LOGGED

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / _CHECKPOINTS

    @property
    def probes(self) -> Path:
        """What probes found: `read_probes` reads it."""
        return self.path / _PROBES

    @property
    def figures(self) -> Path:
        """Folder of the figures."""
        return self.path / _FIGURES

    @property
    def report(self) -> Path:
        """The page about the run."""
        return self.path / "report.html"

    @property
    def comparison(self) -> Path:
        """Folder of a comparison of fixation policies."""
        return self.path / "compare"

    @property
    def goals(self) -> Path:
        """How often places were found whose embedding was given."""
        return self.path / "goal_reaching.json"

    @property
    def rollouts(self) -> Path:
        """The error of imagined views."""
        return self.path / "rollout_error.json"

    @property
    def gaze(self) -> Path:
        """How much policies look as people do."""
        return self.path / "gaze.json"

    @property
    def policies(self) -> Path:
        """Folder of the policies that look with the run's world model, each in a folder of its own."""
        return self.path / _POLICIES

    @property
    def ensemble(self) -> Path:
        """Folder that the ensemble of the run's world model is written to."""
        return self.path / _ENSEMBLE

    @property
    def ensemble_found(self) -> Path:
        """Folder that an ensemble is read from: the same, or what it was called in earlier versions."""
        return located(self.path, _ENSEMBLE)


@dataclass(frozen=True)
class PolicyFolder:
    """Where everything lies in the folder of a learnt policy: one that train-policy makes, or one that is saved alone.

    Its checkpoints, and those of a run of alternating phases, hold `facts` and `weights` as well.
    """

    path: Path

    @property
    def config(self) -> Path:
        """What was trained, and what with: `read_fields` reads it."""
        return self.path / _CONFIG

    @property
    def history(self) -> Path:
        """A line of numbers for every stretch: `read_lines` reads it."""
        return self.path / _HISTORY

    @property
    def checkpoints(self) -> Path:
        """Folder of what training goes on from."""
        return self.path / _CHECKPOINTS

    @property
    def facts(self) -> Path:
        """What the policy's network was built from."""
        return self.path / "policy.json"

    @property
    def weights(self) -> Path:
        """The weights of the policy's network."""
        return self.path / "policy.safetensors"

    @property
    def agent_facts(self) -> Path:
        """Counters and the like, from which training goes on; in a checkpoint."""
        return self.path / "agent.json"

    @property
    def agent_weights(self) -> Path:
        """Optimisers, the replay and the like; in a checkpoint."""
        return self.path / "agent.safetensors"


def runs_in(folder: Path) -> list[Path]:
    """The folder if it is that of a run, else those of the runs that lie in it, by name."""
    if RunFolder(folder).config.is_file():
        return [folder]
    return sorted(file.parent for file in folder.glob(f"*/{_CONFIG}"))


def write_json(file: Path, data: Mapping[str, Any]) -> None:
    """Write a file of JSON, whole or not at all."""
    write_text(file, json.dumps(data, indent=2) + "\n")


def read_config(folder: Path) -> dict[str, Any]:
    """What config.json in the folder of a run holds, by present names (see `old_files`).

    Raises DataError where there is none or it is no such file.
    """
    from gazeworld.envs import registry
    from gazeworld.envs.world import WORLDS  # late: with torch
    from gazeworld.models.method import METHODS

    from .policy import POLICIES

    file = RunFolder(folder).config
    if not file.is_file():
        raise DataError(f"{file}: no such file; expected the folder of a run written by gazeworld train")
    data = read_fields(file, RunConfig)
    for part, place in (("world", WORLDS), ("method", METHODS), ("policy", POLICIES)):
        found = data["config"].get(part)
        try:
            if isinstance(found, dict) and isinstance(found.get("name"), str):
                registry.require(place, found["name"])
        except registry.UnknownNameError as error:
            raise DataError(f"{file}: config.{part}.name: {error}") from error
    return data


def read_fingerprint(folder: Path) -> str:
    """The data that a run or a policy was made with. Raises DataError where config.json does not say."""
    file = RunFolder(folder).config
    written = read_fields(file, Made)["made_by"].get("fingerprint")
    if written is None:
        raise DataError(f"{file}: there is no 'made_by.fingerprint', which says what data it was trained on")
    return written


def read_policy_config(folder: Path) -> dict[str, Any]:
    """What config.json in the folder of a policy holds, by present names. Raises DataError where it is no such file."""
    return read_fields(PolicyFolder(folder).config, PolicyConfig)


def require_policy_config(folder: Path) -> None:
    """Raise ValueError where there is no config.json of a policy."""
    file = PolicyFolder(folder).config
    if not file.is_file():
        raise ValueError(f"{file}: no such file; expected a policy that gazeworld train-policy has begun to train")


def model_of_policy(folder: Path) -> str | None:
    """The signature of the world model that a policy was trained with; None where that is not known.

    Raises DataError for a config.json that is no such file.
    """
    file = PolicyFolder(folder).config
    return read_fields(file, Beside).get("train_policy", {}).get("model") if file.is_file() else None


def of_something_else(folder: Path) -> bool:
    """Whether there is a config.json that is whole and of neither a run nor a policy."""
    try:
        found = read_json(RunFolder(folder).config, "the configuration of a run")
    except ValueError:
        return False
    found = renamed(found, PolicyConfig.__name__)
    return isinstance(found, dict) and bool(found) and not {"scenario", "train_policy", "config"} & found.keys()


def probed(folder: Path) -> bool:
    """Whether a run has been probed: whether there is a probes.json in its folder."""
    return RunFolder(folder).probes.is_file()


def write_probes(folder: Path, found: Mapping[str, Any]) -> None:
    """Write what probes found. Raises ValueError for a number that is not finite: JSON cannot hold it."""
    text = json.dumps(found, indent=1, allow_nan=False, ensure_ascii=False)
    write_text(RunFolder(folder).probes, text + "\n")


def read_probes(folder: Path) -> dict[str, Any]:
    """What probes.json in the folder of a run holds.

    Raises ValueError where there is none, or where it is cut short or of another version: each names the command that
    makes it.
    """
    file, cure = RunFolder(folder).probes, f"`{typed('gazeworld', 'evaluate', folder)}` makes it"
    if not probed(folder):
        raise ValueError(f"{file}: no such file: the run has not been probed; {cure}")
    try:
        found = read_json(file, "what probes found")
        require_shallow(found, f"{file}: nested too deep")
    except DataError as error:
        raise DataError(f"{file}: not whole: {str(error).removeprefix(f'{file}: ')}; {cure} anew") from error
    try:
        found = renamed(found, Probes.__name__)
        found = require_fields(found, Unlabelled if unrecognised(found) else Probes, str(file))
    except DataError as error:
        found_out = str(error).removeprefix(f"{file}: ")
        raise DataError(f"{file}: written by another version: {found_out}; {cure} anew") from error
    try:
        wrong = [name for name in found["position"] if name.partition(" ")[0] not in ("relative", "absolute")]
        wrong += [name for name in found["position"] if " " not in name]
        if wrong:
            raise ValueError(f"read-out {wrong[0]!r}, expected names like 'relative position'")
        for model in ("trained", "untrained"):
            scores(found, model)
    except KeyError as error:
        raise DataError(f"{file}: written by another version: there is no {error}; {cure} anew") from error
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        raise DataError(f"{file}: written by another version: {error}; {cure} anew") from error
    return found


def aggregate(views: int) -> str:
    """Key of the top-1 on z_AGG of this many views."""
    return f"z_AGG {views}"


def scores(probes: dict[str, Any], model: str, *, ridge: bool = False) -> dict[str, float]:
    """The numbers of the columns, of the `trained` or `untrained` model.

    R² is of the paper's read-out (Adam), or with `ridge` of the linear one in closed form.
    """
    found: dict[str, float] = {}
    if not unrecognised(probes):
        policy = probes["recognition"]["policy"]
        found["z_1"] = 100 * policy["single"]["values"][model][0]
        entry = policy["aggregate"]
        for views, value in zip(entry["views"], entry["values"][model], strict=True):
            found[aggregate(views)] = 100 * value
    for name, entry in probes["position"].items():
        head = "ridge" if ridge else entry["heads"][0]
        found[name] = float(entry["values"][model][head]["mean"])
    return found
