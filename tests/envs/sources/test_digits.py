"""The embedded source: real digits, split by digit image, drawn the same way every time."""

import sys

import pytest
import torch

from gazeworld.envs import images
from gazeworld.envs.images import load_source
from gazeworld.envs.sources import digits
from gazeworld.envs.sources._digit_scenes import digits_of

SMALL = {"side": 24, "variants": 2}


def test_both_splits_are_balanced_and_share_no_digit() -> None:
    train, test = digits_of("train"), digits_of("test")
    assert len(train.labels) + len(test.labels) == 1797
    assert not set(train.number.tolist()) & set(test.number.tolist())
    share = torch.bincount(test.labels) / (torch.bincount(train.labels) + torch.bincount(test.labels))
    assert (share - 0.2).abs().max() < 0.005
    pictures = {tuple(ink.flatten().tolist()) for ink in train.ink}
    assert not any(tuple(ink.flatten().tolist()) in pictures for ink in test.ink)  # no duplicate across the splits


def test_scenes_have_the_layout_that_was_asked_for() -> None:
    found = load_source("digits", "test", **SMALL)
    assert found.pixels.shape == (2 * len(digits_of("test").labels), 24, 24, 1)
    assert found.pixels.dtype == torch.uint8
    assert found.classes == tuple("0123456789")
    train = load_source("digits", "train", **SMALL)
    assert found.mean == train.mean == images.statistics(train.pixels)[0]


def test_a_seed_and_every_option_give_other_scenes_and_another_fingerprint() -> None:
    cluttered = {**SMALL, "clutter": 2}
    base = load_source("digits", "test", **cluttered)
    again = digits._draw("test", torch.arange(7, 11), digits.Layout(**cluttered))
    assert torch.equal(again, base.pixels[7:11, :, :, 0])
    others: list[dict[str, float | str]] = [
        {"seed": 1}, {"smallest": 0.3}, {"largest": 0.8}, {"faintest": 0.3}, {"boldest": 0.7}, {"place": "uniform"},
        {"jitter": 0.5}, {"tilt": 0.0}, {"background": 0.2}, {"level": 0.1}, {"noise": 0.1}, {"clutter": 1},
        {"scrap": 0.3}, {"scrap_ink": 0.1},
    ]  # fmt: skip
    for other in others:
        layout = digits.Layout(**{**cluttered, **other})
        drawn = digits._draw("test", torch.arange(7, 11), layout)
        assert not torch.equal(drawn, again), other
        assert digits.DRAWING.facts("test", layout) != digits.DRAWING.facts("test", digits.Layout(**cluttered)), other


def test_variants_do_not_depend_on_how_many_there_are() -> None:
    two, one = load_source("digits", "test", **SMALL), load_source("digits", "test", **{**SMALL, "variants": 1})
    assert torch.equal(two.pixels[: len(one)], one.pixels)
    assert torch.equal(two.labels[: len(one)], two.labels[len(one) :])
    assert not torch.equal(two.pixels[: len(one)], two.pixels[len(one) :])
    assert one.fingerprint != two.fingerprint


def test_a_clean_centred_scene_is_the_digit_enlarged() -> None:
    clean = {"jitter": 0.0, "tilt": 0.0, "background": 0.0, "noise": 0.0, "clutter": 0, "smallest": 0.5, "largest": 0.5}
    layout = digits.Layout(side=64, **clean)
    known = digits_of("train")
    scenes = digits._draw("train", torch.arange(20), layout).float() / 255
    drawn = (scenes - 0.35)[:, 16:48, 16:48].unfold(1, 4, 4).unfold(2, 4, 4).mean((3, 4)) / 0.6  # 20 8 8
    correlation = torch.corrcoef(torch.stack([drawn.flatten(), known.ink[:20].flatten()]))[0, 1]
    assert correlation > 0.97
    frame = scenes.clone()
    frame[:, 12:52, 12:52] = 0.35
    assert (frame - 0.35).abs().max() < 1 / 255  # nothing outside the digit


def test_jitter_moves_digits_over_the_free_room_and_borders_do_it_more() -> None:
    clean = {"tilt": 0.0, "background": 0.0, "noise": 0.0, "clutter": 0, "smallest": 0.5, "largest": 0.5, "side": 32}
    spreads = []
    for place in ("uniform", "borders"):
        ink = digits._draw("train", torch.arange(400), digits.Layout(place=place, **clean)).float() - 0.35 * 255
        rows = (ink.clamp_min(0).sum(2) * torch.arange(32)).sum(1) / ink.clamp_min(0).sum((1, 2))
        spreads.append(rows.std().item() / 16)  # in units of the free room
    uniform, borders = spreads
    assert uniform == pytest.approx(12**-0.5, abs=0.04)
    assert borders == pytest.approx(8**-0.5, abs=0.04)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"split": "unlabeled"}, "unlabeled"),
        ({"root": "/data"}, "/data"),
        ({"side": 4}, "side is 4"),
        ({"smallest": 0.9}, "smallest=0.9"),
        ({"largest": 1.5}, "largest is 1.5"),
        ({"jitter": -0.1}, "jitter is -0.1"),
        ({"tilt": 4.0}, "tilt is 4.0"),
        ({"faintest": 0.9}, "faintest=0.9"),
        ({"noise": float("nan")}, "noise is nan"),
        ({"clutter": -1}, "clutter is -1"),
        ({"variants": 0}, "variants is 0"),
        ({"place": "corner"}, "corner"),
        ({"scrap": 0.0}, "scrap is 0.0"),
        ({"sied": 3}, "sied"),
    ],
)
def test_impossible_options_are_named(options: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        load_source("digits", **options)


def test_masks_are_where_the_ink_is() -> None:
    images, rows = load_source("digits", side=48, variants=2, background=0.0, noise=0.0), torch.arange(0, 2800, 31)
    assert images.masks is not None
    pixels, masks = images.batch(rows)[..., 0], images.masks(rows)
    half = round(255 * (0.35 + 0.6 / 2))  # the ground is 0.35, ink 0.6 brighter
    assert bool(masks[pixels > half].all())
    assert bool((pixels[masks] >= half).all())


def test_the_library_is_imported_once_for_all_times(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for _ in range(2):
        digits_of.cache_clear()
        found.append(digits_of("test").content)
        monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert found[0] == found[1]
