"""Looking at what has not been seen yet: views of an object without replacement, as 3DIEBench's loaders draw them."""

import torch

from gazeworld.envs.rng import Draws
from gazeworld.envs.world import World
from gazeworld.envs.worlds.rotation import stored_views

from ..policy import Choice, Memory, Policy


class UnseenPolicy(Policy):
    """Draws the next view uniformly from the object's stored views that the episode has not shown yet.

    Raises ValueError for a world without stored views, and when an episode has shown all of them.
    """

    def __init__(self, world: World) -> None:
        views = stored_views(world)
        if views is None:
            raise ValueError(f"policy 'unseen' needs a world of stored views, and {type(world).__name__} has none here")
        self._world, self._views = world, views

    def act(self, memory: Memory, rng: Draws) -> Choice:
        """The action that leads to a view not seen yet, and its log-probability."""
        legal = self._views.poses.index_select(0, memory.scenes)  # b v 6
        seen = (legal[:, :, None] == memory.poses[:, None]).all(-1).any(-1)  # b v
        left = (~seen).sum(1)
        if bool((left == 0).any()):
            raise ValueError(f"all {legal.shape[1]} views of an object have been seen; episodes must be shorter")
        chosen = rng.uniform64(legal.shape[1]).masked_fill(seen, -1.0).argmax(1)
        target = legal[torch.arange(len(chosen), device=chosen.device), chosen]
        action = self._world.difference(memory.poses[:, -1], target)
        return Choice(action, -left.float().log())
