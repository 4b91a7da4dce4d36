"""Tables of runs as text: for the terminal, as Markdown, as LaTeX (booktabs) and as CSV."""

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rich.console import Console
from rich.table import Table

from gazeworld.agents.file_schemas import unrecognised
from gazeworld.agents.run_folder import aggregate
from gazeworld.agents.runs.records import NONE, Record

from .paper_numbers import paper_rows
from .rows import COLUMNS, Row, Score, rows, untrained
from .tables import new_table, put

VIEWS = (1, 3, 5)
"""M_val of Table 12: the aggregates that are shown, beside those of as many views as were trained on."""

_KINDS = {"relative": "relative", "absolute": "individual"}
_MATHS = {
    "z_AGG": r"$z_\mathrm{AGG}$",
    "z_1": "$z_1$",
    "M_tr": "$M_{tr}$",
    "R²": "$R^2$",
    " ± ": r" $\pm$ ",
    NONE: "--",
}
_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$"}
_LATEX = re.compile("|".join(re.escape(part) for part in (*_MATHS, *_SPECIAL, *"&%$#_{}")))


@dataclass(frozen=True)
class Column:
    """A column: its heading, the key of its numbers (or the name of its label) and how they are written."""

    heading: str
    key: str
    kind: Literal["label", "percent", "r2", "cost"] = "label"


