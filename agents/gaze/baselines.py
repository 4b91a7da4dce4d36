"""What policies are compared with: where people look on other images, and where other people look on the same one.

All are densities over the legal fixations that are made of people's own fixations by Gaussians around them, as the
centre bias and the gold standard of Kümmerer, Wallis and Bethge (2015, PNAS 112, 16054-16059). Widths and weights are
fitted to the other images.
"""

from collections.abc import Iterator
from itertools import product

import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from gazeworld.envs.fixations import Lattice
from gazeworld.envs.rng import Draws

from .contenders import Contender, drawn
from .cross_fitting import Chosen, cross_fitted, folds_of
from .observed import Observed, Rows

SIGMAS = (0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.08, 0.12, 0.16, 0.24)
"""Widths of Gaussians that are tried, in units of the image side."""
UNIFORM = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
"""Shares of the uniform distribution that are tried."""
OTHERS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97)
"""Shares of what other people do on the same image that are tried, of what the uniform distribution leaves."""


def kernels(lattice: Lattice) -> Float64[Tensor, "s k k"]:
    """Gaussians around each place of an axis, one column each, for all widths; what would lie outside is shared out."""
    steps = torch.arange(lattice.count, dtype=torch.float64) / lattice.side
    apart = (steps[:, None] - steps[None]).square()
    bumps = torch.stack([torch.exp(-apart / (2 * sigma**2)) for sigma in SIGMAS])
    return bumps / bumps.sum(1, keepdim=True)


def counted(places: Int64[Tensor, "n 2"], side: int) -> Float64[Tensor, "k k"]:
    """How often each place of a lattice was looked at."""
    ones = torch.ones(len(places), dtype=torch.float64)
    return torch.zeros(side, side, dtype=torch.float64).index_put((places[:, 0], places[:, 1]), ones, accumulate=True)


class Kernels:
    """Smoothed counts of people's fixations, by image and by observer.

    Only fixations that are predicted count: the first of a path, which often is forced, says nothing.
    """

    def __init__(self, seen: Observed) -> None:
        self.seen, self.gauss = seen, kernels(seen.lattice)
        self.images = seen.scenes.unique()
        self.path, self.targets = seen.path, seen.targets
        self.image = torch.searchsorted(self.images, seen.scenes)[self.path]
        self.folds = folds_of(seen.scenes)[self.path]
        self.fold_of_path = folds_of(seen.scenes)
        self.whole = self.smooth(counted(self.targets, seen.lattice.count))  # s k k
        self.even = 1 / seen.lattice.count**2

    def smooth(self, counts: Float64[Tensor, "*b k k"]) -> Float64[Tensor, "s *b k k"]:
        """Counts under Gaussians of all widths."""
        return torch.stack([one @ counts @ one.T for one in self.gauss])

    def at(self, maps: Float64[Tensor, "s k k"], which: Tensor) -> Float64[Tensor, "s n"]:
        """Values of maps at the places of these fixations."""
        return maps[:, self.targets[which, 0], self.targets[which, 1]]


class CentrePrior(Contender):
    """Where people look on all other images: the baseline that information gain is counted from."""

    name, label = "centre prior", "where people look on other images"

    def __init__(self, kernels: Kernels) -> None:
        self._kernels = kernels
        n, found = len(kernels.targets), torch.zeros(len(SIGMAS), len(kernels.targets), dtype=torch.float64)
        for image in range(len(kernels.images)):
            mine = (kernels.image == image).nonzero()[:, 0]
            own = kernels.smooth(counted(kernels.targets[mine], kernels.seen.lattice.count))
            found[:, mine] = kernels.at(kernels.whole - own, mine).clamp_min(0) / (n - len(mine))

        def tried() -> Iterator[tuple[tuple[int, float], Float64[Tensor, " f"]]]:
            for (i, one), share in product(enumerate(found), UNIFORM):
                yield (i, share), ((1 - share) * one + share * kernels.even).log()

        self.chosen: Chosen[tuple[int, float]] = cross_fitted(tried(), kernels.folds)

    def log_density(self, rows: Rows) -> Float32[Tensor, "b k k"]:
        """The same for all fixations on an image."""
        return self.densities(rows.paths).log().float()

    def densities(self, paths: Int64[Tensor, " b"]) -> Float64[Tensor, "b k k"]:
        """The probabilities for each of these paths."""
        kernels, scenes = self._kernels, self._kernels.seen.scenes[paths]
        each, place = scenes.unique(return_inverse=True)
        return torch.stack([self._density(int(image)) for image in torch.searchsorted(kernels.images, each)])[place]

    def _density(self, image: int) -> Float64[Tensor, "k k"]:
        kernels = self._kernels
        mine = kernels.image == image
        number, share = self.chosen.settings[int(kernels.folds[mine.nonzero()[0, 0]])]
        gauss, side = kernels.gauss[number], kernels.seen.lattice.count
        own = gauss @ counted(kernels.targets[mine], side) @ gauss.T
        others = (kernels.whole[number] - own).clamp_min(0)
        return (1 - share) * others / others.sum() + share * kernels.even

    def walk(self, paths: Int64[Tensor, " b"], steps: int, rng: Draws) -> Int64[Tensor, "b m 2"]:
        """Fixations drawn independently of each other, after the first one."""
        return drawn(self.densities(paths), self._kernels.seen.places[paths, 0], steps, rng)

    @property
    def parameters(self) -> list[dict[str, float]]:
        """What was fitted for each fold."""
        return [{"width": SIGMAS[number], "uniform": share} for number, share in self.chosen.settings]


