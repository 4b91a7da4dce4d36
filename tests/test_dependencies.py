"""What is imported is declared in setup.cfg, with a lower bound, in the part that installs it for those who need it."""

import ast
import configparser
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIBRARY = ("envs", "models", "agents", "scenarios")
CONFIG = configparser.ConfigParser()
CONFIG.read(ROOT / "setup.cfg", encoding="utf-8")
NAMES = {
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "umap": "umap-learn",
    "cv2": "opencv-python-headless",
    "mathutils": "bpy",  # Blender's own, inside its module
}
"""Packages that are imported under another name than they are installed by."""
OF_OTHERS = {"triton"}
"""What torch brings where it needs it, and is loaded only where it is there."""
OPTIONAL = {
    "rl": r"agents/rl/\w+\.py|scenarios/bench/sb3\.py",
    "render": r"envs/renderers/(opengl|blender)\.py",
    "onnx": r"envs/priors/onnx\.py",
    "hub": r"(envs/downloads|agents/runs/hub)\.py",
    "wandb": r"agents/training/loggers\.py",
    "trackio": r"agents/training/loggers\.py",
    "report": r"agents/probes/umap_maps\.py|scenarios/reports/films\.py",
    "minari": r"agents/training/record(ed_streams|ing)\.py",
}
"""The extras, and the files that may need them."""


def declared(text: str) -> set[str]:
    return {re.split(r"[ <>=!~\[;]", line, maxsplit=1)[0].lower() for line in text.splitlines() if line}


def extra(name: str) -> set[str]:
    return declared(CONFIG["options.extras_require"][name])


def imported(file: Path) -> Iterator[str]:
    """The packages that a file imports anywhere, at its top or later, by the names that they are installed by."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in (
            "import_module",
            "importorskip",
        ):
            first = node.args[0]
            names = [first.value] if isinstance(first, ast.Constant) and isinstance(first.value, str) else []
        else:
            continue
        for name in (name.partition(".")[0] for name in names):
            if name and name not in sys.stdlib_module_names and name not in ("gazeworld", *OF_OTHERS):
                yield NAMES.get(name, name.replace("_", "-")).lower()


FILES = [path for folder in LIBRARY for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("file", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_what_the_library_imports_is_declared(file: Path) -> None:
    allowed = declared(CONFIG["options"]["install_requires"])
    for name, files in OPTIONAL.items():
        if re.fullmatch(files, str(file.relative_to(ROOT))):
            allowed |= extra(name)
    assert set(imported(file)) <= allowed


def test_what_is_declared_is_imported() -> None:
    base = declared(CONFIG["options"]["install_requires"]).union(*(extra(name) for name in OPTIONAL))
    assert base == {name for file in FILES for name in imported(file)}


def test_what_tests_and_examples_import_is_declared_for_them() -> None:
    own = {path.stem for path in (ROOT / "tests").glob("*.py")} | {"fakes"}
    files = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")]
    allowed = declared(CONFIG["options"]["install_requires"]) | extra("dev") | extra("render")
    for some in ("rl", "report", "hub", "test"):
        allowed |= extra(some)
    for file in files:
        assert set(imported(file)) - own <= allowed, file


def test_every_requirement_has_one_lower_bound_that_can_be_installed_exactly() -> None:
    extras = [name for name in CONFIG["options.extras_require"] if name != "dev"]
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "bounds", *extras], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert "torch==2.6" in lines
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    assert len(lines) > len(declared(CONFIG["options"]["install_requires"]))


DECODERS = {
    "read_image",
    "decode_image",
    "decode_jpeg",
    "decode_png",
    "decode_gif",
    "decode_webp",
    "read_video",
    "VideoReader",
}


def test_nothing_relies_on_torchvision_to_decode() -> None:
    """Its decoders of images and films are deprecated; Pillow and imageio read files."""
    for file in [*FILES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("torchvision.io"), f"{file}:{node.lineno}"
                used = {alias.name for alias in node.names} if (node.module or "").startswith("torchvision") else set()
                assert not used & {"io", *DECODERS}, f"{file}:{node.lineno}"
            elif isinstance(node, ast.Import):
                assert not any(alias.name.startswith("torchvision.io") for alias in node.names), f"{file}:{node.lineno}"
            elif isinstance(node, ast.Attribute):
                assert not ast.unparse(node).startswith("torchvision.io"), f"{file}:{node.lineno}"
                assert not re.search(r"\bio\.(decode_image|read_image|decode_jpeg)$", ast.unparse(node)), file


def test_the_part_that_tries_the_lowest_versions_is_there() -> None:
    part = re.search(r"part=\((.*?)\n    \)", (ROOT / "scripts/test").read_text(encoding="utf-8"), re.DOTALL)
    assert part is not None
    words = f"printf '%s\\n' {' '.join(part[1].split())}"
    named = subprocess.run(["bash", "-c", words], capture_output=True, text=True, check=True).stdout.split()
    assert len(named) > 10
    assert not [name for name in named if not (ROOT / name).exists()]
