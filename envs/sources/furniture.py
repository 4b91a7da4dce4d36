"""Furniture and other things of Sweet Home 3D's model archives, drawn here."""

from ..files import expanded, identity
from ..meshes import furniture
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
    """The archives in `root`, or the one archive that it is, with the classes of `furniture.walk`.

    `views` views of `size` pixels are drawn of each, by `renderer` (a name of `envs/renderers`, or "auto"), with
    rotations from `region` (see `rotations.Region`); `seed` chooses them. An empty `root` is where Debian's
    sweethome3d-furniture puts them. Every fifth object of a class is tested on. Views are drawn at the first look and
    kept in the cache, which takes minutes; `gazeworld data render --source furniture` draws the same to a folder
    instead. Raises DataError for archives that are missing or damaged.
    """
    folder = expanded(root, "root of source 'furniture'") if root else furniture.FOLDER
    items = furniture.walk(folder)
    key = {"archives": {file.name: identity(file) for file in furniture.archives(folder)}, "rule": furniture.VERSION}
    return drawn("furniture", items, split, key, Drawing(size, views, region, renderer, seed))
