"""A policy of a package of one's own: straight on, and back from the border; `--policy march:March:stride=0.2`."""

import math
from typing import Annotated

import torch
from annotated_types import Interval

from gazeworld.agents import Choice, Memory, Policy
from gazeworld.envs import Draws, Scene, World


class March(Policy):
    """Goes on as it came, turned by a random angle of up to `turn` radians; in worlds whose actions are two numbers.

    `stride` is the length of a step in the units of the action. Log-probabilities are NaN: not computed.
    """

    def __init__(
        self,
        world: World,
        stride: Annotated[float, Interval(gt=0, le=1)] = 0.2,
        turn: Annotated[float, Interval(ge=0)] = 0.5,
    ) -> None:
        if world.action_dim != 2:
            raise ValueError(
                f"policy 'march' needs actions of two numbers, and {type(world).__name__} has {world.action_dim}"
            )
        self._world, self._stride, self._turn = world, stride, turn

    def act(self, memory: Memory, rng: Draws) -> Choice:
        """A step in the direction of the last one; a first one, or one from a border, in any direction."""
        u = rng.uniform(2)
        anywhere = 2 * math.pi * u[:, 0]
        angle = anywhere
        if memory.actions.shape[1]:
            last = memory.actions[:, -1]
            on = torch.atan2(last[:, 1], last[:, 0]) + self._turn * (2 * u[:, 1] - 1)
            angle = torch.where(last.norm(dim=1) > 0.9 * self._stride, on, anywhere)
        step = self._stride * torch.stack((angle.cos(), angle.sin()), 1)
        here = memory.poses[:, -1]
        scene = Scene(memory.scenes, torch.full_like(memory.scenes, -1), here)
        action = self._world.difference(here, self._world.move(scene, here, step))  # what the border leaves of it
        return Choice(action, action.new_full((len(action),), math.nan))
