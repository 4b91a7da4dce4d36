"""Where rays begin and end: places within a pixel, ways through pixels, and points of a lamp shared out among them."""

import math

import numpy as np
from jaxtyping import Float32, Int64

from ..objects import stage

TILE = 3  # pixels a side that share out the points of a lamp


def picks(size: int, samples: int) -> Int64[np.ndarray, " n"]:
    """Which point of the lamp every sample of every pixel looks to: all of them within a tile, in a mixed order."""
    order = np.array([0, 5, 7, 4, 2, 6, 8, 1, 3])  # neighbours are far apart on the spiral
    i = np.arange(size) % TILE
    pixel = order[i[:, None] * TILE + i]  # s s
    return (pixel + TILE**2 * np.arange(samples)[:, None, None]).ravel()


def directions(size: int, shifts: Float32[np.ndarray, "k 2"]) -> Float32[np.ndarray, "3 k s s"]:
    """Ways from the camera through pixels, a unit long straight ahead; `shifts` are (x, y) in [0, 1] within a pixel."""
    _, right, up, ahead = stage.camera()
    at = (np.arange(size) + shifts[:, :, None]) / size * 2 - 1  # k 2 s
    across, down = stage.HALF_WIDTH * at[:, 0, None, :], stage.HALF_WIDTH * at[:, 1, :, None]
    parts = [ahead[i] + across * right[i] - down * up[i] for i in range(3)]
    return np.stack([np.broadcast_to(part, (len(shifts), size, size)) for part in parts]).astype(np.float32)


def scatter(samples: int) -> Float32[np.ndarray, "k 2"]:
    """Places within a pixel, none beside or above another (Hammersley's points)."""
    i = np.arange(samples)
    bits = max(1, math.ceil(math.log2(samples)))
    mirrored = sum((i >> bit & 1) / 2 ** (bit + 1) for bit in range(bits))
    return np.stack(((i + 0.5) / samples, mirrored + 0.5 / 2**bits), 1).astype(np.float32)


def spread(count: int) -> Float32[np.ndarray, "{count} 2"]:
    """Points spread evenly over the unit disc, on Vogel's spiral, from its middle outwards."""
    i = np.arange(count)
    angle = i * np.pi * (3 - np.sqrt(5))
    return (np.sqrt((i + 0.5) / count)[:, None] * np.stack((np.cos(angle), np.sin(angle)), -1)).astype(np.float32)
