"""What a run writes while it trains: `metrics.jsonl`, TensorBoard events and a line on the terminal."""

import math
import time
from pathlib import Path

from rich.console import Console

from gazeworld.envs.files import naming

from ..run_folder import Lines, RunFolder
from .event_files import EventWriter


class Recorder:
    """Appends metrics to a run's folder; on resume it first drops everything after the step it resumes from."""

    def __init__(self, folder: Path, *, start: int, steps: int, console: Console) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._place = RunFolder(folder)
        self._console, self._start, self._steps = console, start, steps
        self._lines = Lines(self._place.metrics, start=start)
        # A run that was killed after its last checkpoint has points of later steps. Those of `start` stay, unless
        # nothing is saved at all: then step 0 is measured once more.
        with naming(self._place.events):
            self._events = EventWriter(self._place.events, first=start + 1 if start else 0)
        self._began = time.monotonic()

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Record numbers of one step; in the file a value that is not finite is null."""
        self._lines.append(step, values)
        with naming(self._place.events):
            self._events.scalars(step, values)

    def progress(self, step: int, values: dict[str, float], batch: int) -> None:
        """One line for people: step, rate, time left, and the values given."""
        done = step - self._start
        seconds = time.monotonic() - self._began
        rate = done / seconds if seconds else 0.0
        left = (self._steps - step) / rate if rate else math.inf
        text = "  ".join(f"{name.rpartition('/')[2]} {value:.4g}" for name, value in values.items())
        self._console.print(
            f"step {step}/{self._steps}  {rate:.2f} steps/s  {rate * batch:.0f} streams/s  {clock(left)} left  {text}",
            highlight=False,
            soft_wrap=True,
        )

    def say(self, text: str) -> None:
        """A sentence for people."""
        self._console.print(text, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Flush and close both files."""
        self._lines.close()
        with naming(self._place.events):
            self._events.close()


def clock(seconds: float) -> str:
    """A time as people read it: m:ss or h:mm:ss, "?" where it is not known."""
    if not math.isfinite(seconds):
        return "?"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
