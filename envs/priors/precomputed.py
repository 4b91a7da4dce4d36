"""Looking where maps say that were computed before: they lie beside the images, and are read by the images' numbers."""

import copy
from typing import Any

from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from ..files import DataError
from ..image_datasets.map_files import open_maps
from ..images import Images, LazyImages, StillImages
from ..map_sets import MapSet, TensorMaps
from ..prior import Prior, log_of
from ..validation import OptionError, PathText


class PrecomputedPrior(Prior):
    """Saliency maps of a split of images (`bind`), whoever computed them.

    `maps` is the folder or file where they lie (`gazeworld.envs.image_datasets.map_files.open_maps`), in which `kind`,
    if given, is the prior that must have made them; without it, they are those that came with the images. Pixels are
    not looked at. -inf where a map is zero.
    Raises DataError for maps of other images, and naming a map that is missing or damaged.
    """

    stored = True

    def __init__(self, maps: PathText = "", kind: str = "") -> None:
        self._place, self._kind = maps, kind
        self._maps: MapSet | None = None

    def bind(self, images: StillImages) -> "PrecomputedPrior":
        """The maps of these images. Raises DataError where none came with them."""
        found = copy.copy(self)
        found._maps = open_maps(self._place, images, self._kind) if self._place else _maps_of(images)
        return found

    def log_density(
        self,
        images: UInt8[Tensor, "b h w c"],
        history: Float32[Tensor, "b k 2"] | None = None,
        *,
        index: Int64[Tensor, " b"] | None = None,
    ) -> Float32[Tensor, "b h w"]:
        """The logarithms of the maps of these images."""
        del history
        if self._maps is None or index is None:
            lack = "the images' numbers" if self._maps is not None else "a split of images to be bound to (`bind`)"
            raise OptionError(f"prior 'precomputed' needs {lack}")
        if images.shape[1:3] != (self._maps.side, self._maps.side):
            raise OptionError(
                f"prior 'precomputed' has maps of {self._maps.side} px, and was asked for images of "
                f"{images.shape[1]} x {images.shape[2]}"
            )
        return log_of(self._maps.batch(index.cpu()).to(images.device))

    def key(self) -> dict[str, Any]:
        """What identifies the maps."""
        found = {"prior": "precomputed"}
        return found if self._maps is None else {**found, "kind": self._maps.kind, "maps": self._maps.fingerprint}


def _maps_of(images: StillImages) -> MapSet:
    where = f"{images.name}/{images.split}"
    match images:
        case Images(map_set=maps) if maps is not None:
            return maps
        case Images(maps=maps) if maps is not None:
            return TensorMaps(maps, where, images.fingerprint)
        case LazyImages(maps=maps) if maps is not None:
            return maps
        case _:
            raise DataError(f"{where}: no saliency maps came with the images, but 'precomputed' maps were asked for")
