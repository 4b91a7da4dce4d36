"""Where a policy looks over many scenes: the density of its fixations over the picture, all of them and one by one."""

from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from gazeworld.agents.comparison.fixation_maps import fixation_map

from . import films
from .figures import new

_SIGMA = 0.03  # of the Gaussian around each fixation, in units of the picture's side
_COLUMNS = 4


def density(centres: Float64[Tensor, "n t 2"]) -> Float64[np.ndarray, "y x"]:
    """How many times as often a place is looked at as if all were looked at alike; centres in units of the sides."""
    found = fixation_map(centres, _SIGMA).numpy()
    return found * found.size


def heat_map(centres: Float64[Tensor, "n t 2"], title: str) -> Figure:
    """The density of all fixations, and beside it of the first of each path, the second and so on."""
    n, t, _ = centres.shape
    panels = {f"all {t} fixations": density(centres)}
    panels |= {f"fixation {i + 1}": density(centres[:, i : i + 1]) for i in range(t)}
    lines = -(-len(panels) // _COLUMNS)
    columns = -(-len(panels) // lines)
    figure = new(2.3 * columns + 0.9, 2.45 * lines + 0.5)
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    # A place that is always looked at first is many times as dense as anything else, and would leave the rest dark.
    top = _top(list(panels.values()))
    for axes, (name, found) in zip(grid, panels.items(), strict=False):
        _draw(axes, found, top, name)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    bar = figure.colorbar(grid[0].images[0], ax=list(grid), shrink=0.8, pad=0.02, extend="max")
    bar.set_label("density (uniform = 1)", fontsize=8)
    figure.suptitle(f"{title}, {n} scenes", fontsize=10)
    return figure


def animate(centres: Float64[Tensor, "n t 2"], title: str, path: Path, *, seconds: float = 0.7) -> None:
    """Write a film of the densities of the first fixations, the second and so on; errors as of `films.write`."""
    films.require_writer(path)
    found = [density(centres[:, i : i + 1]) for i in range(centres.shape[1])]
    frames = [_frame(one, _top(found), f"{title}\nfixation {i} of {len(found)}") for i, one in enumerate(found, 1)]
    films.write(frames, path, seconds=seconds)


def _frame(found: Float64[np.ndarray, "y x"], top: float, title: str) -> UInt8[np.ndarray, "h w 3"]:
    figure = new(3.4, 3.6)
    _draw(figure.add_subplot(), found, top, title)
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _draw(axes: Axes, found: Float64[np.ndarray, "y x"], top: float, title: str) -> None:
    axes.imshow(found, cmap="magma", vmin=0, vmax=top, extent=(0, 1, 1, 0), interpolation="bilinear")
    axes.set_title(title, fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])


def _top(found: list[Float64[np.ndarray, "y x"]]) -> float:
    return 1.3 * sorted(float(one.max()) for one in found)[(len(found) - 1) // 2]
