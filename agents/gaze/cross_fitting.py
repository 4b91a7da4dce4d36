"""Few numbers fitted by maximum likelihood on the other images: temperatures, lapses, widths, weights of mixtures.

Images are divided into folds. What is chosen for the images of a fold is what makes the fixations on all other images
likeliest, so that no image has a part in what it is scored with.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

Setting = TypeVar("Setting")

FOLDS = 5


@dataclass(frozen=True)
class Chosen(Generic[Setting]):
    """The setting of every fold, and its number in the order in which settings were tried."""

    settings: tuple[Setting, ...]
    numbers: tuple[int, ...]


def folds_of(images: Int64[Tensor, " n"]) -> Int64[Tensor, " n"]:
    """The fold of each image, evenly dealt in the order of their numbers. Raises ValueError for one image alone."""
    each, place = images.unique(return_inverse=True)
    if len(each) < 2:
        raise ValueError("people's fixations are on one image alone, expected two or more: nothing could be left out")
    return place % min(FOLDS, len(each))


def cross_fitted(tried: Iterable[tuple[Setting, Float64[Tensor, " f"]]], folds: Int64[Tensor, " f"]) -> Chosen[Setting]:
    """The best setting for each fold by the log-likelihoods of the fixations outside of it; the first of equals.

    NaN stands for fixations about which a setting says nothing; they count for none.
    """
    settings, totals = [], []
    for setting, log_p in tried:
        settings.append(setting)
        totals.append(torch.zeros(int(folds.max()) + 1, dtype=torch.float64).index_add(0, folds, log_p.nan_to_num(0.0)))
    per_fold = torch.stack(totals)  # settings folds
    # Sums of what is -inf somewhere: the others' sum is taken without subtracting.
    others = torch.stack(
        [per_fold[:, torch.arange(per_fold.shape[1]) != k].sum(1) for k in range(per_fold.shape[1])], 1
    )
    best = others.argmax(0).tolist()
    return Chosen(tuple(settings[i] for i in best), tuple(best))
