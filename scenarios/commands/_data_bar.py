"""What the commands `gazeworld data …` say while they work, and how to go on with one that was stopped."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from gazeworld.envs.files import typed

_QUIET = 30.0  # seconds between lines where there is no terminal to draw a bar on


def command_of(name: str, arguments: Any, first: str = "") -> str:
    """The command line that gives these arguments, without those that are as usual; `first` has no option."""
    words = ["gazeworld", "data", name]
    for field in dataclasses.fields(arguments):
        value, option = getattr(arguments, field.name), field.name.replace("_", "-")
        if value == field.default:
            continue
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            words += [] if field.name == first else [f"--{option}"]
            words += [str(part) for part in (value if isinstance(value, tuple) else (value,))]
    return typed(*words)


def shard_of(text: str) -> tuple[int, int]:
    """The part and the number of parts in I/N. Raises ValueError for another form."""
    part, slash, parts = text.partition("/")
    if not (slash and part.isdecimal() and parts.isdecimal()):
        raise ValueError(f"shard is {text!r}, expected a form like 0/4")
    return int(part), int(parts)


def rate(count: int, seconds: float, unit: str) -> str:
    return f"{count / seconds:.1f} {unit}" if seconds > 0 else ""


@contextmanager
def bar(console: Console, unit: str = "objects") -> Iterator[Callable[[int, int, str], None]]:
    """A bar with rate and remaining time; where there is no terminal, a line now and then."""
    if not console.is_terminal:
        said = begun = time.monotonic()
        first = -1

        def line(done: int, total: int, rate: str) -> None:
            nonlocal said, first
            first = done if first < 0 else first
            if time.monotonic() - said >= _QUIET:
                said = time.monotonic()
                left = (total - done) * (said - begun) / (done - first) / 60 if done > first else 0
                when = f", about {left:.0f} min left" if left else ""
                console.print(f"{done} of {total} {unit}, {rate}{when}", highlight=False)

        yield line
        return
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(f"{unit}, {{task.fields[rate]}}, elapsed"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None, rate="")
        yield lambda done, total, rate: progress.update(task, completed=done, total=total, rate=rate)
