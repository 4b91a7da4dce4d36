"""Looking where an image differs from its surroundings at several scales: OpenCV's fine grained saliency."""

from typing import Any

from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from ..prior import Prior
from ._opencv import OpenCVMaps


class FineGrainedPrior(Prior):
    """The fine grained saliency of Montabone and Soto (2010), as OpenCV computes it, at the image's own size.

    It is computed on the CPU; -inf where a map is zero. Needs `cv2.saliency`, which only OpenCV's contrib wheels have.
    Raises OptionError saying how to get it.
    """

    def __init__(self) -> None:
        self._maps = OpenCVMaps("fine-grained", "StaticSaliencyFineGrained")

    def log_density(
        self,
        images: UInt8[Tensor, "b h w c"],
        history: Float32[Tensor, "b k 2"] | None = None,
        *,
        index: Int64[Tensor, " b"] | None = None,
    ) -> Float32[Tensor, "b h w"]:
        """The logarithm of the map."""
        del history, index
        return self._maps.log_density(images)

    def key(self) -> dict[str, Any]:
        """Its name and OpenCV's version."""
        return self._maps.key()
