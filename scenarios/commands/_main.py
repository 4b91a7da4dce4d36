"""The `gazeworld` command: finds the others by walking their folder, and imports only the one that is asked for.

Every command is a file with its arguments and one function, `run`, that is given the words after its name and returns
the exit code. Heavy imports wait until a command runs, so that every --help is quick.
"""

import importlib.metadata
import os
import re
import sys
from collections.abc import Sequence
from itertools import pairwise

from gazeworld.agents.runs import provenance
from gazeworld.envs import plugins, registry

from . import _catalogue
from ._console import fail
from ._outlets import guarded

_NO_MEMORY = re.compile("(can't|[Tt]ried to|Unable to) allocate|out of memory|not enough memory")  # how torch says it


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code: 0 done, 1 training failed, 2 wrong use or bad input, 130 interrupted."""
    # Threads of torch that wait should sleep: while they spin, a busy machine does nothing else. Read at its import.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    words = list(sys.argv[1:] if arguments is None else arguments)
    if os.path.isdir(os.curdir):  # it may be gone
        plugins.search(os.getcwd())
    with provenance.begun(words), guarded() as outlets:
        try:
            code = _carried_out(words)
        except SystemExit:  # how help ends
            if outlets.complaint():
                return fail(outlets.complaint())
            raise
        return fail(outlets.complaint()) if outlets.complaint() and not code else code


def _carried_out(words: list[str]) -> int:
    """The exit code of what the words ask for."""
    if not words or words[0] in ("-h", "--help"):
        print(usage())
        return 0 if words else 2
    if words == ["--version"]:
        print(f"gazeworld {importlib.metadata.version('gazeworld')}")
        return 0
    command, rest = words[0], words[1:]
    known = registry.names(_catalogue.COMMANDS)
    if command not in known:
        return fail(str(registry.unknown("command", command, known)))
    # It would be taken for the present folder, whatever was meant by a variable of the shell that is not set.
    if (empty := _empty(words)) is not None:
        return fail(f"an empty word follows {words[empty - 1]!r}, expected a name or a path")
    try:
        return registry.module(_catalogue.COMMANDS, command).run(rest)
    except KeyboardInterrupt:
        return fail("interrupted", provenance.STOPPED)
    except (ValueError, OSError) as error:
        return fail(str(error))
    except (MemoryError, RuntimeError) as error:
        if not (isinstance(error, MemoryError) or _NO_MEMORY.search(str(error))):
            raise
        return fail(f"there is not enough memory for what was asked for: {str(error).partition('] ')[2] or error}")


def usage() -> str:
    """What the commands are for: the first lines of their files."""
    told = [line.strip("`.").split("`: ") for line in _catalogue.commands().values()]
    rows = [(how.removeprefix("gazeworld "), what) for how, what in told]
    width = max(len(how) for how, _ in rows)
    lines = "\n".join(f"  {how:{width}}  {what}" for how, what in rows)
    return f"usage: gazeworld COMMAND …\n\n{lines}\n\ngazeworld COMMAND --help says more; gazeworld --version"


def _empty(words: list[str]) -> int | None:
    """Where an empty word stands that is not the value of an option."""
    pairs = enumerate(pairwise(words), 1)
    return next((i for i, (before, word) in pairs if not word and not before.startswith("-")), None)


if __name__ == "__main__":
    sys.exit(main())
