"""Ctrl-C as a request: long work finishes what it is at, saves, and ends. So do a lost terminal and a closed output."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_ASKED = ("SIGINT", "SIGTERM")
"""Somebody wants an end; whoever says so twice wants it at once."""
_HANG_UP = "SIGHUP"
"""The terminal is gone. A shell and the system may both say so: twice means no more than once."""
_unheard = threading.Event()
_stops: list[threading.Event] = []


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """An event that SIGINT, SIGTERM and SIGHUP set instead of tearing a piece of work apart.

    A second SIGINT or SIGTERM ends at once. SIGHUP is left alone where it is ignored, as under nohup. The event is also
    set where nobody listens any more (see `hang_up`).
    """
    stop = threading.Event()
    if _unheard.is_set():
        stop.set()
    _stops.append(stop)
    old = _handled(stop) if threading.current_thread() is threading.main_thread() else {}
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
        _stops.remove(stop)


def _handled(stop: threading.Event) -> dict[int, Any]:
    """Let signals set the event; the handlers that they had. Signals can only be handled in the main thread."""
    asked = threading.Event()

    def ask(number: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        stop.set()

    def hear(number: int, frame: object) -> None:
        stop.set()

    known, old = signal.Signals.__members__, {}
    for name in _ASKED:
        old[known[name]] = signal.signal(known[name], ask)
    if _HANG_UP in known and signal.getsignal(known[_HANG_UP]) is not signal.SIG_IGN:
        old[known[_HANG_UP]] = signal.signal(known[_HANG_UP], hear)
    return old


def hang_up() -> None:
    """Ask all interruptible work, present and to come, to stop: nobody reads any more what it says."""
    _unheard.set()
    for stop in _stops:
        stop.set()


def listen() -> None:
    """Work that begins from now on is heard again."""
    _unheard.clear()
