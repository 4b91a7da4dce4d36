"""Looking at the middle, always: the baseline that says how much one well-placed glimpse is worth."""

import torch
from jaxtyping import Float32
from torch import Tensor

from gazeworld.envs.rng import Draws
from gazeworld.envs.world import Scene, World, require_lattice

from ..fixation_density import at
from ..policy import Choice, Memory, Policy


class CentrePolicy(Policy):
    """Returns to the middle of the scene at every step; deterministic. Needs a world that has a middle."""

    def __init__(self, world: World) -> None:
        if world.middle is None:
            raise ValueError(f"policy 'centre' needs a world with a middle, and {type(world).__name__} has none")
        self._world, self._middle = world, torch.tensor(world.middle, dtype=torch.float32, device=world.device)

    def act(self, memory: Memory, rng: Draws) -> Choice:
        """The action that leads to the middle."""
        del rng
        action = self._world.difference(memory.poses[:, -1], self._target(memory))
        return Choice(action, action.new_zeros(len(action)))

    def log_density(self, memory: Memory) -> Float32[Tensor, "b k k"]:
        """All mass in the middle: -inf everywhere else. (A Gaussian around it: the saliency policy, `map="centre"`.)"""
        lattice = require_lattice(self._world, "the density of policy 'centre'")
        return at(lattice, self._target(memory))

    def _target(self, memory: Memory) -> Float32[Tensor, "b p"]:
        pose = memory.poses[:, -1]
        scene = Scene(memory.scenes, torch.full_like(memory.scenes, -1), pose)
        return self._world.snap(scene, self._middle.expand_as(pose))
