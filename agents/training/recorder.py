"""What a run writes while it trains: `metrics.jsonl`, TensorBoard events and a line on the terminal."""

import json
import math
import time
from pathlib import Path

from rich.console import Console

from gazeworld.envs.files import naming, write_text

from ..file_schemas import read_lines
from .event_files import EventWriter


class Recorder:
    """Appends metrics to a run's folder; on resume it first drops everything after the step it resumes from."""

    def __init__(self, folder: Path, *, start: int, steps: int, console: Console) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._file = folder, folder / "metrics.jsonl"
        self._console, self._start, self._steps = console, start, steps
        _keep_until(self._file, start)
        # Unbuffered: what a full disk did not take must not be tried once more by whoever closes the file.
        self._handle = self._file.open("ab", buffering=0)
        # A run that was killed after its last checkpoint has points of later steps. Those of `start` stay, unless
        # nothing is saved at all: then step 0 is measured once more.
        with naming(folder / "tensorboard"):
            self._events = EventWriter(folder / "tensorboard", first=start + 1 if start else 0)
        self._began = time.monotonic()

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Record numbers of one step; a value that is not finite is kept as null, so that the file stays JSON."""
        line = {"step": step, **{k: v if math.isfinite(v) else None for k, v in values.items()}}
        with naming(self._file):
            rest = (json.dumps(line) + "\n").encode()
            while rest:  # a full disk takes a part
                rest = rest[self._handle.write(rest) :]
        with naming(self._folder / "tensorboard"):
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
        self._handle.close()
        with naming(self._folder / "tensorboard"):
            self._events.close()


def _keep_until(file: Path, step: int) -> None:
    """Drop lines of later steps and a last line that a kill cut short. Raises DataError for a damaged line."""
    if not file.exists():
        return
    lines = read_lines(file) if step else []
    kept = [json.dumps(line) + "\n" for line in lines if line["step"] <= step]
    write_text(file, "".join(kept))


def clock(seconds: float) -> str:
    """A time as people read it: m:ss or h:mm:ss, "?" where it is not known."""
    if not math.isfinite(seconds):
        return "?"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
