"""Any folder of 3-D models, drawn here: OBJ, GLB, glTF, PLY, STL and OFF files."""

import os
from pathlib import Path

from ..files import expanded, identity
from ..images import DataError
from ..objects import loading
from ..objects.drawn import Drawing, drawn
from ..objects.gallery import Objects


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

    Views are drawn at the first look and kept in the cache as long as no file below `root` changes, hidden ones
    excepted; of each file, size and four blocks are looked at. Raises DataError for a root that is no folder of models
    or has none for the split and, when views are drawn, for a model that cannot be loaded.
    """
    folder = expanded(root, "root of source 'meshes'")
    if not root or not folder.is_dir():
        raise DataError(f"source 'meshes': root is {root!r}, expected a folder of models")
    key = {"files": {str(path.relative_to(folder)): identity(path, 4) for path in _files(folder)}}
    return drawn("meshes", loading.walk(folder), split, key, Drawing(size, views, region, renderer, seed))


def _files(folder: Path) -> list[Path]:
    """Whatever a model may refer to: all regular files, as textures come in any kind, through links as models are."""
    found = []
    for where, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(where, name) for name in names if not name.startswith(".")]
    return sorted(path for path in found if path.is_file())
