"""Looking as people do, fixation by fixation: each place is drawn from what DeepGaze III says of the ones before."""

from typing import Annotated, Any

from annotated_types import Interval

from gazeworld.envs.fixations import Inhibition
from gazeworld.envs.validation import PathText
from gazeworld.envs.world import World, require_prior

from ._drawn import DrawnPolicy


class DeepGaze3Policy(DrawnPolicy):
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
        settings = Inhibition(**inhibition) if ior or inhibition else None
        if inhibition and not ior:
            raise ValueError(
                f"policy 'deepgaze3': {', '.join(inhibition)} given without ior; expected ior=true with it"
            )
        prior = require_prior(world, "policy 'deepgaze3'", "deepgaze3", 0.0, own)
        super().__init__(world, prior, settings, log_prob=log_prob)
