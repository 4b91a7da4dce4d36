"""A comparison on the terminal."""

from typing import Any

from rich.console import Console
from rich.table import Table

from gazeworld.agents.comparison.contest import RETRAINED, SHARED
from gazeworld.agents.comparison.contestants import SALIENCY
from gazeworld.agents.comparison.verdicts import percent, points, span

from .tables import new_table, put

_PROBES = {RETRAINED: "probes retrained for every policy", SHARED: "one shared probe"}


def show(found: dict[str, Any], console: Console) -> None:
    """Print accuracies, differences, costs, what runs were trained with, and the verdicts; 100 columns are enough."""
    for probe in _PROBES:
        put(console, _accuracies(found, probe), _differences(found, probe))
    put(console, _costs(found), _whole(found), _paths(found))
    if "two by two" in found:
        for part in (_two_by_two, _contrasts):
            put(console, part(found["two by two"], found["views"]))
    console.print(f"{found['note']}.", highlight=False)
    for verdict in found["verdicts"]:
        console.print(verdict["sentence"], highlight=False)


def _accuracies(found: dict[str, Any], probe: str) -> Table:
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


def _differences(found: dict[str, Any], probe: str) -> Table:
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


def _costs(found: dict[str, Any]) -> Table:
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


def _whole(found: dict[str, Any]) -> Table:
    whole = found["whole image"]
    ways = list(next(iter(whole["top-1"].values())))
    table = new_table(
        "The whole image: top-1 (%) of everything looked at", f"the best counts: {whole['best']}", ("seen as",), ways
    )
    for name, scores in whole["top-1"].items():
        table.add_row(name, *(f"{100 * scores[way]:.1f}" for way in ways))
    return table


def _paths(found: dict[str, Any]) -> Table:
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


def _two_by_two(cells: dict[str, Any], views: list[int]) -> Table:
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


def _contrasts(cells: dict[str, Any], views: list[int]) -> Table:
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
