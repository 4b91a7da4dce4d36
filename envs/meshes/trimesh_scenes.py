"""Scenes and meshes of trimesh as triangles: what users of it have in memory, flattened."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64, UInt8
from PIL import Image

from ..files import DataError
from .materials import Surface, coloured, decoded, eight_bit, linear, textured
from .mesh import Material
from .surfaces import Soup, placed

if TYPE_CHECKING:
    import trimesh

_CUTOFF = 0.5  # glTF's default of the alpha from which on a masked material is there
_DULL = 1.0  # glTF's default roughness
_WHITE = Material((1.0, 1.0, 1.0))


def soups(scene: "trimesh.Scene", name: str) -> list[Soup]:
    """The triangles of a scene, its parts where the scene's graph puts them.

    Points and paths have no surface and are left out. Colours of vertices and faces are sRGB, and count where there is
    no texture. Raises DataError naming the scene for numbers that are not finite, for faces
    that refer to vertices that are not there, and for damaged textures.
    """
    import trimesh

    found = []
    for node in scene.graph.nodes_geometry:
        matrix, part = scene.graph[node]
        mesh = scene.geometry[part]
        if isinstance(mesh, trimesh.Trimesh) and len(mesh.faces):
            found.append(_placed(mesh, np.asarray(matrix, np.float64), name))
    return found


def _placed(mesh: "trimesh.Trimesh", matrix: Float64[np.ndarray, "4 4"], name: str) -> Soup:
    """One part of a scene, moved to its place."""
    points, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces)
    if not np.isfinite(points).all():
        raise DataError(f"{name}: vertices hold {np.sum(~np.isfinite(points))} numbers that are not finite")
    if faces.min() < 0 or faces.max() >= len(points):
        raise DataError(f"{name}: faces refer to vertices {faces.min()} … {faces.max()}, there are {len(points)}")
    normals = _given_normals(mesh)
    surface, uv = _painted(mesh, name)
    return placed(Soup(points[faces], surface, None if normals is None else normals[faces], uv), matrix)


def _given_normals(mesh: "trimesh.Trimesh") -> Float64[np.ndarray, "v 3"] | None:
    """The file's own normals; trimesh computes some where there are none, which know no edges."""
    import trimesh

    normals = np.asarray(mesh.vertex_normals, np.float64)
    computed = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).vertex_normals
    return None if np.array_equal(normals, computed) else normals


def _painted(mesh: "trimesh.Trimesh", name: str) -> tuple[Surface, Float64[np.ndarray, "f 3 2"] | None]:
    """The surface of a part, and texture coordinates where it has a texture."""
    from trimesh.visual import TextureVisuals

    visual: Any = mesh.visual  # of a kind that has no common base
    faces = np.asarray(mesh.faces)
    if isinstance(visual, TextureVisuals):
        surface = _surface(visual.material, _image(mesh), name)
        if surface.material.texture is not None:
            return surface, np.asarray(visual.uv, np.float64)[faces]
        colours = visual.vertex_attributes.get("color")
        if colours is None:
            return surface, None
        most = 1.0 if colours.dtype.kind == "f" else float(np.iinfo(colours.dtype).max)
        return coloured(surface.material, _bytes(colours[faces][..., :3].astype(np.float64) / most))
    if visual.kind == "vertex":
        return coloured(_WHITE, _bytes(visual.vertex_colors[faces][..., :3] / 255.0))
    if visual.kind == "face":
        own = np.repeat(visual.face_colors[:, None, :3], 3, 1)
        return coloured(_WHITE, _bytes(own / 255.0))
    return Surface(), None


def _bytes(colours: Float64[np.ndarray, "f 3 3"]) -> UInt8[np.ndarray, "f 3 3"]:
    """Colours in [0, 1] as sRGB bytes."""
    return np.rint(255 * colours.clip(0, 1)).astype(np.uint8)


def _surface(material: Any, image: Image.Image | None, name: str) -> Surface:
    """A material of trimesh's: that of glTF, or the simple one of other files."""
    from trimesh.visual.material import PBRMaterial

    if isinstance(material, PBRMaterial):
        return _physical(material, image, name)
    red, green, blue, alpha = (float(x) / 255 for x in material.main_color)
    if image is not None:
        return textured(replace(_WHITE, opacity=alpha), decoded(image, name))
    return Surface(Material((linear(red), linear(green), linear(blue)), opacity=alpha))


def _physical(material: Any, image: Image.Image | None, name: str) -> Surface:
    """A glTF material; its colours are linear, and multiply the texture."""
    factor = (255, 255, 255, 255) if material.baseColorFactor is None else material.baseColorFactor
    red, green, blue, alpha = (float(x) / 255 for x in factor)
    mode = material.alphaMode or "OPAQUE"
    rough = _DULL if material.roughnessFactor is None else float(material.roughnessFactor)
    own = Material((red, green, blue), gloss=1 - min(max(rough, 0.0), 1.0), opacity=alpha if mode == "BLEND" else 1.0)
    if image is None:
        return Surface(own)
    image = decoded(image, name)
    if mode == "OPAQUE":
        return textured(own, eight_bit(image).convert("RGB"))
    if mode == "MASK":
        cutoff = _CUTOFF if material.alphaCutoff is None else float(material.alphaCutoff)
        seen = (
            eight_bit(image)
            .convert("RGBA")
            .getchannel("A")
            .point([255 * (i * alpha >= 255 * cutoff) for i in range(256)])
        )
        return textured(own, image, seen)
    return textured(own, image)


def _image(mesh: Any) -> Image.Image | None:
    """The picture of a part's colours, not yet decoded; None without texture coordinates for it."""
    from trimesh.visual.material import PBRMaterial, SimpleMaterial

    textured_visual = mesh.visual.kind == "texture" and mesh.visual.uv is not None
    material = mesh.visual.material if textured_visual else None
    if isinstance(material, PBRMaterial):
        return material.baseColorTexture
    return material.image if isinstance(material, SimpleMaterial) else None
