"""Colours of surfaces: textures and transparency from pictures, and palettes from colours that vertices carry."""

import io
import struct
import warnings
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float64, UInt8
from PIL import Image, UnidentifiedImageError

from ..files import DataError
from .mesh import Material

MOST = 512  # pixels of a texture's longer side; objects fill about half of a picture
_PALETTE = 16  # side of a texture that holds a palette
_SOLID = 250  # alpha from which on a pixel counts as wholly solid
# What Pillow raises for files that are damaged in one way or another.
_BROKEN = (OSError, EOFError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError)
_DEEP = ("I;16", "I;16B", "I;16L", "I")  # Pillow's modes of 16-bit grey pictures


@dataclass(frozen=True)
class Surface:
    """A material, and where its texture is solid: `mask` (0 … 255) has the texture's layout, or is None if all is."""

    material: Material = field(default_factory=Material)
    mask: UInt8[np.ndarray, "h w"] | None = None


def linear(srgb: float) -> float:
    """The linear value of an sRGB one, both in [0, 1] (IEC 61966-2-1)."""
    return srgb / 12.92 if srgb <= 0.04045 else ((srgb + 0.055) / 1.055) ** 2.4


def encoded(values: Float64[np.ndarray, "*n"]) -> Float64[np.ndarray, "*n"]:
    """The sRGB values of linear ones, both in [0, 1]."""
    return np.where(values <= 0.0031308, 12.92 * values, 1.055 * np.maximum(values, 1e-9) ** (1 / 2.4) - 0.055)


def shaded(colour: tuple[float, float, float]) -> Float64[np.ndarray, " 3"]:
    """A linear colour as an sRGB one."""
    return encoded(np.array(colour))


def opened(data: bytes, name: str) -> Image.Image:
    """The picture in the bytes of an image file called `name`; DataError if there is none or it is damaged."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large pictures and odd remarks in them: what cannot be read raises
            image = Image.open(io.BytesIO(data))
            loaded = decoded(image, name)
    except UnidentifiedImageError as error:
        raise DataError(f"{name}: cannot be decoded (of no known kind), expected a picture") from error
    except _BROKEN as error:
        raise DataError(f"{name}: cannot be decoded ({error}), expected a picture") from error
    try:
        return eight_bit(loaded)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error


def decoded(image: Image.Image, name: str) -> Image.Image:
    """The picture, wholly read; DataError naming it if it is damaged."""
    try:
        image.load()
    except _BROKEN as error:
        raise DataError(f"{name}: a texture cannot be decoded ({error}), expected a whole picture") from error
    return image


def textured(material: Material, image: Image.Image, alpha: Image.Image | None = None) -> Surface:
    """The material with a picture as its texture, made smaller to `MOST` pixels, and the picture's transparency.

    `alpha` is a picture of its own for the transparency: its alpha channel, or its brightness if it has none.
    """
    rgba = eight_bit(image).convert("RGBA")
    if alpha is not None:
        alpha = eight_bit(alpha)
        channel = alpha.convert("RGBA").getchannel("A") if _transparent(alpha) else alpha.convert("L")
        rgba.putalpha(channel.resize(rgba.size))
    w, h = rgba.size
    if max(w, h) > MOST:
        rgba = rgba.resize((max(1, w * MOST // max(w, h)), max(1, h * MOST // max(w, h))), Image.Resampling.LANCZOS)
    pixels = np.asarray(rgba)
    mask = pixels[..., 3]
    if mask.min() >= _SOLID:
        return Surface(replace(material, texture=np.ascontiguousarray(pixels[..., :3])))
    solid = mask >= max(int(mask.max()) // 2, 1)
    # What lies under transparent pixels is arbitrary, and would show along the outlines.
    mean = pixels[solid][:, :3].mean(0) if solid.any() else np.zeros(3)
    colours = np.where(solid[..., None], pixels[..., :3], np.rint(mean).astype(np.uint8))
    return Surface(replace(material, texture=colours), np.ascontiguousarray(mask))


def coloured(
    material: Material, colours: UInt8[np.ndarray, "f 3 3"]
) -> tuple[Surface, Float64[np.ndarray, "f 3 2"] | None]:
    """A surface, and texture coordinates, for triangles with sRGB colours at their corners.

    Each triangle gets the mean of its corners, out of at most 256 colours for all; a single colour needs no texture.
    """
    means = np.rint(colours.astype(np.float64).mean(1)).astype(np.uint8)  # f 3
    found, index = np.unique(means, axis=0, return_inverse=True)
    if len(found) > _PALETTE**2:
        picture = Image.fromarray(means[None]).quantize(_PALETTE**2)
        found, index = np.array(picture.getpalette(), np.uint8).reshape(-1, 3), np.asarray(picture)
    index = index.ravel()
    if len(found) == 1:
        own = tuple(c * linear(float(x) / 255) for c, x in zip(material.colour, found[0], strict=True))
        return Surface(replace(material, colour=own)), None
    texture = np.zeros((_PALETTE**2, 3), np.uint8)
    texture[: len(found)] = found
    texture = texture.reshape(_PALETTE, _PALETTE, 3)
    at = np.stack((index % _PALETTE + 0.5, _PALETTE - 0.5 - index // _PALETTE), 1) / _PALETTE  # f 2, middles of pixels
    return Surface(replace(material, texture=texture)), np.repeat(at[:, None], 3, 1).astype(np.float64)


def _transparent(image: Image.Image) -> bool:
    return "A" in image.getbands() or "transparency" in image.info


def eight_bit(image: Image.Image) -> Image.Image:
    """The picture with 8 bits a channel, where Pillow would clip: 16-bit grey is made coarser, fractions are of white.

    Raises DataError for deeper whole numbers, and for fractions below 0 or above 1.
    """
    if image.mode not in (*_DEEP, "F"):
        return image
    values = np.asarray(image).astype(np.float64)
    most = 1.0 if image.mode == "F" else 65535.0
    low, high = float(values.min()), float(values.max())
    if not -0.01 * most <= low <= high <= 1.01 * most:
        raise DataError(f"a picture with values from {low:g} to {high:g}, expected 0 to {most:g}")
    if image.mode == "F":
        return Image.fromarray(np.rint(255 * values.clip(0, 1)).astype(np.uint8))
    return Image.fromarray((values.astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
