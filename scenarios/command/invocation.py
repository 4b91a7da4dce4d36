"""The command line that is being carried out, for the record that every run keeps."""

import sys
from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path

from gazeworld.envs.files import typed

STOPPED = 130
"""Exit code after Ctrl-C, as shells have it."""
_WORDS: ContextVar[tuple[str, ...] | None] = ContextVar("words", default=None)


def begin(words: Sequence[str]) -> None:
    """Note the words that follow `gazeworld`, wherever they came from."""
    _WORDS.set(tuple(words))


def words() -> tuple[str, ...] | None:
    """The words that follow `gazeworld`; None in a program that does not use the command line."""
    return _WORDS.get()


def command() -> str:
    """What to type for the same again; of a program that does not use the command line, the program's own call."""
    words = _WORDS.get()
    return typed(*([Path(sys.argv[0]).name, *sys.argv[1:]] if words is None else ["gazeworld", *words]))
