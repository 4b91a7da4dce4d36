"""Arguments of `gazeworld bench`, typed; imports no torch."""

from dataclasses import dataclass
from typing import Annotated

import tyro
from annotated_types import Interval

from gazeworld.agents.runs.scenario import Scenario
from gazeworld.envs.validation import Options, Side

from ._data_arguments import Size

Seconds = Annotated[float, Interval(gt=0, le=3600)]
"""Time per measurement."""


@dataclass(frozen=True)
class RolloutArguments(Options):
    """Glimpses per second of the vector env beside a plain Dataset and DataLoader, in one run."""

    source: str = "digits"
    """image source"""
    root: str = ""
    """where the source lies (empty: its usual place)"""
    seconds: Seconds = 1.0
    """time per measurement"""
    device: str = "auto"
    """auto, cpu, cuda …"""


@dataclass(frozen=True)
class ViewsArguments(Options):
    """Views of objects per second, packed and live, beside a Dataset that reads JPEGs one by one, in one run."""

    root: str = ""
    """tree in 3DIEBench's layout (empty: one is drawn for the occasion)"""
    seconds: Seconds = 1.0
    """time per measurement"""
    size: Size = 128
    """pixels per side"""
    renderer: str = "auto"
    """of live views: auto, opengl, embree or blender"""


@dataclass(frozen=True)
class StepArguments(Scenario):
    """Where the time of a training step goes, its FLOPs and the rate achieved beside the device's matrix rate."""

    timed: Annotated[int, Interval(ge=1, le=2**16)] = 10
    """timed steps (after a warm-up)"""
    device: str = "auto"
    """auto, cpu, cuda …"""


@dataclass(frozen=True)
class SB3Arguments(Options):
    """Steps per second through the adapter for Stable-Baselines3 beside SB3's DummyVecEnv, in one run."""

    source: str = "digits"
    """image source"""
    root: str = ""
    """where the source lies (empty: its usual place)"""
    glimpse: Side = 16
    """side of a glimpse in pixels"""
    seconds: Seconds = 0.5
    """time per measurement"""
    device: str = "auto"
    """auto, cpu, cuda … (single environments are on the CPU)"""


@dataclass(frozen=True)
class MethodsArguments(Options):
    """Training steps of every method at an equal batch, its parameters and FLOPs, beside the paper's Tables 5 and 6."""

    scenario: Annotated[str, tyro.conf.Positional]
    """the scenario whose world, encoder and training all methods take over"""
    methods: str = ""
    """methods, separated by commas (empty: all that can learn from the scenario's world)"""
    batch: Annotated[int, Interval(ge=2, le=2**20)] = 64
    """streams per step"""
    seconds: Seconds = 1.0
    """time per measurement; each is repeated three times"""
    root: str = ""
    """where the source lies (empty: the scenario's)"""
    device: str = "auto"
    """auto, cpu, cuda …"""
