"""GLB, glTF, PLY, STL and OFF files as triangles: what trimesh reads, with its scenes flattened."""

import io
import json
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64, UInt8
from PIL import Image

from ..images import DataError
from .besides import Besides
from .mesh import Material
from .paint import Surface, coloured, decoded, encoded, linear, opened, textured
from .soup import Soup

if TYPE_CHECKING:
    import trimesh

_TRIANGLES = (4, 5)  # glTF's modes of primitives: loose triangles, a strip of them
_CUTOFF = 0.5  # glTF's default of the alpha from which on a masked material is there
_DULL = 1.0  # glTF's default roughness
_WHITE = Material((1.0, 1.0, 1.0))


def read(data: bytes, kind: str, besides: Besides) -> list[Soup]:
    """The triangles of a file of this kind ("glb", "gltf", "ply", "stl" or "off"), textures and materials included.

    Raises DataError naming the file when trimesh cannot read it, and for textures that are missing or damaged.
    """
    import trimesh

    try:
        wanted = _textured_primitives(data) if kind in ("glb", "gltf") else 0
        scene = trimesh.load_scene(io.BytesIO(data), file_type=kind, resolver=besides, process=False)
    except Exception as error:  # whatever its readers trip over: they check little of what they read
        raise besides.failure or DataError(
            f"{besides.name}: cannot be read ({type(error).__name__}: {error}), expected a mesh"
        ) from error
    if besides.failure is not None:
        raise besides.failure
    if kind == "ply":  # a texture is all that it can refer to
        for reference, found in besides.served.items():
            opened(found, f"{besides.name}: texture {reference!r}")
    meshes = [part for part in scene.geometry.values() if isinstance(part, trimesh.Trimesh)]
    lost = wanted - sum(_image(part) is not None for part in meshes)
    if lost > 0:  # trimesh goes on without
        raise DataError(f"{besides.name}: the textures of {lost} of its parts cannot be decoded, expected pictures")
    return soups(scene, besides.name, linear_colours=kind in ("glb", "gltf"))


def soups(scene: "trimesh.Scene", name: str, linear_colours: bool = False) -> list[Soup]:
    """The triangles of a scene, its parts where the scene's graph puts them.

    Points and paths have no surface and are left out. Colours of vertices and faces are sRGB, or linear as in glTF,
    and count where there is no texture. Raises DataError naming the scene for numbers that are not finite, for faces
    that refer to vertices that are not there, and for damaged textures.
    """
    import trimesh

    found = []
    for node in scene.graph.nodes_geometry:
        matrix, part = scene.graph[node]
        mesh = scene.geometry[part]
        if isinstance(mesh, trimesh.Trimesh) and len(mesh.faces):
            found.append(_placed(mesh, np.asarray(matrix, np.float64), name, linear_colours))
    return found


def _placed(mesh: "trimesh.Trimesh", matrix: Float64[np.ndarray, "4 4"], name: str, linear_colours: bool) -> Soup:
    """One part of a scene, moved to its place."""
    points, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces)
    if not np.isfinite(points).all():
        raise DataError(f"{name}: vertices hold {np.sum(~np.isfinite(points))} numbers that are not finite")
    if faces.min() < 0 or faces.max() >= len(points):
        raise DataError(f"{name}: faces refer to vertices {faces.min()} … {faces.max()}, there are {len(points)}")
    turn = matrix[:3, :3]
    corners = (points @ turn.T + matrix[:3, 3])[faces]  # f 3 3
    normals = _given_normals(mesh)
    size = np.linalg.det(turn)
    if normals is not None:
        normals = (normals @ np.linalg.inv(turn))[faces] if size else None
    surface, uv = _painted(mesh, name, linear_colours)
    if size < 0:  # mirrored: what was wound to the left is wound to the right
        corners = corners[:, ::-1]
        normals = None if normals is None else normals[:, ::-1]
        uv = None if uv is None else uv[:, ::-1]
    return Soup(corners, surface, normals, uv)


def _given_normals(mesh: "trimesh.Trimesh") -> Float64[np.ndarray, "v 3"] | None:
    """The file's own normals; trimesh computes some where there are none, which know no edges."""
    import trimesh

    normals = np.asarray(mesh.vertex_normals, np.float64)
    computed = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).vertex_normals
    return None if np.array_equal(normals, computed) else normals


def _painted(
    mesh: "trimesh.Trimesh", name: str, linear_colours: bool
) -> tuple[Surface, Float64[np.ndarray, "f 3 2"] | None]:
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
        return coloured(surface.material, _bytes(colours[faces][..., :3].astype(np.float64) / most, linear_colours))
    if visual.kind == "vertex":
        return coloured(_WHITE, _bytes(visual.vertex_colors[faces][..., :3] / 255.0, linear_colours))
    if visual.kind == "face":
        own = np.repeat(visual.face_colors[:, None, :3], 3, 1)
        return coloured(_WHITE, _bytes(own / 255.0, linear_colours))
    return Surface(), None


def _bytes(colours: Float64[np.ndarray, "f 3 3"], linear_colours: bool) -> UInt8[np.ndarray, "f 3 3"]:
    """Colours in [0, 1] as sRGB bytes."""
    colours = colours.clip(0, 1)
    return np.rint(255 * (encoded(colours) if linear_colours else colours)).astype(np.uint8)


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
        return textured(own, image.convert("RGB"))
    if mode == "MASK":
        cutoff = _CUTOFF if material.alphaCutoff is None else float(material.alphaCutoff)
        seen = image.convert("RGBA").getchannel("A").point([255 * (i * alpha >= 255 * cutoff) for i in range(256)])
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


def _textured_primitives(data: bytes) -> int:
    """How many parts of a glTF file, text or binary, have texture coordinates and a picture for their colours."""
    if data[:4] == b"glTF":
        data = data[20 : 20 + struct.unpack_from("<I", data, 12)[0]]  # the first chunk, behind its header
    scene = json.loads(data)
    painted = [
        "baseColorTexture" in material.get("pbrMetallicRoughness", {}) for material in scene.get("materials", [])
    ]
    return sum(
        part.get("mode", 4) in _TRIANGLES and "TEXCOORD_0" in part["attributes"] and painted[part["material"]]
        for mesh in scene.get("meshes", [])
        for part in mesh["primitives"]
        if "material" in part
    )
