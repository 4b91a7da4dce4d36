"""Looking as people do: each fixation from what the network says of the ones before. The network is a stand-in."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes.deepgaze import checkout, weights
from fakes.images import images

from gazeworld.agents import check_policy
from gazeworld.agents.policy import Memory, begun, make_policy, stepped
from gazeworld.envs.files import DataError
from gazeworld.envs.priors.deepgaze3 import DeepGaze3Prior
from gazeworld.envs.rng import Draws
from gazeworld.envs.worlds.saccade import SaccadeWorld


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Options that name the stand-in and its weights."""
    repo = checkout(tmp_path_factory.mktemp("deepgaze") / "checkout")
    yield {"repo": str(repo), "weights": str(weights(DeepGaze3Prior.model, repo, repo.parent)), "size": 24}
    del sys.modules["deepgaze_pytorch"]


def world() -> SaccadeWorld:
    blank = torch.full((6, 24, 24, 3), 90, dtype=torch.uint8)
    blank[:, ::2, ::3] = 99
    return SaccadeWorld(images(blank, "blank"), glimpse=5)


def after(where: SaccadeWorld, steps: list[tuple[float, float]]) -> Memory:
    scene = where.scene(torch.arange(6), Draws.rows(0, 6))
    memory = begun(where, scene)
    for step in steps:
        target = torch.tensor(step).expand(6, 2)
        memory = stepped(where, memory, where.difference(memory.poses[:, -1], target))
    return memory


def test_it_is_a_policy(own: dict[str, Any]) -> None:
    check_policy("deepgaze3", world(), **own, log_prob=True)
    check_policy("deepgaze3", world(), **own, ior=True, radius=3.0)


def test_fixations_follow_the_ones_before_and_return_without_inhibition(own: dict[str, Any]) -> None:
    where = world()
    memory = after(where, [(0.2, 0.2), (0.8, 0.7)])
    policy = make_policy("deepgaze3", where, **own, log_prob=True)
    choice = policy.act(memory, Draws.rows(1, 6))
    landed = memory.poses[:, -1] + choice.action
    assert ((landed - torch.tensor([0.8, 0.7])).norm(dim=1) < 0.25).all(), "the stand-in stays near the last fixation"
    log_p = policy.log_density(memory)
    places = where.lattice.places(landed)
    torch.testing.assert_close(log_p[torch.arange(6), places[:, 0], places[:, 1]], choice.log_prob, atol=1e-4, rtol=0)
    other = policy.log_density(after(where, [(0.8, 0.7), (0.2, 0.2)]))
    assert int(other[0].argmax()) != int(log_p[0].argmax())
    inhibited = make_policy("deepgaze3", where, **own, ior=True, radius=4.0).log_density(memory)
    last = where.lattice.places(memory.poses[:, -1])
    assert (log_p[torch.arange(6), last[:, 0], last[:, 1]] > -8).all()
    assert (inhibited[torch.arange(6), last[:, 0], last[:, 1]] == -torch.inf).all()


def test_what_is_missing_is_told_when_it_is_made(own: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no weights at .*nothing\.pth; expected deepgaze3.pth"):
        make_policy("deepgaze3", world(), **{**own, "weights": str(tmp_path / "nothing.pth")})
    with pytest.raises(ValueError, match=r"radius given without ior"):
        make_policy("deepgaze3", world(), **own, radius=3.0)
    with pytest.raises(ValueError, match="policy 'deepgaze3': size is -1"):
        make_policy("deepgaze3", world(), **{**own, "size": -1})
