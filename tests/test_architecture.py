"""The plan of the house, checked: who imports whom, shelves without neighbours, sizes, no torch at the front door."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ORDER = ["envs", "models", "agents", "scenarios"]
FILES = sorted(p for folder in ORDER for p in (ROOT / folder).rglob("*.py"))
SHELVES = ["envs/worlds", "envs/sources", "envs/renderers", "models/methods", "agents/policies", "agents/rewards"]


def imported(file: Path) -> set[str]:
    """Dotted names of our own modules that a file imports, resolved to `folder.module`."""
    found = set()
    inside = file.relative_to(ROOT).with_suffix("").parts
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {a.name.removeprefix("gazeworld.") for a in node.names if a.name.startswith("gazeworld")}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = ".".join((*inside[: len(inside) - node.level], *([node.module] if node.module else [])))
            elif (node.module or "").startswith("gazeworld"):
                base = (node.module or "").removeprefix("gazeworld.")
            else:
                continue
            found |= {base, *(f"{base}.{a.name}" for a in node.names)}
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_downwards(file: Path) -> None:
    own = ORDER.index(file.relative_to(ROOT).parts[0])
    above = {name for name in imported(file) if name.partition(".")[0] in ORDER[own + 1 :]}
    # A scenario's configuration classes are plain data and live with the agents; nothing else looks up.
    if file.name == "train_policy.py" and "rl" in file.parts:
        above -= {"scenarios.commands._console", "scenarios.commands._console.say"}  # until it has a place of its own
    assert not above


@pytest.mark.parametrize("shelf", SHELVES)
def test_shelves_import_no_neighbour(shelf: str) -> None:
    package = shelf.replace("/", ".")
    files = [p for p in (ROOT / shelf).glob("*.py") if p.stem != "__init__"]
    assert files
    for file in files:
        neighbours = {f"{package}.{p.stem}" for p in files if p != file and not p.stem.startswith("_")}
        assert not imported(file) & neighbours, file


def test_scenario_files_import_no_neighbour() -> None:
    files = [p for p in (ROOT / "scenarios").glob("*.py") if p.stem != "__init__"]
    for file in files:
        assert not imported(file) & {f"scenarios.{p.stem}" for p in files if not p.stem.startswith("_")}, file


@pytest.mark.parametrize("file", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_stay_small(file: Path) -> None:
    text = file.read_text()
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno <= 60, node.name


CONFORMANCE = [p for p in FILES if "conformance" in p.stem]


@pytest.mark.parametrize("file", CONFORMANCE, ids=lambda p: str(p.relative_to(ROOT)))
def test_public_checks_do_not_vanish_with_asserts(file: Path) -> None:
    assert not [node.lineno for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Assert)]


def test_asserts_of_the_library_narrow_types_alone() -> None:
    """`python -O` takes them away; what a user could run into is raised."""
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Assert):
                narrows = re.fullmatch(r"[\w.]+ is not None|isinstance\([\w.]+, [\w.]+\)", ast.unparse(node.test))
                assert narrows, f"{file}:{node.lineno}"


@pytest.mark.parametrize("module", ["gazeworld.envs", "gazeworld.agents", "gazeworld.scenarios.commands._main"])
def test_the_front_door_does_not_import_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_shelf_is_packaged() -> None:
    text = (ROOT / "setup.cfg").read_text()
    for file in FILES:
        assert f"gazeworld.{'.'.join(file.relative_to(ROOT).parent.parts)}\n" in text
