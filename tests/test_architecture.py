"""The plan of the house, checked: who imports whom, registries without neighbours, faces, sizes, light front doors."""

import ast
import importlib
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ["envs", "models", "agents", "scenarios"]
FILES = sorted(p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py"))
PACKAGES = sorted({file.parent for file in FILES})
REGISTRIES = [
    "envs/worlds",
    "envs/sources",
    "envs/priors",
    "envs/renderers",
    "models/methods",
    "agents/policies",
    "agents/rewards",
]
COMMANDS = "scenarios/commands"

# From the ground up: a room imports rooms of the floors below its own. "." is what stands loose in a folder.
FLOORS = {
    "envs": [
        {"."},
        {"meshes"},
        {"objects"},
        {"image_datasets", "object_datasets", "renderers"},
        {"gaze", "priors", "sources"},
        {"worlds"},
        {"conformance"},
    ],
    "models": [{"."}, {"methods"}, {"published"}, {"conformance"}],
    "agents": [
        {"."},
        {"training"},
        {"probes"},
        {"planning", "rl"},
        {"policies", "rewards"},
        {"conformance"},
        {"runs"},
        {"comparison"},
        {"gaze"},
    ],
    "scenarios": [{"."}, {"reports"}, {"bench"}, {"commands"}],
}
ABOVE = {"published", "conformance"}
"""Modules that stand loose and above the rooms of their folder."""
SHOWS = {"matplotlib", "tyro", "jinja2", "rich.table"}
"""What only scenarios may use: agents measure, scenarios show."""
SHORT = {
    "agents/gaze/cross_fitting.py": "baselines and scores are fitted by it; neither is a home for it",
    "agents/gaze/recurrence.py": "one measure between scan paths and nothing else",
    "agents/gaze/warping.py": "one measure, and the alignment that MultiMatch takes from it",
    "agents/training/collapse_monitor.py": "the loop and online probes ask it; neither is a home for it",
    "agents/training/optimiser.py": "everything of appendix A.2 and nothing else",
    "envs/meshes/solids.py": "the list of families, which the files of families may not import",
    "models/momentum.py": "everything of the momentum target of appendix A.3 and nothing else",
}
"""Files of machinery under 60 lines, and why each of them stands for itself."""


def place(name: str) -> tuple[str, str]:
    """Folder and room of a dotted name of ours, as `agents.probes.features`: ("agents", "probes")."""
    folder, *rest = name.split(".")
    return folder, rest[0] if rest and (rest[0] in ABOVE or (ROOT / folder / rest[0]).is_dir()) else "."


def dotted(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def modules() -> frozenset[str]:
    return frozenset(dotted(file) for file in FILES)


@cache
def imported(file: Path) -> frozenset[str]:
    """Dotted names of our own modules that a file imports, at its top or inside of functions."""
    found = set()
    inside = file.relative_to(ROOT).with_suffix("").parts
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Import):
            found |= {a.name.removeprefix("gazeworld.") for a in node.names if a.name.startswith("gazeworld.")}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = ".".join((*inside[: len(inside) - node.level], *([node.module] if node.module else [])))
            elif (node.module or "").startswith("gazeworld"):
                base = (node.module or "").removeprefix("gazeworld").removeprefix(".")
            else:
                continue
            names = {f"{base}.{a.name}".removeprefix(".") for a in node.names}
            found |= {name if name in modules() else base for name in names}
    return frozenset(found)


def others(file: Path) -> set[str]:
    """Dotted names of what a file imports that is not ours."""
    found = set()
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {f"{node.module}.{a.name}" for a in node.names}
    return {name for name in found if not name.startswith("gazeworld")}


def floor(folder: str, room: str) -> int:
    return next(i for i, rooms in enumerate(FLOORS[folder]) if room in rooms)


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


# A face names what lies in its rooms, above it; what it imports when it is imported is tested below.
@pytest.mark.parametrize("file", [file for file in FILES if file.name != "__init__.py"], ids=name_of)
def test_imports_point_downwards(file: Path) -> None:
    folder, room = place(dotted(file))
    own = FOLDERS.index(folder), floor(folder, room)
    for name in imported(file):
        there, other = place(name)
        if (there, other) != (folder, room):
            assert (FOLDERS.index(there), floor(there, other)) < own, name


def test_every_room_has_its_floor() -> None:
    rooms = {place(dotted(file)) for file in FILES}
    assert rooms == {(folder, room) for folder, floors in FLOORS.items() for group in floors for room in group}


@pytest.mark.parametrize("folder", FOLDERS)
def test_modules_do_not_import_each_other_in_circles(folder: str) -> None:
    above: dict[str, set[str]] = {}
    for file in FILES:
        if dotted(file).startswith(f"{folder}.") and file.name != "__init__.py":
            above[dotted(file)] = {name for name in imported(file) if name != dotted(file)}
    while above:
        ground = {name for name, below in above.items() if not below & above.keys()}
        assert ground, f"a circle among {sorted(above)}"
        above = {name: below for name, below in above.items() if name not in ground}


@pytest.mark.parametrize("registry", [*REGISTRIES, COMMANDS])
def test_registries_import_no_neighbour(registry: str) -> None:
    """What begins with `_` is the registry's own tool, and anybody's in it."""
    package = registry.replace("/", ".")
    files = [p for p in (ROOT / registry).glob("*.py") if p.stem != "__init__"]
    entries = {f"{package}.{p.stem}" for p in files if not p.stem.startswith("_")}
    assert entries
    for file in files:
        assert not imported(file) & (entries - {dotted(file)}), file


def test_scenario_files_import_no_neighbour() -> None:
    files = [p for p in (ROOT / "scenarios").glob("*.py") if not p.stem.startswith("_")]
    assert files
    for file in files:
        assert not imported(file) & {f"scenarios.{p.stem}" for p in files}, file


@pytest.mark.parametrize("file", [p for p in FILES if place(dotted(p))[0] != "scenarios"], ids=name_of)
def test_agents_measure_and_scenarios_show(file: Path) -> None:
    for name in others(file):
        assert not any(f"{name}.".startswith(f"{one}.") for one in SHOWS), name


@pytest.mark.parametrize("file", [p for p in FILES if place(dotted(p))[0] in ("models", "agents")], ids=name_of)
def test_no_world_in_particular_is_known_to_models_and_agents(file: Path) -> None:
    assert not {name for name in imported(file) if name.startswith("envs.worlds.")}


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_files_and_functions_have_the_size_of_one_idea(file: Path) -> None:
    lines = len(file.read_text(encoding="utf-8").splitlines())
    assert lines <= 400
    entry = (
        any(name_of(file).startswith(f"{one}/") for one in [*REGISTRIES, COMMANDS]) or file.parent == ROOT / "scenarios"
    )
    if file.name != "__init__.py" and not entry:
        assert lines >= 60 or name_of(file) in SHORT, f"{lines} lines; fold it into another, or say why not in SHORT"
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno <= 60, node.name


def test_reasons_for_short_files_are_given_where_there_is_one() -> None:
    for name, reason in SHORT.items():
        assert reason, name
        assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) < 60, name


