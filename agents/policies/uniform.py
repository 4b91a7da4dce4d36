"""Looking anywhere: every legal pose is equally likely, whatever has been seen."""

import torch
from jaxtyping import Float32
from torch import Tensor

from gazeworld.envs.rng import Draws
from gazeworld.envs.world import Scene, World, require_lattice

from ..fixation_density import even
from ..policy import Choice, Memory, Policy


class UniformPolicy(Policy):
    """Draws the next pose uniformly; works in any world. Its log-probabilities are NaN: not computed.

    (Uniform fixations with inhibition of return: the saliency policy with `map="uniform"`.)
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def act(self, memory: Memory, rng: Draws) -> Choice:
        """The action that leads to a random legal pose."""
        pose = memory.poses[:, -1]
        # Where a pose may be does not depend on what a scene shows: the label is not the policy's to know.
        scene = Scene(memory.scenes, torch.full_like(memory.scenes, -1), pose)
        action = self._world.difference(pose, self._world.random_pose(scene, rng))
        return Choice(action, action.new_full((len(action),), torch.nan))

    def log_density(self, memory: Memory) -> Float32[Tensor, "b k k"]:
        """The same everywhere."""
        lattice = require_lattice(self._world, "the density of policy 'uniform'")
        return even(lattice, len(memory.scenes), memory.poses.device)
