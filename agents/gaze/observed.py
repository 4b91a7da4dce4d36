"""People's scan paths as an agent could have made them: on the legal fixations of a world, with their histories.

Each fixation but the first of a path is to be predicted from those before it. A person's own history is what a policy
is told: the memory of an episode that looked where the person looked.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from gazeworld.envs.fixations import Lattice
from gazeworld.envs.gaze import HumanGaze
from gazeworld.envs.world import Scene, World, require_lattice

from ..policy import Memory

_CELLS = 1 << 19  # places of a lattice that are looked at at once


@dataclass(frozen=True)
class Rows:
    """Fixations that are predicted at once: the next ones of these paths after `step` fixations each."""

    paths: Int64[Tensor, " b"]
    step: int


@dataclass(frozen=True)
class Observed:
    """N scan paths, padded to the longest, on the legal fixations of a world.

    `places` count from the first legal place of each axis; beyond `lengths` they are 0. `scenes` are the images,
    `groups` number image and task, `subjects` the observers. `durations` are milliseconds, NaN where not known.
    `moved` is the share of fixations that lie nearer to the border than a legal fixation can, and were moved to the
    nearest legal one.
    """

    lattice: Lattice
    places: Int64[Tensor, "n t 2"]
    lengths: Int64[Tensor, " n"]
    scenes: Int64[Tensor, " n"]
    groups: Int64[Tensor, " n"]
    subjects: Int64[Tensor, " n"]
    durations: Float64[Tensor, "n t"]
    moved: float

    @property
    def count(self) -> int:
        """Fixations that are predicted, f."""
        return int((self.lengths - 1).sum())

    def rows(self) -> Iterator[Rows]:
        """All fixations that are predicted, in the order that everything here numbers them in."""
        most = max(1, _CELLS // self.lattice.count**2)
        for step in range(1, int(self.lengths.max())):
            for paths in (self.lengths > step).nonzero()[:, 0].split(most):
                yield Rows(paths, step)

    @property
    def path(self) -> Int64[Tensor, " f"]:
        """The path of every fixation that is predicted."""
        return torch.cat([rows.paths for rows in self.rows()])

    @property
    def step(self) -> Int64[Tensor, " f"]:
        """How many fixations come before it in its path."""
        return torch.cat([torch.full_like(rows.paths, rows.step) for rows in self.rows()])

    def target(self, rows: Rows) -> Int64[Tensor, "b 2"]:
        """The places of the fixations to be predicted."""
        return self.places[rows.paths, rows.step]

    @property
    def targets(self) -> Int64[Tensor, "f 2"]:
        """Those of all fixations."""
        return torch.cat([self.target(rows) for rows in self.rows()])

    def poses(self, path: int) -> Float64[np.ndarray, "k 2"]:
        """The legal fixations of one path, in units of the image side."""
        places = self.places[path, : int(self.lengths[path])]
        return self.lattice.poses(places + self.lattice.low).double().numpy()

    def lasted(self, path: int) -> Float64[np.ndarray, " k"]:
        """How long each fixation of a path lasted, in ms."""
        return self.durations[path, : int(self.lengths[path])].numpy()


def observed(gaze: HumanGaze, world: World) -> Observed:
    """People's paths on the images of a world. Raises ValueError for a world without fixations."""
    lattice = require_lattice(world, "people's gaze")
    n, most = len(gaze.paths), max(len(path.poses) for path in gaze.paths)
    places = torch.zeros(n, most, 2, dtype=torch.int64)
    durations = torch.full((n, most), torch.nan, dtype=torch.float64)
    moved = total = 0
    subjects = {name: i for i, name in enumerate(gaze.subjects)}
    groups: dict[tuple[int, str], int] = {}
    half = 0.5 / lattice.side + 1e-6
    for i, path in enumerate(gaze.paths):
        poses = torch.from_numpy(path.poses).float()
        found = lattice.places(poses)
        places[i, : len(poses)] = found
        durations[i, : len(poses)] = torch.from_numpy(path.durations)
        apart = (lattice.poses(found + lattice.low) - poses).abs().amax(1)
        moved, total = moved + int((apart > half).sum()), total + len(poses)
        groups.setdefault((path.image, path.task), len(groups))
    return Observed(
        lattice,
        places,
        torch.tensor([len(path.poses) for path in gaze.paths]),
        torch.tensor([path.image for path in gaze.paths]),
        torch.tensor([groups[path.image, path.task] for path in gaze.paths]),
        torch.tensor([subjects[path.subject] for path in gaze.paths]),
        durations,
        moved / total,
    )


def history(world: World, seen: Observed, rows: Rows) -> Memory:
    """The memory of having looked where people looked, up to the fixation that is to be predicted."""
    return recalled(world, seen.scenes[rows.paths], seen.places[rows.paths, : rows.step])


def recalled(world: World, scenes: Int64[Tensor, " b"], places: Int64[Tensor, "b t 2"]) -> Memory:
    """The memory of having looked at these places of the lattice."""
    lattice = require_lattice(world, "people's gaze")
    (b, t), index = places.shape[:2], scenes.to(world.device)
    unknown = torch.full_like(index, -1)
    wanted: Float32[Tensor, "b t 2"] = lattice.poses(places + lattice.low).to(world.device)
    first = Scene(index, unknown, wanted[:, 0].contiguous())
    poses = torch.stack([world.snap(first, wanted[:, i].contiguous()) for i in range(t)], 1)
    views = torch.stack([world.look(Scene(index, unknown, poses[:, 0]), poses[:, i].contiguous()) for i in range(t)], 1)
    steps = [world.difference(poses[:, i], poses[:, i + 1]) for i in range(t - 1)]
    none = torch.zeros(b, 0, world.action_dim, dtype=torch.float32, device=world.device)
    return Memory(views, torch.stack(steps, 1) if steps else none, poses, index)
