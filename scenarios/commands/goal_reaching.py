"""`gazeworld goal-reaching RUN`: find the place whose embedding is given, by planning and without a model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from annotated_types import Interval
from rich.console import Console

from gazeworld.envs.validation import Amount, Natural, Options, Seed, Views

from ._arguments import parsed
from ._places import Folder


@dataclass(frozen=True)
class GoalReachingArguments(Options):
    """Can a place be found whose embedding is given? Planning in the latent space beside what needs no model."""

    run: Annotated[Path, tyro.conf.Positional]
    """folder of a run"""
    saccades: Annotated[int, Interval(ge=0, le=2**12)] = 0
    """actions until the goal has to be reached (0: 3, or 5 among the stored views of an object)"""
    within: Amount = 0.0
    """largest distance in pixels that counts as reached (0: a twelfth of the image side, 8 px of 96)"""
    seen: Views = 1
    """views looked at before the goal is given"""
    planner: Literal["grid", "cem", "mppi"] = "grid"
    """how the models' plans are made"""
    scenes: Natural = 512
    """test scenes, spread evenly (0: all)"""
    out: Folder | None = None
    """folder for goal_reaching.json and goal_reaching.png (default: RUN and RUN/figures)"""
    seed: Seed = 0
    """seed of first views, goals and policies"""
    device: str = "auto"
    """auto, cpu, cuda …"""


def run(words: list[str]) -> int:
    """Carry the command out; returns the exit code."""
    chosen = parsed(GoalReachingArguments, words, "gazeworld goal-reaching")
    from gazeworld.agents.runs.planning_measures import goals_of_run

    from ..reports import probe_figures, tables
    from ._console import Progress, save_results

    console, names = Console(), ("saccades", "within", "seen", "planner", "scenes", "seed", "device")
    with Progress(console, chosen.run.name) as tick:
        found = goals_of_run(chosen.run, tick=tick, **{name: getattr(chosen, name) for name in names})
    tables.put(console, tables.goal_table(found))
    console.print(tables.goal_sentence(found), highlight=False)
    save_results(found, probe_figures.goal_figure(found), chosen.out, chosen.run, "goal_reaching", console)
    return 0
