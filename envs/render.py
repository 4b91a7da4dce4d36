"""Pictures of looking: the scene with the scan path, the current glimpse, and all glimpses of the episode in order."""

import colorsys
import math

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image, ImageDraw, ImageFont

LEAST = 16  # of a tile, in pixels: its rim takes 8
SIDE = 384  # of the picture, in pixels: a multiple of the usual image sides, and even as video coders want it
_BACK = (24, 24, 28)
_NEAREST = Image.Resampling.NEAREST


def colour(i: int, n: int) -> tuple[int, int, int]:
    """Colour of the i-th of n glimpses: from blue (first) through green and yellow to red (last)."""
    hue = 0.62 * (1 - i / max(1, n - 1))
    r, g, b = colorsys.hsv_to_rgb(hue, 0.85, 1.0)
    return round(255 * r), round(255 * g), round(255 * b)


def draw(
    picture: UInt8[np.ndarray, "H W 3"] | None,
    boxes: Float32[np.ndarray, "t 4"] | None,
    views: UInt8[np.ndarray, "t h w c"],
    slots: int,
) -> UInt8[np.ndarray, "y x 3"]:
    """One frame, of a size that depends on neither the number of views nor on that of pixels.

    `boxes` are top, left, bottom, right of the views in units of the picture's side; `slots` is the number of views
    of a whole episode. On the left the picture with the views' frames, their numbers and the path between them (left
    out where there is no picture); on the right the current view above all views so far or, where the episode has more
    of them than there is room for, the last ones.
    """
    half = SIDE // 2
    panel = Image.new("RGB", (half, SIDE), _BACK)
    _paste(panel, views[-1], (0, 0, half), colour(len(views) - 1, slots), str(len(views)))
    columns = min(max(2, math.ceil(math.sqrt(slots))), half // LEAST)
    cell = half // columns
    first = max(0, math.ceil(len(views) / columns) - columns) * columns  # whole rows leave, so that the others stay put
    for i in range(first, len(views)):
        place = (i % columns * cell, half + (i - first) // columns * cell, cell)
        _paste(panel, views[i], place, colour(i, slots), str(i + 1))
    if picture is None or boxes is None:
        return np.array(panel)
    whole = Image.new("RGB", (SIDE + half, SIDE), _BACK)
    left = Image.fromarray(picture).resize((SIDE, SIDE), _NEAREST)
    _path(ImageDraw.Draw(left), boxes * SIDE, slots)
    whole.paste(left, (0, 0))
    whole.paste(panel, (SIDE, 0))
    return np.array(whole)


def _path(pen: ImageDraw.ImageDraw, boxes: Float32[np.ndarray, "t 4"], slots: int) -> None:
    centres = [((box[1] + box[3]) / 2, (box[0] + box[2]) / 2) for box in boxes.tolist()]  # x, y
    for i, (top, left, bottom, right) in enumerate(boxes.tolist()):
        current = i == len(boxes) - 1
        pen.rectangle((left, top, right - 1, bottom - 1), outline=colour(i, slots), width=4 if current else 2)
    for i in range(1, len(centres)):
        pen.line((*centres[i - 1], *centres[i]), fill=(0, 0, 0), width=5)
        pen.line((*centres[i - 1], *centres[i]), fill=colour(i, slots), width=2)
    for i, (x, y) in enumerate(centres):
        pen.ellipse((x - 9, y - 9, x + 9, y + 9), fill=(0, 0, 0), outline=colour(i, slots), width=2)
        pen.text((x, y), str(i + 1), fill=(255, 255, 255), font=ImageFont.load_default(12), anchor="mm")


def _paste(
    panel: Image.Image,
    view: UInt8[np.ndarray, "h w c"],
    place: tuple[int, int, int],
    rim: tuple[int, int, int],
    number: str,
) -> None:
    """A view as a square tile at (x, y, size), with a coloured rim and its number."""
    x, y, size = place
    inner = size - 8
    rgb = np.broadcast_to(view[..., :3], (*view.shape[:2], 3)) if view.shape[2] in (1, 3) else view[..., :1]
    tile = Image.fromarray(np.ascontiguousarray(rgb)).resize((inner, inner), _NEAREST)
    pen = ImageDraw.Draw(panel)
    pen.rectangle((x + 1, y + 1, x + size - 2, y + size - 2), outline=rim, width=3)
    panel.paste(tile, (x + 4, y + 4))
    pen.text(
        (x + 8, y + 5),
        number,
        fill=rim,
        font=ImageFont.load_default(13),
        stroke_width=2,
        stroke_fill=(0, 0, 0),
    )
