"""What a run writes while it trains: `metrics.jsonl`, the curves of a logger, and on the terminal how far it is."""

import math
import time
from pathlib import Path

from rich.console import Console

from ..config import LOGGER, LoggerName
from ..metric_lines import Lines
from ..run_folder import RunFolder
from .loggers import begin_logger
from .progress import Bar, clock, plain


class Recorder:
    """Appends metrics to a run's folder; on resume it first drops everything after the step it resumes from."""

    def __init__(self, folder: Path, *, start: int, steps: int, console: Console, logger: LoggerName = LOGGER) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._start, self._steps = start, steps
        self._bar = Bar(console, folder.resolve().name, lambda text: plain(console, text), "steps")
        self._lines = Lines(RunFolder(folder).metrics, start=start)
        try:
            self._logger = begin_logger(logger, folder, start=start)
        except BaseException:
            self._lines.close()
            raise
        self._began = time.monotonic()

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Record numbers of one step; in the file a value that is not finite is null."""
        self._lines.append(step, values)
        self._logger.scalars(step, values)

    def tick(self, step: int) -> None:
        """So many steps are done: the bar moves, where there is one."""
        self._bar.move(step, self._steps)

    def progress(self, step: int, values: dict[str, float], batch: int) -> None:
        """For people: step, rate, time left, and the values given; a line of its own where there is no bar."""
        done = step - self._start
        seconds = time.monotonic() - self._began
        rate = done / seconds if seconds else 0.0
        left = (self._steps - step) / rate if rate else math.inf
        text = "  ".join(f"{name.rpartition('/')[2]} {value:.4g}" for name, value in values.items())
        self._bar.line(
            f"step {step}/{self._steps}  {rate:.2f} steps/s  {rate * batch:.0f} streams/s  {clock(left)} left  {text}",
            text,
        )

    def probed(self, step: int, values: dict[str, float]) -> None:
        """For people: what the guests of the loop measured at a step."""
        text = "  ".join(f"{name.partition('/')[2]} {value:.3f}" for name, value in values.items())
        self._bar.say(f"step {step}  probe: {text}")
        self._bar.note("probe", f"probe at {step}: {text}")

    def now(self, text: str) -> None:
        """What takes long at present, for those who look at the bar."""
        self._bar.note("now", text)

    def say(self, text: str) -> None:
        """A sentence for people."""
        self._bar.say(text)

    def close(self) -> None:
        """Take the bar away, close the file, and let the logger end."""
        self._bar.close()
        self._lines.close()
        self._logger.close()
