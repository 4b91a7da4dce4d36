"""The command line, killed by itself at a moment of one's choice: just before a change to a file of some name."""

import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

from .processes import ran

_CHANGES = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir")


def killed(name: str, words: list[str], told: Path) -> int | None:
    """Exit code of `gazeworld WORDS`, −9 where it was killed before the first change to what has `name` in its path.

    What it prints goes to files in the folder `told`.
    """
    return ran(words, told, partial(_watch, name)).code


def _watch(name: str) -> None:
    def look(event: str, given: tuple[Any, ...]) -> None:
        if event not in _CHANGES or not all(isinstance(one, str | bytes | os.PathLike) for one in given[:1]):
            return
        if event == "open" and not (isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
            return
        paths = [os.fsdecode(one) for one in given[: 2 if event == "os.rename" else 1]]
        if any(name in path for path in paths):
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)
