"""Scan paths as they were recorded: an observer, an image, and points in pixels in the order of looking."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from ..files import DataError, one_line

FORMS = "a table ending in .csv, .tsv or .txt, or the .json of COCO-Search18 or COCO-FreeView"
"""What fixations are read from."""


@dataclass(frozen=True)
class RecordedPath:
    """One observer's fixations on one image.

    `points` are (x, y) in pixels, `durations` in milliseconds (NaN where they are not known). `task` is what was looked
    for, empty where nothing was. `where` says where in the file the path stands, for messages.
    """

    image: str
    subject: str
    points: Float64[np.ndarray, "k 2"]
    durations: Float64[np.ndarray, " k"]
    task: str = ""
    split: str = ""
    where: str = ""

    @property
    def named(self) -> str:
        """Which path it is, for messages."""
        return described(self.image, self.subject, self.task)


def described(image: str, subject: str, task: str = "") -> str:
    """An image and an observer in words."""
    return one_line(f"image {image!r}, subject {subject!r}" + (f", task {task!r}" if task else ""))


@dataclass(frozen=True)
class Size:
    """Width and height in pixels."""

    width: int
    height: int

    @classmethod
    def parsed(cls, text: str) -> "Size | None":
        """What text like 1680x1050 stands for, None for any other."""
        parts = text.lower().split("x")
        if len(parts) != 2 or not all(part.isascii() and part.isdecimal() and 0 < len(part) < 6 for part in parts):
            return None
        width, height = map(int, parts)
        return cls(width, height) if width and height else None


COCO_SCREEN = Size(1680, 1050)
"""The screen of COCO-Search18 and COCO-FreeView, whose files hold its pixels (readme of COCO-Search18: "All images used
in data collection were resized to 1680x1050 with zero padding and aspect ratio kept")."""


def on_image(points: Float64[np.ndarray, "k 2"], screen: Size, size: tuple[int, int]) -> Float64[np.ndarray, "k 2"]:
    """Points of a screen, in pixels of an image of this size that was shown on it as large as it fits, in its middle.

    For an image of the screen's own size they stay as they are. Points on the margin come to lie outside the image.
    """
    w, h = size
    if w < 1 or h < 1:
        raise DataError(f"an image of {w} x {h} pixels, expected at least one")
    scale = min(screen.width / w, screen.height / h)
    margin = np.array([screen.width - scale * w, screen.height - scale * h]) / 2
    return (points - margin) / scale
