"""How the image of a file becomes a square, said once: for its pixels, for maps of it, and for points in it.

The image is turned as its EXIF data say. Its middle square is cut out ("crop"; where the sides differ by an odd number
of pixels, the one left over is at the right or below), or all of it is squeezed ("resize"). The result is brought to
`side` pixels, with antialiasing where it gets smaller, bilinearly.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float64, UInt8

from ..image_files import places_in

Fit = Literal["crop", "resize"]


@dataclass(frozen=True)
class Geometry:
    """The way from an image of any size to a square of `side` pixels."""

    side: int
    fit: Fit = "crop"

    def box(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Left, top, right, bottom of what is seen of an image of this width and height, turned; in whole pixels."""
        w, h = size
        if self.fit == "resize":
            return 0, 0, w, h
        edge = min(w, h)
        left, top = (w - edge) // 2, (h - edge) // 2
        return left, top, left + edge, top + edge

    def square(self, pixels: UInt8[np.ndarray, "h w c"], orientation: int = 1) -> UInt8[np.ndarray, "side side c"]:
        """Pixels as a file holds them, turned, cut and brought to the side; `orientation` is the number of EXIF."""
        from torchvision.transforms.v2 import functional  # late: it takes half a second to import

        pixels = turned(pixels, orientation)
        left, top, right, bottom = self.box((pixels.shape[1], pixels.shape[0]))
        part = torch.from_numpy(np.ascontiguousarray(pixels[top:bottom, left:right]))
        # Of h w c pixels torch reduces all channels of a pixel at once.
        small = functional.resize_image(part.permute(2, 0, 1), [self.side, self.side], antialias=True)
        return np.ascontiguousarray(small.permute(1, 2, 0).numpy())

    def places(self, points: Float64[np.ndarray, "k 2"], size: tuple[int, int]) -> Float64[np.ndarray, "k 2"]:
        """Where points of a turned image of this width and height lie in the square: (row, col) in units of the side.

        Points are (x, y) in pixels from the upper left corner. What is cut off comes out outside of [0, 1).
        """
        return places_in(self.box(size), points)


def turned(pixels: UInt8[np.ndarray, "h w c"], orientation: int) -> UInt8[np.ndarray, "h2 w2 c"]:
    """Pixels as people are to see them, a view; EXIF's orientations are 1 to 8, and any other number means nothing."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)  # 5: mirrored at the main diagonal
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
