"""Priors that are simple enough to be checked by hand, and name themselves as MODULE:CLASS."""

from typing import Any

import torch
from torch import Tensor

from gazeworld.envs.prior import Prior, log_of


class Brightness(Prior):
    """Looks where it is bright; `power` sharpens it. Every map also depends on the number of its image."""

    def __init__(self, power: float = 1.0) -> None:
        self.power = power

    def log_density(self, images: Tensor, history: Tensor | None = None, *, index: Tensor | None = None) -> Tensor:
        del history
        assert index is not None
        grey = images.float().mean(3) + 1 + index.float()[:, None, None].to(images.device)
        return log_of(grey**self.power)

    def key(self) -> dict[str, Any]:
        return {"prior": "brightness", "power": self.power}


class Broken(Brightness):
    """Gives no density for image 5."""

    def log_density(self, images: Tensor, history: Tensor | None = None, *, index: Tensor | None = None) -> Tensor:
        found = super().log_density(images, history, index=index)
        assert index is not None
        found[index == 5] = torch.nan
        return found


class Stored(Brightness):
    """Reads what is there already."""

    stored = True
