"""What a scenario is: a documented experiment, as data; and a run, which is one in a folder.

Imports no torch, so that listing and help stay quick.
"""

import dataclasses
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gazeworld.envs.files import DataError, expanded
from gazeworld.envs.signatures import readable
from gazeworld.envs.validation import OptionError, Options, PathText, Seed, from_mapping, nameable, shown

from ..config import ProbeConfig, TrainConfig
from ..run_folder import RunFolder, read_config, write_json

POLICIES = "gazeworld.agents.policies"


@dataclass(frozen=True)
class Scenario(Options):
    """One experiment. The dictionaries hold `name` and the JSON-able options of a world, a policy and a method."""

    world: dict[str, Any]
    """the world and its options; `split` is the split that the world model learns from"""
    method: dict[str, Any]
    """the method and its options"""
    policy: dict[str, Any] = field(default_factory=lambda: {"name": "uniform"})
    """how fixations are chosen, in training and in probing"""
    train: TrainConfig = field(default_factory=TrainConfig)
    """training"""
    probe: ProbeConfig = field(default_factory=ProbeConfig)
    """probing"""
    probe_split: str = "train"
    """labelled split on which probes are trained"""
    test_split: str = "test"
    """split on which probes are scored"""
    seed: Seed = 0
    """everything random follows from it"""

    def __post_init__(self) -> None:
        super().__post_init__()
        for part, needed in (("world", ("name", "split")), ("method", ("name",)), ("policy", ("name",))):
            for key in needed:
                value = getattr(self, part).get(key)
                if not (isinstance(value, str) and value):
                    raise OptionError(f"{part}.{key} is {shown(value)}, expected a name")

    def changed(self, **parts: Any) -> "Scenario":
        """A variant: dictionaries and nested configurations are updated, everything else is replaced."""
        merged: dict[str, Any] = {}
        for name, value in parts.items():
            old = getattr(self, name)
            if dataclasses.is_dataclass(old) and isinstance(value, dict):
                merged[name] = dataclasses.replace(old, **value)  # type: ignore[type-var]
            elif isinstance(old, dict):
                merged[name] = {**old, **value}
            else:
                merged[name] = value
        return dataclasses.replace(self, **merged)


def placed(scenario: Scenario) -> Scenario:
    """The scenario with the paths of data, models and policies absolute, so that a run opens from any folder.

    Where nothing is named, the usual place stays unnamed: it is another one on another machine.
    """
    world, policy = dict(scenario.world), dict(scenario.policy)
    if world.get("root"):
        world["root"] = _absolute(world["root"], "world.root")
    for name, option in readable(POLICIES, policy["name"]).options.items():
        if option.hint == PathText and policy.get(name):
            policy[name] = _absolute(policy[name], f"policy.{name}")
    regions = tuple(
        f"{name}={_absolute(root, 'probe.regions')}" if root else name
        for name, _, root in (region.partition("=") for region in scenario.probe.regions)
    )
    streams = scenario.train.streams  # the id of a data set, or a folder
    streams = _absolute(streams, "train.streams") if nameable(streams) and os.path.isdir(streams) else streams
    return scenario.changed(world=world, policy=policy, probe={"regions": regions}, train={"streams": streams})


def _absolute(path: Any, what: str) -> Any:
    """Below the present folder, with ~ as a home; links stay as they are. What is no text is refused elsewhere."""
    return os.path.abspath(expanded(path, what)) if isinstance(path, str) and nameable(path) else path


def to_json(scenario: Scenario) -> dict[str, Any]:
    """Plain dictionaries, for config.json."""
    return dataclasses.asdict(scenario)


def from_json(data: dict[str, Any], file: Path) -> Scenario:
    """The inverse of `to_json`; what is not written has its default. Raises ValueError naming file and field."""
    return from_mapping(Scenario, data, f"{file}: config")


def flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, with dotted keys."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, dict) and value:
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


@dataclass(frozen=True)
class Run:
    """A scenario and the folder that it is trained in, usually one under `runs/`; `name` is the scenario's."""

    folder: Path
    name: str
    scenario: Scenario

    @property
    def files(self) -> RunFolder:
        """Where everything lies in the folder."""
        return RunFolder(self.folder)


def open_run(folder: Path) -> Run:
    """The run in a folder. Raises ValueError where there is none or config.json does not fit this version."""
    data = read_config(folder)
    try:
        return Run(folder, data["scenario"], from_json(data["config"], RunFolder(folder).config))
    except OptionError as error:
        raise DataError(str(error)) from error


def write_config(run: Run, made_by: dict[str, Any], **more: Any) -> None:
    """Write config.json of a run: its scenario, what made it, and what else there is to say."""
    data = {"scenario": run.name, "config": to_json(run.scenario), **more, "made_by": made_by}
    write_json(run.files.config, data)


def rewrite_config(run: Run, resumed: dict[str, Any]) -> None:
    """Write the settings with which a run goes on into its config.json, and note from where on it has them."""
    data = read_config(run.folder)
    write_json(
        run.files.config, {**data, "config": to_json(run.scenario), "resumed": [*data.get("resumed", []), resumed]}
    )
