"""Figures of single measurements: nearest neighbours, maps of embeddings, imagination, reaching goals."""

from typing import Any

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gazeworld.agents.planning.imagination import ASTRAY, IMAGINED, LAST, MEAN, STEPWISE
from gazeworld.agents.probes.neighbours import ALL
from gazeworld.agents.probes.stored_views import Stored
from gazeworld.envs.world import World

from .figures import new

_LINES = {
    IMAGINED: ("#c62828", "-o"),
    STEPWISE: ("#1565c0", "-s"),
    ASTRAY: ("#ef6c00", "--D"),
    LAST: ("#2e7d32", ":^"),
    MEAN: ("#616161", "--"),
}


def horizon_figure(result: dict[str, Any]) -> Figure:
    """Error against horizon, one panel per model, with bars of two standard errors."""
    models = result["values"]
    figure = new(2.4 + 3.2 * len(models), 4.0)
    panels = figure.subplots(1, len(models), sharey=True, squeeze=False)[0]
    for axes, (name, curves) in zip(panels, models.items(), strict=True):
        _horizon_panel(axes, result["horizon"], curves)
        axes.set_title(f"{name} model\nencoder and target agree to {result['agreement'][name]:.2f}", fontsize=10)
        axes.set_xlabel(f"views ahead (after {result['seen']} seen)")
    panels[0].set_ylabel("1 − cosine with the true embedding")
    panels[0].set_ylim(bottom=0)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", fontsize=8, frameon=False)
    return figure


def _horizon_panel(axes: Axes, horizon: list[int], curves: dict[str, dict[str, list[float]]]) -> None:
    for kind, (colour, style) in _LINES.items():
        bars = [2 * sem for sem in curves[kind]["sem"]]
        axes.errorbar(horizon, curves[kind]["mean"], bars, fmt=style, color=colour, label=kind, ms=5, lw=1.4, capsize=2)
    axes.set_xticks(horizon)
    axes.grid(alpha=0.25)


def neighbour_figure(world: World, entry: dict[str, Any], *, kind: str = ALL) -> Figure:
    """Queries on the left, beside them the neighbours that every model finds, with class and angle to the query.

    `entry` is what `neighbours` returned for this world. Neighbours of another class have a red title. Raises
    ValueError where no examples were kept.
    """
    models = {name: kinds[kind] for name, kinds in entry["examples"].items()}
    lines = list(zip(*models.values(), strict=True))  # the examples of all models
    if not lines:
        raise ValueError("there is no example of neighbours to be drawn; keep some with Search(examples=…)")
    k, stored = len(lines[0][0]["neighbours"]), Stored(world)
    drawn = new(1.25 * (1 + k * len(models)) + 0.3, 1.5 * len(lines) + 0.5)
    parts = drawn.subfigures(1, 1 + len(models), width_ratios=[1.1] + [k] * len(models), squeeze=False)[0]
    first = parts[0].subplots(len(lines), 1, squeeze=False)[:, 0]
    parts[0].suptitle("query", fontsize=10)
    for axes, line in zip(first, lines, strict=True):
        _show_view(axes, stored, line[0]["query"], line[0]["query"]["class"], "black")
    for part, (name, examples) in zip(parts[1:], models.items(), strict=True):
        part.suptitle(f"nearest of {kind}, {name}", fontsize=10)
        for row, example in zip(part.subplots(len(lines), k, squeeze=False), examples, strict=True):
            for axes, one in zip(row, example["neighbours"], strict=True):
                colour = "black" if one["class"] == example["query"]["class"] else "#c62828"
                said = ", ".join(filter(None, (one["class"], f"{one['degrees']:.0f}°")))
                _show_view(axes, stored, one, said, colour)
    return drawn


def _show_view(axes: Axes, stored: Stored, one: dict[str, Any], title: str, colour: str) -> None:
    where = (torch.tensor([one[name]], device=stored.poses.device) for name in ("object", "view"))
    axes.imshow(stored.look(*where)[0].permute(1, 2, 0).cpu().numpy())
    axes.set_title(title, fontsize=7, color=colour, pad=2)
    axes.set_axis_off()


