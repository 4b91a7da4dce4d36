"""The command line, killed by itself at a moment of one's choice: just before a change to a file of some name.

usage: python killing.py NAME WORD…
"""

import os
import signal
import subprocess
import sys
from typing import Any

_CHANGES = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir")


def killed(name: str, words: list[str]) -> int:
    """Exit code of `gazeworld WORDS`, −9 where it was killed before the first change to what has `name` in its path."""
    return subprocess.run([sys.executable, __file__, name, *words], capture_output=True, check=False).returncode


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


if __name__ == "__main__":
    from gazeworld.scenarios.commands._main import main

    _watch(sys.argv[1])
    sys.exit(main(sys.argv[2:]))
