"""Image files, decoded one by one into squares of bytes, for sources that read images when they are looked at.

OpenCV decodes JPEG files of one or three channels of 8 bits, which are nearly all: a JPEG of 500 × 375 pixels takes it
half of the time that Pillow needs. Everything else goes to Pillow, whatever its name ends in: CMYK, PNG (also one named
.JPEG), GIF, WebP, TIFF and the like; what has more than 8 bits a channel is refused. Both give red, green, blue, EXIF
rotation is applied here, once, and torchvision reduces with antialiasing (`geometry`).

A JPEG that breaks off is told: its end marker is looked for, as decoders fill what is missing with grey. Bytes that are
damaged inside of one are noticed by no decoder; only checksums tell (`gazeworld data check`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
from jaxtyping import Float64, UInt8
from PIL import ImageOps

from ..files import DataError, read_bytes
from ..image_files import ImageFiles
from ..images import picture
from .geometry import Geometry
from .image_index import ImageIndex, verify

EIGHT_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
"""Modes of Pillow with at most 8 bits a channel, all of which become colour."""
_WHAT = "a whole image"
_ORIENTATION = 0x0112
_SOF = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
"""Markers of the frame of a JPEG: its size, precision and channels."""
_ALONE = (0x01, *range(0xD0, 0xD8))
"""Markers without a length."""


def decode(path: Path, geometry: Geometry) -> UInt8[np.ndarray, "side side 3"]:
    """The image of a file as a square of red, green and blue bytes.

    Raises DataError naming a file that is missing, cut short, no image, or of more than 8 bits a channel.
    """
    data = read_bytes(path, _WHAT)
    head = _jpeg_head(data)
    if head is None or head.bits != 8 or head.channels not in (1, 3):
        return geometry.square(_by_pillow(path))
    if data.rfind(b"\xff\xd9", head.scan) < 0:
        raise DataError(f"{path}: breaks off after {len(data)} bytes, expected {_WHAT} (its end marker is missing)")
    cv2 = opencv()
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:  # Pillow says what is wrong, if it finds the same
        return geometry.square(_by_pillow(path))
    return geometry.square(pixels, _orientation(path) if head.exif else 1)


def size_of(path: Path) -> tuple[int, int]:
    """Width and height of the image of a file as people see it; only its head is decoded.

    Raises DataError naming a file that is missing or no image.
    """
    with picture(path) as image:
        w, h = image.size
        return (h, w) if image.getexif().get(_ORIENTATION) in (5, 6, 7, 8) else (w, h)


@dataclass(frozen=True)
class SquaredFiles(ImageFiles):
    """Files of images that all go the way of one geometry; `index` is the one that they were found by, if one was."""

    root: Path
    names: Sequence[str]
    geometry: Geometry
    index: ImageIndex | None = None

    def read(self, index: int) -> UInt8[np.ndarray, "side side 3"]:
        """One image, see `decode`."""
        return decode(self.root / self.names[index], self.geometry)

    def size(self, index: int) -> tuple[int, int]:
        """Width and height as people see it. Raises DataError naming a file that cannot be read."""
        return size_of(self.root / self.names[index])

    def differences(self) -> list[str]:
        """What every file and folder of the index says that it was made from, if there is one."""
        return [] if self.index is None else verify(self.index)

    def places(self, index: int, points: Float64[np.ndarray, "k 2"]) -> Float64[np.ndarray, "k 2"]:
        """Where points (x, y) of the file lie in its image, (row, col) in units of the side."""
        return self.geometry.places(points, self.size(index))


def opencv() -> ModuleType:
    """The module cv2. Raises ImportError that says how to get it."""
    try:
        import cv2
    except ImportError as error:
        raise ImportError(
            f"images are decoded by OpenCV, which cannot be imported ({error}): pip install "
            "'opencv-python-headless>=4.11' (or opencv-python, the same with a display library; one of them alone)"
        ) from error
    return cv2


@dataclass(frozen=True)
class _Head:
    """What stands at the beginning of a JPEG: precision, channels, and where its first scan begins."""

    bits: int
    channels: int
    exif: bool
    scan: int


def _jpeg_head(data: bytes) -> _Head | None:
    """The head of a JPEG, None for anything else and for one whose head is damaged."""
    if data[:2] != b"\xff\xd8":
        return None
    at, frame, exif = 2, b"", False
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or marker in _ALONE:  # fill bytes
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xDA:
            if len(frame) < 6:
                return None
            return _Head(frame[0], frame[5], exif, at + 2 + length)
        if marker in _SOF:
            frame = data[at + 4 : at + 2 + length]
        exif = exif or (marker == 0xE1 and data[at + 4 : at + 8] == b"Exif")
        at += 2 + length
    return None


def _orientation(path: Path) -> int:
    with picture(path) as image:
        return int(image.getexif().get(_ORIENTATION, 1))


def _by_pillow(path: Path) -> UInt8[np.ndarray, "h w 3"]:
    """All pixels of an image, turned."""
    with picture(path, _WHAT) as image:
        if image.mode not in EIGHT_BIT:
            raise DataError(f"{path}: Pillow's mode {image.mode}, expected at most 8 bits a channel")
        return np.array(ImageOps.exif_transpose(image).convert("RGB"))
