"""Two sequences laid beside each other: the cheapest monotone alignment, and dynamic time warping of scan paths."""

import numpy as np
from jaxtyping import Float64, Int64


def distances(a: Float64[np.ndarray, "n 2"], b: Float64[np.ndarray, "m 2"]) -> Float64[np.ndarray, "n m"]:
    """Euclidean distances of all points of one sequence to all of another."""
    return np.sqrt(np.square(a[:, None] - b[None]).sum(-1))


def aligned(costs: Float64[np.ndarray, "n m"]) -> Int64[np.ndarray, "k 2"]:
    """The path of least total cost from the first pair to the last, each step to the right, down, or both.

    Of paths that cost the same, the one with more steps that go both ways is taken. Raises ValueError for sequences
    of nothing.
    """
    n, m = costs.shape
    if not n or not m:
        raise ValueError(f"sequences of {n} and {m} things, expected at least one in each")
    cost: list[list[float]] = costs.tolist()
    for i in range(n):
        row, before = cost[i], cost[i - 1]
        for j in range(m):
            if i and j:
                row[j] += min(before[j - 1], before[j], row[j - 1])
            elif i or j:
                row[j] += before[j] if i else row[j - 1]
    i, j = n - 1, m - 1
    found = [(i, j)]
    while i or j:
        steps = [(i - 1, j - 1)] * (i > 0 and j > 0) + [(i - 1, j)] * (i > 0) + [(i, j - 1)] * (j > 0)
        i, j = min(steps, key=lambda at: cost[at[0]][at[1]])  # the first of equals
        found.append((i, j))
    return np.array(found[::-1], np.int64)


def dynamic_time_warping(a: Float64[np.ndarray, "n 2"], b: Float64[np.ndarray, "m 2"]) -> float:
    """The mean distance of fixations that are laid beside each other, in the units of the points; 0 for equal paths.

    The alignment is that of least total distance (Berndt and Clifford 1994); its total, the usual DTW, grows with the
    length of the paths, so it is divided by the number of pairs.
    """
    apart = distances(a, b)
    pairs = aligned(apart)
    return float(apart[pairs[:, 0], pairs[:, 1]].mean())
