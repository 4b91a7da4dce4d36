"""gazeworld: an active-vision laboratory; this is what the four folders are installed under.

gazeworld.envs       what can be looked at: worlds, their data, and the Gymnasium environments that look at them
gazeworld.models     what can be learnt: methods, encoders, losses
gazeworld.agents     what can act and learn: policies, training, probes, planning, runs
gazeworld.scenarios  what is being claimed: scenarios, commands, reports

`import gazeworld` registers the Gymnasium ids (`gazeworld/Saccade-v0` and its like) and imports no torch; the other
three folders are imported when they are first asked for, as `gazeworld.agents.make_policy`.
"""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from gazeworld import envs
from gazeworld.envs import __version__, register_envs

if TYPE_CHECKING:
    from gazeworld import agents, models, scenarios

_FOLDERS = ("agents", "models", "scenarios")

__all__ = ["__version__", "agents", "envs", "models", "register_envs", "scenarios"]


def __getattr__(name: str) -> ModuleType:
    if name not in _FOLDERS:
        raise AttributeError(f"module 'gazeworld' has no attribute {name!r}")
    return importlib.import_module(f"gazeworld.{name}")


def __dir__() -> list[str]:
    return sorted(__all__)
