"""What the priors of OpenCV have in common: the module, which is part of some wheels only, and maps of it."""

import importlib
from abc import ABC
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from ..prior import Prior, even, log_of
from ..threads import every
from ..validation import OptionError


class OpenCVPrior(Prior, ABC):
    """The maps of one algorithm of `cv2.saliency`: `name` is the prior's, `algorithm` the name of its class there.

    They are computed on the CPU by threads; a blank image has the even one. Raises OptionError saying how to get the
    module where OpenCV was built without it.
    """

    name: ClassVar[str]
    algorithm: ClassVar[str]

    def __init__(self) -> None:
        self._module = _saliency(self.name)

    def log_density(
        self,
        images: UInt8[Tensor, "b h w c"],
        history: Float32[Tensor, "b k 2"] | None = None,
        *,
        index: Int64[Tensor, " b"] | None = None,
    ) -> Float32[Tensor, "b h w"]:
        """The logarithm of the map; -inf where it is zero."""
        del history, index
        if not len(images):
            return even(images)
        maps = torch.from_numpy(np.stack(every(self._one, list(_bgr(images))))).clamp_min(0)
        blank = maps.sum((1, 2), keepdim=True) <= 0
        return log_of(torch.where(blank, 1.0, maps)).to(images.device)

    def key(self) -> dict[str, Any]:
        """Its name and OpenCV's version."""
        return {"prior": self.name, "opencv": str(importlib.import_module("cv2").__version__)}

    def _one(self, image: UInt8[np.ndarray, "h w c"]) -> Float32[np.ndarray, "h w"]:
        # An object for every image: one object is not for several threads at once.
        done, found = getattr(self._module, f"{self.algorithm}_create")().computeSaliency(image)
        if not done:
            raise OptionError(f"prior {self.name!r}: OpenCV gives no map of an image of shape {image.shape}")
        return np.asarray(found, np.float32)


def _bgr(images: UInt8[Tensor, "b h w c"]) -> UInt8[np.ndarray, "b h w 3"]:
    """Images as OpenCV has them: blue, green, red; grey ones in all three."""
    if images.shape[3] not in (1, 3):
        raise OptionError(f"OpenCV's saliency takes images of 1 or 3 channels, and found {images.shape[3]}")
    return np.ascontiguousarray(images.cpu().expand(-1, -1, -1, 3).numpy()[..., ::-1])


def _saliency(prior: str) -> ModuleType:
    try:
        found = importlib.import_module("cv2")
    except ImportError as error:
        raise OptionError(f"prior {prior!r} needs OpenCV ({error}); `pip install opencv-contrib-python`") from error
    module = vars(found).get("saliency")
    if module is None:
        raise OptionError(
            f"prior {prior!r} needs cv2.saliency, which the installed OpenCV {found.__version__} was built without: "
            "`pip uninstall opencv-python opencv-python-headless`, then `pip install opencv-contrib-python-headless` "
            "(the wheels share one folder, so only one of them may be installed)"
        )
    return module
