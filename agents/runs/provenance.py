"""What a run or a policy was made with, for the record that each keeps: command, versions, device, data.

Imports no torch, so that the command line can note its words before it knows what they ask for.
"""

import importlib.metadata
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gazeworld.envs.files import typed

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from gazeworld.envs.world import World

STOPPED = 130
"""Exit code after Ctrl-C, as shells have it."""
_PACKAGES = ("gazeworld", "torch", "torchvision", "gymnasium", "numpy", "lightning-fabric", "scikit-learn")
_WORDS: ContextVar[tuple[str, ...] | None] = ContextVar("words", default=None)


@contextmanager
def begun(words: Sequence[str]) -> Iterator[None]:
    """In the `with` block the words are those that follow `gazeworld`, wherever they came from."""
    before = _WORDS.set(tuple(words))
    try:
        yield
    finally:
        _WORDS.reset(before)  # a program that calls the command line, too, goes on in its own name


def words() -> tuple[str, ...] | None:
    """The words that follow `gazeworld`; None in a program that does not use the command line."""
    return _WORDS.get()


def command() -> str:
    """What to type for the same again; of a program that does not use the command line, the program's own call."""
    words = _WORDS.get()
    return typed(*([Path(sys.argv[0]).name, *sys.argv[1:]] if words is None else ["gazeworld", *words]))


def made_by(fabric: "Fabric", world: "World") -> dict[str, Any]:
    """The command, the time, versions, device and data that something was made with."""
    import torch

    return {
        "command": command(),
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "device": str(fabric.device),
        "processes": fabric.world_size,
        "threads": torch.get_num_threads(),
        "fingerprint": world.fingerprint,
    }
