"""A run, or several side by side, as one HTML page without scripts: readable in light and dark, complete in itself."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from gazeworld.agents.run_folder import RunFolder, read_numbers
from gazeworld.agents.runs.records import Record
from gazeworld.agents.runs.scenario import flat

from . import figures, heat_maps, tables
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
    return render(title=run["name"], subtitle=_described(subject), tables=[], images=[], runs=[run])


def several(subjects: Sequence[Subject], sheet: Sheet | None) -> str:
    """The page of several runs; `sheet` is their table, None where none of them was probed.

    Raises ValueError for files that cannot be read.
    """
    records = [subject.record for subject in subjects if subject.record is not None]
    shown, images = [], []
    if sheet is not None:
        own = rows(records)
        shown.append(_cells(rich_table(sheet, "")))
        seen = [row for row in (*own, *untrained(records)) if "z_1" in row.scores]
        images += [_drawn("recognition", figures.recognition_of_runs(seen))] if seen else []
        for grid in heat_maps.grids(own):
            shown.append(_cells(heat_maps.table(grid)))
            images.append(_drawn(f"training length against inference length: {grid.title}", heat_maps.figure(grid)))
        learnt = figures.training_of_runs(
            own, {record.folder: read_numbers(RunFolder(record.folder).metrics) for record in records}
        )
        images += [] if learnt is None else [_drawn("training", learnt)]
    scenarios = ", ".join(dict.fromkeys(str(subject.data["scenario"]) for subject in subjects))
    return render(
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
        "note": subject.missing or "; ".join(tables.left_out(subject.record.probes if subject.record else {})),
        "command": command,
        "made_by": {"machine": made_by, "versions": versions},
        "settings": settings | {"splits and seed": rest},
        "curves": _curves(subject.folder),
        "tables": [] if subject.record is None else [_cells(table) for table in _tables(subject.record.probes)],
        "images": _images(RunFolder(subject.folder).figures),
    }


def _tables(probes: dict[str, Any]) -> list[Table]:
    kept = _Kept()
    tables.show(probes, kept)
    if "objects" in probes:
        tables.show_objects(probes["objects"], kept)
    return kept.tables


def _curves(folder: Path) -> _Image | None:
    metrics = RunFolder(folder).metrics
    return _drawn("training", figures.training(metrics)) if read_numbers(metrics) else None


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


_STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1f; --paper: #ffffff; --faint: #6a6a75; --line: #d9d9e0; --band: #f5f5f8;
  --accent: #1565c0; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6ea; --paper: #17171b; --faint: #9d9da8; --line: #37373f; --band: #1f1f25; --accent: #7ab4ff; }
}
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1180px;
  margin: 0 auto; padding: 24px 20px 80px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 20px; margin: 40px 0 12px; } h3 { font-size: 16px; }
h2 { border-bottom: 1px solid var(--line); padding-bottom: 4px; }
a { color: var(--accent); } .faint { color: var(--faint); } code { font: 13px/1.45 ui-monospace, monospace; }
p code, td code { overflow-wrap: anywhere; }
.note { border-left: 3px solid var(--accent); padding: 6px 12px; background: var(--band); }
.wide { overflow-x: auto; margin: 0 0 28px; }
table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 0 0 6px; }
th, td { padding: 3px 12px 3px 0; text-align: left; vertical-align: top; white-space: nowrap; }
th { font-weight: 600; white-space: pre-line; vertical-align: bottom; border-bottom: 1.5px solid var(--line); }
th.number, td.number { text-align: right; }
tbody + tbody tr:first-child td { border-top: 1px solid var(--line); }
tbody tr:hover td { background: var(--band); }
.under { font-size: 12.5px; color: var(--faint); margin: 4px 0 0; max-width: 90ch; }
.settings { display: flex; flex-wrap: wrap; gap: 8px 40px; align-items: flex-start; }
.settings td { white-space: normal; overflow-wrap: anywhere; max-width: 34ch; }
.settings td:first-child { color: var(--faint); }
figure { margin: 0 0 28px; } figcaption { font-size: 13px; color: var(--faint); margin-top: 4px; }
img { max-width: 100%; height: auto; background: #ffffff; border-radius: 6px; border: 1px solid var(--line); }
details { border: 1px solid var(--line); border-radius: 8px; padding: 8px 16px; margin: 0 0 12px; }
summary { cursor: pointer; font-weight: 600; }
@media print { details { border: 0; padding: 0; } }
"""

_PARTS = """
{%- macro sheet(table) %}
<div class="wide"><table>
{%- if table.title %}<caption>{{ table.title }}</caption>{% endif %}
<thead><tr>
{%- for head in table.heads %}<th{% if head.number %} class="number"{% endif %} scope="col">{{ head.text }}</th>
{%- endfor %}</tr></thead>
{%- for section in table.sections %}
<tbody>
{%- for line in section %}
<tr>{% for cell in line %}<td{% if table.heads[loop.index0].number %} class="number"{% endif %}>{{ cell }}</td>
{%- endfor %}</tr>
{%- endfor %}
</tbody>
{%- endfor %}
</table>
{%- if table.caption %}<p class="under">{{ table.caption }}</p>{% endif %}</div>
{%- endmacro %}

{%- macro picture(image) %}
<figure><img src="data:{{ image.kind }};base64,{{ image.data }}" alt="{{ image.name }}">
<figcaption>{{ image.name }}</figcaption></figure>
{%- endmacro %}

{%- macro pairs(title, values) %}
<table><caption>{{ title }}</caption>
{%- for name, value in values.items() %}<tr><td>{{ name }}</td><td><code>{{ value }}</code></td></tr>{% endfor %}
</table>
{%- endmacro %}

{%- macro subject(run) %}
{%- if run.note %}<p class="note">{{ run.note }}</p>{% endif %}
<h3>Made by</h3>
<p><code>{{ run.command }}</code></p>
<div class="settings">
{%- for title, values in run.made_by.items() %}{{ pairs(title, values) }}{% endfor %}</div>
<h3>Configuration</h3>
<div class="settings">
{%- for title, values in run.settings.items() %}{{ pairs(title, values) }}{% endfor %}</div>
{%- if run.curves %}<h3>Training</h3>{{ picture(run.curves) }}{% endif %}
{%- if run.tables %}<h3>Probes</h3>{% for table in run.tables %}{{ sheet(table) }}{% endfor %}{% endif %}
{%- if run.images %}<h3>Figures</h3>{% for image in run.images %}{{ picture(image) }}{% endfor %}{% endif %}
{%- endmacro %}
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>{{ style }}</style>
</head>
<body>
<h1>{{ title }}</h1>
<p class="faint">{{ subtitle }}</p>
{%- if tables or images %}
<h2>Side by side</h2>
{%- for table in tables %}{{ sheet(table) }}{% endfor %}
{%- for image in images %}{{ picture(image) }}{% endfor %}
{%- endif %}
{%- if runs | length == 1 %}
{{ subject(runs[0]) }}
{%- else %}
<h2>Runs</h2>
{%- for run in runs %}
<details><summary>{{ run.name }}</summary>
{{ subject(run) }}
</details>
{%- endfor %}
{%- endif %}
</body>
</html>
"""


def render(**contents: object) -> str:
    """The page; everything that is put into it is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.from_string(_PARTS + _PAGE).render(style=_STYLE, **contents)
