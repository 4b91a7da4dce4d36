"""Textures at the sizes that pictures of a given size need, and looked up many at a time in NumPy."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64, UInt8
from PIL import Image

# The linear value of every sRGB byte (IEC 61966-2-1).
_BYTE = np.arange(256) / 255
LINEAR = np.where(_BYTE <= 0.04045, _BYTE / 12.92, ((_BYTE + 0.055) / 1.055) ** 2.4).astype(np.float32)
_BETWEEN = (LINEAR[1:] + LINEAR[:-1]) / 2
TEXELS = 4  # a texture is kept at up to so many times the picture's side; an object fills about half of that side


@dataclass(frozen=True)
class Textures:
    """All textures of a mesh with their halvings in one row of texels, so that one gather looks them all up."""

    texels: UInt8[np.ndarray, "n 3"]
    start: Int64[np.ndarray, "k level"]
    height: Int64[np.ndarray, "k level"]
    width: Int64[np.ndarray, "k level"]

    @classmethod
    def of(cls, textures: Sequence[UInt8[np.ndarray, "h w 3"]], most: int) -> "Textures":
        """Every texture at most `most` texels a side, then halved down to one texel."""
        sides = [max(1, most >> i) for i in range(most.bit_length() + 1)]
        flat = [image for texture in textures for image in itertools.accumulate(sides, shrunk, initial=texture)]
        flat = [image for i, image in enumerate(flat) if i % (len(sides) + 1)]  # without the first of each, the whole
        sizes = np.array([image.shape[:2] for image in flat])
        start = np.concatenate(([0], np.cumsum(sizes.prod(1))[:-1]))
        shape = (len(textures), -1)
        return cls(np.concatenate([x.reshape(-1, 3) for x in flat]), *(x.reshape(shape) for x in (start, *sizes.T)))

    def __call__(
        self, which: Int64[np.ndarray, " n"], uv: Float32[np.ndarray, "2 n"], texels: Float32[np.ndarray, " n"]
    ) -> Float32[np.ndarray, "3 n"]:
        """Linear colours, bilinear in the halving nearest to `texels` (log2, of the whole texture) a pixel."""
        level = np.clip(np.rint(texels), 0, self.start.shape[1] - 1).astype(np.int64)
        start, h, w = (x[which, level] for x in (self.start, self.height, self.width))
        x, y = (uv[0] - np.floor(uv[0])) * w - 0.5, (1 - (uv[1] - np.floor(uv[1]))) * h - 0.5
        x0, y0 = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
        fx, fy = (x - x0).astype(np.float32), (y - y0).astype(np.float32)
        found = np.zeros((3, len(which)), np.float32)
        for dx, dy in itertools.product((0, 1), (0, 1)):
            at = start + (y0 + dy) % h * w + (x0 + dx) % w
            found += (fx if dx else 1 - fx) * (fy if dy else 1 - fy) * LINEAR[self.texels[at].T]
        return found


def shrunk(texture: UInt8[np.ndarray, "h w 3"], most: int) -> UInt8[np.ndarray, "h2 w2 3"]:
    """The texture, made smaller by averaging its linear values where a side is longer than `most` pixels."""
    h, w = texture.shape[:2]
    if max(h, w) <= most:
        return texture
    side = (max(1, w * most // max(h, w)), max(1, h * most // max(h, w)))
    channels = [
        np.asarray(Image.fromarray(LINEAR[texture[..., i]]).resize(side, Image.Resampling.BOX)) for i in range(3)
    ]
    return np.searchsorted(_BETWEEN, np.stack(channels, -1)).astype(np.uint8)
