"""Looking where the intensity differs from its surroundings: for drawings on an even ground."""

from typing import Any

from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from ..prior import Prior, log_of, require_square
from ..saliency import VERSION, local_contrast


class ContrastPrior(Prior):
    """The local contrast after Itti, Koch and Niebur (1998), as `gazeworld.envs.saliency.local_contrast` computes it.

    Runs where the images are; -inf where a map is zero.
    """

    def log_density(
        self,
        images: UInt8[Tensor, "b h w c"],
        history: Float32[Tensor, "b k 2"] | None = None,
        *,
        index: Int64[Tensor, " b"] | None = None,
    ) -> Float32[Tensor, "b h w"]:
        """The logarithm of the map."""
        del history, index
        require_square(images, "prior 'contrast'")
        return log_of(local_contrast(images))

    def key(self) -> dict[str, Any]:
        """Its name and the version of its numbers."""
        return {"prior": "contrast", "version": VERSION}
