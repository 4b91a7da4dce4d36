"""What a comparison means: the targets that a policy has to reach to convince, beside what was measured.

The targets are this project's: T1 and T2 are about a policy that is planned or learnt, T3 about the world model that
was trained with another policy than saliency with inhibition of return.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from .contest import RETRAINED, SHARED
from .contestants import CENTRE, SALIENCY

POINTS, GAP, AT = 0.02, 0.30, (2, 3)
"""T1: gain over saliency, share of the gap to the oracle, and the numbers of glimpses at which both are asked for."""
WHOLE, GLIMPSES = 0.95, 2
"""T2: share of the accuracy of the whole image, and with how many glimpses it is to be reached."""
LOSS = 0.02
"""T3: how much R² of path integration may fall."""


def recognition(found: dict[str, Any]) -> list[dict[str, Any]]:
    """T1 for every policy that is planned or learnt, with probes retrained for it (the shared one stands beside)."""
    names = [name for name, one in found["policies"].items() if one["kind"] in ("planned", "learned")]
    made = []
    for name in names:
        parts = {probe: _recognition(found, name, probe) for probe in (RETRAINED, SHARED)}
        met, words = parts[RETRAINED]
        label = found["policies"][name]["label"]
        sentence = f"T1 {'met' if met else 'not met'} by {label}: {words}"
        also = f"under the shared probe {'met' if parts[SHARED][0] else 'not met'}: {parts[SHARED][1]}"
        made.append({"target": "T1", "policy": name, "met": met, "sentence": sentence, "shared": also})
    return made


def _recognition(found: dict[str, Any], name: str, probe: str) -> tuple[bool, str]:
    at = [m for m in AT if m in found["views"]]
    rows = [found["views"].index(m) for m in at]
    gains = found[f"difference to {SALIENCY}"][probe][name]
    enough = all(gains["mean"][i] >= POINTS and gains["interval"][i][0] > 0 for i in rows) and len(at) == len(AT)
    words = ", ".join(
        f"{points(gains['mean'][i])} points {span(gains['interval'][i])} at {m} glimpses"
        for i, m in zip(rows, at, strict=True)
    )
    words += f" (goal {points(POINTS)} or more at {' and '.join(map(str, AT))}, intervals above 0)"
    centre = found.get(f"difference to {CENTRE}", {}).get(probe, {}).get(name)
    if centre is None:
        enough, words = False, f"{words}; centre prior not compared"
    else:
        above = all(centre["mean"][i] > 0 for i in rows)
        enough &= above
        text = ", ".join(points(centre["mean"][i]) for i in rows)
        words += f"; {text} points to the centre prior (goal: above 0)"
    gaps = found["gap closed"].get(probe, {}).get(name)
    if gaps is None:
        return False, f"{words}; no oracle took part"
    shares = [gaps["mean"][i] for i in rows]
    enough &= all(share is not None and share >= GAP for share in shares)
    text = ", ".join("no gap" if share is None else percent(share) for share in shares)
    return enough, f"{words}; {text} of the gap to the oracle closed (goal {100 * GAP:.0f} %)"


def glimpses(found: dict[str, Any], whole: float) -> dict[str, Any]:
    """T2: how many glimpses each policy needs for 95 % of the accuracy of the whole image."""
    needed: dict[str, dict[str, int | None]] = {}
    for probe in (RETRAINED, SHARED):
        needed[probe] = {
            name: next((m for m, x in zip(found["views"], one["mean"], strict=True) if x >= WHOLE * whole), None)
            for name, one in found["accuracy"][probe].items()
        }
    kinds = {name: one["kind"] for name, one in found["policies"].items()}
    reached = {
        name: m for name, m in needed[RETRAINED].items() if m is not None and kinds[name] in ("planned", "learned")
    }
    best = min(reached, key=lambda name: reached[name]) if reached else None
    met = best is not None and reached[best] <= GLIMPSES
    words = "; ".join(
        f"{found['policies'][name]['label']} {_count(m, found['views'][-1])}" for name, m in needed[RETRAINED].items()
    )
    sentence = (
        f"T2 {'met' if met else 'not met'}: glimpses for {100 * WHOLE:.0f} % of the whole image's {100 * whole:.1f} %: "
        f"{words} (goal: {GLIMPSES} by a policy that is planned or learnt)"
    )
    return {"target": "T2", "met": met, "sentence": sentence, "glimpses": needed}


def _count(m: int | None, most: int) -> str:
    return f"more than {most}" if m is None else str(m)


def paths(found: Mapping[str, Sequence[dict[str, Any]]]) -> dict[str, Any]:
    """T3: R² of path integration of the second group of runs against the first, at every number of views.

    `found` maps what each group was trained with to the results of its runs; a single group gives no verdict.
    """
    groups = {name: {head: _mean(runs, head) for head in ("linear", "ridge")} for name, runs in found.items()}
    if len(groups) < 2:
        only = next(iter(groups))
        sentence = (
            f"T3 not asked: all runs were trained with {only} (R² {_series(groups[only]['linear']['r2'])}, "
            f"{_series(groups[only]['linear']['rmse'], 1)} px); name runs trained otherwise with --versus"
        )
        return {"target": "T3", "met": None, "sentence": sentence, "groups": groups}
    base, other = list(groups)
    falls = [b - a for b, a in zip(groups[base]["linear"]["r2"], groups[other]["linear"]["r2"], strict=True)]
    met = max(falls) <= LOSS
    sentence = (
        f"T3 {'met' if met else 'not met'}: R² {_series(groups[other]['linear']['r2'])} when trained with {other}, "
        f"{_series(groups[base]['linear']['r2'])} with {base} (largest loss {max(falls):.3f}, goal {LOSS} or less); "
        f"RMSE {_series(groups[other]['linear']['rmse'], 1)} and {_series(groups[base]['linear']['rmse'], 1)} px"
    )
    return {"target": "T3", "met": met, "sentence": sentence, "groups": groups}


def _mean(runs: Sequence[dict[str, Any]], head: str) -> dict[str, list[float]]:
    return {
        score: [sum(values) / len(runs) for values in zip(*(run["values"][head][score] for run in runs), strict=True)]
        for score in ("r2", "rmse")
    }


def points(value: float) -> str:
    """A difference of accuracies in points, with its sign."""
    return f"{100 * value:+.1f}".replace("-", "−")


def percent(value: float) -> str:
    """A share in whole percent."""
    return f"{100 * value:.0f} %".replace("-", "−")


def span(interval: list[float]) -> str:
    """An interval of differences in points."""
    return f"[{points(interval[0])}, {points(interval[1])}]"


def _series(values: Sequence[float], digits: int = 2) -> str:
    return " / ".join(f"{value:.{digits}f}" for value in values)
