"""Handwritten digits as scenes: the embedded data source, which needs no file of its own.

The 1797 real 8 x 8 digits that ship with scikit-learn (the test part of the UCI set "Optical Recognition of Handwritten
Digits", Alpaydin and Kaynak 1998) are drawn into grey scenes much larger than one glimpse, at varying place and size, on
an uneven background among scraps of other digits, so that one look at the centre does not suffice.

A fifth of the digits of each class is the test split, by digit image: no digit, not even in a scrap, is in both. (The
set does not say who wrote what, so that writers are shared between the splits.)
"""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from .. import files
from ..cache import cached
from ..draws import Draws
from ..images import Images, statistics

VERSION = 1  # goes up whenever the same options would draw something else
_CHUNK = 1024
_CELLS = 8  # side of a digit as it comes
_SCRAP = 3  # side of a scrap of clutter, in cells of a digit
_PLACE, _INK, _BACKGROUND, _CLUTTER = range(4)  # numbers folded into a scene's random stream


@dataclass(frozen=True)
class Layout:
    """How the scenes are laid out; every option of the source.

    `side` is the scene's, `smallest` and `largest` bound the digit's (its whole 8 x 8 frame), all in pixels. `jitter`
    is the share of the free room that the place varies over (0: centred, 1: anywhere inside). `background` is the
    brightest that the low-frequency background gets, as a share of white. `clutter` is the number of scraps of other
    digits. `variants` is the number of scenes drawn from each digit, `seed` chooses among all such data sets.
    """

    side: int = 64
    smallest: float = 40
    largest: float = 56
    jitter: float = 1.0
    background: float = 0.25
    clutter: int = 2
    variants: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.smallest <= self.largest <= self.side:
            raise ValueError(
                f"digits: smallest={self.smallest}, largest={self.largest}, side={self.side}: "
                "expected 0 < smallest <= largest <= side"
            )
        for name in ("jitter", "background"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"digits: {name}={getattr(self, name)}, expected a number from 0 to 1")
        if self.clutter < 0 or self.variants < 1:
            raise ValueError(
                f"digits: clutter={self.clutter}, variants={self.variants}, expected at least 0 and at least 1"
            )


@dataclass(frozen=True)
class _Digits:
    """The digits of one split: ink in [0, 1], class, and place in scikit-learn's array."""

    ink: Float32[Tensor, "k 8 8"]
    labels: Int64[Tensor, " k"]
    number: Int64[Tensor, " k"]


def load(split: str = "train", root: str = "", **options: Any) -> Images:
    """Scenes of one split ("train" or "test"), scene i showing digit i modulo the number of digits of the split.

    The options are those of `Layout`. Nothing is read from `root`, which must be empty. Raises ValueError for an
    unknown split and for impossible options.
    """
    if split not in ("train", "test"):
        raise ValueError(f"digits: unknown split {split!r}; there are: test, train")
    if root:
        raise ValueError(f"digits: root={root!r}, expected none: the digits come with scikit-learn")
    layout = Layout(**options)
    train = _scenes("train", layout)
    pixels = train if split == "train" else _scenes(split, layout)
    mean, std = statistics(train)
    return Images(
        name="digits",
        split=split,
        pixels=pixels,
        labels=_digits(split).labels.repeat(layout.variants),
        classes=tuple("0123456789"),
        mean=mean,
        std=std,
        fingerprint=files.digest(**_facts(split, layout)),
    )


def _digits(split: str) -> _Digits:
    """The digits of one split: of each class, the fifth with the smallest SHA-256 of its pixels is the test split."""
    from sklearn.datasets import load_digits  # a second of imports that nobody else needs

    data = load_digits()
    cells = data.images.astype(np.uint8)  # 0 … 16
    ranks = np.array([hashlib.sha256(cell.tobytes()).hexdigest() for cell in cells])
    tested = np.zeros(len(cells), dtype=bool)
    for label in range(10):
        of_class = np.flatnonzero(data.target == label)
        tested[of_class[np.argsort(ranks[of_class])][: round(len(of_class) / 5)]] = True
    chosen = np.flatnonzero(tested if split == "test" else ~tested)
    return _Digits(
        ink=torch.from_numpy(cells[chosen]).float() / 16,
        labels=torch.from_numpy(data.target[chosen]).long(),
        number=torch.from_numpy(chosen),
    )


def _facts(split: str, layout: Layout) -> dict[str, Any]:
    """Everything that the scenes depend on."""
    digits = _digits(split)
    content = hashlib.sha256(digits.ink.numpy().tobytes() + digits.number.numpy().tobytes()).hexdigest()
    return {"source": "digits", "version": VERSION, "split": split, "digits": content, **asdict(layout)}