class OtherPeople(Contender):
    """Where all other people look on the same image (and task), mixed with the centre prior: the gold standard.

    Nobody is ever predicted from himself. Where nobody else looked at an image, nothing is said (NaN).
    """

    name, label = "other people", "where other people look on the same image"

    def __init__(self, kernels: Kernels, prior: CentrePrior) -> None:
        self._kernels, self._prior = kernels, prior
        seen, side = kernels.seen, kernels.seen.lattice.count
        others = torch.full((len(SIGMAS), len(kernels.targets)), torch.nan, dtype=torch.float64)
        centre = torch.zeros(len(kernels.targets), dtype=torch.float64)
        for group in range(int(seen.groups.max()) + 1):
            inside = (seen.groups[kernels.path] == group).nonzero()[:, 0]
            where = kernels.targets[inside]
            centre[inside] = prior.densities(kernels.path[inside[:1]])[0][where[:, 0], where[:, 1]]
            counts = kernels.smooth(counted(where, side))
            for subject in seen.subjects[kernels.path[inside]].unique():
                mine = inside[seen.subjects[kernels.path[inside]] == subject]
                if len(mine) < len(inside):
                    rest = counts - kernels.smooth(counted(kernels.targets[mine], side))
                    others[:, mine] = kernels.at(rest, mine).clamp_min(0) / (len(inside) - len(mine))

        def tried() -> Iterator[tuple[tuple[int, float, float], Float64[Tensor, " f"]]]:
            for (i, one), share, even in product(enumerate(others), OTHERS, UNIFORM):
                mixed = (1 - even) * (share * one + (1 - share) * centre) + even * kernels.even
                yield (i, share, even), mixed.log()

        self.chosen: Chosen[tuple[int, float, float]] = cross_fitted(tried(), kernels.folds)

    def log_density(self, rows: Rows) -> Float32[Tensor, "b k k"]:
        """The same for all fixations of one observer on an image."""
        return self.densities(rows.paths).log().float()

    def densities(self, paths: Int64[Tensor, " b"]) -> Float64[Tensor, "b k k"]:
        """The probabilities for each of these paths; NaN where there is nobody else."""
        seen, kernels = self._kernels.seen, self._kernels
        centre, found = self._prior.densities(paths), []
        for path, prior in zip(paths.tolist(), centre, strict=True):
            number, share, even = self.chosen.settings[int(kernels.fold_of_path[path])]
            rest = (seen.groups == seen.groups[path]) & (seen.subjects != seen.subjects[path])
            places = kernels.targets[rest[kernels.path]]
            gauss = kernels.gauss[number]
            counts = gauss @ counted(places, seen.lattice.count) @ gauss.T
            others = counts / counts.sum() if len(places) else torch.full_like(counts, torch.nan)
            found.append((1 - even) * (share * others + (1 - share) * prior) + even * kernels.even)
        return torch.stack(found)

    def walk(self, paths: Int64[Tensor, " b"], steps: int, rng: Draws) -> Int64[Tensor, "b m 2"]:
        """Fixations drawn independently of each other, after the first one; of the centre prior where nobody looked."""
        densities = self.densities(paths)
        nobody = densities.flatten(1).isnan().any(1)
        densities = torch.where(nobody[:, None, None], self._prior.densities(paths), densities)
        return drawn(densities, self._kernels.seen.places[paths, 0], steps, rng)

    @property
    def parameters(self) -> list[dict[str, float]]:
        """What was fitted for each fold."""
        return [
            {"width": SIGMAS[number], "others": (1 - even) * share, "uniform": even}
            for number, share, even in self.chosen.settings
        ]