_NAMED = 20  # classes that a legend has room for


def map_figure(entry: dict[str, Any], model: str = "trained", colours: tuple[str, ...] = ()) -> Figure:
    """Maps side by side: views by class, views by what poses say, aggregates by class.

    `entry` is what `embedding` returned. `colours` are names of what poses say; by default the first two. Raises
    ValueError for a model or a colour that was not measured.
    """
    if model not in entry["values"]:
        raise ValueError(f"no map of model {model!r}; there are: {', '.join(entry['values'])}")
    views, aggregates = (entry["values"][model][kind] for kind in ("views", "aggregates"))
    shown = colours or tuple(views["colours"])[:2]
    for name in shown:
        if name not in views["colours"]:
            raise ValueError(f"no map coloured by {name!r}; there are: {', '.join(views['colours'])}")
    drawn = new(3.6 * (2 + len(shown)), 4.0)
    axes = drawn.subplots(1, 2 + len(shown), squeeze=False)[0]
    _by_class(axes[0], views, entry["classes"], "z of single views, by class")
    _by_class(axes[-1], aggregates, entry["classes"], f"z_AGG of {entry['views']} views, by class")
    for where, name in zip(axes[1:-1], shown, strict=True):
        points = np.array(views["points"])
        dots = where.scatter(*points.T, c=views["colours"][name], s=5, lw=0, cmap="viridis")
        where.set_title("z of single views, by pose", fontsize=10)
        where.set(xticks=[], yticks=[])
        drawn.colorbar(dots, ax=where, location="bottom", label=name, shrink=0.8)
    drawn.suptitle(f"UMAP, {model} model", fontsize=11)
    if 0 < len(entry["classes"]) <= _NAMED:
        marks, names = axes[0].get_legend_handles_labels()
        drawn.legend(marks, names, loc="outside right upper", fontsize=8, frameon=False, markerscale=3)
    return drawn


def _by_class(axes: Axes, found: dict[str, Any], classes: list[str], title: str) -> None:
    points, labels = np.array(found["points"]), np.array(found["labels"])
    palette = colormaps["tab20" if len(classes) <= _NAMED else "gist_rainbow"].resampled(max(_NAMED, len(classes)))
    axes.scatter(*points[labels < 0].T, color="#616161", s=5, lw=0)  # of what has no label
    for number, name in enumerate(classes):
        own = points[labels == number]
        axes.scatter(*own.T, color=palette(number), s=5, lw=0, label=name)
    if found["silhouette"] is not None:
        title += f"\nsilhouette {found['silhouette']:.2f}"
    axes.set_title(title, fontsize=10)
    axes.set(xticks=[], yticks=[])


def goal_figure(found: dict[str, Any]) -> Figure:
    """Share of goals reached after 1, 2 … actions, with chance."""
    figure = new(7.6, 4.0)
    axes = figure.add_subplot()
    actions = found["actions"]
    for i, (name, one) in enumerate(found["values"].items()):
        mean = 100 * np.array(one["reached"])
        low, high = 100 * np.array(one["interval"]).T
        beside = np.array(actions) + 0.05 * (i - (len(found["values"]) - 1) / 2)
        axes.errorbar(beside, mean, [mean - low, high - mean], fmt="-o", color=colormaps["tab10"](i), ms=5,
                      lw=1.5, capsize=3, label=name)  # fmt: skip
    axes.plot(actions, 100 * np.array(found["chance"]), "k:", lw=1.4, label="chance")
    axes.set_xticks(actions)
    axes.set_xlabel("actions")
    axes.set_ylabel("goals reached (%), 95 % interval")
    axes.set_ylim(0, 102)
    axes.set_title(found["task"], fontsize=9, loc="left")
    axes.grid(alpha=0.25)
    figure.legend(loc="outside right upper", fontsize=8, frameon=False)
    return figure
