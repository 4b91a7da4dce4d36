"""What a finished run holds for tables and reports: its configuration, probes, time taken."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gazeworld.envs import registry
from gazeworld.envs.files import DataError, read_json, typed
from gazeworld.envs.world import WORLDS, World
from gazeworld.models.method import METHODS, Method

from ..file_schemas import Probes, read_lines, require_fields, require_shallow
from ..old_files import renamed
from ..training.trained_methods import read_config
from . import scenario
from .run_folder import open_run
from .scenario import Scenario

PROBES = "probes.json"
"""What a run's probes found, in its folder."""
NONE = "–"
"""What stands for nothing, in tables and figures."""


@dataclass(frozen=True)
class Record:
    """A probed run: what it was asked to do and what came of it.

    `scenario` is its name with the variant, `config` its configuration as plain dictionaries, `conditioning` what its
    method sees of actions, `data` the fingerprint of its data, `seconds` how long it trained (None: not known).
    """

    folder: Path
    scenario: str
    config: dict[str, Any]
    conditioning: str
    data: str
    probes: dict[str, Any]
    seconds: float | None = None

    @property
    def seed(self) -> int:
        """The seed from which everything random in the run follows."""
        return self.config["seed"]

    @property
    def base(self) -> str:
        """Name of the scenario without the variant."""
        return self.scenario.partition(":")[0]


@dataclass(frozen=True)
class Point:
    """A number recorded after so many optimiser steps."""

    step: int
    value: float


def aggregate(views: int) -> str:
    """Key of the top-1 on z_AGG of this many views."""
    return f"z_AGG {views}"


def probed(folder: Path) -> bool:
    """Whether a run has been probed: whether there is a probes.json in its folder."""
    return (folder / PROBES).is_file()


def read_probes(folder: Path) -> dict[str, Any]:
    """What probes.json in the folder of a run holds.

    Raises ValueError where there is none, or where it is cut short or of another version: each names the command that
    makes it.
    """
    file, cure = folder / PROBES, f"`{typed('gazeworld', 'evaluate', folder)}` makes it"
    if not probed(folder):
        raise ValueError(f"{file}: no such file: the run has not been probed; {cure}")
    try:
        found = read_json(file, "what probes found")
        require_shallow(found, f"{file}: nested too deep")
    except DataError as error:
        raise DataError(f"{file}: not whole: {str(error).removeprefix(f'{file}: ')}; {cure} anew") from error
    try:
        found = require_fields(renamed(found, Probes.__name__), Probes, str(file))
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


def scores(probes: dict[str, Any], model: str, *, ridge: bool = False) -> dict[str, float]:
    """The numbers of the columns, of the `trained` or `untrained` model.

    R² is of the paper's read-out (Adam), or with `ridge` of the linear one in closed form.
    """
    policy = probes["recognition"]["policy"]
    found = {"z_1": 100 * policy["single"]["values"][model][0]}
    entry = policy["aggregate"]
    for views, value in zip(entry["views"], entry["values"][model], strict=True):
        found[aggregate(views)] = 100 * value
    for name, entry in probes["position"].items():
        head = "ridge" if ridge else entry["heads"][0]
        found[name] = float(entry["values"][model][head]["mean"])
    return found


def training_seconds(folder: Path) -> float | None:
    """Wall-clock time for which a run trained, online probes included, in all its sessions; None if not recorded.

    From the times of each session's TensorBoard events. Work that a kill took away counts.
    """
    from ..training.event_files import event_files, seconds

    found = [seconds(file) for file in event_files(folder / "tensorboard")]
    sessions = [length for length in found if length is not None]
    return sum(sessions) if sessions else None


def read_metrics(folder: Path) -> dict[str, list[Point]]:
    """Every number of a run's metrics.jsonl over training, by name; empty where nothing was recorded yet.

    Raises ValueError naming the line that is no record of metrics; a last line that a kill cut short is left out.
    """
    return read_numbers(folder / "metrics.jsonl")


def read_numbers(file: Path) -> dict[str, list[Point]]:
    """Every number of a file like metrics.jsonl, by name; errors as of `read_lines`."""
    found: dict[str, list[Point]] = {}
    for record in read_lines(file):
        for name, value in record.items():
            if name != "step" and isinstance(value, int | float) and not isinstance(value, bool):
                found.setdefault(name, []).append(Point(record["step"], float(value)))
    return found


def folders_of(given: Sequence[Path]) -> list[Path]:
    """The folders of runs: those given, and in the place of a folder of runs those in it.

    Raises ValueError for a folder that is neither.
    """
    found: list[Path] = []
    for path in given:
        inside = [] if (path / "config.json").is_file() else sorted(p.parent for p in path.glob("*/config.json"))
        found += inside or [path]
    for folder in found:
        read_config(folder)
    if not found:
        raise ValueError("no run was named; expected the folders of runs, or a folder that holds them")
    return found


def record_of(folder: Path) -> Record:
    """A run that was probed. Raises ValueError for a folder that holds no run, and for a run without whole probes."""
    run = open_run(folder)
    return Record(
        folder=folder,
        scenario=run.name,
        config=scenario.to_json(run.scenario),
        conditioning=conditioning(run.scenario),
        data=str(read_config(folder).get("made_by", {}).get("fingerprint", "")),
        probes=read_probes(folder),
        seconds=training_seconds(folder),
    )


def conditioning(chosen: Scenario) -> str:
    """What a scenario's method sees of actions in training: the world's word for them, or – for nothing."""
    kind = registry.concrete(METHODS, chosen.method["name"], Method)
    parts = {name: chosen.method.get(f"condition_{name}", True) for name in ("transformer", "predictor")}
    if not getattr(kind, "conditioned", True) or not any(parts.values()):
        return NONE
    options = inspect.signature(registry.concrete(WORLDS, chosen.world["name"], World)).parameters
    default = options["action"].default if "action" in options else "position"  # the saccade world has but one
    action = str(chosen.world.get("action", default))
    return action if all(parts.values()) else f"{action} ({next(name for name in parts if parts[name])} only)"
