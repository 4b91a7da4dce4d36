"""Looking around where one looks, and now and then jumping to another salient place."""

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from annotated_types import Interval
from jaxtyping import Float32, Float64
from torch import Tensor

from gazeworld.envs.rng import Draws
from gazeworld.envs.validation import Amount, Share
from gazeworld.envs.world import World, require_prior

from ..fixation_density import by_axes, mixed
from ..policy import Choice, Memory, Policy

_JUMPS, _PLACE, _STEP = range(3)  # numbers folded into the random stream of a step


class DwellPolicy(Policy):
    """Short saccades around the present fixation, and jumps to places drawn from a map of the scene.

    With probability `stay` the next fixation is the present one plus a normal deviate of standard deviation `reach`
    per axis (units of the image side); otherwise it is drawn from the map, wherever that leads. There is no inhibition
    of return: where several things stand in a scene, glimpses that overlap are what a world model learns their shapes
    from. `map` is a prior of `gazeworld.envs.prior.make_prior`, whose own options are `map_options`, `sigma` > 0
    multiplies it by a centre Gaussian of that width. Log-probabilities are NaN.
    Raises ValueError for bad options, and if the world has no such maps or is not one of fixations.
    """

    def __init__(
        self,
        world: World,
        map: str = "image-signature",
        sigma: Amount = 0.0,
        stay: Share = 0.5,
        reach: Annotated[float, Interval(gt=0, le=1)] = 0.08,
        map_options: Mapping[str, Any] | None = None,
    ) -> None:
        prior = require_prior(world, "policy 'dwell'", map, sigma, map_options)
        self._world, self._prior, self._stay, self._reach = world, prior, stay, reach
        self._lattice = self._prior.lattice
        # Looked up rather than computed where they are needed: a GPU divides differently.
        steps = torch.arange(self._lattice.count)[:, None] + self._lattice.low
        self._axis = self._lattice.poses(steps.expand(-1, 2))[:, 0].contiguous().to(world.device)

    def act(self, memory: Memory, rng: Draws) -> Choice:
        """The action that leads to the next fixation."""
        pose = memory.poses[:, -1]
        far = self._prior.sample(memory.scenes, rng.fold(_PLACE))
        near = self._axis[self._lattice.places(pose + self._reach * rng.fold(_STEP).normal(2))]
        target = torch.where(rng.fold(_JUMPS).uniform(1) < self._stay, near, far)
        action = self._world.difference(pose, target)
        return Choice(action, action.new_full((len(action),), torch.nan))

    def log_density(self, memory: Memory) -> Float32[Tensor, "b k k"]:
        """A mixture of the normal deviate, brought to the legal fixations, and of the map."""
        pose = memory.poses[:, -1].double()

        def below(borders: Float64[Tensor, " e"]) -> Float64[Tensor, "b 2 e"]:
            return torch.special.ndtr((borders.to(pose.device) - pose[..., None]) / self._reach)

        far = self._prior.probabilities(memory.scenes).log()
        return mixed([(self._stay, by_axes(self._lattice, below)), (1 - self._stay, far)])
