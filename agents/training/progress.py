"""How far long work is: a bar at the foot of a terminal; in a pipe, a file or a log plain lines."""

import math
import time
from collections.abc import Callable, Iterable
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

_NAME = 28  # characters of it that are shown
_PER_SECOND = 4  # so often is the bar drawn: whoever works is not to feel it


class Bar:
    """A bar with its rate, the time left and a note under it, where there is a terminal; `tell` is given lines.

    It appears with the first `move` and is gone after `close`. What is printed meanwhile, by whomever, stands above it
    whole, and the cursor that it hides comes back however the work ends. A console that is quiet, or not on a terminal
    that can move its cursor, has no bar: then every line is told, else the last one before anything else is.
    """

    def __init__(self, console: Console, name: str, tell: Callable[[str], None] | None = None, unit: str = "") -> None:
        self._console, self._name, self._unit = console, _short(name), unit
        self._tell = (lambda text: plain(console, text)) if tell is None else tell
        self._shown: _Shown | None = None
        self._pending = ""
        self._began, self._first = 0.0, 0

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *raised: Any) -> None:
        self.close()

    @property
    def live(self) -> bool:
        """Whether there is a terminal that a bar can be drawn on."""
        console = self._console
        return not console.quiet and console.is_interactive and console.file.isatty()

    def move(self, done: int, total: int) -> None:
        """So much of so much is done."""
        if self._shown is None:
            if not self.live:
                return
            self._shown, self._began, self._first = _Shown(self._console, self._name), time.monotonic(), done
            self._shown.start()
        rate = (done - self._first) / (time.monotonic() - self._began or math.inf)
        speed = f"{rate:.0f}" if rate >= 100 else f"{rate:.3g}"
        rates = f"{speed} {self._unit}/s  {clock((total - done) / rate)} left" if self._unit and rate else ""
        self._shown.move(done, total, rates)

    def line(self, text: str, note: str) -> None:
        """Tell a line about the work or, where there is a bar, put a note under it."""
        if self._shown is None and not self.live:
            self._tell(text)
            return
        self._pending = text
        self.note("work", note)

    def note(self, about: str, text: str) -> None:
        """Something new about something, under the bar alone, in place of what was said of it before."""
        if self._shown is not None:
            self._shown.notes[about] = text

    def say(self, text: str) -> None:
        """Tell a line about something else."""
        self._flush()
        self._tell(text)

    def close(self) -> None:
        """Take the bar away, and tell the last line."""
        if self._shown is not None:
            self._shown.stop()
            self._shown = None
        self._flush()

    def _flush(self) -> None:
        pending, self._pending = self._pending, ""
        if pending:
            self._tell(pending)


class _Shown(Progress):
    """The bar as rich draws it, with notes under it that are cut where the terminal ends."""

    def __init__(self, console: Console, name: str) -> None:
        self.notes: dict[str, str] = {}  # before rich asks for what it is to draw
        super().__init__(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[count]}", markup=False),
            TextColumn("{task.fields[rates]}", markup=False),
            console=console,
            transient=True,
            refresh_per_second=_PER_SECOND,
        )
        self._work = self.add_task(name, count="", rates="")

    def move(self, done: int, total: int, rates: str) -> None:
        """Where the bar is; it is drawn when its time comes."""
        self.update(self._work, completed=done, total=total, count=f"{done}/{total}", rates=rates)

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bar, and the notes in a line of their own."""
        yield from super().get_renderables()
        if self.notes:
            yield Text("  ".join(self.notes.values()), style="dim", no_wrap=True, overflow="ellipsis")


def plain(console: Console, text: str) -> None:
    """A line as it is: names in it are no markup, and it is not broken."""
    console.print(text, highlight=False, soft_wrap=True, markup=False, emoji=False)


def clock(seconds: float) -> str:
    """A time as people read it: m:ss or h:mm:ss, "?" where it is not known."""
    if not math.isfinite(seconds):
        return "?"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"
