"""Numbers over training, a line of JSON for every step recorded: metrics.jsonl and history.jsonl read and written.

Where these files lie is said in `run_folder`. A line is an object with a `step` and numbers by name. Imports no torch.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gazeworld.envs.files import DataError, naming, write_text
from gazeworld.envs.validation import shown

from .file_schemas import Line, parse

_LARGEST = 1e308


def line_of(step: int, values: Mapping[str, float]) -> dict[str, Any]:
    """A record of metrics; a number that is not finite is kept as null, so that the file stays JSON."""
    return {"step": step, **{name: value if math.isfinite(value) else None for name, value in values.items()}}


def write_lines(file: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Write records of metrics, whole or not at all."""
    write_text(file, "".join(json.dumps(line) + "\n" for line in lines))


def keep_until(file: Path, step: int) -> None:
    """Drop records of later steps (of step 0: all) and a last line that a kill cut short, where there is a file.

    Raises DataError for a damaged line.
    """
    if file.exists():
        write_lines(file, [line for line in read_lines(file) if line["step"] <= step] if step else [])


class Lines:
    """A file of metrics that grows from step `start` on; what was recorded after it is dropped (see `keep_until`)."""

    def __init__(self, file: Path, *, start: int) -> None:
        self._file = file
        keep_until(file, start)
        # Unbuffered: what a full disk did not take must not be tried once more by whoever closes the file.
        self._handle = file.open("ab", buffering=0)

    def append(self, step: int, values: Mapping[str, float]) -> None:
        """Record numbers of one step."""
        with naming(self._file):
            rest = (json.dumps(line_of(step, values)) + "\n").encode()
            while rest:  # a full disk takes a part
                rest = rest[self._handle.write(rest) :]

    def close(self) -> None:
        """Close the file."""
        self._handle.close()


def read_lines(file: Path) -> list[dict[str, Any]]:
    """The records of metrics.jsonl or history.jsonl, each with a `step`; none where there is no file.

    Raises DataError naming the line that is no such record. A last line that a kill cut short, so that it does not
    even end, is left out.
    """
    if not file.exists():
        return []
    if not file.is_file():
        raise DataError(f"{file}: no regular file, expected lines of JSON")
    *lines, last = file.read_bytes().split(b"\n")
    found = []
    for number, line in enumerate([*lines, last] if last else lines, 1):
        where = f"{file}, line {number}"
        try:
            record = parse(line.decode("utf-8"), Line)
            _require_numbers(record)
        except ValueError as error:
            if number > len(lines):
                break
            raise DataError(f"{where}: not a record of metrics with a step: {error}") from error
        found.append(record)
    return found


def _require_numbers(record: dict[str, Any]) -> None:
    for name, value in record.items():
        if isinstance(value, int | float) and not abs(value) < _LARGEST:
            raise ValueError(f"{name} is {shown(value)}, expected a finite number or null")


@dataclass(frozen=True)
class Point:
    """A number recorded after so many optimiser steps."""

    step: int
    value: float


def read_numbers(file: Path) -> dict[str, list[Point]]:
    """Every number of a file like metrics.jsonl over training, by name; errors as of `read_lines`."""
    found: dict[str, list[Point]] = {}
    for record in read_lines(file):
        for name, value in record.items():
            if name != "step" and isinstance(value, int | float) and not isinstance(value, bool):
                found.setdefault(name, []).append(Point(record["step"], float(value)))
    return found
