"""Arguments of the commands, typed; tyro makes the options and their help of them. Imports no torch."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from gazeworld.agents.config import ProbeConfig

from .scenario import Scenario


@dataclass(frozen=True)
class TrainArguments(Scenario):
    """Train a world model online, then probe it; everything lands in RUNS/NAME."""

    name: str = ""
    """name of the run (empty: scenario and seed)"""
    runs: Path = Path("runs")
    """folder of all runs"""
    device: str = "auto"
    """auto, cpu, cuda, mps, cuda:1 …"""
    processes: int = 1
    """devices (processes, on the CPU) that share every batch; gradients are averaged over them"""
    resume: bool = False
    """go on from the newest checkpoint of RUNS/NAME, with the configuration written there"""
    evaluate: bool = True
    """probe after training"""


@dataclass(frozen=True)
class EvaluateArguments:
    """Probe a run: table on the terminal, RUN/probes.json, RUN/figures."""

    probe: ProbeConfig
    """protocol and budget (defaults: the run's scenario)"""
    device: str = "auto"
    """auto, cpu, cuda, mps, cuda:1 …"""


@dataclass(frozen=True)
class WatchArguments:
    """Pictures of where a policy looks: scan paths as PNG and an animated GIF."""

    target: Annotated[str, tyro.conf.Positional]
    """a scenario, or the folder of a run"""
    out: Path | None = None
    """folder for the pictures (default: RUN/figures, or the current folder for a scenario)"""
    split: str = ""
    """split to look at (empty: the one that probes are scored on)"""
    scenes: int = 6
    """number of scenes"""
    seed: int = 0
    """which scenes and fixations"""


@dataclass(frozen=True)
class RolloutArguments:
    """Glimpses per second of the vector env beside a plain Dataset and DataLoader, in one run."""

    source: str = "digits"
    """image source"""
    root: str = ""
    """where the source lies (empty: its usual place)"""
    seconds: float = 1.0
    """time per measurement"""
    device: str = "auto"
    """auto, cpu, cuda …"""


@dataclass(frozen=True)
class ViewsArguments:
    """Views of objects per second, packed and live, beside a Dataset that reads JPEGs one by one, in one run."""

    root: str = ""
    """tree in 3DIEBench's layout (empty: one is drawn for the occasion)"""
    seconds: float = 1.0
    """time per measurement"""
    size: int = 128
    """pixels per side"""
    renderer: str = "auto"
    """of live views: auto, opengl, embree or blender"""


@dataclass(frozen=True)
class StepArguments(Scenario):
    """Where the time of a training step goes, its FLOPs and the rate achieved beside the device's matrix rate."""

    timed: int = 10
    """timed steps (after a warm-up)"""
    device: str = "auto"
    """auto, cpu, cuda …"""


def scenario_of(chosen: Scenario) -> Scenario:
    """The scenario within the arguments of a command that derives from it."""
    return Scenario(**{field.name: getattr(chosen, field.name) for field in dataclasses.fields(Scenario)})
