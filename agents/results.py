"""What becomes of an evaluation's result: a table for people and `probes.json` for everything else."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .features import FULL, NO_ACTIONS, NO_VISION


def write(results: dict[str, Any], path: Path) -> None:
    """Write JSON so that the file is whole or as it was before: to a temporary file beside it, then renamed.

    Raises ValueError for numbers that are not finite, which JSON cannot hold.
    """
    text = json.dumps(results, indent=1, allow_nan=False, ensure_ascii=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".draft")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        Path(draft).replace(path)
    finally:
        Path(draft).unlink(missing_ok=True)


def show(results: dict[str, Any], console: Console) -> None:
    """Print everything that was measured, with what it was measured on."""
    console.print(_recognition(results), _position(results))
    for name, entry in results["path_integration"].items():
        console.print(_paths(entry, name))


def _recognition(results: dict[str, Any]) -> Table:
    named = results["recognition"]
    counts = named["policy"]["aggregate"]["views"]
    base = results["chance"]["top-1 of the majority class"]
    table = Table(
        title="Recognition: top-1 (%) of linear probes",
        caption=f"{_splits(named['policy']['aggregate'])}; chance {100 * base:.1f} %",
    )
    _columns(table, ("fixations", "tensor probed", "model"), counts)
    for where, kinds in named.items():
        entries = {kind: entry for kind, entry in kinds.items() if kind != "fixations"}
        for entry in entries.values():
            for model, values in entry["values"].items():
                table.add_row(_place(where, kinds), entry["tensor"], model, *(f"{100 * v:.1f}" for v in values))
        table.add_section()
    return table


def _place(where: str, kinds: dict[str, Any]) -> str:
    return kinds["fixations"]["name"] if where == "policy" else where


def _position(results: dict[str, Any]) -> Table:
    entries = results["position"]
    some = next(iter(entries.values()))
    table = Table(title="Position: R² of linear regressors (Adam, and in closed form)", caption=_splits(some))
    for name in ("target", "tensor probed", "model", "Adam", "ridge", "ridge, by component"):
        table.add_column(name, justify="left" if name in ("target", "tensor probed", "model") else "right")
    for entry in entries.values():
        for model, heads in entry["values"].items():
            parts = " ".join(f"{v:.3f}" for v in heads["ridge"]["components"])
            scores = (f"{heads[head]['mean']:.3f}" for head in ("linear", "ridge"))
            table.add_row(entry["target"], entry["tensor"], model, *scores, parts)
    return table


def _paths(entry: dict[str, Any], name: str) -> Table:
    title = f"Path integration {name.replace('_', ' ')}"
    if "noise" in entry:
        title += f" (σ = {entry['noise']} per action and axis)"
    table = Table(title=f"{title}: R² of linear regressors, Adam / ridge", caption=_splits(entry))
    _columns(table, ("model", "input", "head"), entry["views"])
    for model, values in entry["values"].items():
        if model == "dead_reckoning":
            table.add_row("none", "sum of commanded actions", "none", *(f"{v:.2f}" for v in values["mean"]))
            continue
        table.add_row(model, FULL, "own", *_cells(values, FULL, None))
        for ablation in (NO_ACTIONS, NO_VISION):
            for head, text in (("at_inference", "of full"), ("retrained_head", "own")):
                table.add_row(model, ablation.replace("_", " "), text, *_cells(values, ablation, head))
        table.add_section()
    return table


def _cells(values: dict[str, Any], ablation: str, head: str | None) -> list[str]:
    pairs = []
    for kind in ("linear", "ridge"):
        curve = values[kind][ablation]
        pairs.append((curve if head is None else curve[head])["mean"])
    return [f"{_short(a)} / {_short(b)}" for a, b in zip(*pairs, strict=True)]


def _short(value: float) -> str:
    return f"{value:.2f}" if value > -10 else "< −10"


def _columns(table: Table, names: tuple[str, ...], counts: list[int]) -> None:
    for name in names:
        table.add_column(name)
    for m in counts:
        table.add_column(f"M = {m}", justify="right", no_wrap=True)


def _splits(entry: dict[str, Any]) -> str:
    train, test = entry["heads trained on"], entry["scored on"]
    return (
        f"heads trained on {train['streams']} streams of the {train['split']} split, "
        f"scored on {test['streams']} of the {test['split']} split"
    )
