"""`gazeworld report RUN…`: one HTML page that says what came of a run, where it looks, and all that was measured."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from gazeworld.envs.files import one_line, typed, write_text
from gazeworld.envs.validation import Natural, Options, Seed

from . import _catalogue
from ._arguments import parsed
from ._console import say
from ._places import File

if TYPE_CHECKING:
    from gazeworld.agents.runs.watching import Watched

    from ..reports.html_page import Subject


@dataclass(frozen=True)
class ReportArguments(Options):
    """One HTML page of a run or of several side by side: it holds its figures and opens anywhere, offline."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN …")]
    """folders of runs, or folders of such folders"""
    out: File | None = None
    """file to write (default: RUN/report.html; needed for several runs)"""
    paths: Natural = 4
    """scan paths to show, of a run that has a checkpoint and its data (0: none); each makes the page larger"""
    seed: Seed = 0
    """which scenes and fixations they are"""


def run(words: list[str]) -> int:
    """Write the page and say where it is; returns the exit code. Raises ValueError for folders that hold no run."""
    chosen, console = parsed(ReportArguments, words, "gazeworld report"), Console()
    from gazeworld.agents.runs.records import folders_of

    from ..reports import html_page, table_files

    folders = folders_of(chosen.runs)
    subjects = [_subject(folder, chosen) for folder in folders]
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
        if subject.unseen:
            say(console, subject.unseen)
    say(console, f"written: {out}")
    return 0


def _place(folders: list[Path], out: Path | None) -> Path:
    from gazeworld.agents.run_folder import RunFolder

    if out is None:
        if len(folders) > 1:
            raise ValueError(f"a page of {len(folders)} runs needs a place: name a file with --out")
        return RunFolder(folders[0]).report
    return RunFolder(out).report if out.is_dir() else out


def _subject(folder: Path, chosen: ReportArguments) -> "Subject":
    """A run with its probes and its gaze; one that was not probed yet has its configuration and curves."""
    from gazeworld.agents.run_folder import probed, read_config
    from gazeworld.agents.runs.records import record_of

    from ..reports.html_page import Subject

    data = read_config(folder)
    watched, unseen = _watched(folder, chosen)
    if not probed(folder):
        cure = typed("gazeworld", "evaluate", folder)
        return Subject(folder, data, None, f"{folder} has not been probed; `{cure}` does it", watched, unseen)
    return Subject(folder, data, record_of(folder), "", watched, unseen)


def _watched(folder: Path, chosen: ReportArguments) -> "tuple[Watched | None, str]":
    """Where a run's policy looks with its newest checkpoint, or why that cannot be shown (its data lie elsewhere)."""
    from gazeworld.agents.run_folder import RunFolder
    from gazeworld.agents.runs.scenario import open_run
    from gazeworld.agents.runs.watching import WatchChoices, watch_run
    from gazeworld.agents.training.checkpoint import latest

    if not chosen.paths or latest(RunFolder(folder).checkpoints) is None:
        return None, ""
    try:
        return watch_run(open_run(folder), choices=WatchChoices(scenes=chosen.paths, seed=chosen.seed)), ""
    except (ValueError, OSError, RuntimeError) as error:  # of a checkpoint that does not fit: the numbers still stand
        return None, f"scan paths are left out: {one_line(str(error))}"
