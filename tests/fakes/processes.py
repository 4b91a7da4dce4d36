"""`gazeworld WORDS` in a process of its own that is forked from one in which everything is imported already.

A process that begins from nothing spends some five seconds of a processor on imports. What is about how Python itself
begins (locale, `-O`, closed streams) still wants one; signals, kills and locks do not.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

_AHEAD = [
    "gazeworld.scenarios.commands.train",
    "gazeworld.scenarios.commands._runs",
    "gazeworld.scenarios.saccade_digits",
    "gazeworld.agents.runs.train_run",
    "gazeworld.agents.policies.saliency",
    "gazeworld.envs.worlds.saccade",
    "gazeworld.envs.sources.digits",
    "gazeworld.models.methods.seq_jepa",
    "torch.utils.tensorboard",
    "torch._dynamo",
    "sklearn.datasets",
]


class Command:
    """The command line at work on these words, in a session of its own; what it prints goes to files in `folder`.

    `before` is called in the process first. As a context, it leaves nothing of the process, nor of what that began.
    """

    def __init__(
        self, words: list[str], folder: Path, before: Callable[[], None] | None = None, **environment: str
    ) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_AHEAD)
        folder.mkdir(parents=True, exist_ok=True)
        self._out, self._err = folder / "stdout.txt", folder / "stderr.txt"
        given = (words, self._out, self._err, os.environ | environment, os.getcwd(), before)
        self._process = context.Process(target=_carry_out, args=given)
        self._process.start()

    def __enter__(self) -> "Command":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.kill()  # it may not have come so far as to have a session
        self._process.join()

    @property
    def pid(self) -> int:
        """Number of the process."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code once it has ended, −N where signal N ended it."""
        return self._process.exitcode

    @property
    def out(self) -> str:
        """What it has printed."""
        return self._out.read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        """What it has said on standard error, with whatever it began."""
        return self._err.read_text(encoding="utf-8")

    def send(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def wait(self, seconds: float = 240) -> "Command":
        """Wait for its end."""
        self._process.join(seconds)
        assert self.code is not None, f"it has not ended after {seconds} s: {self.err}"
        return self

    def until(self, found: Callable[[], object], seconds: float = 240) -> None:
        """Wait for something that is certain to come, unless the command ends before."""
        end = time.monotonic() + seconds
        while not found() and self.code is None:
            assert time.monotonic() < end, self.err
            time.sleep(0.05)


def ran(words: list[str], folder: Path, before: Callable[[], None] | None = None, **environment: str) -> Command:
    """The command line, from its beginning to its end."""
    with Command(words, folder, before, **environment) as command:
        return command.wait()


def _carry_out(
    words: list[str],
    out: Path,
    err: Path,
    environment: Mapping[str, str],
    folder: str,
    before: Callable[[], None] | None,
) -> None:
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, file in ((1, out), (2, err)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["gazeworld", *words]
    from gazeworld.scenarios.commands._main import main

    if before is not None:
        before()
    sys.exit(main())
