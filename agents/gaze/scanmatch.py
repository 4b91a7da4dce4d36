"""ScanMatch: how well two scan paths align as sequences of places, as biologists align sequences of bases.

After Cristino, Mathôt, Theeuwes and Gilchrist (2010, Behavior Research Methods 42, 692-700). The screen is divided into
bins, each fixation becomes the letter of its bin (with `tick`, repeated once for every so many milliseconds that it
lasted), and two words are aligned by Needleman and Wunsch (1970). Replacing a letter by another is worth `threshold`
minus the distance of their bins, so that pairs that lie farther apart than it cost something; a gap is worth `gap`. The
score is divided by the most that the longer word could reach: 1 for equal paths; it is not bounded below.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from .warping import distances


@dataclass(frozen=True)
class ScanMatch:
    """How words are made and aligned.

    `bins` per axis of the unit square; `threshold` in bins (the authors: twice the standard deviation of saccades;
    their default is 3.5 for 12 × 8 bins); `gap` is what a gap is worth (theirs: 0). `tick` in milliseconds, 0 for one
    letter a fixation, whatever it lasted.
    """

    bins: int = 8
    threshold: float = 3.5
    gap: float = 0.0
    tick: float = 0.0

    def word(
        self, points: Float64[np.ndarray, "n 2"], durations: Float64[np.ndarray, " n"] | None = None
    ) -> Int64[np.ndarray, "k 2"]:
        """The bins (row, column) of a path in the unit square, one for each letter."""
        places = np.clip(np.floor(points * self.bins), 0, self.bins - 1).astype(np.int64)
        if not self.tick or durations is None or np.isnan(durations).any():
            return places
        times = np.maximum(1, np.round(durations / self.tick)).astype(np.int64)
        return places.repeat(times, 0)

    def score(self, a: Int64[np.ndarray, "n 2"], b: Int64[np.ndarray, "m 2"]) -> float:
        """The normalised score of two words. Raises ValueError for an empty one."""
        if not len(a) or not len(b):
            raise ValueError(f"words of {len(a)} and {len(b)} letters, expected at least one in each")
        worth = self.threshold - distances(a.astype(np.float64), b.astype(np.float64))
        return _needleman_wunsch(worth, self.gap) / (self.threshold * max(len(a), len(b)))


def usual_threshold(lengths: Float64[np.ndarray, " k"], bins: int) -> float:
    """Twice the standard deviation of saccade lengths (of the unit square), in bins: the authors' advice.

    At least half a bin, so that the same place is worth something.
    """
    return max(0.5, 2 * float(np.std(lengths)) * bins) if len(lengths) else math.nan


def _needleman_wunsch(worth: Float64[np.ndarray, "n m"], gap: float) -> float:
    """The greatest total worth of an alignment, each letter paired with one or with a gap."""
    n, m = worth.shape
    rows: list[list[float]] = worth.tolist()
    before = [gap * j for j in range(m + 1)]
    for i in range(n):
        now = [gap * (i + 1)]
        for j in range(m):
            now.append(max(before[j] + rows[i][j], before[j + 1] + gap, now[j] + gap))
        before = now
    return before[m]
