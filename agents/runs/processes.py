"""Several processes that train one world model: the first starts the others, and none waits for one that is gone.

Lightning Fabric can start them, too, but it kills all of them, the first included, a few seconds after one has failed,
and leaves those alone whose first process was killed. Here one sentence says what happened, whoever is left, and within
a time that is bounded. Imports no torch.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from . import provenance

GRACE = 6.0
"""Seconds in which a process may say by itself that another one is gone, before it is ended where it waits."""
_REPORTS, _FIRST = "GAZEWORLD_REPORTS", "GAZEWORLD_FIRST"
_PERIOD = 0.25
_BEREFT = 75
"""Exit code of a process that lost another while the first lives, which will speak for all."""
_MAIN = """\
import sys; sys.path = [path for path in sys.path if path]  # not the present folder, whatever lies there
from gazeworld.scenarios.commands._main import main; sys.exit(main())"""


class LostProcessError(RuntimeError):
    """One of the processes that train together is gone; the message says which, how, and what was saved last."""


def report(sentence: str) -> bool:
    """Leave an error with the first process, which speaks for all; False in the first, or where that is gone."""
    if _REPORTS not in os.environ or not _first_lives():
        return False
    (Path(os.environ[_REPORTS]) / os.environ["LOCAL_RANK"]).write_text(sentence, encoding="utf-8")
    return True


@contextmanager
def together(processes: int, external: bool, saved: Callable[[], str]) -> Iterator[None]:
    """Within it, so many processes train together; the first starts the others, unless torchrun or the like did.

    `saved` says where the last checkpoint is. Raises LostProcessError where one of them is gone; where one waits for
    that for too long, it says so and ends.
    """
    if processes == 1 and not external:
        yield
        return
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it tells of every process that joins
    if _REPORTS in os.environ:
        with _following(processes, saved):
            yield
    elif external:
        try:
            yield
        except RuntimeError as error:
            _pass(error)
            raise LostProcessError(f"another process is gone ({_line(error)}); {saved()}") from error
    else:
        with (
            tempfile.TemporaryDirectory(prefix="gazeworld-") as reports,
            _leading(_Others(processes, Path(reports), saved)),
        ):
            yield


@dataclass(frozen=True)
class _Others:
    """The processes beside the first."""

    count: int
    reports: Path
    saved: Callable[[], str]

    def begin(self) -> list[subprocess.Popen[bytes]]:
        """Start them. What they print is what the first one prints, so only their errors are heard."""
        return [
            subprocess.Popen(
                _command(),
                env=os.environ | {"LOCAL_RANK": str(rank), _REPORTS: str(self.reports), _FIRST: str(os.getpid())},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
            for rank in range(1, self.count)
        ]

    def lost(self, started: list[subprocess.Popen[bytes]]) -> str:
        """What became of one that is gone, "" if there is none; what lost another one itself is no news."""
        codes = {rank: process.poll() for rank, process in enumerate(started, 1)}
        gone = {rank: code for rank, code in codes.items() if code}
        for rank, code in sorted(gone.items(), key=lambda item: item[1] == _BEREFT):
            told = self.reports / str(rank)
            if told.exists():
                return f"process {rank + 1} of {self.count}: {told.read_text(encoding='utf-8')}"
            how = f"was ended by {_signal(-code)}" if code < 0 else f"ended with exit code {code}"
            return f"process {rank + 1} of {self.count} {how}; {self.saved()}"
        return ""


@contextmanager
def _leading(others: _Others) -> Iterator[None]:
    """Start the others and wait for them; whatever fails here ends them, too: only the first one saves anything."""
    before, done = dict(os.environ), threading.Event()
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "NODE_RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": str(others.count),
    }
    started: list[subprocess.Popen[bytes]] = []
    try:
        started += others.begin()
        _watch(lambda: others.lost(started), done, started)
        yield
        _end_group()
        for process in started:
            process.wait(30)
    except RuntimeError as error:
        _pass(error)
        sentence = _within(lambda: others.lost(started))
        if not sentence:
            raise
        raise LostProcessError(sentence) from error
    except subprocess.TimeoutExpired:  # everything is saved; what still runs is of no use
        pass
    finally:
        done.set()
        for process in started:
            process.kill()
            process.wait()
        os.environ.clear()
        os.environ |= before


@contextmanager
def _following(processes: int, saved: Callable[[], str]) -> Iterator[None]:
    """Train beside the first process, and end when it is gone."""
    done = threading.Event()
    gone = f"the first of {processes} processes is gone"
    _watch(lambda: "" if _first_lives() else f"{gone}; {saved()}", done, [])
    try:
        yield
    except RuntimeError as error:
        _pass(error)
        if _within(lambda: "" if _first_lives() else gone):
            raise LostProcessError(f"{gone}; {saved()}") from error
        raise SystemExit(_BEREFT) from error
    finally:
        done.set()


def _watch(lost: Callable[[], str], done: threading.Event, others: list[subprocess.Popen[bytes]]) -> None:
    """Look in the background whether another process is gone, and end this one if it does not do so by itself."""

    def look() -> None:
        while not done.wait(_PERIOD):
            sentence = lost()
            if sentence and not done.wait(GRACE):
                _end(sentence, others)

    threading.Thread(target=look, name="gazeworld-processes", daemon=True).start()


def _end(sentence: str, others: list[subprocess.Popen[bytes]]) -> NoReturn:
    """Say a last sentence and end, though the main thread waits within a library for what never comes."""
    for process in others:
        process.kill()
    if os.isatty(1):
        os.write(1, b"\r\x1b[J\x1b[?25h")  # a progress bar goes, and the cursor that it hid comes back
    os.write(2, f"gazeworld: error: {sentence}\n".encode(errors="backslashreplace"))
    os._exit(1)


def _pass(error: RuntimeError) -> None:
    """Raise an error again that has nothing to do with other processes: one of ours, or of a device's memory."""
    from torch.distributed import DistError

    if type(error) is not RuntimeError and not isinstance(error, DistError):
        raise error


def _within(found: Callable[[], str], seconds: float = 3.0) -> str:
    """What is found within some time, for an operation fails before the process is gone that it failed of."""
    until = time.monotonic() + seconds
    while not (text := found()) and time.monotonic() < until:
        time.sleep(0.05)
    return text


def _end_group() -> None:
    from torch import distributed

    if distributed.is_initialized():
        distributed.destroy_process_group()


def _first_lives() -> bool:
    return os.getppid() == int(os.environ[_FIRST])


def _command() -> list[str]:
    """The same again: the command line, or a program of one's own."""
    words = provenance.words()
    if words is None:
        return [sys.executable, os.path.abspath(sys.argv[0]), *sys.argv[1:]]
    return [sys.executable, "-c", _MAIN, *words]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _signal(number: int) -> str:
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]
