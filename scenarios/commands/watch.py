"""`gazeworld watch SCENARIO|RUN`: pictures of where a policy looks."""

from dataclasses import dataclass
from typing import Annotated

import tyro
from rich.console import Console

from gazeworld.envs.validation import Options, Positive, Seed

from ._arguments import parsed
from ._places import Folder


@dataclass(frozen=True)
class WatchArguments(Options):
    """Pictures of where a policy looks: scan paths as PNG and an animated GIF."""

    target: Annotated[str, tyro.conf.Positional]
    """a scenario, or the folder of a run"""
    policy: str = ""
    """another policy than its own: NAME or NAME:KEY=VALUE,… of the registry, RUN/policies/NAME, or a policy's folder"""
    out: Folder | None = None
    """folder for the pictures (default: RUN/figures, or the current folder for a scenario)"""
    split: str = ""
    """split to look at (empty: the one that probes are scored on)"""
    scenes: Positive = 6
    """number of scenes"""
    seed: Seed = 0
    """which scenes and fixations"""


def run(words: list[str]) -> int:
    """Carry the command out; returns the exit code."""
    chosen = parsed(WatchArguments, words, "gazeworld watch")
    from ._runs import watch

    return watch(chosen, Console())
