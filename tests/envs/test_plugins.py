"""Things of other packages are found by the names they offer and by their places; a fault is told in one sentence."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gazeworld.agents.policy import POLICIES
from gazeworld.envs import make_world, plugins, registry
from gazeworld.envs.images import SOURCES, load_source
from gazeworld.envs.validation import OptionError
from gazeworld.envs.world import WORLDS, World
from gazeworld.models.method import METHODS, Method

PACKAGE = {
    "gaze_lab/__init__.py": "",
    "gaze_lab/worlds.py": """
from gazeworld.envs.worlds.saccade import SaccadeWorld
from gazeworld.envs.world import World

class SmallWorld(SaccadeWorld):
    pass

class Unfinished(World):
    pass

class Apart:
    pass

number = 3
""",
    "gaze_lab/data.py": """
import torch
from gazeworld.envs.images import Images

def load(split="train", root="", count: int = 5):
    pixels = torch.zeros(count, 12, 12, 1, dtype=torch.uint8)
    return Images("grey", split, pixels, torch.zeros(count).long(), ("nothing",), (0.5,), (0.5,), "grey 1")

def broken(split="train", root=""):
    return None
""",
    "gaze_lab/needy.py": "import gaze_lab_needs_this\n",
    "gaze_lab/faulty.py": "1 / 0\n",
}
OFFERED = """
[gazeworld.worlds]
small = gaze_lab.worlds:SmallWorld
saccade = gaze_lab.worlds:SmallWorld
[gazeworld.sources]
grey_stuff = gaze_lab.data
[gazeworld.methods]
twice = gaze_lab.one:Twice
"""


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Another package, installed as far as Python can tell."""
    about = {"METADATA": "Metadata-Version: 2.1\nName: gaze-lab\nVersion: 1.0\n", "entry_points.txt": OFFERED}
    write(tmp_path, {**PACKAGE, **{f"gaze_lab-1.0.dist-info/{name}": text for name, text in about.items()}})
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] in ("gaze_lab", "gaze_here")]:
        del sys.modules[name]


def test_offered_names_stand_beside_ours_and_nothing_is_imported_for_it() -> None:
    assert {"small", "saccade", "rotation"} <= set(registry.names(WORLDS))
    assert "grey-stuff" in registry.names(SOURCES)
    assert "small" not in registry.own_names(WORLDS)
    registry.require(WORLDS, "small")
    assert "gaze_lab.worlds" not in sys.modules


@pytest.mark.parametrize("name", ["small", "gaze_lab.worlds:SmallWorld"])
def test_a_class_is_found_by_both_names(name: str) -> None:
    kind = registry.concrete(WORLDS, name, World)
    assert kind.__module__ == "gaze_lab.worlds"
    world = make_world(name, source="gaze_lab.data:load", source_options={"count": 7})
    assert (type(world), world.size, world.view_shape) == (kind, 7, (1, 4, 4))


@pytest.mark.parametrize("name", ["grey-stuff", "grey_stuff", "gaze_lab.data", "gaze_lab.data:load"])
def test_a_source_is_a_function_or_a_module_that_has_it(name: str) -> None:
    assert len(load_source(name, count=3)) == 3
    assert registry.module(SOURCES, name).__name__ == "gaze_lab.data"
    with pytest.raises(OptionError, match=r"count is 'x', expected an integer"):
        load_source(name, count="x")


def test_a_name_of_ours_means_ours_and_says_so() -> None:
    with pytest.warns(UserWarning, match=r"world 'saccade' is gazeworld's own; .* gaze_lab.worlds:SmallWorld"):
        assert registry.concrete(WORLDS, "saccade", World).__module__ == "gazeworld.envs.worlds.saccade"


