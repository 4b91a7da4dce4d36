"""Which files images were made from, and where a place in a file lies in the square image that came of it.

Whoever measured something on the files (people's fixations, boxes) brings it to the images by this.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float64

from .files import DataError

Box: TypeAlias = tuple[int | float, int | float, int | float, int | float]
"""Left, top, right, bottom in pixels."""
_SOME = 3  # names of images that a message shows


class ImageFiles(ABC):
    """The files of a split, one for each image.

    `names` are their paths below `root`, that of the source, with forward slashes, in the order of the images.
    """

    root: Path
    names: Sequence[str]

    @abstractmethod
    def size(self, index: int) -> tuple[int, int]:
        """Width and height of the file of image `index` in pixels, as people see it: rotated as its EXIF says.

        Raises DataError naming a file that cannot be read.
        """

    @abstractmethod
    def places(self, index: int, points: Float64[np.ndarray, "k 2"]) -> Float64[np.ndarray, "k 2"]:
        """Where points of the file lie in its image, (row, col) in units of the side: outside [0, 1) if cut off.

        Points are (x, y) in pixels from the upper left corner of the file's image, which is (0, 0): the first pixel
        reaches from 0 to 1. Raises DataError naming a file that cannot be read.
        """

    def differences(self) -> list[str]:
        """What is no more as when the files were listed, a sentence each; a source that lists them anew has none."""
        return []


def squared_box(size: tuple[int, int], fit: Literal["crop", "resize"]) -> Box:
    """Left, top, right, bottom of the middle square of a w × h image ("crop"), or of all of it ("resize")."""
    w, h = size
    if fit == "resize":
        return 0, 0, w, h
    edge = min(w, h)
    left, top = (w - edge) / 2, (h - edge) / 2
    return left, top, left + edge, top + edge


def squared_places(
    points: Float64[np.ndarray, "k 2"], size: tuple[int, int], fit: Literal["crop", "resize"]
) -> Float64[np.ndarray, "k 2"]:
    """What becomes of points (x, y) in a w × h image whose `squared_box` is made a square: (row, col) in its side."""
    return places_in(squared_box(size, fit), points)


def places_in(box: Box, points: Float64[np.ndarray, "k 2"]) -> Float64[np.ndarray, "k 2"]:
    """Where points (x, y) lie in a box (left, top, right, bottom): (row, col) in units of its height and width."""
    left, top, right, bottom = box
    return ((points - np.array([left, top])) / np.array([right - left, bottom - top]))[:, ::-1].copy()


class Named:
    """Finds images by what somebody else calls their files: the whole path below the root, or its last part.

    Where several files end in the same name, the one in a folder called `folder` is meant, if there is just one.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._whole = {name: i for i, name in enumerate(names)}
        self._last: dict[str, list[int]] = {}
        for i, name in enumerate(names):
            self._last.setdefault(name.rpartition("/")[2], []).append(i)

    def find(self, name: str, folder: str = "") -> int | None:
        """The number of the image, None where there is none. Raises DataError for a name of several images."""
        path = name.replace("\\", "/").removeprefix("./")
        if path in self._whole:
            return self._whole[path]
        found = [i for i in self._last.get(path.rpartition("/")[2], ()) if f"/{self._names[i]}".endswith(f"/{path}")]
        if len(found) > 1 and folder:
            wanted = folder.replace(" ", "_")
            found = [
                i for i in found if wanted in (part.replace(" ", "_") for part in self._names[i].split("/"))
            ] or found
        if len(found) > 1:
            several = ", ".join(self._names[i] for i in found[:_SOME]) + (" …" if len(found) > _SOME else "")
            raise DataError(f"{name!r} is the name of {len(found)} images ({several}), expected that of one")
        return found[0] if found else None
