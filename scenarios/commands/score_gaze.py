"""`gazeworld score-gaze RUN|POLICY`: how much policies look as people do, fixation by fixation and path by path."""

import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.console import Console

from gazeworld.agents.config import GazeConfig
from gazeworld.envs import registry
from gazeworld.envs.gaze.recorded import FixationOptions
from gazeworld.envs.validation import Options, shown

from . import _catalogue
from ._arguments import BARE, POLICIES, parsed, policy_of
from ._own_data import OwnDataArguments, fitted, takes_data
from ._places import Folder

if TYPE_CHECKING:
    from gazeworld.agents.runs.scenario import Run

BASELINES = ("uniform", "centre prior", "other people", "people")
"""What baselines are called in tables."""
_OWN = "saccade"  # the scenario that a policy alone looks in, over somebody's own images


@dataclass(frozen=True)
class ScoreGazeArguments(Options):
    """How much policies look as people do: information gain over the centre prior, NSS and AUC of each fixation given
    its history, and MultiMatch, ScanMatch, DTW and recurrence between scan paths.

    Beside the policies stand looking anywhere, where people look on other images, where other people look on the same
    one, and other people's scan paths (the ceiling). Intervals hold 95 %, over images. FILE is a table with the columns
    image, subject, order, x, y and perhaps duration and task, or the JSON of COCO-Search18 or COCO-FreeView.
    """

    target: Annotated[str, tyro.conf.Positional]
    """the folder of a run, a scenario, or a policy: NAME or NAME:KEY=VALUE,… (which needs --data)"""
    fixations: Annotated[Path, tyro.conf.arg(metavar="FILE")]
    """people's fixations"""
    policy: Annotated[tuple[str, ...], tyro.conf.arg(metavar="SPEC …")] = ()
    """policies in place of its own: NAME, NAME:KEY=VALUE,… of the registry, RUN/policies/NAME, or a policy's folder"""
    data: Annotated[str, tyro.conf.arg(metavar="DIR")] = ""
    """other images than its own, on which people looked: a folder, or SOURCE:DIR of any source of images"""
    split: str = ""
    """split of the images (empty: the one that probes are scored on)"""
    taken: FixationOptions = field(default_factory=FixationOptions, metadata=BARE)
    """how the fixations are taken"""
    config: GazeConfig = field(default_factory=GazeConfig, metadata=BARE)
    """how policies are scored"""
    out: Folder | None = None
    """folder for gaze.json, gaze.png and gaze_examples.png (default: RUN and RUN/figures, else the current folder)"""
    device: str = "auto"
    """auto, cpu, cuda, mps, cuda:1 …"""


def run(words: list[str]) -> int:
    """Carry the command out; returns the exit code."""
    return score(parsed(ScoreGazeArguments, words, "gazeworld score-gaze"), Console())


def score(chosen: ScoreGazeArguments, console: Console) -> int:
    """Score, print, and write gaze.json and the figures; returns the exit code."""
    from gazeworld.agents.gaze import Looked, score_run

    from ..reports import gaze_figures, gaze_tables, tables
    from ._console import Progress, save_figure, say

    found, asked, data = _target(chosen)
    policies = {_named(text): policy_of(text, found.scenario, found.folder) or found.scenario.policy for text in asked}
    if len(policies) < len(asked):
        twice = next(text for text in asked if asked.count(text) > 1)
        raise ValueError(f"policy {twice!r} is named twice, expected every policy once")
    with Progress(console, "gaze") as tick:
        scored = score_run(
            found,
            chosen.fixations,
            policies,
            chosen.taken,
            chosen.config,
            looked=Looked(chosen.split, data),
            device=chosen.device,
            tick=tick,
        )
    gaze_tables.show(scored.scores.found, console)
    own = found.files.config.is_file()
    file = found.files.gaze if own and chosen.out is None else (chosen.out or Path()) / found.files.gaze.name
    figures = chosen.out or (found.files.figures if own else Path())
    tables.write(scored.scores.found, file)
    say(console, f"written: {file}")
    for name, figure in gaze_figures.drawn(scored.scores, scored.world).items():
        save_figure(figure, figures / f"{name}.png", console)
    return 0


def _named(text: str) -> str:
    """What a policy is called in tables: as it was asked for, of a folder its name, and never as a baseline."""
    name = Path(text).name if Path(text).is_dir() else text
    return f"policy {name}" if name in BASELINES else name


def _target(chosen: ScoreGazeArguments) -> "tuple[Run, tuple[str, ...], str]":
    """The run or scenario, the policies that are asked for, and the data that are not yet its own.

    Raises ValueError for what is neither a run nor a scenario nor a policy, and for a policy without data.
    """
    from gazeworld.agents.run_folder import RunFolder
    from gazeworld.agents.runs.scenario import Run, open_run

    target, given = chosen.target, OwnDataArguments(data=chosen.data)
    if RunFolder(Path(target)).config.is_file():
        return open_run(Path(target)), chosen.policy, chosen.data
    name = target.replace("_", "-")
    if name in _catalogue.names():
        if takes_data(target):
            own = fitted(target, given)
            return Run(Path(own.name), own.name, own.scenario), chosen.policy, ""
        return Run(Path(target), name, _catalogue.load(target)), chosen.policy, chosen.data
    _require_policy(target)
    if not chosen.data:
        raise ValueError(f"policy {target!r} alone has nothing to look at: say --data DIR, the images of the fixations")
    own = fitted(_OWN, given)
    return Run(Path(own.name), own.name, own.scenario), (target, *chosen.policy), ""


def _require_policy(target: str) -> None:
    """Raise ValueError for a target that names no policy either, saying what may have been meant."""
    known: list[Any] = registry.names(POLICIES)
    name = registry.plain(registry.split(POLICIES, target)[0])
    if name in known or ":" in name or Path(target).is_dir():
        return
    near = difflib.get_close_matches(name, [*known, *_catalogue.names()], 1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(
        f"{shown(target)} is neither the folder of a run, nor a scenario of `gazeworld list`, nor a policy "
        f"({', '.join(known)}){meant}"
    )
