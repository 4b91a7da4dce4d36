"""`gazeworld report`: one HTML page of a run, or of several side by side."""

from pathlib import Path

from rich.console import Console

from gazeworld.agents.runs.records import probed
from gazeworld.agents.training.trained_methods import read_config
from gazeworld.envs.files import typed, write_text

from ..reports import html_page as pages
from ..reports.html_page import Subject
from . import _table
from ._console import say
from .report import ReportArguments
from .table import TableArguments


def report(chosen: ReportArguments, console: Console) -> int:
    """Write the page and say where it is; returns the exit code. Raises ValueError for folders that hold no run."""
    folders = _table.folders_of(chosen.runs)
    subjects = [_subject(folder) for folder in folders]
    out = _place(folders, chosen.out)
    if len(subjects) == 1:
        text = pages.single(subjects[0])
    else:
        probed = [subject.record for subject in subjects if subject.record is not None]
        text = pages.several(subjects, _table.sheet_of(probed, TableArguments(chosen.runs)) if probed else None)
    write_text(out, text)
    for subject in subjects:
        if subject.missing:
            say(console, f"without probes: {subject.missing}")
    say(console, f"written: {out}")
    return 0


def _place(folders: list[Path], out: Path | None) -> Path:
    if out is None:
        if len(folders) > 1:
            raise ValueError(f"a page of {len(folders)} runs needs a place: name a file with --out")
        return folders[0] / "report.html"
    return out / "report.html" if out.is_dir() else out


def _subject(folder: Path) -> Subject:
    """A run with its probes; one that was not probed yet has its configuration and curves."""
    data = read_config(folder)
    if not probed(folder):
        cure = typed("gazeworld", "evaluate", folder)
        return Subject(folder, data, missing=f"{folder} has not been probed; `{cure}` does it")
    return Subject(folder, data, _table.record_of(folder))
