"""`gazeworld sweep SCENARIO…`: train and probe methods × seeds × numbers of views, and go on where it stopped."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from gazeworld.envs.validation import Options

from ._arguments import parsed
from ._places import Folder


@dataclass(frozen=True)
class SweepArguments(Options):
    """Train and probe scenarios × methods × numbers of views × seeds, then put them in a table.

    What is unfinished is resumed, what is done is skipped: the same command goes on after Ctrl-C, a kill or a failure.
    A run that fails does not stop the others; the exit code is then 1, after Ctrl-C 130.
    """

    scenarios: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SCENARIO …")]
    """scenarios, with or without :variant"""
    methods: str = ""
    """methods in the scenario's place, separated by commas (empty: its own)"""
    seeds: str = "0"
    """seeds, separated by commas"""
    observed: str = ""
    """values of M_tr, separated by commas (empty: the scenario's, or the nearest that the method can learn from)"""
    changes: Annotated[tuple[str, ...], tyro.conf.arg(name="set")] = field(default_factory=tuple)
    """further settings of all runs, as in train.steps=300 probe.views=4; byol:train.lr=1e-3 is for BYOL's runs alone"""
    runs: Folder = Path("runs")
    """folder of all runs"""
    figures: Folder = Path("figures")
    """folder for heat maps of M_tr against M_val"""
    device: str = "auto"
    """auto, cpu, cuda, mps, cuda:1 …"""


def run(words: list[str]) -> int:
    """Carry the command out; returns the exit code."""
    chosen = parsed(SweepArguments, words, "gazeworld sweep")
    from ._sweep import sweep

    return sweep(chosen, Console())
