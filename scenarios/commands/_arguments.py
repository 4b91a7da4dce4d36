"""Arguments of the commands, typed; tyro makes the options and their help of them. Imports no torch."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from annotated_types import Interval

from gazeworld.agents.config import ProbeConfig
from gazeworld.agents.runs.scenario import Scenario
from gazeworld.envs.validation import Options, Positive, Seed

from ._places import Folder, Name


@dataclass(frozen=True)
class TrainArguments(Scenario):
    """Train a world model online, then probe it; everything lands in RUNS/NAME.

    Ctrl-C saves and ends with exit code 130; --resume goes on from there, and refuses other settings than are written.
    """

    name: Name = ""
    """name of the run (empty: scenario and seed)"""
    runs: Folder = Path("runs")
    """folder of all runs"""
    device: str = "auto"
    """auto, cpu, cuda, mps, cuda:1 …"""
    processes: Annotated[int, Interval(ge=1, le=2**10)] = 1
    """devices (processes, on the CPU) that share every batch; gradients are averaged over them. Each normalises its own
    part, and compares streams with those of its part alone; train.sync-batch-norm has them share statistics"""
    resume: bool = False
    """go on from the newest checkpoint of RUNS/NAME, with the configuration written there"""
    evaluate: bool = True
    """probe after training"""
    looks: str = ""
    """another policy than the scenario's, in training and in probing: NAME or NAME:KEY=VALUE,… of the shelf, or the
    folder of a learnt policy, which looks with the model in training unless `sb3:path=…,model=RUN` names another"""


@dataclass(frozen=True)
class EvaluateArguments(Options):
    """Probe a run: table on the terminal, RUN/probes.json, RUN/figures."""

    probe: ProbeConfig
    """protocol and budget (defaults: the run's scenario)"""
    device: str = "auto"
    """auto, cpu, cuda, mps, cuda:1 …"""


@dataclass(frozen=True)
class WatchArguments(Options):
    """Pictures of where a policy looks: scan paths as PNG and an animated GIF."""

    target: Annotated[str, tyro.conf.Positional]
    """a scenario, or the folder of a run"""
    policy: str = ""
    """another policy than its own: NAME or NAME:KEY=VALUE,… of the shelf, RUN/policies/NAME, or a policy's folder"""
    out: Folder | None = None
    """folder for the pictures (default: RUN/figures, or the current folder for a scenario)"""
    split: str = ""
    """split to look at (empty: the one that probes are scored on)"""
    scenes: Positive = 6
    """number of scenes"""
    seed: Seed = 0
    """which scenes and fixations"""


def scenario_of(chosen: Scenario) -> Scenario:
    """The scenario within the arguments of a command that derives from it."""
    return Scenario(**{field.name: getattr(chosen, field.name) for field in dataclasses.fields(Scenario)})
