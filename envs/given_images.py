"""Images that a caller holds in memory, as the bytes that worlds and models take: arrays, tensors, Pillow's images.

Nothing is guessed that could be wrong in silence. Numbers are bytes from 0 to 255 or refused: floats may run from 0 to
1, from 0 to 255 or be normalised, and nobody can tell which by looking at them. So are images with transparency, and
arrays of another number of channels. What Pillow holds says what it is, and is converted: grey to colour, and colour to
grey by its luma (ITU-R 601). It decodes a JPEG file whole, where source `folder` reads large ones at a fraction of
their size: that differs by rounding.
"""

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps
from torch import Tensor

from .images import Images, squared
from .validation import OptionError, shown

Fit = Literal["crop", "resize"]
_ALPHA = ("LA", "PA", "La", "RGBA", "RGBa")
_PLAIN = ("1", "L", "P", "RGB", "CMYK", "YCbCr")
_MODES = {1: "L", 3: "RGB"}


def listed(images: Any, channels: int, what: str = "images") -> np.ndarray | list[Any]:
    """What was given, image by image: arrays h w c of bytes, or what `square` looks at when its turn comes.

    One image or many: an array or tensor (n h w c, n c h w, one image without n, and of grey images n h w), one of
    Pillow's images, Images, or any number of them in a list, where each may have another size. Which of the axes is
    that of the channels is told by their number. Raises OptionError for anything else, and where there is no image.
    """
    if isinstance(images, Image.Image):
        return [images]
    if isinstance(images, Images):
        images = images.pixels
    if isinstance(images, np.ndarray | Tensor):
        return _batch(images, channels, what)
    if isinstance(images, str | bytes) or not isinstance(images, Iterable):
        raise OptionError(
            f"{what} are {shown(images)}, expected Pillow's images, or arrays or tensors of bytes (uint8); a file is "
            "opened by PIL.Image.open"
        )
    found = list(images)
    if not found:
        raise OptionError(f"{what} are empty, expected at least one")
    return found


def squares(
    images: np.ndarray | list[Any], channels: int, side: int, fit: Fit, *, first: int = 0, what: str = "image"
) -> UInt8[Tensor, "n side side c"]:
    """Some of what `listed` gave, each brought to a square of `side` pixels (`images.squared`).

    `first` is the number of the first of them, for errors. Raises OptionError naming the image that cannot be taken.
    """
    if isinstance(images, np.ndarray) and images.shape[1:3] == (side, side):
        return torch.from_numpy(np.array(images, order="C"))
    out = np.empty((len(images), side, side, channels), np.uint8)
    for i, image in enumerate(images):
        out[i] = _square(image, channels, side, fit, f"{what} {first + i}")
    return torch.from_numpy(out)


def exact(views: Any, shape: tuple[int, int, int], what: str = "view") -> UInt8[Tensor, "n c h w"]:
    """Views of one shape (c, h, w) as they are: nothing is cut, reduced or enlarged. Raises OptionError."""
    c, h, w = shape
    found = listed(views, c, f"{what}s")
    out = np.empty((len(found), h, w, c), np.uint8)
    for i, view in enumerate(found):
        pixels = _pixels(view, c, f"{what} {i}")
        if pixels.shape[:2] != (h, w):
            raise OptionError(
                f"{what} {i} has {pixels.shape[0]} x {pixels.shape[1]} pixels, expected {h} x {w}: {what}s are taken "
                "as they are"
            )
        out[i] = pixels
    return torch.from_numpy(out).permute(0, 3, 1, 2)


def _square(image: Any, channels: int, side: int, fit: Fit, name: str) -> np.ndarray:
    if isinstance(image, Image.Image):
        return _as_array(squared(_decoded(image, channels, name), side, fit), channels)
    pixels = _pixels(image, channels, name)
    if pixels.shape[:2] == (side, side):
        return pixels
    if 0 in pixels.shape:
        raise OptionError(f"{name} has shape {pixels.shape}, expected one that holds pixels")
    if channels not in _MODES:
        raise OptionError(
            f"{name} has {pixels.shape[0]} x {pixels.shape[1]} pixels and {channels} channels, expected {side} x "
            f"{side}: only grey and colour images are brought to another size"
        )
    plain = np.ascontiguousarray(pixels[..., 0] if channels == 1 else pixels)
    return _as_array(squared(Image.fromarray(plain), side, fit), channels)


