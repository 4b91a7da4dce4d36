"""What every source of data keeps: what it gives is whole, in range and the same at every call."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..images import Images, LazyImages, StillImages, load_source
from ..objects.gallery import Objects
from ..registry import built
from ..validation import shown
from . import check_tensor, fail

_SAMPLE = 64  # images or objects that are looked at closely


def check_source(
    source: str | Callable[..., Any], *, split: str = "train", root: str = "", **options: Any
) -> StillImages | Objects:
    """Check a source of the registry, of another package (MODULE:FUNCTION), or a function `load(split, root, …)`.

    It is loaded twice and has to give the same, whole and in range (`check_images`, `check_objects`); an option and a
    split that it does not have are to be refused, with a TypeError or ValueError. Gives what was loaded.
    Raises ConformanceError; errors of the source itself, in loading what there is, are passed on.
    """
    name = source if isinstance(source, str) else getattr(source, "__qualname__", repr(source))

    def load(**given: Any) -> Any:
        asked = {"split": split, "root": root, **options, **given}
        return load_source(source, **asked) if isinstance(source, str) else built(name, source, **asked)

    found, again = load(), load()
    if not isinstance(found, StillImages | Objects):
        fail(f"source {name} gave {shown(found)}, expected Images, LazyImages or Objects")
    if found.split != split:
        fail(f"source {name} gave the split {found.split!r} where {split!r} was asked for")
    if isinstance(found, StillImages):
        check_images(found)
        some = torch.arange(min(len(found), _SAMPLE))
        same = type(again) is type(found) and torch.equal(found.batch(some), again.batch(some))
    else:
        check_objects(found)
        same = isinstance(again, Objects) and torch.equal(found.latents, again.latents)
    if not same or found.fingerprint != again.fingerprint:
        fail(f"source {name} gave other data, or another fingerprint, when it was loaded again")
    for bad, what in (({"no_such_option": 1}, "an option"), ({"split": "no such split"}, "a split")):
        try:
            load(**bad)
        except (TypeError, ValueError):
            continue
        fail(f"source {name} takes {what} that it does not have, {bad}, expected a TypeError or a ValueError")
    return found


def check_images(images: Any) -> None:
    """Check what a source of still images gave: pixels, labels, names, statistics, and maps where there are any."""
    if not isinstance(images, StillImages):
        fail(f"found {shown(images)}, expected gazeworld.envs.Images or LazyImages")
    what, n, side, c = f"{images.name}/{images.split}", len(images), images.side, images.channels
    some = torch.arange(min(n, _SAMPLE))
    if isinstance(images, Images):
        check_tensor(images.pixels, f"{what}: pixels", (n, side, side, c), "uint8")
    seen = images.batch(some)
    check_tensor(seen, f"{what}: pixels", (len(some), side, side, c), "uint8")
    if not torch.equal(images.batch(some.flip(0)).flip(0), seen):
        fail(f"{what}: an image is another one when it is looked at again, or in another order")
    if not bool((seen.amax((1, 2, 3)) > 0).any()):
        fail(f"{what}: the first images are all black; pixels are uint8 from 0 to 255")
    _check_named(images, what, n, c)
    _check_masks(images, what, some)
    maps = _maps_of(images, some)
    if maps is not None:
        check_tensor(maps, f"{what}: maps", (len(some), side, side), "float")
        if bool((maps < 0).any()) or not bool((maps.sum((1, 2)) > 0).all()):
            fail(f"{what}: maps hold negative numbers, or one that is 0 everywhere; expected where it is worth looking")


def _maps_of(images: StillImages, some: Tensor) -> Tensor | None:
    """The maps of some images, where there are any."""
    if isinstance(images, Images):
        return None if images.maps is None else images.maps[some]
    return images.maps.batch(some) if isinstance(images, LazyImages) and images.maps is not None else None


def _check_masks(images: StillImages, what: str, some: Tensor) -> None:
    if images.masks is not None:
        check_tensor(images.masks(some), f"{what}: masks", (len(some), images.side, images.side), "bool")


def check_objects(objects: Any) -> None:
    """Check what a source of objects gave: a gallery whose views are what it says, latents, labels and statistics."""
    if not isinstance(objects, Objects):
        fail(f"found {shown(objects)}, expected gazeworld.envs.Objects")
    what, (n, v, h, w, c) = f"{objects.name}/{objects.split}", objects.gallery.shape
    _check_named(objects, what, n, c)
    if not all(name.startswith("/") and name.endswith("/") and name.count("/") >= 3 for name in objects.names):
        fail(f"{what}: names such as {objects.names[0]!r}, expected /CLASS/OBJECT/")
    some, views = torch.arange(min(n, _SAMPLE)), torch.arange(min(n, _SAMPLE)) % v
    seen = objects.gallery(some, views)
    check_tensor(seen, f"{what}: views", (len(some), h, w, c), "uint8")
    if not torch.equal(objects.gallery(some.flip(0), views.flip(0)).flip(0), seen):
        fail(f"{what}: the gallery gives a view something else when others are asked for beside it")
    for numbers in ((torch.tensor([n]), torch.tensor([0])), (torch.tensor([0]), torch.tensor([v]))):
        try:
            objects.gallery(*numbers)
        except IndexError:
            continue
        fail(f"{what}: the gallery gives a view for numbers {[int(x) for x in numbers]}, expected an IndexError")


def _check_named(found: StillImages | Objects, what: str, n: int, channels: int) -> None:
    """What images and objects have in common."""
    check_tensor(found.labels, f"{what}: labels", (n,), "int64")
    if len(set(found.classes)) != len(found.classes) or not all(isinstance(name, str) for name in found.classes):
        fail(f"{what}: classes are {shown(found.classes)}, expected different names")
    for name, low in (("mean", 0.0), ("std", 1e-6)):
        values = getattr(found, name)
        if len(values) != channels or not all(isinstance(x, float) and low <= x <= 1 for x in values):
            fail(f"{what}: {name} is {values}, expected {channels} numbers in [{low:g}, 1]: of pixels divided by 255")
    for name in ("name", "fingerprint"):
        if not (isinstance(getattr(found, name), str) and getattr(found, name)):
            fail(f"{what}: {name} is {getattr(found, name)!r}, expected text")
