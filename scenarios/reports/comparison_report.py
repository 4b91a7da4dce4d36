"""A comparison of policies, for people: tables on the terminal, curves, maps of fixations, saccades, overlaps."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from gazeworld.agents.comparison.contest import RETRAINED, SHARED
from gazeworld.agents.comparison.contestants import CENTRE, SALIENCY

from .figures import new
from .tables import new_table, put

_STYLES = {
    "saliency": ("#c62828", "-o"),
    "centre": ("#ef6c00", "--s"),
    "other-map": ("#b08800", "--D"),
    "uniform": ("#616161", "--v"),
    "grid": ("#9e9e9e", "--P"),
    "novelty": ("#1565c0", "-^"),
    "disagreement": ("#00838f", "-<"),
    "information": ("#2e7d32", "->"),
    "oracle": ("black", ":*"),
}
_LEARNED = ("#6a1b9a", "#d81b60", "#8e24aa", "#5e35b1")
_TITLES = {RETRAINED: "retrained probes", SHARED: "one shared probe"}
_AT = (2, 3)  # glimpses at which gains are told in sentences


def style(found: dict[str, Any], name: str) -> tuple[str, str]:
    """Colour and line of a policy, the same in every figure."""
    if name in _STYLES:
        return _STYLES[name]
    own = [other for other in found["policies"] if other not in _STYLES]
    return _LEARNED[own.index(name) % len(_LEARNED)], "-h"


def drawn(found: dict[str, Any]) -> dict[str, Figure]:
    """All figures of a comparison, by the names of their files."""
    figures = {
        "curves": curves(found),
        "heat_maps": heat_maps(found),
        "saccades": saccade_lengths(found),
        "overlap": overlaps(found),
    }
    return figures | ({"two_by_two": two_by_two(found)} if "two by two" in found else {})


def curves(found: dict[str, Any]) -> Figure:
    """Accuracy against glimpses, and the difference to saliency with its interval, for both kinds of probes."""
    figure = new(11.5, 8.2)
    grid = figure.subplots(2, 2, sharex=True)
    for line, (probe, title) in zip(grid, _TITLES.items(), strict=True):
        _accuracy(line[0], found, probe)
        line[0].set_title(f"accuracy, {title}", fontsize=10)
        _differences(line[1], found, probe)
        line[1].set_title(f"difference to saliency + IoR, {title}", fontsize=10)
    for axes in grid[1]:
        axes.set_xlabel("glimpses M")
    handles, labels = grid[1, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", fontsize=8, frameon=False)
    return figure


def _accuracy(axes: Axes, found: dict[str, Any], probe: str) -> None:
    views = found["views"]
    everybody = {**found["accuracy"][probe]}
    if probe == RETRAINED and "oracle" in found["accuracy"][SHARED]:
        everybody["oracle"] = found["accuracy"][SHARED]["oracle"]  # it has no other probe
    for name, scores in everybody.items():
        colour, line = style(found, name)
        low, high = 100 * np.array(scores["interval"]).T
        axes.fill_between(views, low, high, color=colour, alpha=0.12, lw=0)
        axes.plot(views, 100 * np.array(scores["mean"]), line, color=colour, ms=5, lw=1.5, label=_label(found, name))
    whole = 100 * found["whole image"]["best top-1"]
    axes.axhline(whole, color="black", lw=1, label="whole image")
    share = found["glimpses"]["share"]
    axes.axhline(share * whole, color="black", lw=1, ls=(0, (4, 3)), label=f"{100 * share:.0f} % of it")
    axes.set_xticks(views)
    axes.set_ylabel("top-1 (%)")
    axes.grid(alpha=0.25)


def _differences(axes: Axes, found: dict[str, Any], probe: str) -> None:
    views = found["views"][1:]
    rivals = [name for name in found[f"difference to {SALIENCY}"][probe] if name != "oracle"]
    for i, name in enumerate(rivals):
        scores = found[f"difference to {SALIENCY}"][probe][name]
        colour, line = style(found, name)
        mean = 100 * np.array(scores["mean"][1:])
        low, high = 100 * np.array(scores["interval"][1:]).T
        beside = np.array(views) + 0.07 * (i - (len(rivals) - 1) / 2)  # or bars would hide each other
        axes.errorbar(beside, mean, [mean - low, high - mean], fmt=line[-1], color=colour, ms=5, lw=1.3, capsize=2)
        axes.plot(beside, mean, line[:-1], color=colour, lw=0.8, alpha=0.5)
    axes.axhline(0, color=_STYLES[SALIENCY][0], lw=1.2)
    axes.set_ylabel("points, 95 % interval")
    axes.grid(alpha=0.25, axis="y")


def _label(found: dict[str, Any], name: str) -> str:
    return found["policies"][name]["label"]


def heat_maps(found: dict[str, Any]) -> Figure:
    """Where each policy looks after the first fixation, which is the same for all and stands first."""
    maps = found["fixation maps"]
    panels = {"first fixation (all)": np.array(maps["first fixation"])}
    panels |= {_label(found, name): np.array(density) for name, density in maps["later fixations"].items()}
    lines = -(-len(panels) // 6)
    columns = -(-len(panels) // lines)
    figure = new(2.3 * columns + 0.9, 2.55 * lines)
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    cells = next(iter(panels.values())).size
    # A grid's few places are many times as dense as anything else, and would leave the others dark.
    top = 1.3 * cells * sorted(one.max() for one in panels.values())[(len(panels) - 1) // 2]
    image = None
    for axes, (title, density) in zip(grid, panels.items(), strict=False):
        image = axes.imshow(density * cells, cmap="magma", vmin=0, vmax=top, extent=(0, 1, 1, 0))
        axes.set_title(title, fontsize=8)
        axes.set_xticks([])
        axes.set_yticks([])
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    assert image is not None
    bar = figure.colorbar(image, ax=list(grid), shrink=0.8, pad=0.02, extend="max")
    bar.set_label("density (uniform = 1)", fontsize=8)
    return figure


def saccade_lengths(found: dict[str, Any]) -> Figure:
    """Histograms of saccade lengths, one panel per policy, that of saliency behind each."""
    everybody = found["saccades"]
    lines = -(-len(everybody) // 5)
    columns = -(-len(everybody) // lines)
    figure = new(2.5 * columns, 2.2 * lines)
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for axes, (name, one) in zip(grid.ravel(), everybody.items(), strict=False):
        colour, _ = style(found, name)
        base = everybody.get(SALIENCY)
        if base is not None and name != SALIENCY:
            axes.stairs(base["share"], base["edges"], color=_STYLES[SALIENCY][0], lw=1, alpha=0.8)
        axes.stairs(one["share"], one["edges"], fill=True, color=colour, alpha=0.55)
        axes.axvline(one["mean"], color="black", lw=1, ls=":")
        axes.set_title(f"{_label(found, name)}\nmean {one['mean']:.1f} px", fontsize=8)
        axes.tick_params(labelbottom=True)
        axes.grid(alpha=0.25)
    last = max(edge for one in everybody.values() for edge, x in zip(one["edges"][1:], one["share"], strict=True) if x)
    grid[0, 0].set_xlim(0, last)
    for axes in grid.ravel()[len(everybody) :]:
        axes.set_visible(False)
    figure.supxlabel("length of a saccade in pixels (red line: saliency + IoR)", fontsize=9)
    figure.supylabel("share", fontsize=9)
    return figure


def overlaps(found: dict[str, Any]) -> Figure:
    """How much two policies look at the same places: over all scenes, and scene by scene."""
    names = [_label(found, name) for name in found["overlap"]["policies"]]
    figure = new(4.2 + 0.95 * len(names), 2.6 + 0.42 * len(names))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, kind in zip(panels, ("everywhere", "scene by scene"), strict=True):
        values = np.array(found["overlap"][kind])
        axes.imshow(values, cmap="viridis", vmin=0, vmax=1, aspect="auto")
        for i, row in enumerate(values):
            for j, value in enumerate(row):
                axes.text(j, i, f"{value:.2f}"[1 - (value >= 0.995) :], ha="center", va="center", fontsize=7,
                          color="white" if value < 0.6 else "black")  # fmt: skip
        axes.set_xticks(range(len(names)), names, rotation=40, ha="right", fontsize=8)
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.set_title(f"overlap, {kind}", fontsize=9)
    return figure


def two_by_two(found: dict[str, Any]) -> Figure:
    """Four curves: colours say what the world model was trained with, lines what it is tested with."""
    cells, views = found["two by two"], found["views"]
    figure = new(10.5, 4.2)
    for axes, (probe, title) in zip(figure.subplots(1, 2, sharey=True), _TITLES.items(), strict=True):
        for colour, (row, columns) in zip(("#c62828", "#1565c0"), cells[probe]["accuracy"].items(), strict=True):
            for line, (column, scores) in zip(("-o", "--s"), columns.items(), strict=True):
                low, high = 100 * np.array(scores["interval"]).T
                axes.fill_between(views, low, high, color=colour, alpha=0.1, lw=0)
                text = f"trained with {row}, tested with {column}"
                axes.plot(views, 100 * np.array(scores["mean"]), line, color=colour, label=text, ms=5, lw=1.5)
        axes.set_title(title, fontsize=10)
        axes.set_xticks(views)
        axes.set_xlabel("glimpses M")
        axes.set_ylabel("top-1 (%)")
        axes.grid(alpha=0.25)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    return figure


_PROBES = {RETRAINED: "probes retrained for every policy", SHARED: "one shared probe"}


def show(found: dict[str, Any], console: Console) -> None:
    """Print accuracies, differences, costs, what runs were trained with, and sentences; 100 columns are enough."""
    for probe in _PROBES:
        put(console, _accuracy_table(found, probe), _difference_table(found, probe))
    put(console, _cost_table(found), _whole_table(found), _path_table(found))
    if "two by two" in found:
        for part in (_crossed_table, _contrast_table):
            put(console, part(found["two by two"], found["views"]))
    console.print(f"{found['note']}.", highlight=False)
    for sentence in (*gains(found), glimpses(found), paths(found)):
        console.print(sentence, highlight=False)


def gains(found: dict[str, Any]) -> list[str]:
    """A sentence for every policy that is planned or learnt: points above others, share of the gap to the oracle."""
    at = [m for m in _AT if m in found["views"]]
    names = [name for name, one in found["policies"].items() if one["kind"] in ("planned", "learned")]
    probes = {RETRAINED: "", SHARED: "under the shared probe: "}
    return [
        f"{_label(found, name)}: " + "; ".join(words + _gain(found, name, probe, at) for probe, words in probes.items())
        for name in names
    ]


def _gain(found: dict[str, Any], name: str, probe: str, at: list[int]) -> str:
    rows = [found["views"].index(m) for m in at]
    gain = found[f"difference to {SALIENCY}"][probe][name]
    pairs = zip(rows, at, strict=True)
    words = ", ".join(f"{points(gain['mean'][i])} points {span(gain['interval'][i])} at {m} glimpses" for i, m in pairs)
    words = f"gain over saliency {words}"
    if centre := found.get(f"difference to {CENTRE}", {}).get(probe, {}).get(name):
        words += f"; over the centre prior {', '.join(points(centre['mean'][i]) for i in rows)} points"
    if closed := found["gap closed"].get(probe, {}).get(name):
        shares = (closed["mean"][i] for i in rows)
        words += f"; share of the gap to the oracle {', '.join('no gap' if x is None else percent(x) for x in shares)}"
    return words


def glimpses(found: dict[str, Any]) -> str:
    """With how many glimpses each policy comes near the accuracy of the whole image, by probes of its own."""
    needed = found["glimpses"]
    counts = {
        _label(found, name): f"more than {found['views'][-1]}" if m is None else str(m)
        for name, m in needed[RETRAINED].items()
    }
    return (
        f"glimpses for {100 * needed['share']:.0f} % of the whole image's {100 * needed['whole image']:.1f} %: "
        f"{'; '.join(f'{label} {count}' for label, count in counts.items())}"
    )


def paths(found: dict[str, Any]) -> str:
    """R² and RMSE of path integration by what runs were trained with, and how R² changes."""
    measured = found["path integration"]
    scores = "; ".join(
        f"{_series(heads['linear']['r2'])} ({_series(heads['linear']['rmse'], 1)} px) when trained with {group}"
        for group, heads in measured["groups"].items()
    )
    if measured["change of R²"] is None:
        return f"R² of path integration (RMSE): {scores}; runs trained otherwise are set beside them by --versus"
    change = " / ".join(f"{value:+.3f}".replace("-", "−") for value in measured["change of R²"])
    return f"R² of path integration (RMSE): {scores}; change of R² {change}"


def _series(values: Sequence[float], digits: int = 2) -> str:
    return " / ".join(f"{value:.{digits}f}" for value in values)


def points(value: float) -> str:
    """A difference of accuracies in points, with its sign."""
    return f"{100 * value:+.1f}".replace("-", "−")


def percent(value: float) -> str:
    """A share in whole percent."""
    return f"{100 * value:.0f} %".replace("-", "−")


def span(interval: Sequence[float]) -> str:
    """An interval of differences in points."""
    return f"[{points(interval[0])}, {points(interval[1])}]"


def _accuracy_table(found: dict[str, Any], probe: str) -> Table:
    table = new_table(
        f"Top-1 (%) after M glimpses: {_PROBES[probe]}",
        f"{'mean ± std over ' + str(len(found['runs'])) + ' runs' if len(found['runs']) > 1 else 'one run'}",
        ("policy",),
        [f"M = {m}" for m in found["views"]],
    )
    for name, scores in found["accuracy"][probe].items():
        stds = scores["std"] or [None] * len(scores["mean"])
        cells = [_score(mean, std) for mean, std in zip(scores["mean"], stds, strict=True)]
        table.add_row(found["policies"][name]["label"], *cells)
    return table


def _score(mean: float, std: float | None) -> str:
    return f"{100 * mean:.1f}" + ("" if std is None else f" ± {100 * std:.1f}")


def _difference_table(found: dict[str, Any], probe: str) -> Table:
    table = new_table(
        f"Points above saliency + IoR, 95 % interval, share of the gap to the oracle: {_PROBES[probe]}",
        "paired bootstrap over test images; the oracle is read by the shared probe",
        ("policy",),
        [f"M = {m}" for m in found["views"][1:]],
    )
    gaps = found["gap closed"].get(probe, {})
    for name, scores in found[f"difference to {SALIENCY}"][probe].items():
        cells = []
        for i in range(1, len(found["views"])):
            text = f"{points(scores['mean'][i])}\n{span(scores['interval'][i])}"
            closed = gaps.get(name, {}).get("mean", [None] * (i + 1))[i]
            cells.append(text if closed is None else f"{text}\n{percent(closed)}")
        table.add_row(found["policies"][name]["label"], *cells)
    return table


def _cost_table(found: dict[str, Any]) -> Table:
    some = next(iter(found["policies"].values()))["cost"]
    table = new_table(
        "What a choice costs",
        f"the world model itself sees {some['pixels'][0]:,} pixels a glimpse and spends "
        f"{' / '.join(f'{x / 1e6:.3g}' for x in some['model'])} MFLOP on 1 … {len(some['model'])} of them; products "
        "and convolutions alone are counted, a multiply-add as two",
        ("policy",),
        ["pixels beside the glimpses", "MFLOP a decision", "MFLOP an image"],
    )
    for one in found["policies"].values():
        cost = one["cost"]
        table.add_row(one["label"], f"{cost['beside']:,}", f"{cost['decision'] / 1e6:.3g}", f"{cost['once'] / 1e6:.3g}")
    return table


def _whole_table(found: dict[str, Any]) -> Table:
    whole = found["whole image"]
    ways = list(next(iter(whole["top-1"].values())))
    table = new_table(
        "The whole image: top-1 (%) of everything looked at", f"the best counts: {whole['best']}", ("seen as",), ways
    )
    for name, scores in whole["top-1"].items():
        table.add_row(name, *(f"{100 * scores[way]:.1f}" for way in ways))
    return table


def _path_table(found: dict[str, Any]) -> Table:
    table = new_table(
        "Path integration over uniform fixations: R² (RMSE in pixels)",
        "the paper's linear regressor, from z_AGG of M views and the next action; mean over runs",
        ("trained with",),
        [f"M = {m}" for m in found["views"]],
    )
    for group, heads in found["path integration"]["groups"].items():
        pairs = zip(heads["linear"]["r2"], heads["linear"]["rmse"], strict=True)
        table.add_row(group, *(f"{r2:.2f} ({rmse:.1f})" for r2, rmse in pairs))
    return table


def _crossed_table(cells: dict[str, Any], views: list[int]) -> Table:
    table = new_table(
        "Trained with × tested with: top-1 (%)",
        "retrained probes; a learnt policy looks with the world model that it was trained with",
        ("trained with", "tested with"),
        [f"M = {m}" for m in views],
    )
    for row, columns in cells[RETRAINED]["accuracy"].items():
        for column, scores in columns.items():
            stds = scores["std"] or [None] * len(views)
            table.add_row(row, column, *(_score(m, s) for m, s in zip(scores["mean"], stds, strict=True)))
    return table


def _contrast_table(cells: dict[str, Any], views: list[int]) -> Table:
    table = new_table(
        "Trained with × tested with: differences in points, 95 % interval",
        "retrained probes; interaction: how much more the second policy gains in the second world model",
        ("difference",),
        [f"M = {m}" for m in views[1:]],
    )
    for what, scores in cells[RETRAINED]["differences"].items():
        pairs = list(zip(scores["mean"], scores["interval"], strict=True))[1:]
        table.add_row(what, *(f"{points(mean)}\n{span(edges)}" for mean, edges in pairs))
    return table
