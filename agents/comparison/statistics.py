"""What a comparison says, as numbers: accuracies, paired differences, shares of the gap, and where the gaze went."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ..config import Compared
from .contest import RETRAINED, SHARED, Contest
from .contestants import CENTRE, ORACLE, SALIENCY
from .fixation_maps import fixation_map, overlap, saccades

WHOLE = 0.95
"""The share of the whole image's accuracy for which the glimpses are counted."""
_FINE = 0.04  # of the Gaussian around each fixation of thousands, in units of the image side

Scores = dict[tuple[str, str], Float[Tensor, "m n"]]
"""Share of runs that were right, for every probe and policy."""
Means = dict[tuple[str, str], Float[Tensor, "m r"]]
"""Accuracies of resampled images, for every probe and policy."""


def summary(contests: Sequence[Contest], config: Compared, side: int) -> dict[str, Any]:
    """Numbers of one or several runs, JSON-able; `side` is that of the images in pixels.

    Intervals hold 95 %: images are resampled, runs are not, so they are about these runs. Raises ValueError for runs
    whose policies or test images differ.
    """
    first = contests[0]
    for other in contests[1:]:
        if other.played.keys() != first.played.keys() or not torch.equal(other.scenes, first.scenes):
            raise ValueError("runs can be averaged only if their policies and test images are the same")
    each = [_scores([one]) for one in contests]
    pooled = _scores(contests)
    views = len(next(iter(pooled.values())))
    poses = poses_of(contests)
    means = _means(pooled, config)
    return {
        "note": _note(first, config),
        "config": asdict(config),
        "scored on": {"streams": len(first.scenes)},
        "shared probe": {"trained on": list(first.shared_by), "streams of each": first.streams},
        "views": list(range(1, views + 1)),
        "policies": {
            name: {"label": one.contestant.label, "kind": one.contestant.kind, "options": one.contestant.policy}
            | {"cost": asdict(one.cost)}
            for name, one in first.played.items()
        },
        "accuracy": _accuracy(pooled, means, each),
        **_compared(pooled, means, each, config),
        "fixation maps": _maps(poses),
        "saccades": {name: saccades(found, side) for name, found in poses.items()},
        "overlap": overlap(poses),
    }


def _maps(poses: dict[str, Float64[Tensor, "n m p"]]) -> dict[str, Any]:
    """Densities over the image: of the first fixation, which is the same for all policies, and of all later ones."""
    first = next(iter(poses.values()))[:, :1]
    later = {name: _rounded(fixation_map(found[:, 1:], _FINE)) for name, found in poses.items()}
    return {"first fixation": _rounded(fixation_map(first, _FINE)), "later fixations": later}


def _rounded(density: Float64[Tensor, "y x"]) -> list[list[float]]:
    return [[round(value, 8) for value in row] for row in density.tolist()]


def poses_of(contests: Sequence[Contest]) -> dict[str, Float64[Tensor, "n m p"]]:
    """The fixations of every policy, those of all runs."""
    names = contests[0].played
    return {name: torch.cat([one.played[name].poses for one in contests]).double() for name in names}


def _note(contest: Contest, config: Compared) -> str:
    oracle = (
        f"the oracle is the best of {config.grid}² fixations by the true label under the shared probe, and is read by "
        "it in both comparisons; "
    )
    return (
        f"{len(contest.scenes)} test scenes; first fixations are the same for all policies; a retrained probe was "
        f"trained on {contest.streams} streams of the policy itself, the shared one on as many of each of "
        f"{', '.join(contest.shared_by)}; {oracle if ORACLE in contest.played else ''}"
        f"intervals hold {100 * LEVEL:.0f} %, from {config.resamples} paired resamples of test images"
    )


def _scores(contests: Sequence[Contest]) -> Scores:
    found: Scores = {}
    for name, one in contests[0].played.items():
        for probe in one.correct:
            parts = [contest.played[name].correct[probe].double() for contest in contests]
            found[probe, name] = torch.stack(parts).mean(0)
    return found


def _means(scores: Scores, config: Compared) -> Means:
    """Resampled accuracies; the same images for all of them."""
    means = resampled(torch.cat(list(scores.values())), config.resamples, config.seed)
    return dict(zip(scores, means.split([len(one) for one in scores.values()]), strict=True))


