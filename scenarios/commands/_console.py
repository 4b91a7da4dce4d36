"""What commands say while they work: lines as they are, where a figure was written, how far long work is."""

import io
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from gazeworld.agents.run_folder import RunFolder
from gazeworld.agents.runs import processes
from gazeworld.envs.files import one_line, printable, write_bytes

if TYPE_CHECKING:  # not every command that says something draws something
    import matplotlib.figure


def fail(sentence: str, code: int = 2) -> int:
    """Say in one line what is wrong, where the first of several processes speaks for all; returns the exit code."""
    if processes.report(sentence):
        return code
    print(f"gazeworld: error: {one_line(sentence)}", file=sys.stderr)
    return code


def say(console: Console, text: str) -> None:
    """A line as it is: names of files are no markup and no emoji, and are not broken."""
    console.print(printable(text), highlight=False, soft_wrap=True, markup=False, emoji=False)


def save_figure(figure: "matplotlib.figure.Figure", path: Path, console: Console) -> None:
    """Write a figure whole, as its name's ending says, with the folders above it, and say where it is."""
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=120, format=path.suffix[1:] or None)
    write_bytes(path, drawn.getvalue())
    say(console, f"written: {path}")


def save_results(
    found: dict[str, Any], figure: "matplotlib.figure.Figure", out: Path | None, run: Path, name: str, console: Console
) -> None:
    """Write NAME.json and NAME.png into `out`, or into a run's folder and its figures, and say where they are."""
    from ..reports import tables

    numbers = (out or run) / f"{name}.json"
    tables.write(found, numbers)
    say(console, f"written: {numbers}")
    save_figure(figure, (out or RunFolder(run).figures) / f"{name}.png", console)


class Progress(AbstractContextManager[Callable[[str, int, int], None]]):
    """Says how far long work is: a bar on a terminal, elsewhere `lines`, one for everything that begins."""

    def __init__(self, console: Console, name: str, *, lines: bool = True) -> None:
        from gazeworld.agents.training.progress import Bar

        self._console, self._name, self._last = console, name, ""
        self._bar = Bar(console, name)
        self._lines = lines and not self._bar.live

    def __enter__(self) -> Callable[[str, int, int], None]:
        return self._tick

    def __exit__(self, *raised: Any) -> None:
        self._bar.close()

    def _tick(self, what: str, done: int, total: int) -> None:
        part = what.partition(":")[0]
        if self._lines and part != self._last:
            say(self._console, f"{self._name}: {part}")
        self._last = part
        self._bar.move(done, total)
        self._bar.note("now", what)
