"""Small image sources that can be checked by eye and by arithmetic."""

import torch
from torch import Tensor

from gazeworld.envs.images import Images
from gazeworld.envs.rng import Draws
from gazeworld.envs.world import Scene


def images(pixels: Tensor, name: str = "test") -> Images:
    """Pixels (n h w c) as a source of three classes."""
    n, _, _, c = pixels.shape
    return Images(name, "train", pixels, torch.arange(n) % 3, ("a", "b", "c"), (0.5,) * c, (0.25,) * c, f"{name}{n}")


def noise(n: int = 7, side: int = 24, c: int = 3, seed: int = 0) -> Images:
    """Pictures without any symmetry: every crop is another."""
    generator = torch.Generator().manual_seed(seed)
    return images(torch.randint(1, 256, (n, side, side, c), generator=generator, dtype=torch.uint8), f"noise{seed}")


def ramp(side: int = 12) -> Images:
    """One picture whose first channel is 10 x the row, whose second is 10 x the column, and whose third is 7."""
    index = torch.arange(side, dtype=torch.uint8) * 10
    rows, columns = index[:, None].expand(side, side), index[None, :].expand(side, side)
    return images(torch.stack((rows, columns, torch.full_like(rows, 7)), 2)[None].contiguous(), "ramp")


def scene(world_size: int, index: Tensor) -> Scene:
    """Scenes of these indices; where the sensor begins does not matter."""
    assert int(index.max()) < world_size
    return Scene(index, torch.zeros_like(index), torch.zeros(len(index), 2))


def draws(n: int, seed: int = 0) -> Draws:
    """N streams."""
    return Draws.rows(seed, n)


SOMEWHERE = Scene(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), torch.zeros(0, 2))
"""A scene for worlds whose legal poses do not depend on it."""
