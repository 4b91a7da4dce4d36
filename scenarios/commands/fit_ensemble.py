"""`gazeworld fit-ensemble RUN`: fit the ensemble that planners by disagreement and information need."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from annotated_types import Interval
from rich.console import Console

from gazeworld.envs.validation import Layers, Natural, Options, Positive, Seed

from ._arguments import parsed
from ._places import Folder


@dataclass(frozen=True)
class FitEnsembleArguments(Options):
    """Fit the ensemble of predictor heads, with a label head, that planners need; it lands in RUN/ensemble."""

    run: Annotated[Path, tyro.conf.Positional]
    """folder of a run"""
    heads: Layers = 5
    """predictor heads"""
    hidden: Annotated[int, Interval(ge=0, le=2**15)] = 0
    """hidden units of each (0: as the run's predictor)"""
    epochs: Positive = 20
    """passes over the streams for predictor heads"""
    label_epochs: Natural = 50
    """passes for the label head (0: no label head)"""
    scenes: Natural = 4000
    """scenes that are looked at, with uniform fixations (0: all)"""
    out: Folder | None = None
    """folder to write (default: RUN/ensemble)"""
    seed: Seed = 0
    """everything random follows from it"""
    device: str = "auto"
    """auto, cpu, cuda …"""


def run(words: list[str]) -> int:
    """Carry the command out; returns the exit code."""
    chosen = parsed(FitEnsembleArguments, words, "gazeworld fit-ensemble")
    from gazeworld.agents.runs.planning_measures import ensemble_for_run

    from ..reports import tables
    from ._console import Progress, say

    console, names = Console(), ("heads", "hidden", "epochs", "label_epochs", "seed", "scenes", "out", "device")
    with Progress(console, chosen.run.name) as tick:
        found = ensemble_for_run(chosen.run, tick=tick, **{name: getattr(chosen, name) for name in names})
    tables.put(console, tables.ensemble_table(found))
    say(console, f"written: {found['folder']}")
    return 0
