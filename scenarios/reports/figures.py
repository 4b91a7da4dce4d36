"""Figures of evaluations and of training, of one run or of several, drawn without any global state of matplotlib."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gazeworld.agents.metric_lines import Point, read_numbers
from gazeworld.agents.probes.features import FULL, NO_ACTIONS, NO_VISION
from gazeworld.agents.run_folder import aggregate
from gazeworld.agents.runs.records import NONE

from .rows import Row

_RED, _BLUE, _GREEN, _GREY = "#c62828", "#1565c0", "#2e7d32", "#616161"
_PATHS = {
    FULL: (_RED, "full", "o"),
    NO_ACTIONS: (_BLUE, "actions ablated", "s"),
    NO_VISION: (_GREEN, "vision ablated", "^"),
}
_FLOOR = -0.25  # R² below this is drawn at the edge: how far below says nothing


def new(width: float, height: float) -> Figure:
    """A figure of this many inches at 100 dpi, drawn by Agg."""
    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def recognition(results: dict[str, Any]) -> Figure:
    """Accuracy over the number of views: aggregate, mean and single views, with all baselines."""
    figure = new(7.5, 4.6)
    axes = figure.add_subplot()
    named = results["recognition"]
    policy = named["policy"]
    for entry, model, label, colour, style in _recognition_curves(named):
        faint = {"alpha": 0.65, "markerfacecolor": "white"} if model == "untrained" else {}
        values = 100 * np.array(entry["values"][model])
        axes.plot(entry["views"], values, style, color=colour, label=label, ms=5, lw=1.6, **faint)
    for model, style in (("trained", "-."), ("untrained", ":")) if "centre" in named else ():
        value = 100 * named["centre"]["single"]["values"][model][0]
        suffix = "" if model == "trained" else ", untrained model"
        axes.axhline(value, color="#6a1b9a", ls=style, lw=1.2, label=f"one view of the centre{suffix}")
    chance = 100 * results["chance"]["top-1 of the majority class"]
    axes.axhline(chance, color=_GREY, lw=1, ls=(0, (1, 1)), label="chance")
    _whole_numbers(axes, policy["aggregate"]["views"], "number of views M")
    axes.set_ylabel("top-1 accuracy (%)")
    axes.set_ylim(bottom=0)
    axes.set_title(f"Recognition with fixations by policy “{policy['fixations']['name']}”", fontsize=11)
    _beside(figure, axes)
    return figure


def _recognition_curves(named: dict[str, Any]) -> list[tuple[dict[str, Any], str, str, str, str]]:
    """Entry, model, label, colour and line style of every curve over M."""
    policy = named["policy"]
    curves = []
    for kind, label, colour, mark in (
        ("aggregate", "aggregate", _RED, "o"),
        ("pooled", "mean of views", _GREEN, "^"),
        ("single", "view M alone", _BLUE, "s"),
    ):
        if kind in policy:  # the mean of a single view is not measured
            curves.append((policy[kind], "trained", label, colour, f"-{mark}"))
            curves.append((policy[kind], "untrained", f"{label}, untrained model", colour, f"--{mark}"))
    if "uniform" in named:
        curves.append((named["uniform"]["aggregate"], "trained", "aggregate, uniform fixations", "#ef6c00", "-D"))
    return curves


def paths(results: dict[str, Any]) -> Figure:
    """Path integration as in figure 6 of the paper, without and with motor noise, for both readings of the ablation."""
    settings = results["path_integration"]
    readings = {"at_inference": "ablated at inference only", "retrained_head": "head retrained on ablated features"}
    figure = new(2.6 + 3.1 * len(settings), 6.0)
    grid = figure.subplots(2, len(settings), sharex=True, sharey=True, squeeze=False)
    for column, entry in enumerate(settings.values()):
        for row, (reading, title) in enumerate(readings.items()):
            axes = grid[row, column]
            noise = f"motor noise σ = {entry['noise']:g}" if "noise" in entry else "no motor noise"
            axes.set_title(f"{noise}\n{title}", fontsize=10)
            _path_axes(axes, entry, entry["heads"][0], reading)
            if row == 1:
                axes.set_xlabel("number of views M")
            if column == 0:
                axes.set_ylabel("R² of the displacement\nfrom view 1 to view M + 1")
    handles, labels = grid[0, -1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", fontsize=8, frameon=False)
    return figure


def _path_axes(axes: Axes, entry: dict[str, Any], head: str, reading: str) -> None:
    views = entry["views"]
    for model, line in (("trained", "-"), ("untrained", "--")):
        for ablation, (colour, label, marker) in _PATHS.items():
            curve = entry["values"][model][head][ablation]
            values = np.array((curve if ablation == FULL else curve[reading])["mean"])
            low = values < _FLOOR
            face = {"markerfacecolor": "white", "alpha": 0.65} if model == "untrained" else {}
            text = label if model == "trained" else f"{label}, untrained"
            axes.plot(views, np.maximum(values, _FLOOR), line, marker=marker, color=colour, label=text, ms=5, **face)
            if low.any():
                axes.plot(np.array(views)[low], np.full(low.sum(), _FLOOR), "v", color=colour, ms=8, clip_on=False)
    if "dead_reckoning" in entry["values"]:
        summed = entry["values"]["dead_reckoning"]["mean"]
        axes.plot(views, summed, ":", color="black", lw=1.8, label="commanded actions composed")
    axes.axhline(0, color=_GREY, lw=1, ls=(0, (1, 1)), label="chance (mean displacement)")
    axes.set_ylim(_FLOOR, 1.05)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)


def training(metrics: Path) -> Figure:
    """Curves of a run's `metrics.jsonl`: one panel per prefix and quantity, whatever was recorded.

    Raises ValueError naming the file when it holds no numbers.
    """
    series = _series(metrics)
    if not series:
        raise ValueError(f"{metrics}: no numeric metrics found, expected lines like {{'step': 1, 'train/loss': 0.5}}")
    panels: dict[str, list[str]] = {}
    for key in sorted(series, key=lambda key: not key.startswith("train/")):  # the loss first, the rest as it came
        panels.setdefault(_panel(key), []).append(key)
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = new(4.0 * columns, 2.8 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, keys) in zip(grid, panels.items(), strict=False):
        for i, key in enumerate(keys):
            steps, values = np.array(series[key], dtype=float).T
            dots = "o-" if len(steps) < 40 else "-"
            what = key.rpartition("/")[2].rpartition("_")[0].replace("_", " ")
            colour = {"aggregate": _RED, "view": _BLUE}.get(what, f"C{2 + i}")
            axes.plot(steps, values, dots, ms=3, lw=1.3, color=colour, label=what or name)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("optimiser step")
        axes.set_ylabel(name.rpartition(": ")[2])
        axes.grid(alpha=0.25)
        if len(keys) > 1:
            axes.legend(fontsize=7, frameon=False)
        if "learning rate" in name:
            axes.ticklabel_format(axis="y", scilimits=(0, 0))
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    return figure


def _panel(key: str) -> str:
    """Quantities of one prefix and unit share a panel: `probe/aggregate_top1` and `probe/view_top1`, for instance."""
    prefix, _, name = key.rpartition("/")
    units = {"top1": "top-1 accuracy", "r2": "R²", "rank": "effective rank", "spread": "spread (1 = isotropic)"}
    unit = units.get(name.rpartition("_")[2], name.replace("_", " "))
    return f"{prefix}: {unit}" if prefix else unit


def _series(metrics: Path) -> dict[str, list[tuple[int, float]]]:
    return {key: [(point.step, point.value) for point in points] for key, points in read_numbers(metrics).items()}


def _whole_numbers(axes: Axes, views: list[int], label: str) -> None:
    axes.set_xticks(views)
    axes.set_xlabel(label)
    axes.grid(alpha=0.25)


def _beside(figure: Figure, axes: Axes) -> None:
    """The legend outside, where it hides no curve."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", fontsize=8, frameon=False)


