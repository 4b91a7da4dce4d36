"""The scenarios and the commands that there are, found by walking their folders.

Imports no torch, so that listing and help stay quick.
"""

import ast
import importlib.util
from pathlib import Path

from gazeworld.agents.runs.scenario import Scenario
from gazeworld.envs import registry

SCENARIOS = "gazeworld.scenarios"
COMMANDS = "gazeworld.scenarios.commands"


def names() -> list[str]:
    """Scenarios and their variants (`scenario:variant`); reads the files without importing what they import."""
    found = []
    for name in registry.names(SCENARIOS):
        found.append(name)
        found += [f"{name}:{variant}" for variant in _variants(name)]
    return found


def summary(name: str) -> str:
    """First line of the docstring of a scenario file."""
    return _first_line(SCENARIOS, name)


def commands() -> dict[str, str]:
    """The commands by their names, and the first line of each one's docstring: `gazeworld NAME …`, and what for."""
    return {name: _first_line(COMMANDS, name) for name in registry.names(COMMANDS)}


def load(name: str) -> Scenario:
    """The scenario or variant called `name`. Raises UnknownNameError listing what there is."""
    base, _, variant = name.replace("_", "-").partition(":")
    known = names()
    if name.replace("_", "-") not in known:
        bases = [one for one in known if ":" not in one]
        variants = [one for one in known if one.startswith(f"{base}:")]  # what there is of it, where the rest is right
        raise registry.unknown("scenario", name, variants or bases, known)
    found = registry.module(SCENARIOS, base)
    return found.variants[variant] if variant else found.scenario


def paper_data(name: str) -> str:
    """The data set of the paper whose numbers belong beside runs of a scenario, by the line `paper = NAME` in its file.

    "" where it names none, and where there is no such scenario.
    """
    return str(vars(registry.module(SCENARIOS, name)).get("paper", "")) if name in names() else ""


def _first_line(package: str, name: str) -> str:
    return (ast.get_docstring(ast.parse(_file(package, name).read_text(encoding="utf-8"))) or "").partition("\n")[0]


def _file(folder: str, name: str) -> Path:
    package = importlib.util.find_spec(folder)
    assert package is not None
    assert package.submodule_search_locations is not None
    return Path(next(iter(package.submodule_search_locations))) / f"{name.replace('-', '_')}.py"


def _variants(name: str) -> list[str]:
    """Keys of the dictionary `variants` at the top of a scenario file."""
    for node in ast.parse(_file(SCENARIOS, name).read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="variants")], value=ast.Dict(keys=keys)):
                return [ast.literal_eval(key) for key in keys if key is not None]
            case _:
                continue
    return []
