"""Where somebody may look next in an image: the contract of fixation priors, and the registry of them.

A prior gives a log density over the pixels of an image, which may depend on where one has looked so far, as
pysaliency's models do. What an agent draws from is the prior brought to its legal fixations, with inhibition of return:
`fixation_prior`.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Float32, Int64, UInt8
from torch import Tensor

from . import registry
from .validation import Validated, validated

PRIORS = "gazeworld.envs.priors"


class Prior(Validated, ABC):
    """A distribution over the pixels of images, built from JSON-able options.

    `looks` says whether it depends on the image, `remembers` whether on the fixations so far, `stored` whether it is
    read from beside the images by their numbers (`index`) and so needs to be bound to a split.
    """

    looks: ClassVar[bool] = True
    remembers: ClassVar[bool] = False
    stored: ClassVar[bool] = False

    @abstractmethod
    def log_density(
        self,
        images: UInt8[Tensor, "b h w c"],
        history: Float32[Tensor, "b k 2"] | None = None,
        *,
        index: Int64[Tensor, " b"] | None = None,
    ) -> Float32[Tensor, "b h w"]:
        """Log-probability of each pixel to be looked at next; of each image logsumexp is 0. On the images' device.

        `history` holds the fixations so far, the oldest first: (row, col) in units of the image side. `index` are the
        images' numbers in their split. Raises OptionError for images it cannot take, DataError for bad maps.
        """

    @abstractmethod
    def key(self) -> dict[str, Any]:
        """What its maps depend on, JSON-able: its version, options, and digests of weights, never their place."""


@validated
def make_prior(name: str, **options: Any) -> Prior:
    """The prior called `name` in the registry (or MODULE:CLASS), built from JSON-able options.

    Raises UnknownNameError for one that is not there, OptionError naming an option that it does not have or one out of
    its bounds, and ImportError or DataError that say how to get what it needs.
    """
    kind = registry.concrete(PRIORS, name, Prior)
    return registry.built(f"prior {name!r}", kind, **options)


def log_of(maps: Float[Tensor, "b h w"]) -> Float32[Tensor, "b h w"]:
    """Log densities of maps of non-negative masses, each with some; -inf where a map is zero."""
    flat = maps.flatten(1).to(torch.float32)
    return (flat / flat.sum(1, keepdim=True)).log().view(maps.shape)