def _accuracy(pooled: Scores, means: Means, each: Sequence[Scores]) -> dict[str, Any]:
    found: dict[str, Any] = {RETRAINED: {}, SHARED: {}}
    for (probe, name), values in pooled.items():
        runs = [one[probe, name].mean(1) for one in each]
        found[probe][name] = listed(values.mean(1), means[probe, name]) | _over(runs)
    return found


def _over(runs: Sequence[Float[Tensor, " m"]]) -> dict[str, Any]:
    """Scores of every run, and their deviation where there are several."""
    each = torch.stack(list(runs))
    return {"std": None if len(runs) < 2 else each.std(0).tolist(), "runs": each.tolist()}


def _compared(pooled: Scores, means: Means, each: Sequence[Scores], config: Compared) -> dict[str, Any]:
    found: dict[str, Any] = {}
    runs = [(one, _means(one, config)) for one in each]
    for anchor in (SALIENCY, CENTRE):
        if (RETRAINED, anchor) in pooled:
            found[f"difference to {anchor}"] = _differences((pooled, means), runs, anchor)
    found["gap closed"] = _gaps(pooled, means) if (SHARED, ORACLE) in pooled else {}
    return found


def _differences(pooled: tuple[Scores, Means], runs: Sequence[tuple[Scores, Means]], anchor: str) -> dict[str, Any]:
    found: dict[str, Any] = {RETRAINED: {}, SHARED: {}}
    for probe, name in pooled[0]:
        if name == anchor:
            continue
        each = [_difference(*one, probe, name, anchor) for one in runs]
        found[probe][name] = _difference(*pooled, probe, name, anchor) | {"runs": each}
    return found


def _difference(scores: Scores, means: Means, probe: str, name: str, anchor: str) -> dict[str, Any]:
    apart = (scores[probe, name] - scores[probe, anchor]).mean(1)
    return listed(apart, means[probe, name] - means[probe, anchor])


def _gaps(pooled: Scores, means: Means) -> dict[str, Any]:
    """The share of the way from saliency to the oracle; the oracle is read by the shared probe in both."""
    found: dict[str, Any] = {RETRAINED: {}, SHARED: {}}
    top, roof = pooled[SHARED, ORACLE].mean(1), means[SHARED, ORACLE]
    for probe, name in pooled:
        if name in (SALIENCY, ORACLE):
            continue
        base, floor = pooled[probe, SALIENCY].mean(1), means[probe, SALIENCY]
        point = torch.stack([pooled[probe, name].mean(1) - base, top - base], 1)
        found[probe][name] = share(means[probe, name] - floor, roof - floor, point)
    return found


def glimpses_needed(found: dict[str, Any], whole: float) -> dict[str, Any]:
    """With how many glimpses each policy reaches `WHOLE` of the whole image's accuracy, for every probe.

    `found` is what `summary` gives, `whole` the accuracy 0 … 1; None stands for more glimpses than were compared.
    """
    needed: dict[str, Any] = {"share": WHOLE, "whole image": whole}
    for probe in (RETRAINED, SHARED):
        needed[probe] = {
            name: next((m for m, x in zip(found["views"], one["mean"], strict=True) if x >= WHOLE * whole), None)
            for name, one in found["accuracy"][probe].items()
        }
    return needed


def path_change(found: Mapping[str, Sequence[dict[str, Any]]]) -> dict[str, Any]:
    """R² and RMSE of path integration, means over the runs of each group, and how R² changes from the first to another.

    `found` maps what each group was trained with to the results of its runs; the change, other minus first at every
    number of views by the linear read-out, is None where there is one group alone.
    """
    groups = {name: {head: _mean(runs, head) for head in ("linear", "ridge")} for name, runs in found.items()}
    scores = [heads["linear"]["r2"] for heads in groups.values()]
    change = [b - a for a, b in zip(*scores, strict=True)] if len(scores) == 2 else None
    return {"groups": groups, "change of R²": change, "runs": dict(found)}


def _mean(runs: Sequence[dict[str, Any]], head: str) -> dict[str, list[float]]:
    return {
        score: [sum(values) / len(runs) for values in zip(*(run["values"][head][score] for run in runs), strict=True)]
        for score in ("r2", "rmse")
    }


