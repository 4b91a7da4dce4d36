"""Small cut-outs in the folders of Tux Paint's stamps: every class has a colour of its own."""

import colorsys
from pathlib import Path

import numpy as np
from PIL import Image

from gazeworld.envs.sources._stamp_objects import CLASSES, KINDS

FEW = 6
"""Objects of each class."""


def colour(label: int) -> tuple[int, int, int]:
    """The colour of a class: no two are near each other, nor near grey 128."""
    r, g, b = colorsys.hsv_to_rgb(label / len(CLASSES), 1.0, 1.0 if label % 2 else 0.6)
    return round(255 * r), round(255 * g), round(255 * b)


def stamp(rgb: tuple[int, int, int], w: int, h: int, rim: int = 3) -> Image.Image:
    """A rectangle without soft edges, within a rim where nothing is opaque and white lies hidden."""
    pixels = np.full((h + 2 * rim, w + 2 * rim, 4), (255, 255, 255, 0), np.uint8)
    pixels[rim : rim + h, rim : rim + w] = (*rgb, 255)
    return Image.fromarray(pixels)


def draw_stamps(root: Path, few: int = FEW) -> Path:
    """Draw `few` stamps of each class below `root`, all of other shapes; returns it."""
    for label, kind in enumerate(CLASSES):
        folder = root / next(place for place in KINDS[kind] if not place.endswith(".png"))
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(few):
            stamp(colour(label), 20 + 3 * i, 40 - 2 * i).save(folder / f"thing{'abcdefghij'[i]}.png")
    return root


def draw_photographs(root: Path, n: int, size: tuple[int, int] = (120, 90)) -> Path:
    """Photographs of one grey each, from dark to bright, as files without losses."""
    root.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        Image.new("RGB", size, (10 + 20 * i,) * 3).save(root / f"photo{i}.png")
    return root
