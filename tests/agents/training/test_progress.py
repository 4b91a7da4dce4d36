"""A bar on a terminal, whole lines above it and nothing left of it; in a pipe the lines alone."""

import os
import pty
import re
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from fakes.looping import CONFIG, session
from rich.console import Console

from gazeworld.agents.training import loop
from gazeworld.agents.training.progress import Bar
from gazeworld.agents.training.recorder import Recorder
from gazeworld.scenarios.commands._console import Progress

HIDDEN, SHOWN, CLEAR = "\x1b[?25l", "\x1b[?25h", "\x1b[2K"


class Screen(StringIO):
    """A file that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def terminal(width: int = 100) -> Console:
    return Console(file=Screen(), force_terminal=True, width=width, height=30, _environ={"TERM": "xterm"})


def written(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def seen(console: Console) -> list[str]:
    """The lines that stay on the screen: steps of the cursor carried out, colours left out."""
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[\??\d*(?:;\d+)*[A-Za-z]|\r|\n|[^\x1b\r\n]+", written(console)):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part == CLEAR:
            lines[row] = ""
        elif up := re.fullmatch(r"\x1b\[(\d+)A", part):
            row -= int(up[1])
        elif not part.startswith(("\x1b", "\r")):
            lines[row] += part
    return [line for line in lines if line.strip()]


def test_a_bar_shows_rate_and_numbers_and_leaves_whole_lines() -> None:
    console = terminal(60)
    long = f"a name in [brackets] :smile: {'and so on ' * 12}"
    with Bar(console, "a-run", unit="steps") as bar:
        bar.move(1, 20)
        bar.line("step 5/20  loss 0.5", "loss 0.5")
        bar.move(5, 20)
        bar.line("step 10/20  loss 0.25", "loss 0.25")
        bar.say(long)
        bar.move(10, 20)
        bar.line("step 20/20  loss 0.125", "loss 0.125")
        assert bar.live
    drawn = written(console)
    assert drawn.count(HIDDEN) == drawn.count(SHOWN) == 1
    assert all(word in drawn for word in ("a-run", "10/20", "steps/s", "left", "loss 0.25"))
    # The last line about the work is told before anything else is, and at the end; those before it are not.
    assert seen(console) == ["step 10/20  loss 0.25", long.strip() + " ", "step 20/20  loss 0.125"]


@pytest.mark.parametrize("width", [20, 60, 300])
def test_notes_and_long_names_do_not_break_the_bar(width: int) -> None:
    console = terminal(width)
    with Bar(console, "name-" * 30, unit="steps") as bar:
        for step in range(1, 6):
            bar.move(step, 5)
            bar.note("probe", "number 0.123  " * 20)
    assert seen(console) == []


@pytest.mark.parametrize(
    "console",
    [
        Console(file=StringIO()),
        Console(file=StringIO(), force_terminal=True),  # FORCE_COLOR does so, in a pipe
        Console(file=Screen(), force_terminal=True, _environ={"TERM": "dumb"}),
        Console(file=Screen(), force_terminal=True, _environ={"TERM": "xterm", "TTY_INTERACTIVE": "0"}),
    ],
    ids=["pipe", "colours in a pipe", "dumb terminal", "not interactive"],
)
def test_elsewhere_every_line_is_told(console: Console) -> None:
    with Bar(console, "a-run", unit="steps") as bar:
        for step in (1, 2):
            bar.move(step, 2)
            bar.line(f"step {step}/2", "loss")
        bar.say("done")
    assert written(console) == "step 1/2\nstep 2/2\ndone\n"


def test_the_loop_moves_the_bar_and_nothing_but_what_is_shown_changes(tmp_path: Path) -> None:
    consoles = {"bar": terminal(), "lines": Console(file=StringIO(), width=100)}
    for name, console in consoles.items():
        record = Recorder(tmp_path / name, start=0, steps=8, console=console)
        loop.train(session(), CONFIG, tmp_path / name / "checkpoints", record)
        record.close()
    assert (tmp_path / "bar/metrics.jsonl").read_bytes() == (tmp_path / "lines/metrics.jsonl").read_bytes()
    assert [line.split()[1] for line in written(consoles["lines"]).splitlines()] == ["2/8", "4/8", "6/8", "8/8"]
    assert [line.split()[1] for line in seen(consoles["bar"])] == ["8/8"]
    assert "8/8" in written(consoles["bar"])


def test_what_a_probe_found_is_told_and_stands_under_the_bar(tmp_path: Path) -> None:
    console = terminal()
    record = Recorder(tmp_path, start=4, steps=8, console=console)
    record.tick(5)
    record.progress(5, {"train/loss": 0.5}, 32)
    record.probed(5, {"probe/top1": 0.75})
    record.now("phase 2")
    record.tick(6)
    record.close()
    assert "loss 0.5  probe at 5: top1 0.750  phase 2" in written(console)
    step, probe = seen(console)
    assert step.startswith("step 5/8  ")
    assert probe == "step 5  probe: top1 0.750"


def test_other_processes_than_the_first_show_nothing() -> None:
    console = Console(file=Screen(), force_terminal=True, quiet=True, _environ={"TERM": "xterm"})
    with Bar(console, "a-run") as bar:
        bar.move(1, 2)
        bar.line("step 1/2", "")
    assert written(console) == ""


def test_probing_has_a_bar_and_elsewhere_a_line_for_everything_that_begins() -> None:
    screen, pipe = terminal(), Console(file=StringIO())
    for console in (screen, pipe):
        with Progress(console, "comparing") as tick:
            for done in (1, 2):
                tick("streams: test", done, 2)
                tick("probes", done, 2)
    assert "comparing" in written(screen)
    assert seen(screen) == []
    assert written(pipe).splitlines() == ["comparing: streams", "comparing: probes"] * 2


INTERRUPTED = """
import time, warnings
from rich.console import Console
from gazeworld.agents.training.progress import Bar
with Bar(Console(), "a-run", unit="steps") as bar:
    bar.move(1, 2)
    bar.line("step 1/2", "loss 0.5")
    warnings.warn("something else is said")
    print("ready", flush=True)
    time.sleep(30)
"""


def test_ctrl_c_leaves_the_terminal_clean() -> None:
    ours, theirs = pty.openpty()
    environ = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    environ = {name: value for name, value in environ.items() if name not in ("NO_COLOR", "TTY_INTERACTIVE")}
    done = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdin=theirs, stdout=theirs, stderr=theirs, env=environ
    )
    os.close(theirs)
    said = b""
    while b"ready" not in said:
        said += os.read(ours, 4096)
    done.send_signal(signal.SIGINT)
    try:
        while more := os.read(ours, 4096):
            said += more
    except OSError:  # how Linux says that nobody has the other end any more
        pass
    done.wait()
    os.close(ours)
    text = said.decode()
    assert text.count(HIDDEN) == text.count(SHOWN) == 1
    after = text[text.index(SHOWN) :]
    assert "step 1/2" in after
    assert "KeyboardInterrupt" in after
    assert "UserWarning: something else is said" in text
