"""Looking over the scene cell by cell, in an order of its own in every episode, whatever is there."""

import torch

from gazeworld.envs.rng import Draws
from gazeworld.envs.validation import Side
from gazeworld.envs.world import World

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

    def act(self, memory: Memory, rng: Draws) -> Choice:
        """The action that leads to a place of the grid, and its log-probability."""
        places = self._grid.targets(memory.scenes)  # b k 2
        apart = (memory.poses[:, :, None] - places[:, None]).square().sum(-1)  # b t k
        nearest = apart.argmin(-1)  # b t
        times = torch.zeros(places.shape[:2], dtype=torch.float32, device=places.device).scatter_add(
            1, nearest, torch.ones_like(nearest, dtype=torch.float32)
        )
        free = times <= times.amin(1, keepdim=True)
        chosen = rng.uniform64(self._grid.size).masked_fill(~free, -1.0).argmax(1)
        action = self._grid.action(memory.scenes, memory.poses[:, -1], chosen)
        return Choice(action, -free.sum(1).float().log())
