"""`gazeworld table RUN…`: runs beside each other and the paper, on the terminal or as Markdown, CSV, LaTeX."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

from gazeworld.envs.validation import Options, Views

from ._arguments import parsed
from ._places import File


@dataclass(frozen=True)
class TableArguments(Options):
    """Runs beside each other: the columns of the paper's Tables 1 to 4 and 12, mean ± std over seeds.

    Runs that differ in the seed alone are one row; an untrained baseline and, where the scenario names a data set of
    the paper, the paper's own numbers stand below. Scenarios may be mixed: each is printed with its own columns; a file
    has them all, and – where a scenario did not measure what another did.
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN …")]
    """folders of runs, or folders of such folders"""
    out: File | None = None
    """also write OUT.md, OUT.csv and OUT.tex; with one of these endings that file alone; in a folder table.*"""
    columns: Literal["all", "1", "2", "3", "4", "12"] = "all"
    """a table of the paper, or everything that was measured"""
    views: tuple[Views, ...] = ()
    """numbers of views M_val for top-1 on the aggregate (none: 1, 3, 5 and as many as were trained on)"""
    paper: Literal["matching", "all", "none"] = "matching"
    """the paper's rows: of the methods and conditionings that are there, all of its data set, or none"""
    ridge: bool = False
    """R² of the linear read-out in closed form instead of the paper's read-outs"""


def run(words: list[str]) -> int:
    """Carry the command out; returns the exit code."""
    chosen = parsed(TableArguments, words, "gazeworld table")
    from ._table import table

    return table(chosen, Console())
