"""Every scenario and variant is found, documented, serialisable, and takes three steps."""

import gzip
import json
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from fakes.archives import write_cifar100, write_tiny_imagenet
from fakes.imagenet import imagenet
from fakes.object_datasets import write_tree
from fakes.stamps import draw_photographs, draw_stamps
from PIL import Image
from rich.console import Console

from gazeworld.agents.runs import build, scenario, train_run
from gazeworld.agents.runs.scenario import Run, open_run
from gazeworld.agents.training.loop import collect
from gazeworld.envs import registry
from gazeworld.envs.object_datasets.pack_tree import pack
from gazeworld.envs.rng import Draws
from gazeworld.envs.world import World
from gazeworld.envs.worlds.rotation import RotationWorld
from gazeworld.envs.worlds.saccade import SaccadeWorld
from gazeworld.scenarios.commands import _catalogue
from gazeworld.scenarios.commands._catalogue import SCENARIOS

HEADS = ("Claim", "Source", "Command")


def stl10(root: Path) -> None:
    folder = root / "stl10_binary"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split, n in (("train", 12), ("test", 12), ("unlabeled", 20)):
        rng.integers(0, 256, (n, 3, 96, 96), dtype=np.uint8).tofile(folder / f"{split}_X.bin")
        if split != "unlabeled":
            (np.arange(n) % 10 + 1).astype(np.uint8).tofile(folder / f"{split}_y.bin")
    (folder / "class_names.txt").write_text("\n".join("abcdefghij") + "\n")


def fashion(root: Path) -> None:
    rng = np.random.default_rng(0)
    for split, n in (("train", 20), ("t10k", 20)):
        pixels, labels = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), (np.arange(n) % 10).astype(np.uint8)
        for kind, data, magic in (("images-idx3", pixels, 2051), ("labels-idx1", labels, 2049)):
            head = np.array([magic, *data.shape], dtype=">i4").tobytes()
            (root / f"{split}-{kind}-ubyte.gz").write_bytes(gzip.compress(head + data.tobytes()))


def packed(root: Path) -> None:
    """A store of a tree with views of 128 px and more of them than any scenario looks at."""
    write_tree(root / "tree", {"chair": 6, "table": 6}, views=10, side=128)
    for file in pack(root / "tree", root / "store").iterdir():
        file.rename(root / file.name)


def stamps(root: Path) -> None:
    """Cut-outs, and photographs to put behind them."""
    draw_stamps(root)
    draw_photographs(root / "photographs", 4)


def folder(root: Path) -> None:
    """Photographs of two classes, of different sizes."""
    rng = np.random.default_rng(0)
    for i in range(40):
        place = root / ("cats" if i % 2 else "dogs") / f"{i}.png"
        place.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (60 + i, 90, 3), dtype=np.uint8)).save(place)


MAKERS = {
    "folder": folder,
    "stl10": stl10,
    "fashion-mnist": fashion,
    "packed": packed,
    "cifar100": write_cifar100,
    "stamps": stamps,
    "imagenet": lambda root: imagenet(root, 4, (120, 90)),
    "tiny-imagenet": lambda root: write_tiny_imagenet(root, train=4, val=4),
}
SMALLER = {"solids": {"per_family": 3, "size": 32, "views": 10}, "search": {"variants": 1}}


def test_names_come_from_files_and_their_variants() -> None:
    names = _catalogue.names()
    assert {"saccade-digits", "saccade-digits:demo", "saccade-stl10:no-saliency"} <= set(names)
    for name in names:
        assert _catalogue.load(name) == _catalogue.load(name.replace("-", "_"))


@pytest.mark.parametrize("name", registry.names(SCENARIOS))
def test_docstrings_state_claim_source_and_command(name: str) -> None:
    text = registry.module(SCENARIOS, name).__doc__ or ""
    assert _catalogue.summary(name)
    assert all(f"\n{head}\n" in text for head in HEADS)


@pytest.mark.parametrize("name", _catalogue.names())
def test_json_and_back(name: str, tmp_path: Path) -> None:
    one = _catalogue.load(name)
    assert scenario.from_json(json.loads(json.dumps(scenario.to_json(one))), tmp_path) == one


