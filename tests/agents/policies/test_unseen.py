"""The policy that shows each stored view at most once."""

import math

import pytest
import torch
from fakes.images import noise
from fakes.object_datasets import objects

from gazeworld.agents.policy import Memory, make_policy
from gazeworld.agents.training.loop import collect
from gazeworld.envs.rng import Draws
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.worlds.rotation import RotationWorld
from gazeworld.envs.worlds.saccade import SaccadeWorld


@pytest.mark.parametrize("action", ["rot", "color", "rotcolor"])
def test_views_are_drawn_without_replacement_and_evenly(action: str) -> None:
    world, n = RotationWorld(objects(n=3, v=4), action=action), 2400
    env = ActiveVisionVectorEnv(n, world, episode_steps=3, tensors=True)
    env.reset(seed=0)
    stream = collect(env, make_policy("unseen", world), 4, Draws.rows(1, n))
    numbers = stream.views[:, :, 1, 0, 0].long()  # b t
    assert torch.equal(stream.views[:, :, 0, 0, 0].long(), stream.scenes[:, None].expand(-1, 4))
    assert torch.equal(numbers.sort(1).values, torch.arange(4).expand(n, -1))
    orders = (numbers * torch.tensor([64, 16, 4, 1])).sum(1).unique(return_counts=True)[1]
    assert len(orders) == 24
    assert (orders - n / 24).abs().max() < 5 * math.sqrt(n / 24)


def test_log_probabilities_count_what_is_left() -> None:
    world = RotationWorld(objects(n=2, v=5))
    policy, poses = make_policy("unseen", world), world.views.poses[:, :2]
    views = torch.zeros(2, 2, 3, 8, 8, dtype=torch.uint8)
    choice = policy.act(Memory(views, torch.zeros(2, 1, 4), poses, torch.arange(2)), Draws.rows(0, 2))
    assert torch.allclose(choice.log_prob, torch.full((2,), -math.log(3)))


def test_too_long_an_episode_and_other_worlds_are_refused() -> None:
    world = RotationWorld(objects(n=2, v=3))
    env = ActiveVisionVectorEnv(4, world, episode_steps=3, tensors=True)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="all 3 views of an object have been seen"):
        collect(env, make_policy("unseen", world), 4, Draws.rows(1, 4))
    with pytest.raises(ValueError, match="policy 'unseen' needs a world of stored views"):
        make_policy("unseen", SaccadeWorld(noise()))
