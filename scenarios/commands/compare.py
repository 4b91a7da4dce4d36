"""`gazeworld compare RUN…`: policies swapped in frozen world models, with curves, intervals and the 2 × 2."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from annotated_types import Interval
from rich.console import Console

from gazeworld.envs.validation import Natural, Options, Seed

from ._arguments import parsed
from ._places import Folder


@dataclass(frozen=True)
class CompareArguments(Options):
    """One frozen world model, fixation policies swapped: accuracy against glimpses, with intervals and figures.

    Runs are seeds of one scenario: each is compared for itself, and they are averaged. Streams that were made are kept
    in OUT/kept, so the same command goes on where it stopped.
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN …")]
    """folders of runs, or folders of such folders"""
    policies: str = ""
    """policies, separated by commas (empty: all controls, planners and the oracle); saliency always takes part"""
    learned: Annotated[tuple[str, ...], tyro.conf.arg(metavar="POLICY …")] = ()
    """learnt policies: names in RUN/policies, or folders; {seed} and {run} stand for those of each run; as many folders
    as runs are one each"""
    versus: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="RUN …")] = ()
    """runs trained with another policy, as many as runs: the 2 x 2 of trained with x tested with, and its paths"""
    views: Annotated[int, Interval(ge=2, le=2**12)] = 5
    """largest number of glimpses M"""
    scenes: Natural = 2000
    """scenes on which probes are trained, spread evenly over their split (0: all)"""
    test_scenes: Natural = 2000
    """scenes on which probes are scored (0: all)"""
    shared: Literal["controls", "uniform", "all"] = "controls"
    """whose streams the shared probe is trained on (all: everybody but the oracle)"""
    deterministic: bool = True
    """learnt policies take the likeliest action instead of drawing one"""
    resamples: Annotated[int, Interval(ge=1, le=2**20)] = 2000
    """resamples of the paired bootstrap over test images"""
    out: Folder | None = None
    """folder for compare.json and figures (default: RUN/compare of the first run)"""
    seed: Seed = 0
    """seed of fixations, probes and bootstrap"""
    device: str = "auto"
    """auto, cpu, cuda, mps, cuda:1 …"""


def run(words: list[str]) -> int:
    """Carry the command out; returns the exit code."""
    chosen = parsed(CompareArguments, words, "gazeworld compare")
    return compare(chosen, Console())


def compare(chosen: CompareArguments, console: Console) -> int:
    """Compare, print, and write compare.json and figures; returns the exit code."""
    from gazeworld.agents.comparison.compare_runs import Entrants, compare_runs, compared_as
    from gazeworld.agents.run_folder import RunFolder
    from gazeworld.agents.runs.records import folders_of
    from gazeworld.agents.runs.scenario import open_run

    from ..reports import comparison_report, tables
    from ._console import Progress, save_figure, say

    folders = folders_of(chosen.runs)
    versus = folders_of(chosen.versus) if chosen.versus else []
    out = chosen.out or RunFolder(folders[0]).comparison
    names = ("views", "scenes", "test_scenes", "shared", "resamples", "seed")
    config = compared_as(open_run(folders[0]), **{name: getattr(chosen, name) for name in names})
    policies = tuple(name for name in chosen.policies.replace(" ", "").split(",") if name)
    entrants = Entrants(policies, chosen.learned, chosen.deterministic)
    with Progress(console, "comparing") as tick:
        found = compare_runs(folders, config, entrants, versus=versus, out=out, device=chosen.device, tick=tick)
    comparison_report.show(found, console)
    for name, figure in comparison_report.drawn(found).items():
        save_figure(figure, out / f"{name}.png", console)
    tables.write(found, out / "compare.json")
    say(console, f"written: {out / 'compare.json'}")
    return 0
