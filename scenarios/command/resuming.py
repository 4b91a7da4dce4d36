"""What a run that goes on may be asked for: what its config.json says, or nothing in particular."""

import json
from pathlib import Path
from typing import Any

from gazeworld.agents import checkpoint
from gazeworld.agents.records import flat
from gazeworld.agents.trained import read_config

from . import scenario
from .scenario import Scenario


def require_plain(folder: Path) -> None:
    """Raise ValueError for a run whose world model and policy take turns: plain training would do away with both."""
    newest = checkpoint.latest(folder / "checkpoints")
    if "phases" in read_config(folder) or (newest is not None and "phase" in newest.state()):
        raise ValueError(f"{folder}: a run of alternating phases, expected one of plain training; use alternate")


def require_same_scenario(folder: Path, name: str, asked: Scenario, written: Scenario) -> None:
    """Raise ValueError for a run of another scenario than `name`, and for settings that the run does not have."""
    own = read_config(folder)["scenario"]
    if own != name:
        raise ValueError(f"{folder}: a run of scenario {own!r}, but {name!r} is asked for")
    require_same(folder, *(scenario.to_json(one) for one in (asked, scenario.load(name), written)))


def require_same(folder: Path, asked: dict[str, Any], usual: dict[str, Any], written: dict[str, Any]) -> None:
    """Raise ValueError where what is asked for is neither as usual nor as written, for it would have no effect."""
    wanted, default, found = (flat(json.loads(json.dumps(one))) for one in (asked, usual, written))
    other = [
        f"{key}={wanted.get(key)} (written: {found.get(key)})"
        for key in dict.fromkeys((*wanted, *default))
        if wanted.get(key) not in (default.get(key), found.get(key))
    ]
    if other:
        raise ValueError(
            f"{folder}: --resume goes on with what config.json says, but other settings are asked for: "
            f"{', '.join(other)}; leave them out or choose another --name"
        )
