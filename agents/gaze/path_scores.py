"""Whole scan paths compared: those of policies with people's, and people's with each other's.

Each contender looks from where the person began, as often as the person did, several times with different draws, and
every path is compared with the person's. The ceiling is what other people reach: each path is compared with those of
all others on the same image and task, never with itself nor with another path of the same person. The first fixation,
which a contender is given and other people need not share, is left out of what is compared.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from gazeworld.envs.rng import Draws

from ..probes.features import Tick, quiet
from .contenders import Contender
from .multimatch import DIMENSIONS, Saccades, Simplification, multimatch
from .observed import Observed
from .recurrence import MEASURES as RECURRENCE
from .recurrence import cross_recurrence
from .scanmatch import ScanMatch, usual_threshold
from .warping import dynamic_time_warping

MEASURES = (*(f"MultiMatch {name}" for name in DIMENSIONS), "ScanMatch", "DTW", *RECURRENCE)
"""All measures: of MultiMatch and ScanMatch 1 is best, of DTW (in units of the image side) 0."""
LEAST = 4
"""Fixations of the shortest path that is compared: three beside the given one, since two have no order of saccades."""
DIAGONAL = math.sqrt(2)
_ROWS = 64  # episodes at once


@dataclass(frozen=True)
class Comparing:
    """How two paths are compared: what ScanMatch, recurrence and MultiMatch need to know."""

    scanmatch: ScanMatch
    radius: float
    simplification: Simplification

    def measures(
        self,
        a: Float64[np.ndarray, "n 2"],
        b: Float64[np.ndarray, "m 2"],
        lasted: tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " m"]] | None = None,
    ) -> Float64[np.ndarray, " k"]:
        """All `MEASURES` of two paths in units of the side; NaN for what is not defined."""
        one, two = lasted or (None, None)
        saccades = [Saccades.of(p, d).simplified(self.simplification) for p, d in ((a, one), (b, two))]
        found = multimatch(saccades[0], saccades[1], DIAGONAL)
        words = self.scanmatch.word(a, one), self.scanmatch.word(b, two)
        recurrent = cross_recurrence(a, b, self.radius)
        values = [found[name] for name in DIMENSIONS]
        values += [self.scanmatch.score(*words), dynamic_time_warping(a, b)]
        return np.array(values + [recurrent[name] for name in RECURRENCE])


def comparing(seen: Observed, *, bins: int, radius: float, simplification: Simplification) -> Comparing:
    """How the paths of these people are compared; radius 0 is half a glimpse."""
    lengths = np.concatenate([np.hypot(*np.diff(seen.poses(i), axis=0).T) for i in range(len(seen.lengths))])
    threshold = usual_threshold(lengths, bins)
    near = radius or seen.lattice.glimpse / (2 * seen.lattice.side)
    return Comparing(ScanMatch(bins, threshold), near, simplification)


def chosen_paths(seen: Observed, most: int) -> Int64[Tensor, " n"]:
    """Paths that are compared: all that are long enough, or so many of them at even distances."""
    long = (seen.lengths >= LEAST).nonzero()[:, 0]
    if not most or len(long) <= most:
        return long
    return long[torch.linspace(0, len(long) - 1, most, dtype=torch.float64).round().long()]


def walks(
    contender: Contender, seen: Observed, paths: Int64[Tensor, " n"], rng: Draws
) -> Iterator[tuple[int, Float64[np.ndarray, "k 2"]]]:
    """A path of the contender's own beside each of these, of the same length; `rng` has a stream for each."""
    for part in torch.arange(len(paths)).split(_ROWS):
        rows = paths[part]
        lengths = seen.lengths[rows]
        found = contender.walk(rows, int(lengths.max()) - 1, rng[part])
        poses = seen.lattice.poses(found + seen.lattice.low).double().numpy()
        for path, pose, length in zip(rows.tolist(), poses, lengths.tolist(), strict=True):
            yield path, pose[:length]


def score_paths(
    contender: Contender,
    seen: Observed,
    paths: Int64[Tensor, " n"],
    how: Comparing,
    *,
    samples: int,
    seed: int,
    tick: Tick = quiet,
) -> Float64[Tensor, "n m"]:
    """For each of these paths the measures, averaged over as many walks as there are samples; NaN if undefined."""
    rng, place = Draws.rows(seed, len(paths)), {path: i for i, path in enumerate(paths.tolist())}
    found = np.full((samples, len(paths), len(MEASURES)), math.nan)
    for sample in range(samples):
        for path, walked in walks(contender, seen, paths, rng.fold(sample)):
            found[sample, place[path]] = how.measures(seen.poses(path)[1:], walked[1:])
        tick(f"scan paths: {contender.name}", sample + 1, samples)
    return _means(found)


def score_people(
    seen: Observed, paths: Int64[Tensor, " n"], how: Comparing, tick: Tick = quiet
) -> Float64[Tensor, "n m"]:
    """The ceiling: each of these paths compared with those of all other people on the same image and task.

    NaN where nobody else looked at the image long enough.
    """
    found = np.full((len(paths), len(MEASURES)), math.nan)
    for i, path in enumerate(paths.tolist()):
        others = others_of(seen, path)
        if others:
            each = [
                how.measures(
                    seen.poses(path)[1:], seen.poses(other)[1:], (seen.lasted(path)[1:], seen.lasted(other)[1:])
                )
                for other in others
            ]
            found[i] = _means(np.stack(each)[:, None])[0].numpy()
        tick("scan paths: people", i + 1, len(paths))
    return torch.from_numpy(found)


def others_of(seen: Observed, path: int) -> list[int]:
    """Paths of other people on the same image and task that are long enough: never the person's own."""
    fits = (seen.groups == seen.groups[path]) & (seen.subjects != seen.subjects[path]) & (seen.lengths >= LEAST)
    return fits.nonzero()[:, 0].tolist()


def _means(values: Float64[np.ndarray, "s n m"]) -> Float64[Tensor, "n m"]:
    """Means over the first axis of what is defined."""
    known = ~np.isnan(values)
    count = known.sum(0)
    total = np.where(known, values, 0.0).sum(0)
    return torch.from_numpy(np.where(count > 0, total / np.maximum(count, 1), math.nan))