def test_an_unknown_name_is_answered_with_what_there_is() -> None:
    with pytest.raises(
        registry.UnknownNameError, match=r"unknown scenario 'saccade-digit'; there are: .*saccade-digits"
    ):
        _catalogue.load("saccade-digit")


def test_changed_merges_and_refuses_unknown_fields() -> None:
    one = _catalogue.load("saccade-digits")
    other = one.changed(world={"noise": 0.5}, train={"batch": 7}, seed=3)
    assert (other.world["noise"], other.train.batch, other.seed) == (0.5, 7, 3)
    assert other.world["source"] == one.world["source"]
    with pytest.raises(TypeError):
        one.changed(train={"colour": 1})


def is_large(name: str) -> bool:
    """Variants on a ResNet: their scenarios without a variant take the steps for them."""
    return ":" in name and "resnet" in _catalogue.load(name).method["encoder"]


def shortened(name: str, folder: Path) -> scenario.Scenario:
    """Three steps on data of the real format, as little as there can be of it."""
    one = _catalogue.load(name)
    world = {}
    if one.world["source"] in SMALLER:
        world = {"source_options": SMALLER[one.world["source"]]}
    if one.world["source"] in MAKERS:
        root = folder / "data"
        root.mkdir()
        MAKERS[one.world["source"]](root)
        world = {"root": str(root)}
        if one.world.get("source_options", {}).get("behind") == "photos":
            world["source_options"] = {"behind": "photos", "backgrounds": [str(root / "photographs")]}
    train = {"epochs": 0, "steps": 3, "batch": 4, "log_every": 1, "probe_every": 3, "save_every": 3}
    return one.changed(world=world, train={**train, "compile": False, "precision": "32-true"}, probe={"online": 12})


@pytest.mark.parametrize("name", [name for name in _catalogue.names() if not is_large(name)])
def test_three_steps(name: str, tmp_path: Path) -> None:
    short = shortened(name, tmp_path)
    run = Run(tmp_path / "run", name, short)
    train_run.train_run(run, "cpu", resume=False, console=Console(file=StringIO()))
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 1, 2, 3, 3]
    assert open_run(tmp_path / "run").scenario == short
    made_by = json.loads((tmp_path / "run/config.json").read_text())["made_by"]
    assert {"command", "versions", "fingerprint", "device"} <= made_by.keys()


@pytest.mark.parametrize("name", [*filter(is_large, _catalogue.names())])
def test_the_first_loss_of_variants_on_a_resnet(name: str, tmp_path: Path) -> None:
    short = shortened(name, tmp_path).changed(train={"batch": 2}, probe={"online": 0})
    fabric = build.fabric_of(short, "cpu")
    session = build.session_of(short, fabric, build.world_of(short, short.world["split"], fabric.device))
    stream = collect(session.env, session.policy, short.train.observed + 1, Draws.rows(0, 2))
    loss, _ = session.method.loss(stream)
    assert stream.views.shape[:2] == (2, short.train.observed + 1)
    assert bool(loss.isfinite())
    assert loss.requires_grad


def test_streams_must_suit_the_method() -> None:
    digits, solids = _catalogue.load("saccade-digits"), _catalogue.load("rotation-solids")
    saccades, turns = World.__new__(SaccadeWorld), World.__new__(RotationWorld)
    turns.additive = False

    def method(one: scenario.Scenario, name: str, observed: int) -> scenario.Scenario:
        return one.changed(method={"name": name}, train={"observed": observed})

    build.check_method(method(digits, "simclr", 1), saccades)
    build.check_method(method(digits, "conv-jepa", 4), saccades)
    build.check_method(method(solids, "conv-jepa", 1), turns)
    with pytest.raises(ValueError, match=r"'simclr' learns from 2 views, but train\.observed=4 gives 5"):
        build.check_method(method(digits, "simclr", 4), saccades)
    with pytest.raises(ValueError, match="'vicreg-traj' learns from 3 views"):
        build.check_method(method(digits, "vicreg-traj", 1), saccades)
    with pytest.raises(ValueError, match=r"do not add: train\.observed is 3, expected 1"):
        build.check_method(method(solids, "conv-jepa", 3), turns)
