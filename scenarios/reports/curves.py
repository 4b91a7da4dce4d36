"""Curves of several runs in one figure: what they learnt over training, and recognition over the number of views."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gazeworld.agents.runs.records import Point, aggregate

from .figures import new
from .rows import NONE, Row

_DASHES = ("-", "--", ":", "-.")
_COLOURS = 10  # of matplotlib's default cycle; further rows have other dashes


def label(row: Row) -> str:
    """A few words that tell a row from the others."""
    words = [row.scenario, row.method, "" if row.conditioning == NONE else row.conditioning, row.settings]
    length = "" if row.observed is None else f"M_tr = {row.observed}"
    return ", ".join(word for word in (*words, length) if word)


def training(rows: Sequence[Row], metrics: Mapping[Path, dict[str, list[Point]]]) -> Figure | None:
    """Loss and online probes over training, a line for every run, in the colour of its row; None without numbers."""
    names = dict.fromkeys(name for found in metrics.values() for name in found)
    names = [name for name in names if name == "train/loss" or name.endswith(("_top1", "_r2"))]
    if not names:
        return None
    columns = min(3, len(names))
    lines = math.ceil(len(names) / columns)
    made = new(4.2 * columns, 2.8 * lines + 0.25 * len(rows))
    grid = made.subplots(lines, columns, squeeze=False).ravel()
    for axes, name in zip(grid, sorted(names, key=lambda name: name != "train/loss"), strict=False):
        for i, row in enumerate(rows):
            for number, folder in enumerate(row.folders):
                points = metrics[folder].get(name, [])
                steps, values = [point.step for point in points], [point.value for point in points]
                text = label(row) if number == 0 else "_"
                axes.plot(steps, values, _DASHES[i // _COLOURS % 4], color=f"C{i % _COLOURS}", lw=1.2, label=text)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("optimiser step")
        axes.grid(alpha=0.25)
    for axes in grid[len(names) :]:
        axes.set_visible(False)
    handles, texts = grid[0].get_legend_handles_labels()
    made.legend(handles, texts, loc="outside lower left", fontsize=8, frameon=False)
    return made


def recognition(rows: Sequence[Row]) -> Figure:
    """Top-1 on the aggregate over the number of views, a curve for every row with its spread over seeds."""
    made = new(8.0, 3.8 + 0.22 * len(rows))
    axes = made.subplots()
    for i, row in enumerate(rows):
        views = [m for m in range(1, 100) if aggregate(m) in row.scores]
        scores = [row.scores[aggregate(m)] for m in views]
        means = np.array([score.mean for score in scores])
        spread = np.array([score.std or 0.0 for score in scores])
        faint = row.kind == "untrained"
        style = ":" if faint else _DASHES[i // _COLOURS % 4]
        text = f"untrained {label(row)}" if faint else label(row)
        axes.plot(
            views, means, style, marker="o", ms=4, color=f"C{i % _COLOURS}", label=text, alpha=0.6 if faint else 1
        )
        axes.fill_between(views, means - spread, means + spread, color=f"C{i % _COLOURS}", alpha=0.15, lw=0)
    axes.set_xlabel("views at inference, M_val")
    axes.set_ylabel("top-1 (%) on the aggregate")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    made.legend(loc="outside lower left", fontsize=8, frameon=False)
    return made
