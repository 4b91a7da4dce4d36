"""Tables on the terminal that fit it, and those of an evaluation; results as JSON for everything else."""

import json
from pathlib import Path
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table

from gazeworld.agents.probes.features import FULL, NO_ACTIONS, NO_VISION
from gazeworld.envs.files import write_text


def write(results: dict[str, Any], path: Path) -> None:
    """Write JSON so that the file is whole or as it was before.

    Raises ValueError for numbers that are not finite, which JSON cannot hold.
    """
    write_text(path, json.dumps(results, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def show(results: dict[str, Any], console: Console) -> None:
    """Print everything that was measured, with what it was measured on; 80 columns are enough for 6 views."""
    for sentence in left_out(results):
        console.print(sentence, highlight=False, markup=False)
    if "recognition" in results:
        put(console, _recognition(results))
    if results["position"]:
        put(console, _position(results))
    for name, entry in results["path_integration"].items():
        put(console, _paths(entry, name, wide=console.width >= 120))


def left_out(results: dict[str, Any]) -> list[str]:
    """What was not measured, and why, a sentence each."""
    parts = (results, results.get("objects", {}))
    return [f"{name} is left out: {why}" for part in parts for name, why in part.get("left out", {}).items()]


def put(console: Console, *tables: Table) -> None:
    """Print tables so that no number and no word is cut: where a terminal is too narrow, lines run over."""
    for table in tables:
        whole = console.measure(table, options=console.options.update(max_width=_WIDEST)).maximum
        for column in table.columns:  # rich would rather break words, and cut numbers, than run over
            if whole > console.width:
                spared = min(_slack(column), whole - console.width)
                column.width, whole = _widest(column) - spared, whole - spared
                table.width = max(whole, console.width)
        console.print(table, crop=False)


def _slack(column: Column) -> int:
    """By how many characters a column can be narrower without breaking a word."""
    words = (cell_len(word) for cell in (column.header, *column.cells) for word in str(cell).split())
    return 0 if column.no_wrap else _widest(column) - max(words, default=0)


def _widest(column: Column) -> int:
    lines = (cell_len(line) for cell in (column.header, *column.cells) for line in str(cell).splitlines())
    return max(lines, default=0)


_WIDEST = 1000  # columns that a table may ask for
_TENSORS = {"aggregate": "z_AGG", "single": "z_M alone", "pooled": "mean z"}


def _recognition(results: dict[str, Any]) -> Table:
    named = results["recognition"]
    entry = named["policy"]["aggregate"]
    base = results["chance"]["top-1 of the majority class"]
    table = new_table(
        "Recognition: top-1 (%) of linear classifiers after M views",
        f"z_AGG: aggregate of the first M views; z_M alone: view M; mean z: mean of z_1 … z_M; "
        f"chance {100 * base:.1f} %; {_splits(entry)}",
        ("fixations", "tensor", "model"),
        [f"M = {m}" for m in entry["views"]],
    )
    for where, kinds in named.items():
        place = kinds["fixations"]["name"] if where == "policy" else where
        for kind, label in _TENSORS.items():
            for model, values in kinds.get(kind, {"values": {}})["values"].items():
                table.add_row(place, label, model, *(f"{100 * v:.1f}" for v in values))
        table.add_section()
    return table


def _position(results: dict[str, Any]) -> Table:
    entries = results["position"]
    told = "absolute from z_1" if any(kind.startswith("absolute") for kind in entries) else "all streams begin alike"
    table = new_table(
        "Where: R² of the paper's regressors (Adam) and of a linear one in closed form (ridge)",
        f"relative from (z_1, z_2), {told}; {_splits(next(iter(entries.values())))}",
        ("read out", "model"),
        ["Adam", "ridge", "error, mean / median"],
    )
    for kind, entry in entries.items():
        for model, heads in entry["values"].items():
            first, second = (heads[head] for head in entry["heads"])
            table.add_row(kind, model, f"{first['mean']:.3f}", f"{second['mean']:.3f}", _angles(first))
        if "perfect" in entry:
            table.add_row(kind, "perfect decoder", f"{entry['perfect']['mean']:.3f}", "", "0° / 0°")
            table.add_row(kind, "constant answer", "", "", _angles(entry["constant"]))
        table.add_section()
    return table


def _angles(score: dict[str, Any]) -> str:
    if "degrees" not in score:
        return ""
    return f"{score['degrees']['mean']:.1f}° / {score['degrees']['median']:.1f}°"


def _paths(entry: dict[str, Any], name: str, *, wide: bool) -> Table:
    title = f"Path integration {name.replace('_', ' ')}"
    if "noise" in entry:
        title += f" (σ = {entry['noise']} per action and axis)"
    heads = entry["heads"] if wide else entry["heads"][:1]
    table = new_table(
        f"{title}: R² of regressors ({'Adam / ridge' if wide else 'Adam; ridge stands in probes.json'})",
        f"from z_AGG of M views and the embedding of the next action; {_splits(entry)}",
        ("model", "input"),
        [f"M = {m}" for m in entry["views"]],
    )
    for model, values in entry["values"].items():
        if model == "dead_reckoning":
            table.add_row("none", "commanded actions composed", *(_short(v) for v in values["mean"]))
            continue
        table.add_row(model, "full", *_cells([values[head][FULL] for head in heads]))
        for ablation in (NO_ACTIONS, NO_VISION):
            for reading, label in (("at_inference", "at inference"), ("retrained_head", "head retrained")):
                curves = [values[head][ablation][reading] for head in heads]
                table.add_row(model, f"{ablation.replace('_', ' ')}, {label}", *_cells(curves))
        table.add_section()
    return table


def _cells(curves: list[dict[str, Any]]) -> list[str]:
    return [" / ".join(_short(v) for v in scores) for scores in zip(*(c["mean"] for c in curves), strict=True)]


def _short(value: float) -> str:
    return f"{value:.2f}" if value > -10 else "< −10"


def new_table(title: str, caption: str, names: tuple[str, ...], scores: list[str]) -> Table:
    """An empty table whose first columns hold names and whose others hold scores."""
    table = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in names:
        table.add_column(name, overflow="fold")
    for name in scores:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _splits(entry: dict[str, Any]) -> str:
    train, test = entry["heads trained on"], entry["scored on"]
    return (
        f"read-outs trained on {train['streams']} streams of the {train['split']} split, "
        f"scored on {test['streams']} of the {test['split']} split"
    )


def show_objects(found: dict[str, Any], console: Console) -> None:
    """Print what was measured: retrieval, neighbours, odd one out, other regions."""
    if "retrieval" in found:
        put(console, _retrieval(found["retrieval"]))
    if "neighbours" in found:
        put(console, _neighbours(found["neighbours"]))
    if "odd_one_out" in found:
        put(console, _odd(found["odd_one_out"]))
    for name, entry in found.get("elsewhere", {}).items():
        put(console, _elsewhere(name, entry))


def _retrieval(entry: dict[str, Any]) -> Table:
    rows = {**{model: kinds["all views"] for model, kinds in entry["values"].items()}}
    rows["chance"] = entry["chance"]["all views"]
    table = new_table(
        f"Retrieval: the predicted view among an object's {entry['candidates']} views (%)",
        f"{entry['scored on']['streams']} streams of the {entry['scored on']['split']} split",
        ("score", "model"),
        [f"M = {m}" for m in entry["views"]],
    )
    for score in ("mrr", "hit@1", "hit@5"):
        for model, values in rows.items():
            table.add_row(score, model, *(f"{100 * value:.1f}" for value in values[score]))
        table.add_section()
    return table


def _neighbours(entry: dict[str, Any]) -> Table:
    rows = {**entry["values"], "random": entry["random"]}
    some = next(iter(entry["random"].values()))
    names = [name for name in ("same class", "same object") if name in some]
    table = new_table(
        "Nearest neighbours of a view",
        f"{entry['target']}; mean angle between the rotations",
        ("candidates", "model"),
        [*(f"{name} (%)" for name in names), "angle"],
    )
    for kind in entry["random"]:
        for model, kinds in rows.items():
            one = kinds[kind]
            shares = (f"{100 * one[name]:.1f}" for name in names)
            table.add_row(kind, model, *shares, _angle(one["degrees"]))
        table.add_row(kind, "nearest rotations", *("" for _ in names), _angle(entry["closest"][kind]["degrees"]))
        table.add_section()
    return table


def _angle(degrees: dict[str, float]) -> str:
    return f"{degrees['mean']:.0f}°"


def _odd(entry: dict[str, Any]) -> Table:
    kinds = list(next(iter(entry["values"].values())))
    table = new_table(
        f"Odd one out of {entry['views']} views (%)",
        f"chance {100 * entry['chance']:.1f}; {100 * entry['unordered']:.1f} for who cannot tell their order",
        ("model",),
        kinds,
    )
    for model, values in entry["values"].items():
        table.add_row(model, *(f"{100 * values[kind]:.1f}" for kind in kinds))
    return table


def _elsewhere(name: str, entry: dict[str, Any]) -> Table:
    table = new_table(
        f"Read-outs trained here, scored on “{name}”",
        "recognition: top-1 (%) of the aggregate of all M views; others: R², raw",
        ("read out", "model"),
        ["here", "there"],
    )
    for model, values in entry.get("recognition", {"values": {}})["values"].items():
        scores = (f"{100 * values['aggregate'][place][-1]:.1f}" for place in ("here", "there"))
        table.add_row("recognition", model, *scores)
    for what in [key for key in entry if key != "recognition"]:
        made = entry[what]
        answers = {model: heads[made["heads"][0]] for model, heads in made["values"].items()}
        perfect = {place: next(iter(signs.values())) for place, signs in made.get("perfect", {}).items()}
        for model, one in {**answers, **({"perfect answer": perfect} if perfect else {})}.items():
            for kind in [kind for kind in ("raw", "sign-invariant") if kind in one["there"]]:
                scores = (f"{one[place][kind]['mean']:.3f}" for place in ("here", "there"))
                table.add_row(f"{what}, {kind}" if kind != "raw" else what, model, *scores)
        for model, one in {**answers, "constant answer": made.get("constant", {})}.items():
            if "degrees" in one.get("there", {}):
                table.add_row(f"{what}, error", model, *(_angle(one[place]["degrees"]) for place in ("here", "there")))
    return table


def ensemble_table(found: dict[str, Any]) -> Table:
    """How good an ensemble is, as `planning_measures.ensemble_for_run` says."""
    config = found["config"]
    table = new_table(
        f"An ensemble of {config['heads']} heads of {config['hidden']} units, on uniform fixations of the test split",
        "cosine of the prediction and the target's embedding; the label head has seen one view more than z_AGG",
        ("", "value"),
        [],
    )
    for name, value in found["quality"].items():
        table.add_row(name, f"{value:.3f}")
    return table


def goal_table(found: dict[str, Any]) -> Table:
    """Shares of goals reached, as `planning_measures.goals_of_run` says."""
    table = new_table(
        "Goals reached (%)",
        f"{found['task']}; {found['scenes']} test scenes; below: 95 % interval, and mean smallest distance so far in "
        f"{found['unit']}",
        ("policy",),
        [f"{n} action{'s' * (n > 1)}" for n in found["actions"]],
    )
    for name, one in found["values"].items():
        cells = zip(one["reached"], one["interval"], one["nearest"], strict=True)
        table.add_row(name, *(f"{100 * r:.1f}\n{100 * lo:.1f}–{100 * hi:.1f}\n{d:.1f}" for r, (lo, hi), d in cells))
    table.add_row("chance", *(f"{100 * value:.1f}" for value in found["chance"]))
    return table


def goal_sentence(found: dict[str, Any]) -> str:
    """The summary of goals reached, in a sentence."""
    one = found["summary"]
    if "one shot" in one:
        shot = one["one shot"]
        return (
            f"Hit@1 among unseen views {one['hit@1']:.3f}, with {one['replans']} replans {one['with replans']:.3f}; "
            f"MRR over {one['tries']} tries {one['mrr']:.3f} (later ones count 0); one shot among all views: Hit@1 "
            f"{shot['hit@1']:.3f}, Hit@5 {shot['hit@5']:.3f}, MRR {shot['mrr']:.3f}; chance {one['chance']:.3f}"
        )
    mine, best = one["trained model"], one["best without a model"]
    low, high = mine["interval"]
    return (
        f"goals reached in {one['actions']} saccades: {100 * mine['reached']:.1f} % "
        f"[{100 * low:.1f}, {100 * high:.1f}], "
        f"{one['times the best']:.1f} times the best without a model ({best['name']}, {100 * best['reached']:.1f} %); "
        f"untrained model {100 * one['untrained model']['reached']:.1f} %, chance {100 * one['chance']:.1f} %"
    )


def rollout_table(found: dict[str, Any]) -> Table:
    """The error of imagined embeddings, as `imagination` says."""
    table = new_table(
        f"Imagination: 1 − cosine with the true embedding, after {found['seen']} views",
        f"mean over {found['scored on']['streams']} test streams (standard error); models have targets of their own: "
        "compare rows of one model",
        ("model", "answer"),
        [f"{n} ahead" for n in found["horizon"]],
    )
    for model, kinds in found["values"].items():
        for kind, one in kinds.items():
            cells = zip(one["mean"], one["sem"], strict=True)
            table.add_row(model, kind, *(f"{mean:.3f} ({sem:.3f})" for mean, sem in cells))
        table.add_section()
    return table
