"""Saliency maps that lie beside any images: a world looks where they say."""

from pathlib import Path

import pytest
import torch
from fakes.images import draws, noise
from fakes.map_sets import maps, write_compact

from gazeworld.envs.files import DataError
from gazeworld.envs.worlds.saccade import SaccadeWorld

INDEX = torch.arange(7)


def points() -> torch.Tensor:
    """A map for each image: all mass on one pixel, another one in each."""
    found = torch.zeros(7, 24, 24)
    found[INDEX, 6 + INDEX, 16 - INDEX] = 1
    return found


def test_a_world_looks_where_maps_beside_the_images_say(tmp_path: Path) -> None:
    write_compact(tmp_path / "train", noise(7), points())
    world = SaccadeWorld(noise(7), maps=tmp_path, saliency="precomputed", first="saliency", glimpse=3)
    pose = world.scene(INDEX, draws(7)).pose
    expected = (torch.stack((6 + INDEX, 16 - INDEX), 1) + 0.5) / 24
    assert torch.allclose(pose, expected, atol=1e-6)
    shown = SaccadeWorld(noise(7), maps=tmp_path, saliency="precomputed", observe=("saliency",))
    seen = shown.observe(world.scene(INDEX, draws(7)), pose)["saliency"]
    assert torch.equal(seen[..., 0], (points() * 255).to(torch.uint8))


def test_controls_take_them_too(tmp_path: Path) -> None:
    write_compact(tmp_path / "train", noise(7), points())
    world = SaccadeWorld(noise(7), maps=tmp_path, saliency="mismatched-precomputed", first="saliency", glimpse=3)
    rows = (world.scene(INDEX, draws(7)).pose[:, 0] * 24 - 0.5).round().to(torch.int64) - 6
    assert (noise(7).labels[rows] != noise(7).labels).all()


def test_maps_of_other_images_are_told_when_the_world_is_made(tmp_path: Path) -> None:
    write_compact(tmp_path / "train", noise(7), maps(7, 24))
    with pytest.raises(DataError, match="maps of noise0/train, expected those of noise1/train"):
        SaccadeWorld(noise(7, seed=1), maps=tmp_path)
