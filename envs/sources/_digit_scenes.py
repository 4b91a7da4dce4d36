"""The real handwritten digits that ship with scikit-learn, and how ink, light and grain get into scenes.

They are 1797 pictures of 8 x 8 (the test part of UCI's "Optical Recognition of Handwritten Digits", Alpaydin and
Kaynak 1998). A fifth of the digits of each class is the test split, by digit image: no digit, not even a part of one,
is in both splits. (The set does not say who wrote what, so writers are shared between the splits.)
"""

import hashlib
import importlib.metadata
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float32, Int64, UInt8
from torch import Tensor

from ..cache import cached
from ..files import digest
from ..images import Images, statistics
from ..rng import Draws

CELLS = 8
"""Side of a digit as it comes."""
_COUNT = 1797
_SPLITS = ("train", "test")
_CHUNK = 512  # scenes drawn at once, fewer of large ones
_PIXELS = 2**24  # of the scenes drawn at once, at most


@dataclass(frozen=True)
class Digits:
    """The digits of one split: ink in [0, 1], class, and place in scikit-learn's array."""

    ink: Float32[Tensor, "k 8 8"]
    labels: Int64[Tensor, " k"]
    number: Int64[Tensor, " k"]

    @property
    def content(self) -> str:
        """What tells these digits from others: the SHA-256 of ink and places."""
        return hashlib.sha256(self.ink.numpy().tobytes() + self.number.numpy().tobytes()).hexdigest()


@lru_cache(maxsize=2)
def digits_of(split: str) -> Digits:
    """The digits of one split: of each class, the fifth with the smallest SHA-256 of the pixels is the test split."""
    cells, target = _all_digits()
    ranks = np.array([hashlib.sha256(cell.tobytes()).hexdigest() for cell in cells])
    tested = np.zeros(len(cells), dtype=bool)
    for label in range(10):
        of_class = np.flatnonzero(target == label)
        tested[of_class[np.argsort(ranks[of_class])][: round(len(of_class) / 5)]] = True
    chosen = np.flatnonzero(tested if split == "test" else ~tested)
    return Digits(
        ink=torch.from_numpy(cells[chosen]).float() / 16,
        labels=torch.from_numpy(target[chosen]).long(),
        number=torch.from_numpy(chosen).long(),
    )


def _all_digits() -> tuple[UInt8[np.ndarray, "n 8 8"], Int64[np.ndarray, " n"]]:
    """Ink from 0 to 16 and class of all digits, kept on disk: scikit-learn takes a second to import."""
    key = {"digits of": "scikit-learn", "version": importlib.metadata.version("scikit-learn")}
    table = cached(key, (_COUNT, CELLS * CELLS + 1), np.uint8, _from_library)  # n 65
    return table[:, :-1].reshape(-1, CELLS, CELLS), table[:, -1].astype(np.int64)


def _from_library(table: np.ndarray) -> None:
    from sklearn.datasets import load_digits

    table[:, :-1], table[:, -1] = load_digits(return_X_y=True)


