"""Scan paths that a page shows fixation by fixation: drawings whose parts a slider lays bare, whole without it."""

import io
from dataclasses import dataclass

from jaxtyping import UInt8
from matplotlib.colors import to_hex
from PIL import Image
from torch import Tensor

from gazeworld.agents.runs.watching import Watched

from .page_pictures import address
from .scan_paths import colour_of

_PICTURE, _GAP, _HEAD = 240.0, 6.0, 8.0  # units of the drawing: side of the scene, space between parts, arrow heads

_Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Glimpse:
    """One fixation: its number, the view as an address, and in the drawing's units its frame, arrow and thumbnail.

    `frame` is x, y, width and height, `arrow` x1, y1, x2 and y2 from the fixation before, `tip` the corners of its
    head; they are None and empty where views have no place in a picture. `thumb` is x and y in the strip.
    """

    number: int
    view: str
    colour: str
    ink: str
    frame: tuple[float, float, float, float] | None
    arrow: tuple[float, float, float, float] | None
    tip: str
    thumb: tuple[float, float]


@dataclass(frozen=True)
class ScanPath:
    """One scene and its fixations, as the template draws them.

    `box` is x, y, width and height of the scene with what lies outside of it, `width` and `height` are the drawing's.
    """

    title: str
    alt: str
    scene: str
    box: tuple[float, float, float, float]
    width: float
    height: float
    side: tuple[float, float]
    thumb: float
    glimpses: tuple[Glimpse, ...]


def scan_paths(watched: Watched) -> list[ScanPath]:
    """Every path that was watched."""
    return [_path(watched, row) for row in range(len(watched.stream.scenes))]


def _path(watched: Watched, row: int) -> ScanPath:
    stream, world = watched.stream, watched.world
    t, label = stream.length, int(stream.labels[row])
    picture, frames = world.picture(watched.scene, row), world.frame(stream.poses[row])
    title = f"scene {int(stream.scenes[row])}" + (f", class {world.classes[label]}" if label >= 0 else "")
    thumb = (_PICTURE - (t - 1) * _GAP / 2) / t
    width, height, places = _PICTURE, 0.0, [(0.0, 0.0, 0.0, 0.0)] * t
    box = (0.0, 0.0, 0.0, 0.0)
    if picture is not None:
        scale = _PICTURE / picture.shape[1]
        width, height = _PICTURE, picture.shape[0] * scale
        if frames is not None:
            edges = (frames.double() * Tensor([height, width, height, width]).double()).tolist()
            places = [(left, top, right - left, bottom - top) for top, left, bottom, right in edges]
        box = _around(width, height, places)
    top = box[1] + box[3] + _GAP if picture is not None else 0.0
    glimpses = []
    for i in range(t):
        colour = to_hex(colour_of(i, t))
        framed = places[i] if frames is not None and picture is not None else None
        arrow = _arrow(places[i - 1], places[i]) if framed is not None and i else None
        corner = (box[0] + i * (thumb + _GAP / 2), top)
        ink = "#ffffff" if i < t / 2 else "#000000"
        view, tip = _png(stream.views[row, i].permute(1, 2, 0)), "" if arrow is None else _tip(arrow)
        glimpses.append(Glimpse(i + 1, view, colour, ink, framed, arrow, tip, corner))
    alt = f"Scan path of {t} views on {title}"
    if picture is not None and frames is not None:
        centres = watched.centres[row].tolist()
        alt += ", looking at (row, column) " + ", ".join(f"({y:.2f}, {x:.2f})" for y, x in centres)
    whole = (max(box[2], _PICTURE), (box[3] + _GAP if picture is not None else 0.0) + thumb)
    scene = "" if picture is None else _png(picture)
    return ScanPath(title, alt, scene, box, *whole, (width, height), thumb, tuple(glimpses))


def _around(width: float, height: float, places: list[_Box]) -> _Box:
    """The box around a picture and all frames, which may lie partly outside."""
    left, top = min(0.0, *(x for x, _, _, _ in places)), min(0.0, *(y for _, y, _, _ in places))
    right = max(width, *(x + w for x, _, w, _ in places))
    bottom = max(height, *(y + h for _, y, _, h in places))
    return (left, top, right - left, bottom - top)


def _arrow(before: _Box, after: _Box) -> _Box | None:
    """From the middle of one frame almost to that of the next; None where there is no room for one."""
    x1, y1, x2, y2 = (before[0] + before[2] / 2, before[1] + before[3] / 2, after[0] + after[2] / 2,
                      after[1] + after[3] / 2)  # fmt: skip
    length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5
    if length < 2 * _HEAD:
        return None
    short = 1 - _HEAD / length
    return (x1, y1, x1 + short * (x2 - x1), y1 + short * (y2 - y1))


def _tip(arrow: tuple[float, float, float, float]) -> str:
    """The corners of the head at the end of an arrow."""
    x1, y1, x2, y2 = arrow
    length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5
    along, across = ((x2 - x1) / length, (y2 - y1) / length), ((y1 - y2) / length, (x2 - x1) / length)
    corners = ((_HEAD, 0.0), (0.0, _HEAD / 2), (0.0, -_HEAD / 2))
    points = ((x2 + a * along[0] + b * across[0], y2 + a * along[1] + b * across[1]) for a, b in corners)
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _png(pixels: UInt8[Tensor, "h w c"]) -> str:
    values = pixels.cpu().numpy()
    data, image = io.BytesIO(), values[..., 0] if values.shape[2] == 1 else values[..., :3]
    Image.fromarray(image).save(data, format="png", optimize=True)
    return address(data.getvalue())
