"""Meshes from files: OBJ, GLB, glTF, PLY, STL and OFF, one by one or a folder of them as a collection."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from .. import walking
from ..files import DataError, expanded, located, printable
from . import gltf_files, obj_files, off_files, ply_files, stl_files, trimesh_scenes
from .mesh import Item, Mesh
from .referenced_files import Neighbours, contents, readable
from .surfaces import Soup, join

if TYPE_CHECKING:
    import trimesh

EXTENSIONS = (".obj", ".glb", ".gltf", ".ply", ".stl", ".off")
_UP = {".obj": "y", ".glb": "y", ".gltf": "y", ".ply": "z", ".stl": "z", ".off": "z"}  # as Blender imports them
VERSION = 2  # of meshes: raise it whenever the same files give others
_PAINTS = ("textures", "texture", "tex", "images", "image", "img", "maps", "materials", "material", "mtl", "pictures")
_PICTURES = (
    ".png", ".jpg", ".jpeg", ".bmp", ".tga", ".tif", ".tiff", ".webp", ".gif", ".dds", ".exr", ".hdr", ".psd", ".avif",
    ".ktx2", ".basis", ".svg", ".mtl", ".bin", ".txt", ".md", ".json",
)  # fmt: skip
_SHAPENET = ("model_normalized.obj", "model.obj")  # of versions 2 and 1


def load_mesh(path: Path, up: str = "", root: Path | None = None) -> Mesh:
    """The mesh in a file, centred at the origin, with a bounding-box diagonal of 1 and z upwards.

    `up` is the axis that points upwards in the file, "y" or "z"; empty means the habit of its kind (y for OBJ and
    glTF, z for the others). Materials and textures are those of the file, as far as a `Material` can say it (metal,
    light and bumps are left out); textures get at most 512 pixels a side.
    What an OBJ file refers to lies below `root` (None: below the folder around its own, as in ShapeNet), what others
    refer to beside them; nothing else is read. Normals that are missing, zero or not finite are computed, smooth but
    for edges of more than 50°. Raises DataError naming the file when it cannot be read, holds no triangle, or holds
    vertices that are not finite, and when a material library or texture that it names is missing or damaged;
    ValueError for an impossible `up`.
    """
    path = Path(path)
    if up not in ("", "y", "z"):
        raise ValueError(f"up={up!r}, expected 'y', 'z' or '' for the habit of the file's kind")
    kind = path.suffix.lower()
    if kind not in EXTENSIONS:
        raise DataError(f"{path}: cannot be read as a mesh, expected a file ending in {', '.join(EXTENSIONS)}")
    try:
        data = contents(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error}), expected a mesh") from error
    around = path.parent if kind != ".obj" else path.absolute().parent.parent if root is None else Path(root)
    besides = Neighbours(path, around)
    with readable(str(path)):
        reader = {".obj": obj_files, ".ply": ply_files, ".stl": stl_files, ".off": off_files}.get(kind, gltf_files)
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

    return join(trimesh_scenes.soups(trimesh.Scene(scene) if isinstance(scene, trimesh.Trimesh) else scene, name), name)


def walk(root: Path, up: str = "") -> list[Item]:
    """The objects of a folder of meshes, in the order of their keys; nothing is loaded yet.

    `<root>/<class>/<object>.<kind>`, or `<root>/<class>/<object>/…` with one model anywhere below it (ShapeNet's
    `model_normalized.obj` or `model.obj` goes before others), or models in `root` itself, which are then one class
    called as the folder. Folders without a model are no objects where they hold what models are painted with: those
    called `textures` or the like, and those beside models that hold pictures, materials and buffers alone. Links are
    followed (see `walking.walk`). Raises DataError naming what is not so, and names of classes or objects that are not
    UTF-8.
    """
    root = expanded(root, "folder of meshes")
    if not root.is_dir():
        raise DataError(f"{root}: no such folder, expected one with meshes")
    models = walking.walk(root, EXTENSIONS, "a mesh", labels=2).files
    loose = [path for path in models if path.parent == root]
    if loose and len(loose) < len(models):
        raise DataError(f"{loose[0]}: a mesh beside the folders of the classes, expected none")
    if loose:
        found = [(located(root).name, path.stem, path) for path in loose]
    else:
        found = [entry for folder, below in _classes(root, models).items() for entry in _objects(folder, below)]
    if not found:
        raise DataError(f"{root}: no mesh found, expected files ending in {', '.join(EXTENSIONS)}")
    items: dict[str, Item] = {}
    for category, name, path in found:
        key = f"{category}/{name}"
        if key in items:
            raise DataError(f"{path}: a second mesh for {key}, expected one")
        if printable(key) != key:
            raise DataError(
                f"{path}: a name that is not UTF-8, expected another: it becomes the name of a class or object"
            )
        items[key] = Item(category, key, functools.partial(load_mesh, path, up, root))
    return [items[key] for key in sorted(items)]


def _classes(root: Path, models: Sequence[Path]) -> dict[Path, dict[str, list[Path]]]:
    """The models of every class, by the names of the files or folders of objects in its folder."""
    found: dict[str, dict[str, list[Path]]] = {}
    for path in models:
        category, name, *_ = path.relative_to(root).parts
        found.setdefault(category, {}).setdefault(name, []).append(path)
    for name in walking.subfolders(root):
        if name not in found and not _paints(root / name, False):
            raise DataError(f"{root / name}: no mesh in it, expected files ending in {', '.join(EXTENSIONS)}")
    return {root / name: below for name, below in found.items()}


def _objects(folder: Path, below: dict[str, list[Path]]) -> Iterator[tuple[str, str, Path]]:
    """Class, name and model of every object of a class."""
    loose = [name for name, paths in below.items() if paths[0].parent == folder]
    for name in walking.subfolders(folder):
        if name not in below and not _paints(folder / name, bool(loose)):
            raise DataError(f"{folder / name}: no mesh in it, expected a file ending in {', '.join(EXTENSIONS)}")
    for name, paths in below.items():
        chosen = [path for known in _SHAPENET for path in paths if path.name == known] or paths
        if len(chosen) > 1 and chosen is paths:
            raise DataError(
                f"{folder / name}: {len(paths)} meshes in it ({paths[0].name}, {paths[1].name} …), expected one"
            )
        yield folder.name, chosen[0].stem if name in loose else name, chosen[0]


def _paints(folder: Path, beside: bool) -> bool:
    """Whether a folder without models holds what models are painted with, `beside` models or not."""
    if folder.name.lower() in _PAINTS:
        return True
    endings = [path.suffix.lower() for path in walking.walk(folder, labels=0).files] if beside else []
    return bool(endings) and all(ending in _PICTURES for ending in endings)