def test_a_name_that_two_packages_offer_is_nobody_s(package: Path) -> None:
    other = "Metadata-Version: 2.1\nName: other-lab\nVersion: 1.0\n"
    points = "[gazeworld.worlds]\nsmall = other_lab:World\n"
    write(package, {"other_lab-1.dist-info/METADATA": other, "other_lab-1.dist-info/entry_points.txt": points})
    plugins._offered.cache_clear()  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(plugins.PluginError, match=r"several packages; .*: .*gaze_lab.worlds:SmallWorld"):
        registry.require(WORLDS, "small")
    plugins._offered.cache_clear()  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(
    ("name", "said"),
    {
        "a module": ("gaze_lob.worlds:SmallWorld", r"there is no module 'gaze_lob'; install the package"),
        "a file of it": ("gaze_lab.wurlds:SmallWorld", r"there is no module 'gaze_lab.wurlds'; install"),
        "a name": ("gaze_lab.worlds:SmalWorld", r"gaze_lab.worlds has no 'SmalWorld'; did you mean 'SmallWorld'\?"),
        "a name in it": ("gaze_lab.worlds:SmallWorld.x", r"gaze_lab.worlds.SmallWorld has no 'x'"),
        "no name": ("gaze_lab.worlds:", r"'gaze_lab.worlds:' is no such place; expected MODULE:NAME"),
        "a path": ("gaze_lab/worlds.py:SmallWorld", r"expected MODULE:NAME as in `from MODULE import NAME`"),
        "a number": ("gaze_lab.worlds:number", r"is an int, expected a class derived from World"),
        "another class": ("gaze_lab.worlds:Apart", r"is the class Apart, expected one derived from gazeworld.envs"),
        "the contract": ("gazeworld.envs:World", r"is the class World, expected one derived from"),
        "abstract": ("gaze_lab.worlds:Unfinished", r"Unfinished does not define difference, look, move, random_pose"),
        "what it needs": ("gaze_lab.needy:X", r"gaze_lab.needy needs the module 'gaze_lab_needs_this', which is not"),
        "a fault": ("gaze_lab.faulty:X", r"importing gaze_lab.faulty failed with ZeroDivisionError: division by zero"),
        "nothing": (
            "smal",
            r"^unknown world 'smal'; there are: .*, or MODULE:NAME of another .*; did you mean 'small'\?",
        ),
    }.values(),
)
def test_what_cannot_be_had_is_one_sentence(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as told:
        registry.concrete(WORLDS, name, World)
    assert "\n" not in str(told.value)


def test_an_offer_that_leads_to_nothing_says_where_it_leads() -> None:
    with pytest.raises(plugins.PluginError, match=r"method 'twice' \(gaze_lab.one:Twice\): there is no module"):
        registry.concrete(METHODS, "twice", Method)
    with pytest.raises(plugins.PluginError, match=r"method 'twice' \(gaze_lab.one:Twice\): there is no module"):
        registry.require(METHODS, "twice")


@pytest.mark.parametrize("name", ["gaze_lob:X", "gaze_lab.nowhere:X", "gaze_lab:", "1:2"])
def test_what_is_required_is_there(name: str) -> None:
    with pytest.raises(plugins.PluginError, match=r"no module|no such place"):
        registry.require(POLICIES, name)


def test_sources_that_give_no_data_and_are_no_function_are_refused() -> None:
    with pytest.raises(OptionError, match=r"source 'gaze_lab.data:broken' gave None, expected Images or Objects"):
        load_source("gaze_lab.data:broken")
    with pytest.raises(OptionError, match=r"is a class, expected a function load\(split, root, \*\*options\)"):
        load_source("gaze_lab.worlds:Apart")
    with pytest.raises(plugins.PluginError, match=r"gaze_lab.worlds has no 'load'"):
        load_source("gaze_lab.worlds")


def test_the_folder_of_the_command_line_comes_last_and_only_when_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "elsewhere"
    write(here, {"gaze_here.py": PACKAGE["gaze_lab/worlds.py"], "json.py": "1 / 0"})
    monkeypatch.setattr(plugins, "_FOLDERS", [])
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(plugins.PluginError, match=r"no module 'gaze_here'; .* start in the folder where it lies"):
        registry.require(WORLDS, "gaze_here:SmallWorld")
    plugins.search(str(here))
    registry.concrete(WORLDS, "small", World)
    assert str(here) not in sys.path
    assert registry.concrete(WORLDS, "gaze_here:SmallWorld", World).__name__ == "SmallWorld"
    assert sys.path[-1] == str(here)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("uniform", ("uniform", "")),
        ("saliency:map=contrast,radius=8", ("saliency", "map=contrast,radius=8")),
        ("lab.gaze:Left", ("lab.gaze:Left", "")),
        ("lab.gaze:Left:by=0.1,to=[1,2]", ("lab.gaze:Left", "by=0.1,to=[1,2]")),
        ("saliency:contrast", ("saliency", "contrast")),
    ],
)
def test_names_are_told_from_options(text: str, found: tuple[str, str]) -> None:
    assert registry.split(POLICIES, text) == found


def test_folders_are_named_after_classes() -> None:
    assert [registry.short(name) for name in ("seq-jepa", "lab.one:MyMethod", "lab:JEPA2D")] == [
        "seq-jepa",
        "my-method",
        "jepa2-d",
    ]
