"""What a scenario is: a documented experiment, as data. Imports no torch, so that listing and help stay quick."""

import ast
import dataclasses
import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gazeworld.envs import registry
from gazeworld.envs.validation import OptionError, Options, Seed, from_mapping, shown

from ..config import ProbeConfig, TrainConfig

SCENARIOS = "gazeworld.scenarios"


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


def names() -> list[str]:
    """Scenarios and their variants (`scenario:variant`); reads the files without importing what they import."""
    found = []
    for name in registry.names(SCENARIOS):
        found.append(name)
        found += [f"{name}:{variant}" for variant in _variants(name)]
    return found


def summary(name: str) -> str:
    """First line of the docstring of a scenario file."""
    return (ast.get_docstring(ast.parse(_file(name).read_text(encoding="utf-8"))) or "").partition("\n")[0]


def load(name: str) -> Scenario:
    """The scenario or variant called `name`. Raises UnknownNameError listing what there is."""
    base, _, variant = name.replace("_", "-").partition(":")
    known = names()
    if name.replace("_", "-") not in known:
        raise registry.UnknownNameError(f"unknown scenario {name!r}; there are: {', '.join(known)}")
    found = registry.module(SCENARIOS, base)
    return found.variants[variant] if variant else found.scenario


def to_json(scenario: Scenario) -> dict[str, Any]:
    """Plain dictionaries, for config.json."""
    return dataclasses.asdict(scenario)


def from_json(data: dict[str, Any], file: Path) -> Scenario:
    """The inverse of `to_json`; what is not written has its default. Raises ValueError naming file and field."""
    return from_mapping(Scenario, data, f"{file}: config")


def _file(name: str) -> Path:
    package = importlib.util.find_spec(SCENARIOS)
    assert package is not None
    assert package.submodule_search_locations is not None
    return Path(next(iter(package.submodule_search_locations))) / f"{name.replace('-', '_')}.py"


def _variants(name: str) -> list[str]:
    """Keys of the dictionary `variants` at the top of a scenario file."""
    for node in ast.parse(_file(name).read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="variants")], value=ast.Dict(keys=keys)):
                return [ast.literal_eval(key) for key in keys if key is not None]
            case _:
                continue
    return []
