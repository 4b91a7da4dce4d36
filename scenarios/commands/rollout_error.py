"""`gazeworld rollout-error RUN`: the error of imagined views against the horizon."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from annotated_types import Interval
from rich.console import Console

from gazeworld.envs.validation import Natural, Options, Seed, Views

from ._arguments import parsed
from ._places import Folder


@dataclass(frozen=True)
class RolloutErrorArguments(Options):
    """How far a world model can be rolled forward from its own predictions: error against horizon."""

    run: Annotated[Path, tyro.conf.Positional]
    """folder of a run"""
    seen: Annotated[int, Interval(ge=0, le=2**12)] = 0
    """views that are looked at first (0: as many as in training)"""
    horizon: Views = 4
    """views that are imagined"""
    scenes: Natural = 1000
    """test scenes, spread evenly (0: all)"""
    out: Folder | None = None
    """folder for rollout_error.json and rollout_error.png (default: RUN and RUN/figures)"""
    seed: Seed = 0
    """seed of fixations"""
    device: str = "auto"
    """auto, cpu, cuda …"""


def run(words: list[str]) -> int:
    """Carry the command out; returns the exit code."""
    chosen = parsed(RolloutErrorArguments, words, "gazeworld rollout-error")
    from gazeworld.agents.runs.planning_measures import rollout_error_of_run

    from ..reports import probe_figures, tables
    from ._console import Progress, save_results

    console, names = Console(), ("seen", "horizon", "scenes", "seed", "device")
    with Progress(console, chosen.run.name) as tick:
        found = rollout_error_of_run(chosen.run, tick=tick, **{name: getattr(chosen, name) for name in names})
    tables.put(console, tables.rollout_table(found))
    save_results(found, probe_figures.horizon_figure(found), chosen.out, chosen.run, "rollout_error", console)
    return 0
