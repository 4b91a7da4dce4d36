"""Looking where a map says that something is, and not again where one has just looked."""

from collections.abc import Mapping
from typing import Any

from gazeworld.envs.fixations import Inhibition
from gazeworld.envs.validation import Amount
from gazeworld.envs.world import World, require_prior

from ._drawn import DrawnPolicy


class SaliencyPolicy(DrawnPolicy):
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
        super().__init__(world, prior, settings if ior else None, log_prob=log_prob)
