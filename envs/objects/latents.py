"""The seven latents of a view, in 3DIEBench's order and ranges (Garrido et al. 2023), and how they are drawn."""

import hashlib
import math

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from .rotations import Region
from .stage import LATENTS

_HIGHEST = (1.0, math.pi / 4, 2 * math.pi, 1.0)  # of the last four; all begin at 0


def of_uniforms(region: Region, uniforms: Float[Tensor, "*b 7"]) -> Float32[Tensor, "*b 7"]:
    """Latents made of seven uniform numbers in [0, 1) each.

    Rotation angles (extrinsic xyz, radians) lie in the region; hues are uniform in [0, 1]; the spot's theta is uniform
    in [0, pi/4] and its phi in [0, 2 pi].
    """
    light = uniforms[..., 3:] * uniforms.new_tensor(_HIGHEST)
    return torch.cat((region.angles(uniforms[..., :3]), light.to(torch.float32)), -1)


def of_object(region: Region, key: str, seed: int, views: int) -> Float32[Tensor, "{views} 7"]:
    """The latents of an object's views: a function of seed and key alone.

    Hence shards and restarts agree, and the first views of an object are the same however many there are.
    """
    word = int.from_bytes(hashlib.sha256(f"{seed}/{key}".encode()).digest()[:16], "big")
    return of_uniforms(region, torch.from_numpy(np.random.default_rng(word).random((views, len(LATENTS)))))
