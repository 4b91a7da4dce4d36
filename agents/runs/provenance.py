"""The command line that is being carried out, for the record that every run keeps."""

import sys
from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path

from gazeworld.envs.files import typed

import importlib.metadata
import json
import platform
import tempfile
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from rich.console import Console
from ..training import checkpoint
from ..training.loop import Session
from ..training.loop import restore
from ..training.loop import train
from ..training.recorder import Recorder
from ..file_schemas import Made
from ..file_schemas import read_fields
from ..training.trained_methods import read_config
from gazeworld.envs.files import DataError
from gazeworld.envs.files import write_text
from gazeworld.envs.validation import OptionError
from gazeworld.envs.world import World
from . import build
from . import provenance
from . import scenario
from .run_folder import RUN
from .run_folder import writing
from .processes import together
from .run_folder import require_plain
from .run_folder import require_same_scenario
from .scenario import Scenario

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

_PACKAGES = ("gazeworld", "torch", "torchvision", "gymnasium", "numpy", "lightning-fabric", "scikit-learn")


def made_by(fabric: Fabric, world: World) -> dict[str, Any]:
    """The command, the time, versions, device and data that something was made with."""
    return {
        "command": provenance.command(),
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "device": str(fabric.device),
        "processes": fabric.world_size,
        "threads": torch.get_num_threads(),
        "fingerprint": world.fingerprint,
    }


def write_json(file: Path, data: dict[str, Any]) -> None:
    """Write a file of JSON, whole or not at all."""
    write_text(file, json.dumps(data, indent=2) + "\n")
