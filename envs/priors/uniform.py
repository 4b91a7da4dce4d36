"""Looking anywhere: every pixel is equally likely, whatever is there."""

from typing import Any

from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from ..prior import Prior, even


class UniformPrior(Prior):
    """The same for every pixel of every image."""

    looks = False

    def log_density(
        self,
        images: UInt8[Tensor, "b h w c"],
        history: Float32[Tensor, "b k 2"] | None = None,
        *,
        index: Int64[Tensor, " b"] | None = None,
    ) -> Float32[Tensor, "b h w"]:
        """One over the number of pixels."""
        del history, index
        return even(images)

    def key(self) -> dict[str, Any]:
        """Its name."""
        return {"prior": "uniform"}
