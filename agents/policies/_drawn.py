"""What policies have in common that draw every fixation from a prior of the world."""

from abc import ABC

import torch
from jaxtyping import Float32
from torch import Tensor

from gazeworld.envs.fixation_prior import FixationPrior
from gazeworld.envs.fixations import Inhibition
from gazeworld.envs.rng import Draws
from gazeworld.envs.world import World

from ..policy import Choice, Memory, Policy


class DrawnPolicy(Policy, ABC):
    """Draws fixations from a prior under inhibition of return, if there is any.

    With `log_prob` it says how likely each was, a pass over whole maps at every step; else that is NaN.
    """

    def __init__(self, world: World, prior: FixationPrior, inhibition: Inhibition | None, *, log_prob: bool) -> None:
        self._world, self._prior, self._inhibition, self._log_prob = world, prior, inhibition, log_prob

    def act(self, memory: Memory, rng: Draws) -> Choice:
        """The action that leads to the next fixation."""
        visited, pose = memory.poses, memory.poses[:, -1]
        target = self._prior.sample(memory.scenes, rng, visited, self._inhibition)
        action = self._world.difference(pose, target)
        if self._log_prob:
            return Choice(action, self._prior.log_prob(memory.scenes, target, visited, self._inhibition))
        return Choice(action, action.new_full((len(action),), torch.nan))

    def log_density(self, memory: Memory) -> Float32[Tensor, "b k k"]:
        """What the prior says of each scene after its fixations, under inhibition of return."""
        return self._prior.probabilities(memory.scenes, memory.poses, self._inhibition).log()