def _pixels(image: Any, channels: int, name: str) -> np.ndarray:
    """One image as bytes h w c, of its own size."""
    if isinstance(image, Image.Image):
        return _as_array(_decoded(image, channels, name), channels)
    if not isinstance(image, np.ndarray | Tensor):
        raise OptionError(
            f"{name} is {shown(image)}, expected one of Pillow's images or an array of bytes (uint8); a file is opened "
            "by PIL.Image.open"
        )
    array = _bytes(image, name)
    if array.ndim == 2 and channels == 1:
        return array[..., None]
    if array.ndim == 3:
        return _channels_last(array, channels, name)
    raise OptionError(f"{name} has shape {array.shape}, expected {_shapes(channels, '')}")


def _batch(images: np.ndarray | Tensor, channels: int, what: str) -> np.ndarray:
    """Images of one size as bytes n h w c."""
    array = _bytes(images, what)
    if array.ndim == 4:
        found = _channels_last(array, channels, what)
    elif array.ndim == 3 and channels in (array.shape[0], array.shape[2]):
        found = _channels_last(array, channels, what)[None]
    elif array.ndim in (2, 3) and channels == 1:
        found = array.reshape((-1, *array.shape[-2:], 1))
    else:
        raise OptionError(f"{what} have shape {array.shape}, expected {_shapes(channels, 'n, ')}")
    if 0 in found.shape:
        raise OptionError(f"{what} have shape {array.shape}, expected at least one that holds pixels")
    return found


def _channels_last(array: np.ndarray, channels: int, name: str) -> np.ndarray:
    first, last = array.shape[-3] == channels, array.shape[-1] == channels
    if first and last and array.shape[-3:-1] != (1, 1):
        raise OptionError(
            f"{name} of shape {array.shape} may have their channels first or last, expected a shape that tells"
        )
    if last:
        return array
    if first:
        return np.moveaxis(array, -3, -1)
    many = "an alpha channel, perhaps; " if 4 in (array.shape[-3], array.shape[-1]) and channels == 3 else ""
    kind = {1: "grey", 3: "colour"}.get(channels, f"{channels}-channel")
    raise OptionError(
        f"{name}: shape {array.shape} holds no axis of {channels} channels ({many}this model sees {kind} images), "
        f"expected {_shapes(channels, 'n, ' if array.ndim == 4 else '')}; Pillow's images are converted"
    )


def _bytes(array: np.ndarray | Tensor, name: str) -> np.ndarray:
    """A NumPy array of bytes. Raises OptionError that says what the numbers are instead."""
    found = array.detach().cpu() if isinstance(array, Tensor) else array
    if found.dtype in (np.uint8, torch.uint8):
        return found.numpy() if isinstance(found, Tensor) else found
    numbers = found.float().numpy() if isinstance(found, Tensor) else found
    kind = str(found.dtype).removeprefix("torch.")
    said = ""
    if numbers.size and numbers.dtype.kind in "fiub":
        low, high = float(np.min(numbers)), float(np.max(numbers))
        said = f" from {low:g} to {high:g}"
        if numbers.dtype.kind == "f" and low >= 0 and high <= 1 and kind.startswith(("float", "bfloat")):
            said += ", which may be shares of white (then multiply by 255 and round) or something else"
    raise OptionError(f"{name}: {kind}{said}, expected bytes (uint8) from 0 to 255, as images have them on disk")


def _decoded(image: Image.Image, channels: int, name: str) -> Image.Image:
    """One of Pillow's images in the colours of the model, turned as its EXIF data say."""
    if image.mode in _ALPHA or "transparency" in image.info:
        raise OptionError(
            f"{name} has transparency (Pillow's mode {image.mode}), expected an opaque one: lay it on a background, or "
            "drop the transparency by .convert('RGBA').convert('RGB')"
        )
    if image.mode not in _PLAIN:
        raise OptionError(f"{name} has Pillow's mode {image.mode}, expected at most 8 bits a channel of grey or colour")
    if channels not in _MODES:
        raise OptionError(f"{name} is one of Pillow's images, expected an array of {channels} channels")
    try:
        return ImageOps.exif_transpose(image).convert(_MODES[channels])
    except Exception as error:  # Pillow says of no decoder what it may raise, and decodes only now
        raise OptionError(f"{name} cannot be decoded ({error}), expected a whole image") from error


def _as_array(image: Image.Image, channels: int) -> np.ndarray:
    found = np.asarray(image)
    return found[..., None] if channels == 1 else found


def _shapes(channels: int, n: str) -> str:
    grey = f", ({n}h, w)" if channels == 1 else ""
    return f"({n}h, w, {channels}) or ({n}{channels}, h, w){grey}"
