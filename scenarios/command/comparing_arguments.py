"""Arguments of the commands that put runs beside each other, typed; imports no torch."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro


@dataclass(frozen=True)
class TableArguments:
    """Runs beside each other: the columns of the paper's Tables 1 to 4 and 12, mean ± std over seeds.

    Runs that differ in the seed alone are one row; an untrained baseline and, where the scenario names a data set of
    the paper, the paper's own numbers stand below. Scenarios may be mixed: each is printed with its own columns; a file
    has them all, and – where a scenario did not measure what another did.
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN …")]
    """folders of runs, or folders of such folders"""
    out: Path | None = None
    """also write OUT.md, OUT.csv and OUT.tex; with one of these endings that file alone; in a folder table.*"""
    columns: Literal["all", "1", "2", "3", "4", "12"] = "all"
    """a table of the paper, or everything that was measured"""
    views: tuple[int, ...] = ()
    """numbers of views M_val for top-1 on the aggregate (none: 1, 3, 5 and as many as were trained on)"""
    paper: Literal["matching", "all", "none"] = "matching"
    """the paper's rows: of the methods and conditionings that are there, all of its data set, or none"""
    ridge: bool = False
    """R² of the linear read-out in closed form instead of the paper's read-outs"""


@dataclass(frozen=True)
class ReportArguments:
    """One HTML page of a run or of several side by side: it holds its figures and opens anywhere, offline."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN …")]
    """folders of runs, or folders of such folders"""
    out: Path | None = None
    """file to write (default: RUN/report.html; needed for several runs)"""


@dataclass(frozen=True)
class SweepArguments:
    """Train and probe scenarios × methods × numbers of views × seeds, then put them in a table.

    What is unfinished is resumed, what is done is skipped: the same command goes on after Ctrl-C, a kill or a failure.
    A run that fails does not stop the others; the exit code is then 1.
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
    runs: Path = Path("runs")
    """folder of all runs"""
    figures: Path = Path("figures")
    """folder for heat maps of M_tr against M_val"""
    device: str = "auto"
    """auto, cpu, cuda, mps, cuda:1 …"""
