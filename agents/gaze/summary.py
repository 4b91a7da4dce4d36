"""What is told of scores: means over fixations or paths, with intervals over images, by person and by order."""

import math
from typing import Any

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from ..comparison.statistics import interval, resampled
from .fixation_scores import FixationScores
from .path_scores import MEASURES

BITS = math.log(2)
_FEW = 3  # images on which there must be a fixation of an order for it to be told


def over_images(
    values: Float64[Tensor, "k f"], images: Int64[Tensor, " f"], resamples: int, seed: int
) -> list[dict[str, Any]]:
    """The mean of each row over what is defined, and its interval: images are drawn again, with all that is on them.

    `mean` and `interval` are None where nothing is defined; the interval also for one image alone.
    """
    means = _resampled(values, images, resamples, seed)
    known = ~values.isnan()
    found = []
    for row, some, spread in zip(values, known, means, strict=True):
        whole = spread[spread.isfinite()]
        several = len(images[some].unique()) > 1
        found.append(
            {
                "mean": _number(row[some].mean()) if bool(some.any()) else None,
                "interval": [_number(x) for x in interval(whole[None])[0]] if several and len(whole) else None,
                "count": int(some.sum()),
            }
        )
    return found


def _resampled(
    values: Float64[Tensor, "k f"], images: Int64[Tensor, " f"], resamples: int, seed: int
) -> Float64[Tensor, "k r"]:
    """Means under resampled images: totals over numbers, since images have different numbers of fixations."""
    each, place = images.unique(return_inverse=True)
    known = ~values.isnan()
    sums = torch.zeros(len(values), len(each), dtype=torch.float64).index_add(1, place, values.nan_to_num(0.0))
    counts = torch.zeros_like(sums).index_add(1, place, known.double())
    drawn = resampled(torch.cat((sums, counts)), resamples, seed)
    return drawn[: len(values)] / drawn[len(values) :]


def fixation_summary(
    scores: FixationScores,
    prior: FixationScores,
    best: FixationScores | None,
    places: tuple[Int64[Tensor, " f"], Int64[Tensor, " f"]],
    cells: int,
    bootstrap: tuple[int, int],
) -> dict[str, Any]:
    """What is told of one contender; `places` are the image and the order of every fixation, `cells` all places.

    Information gain is over the centre prior, in bits a fixation; `over uniform` is over looking anywhere. `explained`
    is the share of the gain of other people on the fixations for which there are others.
    """
    images, order = places
    gain = (scores.log_p - prior.log_p) / BITS
    rows = torch.stack((gain, scores.log_p / BITS + math.log2(cells), scores.nss, scores.auc))
    gain_told, uniform, nss, auc = over_images(rows, images, *bootstrap)
    found: dict[str, Any] = {
        "information gain": gain_told,
        "over uniform": uniform,
        "NSS": nss,
        "AUC": auc,
        "impossible": _number(scores.impossible),
        "fitted": scores.parameters,
        "by order": by_order(rows[[0, 2, 3]], images, order, *bootstrap),
    }
    if best is not None:
        found["explained"] = _explained(gain, (best.log_p - prior.log_p) / BITS, images, *bootstrap)
    return found


def _explained(
    gain: Float64[Tensor, " f"], best: Float64[Tensor, " f"], images: Int64[Tensor, " f"], resamples: int, seed: int
) -> dict[str, Any]:
    """Gain over the gain of other people; None where that is not above 0 with all its interval."""
    pair = torch.stack((torch.where(best.isnan(), torch.nan, gain), best))
    means = _resampled(pair, images, resamples, seed)
    one, two = over_images(pair, images, resamples, seed)
    if two["interval"] is None or two["interval"][0] is None or two["interval"][0] <= 0:
        return {"mean": None, "interval": None}
    share = means[0] / means[1]
    return {"mean": one["mean"] / two["mean"], "interval": [_number(x) for x in interval(share[None])[0]]}


def by_order(
    rows: Float64[Tensor, "3 f"], images: Int64[Tensor, " f"], order: Int64[Tensor, " f"], resamples: int, seed: int
) -> dict[str, Any]:
    """The same scores for the first predicted fixation, the second, and so on, as far as there are enough images."""
    found: dict[str, Any] = {"order": [], "information gain": [], "NSS": [], "AUC": []}
    for number in order.unique().tolist():
        mine = order == number
        if len(images[mine].unique()) < _FEW:
            continue
        found["order"].append(number)
        told = over_images(rows[:, mine], images[mine], resamples, seed)
        for name, one in zip(("information gain", "NSS", "AUC"), told, strict=True):
            found[name].append(one)
    return found


def path_summary(
    values: Float64[Tensor, "n m"], images: Int64[Tensor, " n"], resamples: int, seed: int
) -> dict[str, Any]:
    """Every measure of scan paths, over images."""
    return dict(zip(MEASURES, over_images(values.T.contiguous(), images, resamples, seed), strict=True))


def _number(value: Any) -> float | None:
    """A number as JSON has it; None for what is not finite."""
    number = float(value)
    return number if math.isfinite(number) else None
