"""Tables with a line for every fixation: image, subject, order, x, y and perhaps duration (ms) and task.

The first line names the columns, in any order; other columns are left aside. Columns are parted by commas, semicolons
or tabs. `order` counts the fixations of one subject on one image (and task), from 0 or from 1, without gaps; lines may
stand in any order.
"""

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..files import DataError, read_bytes
from ..validation import shown
from .recorded import RecordedPath, described

NEEDED = ("image", "subject", "order", "x", "y")
OPTIONAL = ("duration", "task")
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}


@dataclass(frozen=True)
class _Fixation:
    order: int
    x: float
    y: float
    duration: float
    line: int


def read_csv(path: Path) -> list[RecordedPath]:
    """The scan paths of a table, in the order in which they begin in it.

    Raises DataError naming the line where something is missing, no number, twice, or out of order.
    """
    text = _decoded(path)
    head, _, _ = text.lstrip("\r\n").partition("\n")
    delimiter = _delimiter(path, head.rstrip("\r"))
    found: dict[tuple[str, str, str], list[_Fixation]] = {}
    for line, row in _rows(path, text, delimiter):
        where = f"{path}, line {line}"
        for name in ("image", "subject"):
            if not row[name]:
                raise DataError(f"{where}: {name} is empty, expected the name of one")
        order = _number(where, "order", row["order"])
        if not order.is_integer():
            raise DataError(f"{where}: order is {shown(row['order'])}, expected a whole number")
        x, y = (_number(where, name, row[name]) for name in ("x", "y"))
        lasted = row.get("duration", "")
        duration = _number(where, "duration", lasted) if lasted else math.nan
        if duration < 0:
            raise DataError(f"{where}: duration is {shown(lasted)}, expected milliseconds, 0 or more")
        key = (row["image"], row["subject"], row.get("task", ""))
        found.setdefault(key, []).append(_Fixation(int(order), x, y, duration, line))
    if not found:
        raise DataError(f"{path}: no fixation in it, expected a line for each below the names of the columns")
    return [_path(path, key, fixations) for key, fixations in found.items()]


def _decoded(path: Path) -> str:
    data = read_bytes(path, "a table of fixations")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}, line {line}: is not text in UTF-8 ({error.reason}), expected a table of fixations"
        ) from (error)


def _delimiter(path: Path, head: str) -> str:
    """What parts the columns. Raises DataError where no choice gives the columns that are needed."""
    best, missing = ",", [*NEEDED]
    for one in _DELIMITERS:
        names = [_name(text) for text in next(csv.reader([head], delimiter=one), [])]
        lacking = [name for name in NEEDED if name not in names]
        if len(lacking) < len(missing):
            best, missing = one, lacking
    if missing:
        raise DataError(
            f"{path}, line 1: no column {', '.join(missing)}, found {shown(head, 120)}; expected the columns "
            f"{', '.join(NEEDED)} and perhaps {', '.join(OPTIONAL)}, parted by commas, semicolons or tabs"
        )
    return best


def _name(text: str) -> str:
    return text.strip().lower()


def _rows(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The number of each line that is not blank, and what stands in its columns."""
    lines, names = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), list[str]()
    try:
        for cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            if not names:
                names = [_name(cell) for cell in cells]
                if twice := [name for name in (*NEEDED, *OPTIONAL) if names.count(name) > 1]:
                    raise DataError(f"{path}, line {lines.line_num}: two columns are called {twice[0]!r}, expected one")
                continue
            if len(cells) != len(names):
                raise DataError(
                    f"{path}, line {lines.line_num}: {len(cells)} columns, expected {len(names)} as in line 1, parted "
                    f"by {_DELIMITERS[delimiter]}"
                )
            yield lines.line_num, {name: cell.strip() for name, cell in zip(names, cells, strict=True)}
    except csv.Error as error:
        raise DataError(f"{path}, line {lines.line_num}: is no table ({error}), expected fixations") from error


def _number(where: str, name: str, text: str) -> float:
    try:
        found = math.nan if "_" in text else float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        comma = " (with a decimal point, not a comma)" if "," in text else ""
        raise DataError(f"{where}: {name} is {shown(text) if text else 'empty'}, expected a finite number{comma}")
    return found


def _path(path: Path, key: tuple[str, str, str], fixations: list[_Fixation]) -> RecordedPath:
    """The fixations of one observer on one image, in order. Raises DataError for an order with gaps or repetitions."""
    image, subject, task = key
    ordered = sorted(fixations, key=lambda one: one.order)
    who, first = described(image, subject, task), ordered[0]
    if first.order not in (0, 1):
        raise DataError(f"{path}, line {first.line}: {who}: order begins with {first.order}, expected 0 or 1")
    for before, after in pairwise(ordered):
        if after.order == before.order:
            raise DataError(f"{path}, line {after.line}: {who}: order {after.order} stands in line {before.line}, too")
        if after.order != before.order + 1:
            raise DataError(
                f"{path}, line {after.line}: {who}: order {after.order} follows {before.order}, expected "
                f"{before.order + 1}"
            )
    points = np.array([[one.x, one.y] for one in ordered], np.float64)
    durations = np.array([one.duration for one in ordered], np.float64)
    return RecordedPath(image, subject, points, durations, task, where=f"line {first.line}")