@dataclass(frozen=True)
class Sheet:
    """A table ready to be written: columns, rows in their order, where rules stand between them, and its caption."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    caption: str

    @property
    def lines(self) -> list[list[str]]:
        """The cells, as text."""
        return [[cell(row, column) for column in self.columns] for row in self.rows]

    def ends(self, number: int) -> bool:
        """Whether a rule stands after a row: where runs end, where baselines end, where a scenario ends."""
        if number + 1 == len(self.rows):
            return False
        row, following = self.rows[number], self.rows[number + 1]
        return (row.base, row.kind) != (following.base, following.kind)


def sheet(rows: Sequence[Row], table: str = "all", views: Sequence[int] = (), notes: Sequence[str] = ()) -> Sheet:
    """The columns of a table of the paper (a key of `COLUMNS`) for rows of runs, baselines and the paper.

    Rows are put together by scenario, whose columns differ: what one did not measure is –. `views` are the M_val shown
    (empty: those of Table 12 and every row's own M_tr). Raises ValueError for a table that there is not.
    """
    if table not in COLUMNS:
        raise ValueError(f"unknown table {table!r}; there are: {', '.join(COLUMNS)}")
    bases = list(dict.fromkeys(row.base for row in rows))
    kinds = ("run", "untrained", "paper")
    ordered = sorted(rows, key=lambda row: (bases.index(row.base), kinds.index(row.kind)))
    return Sheet((*_labels(rows), *_numbers(rows, table, views), *_COSTS), tuple(ordered), _caption(rows, notes))


def sheet_of(
    records: Sequence[Record],
    data_of: Callable[[str], str],
    *,
    columns: str = "all",
    views: Sequence[int] = (),
    paper: Literal["matching", "all", "none"] = "matching",
    ridge: bool = False,
) -> Sheet:
    """Rows of runs with their untrained baselines and the paper's, on the data sets that `data_of` names (paper_rows).

    `paper` has rows of the methods and conditionings that are there, or all, or none; with `ridge`, R² is that of the
    linear read-out in closed form. Raises ValueError for runs that cannot stand in one table: two with the same
    settings and seed, or one named twice.
    """
    own = rows(records, ridge=ridge)
    found = [*own, *untrained(records, ridge=ridge)]
    if paper != "none":
        found += paper_rows(own, columns, data_of, everything=paper == "all")
    notes = [f"R² {'in closed form (ridge)' if ridge else 'by the read-outs of the paper (Adam)'}"]
    notes += dict.fromkeys(_chance(record) for record in records)
    return sheet(found, columns, views, notes)


def _chance(record: Record) -> str:
    if why := unrecognised(record.probes):
        return f"recognition is left out: {why} ({record.base})"
    return f"chance {100 * record.probes['chance']['top-1 of the majority class']:.1f} % ({record.base})"


def _labels(rows: Sequence[Row]) -> list[Column]:
    found = [Column("scenario", "base")] if len({row.base for row in rows}) > 1 else []
    if any(":" in row.scenario for row in rows):
        found.append(Column("variant", "variant"))
    found += [Column("conditioning", "conditioning"), Column("method", "method")]
    if any(row.settings for row in rows):
        found.append(Column("settings", "settings"))
    return [*found, Column("M_tr", "observed")]


def _numbers(rows: Sequence[Row], table: str, views: Sequence[int]) -> list[Column]:
    measured = {name for row in rows for name in row.scores}
    wanted = sorted({*views} or {*VIEWS, *(row.observed for row in rows if row.observed)})
    found = [Column("top-1 z_1", "z_1", "percent")] if "z_1" in measured or views else []
    for m in wanted:
        if aggregate(m) in measured or views:
            found.append(Column(f"top-1 z_AGG, M = {m}", aggregate(m), "percent"))
    names = COLUMNS[table]
    if table == "all":
        scored = dict.fromkeys(name for row in rows for name in row.scores)
        read = dict.fromkeys(name.partition(" ")[2] for name in scored if name.startswith(tuple(_KINDS)))
        names = tuple(name for what in read for kind in _KINDS if (name := f"{kind} {what}") in scored)
    for name in names:
        kind, _, quantity = name.partition(" ")
        found.append(Column(f"R² {_KINDS[kind]} {quantity}", name, "r2"))
    return found


_COSTS = (Column("steps", "steps", "cost"), Column("time (min)", "seconds", "cost"), Column("seeds", "seeds", "cost"))


def _caption(rows: Sequence[Row], notes: Sequence[str]) -> str:
    parts = ["Top-1 in % of linear classifiers on view 1 alone (z_1) and on the aggregate of M views (z_AGG)"]
    if any(score.std is not None for row in rows for score in row.scores.values()):
        parts.append("mean ± standard deviation (n − 1) over seeds")
    parts.append("time: wall clock of training with its online probes")
    if any(row.kind == "paper" for row in rows):
        parts.append("paper: arXiv 2505.03176, at its own size of data, network and training")
    return "; ".join([*parts, *notes]) + "."


def cell(row: Row, column: Column) -> str:
    """What stands in a row's cell; – where there is nothing."""
    match column.kind:
        case "label":
            return _label(row, column.key)
        case "cost":
            return _cost(row, column.key)
        case "percent" | "r2":
            # The paper's numbers keep the digits with which they were published: 87.41 ± 0.5 and 0.71 ± 0.02.
            few = 1 if column.kind == "percent" else 2 if row.kind == "paper" else 3
            return _plus_minus(row.scores.get(column.key), few, 2 if row.kind == "paper" else few)


def _label(row: Row, key: str) -> str:
    match key:
        case "base":
            return row.base
        case "variant":
            return row.scenario.partition(":")[2] or NONE
        case "method":
            notes = {"run": row.method, "untrained": f"untrained {row.method}"}
            return notes.get(row.kind, f"{row.method} (paper, Table {row.table})")
        case "observed":
            return NONE if row.observed is None else str(row.observed)
        case "settings":
            return row.settings or NONE
        case "conditioning":
            return row.conditioning
        case _:
            raise ValueError(f"no such label: {key}")


def _cost(row: Row, key: str) -> str:
    match key:
        case "steps":
            return NONE if row.steps is None else str(row.steps)
        case "seconds":
            return _plus_minus(_minutes(row), 1, 1)
        case "seeds":
            return str(len(row.seeds)) if row.seeds else NONE
        case _:
            raise ValueError(f"no such cost: {key}")


def _minutes(row: Row) -> Score | None:
    if row.seconds is None:
        return None
    std = row.seconds.std
    return Score(row.seconds.mean / 60, None if std is None else std / 60, row.seconds.n)


def _plus_minus(score: Score | None, digits_std: int, digits: int) -> str:
    if score is None:
        return NONE
    return f"{score.mean:.{digits}f}" + ("" if score.std is None else f" ± {score.std:.{digits_std}f}")


def rich_table(made: Sheet, title: str) -> Table:
    """For the terminal."""
    table = new_table(title, made.caption, (), [])
    for column in made.columns:
        heading = re.sub(r",? (?!=|\d)", "\n", column.heading)  # numbers are narrow: headings stand word by word
        table.add_column(heading, justify="left" if column.kind == "label" else "right", no_wrap=True)
    for number, line in enumerate(made.lines):
        table.add_row(*line, end_section=made.ends(number))
    return table


def by_scenario(made: Sheet) -> list[Sheet]:
    """A table for each of its scenarios, with the columns in which that one has numbers."""
    bases = list(dict.fromkeys(row.base for row in made.rows))
    if len(bases) == 1:
        return [made]
    found = []
    for base in bases:
        rows = tuple(row for row in made.rows if row.base == base)
        columns = tuple(
            column for column in made.columns if column.key != "base" and any(cell(row, column) != NONE for row in rows)
        )
        found.append(replace(made, columns=columns, rows=rows))
    return found


def panels(made: Sheet, title: str, width: int) -> list[Table]:
    """The table for a terminal of so many characters: what does not fit beside the labels follows in tables below."""
    labels = tuple(column for column in made.columns if column.kind == "label")
    rest, found = list(made.columns[len(labels) :]), []
    console = Console(width=1000)
    while rest:
        taken = 1
        while taken < len(rest):
            wider = replace(made, columns=(*labels, *rest[: taken + 1]), caption="")
            if console.measure(rich_table(wider, "")).maximum > width:
                break
            taken += 1
        part = replace(made, columns=(*labels, *rest[:taken]), caption=made.caption if taken == len(rest) else "")
        found.append(rich_table(part, title if not found else ""))
        rest = rest[taken:]
    return found


def show(made: Sheet, console: Console) -> None:
    """Print a table, each scenario by itself; what is too wide for the terminal in parts, so that no number is cut."""
    for one in by_scenario(made):
        put(console, *panels(one, one.rows[0].base, console.width))


def markdown(made: Sheet) -> str:
    """A pipe table and its caption."""
    rule = ["---" if column.kind == "label" else "---:" for column in made.columns]
    lines = [[column.heading for column in made.columns], rule, *made.lines]
    text = "\n".join("| " + " | ".join(part.replace("|", r"\|") for part in line) + " |" for line in lines)
    return f"{text}\n\n{made.caption}\n"


def latex(made: Sheet) -> str:
    """A `tabular` with the rules of the booktabs package; the caption is a comment."""
    shape = "".join("l" if column.kind == "label" else "r" for column in made.columns)
    out = [f"% {made.caption}", "% needs \\usepackage{booktabs}", f"\\begin{{tabular}}{{{shape}}}", "\\toprule"]
    out += [" & ".join(_escaped(column.heading) for column in made.columns) + r" \\", "\\midrule"]
    for number, line in enumerate(made.lines):
        out.append(" & ".join(_escaped(part) for part in line) + r" \\")
        if made.ends(number):
            out.append("\\midrule")
    return "\n".join([*out, "\\bottomrule", "\\end{tabular}"]) + "\n"


def _escaped(text: str) -> str:
    """LaTeX of a text in which only `z_AGG`, `z_1`, `M_tr`, `R²`, ± and – are mathematics or signs."""

    def one(found: re.Match[str]) -> str:
        part = found.group()
        return _MATHS.get(part) or _SPECIAL.get(part) or f"\\{part}"

    return re.sub(r"(?<![\w.])-(?=\d)", "$-$", _LATEX.sub(one, text))


def comma_separated(made: Sheet) -> str:
    """CSV with full precision: means and standard deviations in columns of their own, empty where there is nothing."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    numbers = [column for column in made.columns if column.kind in ("percent", "r2")]
    labels = [column for column in made.columns if column.kind == "label"]
    pairs = [f"{column.heading}{suffix}" for column in numbers for suffix in ("", " std")]
    costs = ["steps", "time (min)", "time (min) std", "n", "seeds", "runs"]
    writer.writerow(["kind", *(column.heading for column in labels), *pairs, *costs])
    for row in made.rows:
        values: list[object] = [row.kind, *(cell(row, column) for column in labels)]
        for column in numbers:
            values += _pair(row.scores.get(column.key))
        values += ["" if row.steps is None else row.steps, *_pair(_minutes(row)), len(row.seeds) or ""]
        values += [" ".join(str(seed) for seed in row.seeds), " ".join(str(folder) for folder in row.folders)]
        writer.writerow(values)
    return out.getvalue()


def _pair(score: Score | None) -> list[object]:
    if score is None:
        return ["", ""]
    return [score.mean, "" if score.std is None else score.std]
