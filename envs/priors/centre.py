"""Looking at the middle, more or less: what people do to any picture, and photographers expect."""

from typing import Any

from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from ..prior import Prior, log_of, require_square
from ..saliency import CENTRE_SIGMA, centre_gaussian
from ..validation import PositiveAmount


class CentrePrior(Prior):
    """A round Gaussian in the middle of the image, of standard deviation `sigma` in units of the side."""

    looks = False

    def __init__(self, sigma: PositiveAmount = CENTRE_SIGMA) -> None:
        self._sigma = float(sigma)

    def log_density(
        self,
        images: UInt8[Tensor, "b h w c"],
        history: Float32[Tensor, "b k 2"] | None = None,
        *,
        index: Int64[Tensor, " b"] | None = None,
    ) -> Float32[Tensor, "b h w"]:
        """The same for all images."""
        del history, index
        require_square(images, "prior 'centre'")
        b, side, _, _ = images.shape
        return log_of(centre_gaussian(side, self._sigma)[None]).to(images.device).expand(b, -1, -1)

    def key(self) -> dict[str, Any]:
        """Its name and width."""
        return {"prior": "centre", "sigma": self._sigma}
