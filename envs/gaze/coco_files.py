"""The JSON files of COCO-Search18 and COCO-FreeView: a list of records, one for each trial of an observer.

A record holds `name` (of the image file), `subject`, `X`, `Y` (pixels of the 1680 × 1050 screen, the central fixation
with which a trial begins included; some lie outside), `T` (durations in ms), `length`, and perhaps `task` (what was
looked for), `condition` (present, absent), `split` (train, valid, test), and what is not needed here: `bbox`,
`correct`, `RT`, `fixOnTarget`.

Sources: the readme that comes with COCO-Search18 v1.0 (Chen et al. 2021, Scientific Reports 11); issue 11 of
cvlab-stonybrook/Scanpath_Prediction (fixations beyond the screen are not excluded from the files); pysaliency's
external_datasets, which takes X and Y as pixel positions from 0 on.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from ..files import DataError, read_json
from ..validation import shown
from .recorded import RecordedPath, described

_WHAT = "fixations as COCO-Search18 and COCO-FreeView have them, a list of records"
_OFTEN = {"name", "subject", "X", "Y"}


def read_coco(path: Path) -> list[RecordedPath]:
    """The scan paths of such a file, in its order.

    Raises DataError naming the record (from 1 on) in which something is missing, of another type, or said twice.
    """
    records = read_json(path, _WHAT)
    if not isinstance(records, list) or not records:
        raise DataError(f"{path}: holds {_kind(records)}, expected {_WHAT}")
    found, seen = [], dict[tuple[str, ...], int]()
    for number, record in enumerate(records, 1):
        one = _record(f"{path}, record {number}", record, number)
        key = (one.image, one.subject, one.task, _text(record, "condition"))
        if (before := seen.setdefault(key, number)) != number:
            raise DataError(f"{path}, record {number}: {one.named} stands in record {before}, too")
        found.append(one)
    return found


def _record(where: str, record: Any, number: int) -> RecordedPath:
    if not isinstance(record, dict):
        raise DataError(f"{where}: is {_kind(record)}, expected a record with {', '.join(sorted(_OFTEN))}")
    if lacking := sorted(_OFTEN - record.keys()):
        raise DataError(f"{where}: has no {', '.join(lacking)}, expected {', '.join(sorted(_OFTEN))}")
    image, subject, task = (_text(record, name) for name in ("name", "subject", "task"))
    for name, value in (("name", image), ("subject", subject)):
        if not value:
            raise DataError(f"{where}: {name} is {shown(record[name])}, expected text or a number")
    where = f"{where} ({described(image, subject, task)})"
    x, y = _numbers(where, record, "X"), _numbers(where, record, "Y")
    durations = _numbers(where, record, "T") if "T" in record else np.full(len(x), math.nan)
    if not len(x) == len(y) == len(durations) or not len(x):
        raise DataError(f"{where}: X, Y and T hold {len(x)}, {len(y)} and {len(durations)} numbers, expected as many")
    length = record.get("length", len(x))
    if isinstance(length, bool) or length != len(x):
        raise DataError(f"{where}: length is {shown(length)}, but X holds {len(x)} numbers")
    if (durations < 0).any():
        raise DataError(f"{where}: T holds {durations.min()}, expected milliseconds, 0 or more")
    points = np.stack((x, y), 1)
    return RecordedPath(image, subject, points, durations, task, _text(record, "split"), f"record {number}")


def _text(record: dict[str, Any], name: str) -> str:
    """Text or a whole number as text; empty where it is neither or not there."""
    value = record.get(name, "")
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _numbers(where: str, record: dict[str, Any], name: str) -> Float64[np.ndarray, " k"]:
    values = record[name]
    good = isinstance(values, list) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    if not good or not all(abs(v) < 1e9 for v in values):
        raise DataError(f"{where}: {name} is {shown(values, 60)}, expected a list of finite numbers")
    return np.array(values, np.float64)


def _kind(value: Any) -> str:
    named = {dict: "an object", list: "an empty list", str: "text", type(None): "null", bool: "a truth value"}
    return named.get(type(value), "a number")
