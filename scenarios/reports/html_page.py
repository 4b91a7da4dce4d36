"""A run, or several side by side, as one HTML page that holds all its figures and needs nothing else."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from gazeworld.agents.runs.records import Record, flat, read_metrics

from . import curves, figures, heat_maps, html_parts, object_tables, tables
from .rows import rows, untrained
from .table_files import Sheet, rich_table

_IMAGES = {".png": "image/png", ".gif": "image/gif", ".jpg": "image/jpeg"}


@dataclass(frozen=True)
class Subject:
    """A run to report on: its folder, what its config.json holds, and its record if it was probed.

    `missing` says why there is no record and which command makes one.
    """

    folder: Path
    data: dict[str, Any]
    record: Record | None = None
    missing: str = ""


@dataclass(frozen=True)
class _Head:
    text: str
    number: bool


@dataclass(frozen=True)
class _Cells:
    """A table as the template wants it; sections are what rules stand between."""

    title: str
    heads: tuple[_Head, ...]
    sections: tuple[tuple[tuple[str, ...], ...], ...]
    caption: str


@dataclass(frozen=True)
class _Image:
    name: str
    kind: str
    data: str


class _Kept(Console):
    """A console that keeps the tables it is given, so that a page has all that the terminal gets."""

    def __init__(self) -> None:
        super().__init__(file=io.StringIO(), width=200)
        self.tables: list[Table] = []

    def print(self, *objects: Any, **options: Any) -> None:
        """Keep tables; nothing is printed."""
        self.tables += [one for one in objects if isinstance(one, Table)]


def single(subject: Subject) -> str:
    """The page of one run. Raises ValueError for files of the run that cannot be read."""
    run = _contents(subject)
    return html_parts.render(title=run["name"], subtitle=_described(subject), tables=[], images=[], runs=[run])


def several(subjects: Sequence[Subject], sheet: Sheet | None) -> str:
    """The page of several runs; `sheet` is their table, None where none of them was probed.

    Raises ValueError for files that cannot be read.
    """
    records = [subject.record for subject in subjects if subject.record is not None]
    shown, images = [], []
    if sheet is not None:
        own = rows(records)
        shown.append(_cells(rich_table(sheet, "")))
        images.append(_drawn("recognition", curves.recognition([*own, *untrained(records)])))
        for grid in heat_maps.grids(own):
            shown.append(_cells(heat_maps.table(grid)))
            images.append(_drawn(f"training length against inference length: {grid.title}", heat_maps.figure(grid)))
        learnt = curves.training(own, {record.folder: read_metrics(record.folder) for record in records})
        images += [] if learnt is None else [_drawn("training", learnt)]
    scenarios = ", ".join(dict.fromkeys(str(subject.data["scenario"]) for subject in subjects))
    return html_parts.render(
        title=f"{len(subjects)} runs",
        subtitle=scenarios,
        tables=shown,
        images=images,
        runs=[_contents(subject) for subject in subjects],
    )


def _described(subject: Subject) -> str:
    method = subject.data["config"]["method"]["name"]
    words = [str(subject.data["scenario"]), str(method), f"seed {subject.data['config'].get('seed', '?')}"]
    if subject.record is not None:
        words.append(f"probed at step {subject.record.probes['step']}")
        if subject.record.seconds is not None:
            words.append(f"trained for {subject.record.seconds / 60:.1f} minutes")
    return " · ".join(words)


def _contents(subject: Subject) -> dict[str, Any]:
    """Everything that the template says about a run."""
    made_by = dict(subject.data.get("made_by", {}))
    command = made_by.pop("command", "")
    versions = made_by.pop("versions", {})
    config = subject.data["config"]
    settings = {name: flat(value) for name, value in config.items() if isinstance(value, dict)}
    rest = {name: value for name, value in config.items() if not isinstance(value, dict)}
    return {
        "name": subject.folder.resolve().name,
        "note": subject.missing,
        "command": command,
        "made_by": {"machine": made_by, "versions": versions},
        "settings": settings | {"splits and seed": rest},
        "curves": _curves(subject.folder),
        "tables": [] if subject.record is None else [_cells(table) for table in _tables(subject.record.probes)],
        "images": _images(subject.folder / "figures"),
    }


def _tables(probes: dict[str, Any]) -> list[Table]:
    kept = _Kept()
    tables.show(probes, kept)
    if "objects" in probes:
        object_tables.show(probes["objects"], kept)
    return kept.tables


def _curves(folder: Path) -> _Image | None:
    return _drawn("training", figures.training(folder / "metrics.jsonl")) if read_metrics(folder) else None


def _images(folder: Path) -> list[_Image]:
    """The figures that were drawn for a run; training curves are drawn anew."""
    files = sorted(file for file in folder.glob("*") if file.suffix in _IMAGES and file.stem != "training")
    return [_Image(file.stem.replace("_", " "), _IMAGES[file.suffix], _base64(file.read_bytes())) for file in files]


def _drawn(name: str, figure: Figure) -> _Image:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return _Image(name, "image/png", _base64(buffer.getvalue()))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _cells(table: Table) -> _Cells:
    """The text of a table that was made for the terminal."""
    heads = tuple(_Head(str(column.header), column.justify == "right") for column in table.columns)
    lines = list(zip(*([str(cell) for cell in column.cells] for column in table.columns), strict=True))
    sections: list[tuple[tuple[str, ...], ...]] = []
    current: list[tuple[str, ...]] = []
    for line, row in zip(lines, table.rows, strict=True):
        current.append(line)
        if row.end_section:
            sections.append(tuple(current))
            current = []
    if current:
        sections.append(tuple(current))
    return _Cells(str(table.title or ""), heads, tuple(sections), str(table.caption or ""))
