"""The paired bootstrap over test images: all policies are scored on the same images, and resampled together."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

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
