"""`gazeworld table RUN…`: runs beside each other and the paper, on the terminal or as Markdown, CSV, LaTeX."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.console import Console

from gazeworld.envs.files import typed, write_text
from gazeworld.envs.validation import Options, Views

from . import _catalogue
from ._arguments import parsed
from ._console import say
from ._places import File

if TYPE_CHECKING:
    from ..reports.table_files import Sheet


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
    """Carry the command out; returns the exit code.

    Runs that have not been probed yet are named and left out; if they all are, ValueError says so.
    """
    chosen, console = parsed(TableArguments, words, "gazeworld table"), Console()
    from gazeworld.agents.run_folder import probed
    from gazeworld.agents.runs.records import folders_of, record_of

    from ..reports import table_files

    folders = folders_of(chosen.runs)
    there = [folder for folder in folders if probed(folder)]
    made = table_files.sheet_of(
        [record_of(folder) for folder in there or folders],
        _catalogue.paper_data,
        columns=chosen.columns,
        views=chosen.views,
        paper=chosen.paper,
        ridge=chosen.ridge,
    )
    table_files.show(made, console)
    for folder in folders:
        if folder not in there:
            say(console, f"left out, not probed yet: {folder} (`{typed('gazeworld', 'evaluate', folder)}` does it)")
    if chosen.out is not None:
        for file in _written(made, chosen.out):
            say(console, f"written: {file}")
    return 0


def _written(made: "Sheet", out: Path) -> list[Path]:
    """Write a table as OUT.md, OUT.csv and OUT.tex, in a folder as table.*, with an ending of its own as that alone."""
    from ..reports import table_files

    writers = {".md": table_files.markdown, ".csv": table_files.comma_separated, ".tex": table_files.latex}
    if out.suffix in writers:
        files = [out]
    else:
        stem = out / "table" if out.is_dir() else out
        files = [stem.with_name(stem.name + ending) for ending in writers]
    for file in files:
        write_text(file, writers[file.suffix](made))
    return files
