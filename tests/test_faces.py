"""Faces of packages: what they offer, imported when it is asked for, and a docstring that is a map of the folder."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(p for folder in ("envs", "models", "agents") for p in (ROOT / folder).rglob("__init__.py"))


@pytest.mark.parametrize("package", ["gazeworld.envs", "gazeworld.models"])
def test_faces_do_not_import_torch(package: str) -> None:
    code = f"import sys, {package}; dir({package}); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def packages() -> list[str]:
    return [".".join(("gazeworld", *p.relative_to(ROOT).parent.parts)) for p in FILES]


@pytest.mark.parametrize("package", [p for p in packages() if hasattr(importlib.import_module(p), "__all__")])
def test_faces_offer_their_names(package: str) -> None:
    module = importlib.import_module(package)
    assert dir(module) == sorted(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        module.nothing  # noqa: B018
    tree = ast.parse(Path(str(module.__file__)).read_text())
    (checkers,) = (n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING")
    seen = {alias.name for node in checkers.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen <= set(module.__all__)
    assert all(name in vars(module) for name in set(module.__all__) - seen), "what the package defines itself"


@pytest.mark.parametrize("package", ["gazeworld.envs", "gazeworld.models"])
def test_docstrings_of_packages_are_maps(package: str) -> None:
    for name in [p for p in packages() if p == package or p.startswith(f"{package}.")]:
        module = importlib.import_module(name)
        files = {m.name for m in pkgutil.iter_modules(module.__path__) if not m.name.startswith("_")}
        assert not {file for file in files if not re.search(rf"\b{file}\b", str(module.__doc__))}, name
