"""Materials of glTF files as surfaces: colours, textures, and where they lie."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float64
from PIL import Image

from ..files import DataError
from .gltf_accessors import Document
from .materials import Surface, eight_bit, opened, textured
from .mesh import Material

_CUTOFF = 0.5  # glTF's default of the alpha from which on a masked material is there
_DULL = 1.0  # glTF's default roughness
_CLEAREST = 0.15  # of a surface through which all light passes: its outline and highlights are still seen
_SOURCES = ("EXT_texture_avif", "EXT_texture_webp")
_REPEAT, _CLAMP, _MIRROR = 10497, 33071, 33648
_FARTHEST = 16  # repetitions of a picture that is mirrored or clamped


@dataclass(frozen=True)
class Paint:
    """What a material says of diffuse colours: a factor, a picture to multiply it with, and its transparency."""

    factor: Float64[np.ndarray, " 4"]
    image: Image.Image | None
    info: dict[str, Any]
    gloss: float
    mode: str
    cutoff: float

    def surface(self, tint: Float64[np.ndarray, " 4"] | None = None, painted: bool = True) -> Surface:
        """The surface, all of it multiplied by a colour; without texture coordinates it is not `painted`."""
        red, green, blue, alpha = (float(x) for x in (self.factor if tint is None else self.factor * tint).clip(0, 1))
        opacity = alpha if self.mode == "BLEND" else 1.0
        own = Material((red, green, blue), gloss=self.gloss, opacity=opacity)
        if self.image is None or not painted:
            return Surface(replace(own, opacity=float(alpha >= self.cutoff)) if self.mode == "MASK" else own)
        if self.mode == "OPAQUE":
            return textured(own, eight_bit(self.image).convert("RGB"))
        if self.mode == "MASK":
            channel = eight_bit(self.image).convert("RGBA").getchannel("A")
            seen = channel.point([255 * (i * alpha >= 255 * self.cutoff) for i in range(256)])
            return textured(own, self.image, seen)
        return textured(own, self.image)


class Palette:
    """The materials of a file, each read once."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._found: dict[Any, Paint] = {}
        self._images: dict[int, Image.Image] = {}

    def paint(self, index: Any) -> Paint:
        """A material by its number; None stands for glTF's default, a dull white.

        What a `Material` cannot say is left out: metal, bumps and shade in textures of their own, light that is given
        off by surfaces with a colour, and what extensions add to these. Raises DataError naming the file for what is
        missing, damaged or of another type.
        """
        material = {} if index is None else self._document.item("materials", index)
        if index not in self._found:
            self._found[index] = self._read(material)
        return self._found[index]

    def _read(self, material: dict[str, Any]) -> Paint:
        document = self._document
        metal = document.table(material.get("pbrMetallicRoughness"), "pbrMetallicRoughness")
        shiny = document.extension(material, "KHR_materials_pbrSpecularGlossiness")
        if shiny is None:
            key, info = "baseColorFactor", metal.get("baseColorTexture")
            rough = document.numbers(metal.get("roughnessFactor"), (_DULL,), "roughnessFactor")[0]
            factor, gloss = metal.get(key), 1 - rough
        else:
            key, info = "diffuseFactor", shiny.get("diffuseTexture")
            factor, gloss = shiny.get(key), document.numbers(shiny.get("glossinessFactor"), (1.0,), "glossiness")[0]
            gloss *= document.numbers(shiny.get("specularFactor"), (1.0, 1.0, 1.0), "specularFactor").mean()
        mode = material.get("alphaMode", "OPAQUE")
        if mode not in ("OPAQUE", "MASK", "BLEND"):
            raise DataError(f"{document.name}: alphaMode is {str(mode)[:40]!r}, expected OPAQUE, MASK or BLEND")
        rgba = document.numbers(factor, (1.0,) * 4, key)
        light = document.numbers(material.get("emissiveFactor"), (0.0,) * 3, "emissiveFactor")
        if light.any() and not rgba[:3].any():  # black but for its light, as surfaces that are not lit are written
            rgba, info = np.append(light, rgba[3]), material.get("emissiveTexture")
        clear = document.extension(material, "KHR_materials_transmission") or {}
        through = float(document.numbers(clear.get("transmissionFactor"), (0.0,), "transmissionFactor")[0])
        if through > 0:
            rgba, mode = rgba * [1, 1, 1, max(1 - min(through, 1.0), _CLEAREST)], "BLEND" if mode == "OPAQUE" else mode
        info = document.table(info, "a texture")
        cutoff = float(document.numbers(material.get("alphaCutoff"), (_CUTOFF,), "alphaCutoff")[0])
        gloss = min(max(float(gloss), 0.0), 1.0)
        return Paint(rgba, self._image(info) if info else None, info, gloss, mode, cutoff)

    def _image(self, info: dict[str, Any]) -> Image.Image:
        """The picture of a texture."""
        document = self._document
        texture = document.item("textures", info.get("index"))
        extended = [document.extension(texture, name) for name in _SOURCES]
        source = next((found["source"] for found in extended if found and "source" in found), texture.get("source"))
        if source is None:
            names = ", ".join(document.table(texture.get("extensions"), "extensions")) or "none"
            raise DataError(f"{document.name}: a texture whose picture is not read here (extensions: {names})")
        image = document.item("images", source)
        if source not in self._images:
            what = f"picture {source}"
            data = document.uri(image["uri"], what) if "uri" in image else document.view(image.get("bufferView"))[0]
            self._images[source] = opened(data, f"{document.name}: {what}")
        return self._images[source]

    def coordinates(self, paint: Paint, attributes: dict[str, Any], count: int) -> Float64[np.ndarray, "v 2"] | None:
        """Where a material's picture lies, from its upper left corner; None where the surface has no coordinates."""
        document = self._document
        moved = document.extension(paint.info, "KHR_texture_transform") or {}
        which = document.count(moved.get("texCoord", paint.info.get("texCoord", 0)), "texCoord")
        key = f"TEXCOORD_{which}"
        if key not in attributes:
            if any(name.startswith("TEXCOORD_") for name in attributes):
                raise DataError(f"{document.name}: a texture needs {key}, which is not there")
            return None
        uv = document.array(attributes[key], key, (2,))
        if len(uv) != count:
            raise DataError(f"{document.name}: {len(uv)} {key} for {count} vertices")
        if not np.isfinite(uv).all():
            raise DataError(f"{document.name}: {np.sum(~np.isfinite(uv))} texture coordinates are not finite")
        offset = document.numbers(moved.get("offset"), (0.0, 0.0), "offset of a texture")
        scale = document.numbers(moved.get("scale"), (1.0, 1.0), "scale of a texture")
        angle = float(document.numbers(moved.get("rotation"), (0.0,), "rotation of a texture")[0])
        turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
        return (uv * scale) @ turn.T + offset

    def wrapped(self, paint: Paint, uv: Float64[np.ndarray, "v 2"]) -> tuple[Paint, Float64[np.ndarray, "v 2"]]:
        """Paint and coordinates for textures that repeat, as all of ours do, of one that is clamped or mirrored."""
        document = self._document
        texture = document.item("textures", paint.info.get("index"))
        sampler = {} if texture.get("sampler") is None else document.item("samplers", texture["sampler"])
        kinds = [sampler.get(key, _REPEAT) for key in ("wrapS", "wrapT")]
        for kind in kinds:
            if kind not in (_REPEAT, _CLAMP, _MIRROR):
                raise DataError(f"{document.name}: a sampler wraps by {str(kind)[:40]}, expected one of glTF's ways")
        low, high = np.floor(uv.min(0) + 1e-4), np.ceil(uv.max(0) - 1e-4)
        plain = [kind == _REPEAT or (low[i] >= 0 and high[i] <= 1) for i, kind in enumerate(kinds)]
        if all(plain) or paint.image is None:
            return paint, uv
        low, high = np.where(plain, 0, low), np.where(plain, 1, np.maximum(high, low + 1))
        if (high - low).max() > _FARTHEST:
            raise DataError(
                f"{document.name}: a picture that is clamped or mirrored over {(high - low).max():g} widths"
            )
        image = eight_bit(paint.image).convert("RGBA")
        most = max(1, 2048 // int((high - low).max()))
        image = image.resize((min(image.width, most), min(image.height, most)))
        pixels = np.asarray(image)
        for axis, side in ((1, image.width), (0, image.height)):
            i = 1 - axis
            at = np.arange(int(low[i]) * side, int(high[i]) * side)
            if kinds[i] == _CLAMP:
                at = at.clip(0, side - 1)
            elif kinds[i] == _MIRROR:
                at = np.minimum(at % (2 * side), 2 * side - 1 - at % (2 * side))
            pixels = pixels.take(at % side, axis)
        return replace(paint, image=Image.fromarray(pixels)), (uv - low) / (high - low)
