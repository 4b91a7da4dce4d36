"""World models that were trained before, for policies and planners that look with them."""

from pathlib import Path
from typing import Any

from gazeworld.envs import registry
from gazeworld.envs.files import DataError
from gazeworld.envs.world import WORLDS, World
from gazeworld.models.method import METHODS, CheckpointError, Method, WorldSpec, make_method

from ..file_schemas import RunConfig, read_fields
from ..policy import POLICIES
from . import checkpoint


def read_config(folder: Path) -> dict[str, Any]:
    """What config.json in the folder of a run holds, by present names (see `old_files`).

    Raises DataError where there is none or it is no such file.
    """
    file = folder / "config.json"
    if not file.is_file():
        raise DataError(f"{file}: no such file; expected the folder of a run written by gazeworld train")
    data = read_fields(file, RunConfig)
    for part, place in (("world", WORLDS), ("method", METHODS), ("policy", POLICIES)):
        found = data["config"].get(part)
        try:
            if isinstance(found, dict) and isinstance(found.get("name"), str):
                registry.require(place, found["name"])
        except registry.UnknownNameError as error:
            raise DataError(f"{file}: config.{part}.name: {error}") from error
    return data


def load_method(folder: Path, world: World) -> tuple[Method, int]:
    """The method of a run with the weights of its newest checkpoint, in eval mode on the world's device, and that step.

    Raises ValueError for a folder that holds no run, CheckpointError where there is no checkpoint or where the weights
    do not fit views and actions of this world.
    """
    method = made_for(dict(read_config(folder)["config"]["method"]), world)
    found = checkpoint.latest(folder / "checkpoints")
    if found is None:
        raise CheckpointError(f"{folder / 'checkpoints'}: no checkpoint yet; expected at least one step-… folder")
    checkpoint.load_model(found, method)
    return method.to(world.device).eval(), found.step


def made_for(options: dict[str, Any], world: World) -> Method:
    """An untrained method for views and actions of a world; `options` holds its `name` and its own options."""
    rest = dict(options)
    return make_method(rest.pop("name"), WorldSpec.of(world), **rest)
