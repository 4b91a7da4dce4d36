"""Parametric solids of ten families, drawn here: the embedded default of rotation worlds."""

from typing import Annotated

from annotated_types import Interval

from ..meshes import solids
from ..objects.gallery import Objects
from ..objects.rendered import Drawing, drawn
from ..validation import DrawnSide, Seed, Views

LICENCE = "MIT"  # gazeworld's own


def load(
    split: str = "train",
    root: str = "",
    *,
    per_family: Annotated[int, Interval(ge=2, le=10_000)] = 100,
    size: DrawnSide = 64,
    views: Views = 20,
    region: str = "paper",
    renderer: str = "embree",
    seed: Seed = 0,
) -> Objects:
    """`per_family` objects of each family, of which every fifth is tested on; `views` views of `size` pixels of each.

    Rotations come from `region` (see `rotations.Region`); `renderer` is a name of `envs/renderers`, or "auto". `seed`
    chooses shapes and rotations. Views are drawn at the first look and kept in the cache. Nothing is read, so `root`
    must be empty.
    """
    if root:
        raise ValueError(f"source 'solids' is generated and has no root, found {root!r}")
    key = {"families": solids.VERSION, "per family": per_family, "seed": seed}
    items = solids.items(per_family, seed)
    return drawn("solids", items, split, key, Drawing(size, views, region, renderer, seed))
