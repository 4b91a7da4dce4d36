"""Cross-recurrence of two scan paths: where and in what order one comes to the places of the other.

After Anderson, Bischof, Laidlaw, Risko and Kingstone (2013, Behavior Research Methods 45, 842-856) and Anderson,
Anderson, Kingstone and Bischof (2015, ibid. 47, 1377-1392). Of two paths of n fixations, c_ij is 1 where fixation i of
the one and j of the other are at most a radius apart, and C is their number:

    recurrence   C / n²
    determinism  the share of the C that lies on diagonals of two or more: the same places in the same order
    laminarity   the share that lies on horizontal or vertical lines of two or more, averaged over both: one path dwells
                 where the other comes by
    corm         Σ (j − i) c_ij / ((n − 1) C): the centre of recurrence mass; 0 if shared places are visited at the same
                 time, above 0 if the second path comes to them later

The papers give percentages; here they are shares. Without any recurrence all but the first are undefined (NaN).
"""

import math

import numpy as np
from jaxtyping import Bool, Float64

from .warping import distances

MEASURES = ("recurrence", "determinism", "laminarity", "corm")
SHORTEST = 2
"""Fixations of the shortest line that counts, as in the papers."""


def cross_recurrence(a: Float64[np.ndarray, "n 2"], b: Float64[np.ndarray, "m 2"], radius: float) -> dict[str, float]:
    """The measures by their names; of paths of different lengths the longer one is cut, as in the papers."""
    n = min(len(a), len(b))
    if n < 2:
        raise ValueError(f"scan paths of {len(a)} and {len(b)} fixations, expected two or more in each")
    near = distances(a[:n], b[:n]) <= radius
    count = int(near.sum())
    if not count:
        return {"recurrence": 0.0, "determinism": math.nan, "laminarity": math.nan, "corm": math.nan}
    diagonals = sum(_in_lines(np.diagonal(near, k)) for k in range(1 - n, n))
    rows, columns = sum(map(_in_lines, near)), sum(map(_in_lines, near.T))
    i, j = np.nonzero(near)
    return {
        "recurrence": count / n**2,
        "determinism": diagonals / count,
        "laminarity": (rows + columns) / (2 * count),
        "corm": float((j - i).sum()) / ((n - 1) * count),
    }


def _in_lines(points: Bool[np.ndarray, " k"]) -> int:
    """How many of these are in runs of `SHORTEST` or more."""
    total = run = 0
    for here in [*points.tolist(), False]:
        if here:
            run += 1
        else:
            total += run if run >= SHORTEST else 0
            run = 0
    return total