_DASHES = ("-", "--", ":", "-.")
_COLOURS = 10  # of matplotlib's default cycle; further rows have other dashes


def row_label(row: Row) -> str:
    """A few words that tell a row from the others."""
    words = [row.scenario, row.method, "" if row.conditioning == NONE else row.conditioning, row.settings]
    length = "" if row.observed is None else f"M_tr = {row.observed}"
    return ", ".join(word for word in (*words, length) if word)


def training_of_runs(rows: Sequence[Row], metrics: Mapping[Path, dict[str, list[Point]]]) -> Figure | None:
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
                text = row_label(row) if number == 0 else "_"
                axes.plot(steps, values, _DASHES[i // _COLOURS % 4], color=f"C{i % _COLOURS}", lw=1.2, label=text)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("optimiser step")
        axes.grid(alpha=0.25)
    for axes in grid[len(names) :]:
        axes.set_visible(False)
    handles, texts = grid[0].get_legend_handles_labels()
    made.legend(handles, texts, loc="outside lower left", fontsize=8, frameon=False)
    return made


def recognition_of_runs(rows: Sequence[Row]) -> Figure:
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
        text = f"untrained {row_label(row)}" if faint else row_label(row)
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


def returns(history: list[dict[str, Any]], title: str) -> Figure:
    """The mean return of an episode against environment steps."""
    points = [(line["step"], line["return"]) for line in history if line.get("return") is not None]
    figure = new(6.4, 4.0)
    axes = figure.add_subplot()
    if points:
        axes.plot(*zip(*points, strict=True), "o-", ms=3, lw=1.4, color="#c62828")
    axes.set_xlabel("environment steps")
    axes.set_ylabel("mean return of an episode")
    axes.set_title(title, fontsize=11)
    axes.grid(alpha=0.25)
    return figure
