"""Scan paths as they were recorded: an observer, an image, and points in pixels in the order of looking."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64

from ..files import DataError, one_line
from ..validation import OptionError, Options, shown

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


@dataclass(frozen=True)
class FixationOptions(Options):
    """How a file of fixations is taken."""

    screen: str = ""
    """what x and y are pixels of: image, or a screen as 1680x1050 on which each image was shown as large as it fits, in
    its middle (empty: image for tables, 1680x1050 for the JSON of COCO-Search18 and COCO-FreeView)"""
    first_pixel: Literal[0, 1] = 0
    """what the left edge of the image is called: 0, or 1 where pixels are counted from 1"""
    initial: Literal["keep", "drop"] = "keep"
    """the first fixation of each path, which often is the forced look at the centre: keep it as what is given, or drop
    it, so that the next one is given; what is given is not scored"""
    task: str = ""
    """only paths of this task (empty: all)"""
    part: str = ""
    """only records whose split is called so, of a JSON file (empty: all)"""
    unknown: Literal["refuse", "drop"] = "refuse"
    """what is done with fixations on images that are not there: refuse the file, or drop and count them"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.screen not in ("", "image") and Size.parsed(self.screen) is None:
            raise OptionError(f"screen is {shown(self.screen)}, expected image or pixels as in 1680x1050")


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
