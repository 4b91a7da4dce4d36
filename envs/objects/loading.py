"""Meshes from files: OBJ, GLB, glTF, PLY, STL and OFF, one by one or a folder of them as a collection."""

import functools
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from ..files import expanded, located
from ..images import DataError
from . import gltf, off, ply, scenes, stl, wavefront
from .besides import Neighbours, readable
from .mesh import Item, Mesh
from .soup import Soup, join

if TYPE_CHECKING:
    import trimesh

EXTENSIONS = (".obj", ".glb", ".gltf", ".ply", ".stl", ".off")
_UP = {".obj": "y", ".glb": "y", ".gltf": "y", ".ply": "z", ".stl": "z", ".off": "z"}  # as Blender imports them
_SHAPENET = ("model_normalized.obj", "model.obj")  # of versions 2 and 1


def load_mesh(path: Path, up: str = "") -> Mesh:
    """The mesh in a file, centred at the origin, with a bounding-box diagonal of 1 and z upwards.

    `up` is the axis that points upwards in the file, "y" or "z"; empty means the habit of its kind (y for OBJ and
    glTF, z for the others). Materials and textures are those of the file; textures get at most 512 pixels a side.
    Normals that are missing, zero or not finite are computed, smooth but for edges of more than 50°. Raises DataError
    naming the file when it cannot be read, holds no triangle, or holds vertices that are not finite, and when a
    material library or texture that it names is missing or damaged; ValueError for an impossible `up`.
    """
    path = Path(path)
    if up not in ("", "y", "z"):
        raise ValueError(f"up={up!r}, expected 'y', 'z' or '' for the habit of the file's kind")
    kind = path.suffix.lower()
    if kind not in EXTENSIONS:
        raise DataError(f"{path}: cannot be read as a mesh, expected a file ending in {', '.join(EXTENSIONS)}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error}), expected a mesh") from error
    besides = Neighbours(path)
    with readable(str(path)):
        reader = {".obj": wavefront, ".ply": ply, ".stl": stl, ".off": off}.get(kind, gltf)
        soups = reader.read(data, besides)
        if (up or _UP[kind]) == "y":
            soups = [turned(soup, UPRIGHT) for soup in soups]
        return join(soups, str(path))


UPRIGHT: Float64[np.ndarray, "3 3"] = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""The rotation that lets an object whose y axis points upwards stand on the z axis, as Blender imports it."""


def turned(soup: Soup, rotation: Float64[np.ndarray, "3 3"]) -> Soup:
    """The soup with corners and normals rotated."""
    normals = None if soup.normals is None else soup.normals @ rotation.T
    return replace(soup, corners=soup.corners @ rotation.T, normals=normals)


def from_trimesh(scene: "trimesh.Scene | trimesh.Trimesh", name: str) -> Mesh:
    """A trimesh scene or mesh as one mesh, its parts where the scene's graph puts them, scaled as by `load_mesh`.

    Points and paths have no surface and are left out; DataError naming `name` when nothing is left.
    """
    import trimesh

    return join(scenes.soups(trimesh.Scene(scene) if isinstance(scene, trimesh.Trimesh) else scene, name), name)


def walk(root: Path, up: str = "") -> list[Item]:
    """The objects of a folder of meshes, in the order of their keys; nothing is loaded yet.

    `<root>/<class>/<object>.<kind>`, or `<root>/<class>/<object>/…` with one model anywhere below it (ShapeNet's
    `model_normalized.obj` or `model.obj` goes before others), or models in `root` itself, which are then one class
    called as the folder. Raises DataError naming what is not so.
    """
    root = expanded(root, "folder of meshes")
    if not root.is_dir():
        raise DataError(f"{root}: no such folder, expected one with meshes")
    loose = [path for path in sorted(root.iterdir()) if _is_model(path)]
    classes = [path for path in sorted(root.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    filled = [path for path in classes if any(_models(path))]
    if loose and filled:
        raise DataError(f"{loose[0]}: a mesh beside the folders of the classes, expected none")
    if loose:
        found = [(located(root).name, path.stem, path) for path in loose]
    else:
        found = [(folder.name, *entry) for folder in classes for entry in _objects(folder)]
    if not found:
        raise DataError(f"{root}: no mesh found, expected files ending in {', '.join(EXTENSIONS)}")
    items: dict[str, Item] = {}
    for category, name, path in found:
        key = f"{category}/{name}"
        if key in items:
            raise DataError(f"{path}: a second mesh for {key}, expected one")
        items[key] = Item(category, key, functools.partial(load_mesh, path, up))
    return [items[key] for key in sorted(items)]


def _is_model(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".") and path.is_file()


def _models(folder: Path) -> Iterator[Path]:
    """Meshes at any depth."""
    for where, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (path for name in sorted(names) if _is_model(path := Path(where, name)))


def _objects(folder: Path) -> Iterator[tuple[str, Path]]:
    """Name and model of every object of a class."""
    empty = True
    for path in sorted(folder.iterdir()):
        if _is_model(path):
            yield path.stem, path
            empty = False
        elif path.is_dir() and not path.name.startswith("."):
            models = list(_models(path))
            chosen = [model for name in _SHAPENET for model in models if model.name == name] or models
            if not chosen:
                raise DataError(f"{path}: no mesh in it, expected a file ending in {', '.join(EXTENSIONS)}")
            if len(chosen) > 1 and chosen is models:
                raise DataError(
                    f"{path}: {len(models)} meshes in it ({models[0].name}, {models[1].name} …), expected one"
                )
            yield path.name, chosen[0]
            empty = False
    if empty:
        raise DataError(f"{folder}: no mesh in it, expected files ending in {', '.join(EXTENSIONS)}")
