"""Files of pictures that were cut or squeezed to squares when they were decoded."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float64

from ..image_datasets.decoding import size_of
from ..image_files import ImageFiles, squared_places


class PictureFiles(ImageFiles):
    """Files below `root`; how large one is, its head says when it is asked for."""

    def __init__(self, root: Path, names: Sequence[str], fit: Literal["crop", "resize"]) -> None:
        self.root, self.names = root, names
        self._fit: Literal["crop", "resize"] = fit

    def size(self, index: int) -> tuple[int, int]:
        """Width and height in pixels, rotated as EXIF says."""
        return size_of(self.root / self.names[index])

    def places(self, index: int, points: Float64[np.ndarray, "k 2"]) -> Float64[np.ndarray, "k 2"]:
        """Where points of a file lie in its square."""
        return squared_places(points, self.size(index), self._fit)
