"""`gazeworld bench KIND`: speed of environments, training steps and methods."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from annotated_types import Interval
from rich.console import Console

from gazeworld.agents.runs.scenario import Scenario
from gazeworld.envs.validation import Options, PathText, Rows, Side, checked

from . import _catalogue
from ._arguments import BARE, Size, parsed, with_policy
from ._named import named, settled
from ._words import listed

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
class ImagesArguments(Options):
    """Images of a tree found and read into a ring, beside torchvision's ImageFolder and a DataLoader, in one run."""

    root: str = ""
    """tree with train/CLASS/* (empty: one of 20 000 JPEGs, 2 GB, is made in the folder for temporary files)"""
    side: Side = 224
    """pixels per side"""
    seconds: Seconds = 5.0
    """time per measurement; each is repeated five times"""


@dataclass(frozen=True)
class StepArguments(Options):
    """Where the time of a training step goes, its FLOPs and the rate achieved beside the device's matrix rate."""

    scenario: Scenario = field(metadata=BARE)
    """what is trained, and how"""
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


@dataclass(frozen=True)
class PriorsArguments(Options):
    """Milliseconds of one core for a map, by every prior of fixations, and a sheet of photographs with all maps."""

    sides: str = "96,224"
    """sides of the images in pixels, separated by commas"""
    batch: Rows = 16
    """images in a call"""
    seconds: Seconds = 1.0
    """CPU time per measurement"""
    repo: PathText = ""
    """a checkout of DeepGaze, to be measured with random weights"""
    onnx: PathText = ""
    """the file of a network of one's own, to be measured too"""
    pictures: PathText = ""
    """folder of photographs for the sheet"""
    sheet: PathText = ""
    """file that the sheet is drawn to, .png or .jpg"""


def run(words: list[str]) -> int:
    """Run one measurement; returns the exit code. Raises ValueError for a kind that there is not."""
    kind = words[0] if words else "--help"
    if kind in ("-h", "--help"):
        print("usage: gazeworld bench images|rollout|sb3|views|priors [OPTIONS]")
        print("       gazeworld bench step|methods SCENARIO [OPTIONS]")
        return 0 if words else 2
    if kind not in BENCHES:
        raise ValueError(f"unknown bench {kind!r}; there are: {', '.join(BENCHES)}")
    return BENCHES[kind](words[1:])


def _rollout(words: list[str]) -> int:
    chosen = parsed(RolloutArguments, words, "gazeworld bench rollout")
    from ..bench.rollout import rollout_bench

    rollout_bench(**dataclasses.asdict(chosen))
    return 0


def _images(words: list[str]) -> int:
    chosen = parsed(ImagesArguments, words, "gazeworld bench images")
    from ..bench.images import images_bench

    images_bench(**dataclasses.asdict(chosen))
    return 0


def _views(words: list[str]) -> int:
    chosen = parsed(ViewsArguments, words, "gazeworld bench views")
    from ..bench.views import views_bench

    views_bench(**dataclasses.asdict(chosen))
    return 0


def _sb3(words: list[str]) -> int:
    chosen = parsed(SB3Arguments, words, "gazeworld bench sb3")
    from ..bench.sb3 import sb3_bench

    sb3_bench(**dataclasses.asdict(chosen))
    return 0


def _priors(words: list[str]) -> int:
    chosen = parsed(PriorsArguments, words, "gazeworld bench priors")
    sides = [checked("sides", int(word) if word.isdigit() else word, Side) for word in listed(chosen.sides, "--sides")]
    from ..bench.priors import priors_bench

    priors_bench(**{**dataclasses.asdict(chosen), "sides": sides})
    return 0


def _step(words: list[str]) -> int:
    found = named(words, "bench step")
    if found is None:
        return 0 if words else 2
    chosen = found.parsed("bench step", StepArguments(found.scenario))
    from ..bench.step import step_bench

    asked = settled(found, with_policy(chosen.scenario, found.usual, Path()), Console())
    step_bench(asked, chosen.timed, chosen.device, Console())
    return 0


def _methods(words: list[str]) -> int:
    chosen = parsed(MethodsArguments, words, "gazeworld bench methods")
    from ..bench.methods import methods_bench

    methods_bench(
        chosen.scenario.replace("_", "-"),
        _catalogue.load(chosen.scenario),
        listed(chosen.methods, "--methods"),
        batch=chosen.batch,
        seconds=chosen.seconds,
        root=chosen.root,
        device=chosen.device,
    )
    return 0


BENCHES: dict[str, Callable[[list[str]], int]] = {
    "rollout": _rollout,
    "images": _images,
    "views": _views,
    "sb3": _sb3,
    "priors": _priors,
    "step": _step,
    "methods": _methods,
}
