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
    """One frozen world model, fixation policies swapped: accuracy against glimpses, intervals, figures, verdicts.

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
    """runs trained with another policy, as many as runs: the 2 x 2 of trained with x tested with, and T3"""
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
    from ._compare import compare

    return compare(chosen, Console())
