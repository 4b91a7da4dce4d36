"""Any folder of 3-D models, drawn here: OBJ, GLB, glTF, PLY, STL and OFF files."""

from .. import walking
from ..files import DataError, expanded, identity, printable
from ..meshes import mesh_files
from ..objects.gallery import Objects
from ..objects.rendered import Drawing, drawn
from ..validation import DrawnSide, Seed, Views


def load(
    split: str = "train",
    root: str = "",
    *,
    size: DrawnSide = 128,
    views: Views = 50,
    region: str = "paper",
    renderer: str = "embree",
    seed: Seed = 0,
) -> Objects:
    """The models below `root`, one folder for each class (see `mesh_files.walk`); every fifth object is tested on.

    Views are drawn at the first look and kept in the cache as long as no file below `root` changes, hidden ones
    excepted; of each file, size and four blocks are looked at. Raises DataError for a root that is no folder of models
    or has none for the split and, when views are drawn, for a model that cannot be loaded.
    """
    folder = expanded(root, "root of source 'meshes'")
    if not root or not folder.is_dir():
        raise DataError(f"source 'meshes': root is {root!r}, expected a folder of models")
    # Whatever a model may refer to: textures come in any kind, and through links as models do.
    files = walking.walk(folder, labels=0).files
    key = {
        "files": {printable(str(path.relative_to(folder))): identity(path, 4) for path in files},
        "version": mesh_files.VERSION,
    }
    return drawn("meshes", mesh_files.walk(folder), split, key, Drawing(size, views, region, renderer, seed))
