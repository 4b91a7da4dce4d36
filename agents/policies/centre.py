"""Looking at the middle, always: the baseline that says how much one well-placed glimpse is worth."""

import torch

from gazeworld.envs.draws import Draws
from gazeworld.envs.prior import HasPriors
from gazeworld.envs.world import World

from ..policy import Choice, Memory, Policy


class CentrePolicy(Policy):
    """Returns to the middle of the scene at every step; deterministic. Needs a world whose poses are fixations."""

    def __init__(self, world: World) -> None:
        if not isinstance(world, HasPriors):
            raise ValueError(f"policy 'centre' needs a world of fixations, and {type(world).__name__} is none")
        self._world = world

    def act(self, memory: Memory, rng: Draws) -> Choice:
        """The action that leads to the middle."""
        del rng
        pose = memory.poses[:, -1]
        ahead = self._world.difference(pose, torch.full_like(pose, 0.5))
        # The middle may lie between two legal poses: the action is the one to where such a move lands.
        action = self._world.difference(pose, self._world.move(pose, ahead))
        return Choice(action, action.new_zeros(len(action)))
