"""`gazeworld table`: runs read from their folders and put beside each other and the paper."""

import inspect
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from gazeworld.agents.runs import scenario
from gazeworld.agents.runs.records import Record, probed, read_probes, training_seconds
from gazeworld.agents.runs.run_folder import open_run
from gazeworld.agents.runs.scenario import Scenario
from gazeworld.agents.training.trained_methods import read_config
from gazeworld.envs import registry
from gazeworld.envs.files import typed, write_text
from gazeworld.envs.world import WORLDS, World
from gazeworld.models.method import METHODS, Method

from ..reports import table_files
from ..reports.paper_numbers import published
from ..reports.rows import COLUMNS, NONE, Row, rows, untrained
from ..reports.table_files import Sheet
from ..reports.tables import put
from ._console import say
from .table import TableArguments

_WRITERS = {".md": table_files.markdown, ".csv": table_files.comma_separated, ".tex": table_files.latex}


def table(chosen: TableArguments, console: Console) -> int:
    """Print the table of some runs, and write it where it is asked for; returns the exit code.

    Runs that have not been probed yet are named and left out; if they all are, ValueError says so.
    """
    folders = folders_of(chosen.runs)
    there = [folder for folder in folders if probed(folder)]
    made = sheet_of([record_of(folder) for folder in there or folders], chosen)
    show(made, console)
    for folder in folders:
        if folder not in there:
            say(console, f"left out, not probed yet: {folder} (`{typed('gazeworld', 'evaluate', folder)}` does it)")
    if chosen.out is not None:
        for file in write(made, chosen.out):
            say(console, f"written: {file}")
    return 0


def show(made: Sheet, console: Console) -> None:
    """Print a table, each scenario by itself; what is too wide for the terminal in parts, so that no number is cut."""
    for one in table_files.by_scenario(made):
        put(console, *table_files.panels(one, one.rows[0].base, console.width))


def write(made: Sheet, out: Path) -> list[Path]:
    """Write a table as OUT.md, OUT.csv and OUT.tex, in a folder as table.*, with an ending of its own as that alone."""
    if out.suffix in _WRITERS:
        files = [out]
    else:
        stem = out / "table" if out.is_dir() else out
        files = [stem.with_name(stem.name + ending) for ending in _WRITERS]
    for file in files:
        write_text(file, _WRITERS[file.suffix](made))
    return files


def folders_of(given: Sequence[Path]) -> list[Path]:
    """The folders of runs: those given, and in the place of a folder of runs those in it.

    Raises ValueError for a folder that is neither.
    """
    found: list[Path] = []
    for path in given:
        inside = [] if (path / "config.json").is_file() else sorted(p.parent for p in path.glob("*/config.json"))
        found += inside or [path]
    for folder in found:
        read_config(folder)
    if not found:
        raise ValueError("no run was named; expected the folders of runs, or a folder that holds them")
    return found


def record_of(folder: Path) -> Record:
    """A run that was probed. Raises ValueError for a folder that holds no run, and for a run without whole probes."""
    run = open_run(folder)
    return Record(
        folder=folder,
        scenario=run.name,
        config=scenario.to_json(run.scenario),
        conditioning=conditioning(run.scenario),
        data=str(read_config(folder).get("made_by", {}).get("fingerprint", "")),
        probes=read_probes(folder),
        seconds=training_seconds(folder),
    )


def conditioning(chosen: Scenario) -> str:
    """What a scenario's method sees of actions in training: the world's word for them, or – for nothing."""
    kind = registry.concrete(METHODS, chosen.method["name"], Method)
    parts = {name: chosen.method.get(f"condition_{name}", True) for name in ("transformer", "predictor")}
    if not getattr(kind, "conditioned", True) or not any(parts.values()):
        return NONE
    options = inspect.signature(registry.concrete(WORLDS, chosen.world["name"], World)).parameters
    default = options["action"].default if "action" in options else "position"  # the saccade world has but one
    action = str(chosen.world.get("action", default))
    return action if all(parts.values()) else f"{action} ({next(name for name in parts if parts[name])} only)"


def sheet_of(records: Sequence[Record], chosen: TableArguments) -> Sheet:
    """Rows of runs with their untrained baselines and the paper's, as the arguments ask for them.

    Raises ValueError for runs that cannot stand in one table: two with the same settings and seed, or one named twice.
    """
    own = rows(records, ridge=chosen.ridge)
    found = [*own, *untrained(records, ridge=chosen.ridge)]
    if chosen.paper != "none":
        found += paper_rows(own, chosen.columns, everything=chosen.paper == "all")
    notes = [f"R² {'in closed form (ridge)' if chosen.ridge else 'by the read-outs of the paper (Adam)'}"]
    notes += dict.fromkeys(_chance(record) for record in records)
    return table_files.sheet(found, chosen.columns, chosen.views, notes)


def _chance(record: Record) -> str:
    return f"chance {100 * record.probes['chance']['top-1 of the majority class']:.1f} % ({record.base})"


def paper_rows(own: Sequence[Row], columns: str, *, everything: bool) -> list[Row]:
    """The paper's rows for the scenarios that name one of its data sets, of one of its tables or of all.

    Without `everything`, of methods and conditionings that stand among the runs.
    """
    if columns not in COLUMNS:
        raise ValueError(f"unknown table {columns!r}; there are: {', '.join(COLUMNS)}")
    found = []
    for base in dict.fromkeys(row.base for row in own):
        there = {(row.method, row.conditioning) for row in own if row.base == base}
        for row in published(base):
            if columns in ("all", row.table) and (everything or (row.method, row.conditioning) in there):
                found.append(row)
    return found
