"""Every image and every map is looked at: what is wrong is counted, and the first of it named."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes.images import noise
from fakes.map_sets import maps, write_compact

from gazeworld.envs.files import DataError
from gazeworld.envs.image_datasets.check_images import NAMED, check_split, correlation
from gazeworld.envs.images import LazyImages


def lazy(bad: dict[int, Any], n: int = 30) -> LazyImages:
    """Images of which some cannot be read, or are something else."""
    made = noise(n)

    def read(image: int) -> np.ndarray:
        if isinstance(bad.get(image), str):
            raise DataError(f"{image}.jpg: cannot be decoded")
        return bad.get(image, made.pixels[image].numpy())

    own = ("pixels", "maps", "map_set")
    facts = {f.name: getattr(made, f.name) for f in dataclasses.fields(made) if f.name not in own}
    return LazyImages(read=read, size=24, **facts)


def test_all_is_well(tmp_path: Path) -> None:
    write_compact(tmp_path / "train", noise(7), maps(7, 24))
    looked: list[tuple[str, int, int]] = []
    found = check_split(noise(7), tmp_path, lambda *one: looked.append(one))
    assert (found.images, found.maps, found.faults.count, found.warnings) == (7, 7, 0, ())
    assert {one for one in looked if one[1] == one[2]} == {("images", 7, 7), ("checksums", 3, 3), ("maps", 7, 7)}
    assert found.correlation == pytest.approx(0, abs=0.1)
    assert check_split(noise(7)).correlation is None


def test_images_that_cannot_be_had_are_counted_and_the_first_named() -> None:
    found = check_split(lazy({i: "damaged" for i in range(5, 25)}))
    assert found.faults.count == 20
    assert found.faults.named == [f"{i}.jpg: cannot be decoded" for i in range(5, 5 + NAMED)]
    found = check_split(lazy({3: np.zeros((24, 23, 3), np.uint8), 4: np.full((24, 24, 3), 7, np.uint8)}))
    assert found.faults.named == ["image 3 is uint8 of shape (24, 23, 3), expected uint8 of (24, 24, 3)"]
    assert found.warnings == ("1 images are of one colour, the same at every pixel",)


def test_damaged_maps_are_counted(tmp_path: Path) -> None:
    write_compact(tmp_path / "train", noise(7), maps(7, 24))
    file = tmp_path / "train/maps_00001.npy"
    data = bytearray(file.read_bytes())
    row = 4 + 24 * 24
    data[-row:] = bytes(row)  # the last map of images 3, 4 and 5
    file.write_bytes(data)
    found = check_split(noise(7), tmp_path)
    assert found.faults.count == 2
    assert found.faults.named[0].startswith(f"{file}: checksum")
    assert "no stored map" in found.faults.named[1]
    file.unlink()
    (only,) = check_split(noise(7), tmp_path).faults.named
    assert only.startswith(f"{file}: not there")


def test_maps_that_came_with_the_images() -> None:
    found = maps(7, 24)
    found[2, 3, 3] = torch.nan
    found[4] *= 2
    seen = check_split(dataclasses.replace(noise(7), maps=found))
    assert seen.faults.named == ["noise0/train: the saliency map of image 2 holds NaN or infinite values; expected "
                                 "non-negative mass"]  # fmt: skip
    assert seen.warnings == ("1 saliency maps do not sum to 1; they are scaled when they are read",)


def test_maps_that_do_not_depend_on_the_image_are_suspicious() -> None:
    same = maps(1, 24).expand(7, -1, -1) + 1e-6 * torch.rand(7, 24, 24)
    seen = check_split(dataclasses.replace(noise(7), maps=same / same.sum((1, 2), keepdim=True)))
    assert seen.faults.count == 0
    assert "hardly depend on the image" in seen.warnings[0]


def test_correlation_by_hand() -> None:
    one = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert correlation(torch.stack((one, 2 * one + 1))) == pytest.approx(1)
    assert correlation(torch.stack((one, -one, one))) == pytest.approx((1 - 1 - 1) / 3)
    assert correlation(torch.stack((one, torch.ones(2, 2)))) == 0
