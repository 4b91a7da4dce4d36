"""Looking where something sparse stands before its ground: the image signature, which needs no weights."""

from typing import Any

from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from ..prior import Prior, log_of, require_square
from ..saliency import VERSION, image_signature


class ImageSignaturePrior(Prior):
    """The image signature of Hou, Harel and Koch (2012), as `gazeworld.envs.saliency.image_signature` computes it.

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
        require_square(images, "prior 'image-signature'")
        return log_of(image_signature(images))

    def key(self) -> dict[str, Any]:
        """Its name and the version of its numbers."""
        return {"prior": "image-signature", "version": VERSION}
