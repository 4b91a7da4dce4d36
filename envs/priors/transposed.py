"""Looking where something would be if rows and columns were exchanged: the control for what is due to *places*."""

import copy
from typing import Any

from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from ..images import StillImages
from ..prior import BASE, Prior, make_prior, require_square


class TransposedPrior(Prior):
    """The map that another prior, `base`, gives of the same image, mirrored at its main diagonal.

    It has the same spread and the same distance from the centre as the right map, as the released code's maps have,
    which are read at the mirrored position. A base that remembers is told the mirrored history, so that what lies near
    to earlier fixations still does. All other options are the base's. `transposed-contrast` is `transposed` with base
    "contrast".
    """

    def __init__(self, base: str = BASE, **options: Any) -> None:
        self._base = make_prior(base, **options)
        self.looks, self.remembers, self.stored = self._base.looks, self._base.remembers, self._base.stored

    def bind(self, images: StillImages) -> "TransposedPrior":
        """The control for these images."""
        found = copy.copy(self)
        found._base = self._base.bind(images)
        return found

    def log_density(
        self,
        images: UInt8[Tensor, "b h w c"],
        history: Float32[Tensor, "b k 2"] | None = None,
        *,
        index: Int64[Tensor, " b"] | None = None,
    ) -> Float32[Tensor, "b h w"]:
        """What the base says, mirrored."""
        require_square(images, "prior 'transposed'")
        mirrored = None if history is None else history.flip(2)
        return self._base.log_density(images, mirrored, index=index).transpose(1, 2).contiguous()

    def key(self) -> dict[str, Any]:
        """That of the base."""
        return {"prior": "transposed", "base": self._base.key()}