def _scenes(split: str, layout: Layout) -> UInt8[Tensor, "n h w 1"]:
    """All scenes of a split, drawn once and cached on disk."""
    digits = _digits(split)
    n = len(digits.labels) * layout.variants

    def fill(out: np.ndarray) -> None:
        for start in range(0, n, _CHUNK):
            rows = torch.arange(start, min(start + _CHUNK, n))
            out[start : start + _CHUNK, :, :, 0] = draw(digits, rows, layout).numpy()

    return files.tensor(cached(_facts(split, layout), (n, layout.side, layout.side, 1), np.uint8, fill))


def draw(digits: _Digits, rows: Int64[Tensor, " n"], layout: Layout) -> UInt8[Tensor, "n h w"]:
    """These rows of a split's scenes; each depends on its digit, variant and seed alone (and scraps on the split)."""
    k = len(digits.labels)
    which, variant = rows % k, rows // k
    rng = Draws.seeded(digits.number[which] * 2**20 + variant).fold(layout.seed)
    place = rng.fold(_PLACE).uniform(3)
    size = layout.smallest + (layout.largest - layout.smallest) * place[:, :1]  # n 1
    room = layout.side - size
    corner = room / 2 + layout.jitter * room * (place[:, 1:] - 0.5)  # n 2
    ink = _strokes(_enlarge(digits.ink[which], corner, size, layout.side))  # n h w
    ink = ink * (0.75 + 0.25 * rng.fold(_INK).uniform(1))[:, :, None]
    for i in range(layout.clutter):
        scrap = _scrap(digits, rng.fold(_CLUTTER + i), size, layout.side)
        ink = torch.maximum(ink, scrap)
    ground = _background(rng.fold(_BACKGROUND), layout)
    return ((ground + (1 - ground) * ink) * 255).round().clamp(0, 255).to(torch.uint8)


def _enlarge(
    small: Float32[Tensor, "n k k"], corner: Float32[Tensor, "n 2"], size: Float32[Tensor, "n 1"], side: int
) -> Float32[Tensor, "n h w"]:
    """Small pictures drawn at `size` pixels with their top left at `corner`, zero elsewhere.

    Cubic convolution (Keys 1981, a = -1/2). It is separable, so that all scenes are two batched matrix products.
    """
    k = small.shape[1]
    centres = torch.arange(side) + 0.5
    cell = (centres - corner[:, :, None]) / size[:, :, None] * k - 0.5  # n 2 side, in cells
    d = (cell[..., None] - torch.arange(k)).abs()  # n 2 side k
    near = (1.5 * d - 2.5) * d * d + 1
    far = ((-0.5 * d + 2.5) * d - 4) * d + 2
    weight = torch.where(d < 1, near, torch.where(d < 2, far, torch.zeros_like(d)))
    return weight[:, 0] @ small @ weight[:, 1].transpose(1, 2)


def _strokes(ink: Float32[Tensor, "n h w"]) -> Float32[Tensor, "n h w"]:
    """Enlarged cells are soft; a ramp of contrast gives strokes with an edge."""
    return ((ink - 0.25) / 0.4).clamp(0, 1)


def _scrap(digits: _Digits, rng: Draws, size: Float32[Tensor, "n 1"], side: int) -> Float32[Tensor, "n h w"]:
    """A few cells of another digit, as large as in the digit of the scene, anywhere."""
    n = len(rng)
    other = rng.fold(0).integers(len(digits.labels))[:, 0]
    top, left = (rng.fold(1).integers(_CELLS - _SCRAP + 1, 2)).unbind(1)
    cells = torch.arange(_SCRAP)
    rows, columns = top[:, None, None] + cells[:, None], left[:, None, None] + cells  # n 3 1, n 1 3
    small = digits.ink[other[:, None, None], rows, columns]  # n 3 3
    size = size * (_SCRAP / _CELLS)
    place = rng.fold(2).uniform(3)
    drawn = _strokes(_enlarge(small, place[:, :2] * (side - size), size, side))
    assert drawn.shape[0] == n
    return drawn * (0.5 + 0.5 * place[:, 2, None, None])


def _background(rng: Draws, layout: Layout) -> Float32[Tensor, "n h w"]:
    """Uneven light: a coarse grid of random levels, enlarged beyond the scene so that its rim is not seen."""
    n = len(rng)
    coarse = rng.uniform(36).reshape(n, 6, 6)
    size = torch.full((n, 1), 2.0 * layout.side)
    corner = torch.full((n, 2), -0.5 * layout.side)
    return layout.background * _enlarge(coarse, corner, size, layout.side).clamp(0, 1)
