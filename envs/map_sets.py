"""Saliency maps that were computed before: one for each image of a split, in memory or on disk."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from .files import DataError


class MapSet(ABC):
    """Maps of all images of a split, read when they are asked for.

    `kind` names the prior that made them (empty: unknown), `fingerprint` changes when they do, `side` is theirs in
    pixels: that of the images.
    """

    kind: str
    fingerprint: str

    @property
    @abstractmethod
    def side(self) -> int:
        """Height and width in pixels."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def batch(self, index: Int64[Tensor, " b"]) -> Float32[Tensor, "b h w"]:
        """The maps of the images at these indices, on the CPU, each non-negative and summing to 1.

        Raises DataError naming the first that is missing, not finite, negative somewhere, or zero everywhere.
        """


@dataclass(frozen=True)
class TensorMaps(MapSet):
    """Maps in memory or in a mapped array, n h w, of any floating type and any scale."""

    maps: Float[Tensor, "n h w"]
    where: str
    fingerprint: str = ""
    kind: str = ""

    @property
    def side(self) -> int:
        """Height and width in pixels."""
        return self.maps.shape[1]

    def __len__(self) -> int:
        return len(self.maps)

    def batch(self, index: Int64[Tensor, " b"]) -> Float32[Tensor, "b h w"]:
        """The maps at these indices, scaled to sum to 1."""
        found = self.maps[index].to(torch.float32)
        require_mass(found, self.where, index)
        return found / found.sum((1, 2), keepdim=True)


def require_mass(maps: Float[Tensor, "m ..."], where: str, index: Tensor) -> None:
    """Raise DataError naming the first map that is not finite, negative somewhere, or zero everywhere."""
    flat = maps.flatten(1)
    low, total = flat.amin(1), flat.sum(1)
    complaints = {
        "holds NaN or infinite values": ~torch.isfinite(total),
        "has negative values": low < 0,
        "is zero everywhere": total == 0,
    }
    for what, bad in complaints.items():
        if bad.any():
            image = int(index[bad.nonzero()[0, 0]])
            raise DataError(f"{where}: the saliency map of image {image} {what}; expected non-negative mass")
