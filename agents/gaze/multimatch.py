"""MultiMatch: how alike two scan paths are in shape, direction, length, position and duration.

After Jarodzka, Holmqvist and Nyström (2010, ETRA, 211-218) and Dewhurst et al. (2012, Behavior Research Methods 44,
1079-1100). A scan path is a sequence of saccades, vectors between fixations. Both may first be simplified: neighbouring
saccades that are short, or that go nearly the same way, become one. Then saccades are paired by the cheapest alignment,
where a pair costs the length of the difference of its vectors. Over the pairs the median is taken of

    shape      |u - v|, over twice the diagonal of the screen
    direction  the angle between u and v, over π
    length     | |u| - |v| |, over the diagonal
    position   the distance of the fixations at which they begin, over the diagonal
    duration   the difference of how long these lasted, over the longer one

and each similarity is 1 minus that: 1 for equal paths, 0 for the greatest difference that there can be.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from .warping import aligned, distances

DIMENSIONS = ("shape", "direction", "length", "position", "duration")


@dataclass(frozen=True)
class Simplification:
    """When neighbouring saccades become one; 0 never.

    `amplitude`: both are shorter than this, in the units of the points. `angle`: they differ by less than so many
    degrees. `pause`: only if the fixation between them lasted less than so many milliseconds, where that is known.
    """

    amplitude: float = 0.0
    angle: float = 0.0
    pause: float = math.inf


@dataclass(frozen=True)
class Saccades:
    """Vectors of saccades, the fixations at which they begin, and how long those lasted (NaN: not known)."""

    vectors: Float64[np.ndarray, "k 2"]
    starts: Float64[np.ndarray, "k 2"]
    durations: Float64[np.ndarray, " k"]

    @classmethod
    def of(cls, points: Float64[np.ndarray, "n 2"], durations: Float64[np.ndarray, " n"] | None = None) -> "Saccades":
        """The saccades of a scan path. Raises ValueError for a path without any."""
        if len(points) < 2:
            raise ValueError(f"a scan path of {len(points)} fixations has no saccade, expected two fixations or more")
        lasted = np.full(len(points), math.nan) if durations is None else durations
        return cls(np.diff(points, axis=0), points[:-1], lasted[:-1])

    def simplified(self, how: Simplification) -> "Saccades":
        """The same path with neighbouring saccades joined, by direction and length in turn, until nothing changes."""
        found, before = self, -1
        while len(found.vectors) != before:
            before = len(found.vectors)
            found = found._joined(how, by="angle")._joined(how, by="amplitude")
        return found

    def _joined(self, how: Simplification, by: str) -> "Saccades":
        vectors, starts, durations = [], [], []
        k = 0
        while k < len(self.vectors):
            vector, start, lasted = self.vectors[k], self.starts[k], self.durations[k]
            if k + 1 < len(self.vectors) and self._like(k, how, by):
                vector, k = vector + self.vectors[k + 1], k + 1
            vectors.append(vector)
            starts.append(start)
            durations.append(lasted)
            k += 1
        return Saccades(np.array(vectors), np.array(starts), np.array(durations))

    def _like(self, k: int, how: Simplification, by: str) -> bool:
        """Whether saccades k and k + 1 become one."""
        pause = self.durations[k + 1]
        if not math.isnan(pause) and pause >= how.pause:
            return False
        first, second = self.vectors[k], self.vectors[k + 1]
        if by == "amplitude":
            return bool(max(np.hypot(*first), np.hypot(*second)) < how.amplitude)
        return bool(np.degrees(_angles(first[None], second[None])[0]) < how.angle)


def multimatch(a: Saccades, b: Saccades, diagonal: float) -> dict[str, float]:
    """The five similarities of two paths, by the names of `DIMENSIONS`; `diagonal` is that of the screen.

    `duration` is NaN where durations are not known.
    """
    pairs = aligned(distances(a.vectors, b.vectors))
    i, j = pairs[:, 0], pairs[:, 1]
    u, v = a.vectors[i], b.vectors[j]
    longer = np.maximum(a.durations[i], b.durations[j])
    lasted = np.abs(a.durations[i] - b.durations[j]) / np.where(longer > 0, longer, 1.0)
    apart = {
        "shape": np.hypot(*(u - v).T) / (2 * diagonal),
        "direction": _angles(u, v) / math.pi,
        "length": np.abs(np.hypot(*u.T) - np.hypot(*v.T)) / diagonal,
        "position": np.hypot(*(a.starts[i] - b.starts[j]).T) / diagonal,
        "duration": lasted,
    }
    return {name: 1 - float(np.median(values)) for name, values in apart.items()}


def _angles(u: Float64[np.ndarray, "k 2"], v: Float64[np.ndarray, "k 2"]) -> Float64[np.ndarray, " k"]:
    """Angles between vectors, 0 … π; that of no movement is 0."""
    turned = np.arctan2(u[:, 1], u[:, 0]) - np.arctan2(v[:, 1], v[:, 0])
    return np.abs((turned + math.pi) % (2 * math.pi) - math.pi)
