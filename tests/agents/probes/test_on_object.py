"""Shares of glimpses on objects and scores of maps, against counts by hand."""

import dataclasses

import pytest
import torch
from fakes.images import noise
from jaxtyping import Bool
from torch import Tensor

from gazeworld.agents.probes.on_object import looks, map_scores, on_object
from gazeworld.envs.stream import Stream
from gazeworld.envs.worlds.saccade import SaccadeWorld


def square(side: int, top: int, left: int, edge: int) -> Bool[Tensor, "h w"]:
    mask = torch.zeros(side, side, dtype=torch.bool)
    mask[top : top + edge, left : left + edge] = True
    return mask


def stream(poses: Tensor, scenes: Tensor) -> Stream:
    b, t, _ = poses.shape
    views = torch.zeros(b, t, 3, 4, 4, dtype=torch.uint8)
    return Stream(views, poses.diff(dim=1), poses, torch.zeros(b, dtype=torch.int64), scenes)


def test_looks_are_what_one_counts() -> None:
    # An object of 4 x 4 in the corner of 10 x 10; glimpses of 4: on it, half of it again, and nowhere near.
    masks = square(10, 0, 0, 4)[None]
    tops = torch.tensor([[0.0, 0.0], [0.0, 2.0], [6.0, 6.0]])
    poses = (tops + 2)[None] / 10
    frames = torch.cat((tops, tops + 4), 1)[None] / 10
    found = looks(masks, poses, frames)
    assert found["centre"].tolist() == [[1.0, 0.0, 0.0]]  # the second one's centre is (2, 4), one pixel too far
    assert found["pixels"].tolist() == [[1.0, 0.5, 0.0]]
    assert found["covered"].tolist() == [[1.0, 1.0, 1.0]]
    assert found["image"].tolist() == [0.16]
    late = looks(masks, poses.flip(1), frames.flip(1))
    assert late["covered"].tolist() == [[0.0, 0.5, 1.0]]


def test_what_lies_beyond_the_border_shows_no_object() -> None:
    masks = torch.ones(1, 10, 10, dtype=torch.bool)
    corner = looks(masks, torch.tensor([[[0.0, 0.0]]]), torch.tensor([[[-0.2, -0.2, 0.2, 0.2]]]))
    assert corner["pixels"].tolist() == [[0.25]]
    assert corner["centre"].tolist() == [[1.0]]
    assert corner["covered"].tolist() == [[0.04]]


def test_streams_are_scored_in_their_world() -> None:
    masks = torch.stack([square(24, 0, 0, 6), square(24, 12, 12, 12), square(24, 0, 0, 0)])
    images = dataclasses.replace(noise(3), masks=lambda index: masks[index])
    world = SaccadeWorld(images, glimpse=12)
    poses = torch.tensor([[0.25, 0.25], [0.75, 0.75]])  # the upper left quarter, then the lower right one
    scenes = torch.tensor([0, 1, 0, 2])
    found = on_object(world, stream(poses.expand(4, 2, 2), scenes))
    assert found is not None
    assert (found["streams"], found["empty"], found["glimpses"]) == (3, 1, [1, 2])
    assert found["pixels"] == pytest.approx([2 * 0.25 / 3, 1 / 3])
    assert found["centre"] == pytest.approx([0.0, 1 / 3])
    assert found["covered"] == pytest.approx([2 / 3, 1.0])
    assert found["image"] == pytest.approx((2 * 36 + 144) / 3 / 24**2)
    assert on_object(SaccadeWorld(noise(3), glimpse=12), stream(poses.expand(4, 2, 2), scenes)) is None


def test_scores_of_maps_that_one_knows() -> None:
    mask = square(8, 2, 2, 4)
    masks = mask.expand(5, -1, -1)
    maps = torch.stack([
        mask.float(),  # all of the mass on the object
        1 - mask.float(),
        torch.full((8, 8), 0.3),
        torch.arange(64.0).view(8, 8),
        (torch.arange(64) % 4).float().view(8, 8),  # many ties
    ])  # fmt: skip
    found = map_scores(maps, masks)
    assert found["auc"][:3].tolist() == [1.0, 0.0, 0.5]
    assert found["mass"][:3].tolist() == pytest.approx([4.0, 0.0, 1.0])
    for i in (3, 4):  # by comparing all pairs
        on, off = maps[i][mask], maps[i][~mask]
        wins = (on[:, None] > off).double().mean() + 0.5 * (on[:, None] == off).double().mean()
        assert float(found["auc"][i]) == pytest.approx(float(wins))
        assert float(found["mass"][i]) == pytest.approx(float(on.sum() / maps[i].sum() * 4))
    nowhere = map_scores(maps[:2], torch.stack([mask & False, mask | True]))
    assert bool(nowhere["auc"].isnan().all())
    assert bool(nowhere["mass"].isnan().all())
