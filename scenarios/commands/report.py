"""`gazeworld report RUN…`: one HTML page with configuration, curves, tables and figures."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from gazeworld.envs.validation import Options

from ._arguments import parsed
from ._places import File


@dataclass(frozen=True)
class ReportArguments(Options):
    """One HTML page of a run or of several side by side: it holds its figures and opens anywhere, offline."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN …")]
    """folders of runs, or folders of such folders"""
    out: File | None = None
    """file to write (default: RUN/report.html; needed for several runs)"""


def run(words: list[str]) -> int:
    """Carry the command out; returns the exit code."""
    chosen = parsed(ReportArguments, words, "gazeworld report")
    from ._report import report

    return report(chosen, Console())
