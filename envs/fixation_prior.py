"""Where the eye may look next: distributions over legal fixations, drawn from for all environments at once.

What somebody looks at (a map of each scene, or a density that depends on where they have looked) is brought to the
lattice of fixations as integer masses, so that what is drawn is known exactly and every device draws the same cells
from the same masses. Inhibition of return (paper, section 3.1 and appendix A.1) takes mass away near to earlier
fixations. `tabled_prior` draws from tables of all scenes' maps, `dense_prior` by one pass over a scene's own map.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from . import alias_tables
from .fixations import Inhibition, Lattice
from .rng import Draws

ROWS = 64  # whose whole maps are held at once, in a pass over them or while tables are built: a few MB


class FixationPrior(ABC):
    """A distribution over the legal fixations of each scene.

    `visited` are the fixations so far, the oldest first, as poses; what they inhibit is for `inhibition` to say. A
    prior that depends on where one has looked (`remembers`) is told them, too.
    """

    remembers: bool = False

    def __init__(self, lattice: Lattice, device: torch.device | str = "cpu") -> None:
        self.lattice = lattice
        self.device = torch.device(device)
        steps = torch.arange(lattice.count)
        places = torch.cartesian_prod(steps, steps)  # cells 2
        # Computed on the CPU whatever the device is: a GPU divides differently.
        self._poses = lattice.poses(places + lattice.low).to(self.device)
        # Raster numbers with rows of 2 T - 1: the difference of two of them says row and column offset at once.
        self._codes = self._code(places + lattice.low).to(self.device)
        self._near: dict[tuple[float, str], UInt8[Tensor, " offsets"]] = {}

    @abstractmethod
    def sample(
        self,
        scenes: Int64[Tensor, " b"],
        rng: Draws,
        visited: Float32[Tensor, "b k 2"] | None = None,
        inhibition: Inhibition | None = None,
    ) -> Float32[Tensor, "b 2"]:
        """The next fixation of every scene, away from the visited ones.

        Where inhibition leaves a scene no mass, its legal places that are not inhibited are equally likely; where
        there are none, inhibition is ignored. Row i depends on its own scene, stream and visits only.
        """

    @abstractmethod
    def masses(
        self, scenes: Int64[Tensor, " b"], visited: Float32[Tensor, "b k 2"] | None = None
    ) -> Int64[Tensor, "b cells"]:
        """Integer masses of all legal fixations, before inhibition; each row sums to cells * UNIT."""

    def log_prob(
        self,
        scenes: Int64[Tensor, " b"],
        poses: Float32[Tensor, "b 2"],
        visited: Float32[Tensor, "b k 2"] | None = None,
        inhibition: Inhibition | None = None,
    ) -> Float32[Tensor, " b"]:
        """Log-probability with which `sample` gives these poses; -inf where it cannot. Costs a pass over each map."""
        places = self.lattice.tops(poses) - self.lattice.low
        cells = places[:, :1] * self.lattice.count + places[:, 1:]
        parts = []
        for part in rows_of(len(scenes)):
            weights = self._inhibited(part, scenes, visited, inhibition).double()
            parts.append(torch.log(weights.gather(1, cells[part])[:, 0] / weights.sum(1)))
        return torch.cat(parts).float()

    def probabilities(
        self,
        scenes: Int64[Tensor, " b"],
        visited: Float32[Tensor, "b k 2"] | None = None,
        inhibition: Inhibition | None = None,
    ) -> Float32[Tensor, "b t t"]:
        """The whole distribution that `sample` draws from, over the lattice: for figures and tests."""
        parts = []
        for part in rows_of(len(scenes)):
            weights = self._inhibited(part, scenes, visited, inhibition).double()
            parts.append((weights / weights.sum(1, keepdim=True)).float())
        return torch.cat(parts).unflatten(1, (self.lattice.count,) * 2)

    def _inhibited(
        self,
        part: slice,
        scenes: Int64[Tensor, " b"],
        visited: Float32[Tensor, "b k 2"] | None,
        inhibition: Inhibition | None,
    ) -> Int64[Tensor, "part cells"]:
        """Integer masses of some rows, after inhibition."""
        before = visited[part] if visited is not None else None
        mass = self.masses(scenes[part], before)
        if before is None or before.shape[1] == 0 or inhibition is None or inhibition.strength == 0:
            return mass
        return self._weights(mass, self._seen(before, inhibition), inhibition)

    def _code(self, tops: Int64[Tensor, "*b 2"]) -> Int64[Tensor, "*b"]:
        return torch.add(tops[..., 1], tops[..., 0], alpha=2 * self.lattice.count - 1)

    def _seen(self, visited: Float32[Tensor, "b k 2"], inhibition: Inhibition) -> Int64[Tensor, "j b"]:
        """Codes of the remembered fixations, so that (code of a place - this) indexes the table of offsets."""
        # Visits first: what is asked about each of them then lies in one piece.
        tops = self.lattice.tops(visited[:, -inhibition.memory :].transpose(0, 1))
        return self._code(tops) - 2 * self.lattice.count * (self.lattice.count - 1)

    def _inhibits(self, inhibition: Inhibition) -> UInt8[Tensor, " offsets"]:
        """Whether (1 or 0) a place at each (row, column) offset from a fixation is inhibited by it."""
        wanted = (inhibition.radius, inhibition.shape)
        if wanted not in self._near:
            along = torch.arange(1 - self.lattice.count, self.lattice.count, device=self.device)
            offsets = torch.cartesian_prod(along, along)
            self._near[wanted] = inhibition.near(offsets, self.lattice.glimpse).to(torch.uint8)
        return self._near[wanted]

    def _weights(
        self, mass: Int64[Tensor, "b cells"], seen: Int64[Tensor, "j b"], inhibition: Inhibition
    ) -> Int64[Tensor, "b cells"]:
        """These masses under inhibition, with the fallbacks that `sample` documents."""
        near = self._inhibits(inhibition)
        blocked = torch.zeros(mass.shape, dtype=torch.uint8, device=self.device)
        for visit in seen:
            blocked |= alias_tables.pick(near, self._codes - visit[:, None])
        weights = mass * torch.where(blocked.bool(), inhibition.kept, alias_tables.UNIT)
        free = blocked == 0
        fallback = torch.where(free.any(1, keepdim=True), free.long(), mass)
        return torch.where(weights.any(1, keepdim=True), weights, fallback)


def rows_of(count: int) -> list[slice]:
    """Rows 0 … count - 1 in pieces whose whole maps may be held at once; one empty piece where there are none."""
    return [slice(start, min(start + ROWS, count)) for start in range(0, max(1, count), ROWS)]


def cell_of(weights: Int64[Tensor, "b cells"], rng: Draws) -> Int64[Tensor, " b"]:
    """One cell of every row, drawn by a pass over all of its weights."""
    running = weights.cumsum(1)
    total = running[:, -1:]
    aim = (rng.uniform64(1) * total).long().clamp_max(total - 1)
    return torch.searchsorted(running, aim, right=True)[:, 0]
