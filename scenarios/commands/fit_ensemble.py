"""`gazeworld fit-ensemble RUN`: fit the ensemble that planners by disagreement and information need."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from gazeworld.agents.config import EnsembleChoices
from gazeworld.envs.validation import Options

from ._arguments import BARE, parsed
from ._places import Folder


@dataclass(frozen=True)
class FitEnsembleArguments(Options):
    """Fit the ensemble of predictor heads, with a label head, that planners need; it lands in RUN/ensemble."""

    run: Annotated[Path, tyro.conf.Positional]
    """folder of a run"""
    config: EnsembleChoices = field(default_factory=EnsembleChoices, metadata=BARE)
    """how the heads are fitted"""
    out: Folder | None = None
    """folder to write (default: RUN/ensemble)"""
    device: str = "auto"
    """auto, cpu, cuda …"""


def run(words: list[str]) -> int:
    """Carry the command out; returns the exit code."""
    chosen = parsed(FitEnsembleArguments, words, "gazeworld fit-ensemble")
    from gazeworld.agents.runs.planning_measures import ensemble_for_run

    from ..reports import tables
    from ._console import Progress, say

    console = Console()
    with Progress(console, chosen.run.name) as tick:
        found = ensemble_for_run(chosen.run, chosen.config, out=chosen.out, device=chosen.device, tick=tick)
    tables.put(console, tables.ensemble_table(found))
    say(console, f"written: {found['folder']}")
    return 0
