"""A source of a package of one's own: stripes of four directions, to be told apart; `--world.source stripes:load`."""

import math
from typing import Annotated

import torch
from annotated_types import Interval

from gazeworld.envs import Draws, Images


def load(
    split: str = "train", root: str = "", *, count: Annotated[int, Interval(ge=4, le=10**5)] = 400, side: int = 48
) -> Images:
    """`count` grey pictures of `side` pixels; what they show follows from the split and their number alone."""
    if split not in ("train", "test"):
        raise ValueError(f"unknown split {split!r}; there are: train, test")
    if root:
        raise ValueError(f"source 'stripes' is drawn and has no root, found {root!r}")
    rng = Draws.rows(0 if split == "train" else 10**6, count)
    labels = torch.arange(count) % 4
    wave, phase, ink = rng.uniform(3).unbind(1)
    angle = math.pi / 4 * labels
    rows, columns = torch.meshgrid(*2 * [torch.arange(side) / side], indexing="ij")
    along = angle.cos()[:, None, None] * rows + angle.sin()[:, None, None] * columns  # n h w
    light = torch.sin(2 * math.pi * ((4 + 4 * wave)[:, None, None] * along + phase[:, None, None]))
    pixels = (127.5 + (40 + 80 * ink)[:, None, None] * light).round().to(torch.uint8)[..., None]
    return Images(
        name="stripes",
        split=split,
        pixels=pixels,
        labels=labels,
        classes=("lying", "falling", "standing", "rising"),
        mean=(0.5,),
        std=(0.25,),
        fingerprint=f"stripes 1: {split} {count} {side}",
    )
