"""A run, or several side by side, as one HTML page: complete in itself, for light and dark, wide and narrow screens."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gazeworld.agents.metric_lines import read_numbers
from gazeworld.agents.run_folder import RunFolder, aggregate
from gazeworld.agents.runs.records import Record
from gazeworld.agents.runs.scenario import flat
from gazeworld.agents.runs.watching import Watched

from . import figures, heat_maps, tables
from .page_pictures import drawn
from .page_scan_path import scan_paths
from .page_sections import Section, headline, sections
from .page_tables import cells
from .page_template import render
from .rows import Row, rows, untrained
from .table_files import Sheet, rich_table


@dataclass(frozen=True)
class Subject:
    """A run to report on: its folder, what its config.json holds, its record if it was probed, and where it looks.

    `missing` says why there is no record and which command makes one, `unseen` why nothing can be looked at.
    """

    folder: Path
    data: dict[str, Any]
    record: Record | None = None
    missing: str = ""
    watched: Watched | None = None
    unseen: str = ""


def single(subject: Subject) -> str:
    """The page of one run. Raises ValueError for files of the run that cannot be read."""
    run = _contents(subject)
    return render(title=run["name"], subtitle=_described(subject), lead="", sections=[], runs=[run])


def several(subjects: Sequence[Subject], sheet: Sheet | None) -> str:
    """The page of several runs; `sheet` is their table, None where none of them was probed.

    Raises ValueError for files that cannot be read.
    """
    records = [subject.record for subject in subjects if subject.record is not None]
    scenarios = ", ".join(dict.fromkeys(str(subject.data["scenario"]) for subject in subjects))
    own = rows(records) if sheet is not None else []
    return render(
        title=f"{len(subjects)} runs",
        subtitle=scenarios,
        lead=_ranked(own, len(subjects)),
        sections=[] if sheet is None else [_beside(records, own, sheet)],
        runs=[_contents(subject) for subject in subjects],
    )


def _beside(records: list[Record], own: list[Row], sheet: Sheet) -> Section:
    """Runs in one table and in the same figures."""
    shown, pictures = [cells(rich_table(sheet, ""))], []
    seen = [row for row in (*own, *untrained(records)) if "z_1" in row.scores]
    if seen:
        alt = "Accuracy of all runs against the number of views"
        pictures.append(drawn("recognition", alt, figures.recognition_of_runs(seen)))
    for grid in heat_maps.grids(own):
        shown.append(cells(heat_maps.table(grid)))
        name = f"training length against inference length: {grid.title}"
        pictures.append(drawn(name, f"Heat map of accuracy by views in training and views in probing: {grid.title}",
                              heat_maps.figure(grid)))  # fmt: skip
    numbers = {record.folder: read_numbers(RunFolder(record.folder).metrics) for record in records}
    if (learnt := figures.training_of_runs(own, numbers)) is not None:
        pictures.append(drawn("training", "Loss and online probes of all runs over training", learnt))
    return Section("Side by side", pictures=tuple(pictures), tables=tuple(shown))


def _ranked(own: list[Row], runs: int) -> str:
    """What the runs recognise, best first, at the largest number of views that all were probed with."""
    known = [row for row in own if "z_1" in row.scores]
    if not known:
        return f"{runs} runs; what they recognise has not been measured."
    views = max((m for m in range(1, 100) if all(aggregate(m) in row.scores for row in known)), default=0)
    if not views:
        return f"{runs} runs, probed with different numbers of views."
    ranked = sorted(known, key=lambda row: -row.scores[aggregate(views)].mean)
    words = [f"{figures.row_label(row)}: {row.scores[aggregate(views)].mean:.1f} %" for row in ranked[:4]]
    more = f", and {len(ranked) - 4} more" if len(ranked) > 4 else ""
    return f"{runs} runs; recognised after {views} view{'s' if views > 1 else ''} by {'; by '.join(words)}{more}."


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
    left_out = tables.left_out(subject.record.probes) if subject.record is not None else []
    return {
        "name": subject.folder.resolve().name,
        "lead": headline(subject.data, subject.record),
        "notes": [text for text in (subject.missing, *left_out, subject.unseen) if text],
        "paths": [] if subject.watched is None else scan_paths(subject.watched),
        "looks": "" if subject.watched is None else _looks(subject.watched),
        "sections": sections(subject.folder, subject.record, looked=subject.watched is not None),
        "command": command,
        "made_by": {"machine": made_by, "versions": versions},
        "settings": settings | {"splits and seed": rest},
    }


def _looks(watched: Watched) -> str:
    """Whose fixations are shown."""
    return (
        f"Fixations by {watched.policy['name']} on scenes of the {watched.about.get('split', '?')} split, seed "
        f"{watched.about.get('seed', '?')}; below each scene the views, in their order."
    )
