"""A prior of a package of one's own: where there are edges; `--policy saliency:map=edges:EdgePrior`."""

from typing import Annotated, Any

import torch
from annotated_types import Interval
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor
from torch.nn import functional as F

from gazeworld.envs import Prior
from gazeworld.envs.prior import log_of


class EdgePrior(Prior):
    """The difference between neighbouring pixels, averaged over a square of `blur` pixels; no place has none at all."""

    def __init__(self, blur: Annotated[int, Interval(ge=1, le=99)] = 7) -> None:
        self._blur = blur | 1  # odd, so that there is a middle

    def log_density(
        self,
        images: UInt8[Tensor, "b h w c"],
        history: Float32[Tensor, "b k 2"] | None = None,
        *,
        index: Int64[Tensor, " b"] | None = None,
    ) -> Float32[Tensor, "b h w"]:
        """The same whatever was looked at before."""
        del history, index
        grey = images.to(torch.float32).mean(3)  # b h w
        down, across = (torch.diff(grey, dim=i, append=grey.narrow(i, -1, 1)).abs() for i in (1, 2))
        edges = F.avg_pool2d((down + across)[:, None], self._blur, 1, self._blur // 2)[:, 0]
        return log_of(edges + 1e-3)

    def key(self) -> dict[str, Any]:
        """Its name and option."""
        return {"prior": "edges", "blur": self._blur}
