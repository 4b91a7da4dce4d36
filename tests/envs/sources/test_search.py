"""Scenes in which looking matters: what the arrow says is true, and one look does not tell it."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from gazeworld.envs.images import load_source, statistics
from gazeworld.envs.sources import search
from gazeworld.envs.sources._digit_scenes import digits_of

SMALL = {"side": 32, "variants": 1}
CLEAN = {"background": 0.0, "noise": 0.0, "tilt": 0.0, "wobble": 0.0, "stray": 0.0}


def crop(scenes: Float[Tensor, "n h w"], centre: Float[Tensor, "n 2"], side: int) -> Float[Tensor, "n s s"]:
    """A square of `side` pixels around each place."""
    tops = (centre * scenes.shape[1] - side / 2).round().long()
    steps = torch.arange(side)
    rows, cols = tops[:, :1, None] + steps[:, None], tops[:, 1:, None] + steps
    return scenes[torch.arange(len(scenes))[:, None, None], rows, cols]


def told(train: Tensor, test: Tensor, labels: Tensor, truth: Tensor) -> float:
    """Accuracy of a ridge classifier on what it is shown."""
    x, y = (torch.cat((part.flatten(1).double(), torch.ones(len(part), 1)), 1) for part in (train, test))
    answers = torch.nn.functional.one_hot(labels, 10).double()
    weights = torch.linalg.solve(x.T @ x + 10 * torch.eye(x.shape[1]).double(), x.T @ answers)
    return float(((y @ weights).argmax(1) == truth).double().mean())


def test_scenes_have_the_layout_that_was_asked_for() -> None:
    train, test = load_source("search", "train", **SMALL), load_source("search", "test", **SMALL)
    assert test.pixels.shape == (len(digits_of("test").labels), 32, 32, 1)
    assert (test.pixels.dtype, test.classes) == (torch.uint8, tuple("0123456789"))
    assert (test.mean, test.std) == (train.mean, train.std) == statistics(train.pixels)
    assert torch.equal(test.labels, digits_of("test").labels)


@pytest.mark.parametrize(("uneven", "spread"), [(0.0, 0.03), (0.5, 0.28), (1.0, 0.56)])
def test_digits_stand_apart_on_a_ring_and_within_the_scene(uneven: float, spread: float) -> None:
    layout = search.Layout(uneven=uneven)
    found = search.plan("train", torch.arange(2000), layout)
    away = found.places - found.cue[:, None]
    assert (away.norm(dim=-1) - layout.radius).abs().max() < math.sqrt(2) * layout.wobble + 1e-6
    assert ((found.places - 0.5).abs() + layout.size / 2).max() <= 0.5
    near = (found.places[:, :, None] - found.places[:, None]).norm(dim=-1) + torch.eye(layout.items)
    assert near.min() > layout.size
    angles = torch.atan2(away[..., 0], away[..., 1]).sort(1).values
    gaps = torch.cat((angles.diff(dim=1), angles[:, :1] + 2 * math.pi - angles[:, -1:]), 1)
    assert gaps.std() == pytest.approx(spread, abs=0.03)  # in radians
    assert torch.histc(found.direction, 12, -math.pi, math.pi).min() > 100  # the ring is turned anyhow


def test_the_first_is_no_different_from_the_others() -> None:
    found = search.plan("train", torch.arange(8000), search.Layout(uneven=1.0))
    near = (found.places[:, :, None] - found.places[:, None]).norm(dim=-1) + 9 * torch.eye(4)
    nearest = near.amin(2).mean(0)  # of each digit, over scenes
    assert nearest.max() - nearest.min() < 0.002


@pytest.mark.parametrize("decoys", ["chimeras", "digits"])
def test_the_arrow_points_to_the_digit_that_counts(decoys: str) -> None:
    layout = search.Layout(**CLEAN, decoys=decoys)
    rows = torch.arange(300)
    found = search.plan("train", rows, layout)
    known = digits_of("train")
    assert torch.equal(found.which[:, 0], rows)
    scenes = search._draw("train", rows, layout) / 255 - 0.35
    # Nothing but ink brightens a scene without light and noise: the head makes the arrow heavy in front.
    middle = crop(scenes, found.cue, 16).clamp_min(0)
    at = torch.arange(16) - 7.5
    heavy = torch.stack(((middle.sum(2) * at).sum(1), (middle.sum(1) * at).sum(1)), 1)
    towards = found.places[:, 0] - found.cue
    assert torch.cosine_similarity(heavy, towards).min() > 0.9
    seen = crop(scenes, found.places[:, 0], 20)
    ink = search.pasted(
        known.ink[found.which[:, 0]], torch.full((300, 2), 0.5), torch.full((300,), 0.832), torch.zeros(300), 20
    )
    assert torch.corrcoef(torch.stack((seen.flatten(), ink.flatten())))[0, 1] > 0.95


def test_from_the_middle_one_sees_the_arrow_and_no_digit() -> None:
    strayed = {"background": 0.0, "noise": 0.0}
    rows, middle = torch.arange(200), torch.full((200, 2), 0.5)
    scenes = search._draw("train", rows, search.Layout(**strayed)) / 255
    no_arrow = search._draw("train", rows, search.Layout(**strayed, cue=1e-3)) / 255
    assert (crop(scenes, middle, 20).amax((1, 2)) > 0.9).all()
    assert (crop(no_arrow, middle, 20) > 0.36).float().mean() < 0.02  # corners of a few things


@pytest.mark.parametrize("decoys", ["chimeras", "digits"])
def test_a_look_where_the_arrow_points_suffices_and_no_other_does(decoys: str) -> None:
    layout = search.Layout(side=48, decoys=decoys)
    scenes, plans, labels = {}, {}, {}
    for split, n in (("train", 1000), ("test", 300)):
        known = digits_of(split).labels
        rows = torch.arange(n) * len(known) * layout.variants // n
        scenes[split] = search._draw(split, rows, layout) / 255
        plans[split], labels[split] = search.plan(split, rows, layout), known[rows % len(known)]

    def score(place: Callable[[search.Plan], Tensor]) -> float:
        seen = {split: crop(scenes[split], place(found), 13) for split, found in plans.items()}
        return told(seen["train"], seen["test"], labels["train"], labels["test"])

    assert score(lambda found: torch.full_like(found.cue, 0.5)) < 0.17
    assert score(lambda found: found.places[:, 1]) < 0.17
    assert score(lambda found: found.places[:, 0]) > 0.75


def test_chimeras_are_as_bold_as_digits_and_are_none() -> None:
    rows = torch.arange(1400)
    scenes, found = search._draw("train", rows, search.Layout()) / 255, search.plan("train", rows, search.Layout())
    mass = [(crop(scenes, found.places[:, i], 16) - 0.35).clamp_min(0).mean() for i in range(4)]
    assert torch.tensor(mass[1:]).mean() == pytest.approx(float(mass[0]), rel=0.1)
    known = digits_of("train")
    rng = search.streams("train", rows, 0).fold(search._PIECES + 1)
    ink, chimera = known.ink[rng.integers(len(known.labels), 4)], search._chimera(known, rng)
    corners = [(slice(row, row + 4), slice(col, col + 4)) for row in (0, 4) for col in (0, 4)]
    for number, (to, origin) in enumerate(zip((0, 1, 2, 3), (2, 0, 3, 1), strict=True)):
        assert torch.equal(chimera[(slice(None), *corners[to])], ink[:, number][(slice(None), *corners[origin])])


def test_the_splits_share_no_digit() -> None:
    for split, other in (("train", "test"), ("test", "train")):
        known = digits_of(split)
        found = search.plan(split, torch.arange(2 * len(known.labels)), search.Layout())
        numbers = set(known.number[found.which].flatten().tolist())
        assert numbers <= set(known.number.tolist())
        assert not numbers & set(digits_of(other).number.tolist())
        assert torch.equal(found.which[:, 0], torch.arange(2 * len(known.labels)) % len(known.labels))
    others = search.plan("train", torch.arange(4000), search.Layout()).which
    agreeing = digits_of("train").labels[others] == digits_of("train").labels[others[:, :1]]
    assert agreeing[:, 1:].float().mean() == pytest.approx(0.1, abs=0.01)  # the others say nothing about the label


def test_a_seed_and_every_option_give_other_scenes_and_another_fingerprint() -> None:
    base = load_source("search", "test", **SMALL)
    rows = torch.arange(7, 11)
    again = search._draw("test", rows, search.Layout(**SMALL))
    assert torch.equal(again, base.pixels[7:11, :, :, 0])
    others: list[dict[str, Any]] = [
        {"seed": 1}, {"items": 5}, {"decoys": "digits"},
        {"size": 0.2}, {"radius": 0.34}, {"uneven": 0.9}, {"wobble": 0.0}, {"cue": 0.2},
        {"stray": 0.0}, {"ink": 0.3}, {"tilt": 0.0}, {"background": 0.2}, {"noise": 0.1},
    ]  # fmt: skip
    for other in others:
        layout = search.Layout(**{**SMALL, **other})
        assert not torch.equal(search._draw("test", rows, layout), again), other
        assert search.DRAWING.facts("test", layout) != search.DRAWING.facts("test", search.Layout(**SMALL)), other


def test_variants_do_not_depend_on_how_many_there_are() -> None:
    one, two = load_source("search", "test", **SMALL), load_source("search", "test", **{**SMALL, "variants": 2})
    assert torch.equal(two.pixels[: len(one)], one.pixels)
    assert torch.equal(two.labels[len(one) :], one.labels)
    assert not torch.equal(two.pixels[len(one) :], one.pixels)
    assert one.fingerprint != two.fingerprint


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"split": "unlabeled"}, "unlabeled"),
        ({"root": "/data"}, "/data"),
        ({"side": 31}, "side is 31"),
        ({"items": 1}, "items is 1"),
        ({"variants": 0}, "variants is 0"),
        ({"size": 0.0}, "size is 0.0"),
        ({"decoys": "letters"}, "expected 'chimeras' or 'digits'"),
        ({"cue": 1.5}, "cue is 1.5"),
        ({"ink": float("nan")}, "ink is nan"),
        ({"uneven": 1.1}, "uneven is 1.1"),
        ({"wobble": -0.1}, "wobble is -0.1"),
        ({"tilt": 4.0}, "tilt is 4.0"),
        ({"radius": 0.4}, "leave the scene"),
        ({"items": 9}, "search.items is 9, expected at most 7"),
        ({"itms": 3}, "itms"),
    ],
)
def test_impossible_options_are_named(options: dict[str, object], says: str) -> None:
    with pytest.raises((ValueError, TypeError), match=says):
        load_source("search", **options)


@pytest.mark.parametrize("decoys", ["chimeras", "digits"])
def test_masks_are_the_ink_of_the_digit_that_counts(decoys: str) -> None:
    options = {**CLEAN, "side": 64, "variants": 1, "decoys": decoys, "ink": 0.6}
    images, rows = load_source("search", **options), torch.arange(0, 1000, 7)
    assert images.masks is not None
    masks, pixels = images.masks(rows), images.batch(rows)[..., 0]
    assert bool((pixels[masks] >= round(255 * (0.35 + 0.3)) - 1).all())
    found = search.plan("train", rows, search.Layout(**options))
    at = (torch.arange(64) + 0.5) / 64
    weight = masks.float()
    middle = torch.stack(((weight.sum(2) * at).sum(1), (weight.sum(1) * at).sum(1)), 1) / weight.sum((1, 2))[:, None]
    assert (middle - found.places[:, 0]).abs().max() < 0.13, "half of a digit's frame"
