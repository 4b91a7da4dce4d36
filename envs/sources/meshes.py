"""Any folder of 3-D models, drawn here: OBJ, GLB, glTF, PLY, STL and OFF files."""

from pathlib import Path

from ..files import identity
from ..images import DataError
from ..objects import loading
from ..objects.drawn import Drawing, drawn
from ..objects.gallery import Objects

_KINDS = (".obj", ".mtl", ".glb", ".gltf", ".bin", ".ply", ".stl", ".off", ".png", ".jpg", ".jpeg")


def load(
    split: str = "train",
    root: str = "",
    *,
    size: int = 128,
    views: int = 50,
    region: str = "paper",
    renderer: str = "embree",
    seed: int = 0,
) -> Objects:
    """The models below `root`, one folder for each class (see `loading.walk`); every fifth object is tested on.

    Views are drawn at the first look and kept in the cache. Raises DataError for a root that is no folder of models
    and, when views are drawn, for a model that cannot be loaded.
    """
    folder = Path(root).expanduser()
    if not root or not folder.is_dir():
        raise DataError(f"source 'meshes': root is {root!r}, expected a folder of models")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _KINDS and path.is_file())
    key = {"files": {str(path.relative_to(folder)): identity(path, 4) for path in files}}
    return drawn("meshes", loading.walk(folder), split, key, Drawing(size, views, region, renderer, seed))