@dataclass(frozen=True)
class Drawing:
    """A data source whose scenes are drawn from the digits: its name, its options and how it draws.

    `layout` is the dataclass of its options, with `side` in pixels, `variants` (scenes of each digit) and `seed`
    among them. `draw` gives the scenes of a split that have these numbers; scene i is about digit i modulo the number
    of digits. `ink` gives how strongly the ink of that digit covers each pixel, from 0 to 1. `version` goes up
    whenever the same options would draw something else.
    """

    name: str
    version: int
    layout: Callable[..., Any]
    draw: Callable[[str, Int64[Tensor, " n"], Any], UInt8[Tensor, "n h w"]]
    ink: Callable[[str, Int64[Tensor, " n"], Any], Float32[Tensor, "n h w"]]

    def load(self, split: str, root: str, options: dict[str, Any]) -> Images:
        """All scenes of a split. Raises ValueError for an unknown split, for any root and for impossible options."""
        if split not in _SPLITS:
            known = ", ".join(sorted(_SPLITS))
            raise ValueError(f"source {self.name!r}: unknown split {split!r}; there are: {known}")
        if root:
            raise ValueError(
                f"source {self.name!r}: root is {root!r}, expected none: the digits come with scikit-learn"
            )
        layout = self.layout(**options)
        train = self._scenes("train", layout)
        mean, std = statistics(train)
        return Images(
            name=self.name,
            split=split,
            pixels=train if split == "train" else self._scenes(split, layout),
            labels=digits_of(split).labels.repeat(layout.variants),
            classes=tuple("0123456789"),
            mean=mean,
            std=std,
            fingerprint=digest(**self.facts(split, layout)),
            masks=partial(self._masks, split, layout),
        )

    def _masks(self, split: str, layout: Any, index: Int64[Tensor, " b"]) -> Bool[Tensor, "b h w"]:
        """Which pixels of these scenes are covered by the ink of the digit that counts, by half or more."""
        return self.ink(split, index, layout) >= 0.5

    def facts(self, split: str, layout: Any) -> dict[str, Any]:
        """Everything that the scenes of a split depend on."""
        found = digits_of(split).content
        return {"source": self.name, "version": self.version, "split": split, "digits": found, **asdict(layout)}

    def _scenes(self, split: str, layout: Any) -> UInt8[Tensor, "n h w 1"]:
        """All scenes of a split, drawn once and kept on disk."""
        n = len(digits_of(split).labels) * layout.variants

        def fill(out: np.ndarray) -> None:
            for rows in torch.arange(n).split(max(1, min(_CHUNK, _PIXELS // layout.side**2))):
                out[int(rows[0]) : int(rows[-1]) + 1, :, :, 0] = self.draw(split, rows, layout).numpy()

        return torch.from_numpy(cached(self.facts(split, layout), (n, layout.side, layout.side, 1), np.uint8, fill))


def streams(split: str, rows: Int64[Tensor, " n"], seed: int) -> Draws:
    """Random streams of the scenes with these numbers: each of its digit, its variant and the seed alone."""
    known = digits_of(split)
    which, variant = rows % len(known.labels), rows // len(known.labels)
    return Draws.seeded(known.number[which] * 2**20 + variant).fold(seed)


def pasted(
    cells: Float32[Tensor, "n k k"],
    centre: Float32[Tensor, "n 2"],
    size: Float32[Tensor, " n"],
    angle: Float32[Tensor, " n"],
    side: int,
) -> Float32[Tensor, "n h w"]:
    """Small pictures enlarged into empty scenes; centre (row, col) and size in units of the side, angle in radians.

    At angle a, what points to the right in a small picture points to (row, col) = (sin a, cos a) in the scene. Enlarged
    in two steps, four times by cubic interpolation for round strokes and then bilinearly to its size; the rim of zeros
    keeps strokes that end at the frame from being cut off hard.
    """
    k = cells.shape[1]
    fine = F.interpolate(F.pad(cells, (1, 1, 1, 1))[:, None], scale_factor=4, mode="bicubic").clamp(0, 1)
    at = (torch.arange(side, dtype=torch.float32) + 0.5) / side
    half = (size * (k + 2) / k / 2)[:, None, None]
    down = (at[:, None] - centre[:, 0, None, None]) / half  # n h 1
    right = (at[None, :] - centre[:, 1, None, None]) / half  # n 1 w
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    grid = torch.stack([cos * right + sin * down, cos * down - sin * right], -1)  # n h w 2, as (x, y)
    return F.grid_sample(fine, grid, mode="bilinear", padding_mode="zeros", align_corners=False)[:, 0]


def uneven_light(rng: Draws, side: int) -> Float32[Tensor, "n {side} {side}"]:
    """A coarse grid of standard normal levels, enlarged smoothly to the scene."""
    coarse = rng.normal(25).reshape(-1, 1, 5, 5)
    return F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=True)[:, 0]


def grey(scene: Float32[Tensor, "n h w"], noise: float, rng: Draws) -> UInt8[Tensor, "n h w"]:
    """Scenes in shares of white as grey levels, with noise of this standard deviation on every pixel."""
    scene = scene + noise * math.sqrt(12) * _grain(rng, scene.shape[1])
    return scene.mul(255).round().clamp(0, 255).to(torch.uint8)


def _grain(rng: Draws, side: int) -> Float32[Tensor, "n {side} {side}"]:
    """Independent noise of each pixel, uniform in [-0.5, 0.5], because it is rounded to grey levels anyway.

    16 random bits a pixel; its standard deviation is 1 / √12.
    """
    words = rng.bits((side**2 + 3) // 4)
    u = torch.stack([(words >> shift) & 0xFFFF for shift in (0, 16, 32, 48)], -1).flatten(1)[:, : side**2]
    return u.reshape(-1, side, side).float() / 0xFFFF - 0.5
