"""Looking where something would be if the image were another one: the control for what is due to *this* image."""

import copy
from typing import Any

import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from ..images import StillImages
from ..prior import BASE, Prior, make_prior, partners
from ..validation import OptionError


class MismatchedPrior(Prior):
    """The map that another prior, `base`, gives of an image of another label (`gazeworld.envs.prior.partners`).

    All other options are the base's. What a base remembers is remembered: the history is the episode's own.
    `mismatched-contrast` is `mismatched` with base "contrast".
    Raises DataError, when it is bound, for a split in which all images have one label.
    """

    stored = True

    def __init__(self, base: str = BASE, **options: Any) -> None:
        self._base = make_prior(base, **options)
        self.looks, self.remembers = self._base.looks, self._base.remembers
        self._images: StillImages | None = None
        self._partners = torch.empty(0, dtype=torch.int64)

    def bind(self, images: StillImages) -> "MismatchedPrior":
        """The control for these images."""
        found = copy.copy(self)
        found._base, found._images = self._base.bind(images), images
        found._partners = partners(images.labels, f"{images.name}/{images.split}")
        return found

    def log_density(
        self,
        images: UInt8[Tensor, "b h w c"],
        history: Float32[Tensor, "b k 2"] | None = None,
        *,
        index: Int64[Tensor, " b"] | None = None,
    ) -> Float32[Tensor, "b h w"]:
        """What the base says of the other images, which are read here."""
        if self._images is None or index is None:
            lack = "the images' numbers" if self._images is not None else "a split of images to be bound to (`bind`)"
            raise OptionError(f"prior 'mismatched' needs {lack}")
        other = self._partners[index.cpu()]
        if not self._base.stored:
            images = self._images.batch(other).to(images.device)
        return self._base.log_density(images, history, index=other.to(index.device))

    def key(self) -> dict[str, Any]:
        """That of the base, and how partners are found."""
        return {"prior": "mismatched", "partner": "another label", "base": self._base.key()}
