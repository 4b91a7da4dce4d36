"""Figures of how much policies look as people do: scores by the order of fixations, maps beside scan paths."""

import textwrap
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gazeworld.agents.gaze import Example, GazeScores
from gazeworld.envs.world import Scene, World

from .figures import new

_PANELS = {"information gain": "information gain (bits)", "NSS": "NSS", "AUC": "AUC"}
_MOST = 8  # contenders beside people in a figure of examples
_SHOWN = 6  # people whose paths are drawn


def drawn(scores: GazeScores, world: World) -> dict[str, Figure]:
    """All figures by the names of their files; those for which there is nothing to draw are left out."""
    found: dict[str, Figure] = {}
    if any(one["by order"]["order"] for one in scores.found["fixations"].values()):
        found["gaze"] = by_order(scores.found)
    if scores.examples:
        found["gaze_examples"] = examples(scores.examples, world)
    return found


def by_order(found: dict[str, Any]) -> Figure:
    """Every score for the first predicted fixation, the second and so on, with intervals over images."""
    figure = new(11.5, 3.8)
    panels = figure.subplots(1, len(_PANELS), squeeze=False)[0]
    for axes, (score, label) in zip(panels, _PANELS.items(), strict=True):
        for i, (name, one) in enumerate(found["fixations"].items()):
            _curve(axes, one["by order"], score, name, i)
        axes.set_xlabel("fixation, after the one that is given")
        axes.set_ylabel(label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    return figure


def _curve(axes: Axes, told: dict[str, Any], score: str, name: str, number: int) -> None:
    points = [(k, one) for k, one in zip(told["order"], told[score], strict=True) if one["mean"] is not None]
    colour = colormaps["tab10"](number % 10)
    axes.plot([k for k, _ in points], [one["mean"] for _, one in points], marker="o", ms=3, color=colour, label=name)
    banded = [(k, *one["interval"]) for k, one in points if one["interval"] and None not in one["interval"]]
    if banded:
        orders, lows, highs = zip(*banded, strict=True)
        axes.fill_between(orders, lows, highs, alpha=0.15, color=colour, lw=0)


def examples(shown: list[Example], world: World) -> Figure:
    """One line an image: people's paths, then each contender's map with a path of its own."""
    names = list(shown[0].paths)[:_MOST]
    figure = new(2.2 * (len(names) + 1), 2.4 * len(shown) + 0.4)
    grid = figure.subplots(len(shown), len(names) + 1, squeeze=False)
    for line, example in zip(grid, shown, strict=True):
        _image(line[0], world, example.image)
        for i, path in enumerate(example.people[:_SHOWN]):
            _path(line[0], path, colormaps["tab10"](i % 10))
        line[0].set_ylabel(f"image {example.image}", fontsize=8)
        for axes, name in zip(line[1:], names, strict=True):
            _image(axes, world, example.image)
            _map(axes, world, example, name)
            _path(axes, example.paths[name], "white")
    few = min(_SHOWN, max(len(one.people) for one in shown))
    for axes, name in zip(grid[0], [f"people ({few} paths)", *names], strict=True):
        axes.set_title(textwrap.fill(name, 26, break_on_hyphens=False), fontsize=8)
    return figure


def _image(axes: Axes, world: World, image: int) -> None:
    index = torch.tensor([image], device=world.device)
    scene = Scene(
        index, torch.full_like(index, -1), torch.zeros(1, world.pose_dim, dtype=torch.float32, device=world.device)
    )
    picture = world.picture(scene, 0)
    if picture is not None:
        axes.imshow(picture.cpu().numpy(), extent=(0, 1, 1, 0), interpolation="nearest")
    axes.set(xlim=(0, 1), ylim=(1, 0), xticks=[], yticks=[])


def _map(axes: Axes, world: World, example: Example, name: str) -> None:
    """How likely each legal fixation is, over the picture: the likelier, the less of the picture is seen through it."""
    lattice = world.lattice
    if lattice is None or name not in example.maps:
        return
    values = example.maps[name].numpy()
    if not np.isfinite(values).all():
        return
    first = lattice.low + lattice.glimpse / 2 - 0.5
    low, high = first / lattice.side, (first + lattice.count) / lattice.side
    strength = values / max(float(values.max()), 1e-12)
    wash = colormaps["inferno"](strength)
    wash[..., 3] = 0.15 + 0.7 * strength
    axes.imshow(wash, extent=(low, high, high, low), interpolation="nearest")
    axes.set(xlim=(0, 1), ylim=(1, 0))


def _path(axes: Axes, path: Float64[np.ndarray, "k 2"], colour: Any) -> None:
    axes.plot(path[:, 1], path[:, 0], "-o", color=colour, ms=3, lw=1.2, mec="black", mew=0.4)
    axes.plot(path[:1, 1], path[:1, 0], "s", color=colour, ms=5, mec="black", mew=0.6)
