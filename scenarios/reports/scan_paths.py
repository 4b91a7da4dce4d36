"""Pictures of where an agent looked: scenes with numbered glimpse frames, strips of glimpses, films of both."""

from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.patheffects import AbstractPathEffect, Normal, Stroke
from torch import Tensor

from gazeworld.envs.stream import Stream
from gazeworld.envs.world import Scene, World

from . import films
from .figures import new

_WASH = to_rgb("#00c853")
"""Of a map of saliency: a colour that the frames do not have, the denser the more salient."""
Maps = Float32[Tensor, "n k k"]
"""How salient each legal fixation is, over the lattice of a world."""


def scanpaths(world: World, stream: Stream, rows: tuple[int, ...] = (0, 1, 2, 3), maps: Maps | None = None) -> Figure:
    """One line per stream: the scene with its scan path (if the world has a picture of it) and the strip of glimpses.

    With `maps` the saliency of each scene lies under its scan path. Raises ValueError for rows that the stream does not
    have.
    """
    _check(stream, rows)
    t = stream.length
    pictured = world.picture(_scene(stream), rows[0]) is not None
    figure = new(2.1 * pictured + 0.95 * t, 2.1 * len(rows) if pictured else 1.2 * len(rows))
    widths = ([2.1] if pictured else []) + [0.95] * t
    grid = figure.subplots(len(rows), len(widths), squeeze=False, gridspec_kw={"width_ratios": widths})
    for line, row in zip(grid, rows, strict=True):
        if pictured:
            _draw_map(line[0], world, maps, row)
            _draw_path(line[0], world, stream, row, t)
            line[0].set_ylabel(_name(world, stream, row), fontsize=9)
        for i, axes in enumerate(line[int(pictured) :]):
            _draw_view(axes, stream, row, i, t)
    return figure


def animate(
    world: World,
    stream: Stream,
    path: Path,
    rows: tuple[int, ...] = (0,),
    maps: Maps | None = None,
    *,
    seconds: float = 0.7,
) -> None:
    """Write a film in which scan paths grow glimpse by glimpse, one after the other; `seconds` is that of a fixation.

    With `maps` the saliency of each scene lies under its scan path. Raises ValueError for a row that the stream does
    not have, for a file that is called neither .gif nor .mp4, and for an MP4 where PyAV is not installed.
    """
    _check(stream, rows)
    films.require_writer(path)
    frames = []
    for row in rows:
        frames += [frame(world, stream, row, seen, maps) for seen in range(1, stream.length + 1)]
        frames.append(frames[-1])  # the end stays a little longer before the next path begins
    films.write(frames, path, seconds=seconds)


def frame(world: World, stream: Stream, row: int, seen: int, maps: Maps | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """The picture of a film: the first `seen` fixations of a path in the scene, and the last view of them."""
    pictured = world.picture(_scene(stream), row) is not None
    figure = new(5.4 if pictured else 2.4, 3.2)
    grid = figure.subplots(1, 1 + pictured, squeeze=False, gridspec_kw={"width_ratios": [3, 2][-1 - pictured :]})[0]
    if pictured:
        _draw_map(grid[0], world, maps, row)
        _draw_path(grid[0], world, stream, row, seen)
        grid[0].set_title(_name(world, stream, row), fontsize=10)
    _draw_view(grid[-1], stream, row, seen - 1, stream.length)
    grid[-1].set_title(f"view {seen} of {stream.length}", fontsize=10)
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _draw_map(axes: Axes, world: World, maps: Maps | None, row: int) -> None:
    """How salient the places of a scene are, as a wash over the scene."""
    lattice = world.lattice
    if maps is None or lattice is None:
        return
    values = maps[row].cpu().numpy()
    low, high = lattice.low + lattice.glimpse // 2, lattice.low + lattice.glimpse // 2 + lattice.count
    wash = np.empty((*values.shape, 4))
    wash[..., :3], wash[..., 3] = _WASH, 0.75 * values / max(float(values.max()), 1e-12)
    axes.imshow(wash, extent=(low, high, high, low), interpolation="nearest", zorder=1)


def _draw_path(axes: Axes, world: World, stream: Stream, row: int, seen: int) -> None:
    """The scene, frames of the first `seen` views with their numbers, and arrows between their centres."""
    picture = world.picture(_scene(stream), row)
    assert picture is not None
    image = picture.cpu().numpy()
    height, width = image.shape[:2]
    axes.imshow(image, extent=(0, width, height, 0), interpolation="nearest")
    frames = world.frame(stream.poses[row, :seen])
    _bare(axes)
    if frames is None:
        return
    boxes = frames.cpu().numpy() * np.array([height, width, height, width])
    centres = np.stack([boxes[:, [1, 3]].mean(1), boxes[:, [0, 2]].mean(1)], axis=1)  # t 2, as x and y
    for i in range(1, len(boxes)):
        arrow = FancyArrowPatch(
            tuple(centres[i - 1]),
            tuple(centres[i]),
            arrowstyle="-|>",
            mutation_scale=9,
            color="white",
            lw=1.4,
            shrinkA=5,
            shrinkB=5,
        )
        arrow.set_path_effects(_outline(2.6))
        axes.add_patch(arrow)
    for i, (top, left, bottom, right) in enumerate(boxes):
        colour = colour_of(i, stream.length)
        axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, ec=colour, lw=1.6))
        box = {"boxstyle": "square,pad=0.12", "facecolor": colour, "edgecolor": "none"}
        ink = "white" if i < stream.length / 2 else "black"
        axes.text(left, top, str(i + 1), color=ink, fontsize=7, weight="bold", va="top", bbox=box)
    axes.set_xlim(min(0, boxes[:, 1].min()), max(width, boxes[:, 3].max()))
    axes.set_ylim(max(height, boxes[:, 2].max()), min(0, boxes[:, 0].min()))


def _draw_view(axes: Axes, stream: Stream, row: int, i: int, t: int) -> None:
    view = stream.views[row, i].permute(1, 2, 0).cpu().numpy()
    image = view.repeat(3, axis=2) if view.shape[2] == 1 else view[..., :3]
    axes.imshow(image, interpolation="nearest")
    _bare(axes)
    axes.set_title(str(i + 1), fontsize=9, pad=2)
    for spine in axes.spines.values():
        spine.set(visible=True, edgecolor=colour_of(i, t), linewidth=2.5)


def _name(world: World, stream: Stream, row: int) -> str:
    label, scene = int(stream.labels[row]), int(stream.scenes[row])
    return f"scene {scene}" + (f", class {world.classes[label]}" if label >= 0 else "")


def _scene(stream: Stream) -> Scene:
    return Scene(stream.scenes, stream.labels, stream.poses[:, 0])


def colour_of(i: int, t: int) -> tuple[float, float, float, float]:
    """From violet to yellow over the scan path, readable on dark and light scenes."""
    return colormaps["plasma"](0.25 + 0.7 * i / max(1, t - 1))


def _outline(width: float) -> list[AbstractPathEffect]:
    return [Stroke(linewidth=width, foreground="black", alpha=0.6), Normal()]


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _check(stream: Stream, rows: tuple[int, ...]) -> None:
    n = len(stream.scenes)
    for row in rows:
        if not 0 <= row < n:
            raise ValueError(f"row {row} was asked for, expected 0 to {n - 1}")