@pytest.mark.parametrize("package", PACKAGES, ids=name_of)
def test_a_face_maps_its_folder(package: Path) -> None:
    """The docstring names every module and room that is not private; of registries it says what one entry is."""
    text = ast.get_docstring(tree_of(package / "__init__.py")) or ""
    assert len(text.splitlines()) > 1
    if name_of(package) in REGISTRIES or package == ROOT / "scenarios":
        return
    inside = {p.stem for p in package.glob("*.py")} | {
        p.name for p in package.iterdir() if (p / "__init__.py").exists()
    }
    missing = [n for n in sorted(inside) if not n.startswith("_") and not re.search(rf"\b{re.escape(n)}\b", text)]
    assert not missing


def test_no_face_imports_torch() -> None:
    names = [f"gazeworld.{dotted(package / '__init__.py')}" for package in PACKAGES]
    code = (
        "import importlib, sys\n"
        f"for name in {names}:\n"
        "    dir(importlib.import_module(name))\n"
        "    assert 'torch' not in sys.modules, name\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("package", PACKAGES, ids=name_of)
def test_a_face_offers_what_it_names(package: Path) -> None:
    name = f"gazeworld.{dotted(package / '__init__.py')}"
    face = importlib.import_module(name)
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        face.no_such_name  # noqa: B018
    if "__all__" not in vars(face):
        return
    assert sorted(set(face.__all__)) == dir(face)
    for one in face.__all__:
        assert getattr(face, one) is not None
    body = tree_of(package / "__init__.py").body
    (checkers,) = (n for n in body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING")
    seen = {alias.name for node in checkers.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen <= set(face.__all__)
    assert all(one in vars(face) for one in set(face.__all__) - seen), "what the package defines itself"


@pytest.mark.parametrize("package", ["envs", "models", "agents"])
def test_the_great_faces_are_not_empty(package: str) -> None:
    face = importlib.import_module(f"gazeworld.{package}")
    assert face.__all__
    for one in face.__all__:
        made = getattr(face, one)
        assert not callable(made) or made.__doc__, one


CONFORMANCE = [p for p in FILES if "conformance" in str(p.relative_to(ROOT))]


@pytest.mark.parametrize("file", CONFORMANCE, ids=name_of)
def test_public_checks_do_not_vanish_with_asserts(file: Path) -> None:
    assert not [node.lineno for node in ast.walk(tree_of(file)) if isinstance(node, ast.Assert)]


def test_asserts_of_the_library_narrow_types_alone() -> None:
    """`python -O` takes them away; what a user could run into is raised."""
    for file in FILES:
        for node in ast.walk(tree_of(file)):
            if isinstance(node, ast.Assert):
                narrows = re.fullmatch(r"[\w.]+ is not None|isinstance\([\w.]+, [\w.]+\)", ast.unparse(node.test))
                assert narrows, f"{file}:{node.lineno}"


def test_the_command_line_does_not_import_torch() -> None:
    code = "import sys, gazeworld.scenarios.commands._main; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_room_is_packaged() -> None:
    text = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    for package in PACKAGES:
        assert f"    gazeworld.{'.'.join(package.relative_to(ROOT).parts)}\n" in text


def test_tests_mirror_the_house() -> None:
    """A test's folder is that of what it tests."""
    rooms = {name_of(package) for package in PACKAGES}
    for folder in {file.parent for file in (ROOT / "tests").rglob("test_*.py")}:
        inside = str(folder.relative_to(ROOT / "tests"))
        assert inside == "." or inside in rooms, inside
