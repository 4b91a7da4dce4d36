"""Objects whose views this machine draws itself: from meshes to everything that a source gives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from rich.progress import track
from torch import Tensor

from ..cache import cached
from ..files import DataError, digest
from ..meshes.mesh import Item
from ..validation import DrawnSide, Options, Seed, Views
from . import splits
from .gallery import ArrayGallery, Gallery, Objects
from .renderer import Renderer, make_renderer
from .rotations import Region
from .stage import Shots, of_object

VERSION = 1  # of the views on disk: raise it whenever drawing gives other pictures
_LONG = 100  # objects from which on a progress bar is shown
_SAMPLE = 64  # objects from whose first views the channel statistics are taken


@dataclass(frozen=True)
class Drawing(Options):
    """How views are drawn: `views` of each object, `size` pixels a side, rotations from `region`, by `renderer`."""

    size: DrawnSide = 64
    views: Views = 20
    region: str = "paper"
    renderer: str = "embree"
    seed: Seed = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        Region(self.region)


class LazyGallery(Gallery):
    """Views that come into being (or from the cache) when the first of them is asked for."""

    def __init__(self, shape: tuple[int, int, int, int, int], draw: Callable[[], np.ndarray]) -> None:
        self.shape, self.device = shape, torch.device("cpu")
        self._draw, self._found = draw, None

    def __call__(self, objects: Int64[Tensor, " b"], views: Int64[Tensor, " b"]) -> UInt8[Tensor, "b h w c"]:
        """See Gallery; the first call may take as long as drawing all views takes."""
        if self._found is None:
            self._found = ArrayGallery(self._draw())
        return self._found(objects, views)

    _found: ArrayGallery | None


def drawn(name: str, items: Sequence[Item], split: str, key: Mapping[str, Any], drawing: Drawing) -> Objects:
    """One split ("train" or "test", by object) of a collection, with views that are drawn once and kept on disk.

    `key` says what the meshes depend on beside their names; the cache is keyed by it. Raises ValueError for an unknown
    split; DataError for one without objects and, when views are drawn, for an object that cannot be loaded.
    """
    if split not in ("train", "test"):
        raise ValueError(f"source {name!r} has the splits train and test, found {split!r}")
    tested = splits.tested(item.key for item in items)
    classes = tuple(sorted({item.category for item in items}))
    chosen = tuple(item for item in items if (item.key in tested) == (split == "test"))
    training = [item for item in items if item.key not in tested]
    if not chosen:
        raise DataError(
            f"source {name!r}: no object in split {split!r}, expected some (the only object of a class is trained on)"
        )
    region = Region(drawing.region)
    latents = torch.stack([of_object(region, item.key, drawing.seed, drawing.views) for item in chosen])
    renderer = make_renderer(drawing.renderer, drawing.size)
    whole: dict[str, Any] = {"what": "views", "version": VERSION, "by": renderer.version, **vars(drawing), "of": key}
    shape = (len(chosen), drawing.views, drawing.size, drawing.size, 3)

    def views() -> np.ndarray:
        keys = {"objects": [item.key for item in chosen]}
        return cached(whole | keys, shape, np.uint8, lambda out: _fill(out, name, chosen, latents, drawing))

    mean, std = _statistics(name, training, whole, drawing)
    return Objects(
        name=name,
        split=split,
        gallery=LazyGallery(shape, views),
        latents=latents,
        labels=torch.tensor([classes.index(item.category) for item in chosen]),
        classes=classes,
        mean=mean,
        std=std,
        fingerprint=digest(**whole, objects=[item.key for item in chosen]),
        names=tuple(f"/{item.key}/" for item in chosen),
        renderer=renderer.version,
        items=chosen,
    )


def _fill(out: np.ndarray, name: str, items: Sequence[Item], latents: Tensor, drawing: Drawing) -> None:
    renderer = make_renderer(drawing.renderer, drawing.size)
    what = f"drawing {latents.shape[0]} x {latents.shape[1]} views of {name}"
    for i, item in track(enumerate(items), what, len(items), disable=len(items) < _LONG, transient=True):
        out[i] = _views(renderer, item, latents[i])
    renderer.close()


def _views(renderer: Renderer, item: Item, latents: Tensor) -> np.ndarray:
    renderer.place([item.load()])
    return renderer.render(torch.zeros(len(latents), dtype=torch.int64), Shots.of_latents(latents)).numpy()


def _statistics(
    name: str, training: Sequence[Item], whole: dict[str, Any], drawing: Drawing
) -> list[tuple[float, ...]]:
    """Mean and standard deviation per channel, from first views of training objects spread evenly over them."""
    some = training[:: max(1, len(training) // _SAMPLE)][:_SAMPLE]
    latents = torch.stack([of_object(Region(drawing.region), item.key, drawing.seed, 1) for item in some])

    def fill(out: np.ndarray) -> None:
        views = np.empty((len(some), 1, drawing.size, drawing.size, 3), np.uint8)
        _fill(views, name, some, latents, drawing)
        pixels = views.reshape(-1, 3) / 255
        out[:] = pixels.mean(0), pixels.std(0).clip(1e-3)

    keys = {"statistics of": [item.key for item in some]}
    return [tuple(row.tolist()) for row in cached(whole | keys, (2, 3), np.float64, fill)]
