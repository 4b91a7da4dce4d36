"""The control experiment for people: tables in Markdown, and curves over glimpses with intervals over seeds."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from gazeworld.agents.comparison.controls import MAPS

from .figures import new

_COLOURS = dict(zip(MAPS, ("#616161", "#ef6c00", "#b08800", "#c62828", "#1565c0"), strict=True))


def page(name: str, found: dict[str, Any], maps: dict[str, dict[str, float]] | None) -> str:
    """All tables of one scenario, in Markdown."""
    parts = [f"## `{name}`\n", _conditions(found), _contrasts(found)]
    if maps is not None:
        parts.append(_maps(maps))
    return "\n".join(parts)


def _conditions(found: dict[str, Any]) -> str:
    """Top-1 at every M, position and shares of glimpses on the object, of every condition."""
    conditions = found["conditions"]
    some = next(iter(conditions.values()))
    views = len(some["top-1"]["mean"])
    seen = [what for what in ("object: centre", "object: pixels", "object: covered") if what in some]
    titles = [f"M = {m + 1}" for m in range(views)] + ["mean of views", "position R²"]
    titles += [what.removeprefix("object: ") for what in seen]
    lines = [_row(["top-1 (%)", *titles, "seeds"]), _row(["---"] * (len(titles) + 2))]
    for label, one in conditions.items():
        cells = [_cell(one["top-1"], m) for m in range(views)]
        cells += [_cell(one["top-1 of the mean of views"], -1), _cell(one["position R²"], 0, r2=True)]
        cells += [_cell(one[what], -1) if what == "object: covered" else _overall(one[what]) for what in seen]
        lines.append(_row([label, *cells, str(len(one["seeds"]))]))
    lines += [_untrained(next(iter(conditions)), some, views, len(seen)), ""]
    lines += ["Means over seeds ± half the 95 % interval (Student's t over seeds). Chance "]
    lines[-1] += (
        f"{100 * some['chance']['mean'][0]:.1f} %; `mean of views`: a probe on the mean of all views' embeddings. "
    )
    lines[-1] += "`position R²`: displacement between two views, from both embeddings, ridge. "
    if seen:
        lines[-1] += (
            "Shares in %, all glimpses of a stream taken together: `centre` of the fixations that are on the object, "
            "`pixels` of the glimpses that show it; `covered` of the object after the last glimpse. The object is "
            f"{100 * some['object: image']['mean'][0]:.1f} % of the image."
        )
    return "\n".join(lines) + "\n"


def _untrained(label: str, some: dict[str, Any], views: int, seen: int) -> str:
    cells = [_cell(some["top-1, untrained"], m) for m in range(views)]
    return _row(
        [f"untrained, {label}", *cells, "", _cell(some["position R², untrained"], 0, r2=True), *[""] * (seen + 1)]
    )


def _contrasts(found: dict[str, Any]) -> str:
    """Paired differences that the question asks for."""
    contrasts = found["contrasts"]
    if not contrasts:
        return ""
    some = next(iter(contrasts.values()))
    views = len(some["top-1"]["mean"])
    seen = ["object: pixels"] if "object: pixels" in some else []
    titles = [f"M = {m + 1}" for m in range(views)] + ["position R²"] + [what.removeprefix("object: ") for what in seen]
    lines = [_row(["difference (points)", *titles, "seeds"]), _row(["---"] * (len(titles) + 2))]
    for label, one in contrasts.items():
        cells = [_cell(one["top-1"], m, sign="+") for m in range(views)]
        cells += [_cell(one["position R²"], 0, r2=True, sign="+")] + [_overall(one[what], "+") for what in seen]
        lines.append(_row([label, *cells, str(len(one["seeds"]))]))
    return "\n".join([*lines, "", "Differences are paired by seed.", ""])


def _maps(maps: dict[str, dict[str, float]]) -> str:
    lines = [_row(["map", "AUC", "mass on the object over chance"]), _row(["---"] * 3)]
    lines += [_row([name, f"{one['auc']:.3f}", f"{one['mass']:.2f}"]) for name, one in maps.items()]
    return "\n".join([*lines, "", "Maps against exact masks of test scenes, without any model.", ""])


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(score: dict[str, Any], at: int, *, r2: bool = False, sign: str = "") -> str:
    """Mean ± half its interval, in % or as R²; the mean alone where there is one seed."""
    scale, digits = (1, 2) if r2 else (100, 1)
    mean = f"{scale * score['mean'][at]:{sign}.{digits}f}"
    return mean if score["interval"] is None else f"{mean} ± {scale * score['interval'][at]:.{digits}f}"


def _overall(score: dict[str, Any], sign: str = "") -> str:
    """The mean over all glimpses."""
    whole = score["overall"]
    return _cell({name: None if value is None else [value] for name, value in whole.items()}, 0, sign=sign)


def figure(name: str, found: dict[str, Any]) -> Figure:
    """Accuracy over M, and the shares of glimpses on the object; dashed without inhibition of return."""
    some = next(iter(found["conditions"].values()))
    panels = [("top-1", "top-1 accuracy (%)", "number of views M")]
    if "object: pixels" in some:
        panels += [("object: pixels", "pixels of the glimpse on the object (%)", "glimpse")]
        panels += [("object: covered", "object covered (%)", "glimpses")]
    drawing = new(5.2 * len(panels), 4.4)
    axes = drawing.subplots(1, len(panels), squeeze=False)[0]
    for place, (what, label, along) in zip(axes, panels, strict=True):
        for condition, one in found["conditions"].items():
            score = one[what]
            mean, m = 100 * np.array(score["mean"]), np.arange(1, len(score["mean"]) + 1)
            style, colour = ("-o" if one["ior"] else "--o"), _COLOURS[one["map"]]
            place.plot(
                m, mean, style, color=colour, ms=4, lw=1.5, mfc=colour if one["ior"] else "white", label=condition
            )
            if score["interval"] is not None and one["ior"]:
                wide = 100 * np.array(score["interval"])
                place.fill_between(m, mean - wide, mean + wide, color=colour, alpha=0.12, lw=0)
        place.set_xlabel(along)
        place.set_ylabel(label)
        place.set_xticks(range(1, len(some[what]["mean"]) + 1))
    chance = 100 * some["chance"]["mean"][0]
    axes[0].axhline(chance, color="#9e9e9e", lw=1, ls=":", label="chance")
    drawing.suptitle(f"{name}: a world model of each way to look, tested with it", fontsize=11)
    drawing.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    return drawing