def two_by_two(rows: dict[str, Sequence[Contest]], columns: dict[str, str], config: Compared) -> dict[str, Any]:
    """Accuracy for {trained with} × {tested with}: runs by what they were trained with, names of policies by label.

    Differences of one factor and their interaction are given with paired intervals, for retrained probes and for the
    shared probe of each world model. Two rows and two columns; all on the same test images.
    """
    found: dict[str, Any] = {"trained with": list(rows), "tested with": list(columns)}
    for probe in (RETRAINED, SHARED):
        cells = {(row, column): ((probe, name), runs) for row, runs in rows.items() for column, name in columns.items()}
        scores = {at: _scores(runs)[key] for at, (key, runs) in cells.items()}
        each = {at: [_scores([one])[key].mean(1) for one in runs] for at, (key, runs) in cells.items()}
        found[probe] = _cells(scores, each, list(rows), list(columns), config)
    return found


def _cells(
    scores: Scores, each: dict[tuple[str, str], list[Tensor]], rows: list[str], columns: list[str], config: Compared
) -> dict[str, Any]:
    means = _means(scores, config)
    accuracy: dict[str, Any] = {row: {} for row in rows}
    for (row, column), values in scores.items():
        accuracy[row][column] = listed(values.mean(1), means[row, column]) | _over(each[row, column])
    contrasts = {}
    for what, plus, minus in _contrasts(rows, columns):
        point = sum((scores[key].mean(1) for key in plus), start=torch.zeros((), dtype=torch.float32))
        point = point - sum((scores[key].mean(1) for key in minus), start=torch.zeros((), dtype=torch.float32))
        spread = sum((means[key] for key in plus), start=torch.zeros((), dtype=torch.float32))
        spread = spread - sum((means[key] for key in minus), start=torch.zeros((), dtype=torch.float32))
        contrasts[what] = listed(point, spread)
    return {"accuracy": accuracy, "differences": contrasts}


def _contrasts(rows: list[str], columns: list[str]) -> list[tuple[str, list[Any], list[Any]]]:
    """Name of every difference, the cells that count for it and those that count against it."""
    (a, b), (x, y) = rows, columns
    return [
        (f"tested with {y} − {x}, trained with {a}", [(a, y)], [(a, x)]),
        (f"tested with {y} − {x}, trained with {b}", [(b, y)], [(b, x)]),
        (f"trained with {b} − {a}, tested with {x}", [(b, x)], [(a, x)]),
        (f"trained with {b} − {a}, tested with {y}", [(b, y)], [(a, y)]),
        ("interaction", [(a, x), (b, y)], [(a, y), (b, x)]),
    ]


LEVEL = 0.95
_CHUNK = 1 << 24  # entries of the matrix of counts that is held at once


def resampled(values: Float[Tensor, "k n"], resamples: int, seed: int) -> Float[Tensor, "k r"]:
    """Means of k scores over n images, drawn with replacement `resamples` times, the same images for all k."""
    n = values.shape[1]
    generator = torch.Generator().manual_seed(seed)
    parts, size = [], max(1, _CHUNK // n)
    for start in range(0, resamples, size):
        count = min(size, resamples - start)
        drawn = torch.randint(n, (count, n), generator=generator)
        ones = torch.ones(count, n, dtype=torch.float64)
        times = torch.zeros(count, n, dtype=torch.float64).scatter_add_(1, drawn, ones)
        parts.append(values.double() @ times.T / n)
    return torch.cat(parts, 1)


def interval(means: Float[Tensor, "*k r"]) -> Float[Tensor, "*k 2"]:
    """The middle 95 % of the resampled values (percentiles)."""
    edges = torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=means.dtype)
    return means.quantile(edges, dim=-1).movedim(0, -1)


def listed(mean: Float[Tensor, " m"], means: Float[Tensor, "m r"]) -> dict[str, Any]:
    """A mean over images and its interval for every number of views, JSON-able."""
    return {"mean": mean.tolist(), "interval": interval(means).tolist()}


def share(gain: Float[Tensor, "m r"], whole: Float[Tensor, "m r"], point: Float[Tensor, "m 2"]) -> dict[str, list[Any]]:
    """Gain as a share of the whole gap, with intervals; None where there is no gap to speak of.

    `point` holds gain and gap of the sample itself. There is a gap where its interval lies above 0; the share has an
    interval where the gap is above 0 in every resample, since a share of nothing is no number.
    """
    found: dict[str, list[Any]] = {"mean": [], "interval": []}
    edges = interval(whole)
    for i in range(len(gain)):
        gap, always = float(edges[i, 0]) > 0, bool(whole[i].min() > 0)
        found["mean"].append(float(point[i, 0] / point[i, 1]) if gap else None)
        found["interval"].append(interval(gain[i] / whole[i]).tolist() if gap and always else None)
    return found
