"""Any folder of 3-D models, drawn here: OBJ, GLB, glTF, PLY, STL and OFF files."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from .. import walking
from ..cache import cached
from ..files import DataError, expanded, identity, printable
from ..meshes import mesh_files
from ..meshes.mesh import Item
from ..objects.gallery import Objects
from ..objects.rendered import Drawing, drawn
from ..validation import DrawnSide, Seed, Views

_NAMED = 3  # models that cannot be loaded are named, as many; all are counted
_LONG = 100  # models from which on loading them shows its progress


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

    `views` views of `size` pixels are drawn of each, by `renderer` (a name of `envs/renderers`, or "auto"), with
    rotations from `region` (see `rotations.Region`); `seed` chooses them. All models are loaded once, to see that they
    can be, and views are drawn at the first look; both is kept in the cache as long as no file below `root` changes,
    hidden ones excepted; of each file, size and four blocks are looked at. Raises DataError for a root that is no
    folder of models or has none for the split, and one that counts the models that cannot be loaded and names the first
    of them.
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
    items = mesh_files.walk(folder)
    _require_whole(items, key)
    return drawn("meshes", items, split, key, Drawing(size, views, region, renderer, seed))


def _require_whole(items: Sequence[Item], key: dict[str, Any]) -> None:
    """Raise DataError unless all models can be loaded; what has been is not loaded again until a file changes."""

    def fill(out: np.ndarray) -> None:
        bad, quiet = [], len(items) < _LONG
        for item in track(items, "loading", console=Console(stderr=True), disable=quiet, transient=True):
            try:
                item.load()
            except DataError as error:
                bad.append(str(error))
        if len(bad) > 1:
            more = " …" if len(bad) > _NAMED else ""
            bad = [f"{len(bad)} of {len(items)} models cannot be used: {'; '.join(bad[:_NAMED])}{more}"]
        if bad:
            raise DataError(bad[0])
        out[:] = len(items)

    cached({**key, "what": "models that were loaded"}, (1,), "<i8", fill)
