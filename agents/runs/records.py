"""What a finished run holds for tables and reports: its configuration, probes, time taken."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gazeworld.envs import registry
from gazeworld.envs.world import WORLDS, World
from gazeworld.models.method import METHODS, Method

from ..run_folder import RunFolder, read_config, read_probes, runs_in
from . import scenario
from .scenario import Scenario, open_run

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


def training_seconds(folder: Path) -> float | None:
    """Wall-clock time for which a run trained, online probes included, in all its sessions; None if not recorded.

    From the times of each session's TensorBoard events. Work that a kill took away counts.
    """
    from ..training.event_files import event_files, seconds

    found = [seconds(file) for file in event_files(RunFolder(folder).events)]
    sessions = [length for length in found if length is not None]
    return sum(sessions) if sessions else None


def folders_of(given: Sequence[Path]) -> list[Path]:
    """The folders of runs: those given, and in the place of a folder of runs those in it.

    Raises ValueError for a folder that is neither.
    """
    found: list[Path] = []
    for path in given:
        found += runs_in(path) or [path]
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
