"""Looking at what has not been seen yet: views of an object without replacement, as 3DIEBench's loaders draw them."""

import torch

from gazeworld.envs.rng import Draws
from gazeworld.envs.world import World, require_stored_poses

from ..policy import Choice, Memory, Policy


class UnseenPolicy(Policy):
    """Draws the next view uniformly from the object's stored views that the episode has not shown yet.

    Raises ValueError for a world without stored views, and when an episode has shown all of them.
    """

    def __init__(self, world: World) -> None:
        self._world, self._poses = world, require_stored_poses(world, "policy 'unseen'")  # n v p

    def act(self, memory: Memory, rng: Draws) -> Choice:
        """The action that leads to a view not seen yet, and its log-probability."""
        legal = self._poses.index_select(0, memory.scenes)  # b v 6
        seen = (legal[:, :, None] == memory.poses[:, None]).all(-1).any(-1)  # b v
        left = (~seen).sum(1)
        if bool((left == 0).any()):
            raise ValueError(f"all {legal.shape[1]} views of an object have been seen; episodes must be shorter")
        chosen = rng.uniform64(legal.shape[1]).masked_fill(seen, -1.0).argmax(1)
        target = legal[torch.arange(len(chosen), device=chosen.device), chosen]
        action = self._world.difference(memory.poses[:, -1], target)
        return Choice(action, -left.float().log())
