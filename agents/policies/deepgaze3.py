"""Looking as people do, fixation by fixation: each place is drawn from what DeepGaze III says of the ones before."""

from typing import Annotated, Any

import torch
from annotated_types import Interval
from jaxtyping import Float32
from torch import Tensor

from gazeworld.envs.fixations import Inhibition
from gazeworld.envs.rng import Draws
from gazeworld.envs.validation import PathText
from gazeworld.envs.world import World, require_prior

from ..policy import Choice, Memory, Policy


class DeepGaze3Policy(Policy):
    """Draws each fixation from DeepGaze III, given the image and the last four fixations of the episode.

    The network knows that people return, and when: there is no inhibition of return but with `ior`, whose options are
    those of `gazeworld.envs.fixations.Inhibition`. `weights` is the file of its weights, `repo` a checkout of DeepGaze,
    `centre_bias` a file of one, and `size` what smaller images are enlarged to: all as of the prior of this name
    (`gazeworld.envs.priors._deepgaze`). `log_prob` asks for log-probabilities; they are NaN otherwise. Every step runs
    the network for every episode: a second each on one core.
    Raises ValueError for bad options, for what is not there, and if the world is not one of fixations.
    """

    def __init__(
        self,
        world: World,
        weights: PathText = "",
        repo: PathText = "",
        centre_bias: PathText = "",
        *,
        size: Annotated[int, Interval(ge=0, le=4096)] = 512,
        ior: bool = False,
        log_prob: bool = False,
        **inhibition: Any,
    ) -> None:
        own = {"weights": weights, "repo": repo, "centre_bias": centre_bias, "size": size}
        self._inhibition = Inhibition(**inhibition) if ior or inhibition else None
        if inhibition and not ior:
            raise ValueError(
                f"policy 'deepgaze3': {', '.join(inhibition)} given without ior; expected ior=true with it"
            )
        prior = require_prior(world, "policy 'deepgaze3'", "deepgaze3", 0.0, own)
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
        """What the network says of each scene after its fixations, under inhibition if there is any."""
        return self._prior.probabilities(memory.scenes, memory.poses, self._inhibition).log()
