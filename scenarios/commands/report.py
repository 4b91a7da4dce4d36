"""`gazeworld report RUN…`: one HTML page with configuration, curves, tables and figures."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from gazeworld.envs.files import typed, write_text
from gazeworld.envs.validation import Options

from . import _catalogue
from ._arguments import parsed
from ._console import say
from ._places import File

if TYPE_CHECKING:
    from ..reports.html_page import Subject


@dataclass(frozen=True)
class ReportArguments(Options):
    """One HTML page of a run or of several side by side: it holds its figures and opens anywhere, offline."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN …")]
    """folders of runs, or folders of such folders"""
    out: File | None = None
    """file to write (default: RUN/report.html; needed for several runs)"""


def run(words: list[str]) -> int:
    """Write the page and say where it is; returns the exit code. Raises ValueError for folders that hold no run."""
    chosen, console = parsed(ReportArguments, words, "gazeworld report"), Console()
    from gazeworld.agents.runs.records import folders_of

    from ..reports import html_page, table_files

    folders = folders_of(chosen.runs)
    subjects = [_subject(folder) for folder in folders]
    out = _place(folders, chosen.out)
    if len(subjects) == 1:
        text = html_page.single(subjects[0])
    else:
        probed = [subject.record for subject in subjects if subject.record is not None]
        text = html_page.several(subjects, table_files.sheet_of(probed, _catalogue.paper_data) if probed else None)
    write_text(out, text)
    for subject in subjects:
        if subject.missing:
            say(console, f"without probes: {subject.missing}")
    say(console, f"written: {out}")
    return 0


def _place(folders: list[Path], out: Path | None) -> Path:
    from gazeworld.agents.run_folder import RunFolder

    if out is None:
        if len(folders) > 1:
            raise ValueError(f"a page of {len(folders)} runs needs a place: name a file with --out")
        return RunFolder(folders[0]).report
    return RunFolder(out).report if out.is_dir() else out


def _subject(folder: Path) -> "Subject":
    """A run with its probes; one that was not probed yet has its configuration and curves."""
    from gazeworld.agents.run_folder import probed, read_config
    from gazeworld.agents.runs.records import record_of

    from ..reports.html_page import Subject

    data = read_config(folder)
    if not probed(folder):
        cure = typed("gazeworld", "evaluate", folder)
        return Subject(folder, data, missing=f"{folder} has not been probed; `{cure}` does it")
    return Subject(folder, data, record_of(folder))
