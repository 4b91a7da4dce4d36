"""Worlds to look at, and the Gymnasium environments that look at them.

`import gazeworld.envs` registers `gazeworld/Saccade-v0` and its like with Gymnasium and stays light: torch is imported
when something is taken from here or an environment is made.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .single_env import ActiveVisionEnv
    from .stream import Stream
    from .vector_env import ActiveVisionVectorEnv
    from .world import World, make_world

__all__ = ["ActiveVisionEnv", "ActiveVisionVectorEnv", "Stream", "World", "make_world", "register_envs"]

_HOME = {
    "ActiveVisionEnv": "single_env",
    "ActiveVisionVectorEnv": "vector_env",
    "Stream": "stream",
    "World": "world",
    "make_world": "world",
}


def __getattr__(name: str) -> Any:
    """Public names are imported when first asked for, because most of them need torch."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def register_envs() -> None:
    """Give every world on the shelf its Gymnasium id: `saccade.py` becomes `gazeworld/Saccade-v0`.

    Called on import; a second call changes nothing. Gymnasium 1.x loads no plug-ins, so that without this import an
    environment is named with its module: `gymnasium.make("gazeworld.envs:gazeworld/Saccade-v0")`.
    """
    # Imported here, not above: a Gymnasium that does load plug-ins may be importing us at this very moment.
    from gymnasium.envs import registration

    from . import registry

    for world in registry.names("gazeworld.envs.worlds"):
        name = "".join(part.capitalize() for part in world.split("-"))
        if f"gazeworld/{name}-v0" not in registration.registry:
            registration.register(
                id=f"gazeworld/{name}-v0",
                entry_point="gazeworld.envs.single_env:ActiveVisionEnv",
                vector_entry_point="gazeworld.envs.vector_env:ActiveVisionVectorEnv",
                kwargs={"world": world},
            )


register_envs()
