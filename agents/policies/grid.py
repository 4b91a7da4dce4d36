"""Looking over the scene cell by cell, in an order of its own in every episode, whatever is there."""

import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from gazeworld.envs.rng import Draws
from gazeworld.envs.validation import Side
from gazeworld.envs.world import World, require_lattice

from ..fixation_density import on_places
from ..policy import Choice, Memory, Policy
from ..rl.discrete_actions import FixationGrid


class GridPolicy(Policy):
    """Scans a grid of `side` × `side` fixations, spread evenly over the legal ones, in random order.

    Each fixation so far, the first one too, counts for the grid place nearest to it. The next place is drawn from those
    that were looked at least often: inhibition of return by construction, which begins anew once all have been seen.
    Raises ValueError for a world that is not one of fixations or has fewer places than the grid.
    """

    def __init__(self, world: World, side: Side = 3) -> None:
        self._grid = FixationGrid(world, side, ior=False)
        self._lattice = require_lattice(world, "policy 'grid'")

    def act(self, memory: Memory, rng: Draws) -> Choice:
        """The action that leads to a place of the grid, and its log-probability."""
        free = self._free(memory)
        chosen = rng.uniform64(self._grid.size).masked_fill(~free, -1.0).argmax(1)
        action = self._grid.action(memory.scenes, memory.poses[:, -1], chosen)
        return Choice(action, -free.sum(1).float().log())

    def log_density(self, memory: Memory) -> Float32[Tensor, "b k k"]:
        """The places that are due next, equally likely; -inf between the places of the grid."""
        free, poses = self._free(memory), self._grid.targets(memory.scenes)
        log_prob = -free.sum(1, keepdim=True).float().log()
        return on_places(self._lattice, poses, torch.where(free, log_prob, -torch.inf))

    def _free(self, memory: Memory) -> Bool[Tensor, "b k"]:
        """The places that were looked at least often."""
        places = self._grid.targets(memory.scenes)  # b k 2
        apart = (memory.poses[:, :, None] - places[:, None]).square().sum(-1)  # b t k
        nearest = apart.argmin(-1)  # b t
        times = torch.zeros(places.shape[:2], dtype=torch.float32, device=places.device).scatter_add(
            1, nearest, torch.ones_like(nearest, dtype=torch.float32)
        )
        return times <= times.amin(1, keepdim=True)
