"""`gazeworld goal-reaching RUN`: find the place whose embedding is given, by planning and without a model."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from gazeworld.agents.config import ReachChoices
from gazeworld.envs.validation import Options

from ._arguments import BARE, parsed
from ._places import Folder


@dataclass(frozen=True)
class GoalReachingArguments(Options):
    """Can a place be found whose embedding is given? Planning in the latent space beside what needs no model."""

    run: Annotated[Path, tyro.conf.Positional]
    """folder of a run"""
    config: ReachChoices = field(default_factory=ReachChoices, metadata=BARE)
    """the task"""
    out: Folder | None = None
    """folder for goal_reaching.json and goal_reaching.png (default: RUN and RUN/figures)"""
    device: str = "auto"
    """auto, cpu, cuda …"""


def run(words: list[str]) -> int:
    """Carry the command out; returns the exit code."""
    chosen = parsed(GoalReachingArguments, words, "gazeworld goal-reaching")
    from gazeworld.agents.runs.planning_measures import goals_of_run

    from ..reports import probe_figures, tables
    from ._console import Progress, save_results

    console = Console()
    with Progress(console, chosen.run.name) as tick:
        found = goals_of_run(chosen.run, chosen.config, device=chosen.device, tick=tick)
    tables.put(console, tables.goal_table(found))
    console.print(tables.goal_sentence(found), highlight=False)
    save_results(found, probe_figures.goal_figure(found), chosen.out, chosen.run, "goal_reaching", console)
    return 0
