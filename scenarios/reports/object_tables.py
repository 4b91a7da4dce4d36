"""Tables of what `turning` measured, for people."""

from typing import Any

from rich.console import Console
from rich.table import Table

from .tables import new_table as new
from .tables import put


def show(found: dict[str, Any], console: Console) -> None:
    """Print neighbours and odd one out and, where they were measured, retrieval and other regions."""
    if "retrieval" in found:
        put(console, _retrieval(found["retrieval"]))
    put(console, _neighbours(found["neighbours"]), _odd(found["odd_one_out"]))
    for name, entry in found.get("elsewhere", {}).items():
        put(console, _elsewhere(name, entry))


def _retrieval(entry: dict[str, Any]) -> Table:
    rows = {**{model: kinds["all views"] for model, kinds in entry["values"].items()}}
    rows["chance"] = entry["chance"]["all views"]
    table = new(
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
    table = new(
        "Nearest neighbours of a view",
        f"{entry['target']}; mean angle between the rotations",
        ("candidates", "model"),
        ["same class (%)", "same object (%)", "angle"],
    )
    rows = {**entry["values"], "random": entry["random"]}
    for kind in entry["random"]:
        for model, kinds in rows.items():
            one = kinds[kind]
            shares = (f"{100 * one[name]:.1f}" for name in ("same class", "same object"))
            table.add_row(kind, model, *shares, _angle(one["degrees"]))
        table.add_row(kind, "nearest rotations", "", "", _angle(entry["closest"][kind]["degrees"]))
        table.add_section()
    return table


def _angle(degrees: dict[str, float]) -> str:
    return f"{degrees['mean']:.0f}°"


def _odd(entry: dict[str, Any]) -> Table:
    kinds = list(next(iter(entry["values"].values())))
    table = new(
        f"Odd one out of {entry['views']} views (%)",
        f"chance {100 * entry['chance']:.1f}; {100 * entry['unordered']:.1f} for who cannot tell their order",
        ("model",),
        kinds,
    )
    for model, values in entry["values"].items():
        table.add_row(model, *(f"{100 * values[kind]:.1f}" for kind in kinds))
    return table


def _elsewhere(name: str, entry: dict[str, Any]) -> Table:
    table = new(
        f"Heads trained here, scored on “{name}”",
        "recognition: top-1 (%) of the aggregate of all M views; others: R², raw",
        ("read out", "model"),
        ["here", "there"],
    )
    for model, values in entry["recognition"]["values"].items():
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
