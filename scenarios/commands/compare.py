"""`gazeworld compare RUN…`: policies swapped in frozen world models, with curves, intervals and the 2 × 2."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from gazeworld.agents.config import Compared, Entrants
from gazeworld.envs.validation import Options

from ._arguments import BARE, parsed
from ._places import Folder


@dataclass(frozen=True)
class CompareArguments(Options):
    """One frozen world model, fixation policies swapped: accuracy against glimpses, with intervals and figures.

    Runs are seeds of one scenario: each is compared for itself, and they are averaged. Streams that were made are kept
    in OUT/kept, so the same command goes on where it stopped.
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN …")]
    """folders of runs, or folders of such folders"""
    entrants: Entrants = field(default_factory=Entrants, metadata=BARE)
    """who takes part"""
    versus: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="RUN …")] = ()
    """runs trained with another policy, as many as runs: the 2 x 2 of trained with x tested with, and its paths"""
    config: Compared = field(default_factory=Compared, metadata=BARE)
    """how they are compared"""
    out: Folder | None = None
    """folder for compare.json and figures (default: RUN/compare of the first run)"""
    device: str = "auto"
    """auto, cpu, cuda, mps, cuda:1 …"""


def run(words: list[str]) -> int:
    """Carry the command out; returns the exit code."""
    chosen = parsed(CompareArguments, words, "gazeworld compare")
    return compare(chosen, Console())


def compare(chosen: CompareArguments, console: Console) -> int:
    """Compare, print, and write compare.json and figures; returns the exit code."""
    from gazeworld.agents.comparison.compare_runs import compare_runs, compared_as
    from gazeworld.agents.run_folder import RunFolder
    from gazeworld.agents.runs.records import folders_of
    from gazeworld.agents.runs.scenario import open_run

    from ..reports import comparison_report, tables
    from ._console import Progress, save_figure, say

    folders = folders_of(chosen.runs)
    versus = folders_of(chosen.versus) if chosen.versus else []
    out = chosen.out or RunFolder(folders[0]).comparison
    config = compared_as(open_run(folders[0]), chosen.config)
    with Progress(console, "comparing") as tick:
        found = compare_runs(folders, config, chosen.entrants, versus=versus, out=out, device=chosen.device, tick=tick)
    comparison_report.show(found, console)
    for name, figure in comparison_report.drawn(found).items():
        save_figure(figure, out / f"{name}.png", console)
    tables.write(found, out / "compare.json")
    say(console, f"written: {out / 'compare.json'}")
    return 0
