"""Photographs of real things, cut out and put before something else: scenes with natural pixels and exact masks.

The cut-outs are those of Debian's package tuxpaint-stamps-default: about 270 photographs of animals, plants, fruit and
things of use in twelve classes. A scene shows one of them, anywhere, before even grey, coloured 1/f noise drawn for it
alone, or a part of a photograph. Scenes are composed when somebody looks at them, so that there are as many as one
likes: of scenes that repeat themselves, a model learns what is behind the object by heart.

A fifth of the objects of each class, and of the photographs behind them, is the test split: no object, nor a mirrored
copy of one, is in both.
"""

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from annotated_types import Interval

from ..cache import cached
from ..files import digest
from ..images import LazyImages
from ..validation import OptionError, Options, PathText, PositiveShare, SceneSide, Seed, Share
from . import _stamp_grounds as grounds
from ._stamp_objects import CLASSES, cutouts
from ._stamp_scenes import Placing, Scenes

LICENCE = "GPL-2.0-only"  # of the stamps, as Debian states it
VERSION = 1  # goes up whenever the same files and options would give other pixels
_SAMPLE = 256  # training scenes whose mean and standard deviation stand for all
_SPLITS = ("train", "test")


@dataclass(frozen=True)
class Layout(Options, owner="stamps"):
    """How scenes are composed: these are the options of the source.

    `side` is the scene's, in pixels. The longer edge of the object is between `smallest` and `largest` shares of it,
    and the object stands anywhere inside. With `mirror` half of the objects are mirrored; `light` is by how much, as
    a share of what they are, they get brighter or darker at most.

    `behind` them is even grey ("plain"), coloured "noise" whose amplitude falls with frequency f as f^-`slope`, or
    parts of "photos": of those that Debian's packages of wallpapers have, or of all images in the folders
    `backgrounds` and below. `contrast` is the standard deviation of the noise's intensity, `colour` that of its
    opponent channels, `level` by how much a scene's mean intensity differs from a half at most: as shares of white.
    Photographs have slope 1, but where phases are random that much at small scales is more than objects have, and maps
    of what is salient shun them; with the usual 1.5 they find objects about as well as in photographs.

    `scenes` is the number of scenes of each split, which costs nothing but memory for their labels; `seed` chooses
    among all such data sets.
    """

    side: SceneSide = 96
    behind: Literal["plain", "noise", "photos"] = "noise"
    smallest: PositiveShare = 0.4
    largest: PositiveShare = 0.62
    mirror: bool = True
    light: Share = 0.2
    slope: Annotated[float, Interval(ge=0, le=4)] = 1.5
    contrast: Share = 0.12
    colour: Share = 0.04
    level: Annotated[float, Interval(ge=0, le=0.5)] = 0.2
    backgrounds: tuple[PathText, ...] = ()
    scenes: Annotated[int, Interval(ge=1, le=2**26)] = 2**20
    seed: Seed = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.smallest > self.largest:
            raise OptionError(f"stamps: smallest={self.smallest} is more than largest={self.largest}")
        if self.backgrounds and self.behind != "photos":
            raise OptionError(f"stamps: backgrounds are named, and behind is {self.behind!r}; expected 'photos'")


def load(split: str = "train", root: str = "", **options: Any) -> LazyImages:
    """Scenes of one split ("train" or "test"), composed when they are looked at; `masks` are exact.

    The options are those of `Layout`. `root` is the folder `stamps` of Tux Paint, empty: where Debian has it. Raises
    ValueError for an unknown split and for impossible options, DataError for files that are missing or damaged.
    """
    if split not in _SPLITS:
        raise ValueError(f"source 'stamps': unknown split {split!r}; there are: test, train")
    layout = Layout(**options)
    known = {name: _scenes(name, root, layout) for name in ("train", split)}
    found, facts = known[split], {name: _facts(scenes, layout) for name, scenes in known.items()}
    mean, std = _statistics(known["train"], facts["train"])
    return LazyImages(
        name="stamps",
        split=split,
        read=found.read,
        size=layout.side,
        labels=found.labels(torch.arange(layout.scenes)),
        classes=CLASSES,
        mean=mean,
        std=std,
        fingerprint=digest(**facts[split]),
        masks=found.masks,
    )


def _scenes(split: str, root: str, layout: Layout) -> Scenes:
    # Twice the largest object: reducing the rest of the way takes little time, and loses nothing.
    found = cutouts(split, root, round(2 * layout.largest * layout.side))
    placing = Placing(layout.side, layout.smallest, layout.largest, layout.mirror, layout.light)
    return Scenes(found, placing, split, layout.seed, _ground(split, layout))


def _ground(split: str, layout: Layout) -> grounds.Ground:
    match layout.behind:
        case "plain":
            return grounds.Plain()
        case "noise":
            return grounds.Noise(layout.slope, layout.contrast, layout.colour, layout.level)
        case "photos":
            return grounds.photographs(split, layout.backgrounds, layout.side)


def _facts(scenes: Scenes, layout: Layout) -> dict[str, Any]:
    """Everything that the scenes of a split depend on."""
    kept = {name: value for name, value in asdict(layout).items() if name != "backgrounds"}
    objects = [[one.name, one.label, one.digest] for one in scenes.cutouts]
    behind = scenes.ground.digest
    return {"source": "stamps", "version": VERSION, "split": scenes.split, "objects": objects, "photos": behind, **kept}


def _statistics(scenes: Scenes, facts: dict[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, of some training scenes; kept on disk."""

    def fill(out: np.ndarray) -> None:
        out[:] = 0
        for number in range(_SAMPLE):
            pixels = scenes.read(number).reshape(-1, 3) / 255
            out[0] += pixels.mean(0) / _SAMPLE
            out[1] += (pixels**2).mean(0) / _SAMPLE

    first, second = cached({"what": "statistics of scenes", "of": _SAMPLE, **facts}, (2, 3), np.float64, fill)
    return tuple(first.tolist()), tuple(np.sqrt(np.maximum(second - first**2, 1e-6)).tolist())
