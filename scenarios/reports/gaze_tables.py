"""Tables of how much policies look as people do."""

from typing import Any

from rich.console import Console

from gazeworld.agents.gaze.path_scores import MEASURES

from .tables import new_table, put

_FIXATIONS = {"information gain": 2, "explained": 2, "NSS": 2, "AUC": 3}
_SHORT = {name: name.replace("MultiMatch ", "MM ") for name in MEASURES}


def show(found: dict[str, Any], console: Console) -> None:
    """Print what was scored, what was left out, and all scores with their intervals."""
    for sentence in sentences(found):
        console.print(sentence, highlight=False, markup=False)
    if found["fixations"]:
        put(console, _fixation_table(found))
    if found["paths"]:
        put(console, *_path_tables(found))


def sentences(found: dict[str, Any]) -> list[str]:
    """What was scored, and what was left out of the file."""
    data = found["data"]
    told = (
        f"{data['fixations']} fixations given their history, in {data['paths']} paths of {data['subjects']} people on "
        f"{data['images']} images"
    )
    left = ", ".join(f"{number} {what}" for what, number in data["left out"].items() if "in the file" not in what)
    moved = f"{100 * data['moved to a legal fixation']:.1f} % nearer to the border than a glimpse can be were moved"
    silent = [name for name in found["contenders"] if name not in found["fixations"]]
    rest = [f"{', '.join(silent)}: no distribution, so only scan paths are compared"] if silent else []
    return [told, f"left out: {left or 'nothing'}; {moved}", *rest]


def _fixation_table(found: dict[str, Any]) -> Any:
    table = new_table(
        "Fixations given their history",
        "information gain over the centre prior in bits a fixation, and as a share of what other people's fixations "
        "explain; below: 95 % interval over images",
        ("looking",),
        ["gain (bits)", "explained", "NSS", "AUC"],
    )
    for name, one in found["fixations"].items():
        table.add_row(name, *(_cell(one.get(score), digits) for score, digits in _FIXATIONS.items()))
    return table


def _path_tables(found: dict[str, Any]) -> list[Any]:
    """Two tables, so that a terminal of 80 columns takes them."""
    samples, halves = found["config"]["samples"], (MEASURES[:6], MEASURES[6:])
    made = []
    for names in halves:
        table = new_table(
            "Scan paths beside people's",
            f"means of {samples} paths beside each of people's; `people`: other people on the same image, the ceiling; "
            "MM: MultiMatch; DTW in units of the image side, where less is better; below: 95 % interval over images",
            ("looking",),
            [_SHORT[name] for name in names],
        )
        for name, one in found["paths"].items():
            table.add_row(name, *(_cell(one[measure], 2) for measure in names))
        made.append(table)
    return made


def _cell(one: dict[str, Any] | None, digits: int) -> str:
    """A mean with its interval below, or a dash."""
    if one is None or one["mean"] is None:
        return "–"
    whole = f"{one['mean']:.{digits}f}"
    if one["interval"] is None or None in one["interval"]:
        return whole
    low, high = one["interval"]
    return f"{whole}\n{low:.{digits}f} … {high:.{digits}f}"
