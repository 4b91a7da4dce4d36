"""Where the command line writes: signs that the terminal does not know do no harm, nor does a reader that is gone.

Imports no torch. A program that prints to a closed pipe ends with an error from wherever it happens to be, and prints
another one while Python shuts down; one that prints an arrow to a terminal of Latin-1 does so, too. Work of hours must
not end like that.
"""

import codecs
import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gazeworld.agents.training.interrupt import hang_up, listen

_PLAIN = {
    "→": "->", "←": "<-", "↔": "<->", "↦": "->", "…": "...", "–": "-", "—": "-", "−": "-", "×": "x", "·": ".", "•": "*",
    "≤": "<=", "≥": ">=", "≈": "~", "±": "+/-", "∓": "-/+", "²": "^2", "⁻": "^-", "¹": "1", "°": " deg", "√": "sqrt ",
    "∞": "inf", "Σ": "sum ", "σ": "sigma", "λ": "lambda", "π": "pi", "ε": "epsilon", "“": '"', "”": '"', "‘": "'",
    "’": "'", "│": "|", "┃": "|", "║": "|", "─": "-", "━": "-", "═": "=", "╺": "-", "╸": "-", "✓": "ok", "✗": "x",
}  # fmt: skip
_CORNERS = range(0x250C, 0x2580)  # what is left of the box drawing characters
_NAME = "gazeworld.plain"
_GONE = (errno.EPIPE, errno.EIO, errno.ESHUTDOWN, errno.EBADF)
"""How a closed pipe and a terminal that is gone refuse what is written: nobody is there who could be told."""


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    """What stands for the first character that cannot be written, and where to go on.

    Bytes of a file's name that are no text come out as they were; signs of typesetting have a plain form, and anything
    else is written as an escape, which unlike "?" still tells which it was.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    sign, after = error.object[error.start], error.start + 1
    if 0xDC80 <= ord(sign) <= 0xDCFF:
        return bytes([ord(sign) - 0xDC00]), after
    if sign in _PLAIN:
        return _PLAIN[sign], after
    return ("+" if ord(sign) in _CORNERS else sign.encode("ascii", "backslashreplace").decode("ascii")), after


class _Outlet(io.FileIO):
    """A file descriptor whose failures are kept in `failure` and not raised; what follows them goes nowhere."""

    def __init__(self, number: int) -> None:
        super().__init__(number, "wb", closefd=False)
        self.failure: OSError | None = None

    def write(self, data: Any, /) -> int:
        """All of the data, or after a failure as if it were."""
        if self.failure is None:
            try:
                return super().write(data)
            except OSError as error:
                self.failure = error
                hang_up()
        return memoryview(data).nbytes


class Outlets:
    """Standard output and standard error of one command."""

    def __init__(self) -> None:
        self._outlets: list[_Outlet] = []

    def complaint(self) -> str:
        """What is to be said of an output that failed though somebody may still hear of it (a full disk), else ""."""
        sys.stdout.flush()
        for outlet in self._outlets:
            if outlet.failure is not None and outlet.failure.errno not in _GONE:
                return f"standard {'error' if outlet.fileno() == 2 else 'output'}: {outlet.failure.strerror}"
        return ""

    def guard(self, stream: Any, number: int) -> Any:
        """A stream in place of another: the same encoding, but nothing that is written raises."""
        if stream is None:  # it was closed before we began
            return open(os.devnull, "w", encoding="utf-8")
        if not isinstance(stream, io.TextIOWrapper) or not _writes_to(stream, number):
            return stream  # a notebook's or a test's own
        stream.flush()
        outlet = _Outlet(number)
        self._outlets.append(outlet)
        return io.TextIOWrapper(
            io.BufferedWriter(outlet),
            encoding=stream.encoding,
            errors=_NAME,
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )


def _writes_to(stream: io.TextIOWrapper, number: int) -> bool:
    """Whether a stream is the process's own, as a plain file: on Windows a console is none, and knows all signs."""
    try:
        raw = stream.buffer.raw if isinstance(stream.buffer, io.BufferedWriter) else stream.buffer
        return type(raw) is io.FileIO and raw.fileno() == number
    except (OSError, ValueError):  # not a file at all, or a closed one
        return False


@contextmanager
def guarded() -> Iterator[Outlets]:
    """Within it, printing never raises: neither for a character, nor for a reader that is gone.

    Once nobody reads any more, interruptible work is asked to stop; other work goes on to its end.
    """
    codecs.register_error(_NAME, _plain)
    listen()
    before, outlets = (sys.stdout, sys.stderr), Outlets()
    sys.stdout, sys.stderr = outlets.guard(sys.stdout, 1), outlets.guard(sys.stderr, 2)
    try:
        yield outlets
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = before
