"""Figures as a page holds them: drawn twice, for light and for dark pages, small enough to stand in its text."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text
from PIL import Image

KINDS = {".png": "image/png", ".gif": "image/gif", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
"""Endings of the pictures that a page can hold."""
PAPER, INK = "#17171b", "#e6e6ea"
"""Ground and ink of dark pages."""
_DPI, _INCH = 150, 80  # pixels drawn and pixels shown per inch: sharp also where a pixel of the page is several
_COLOURS = 128  # of a curve's picture; photographs are never drawn here
_BRIGHT = 0.22  # luminance that a line on a dark page has at least


@dataclass(frozen=True)
class Picture:
    """A picture with its text for those who do not see it, its data as an address, and another for dark pages.

    `width` is what it takes on the page (0: its own).
    """

    name: str
    alt: str
    light: str
    dark: str = ""
    width: int = 0


def drawn(name: str, alt: str, figure: Figure) -> Picture:
    """A figure of ours in both themes; the figure is not what it was afterwards."""
    light = _encoded(figure)
    _darken(figure)
    return Picture(name, alt, light, _encoded(figure), round(figure.get_figwidth() * _INCH))


def of_file(file: Path, name: str = "", alt: str = "") -> Picture:
    """A picture that lies in a file, as it is."""
    name = name or file.stem.replace("_", " ")
    return Picture(name, alt or name, address(file.read_bytes(), KINDS[file.suffix.lower()]))


def address(data: bytes, kind: str = "image/png") -> str:
    """Data as an address that holds them."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _encoded(figure: Figure) -> str:
    """A PNG with a palette, a quarter as large as one without."""
    raw, small = io.BytesIO(), io.BytesIO()
    figure.savefig(raw, format="png", dpi=_DPI)
    picture = Image.open(raw).convert("RGB")
    picture.quantize(_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
        small, format="png", optimize=True
    )
    return address(small.getvalue())


def _darken(figure: Figure) -> None:
    """Give a figure that was drawn for white paper the colours of dark pages."""
    within = {id(text) for axes in figure.axes if axes.images for text in axes.texts}  # on a colour map: they stay
    for one in figure.findobj():
        match one:
            case Text() if id(one) not in within:
                one.set_color(_on_dark(one.get_color()))
            case Line2D():
                one.set_color(_on_dark(one.get_color()))
                one.set_markeredgecolor(_on_dark(one.get_markeredgecolor()))
                one.set_markerfacecolor(_on_dark(one.get_markerfacecolor()))
            case LineCollection():
                one.set_color([_on_dark(colour) for colour in np.atleast_2d(one.get_color()).tolist()])
            case PolyCollection():
                one.set_facecolor([_on_dark(colour) for colour in np.atleast_2d(one.get_facecolor()).tolist()])
            case Patch():
                one.set_facecolor(_on_dark(one.get_facecolor()))
                one.set_edgecolor(_on_dark(one.get_edgecolor()))
            case _:
                pass


def _on_dark(colour: Any) -> Any:  # whatever matplotlib takes for one
    """White as paper, black as ink, and what is too dark to be seen lighter; transparency stays."""
    if isinstance(colour, str) and colour in ("none", "auto"):
        return colour
    *rgb, alpha = (float(part) for part in to_rgba(colour))
    if _luminance(rgb) > 0.97:
        return (*to_rgb(PAPER), alpha)
    if max(rgb) < 0.2:
        return (*to_rgb(INK), alpha)
    while _luminance(rgb) < _BRIGHT:
        rgb = [0.9 * value + 0.1 for value in rgb]
    return (*rgb, alpha)


def _luminance(rgb: Sequence[float]) -> float:
    """Relative luminance of sRGB, as contrast is reckoned from it."""
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
