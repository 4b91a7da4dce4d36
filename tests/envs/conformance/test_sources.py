"""Sources that need no file conform, and the check says in one sentence what breaks the contract."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes.images import noise
from PIL import Image

from gazeworld.envs.conformance import ConformanceError, check_images, check_objects, check_source
from gazeworld.envs.images import Images, load_source
from gazeworld.envs.objects.gallery import ArrayGallery


@pytest.mark.parametrize(
    ("name", "options"),
    [("digits", {"variants": 1}), ("search", {"variants": 1}), ("solids", {"per_family": 2, "size": 16, "views": 3})],
)
@pytest.mark.parametrize("split", ["train", "test"])
def test_embedded_sources_conform(name: str, options: dict[str, Any], split: str) -> None:
    assert len(check_source(name, split=split, **options))


def test_a_folder_conforms(tmp_path: Path) -> None:
    pictures = noise(n=6, side=20).pixels.numpy()
    for i, picture in enumerate(pictures):
        (tmp_path / f"train/{'ab'[i % 2]}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(tmp_path / f"train/{'ab'[i % 2]}/{i}.png")
    assert len(check_source("folder", root=str(tmp_path), side=16)) == 6


numbers = itertools.count()


def restless(split: str = "train", root: str = "") -> Images:
    return dataclasses.replace(noise(), fingerprint=str(next(numbers)))


def lenient(split: str = "train", root: str = "", **options: Any) -> Images:
    return noise()


def anything(split: str = "train", root: str = "") -> Images:
    return dataclasses.replace(noise(), split=split)


def nothing(split: str = "train", root: str = "") -> None:
    return None


@pytest.mark.parametrize(
    ("load", "options", "said"),
    [
        (restless, {}, r"restless gave other data, or another fingerprint, when it was loaded again"),
        (lenient, {}, r"lenient takes an option that it does not have, \{'no_such_option': 1\}"),
        (anything, {}, r"anything takes a split that it does not have"),
        (nothing, {}, r"nothing gave None, expected Images, LazyImages or Objects"),
        (lenient, {"split": "test"}, r"gave the split 'train' where 'test' was asked for"),
    ],
)
def test_what_a_source_breaks_is_one_sentence(load: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConformanceError, match=said):
        check_source(load, **options)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pixels": noise().pixels.float()}, "pixels is of float32, expected uint8"),
        ({"pixels": noise().pixels // 255 * 0}, "all black; pixels are uint8 from 0 to 255"),
        ({"labels": torch.zeros(7)}, "labels is of float32, expected int64"),
        ({"classes": ("a", "a", "b")}, "expected different names"),
        ({"mean": (127.0,) * 3}, r"mean is .*, expected 3 numbers in \[0, 1\]: of pixels divided by 255"),
        ({"std": (0.0,) * 3}, "std is"),
        ({"fingerprint": ""}, "fingerprint is '', expected text"),
        ({"maps": torch.zeros(7, 24, 24)}, "one that is 0 everywhere"),
    ],
)
def test_what_images_break_is_one_sentence(changes: dict[str, Any], said: str) -> None:
    check_images(noise())
    images = noise()
    for name, value in changes.items():
        object.__setattr__(images, name, value)
    with pytest.raises(ConformanceError, match=said):
        check_images(images)


class Careless(ArrayGallery):
    """Takes numbers from the end."""

    def __call__(self, objects: Any, views: Any) -> Any:
        return super().__call__(objects.clamp(max=self.shape[0] - 1), views)


def test_what_objects_break_is_one_sentence() -> None:
    objects = load_source("solids", per_family=2, size=16, views=3)
    check_objects(objects)
    views = torch.zeros(objects.gallery.shape, dtype=torch.uint8)
    with pytest.raises(ConformanceError, match=r"the gallery gives a view for numbers \[10, 0\], expected an IndexErr"):
        check_objects(dataclasses.replace(objects, gallery=Careless(views.numpy())))
    with pytest.raises(ConformanceError, match=r"expected /CLASS/OBJECT/"):
        check_objects(dataclasses.replace(objects, names=("chair",) * 10))
    with pytest.raises(ConformanceError, match=r"expected gazeworld.envs.Objects"):
        check_objects(noise())
