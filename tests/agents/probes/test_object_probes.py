"""All probes of object worlds in one call, from a method to tables, and other regions beside."""

import json
import re
from dataclasses import replace
from io import StringIO

import pytest
import torch
from fakes.images import noise
from fakes.object_datasets import objects
from rich.console import Console

from gazeworld.agents.config import ProbeConfig
from gazeworld.agents.probes.evaluate import Arena, has_stored_views, object_probes
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import World
from gazeworld.envs.worlds.rotation import RotationWorld
from gazeworld.envs.worlds.saccade import SaccadeWorld
from gazeworld.models.method import WorldSpec, make_method
from gazeworld.scenarios.reports import tables

CONFIG = ProbeConfig(views=2, repeats=1, epochs_linear=2, epochs_mlp=2, hidden=8, puzzle_epochs=1)


def arena(*worlds: World) -> Arena:
    train, test = (ActiveVisionVectorEnv(6, world, episode_steps=3, tensors=True) for world in worlds)
    return Arena(train, test, {"name": "unseen"})


def test_everything_is_measured_and_shown() -> None:
    train, test = (RotationWorld(replace(objects(n=9, v=8, seed=s), split=p)) for s, p in ((0, "train"), (1, "test")))
    torch.manual_seed(0)
    options = {"encoder": "small", "dim": 16, "width": 4, "action_width": 16, "predictor_hidden": 16}
    one, other = (
        make_method("seq-jepa", WorldSpec((3, 8, 8), 4, (0.5,) * 3, (0.25,) * 3), **options).eval() for _ in range(2)
    )
    before = [value.clone() for value in one.state_dict().values()]
    here, there = arena(train, test), arena(train, RotationWorld(objects(n=9, v=8, seed=2), sign="free"))
    found = object_probes({"trained": one, "untrained": other}, here, {"ood": there}, CONFIG)
    assert json.loads(json.dumps(found, allow_nan=False)).keys() == {
        "retrieval",
        "neighbours",
        "odd_one_out",
        "elsewhere",
    }
    assert found["retrieval"]["candidates"] == 8
    assert found["elsewhere"]["ood"]["recognition"]["scored on"]["there"]["split"] == "ood"
    assert all(torch.equal(a, b) for a, b in zip(before, one.state_dict().values(), strict=True))
    out = Console(file=StringIO(), width=120)
    tables.show_objects(found, out)
    text = out.file.getvalue()
    for words in ("Retrieval", "Nearest neighbours", "Odd one out of 3 views", "scored on “ood”", "absolute rotation"):
        assert words in text
    perfect = found["elsewhere"]["ood"]["absolute rotation"]["perfect"]["there"]["w >= 0"]["raw"]["mean"]
    assert re.search(rf"absolute rotation +perfect answer +1\.000 +{re.escape(f'{perfect:.3f}')}", text)


@pytest.mark.parametrize(("n", "label"), [(1, -1), (4, -1), (4, 0)])
def test_what_cannot_be_measured_is_left_out_and_says_so(n: int, label: int) -> None:
    train, test = (RotationWorld(replace(objects(n=k, v=8, seed=k), split=p)) for k, p in ((9, "train"), (n, "test")))
    for world in (train, test):
        world.labels.fill_(label)
    torch.manual_seed(0)
    options = {"encoder": "small", "dim": 16, "width": 4, "action_width": 16, "predictor_hidden": 16}
    one = make_method("seq-jepa", WorldSpec((3, 8, 8), 4, (0.5,) * 3, (0.25,) * 3), **options).eval()
    here, there = arena(train, test), arena(train, RotationWorld(objects(n=9, v=8, seed=2), sign="free"))
    found = object_probes({"trained": one}, here, {"ood": there}, CONFIG)
    assert "retrieval" in found
    assert ("neighbours" in found) == (n > 1)
    assert "odd_one_out" not in found
    assert "recognition" not in found["elsewhere"]["ood"]
    out = Console(file=StringIO(), width=120)
    tables.show_objects(found, out)
    told = tables.left_out({"objects": found})
    assert (
        f"odd one out is left out: {'the objects have no labels' if label else 'all objects are of one class'}" in told
    )
    few = "neighbours is left out: 3 of them need more objects than 1 in the test split"
    assert (few in told) == (n == 1)


@pytest.mark.parametrize("live", [False, True])
def test_only_worlds_with_stored_views_are_searched(live: bool) -> None:
    options = {"source_options": {"per_family": 2, "size": 16, "views": 3}}
    world = RotationWorld("solids", live=live, renderer="embree", **options)
    assert has_stored_views(arena(world, world)) == (not live)
    images = SaccadeWorld(noise())
    assert not has_stored_views(arena(images, images))
