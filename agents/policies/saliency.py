"""Looking where a map says that something is, and not again where one has just looked."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float32
from torch import Tensor

from gazeworld.envs.fixations import Inhibition
from gazeworld.envs.rng import Draws
from gazeworld.envs.validation import Amount
from gazeworld.envs.world import World, require_prior

from ..policy import Choice, Memory, Policy


class SaliencyPolicy(Policy):
    """Draws fixations from a map of the scene, with inhibition of return (paper, section 3.1 and appendix A.1).

    `map` is a prior of `gazeworld.envs.prior.make_prior`, whose own options are `map_options`; `sigma` > 0 multiplies
    it by a centre Gaussian of that width (units of the image side). `ior` switches inhibition, whose other options are
    those of `gazeworld.envs.fixations.Inhibition`. `log_prob` asks for log-probabilities, a pass over whole maps at
    every step; they are NaN otherwise.
    Raises ValueError for bad options, and if the world has no such maps or is not one of fixations.
    """

    def __init__(
        self,
        world: World,
        map: str = "image-signature",
        sigma: Amount = 0.0,
        ior: bool = True,
        log_prob: bool = False,
        map_options: Mapping[str, Any] | None = None,
        **inhibition: Any,
    ) -> None:
        prior = require_prior(world, "policy 'saliency'", map, sigma, map_options)
        # The released code silently drops inhibition where there is no map; here it applies to any map.
        settings = Inhibition(**inhibition)
        self._inhibition = settings if ior else None
        self._world, self._prior, self._log_prob = world, prior, log_prob

    def act(self, memory: Memory, rng: Draws) -> Choice:
        """The action that leads to the next fixation."""
        visited, pose = memory.poses, memory.poses[:, -1]
        target = self._prior.sample(memory.scenes, rng, visited, self._inhibition)
        action = self._world.difference(pose, target)
        if self._log_prob:
            return Choice(action, self._prior.log_prob(memory.scenes, target, visited, self._inhibition))
        return Choice(action, action.new_full((len(action),), torch.nan))

    def log_density(self, memory: Memory) -> Float32[Tensor, "b k k"]:
        """The map of each scene under inhibition of return."""
        return self._prior.probabilities(memory.scenes, memory.poses, self._inhibition).log()
