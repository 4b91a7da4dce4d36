"""Dwelling: short saccades around the present fixation, jumps to salient places, and nothing else."""

import numpy as np
import pytest
import torch

from gazeworld.agents.policy import Memory, make_policy
from gazeworld.envs.images import Images
from gazeworld.envs.rng import Draws
from gazeworld.envs.worlds.saccade import SaccadeWorld


def world(padding: str = "inside") -> SaccadeWorld:
    """Scenes of 40 px that are dark but for a bright corner, and a glimpse of 8."""
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 9, (6, 40, 40, 1), dtype=np.uint8))
    pixels[:, :8, :8] += 200
    images = Images("spots", "train", pixels, torch.zeros(6).long(), ("a",), (0.5,), (0.2,), "spots")
    return SaccadeWorld(images, glimpse=8, padding=padding)


def memory(w: SaccadeWorld, n: int) -> Memory:
    """Episodes that have just begun in the middle."""
    poses = torch.full((n, 1, 2), 0.5)
    views = torch.zeros(n, 1, *w.view_shape, dtype=torch.uint8)
    return Memory(views, torch.zeros(n, 0, 2), poses, torch.arange(n) % 6)


@pytest.mark.parametrize("padding", ["inside", "zeros"])
def test_targets_are_legal_repeatable_and_each_row_its_own(padding: str) -> None:
    w = world(padding)
    policy = make_policy("dwell", w, map="contrast", reach=0.3)
    choice = policy.act(memory(w, 60), Draws.rows(3, 60))
    target = torch.full((60, 2), 0.5) + choice.action
    legal = w.lattice.poses(torch.arange(w.lattice.count)[:, None].expand(-1, 2) + w.lattice.low)[:, 0]
    assert (target[..., None] - legal).abs().amin(-1).max() < 1e-6
    assert torch.equal(policy.act(memory(w, 60), Draws.rows(3, 60)).action, choice.action)
    few = torch.tensor([5, 17])
    then = memory(w, 60)
    part = Memory(then.views[few], then.actions[few], then.poses[few], then.scenes[few])
    assert torch.equal(policy.act(part, Draws.rows(3, 60)[few]).action, choice.action[few])


@pytest.mark.parametrize("stay", [0.0, 0.3, 1.0])
def test_stay_is_the_share_of_short_saccades_and_reach_their_length(stay: float) -> None:
    w = world()
    action = (
        make_policy("dwell", w, map="contrast", stay=stay, reach=0.05).act(memory(w, 4000), Draws.rows(0, 4000)).action
    )
    near = action.norm(dim=1) < 0.25  # the bright corner is farther than that
    assert near.float().mean() == pytest.approx(stay, abs=0.04)
    if stay == 1.0:
        assert action.std() == pytest.approx(0.05, abs=0.005)


@pytest.mark.parametrize(
    "options", [{"stay": 1.5}, {"stay": float("nan")}, {"reach": 0.0}, {"map": "deepgaze"}, {"colour": 1}]
)
def test_bad_options_are_refused(options: dict) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))}|unknown prior"):
        make_policy("dwell", world(), **options)
