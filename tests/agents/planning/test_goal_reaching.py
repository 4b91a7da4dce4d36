"""Reaching goals: perfect planners, chance counted by hand, and the baseline that matches pixels."""

import json
from dataclasses import replace

import pytest
import torch
from fakes.images import noise
from fakes.methods import PLACES, Knows, Turns, at, landed, place, recall, wander
from fakes.object_datasets import objects
from fakes.worlds import CountingWorld

from gazeworld.agents.config import ReachConfig
from gazeworld.agents.planning import goal_reaching as module
from gazeworld.agents.planning.goal_reaching import PixelMatching, Seeks, reach, seekers
from gazeworld.agents.policy import make_policy
from gazeworld.envs.rng import Draws
from gazeworld.envs.worlds.rotation import RotationWorld
from gazeworld.envs.worlds.saccade import SaccadeWorld

NEAR = ReachConfig(scenes=0, within=3.0, saccades=3)


def many(n: int = 120) -> SaccadeWorld:
    """The same ramp many times over."""
    world = place()
    pixels = world.images.pixels.expand(n, -1, -1, -1).contiguous()
    images = type(world.images)(
        "ramps", "train", pixels, torch.arange(n) % 3, ("a", "b", "c"), (0.5,) * 3, (0.2,) * 3, "r"
    )
    return SaccadeWorld(images, glimpse=8)


def test_a_perfect_model_arrives_at_once_and_chance_is_counted() -> None:
    world = many()
    result = reach(seekers({"known": Knows()}, world, NEAR), world, NEAR)
    json.dumps(result, allow_nan=False)
    values = result["values"]
    assert list(values) == ["known model", "uniform", "saliency", "pixel matching"]
    assert values["known model"]["reached"] == [1.0, 1.0, 1.0]
    assert values["known model"]["interval"][0][0] > 0.95
    assert (result["unit"], result["scenes"], result["actions"]) == ("pixels", 120, [1, 2, 3])
    assert 0.04 < result["chance"][0] < 29 / PLACES**2 + 1e-9, "29 places lie within 3 pixels, fewer at the border"
    for name in ("uniform", "saliency"):
        low, high = values[name]["interval"][2]
        assert low - 0.05 < result["chance"][2] < high + 0.05, name
        assert values[name]["reached"] == sorted(values[name]["reached"])


def test_what_lies_beside_a_place_that_was_tried_may_be_the_goal() -> None:
    world, exact = many(12), replace(NEAR, within=0.0)
    found = seekers({"known": Knows()}, world, exact)
    assert reach(found, world, replace(exact, seen=3))["values"]["known model"]["reached"][2] == 1.0


def test_batches_and_goals() -> None:
    world = many(30)
    task = module._task(world, torch.arange(30), ReachConfig(seen=3, within=5.0), Draws.rows(0, 30))
    apart = (world.lattice.places(task.memory.poses) - world.lattice.places(task.goal)[:, None]).double().norm(dim=-1)
    assert task.memory.poses.shape == (30, 3, 2)
    assert (apart > 5).all()
    spots = torch.cartesian_prod(torch.arange(PLACES), torch.arange(PLACES))
    share = ((spots[:, None] - world.lattice.places(task.goal)).double().norm(dim=-1) <= 5).double().mean(0)
    torch.testing.assert_close(task.chance, 1 - (1 - share[:, None]) ** torch.arange(1, 4))
    config = ReachConfig(scenes=0, batch=7)
    assert reach({"uniform": make_policy("uniform", world)}, world, config)["scenes"] == 30


def test_stored_views_are_found_and_replans_leave_out_what_was_tried() -> None:
    world = RotationWorld(objects(n=12, v=6))
    result = reach(seekers({"known": Turns(world)}, world), world, ReachConfig(scenes=0, seen=2))
    assert result["values"]["known model"]["reached"] == [1.0, 1.0, 1.0]
    assert result["chance"] == pytest.approx([0.25, 0.5, 0.75])
    assert result["unit"] == "degrees"
    every = reach({"unseen": make_policy("unseen", world)}, world, ReachConfig(scenes=0, seen=2, saccades=4))
    assert every["values"]["unseen"]["reached"][3] == 1.0, "four unseen views, none tried twice"
    assert every["values"]["unseen"]["nearest"][3] == 0.0


def test_matching_pixels_finds_what_overlaps() -> None:
    world = SaccadeWorld(noise(n=5, side=24), glimpse=8)
    starts = torch.tensor([[8, 8], [0, 0], [16, 16], [4, 9], [10, 2]])
    memory = recall(world, at(world, starts)[:, None], torch.arange(5))
    policy = PixelMatching(world)
    assert isinstance(policy, Seeks)
    for shift in ([4, 3], [-5, 0], [0, 5]):
        goals = (starts + torch.tensor(shift)).clamp(0, 16)
        overlap = (goals - starts).double().norm(dim=1) > 4  # else inhibition forbids it
        policy.aim(world.look(world.scene(torch.arange(5), Draws.rows(0, 5)), at(world, goals)))
        got = landed(world, memory, policy.act(memory, Draws.rows(0, 5)).action)
        assert overlap.any()
        assert torch.equal(got[overlap], goals[overlap])


def test_expected_differences_are_those_of_a_loop() -> None:
    world = SaccadeWorld(noise(n=2, side=12), glimpse=4)
    memory = wander(world, 2, 2)
    policy = PixelMatching(world)
    goal = torch.rand(2, 3, 4, 4)
    found = policy._expected(memory, goal)
    for b in range(2):
        seen = memory.views[b].float() / 255
        cost = (goal[b] - seen.mean()).square() + seen.var(correction=0)
        picture, known = torch.zeros(3, 12, 12), torch.zeros(12, 12, dtype=torch.bool)
        for (i, j), view in zip(world.lattice.places(memory.poses[b]).tolist(), seen, strict=True):
            picture[:, i : i + 4, j : j + 4], known[i : i + 4, j : j + 4] = view, True
        for cell in range(81):
            i, j = divmod(cell, 9)
            part, sure = picture[:, i : i + 4, j : j + 4], known[i : i + 4, j : j + 4]
            expected = torch.where(sure, (part - goal[b]).square(), cost).sum()
            torch.testing.assert_close(found[b, cell], expected, atol=1e-4, rtol=1e-4)


def test_what_cannot_be_reached_is_refused() -> None:
    with pytest.raises(ValueError, match="reaching needs a world of fixations or of stored views, and CountingWorld"):
        reach({}, CountingWorld())
    with pytest.raises(ValueError, match="matching pixels needs a world of fixations, and CountingWorld is none"):
        PixelMatching(CountingWorld())
    with pytest.raises(ValueError, match=r"scene 0 has no place that could be a goal after 1 views"):
        reach({}, place(), ReachConfig(scenes=0, within=100.0))
    with pytest.raises(ValueError, match="pixel matching has no goal"):
        PixelMatching(place()).act(wander(place(), 1, 1), Draws.rows(0, 1))
    with pytest.raises(ValueError, match=r"reach\.saccades is 0"):
        ReachConfig(saccades=0)
