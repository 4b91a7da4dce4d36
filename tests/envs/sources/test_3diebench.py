"""The source that reads 3DIEBench as it is unpacked."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes.object_datasets import CLASSES, colours, latent, write_tree
from PIL import Image

from gazeworld.envs import registry
from gazeworld.envs.files import DataError
from gazeworld.envs.images import load_source
from gazeworld.envs.objects.gallery import Objects, statistics

FIRST = "02691156/56object0"
load = registry.module("gazeworld.envs.sources", "3diebench").load


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    write_tree(tmp_path / "tree", index=True)
    return tmp_path / "tree"


def read(root: Path, split: str = "train", **options: object) -> Objects:
    return load(split, str(root), **{"size": 16, **options})


def test_it_is_in_the_registry() -> None:
    assert {"3diebench", "packed"} <= set(registry.names("gazeworld.envs.sources"))


@pytest.mark.parametrize("index", ["", "none"])
def test_every_view_stands_beside_its_latents_and_label(tree: Path, index: str) -> None:
    numbers = {name: i for i, name in enumerate(sorted(read(tree, "all").names))}
    for split in ("train", "test"):
        found = read(tree, split, index=index)
        assert found.gallery.shape == (len(found), 3, 16, 16, 3)
        for i, name in enumerate(found.names):
            assert found.classes[found.labels[i]] == name.split("/")[1]
            views = found.gallery(torch.full((3,), i), torch.arange(3)).int()
            for view in range(3):
                assert np.array_equal(found.latents[i, view], latent(numbers[name], view).astype(np.float32))
                left, right = torch.from_numpy(colours(numbers[name], view).astype(np.int32))
                assert (views[view, 8, 3] - left).abs().max() <= 3
                assert (views[view, 8, 12] - right).abs().max() <= 3


def test_a_tree_with_fifty_views_at_the_usual_size(tmp_path: Path) -> None:
    write_tree(tmp_path, {"02691156": 2, "03001627": 1}, 50, 256, index=False)
    found = load("all", str(tmp_path))
    assert found.gallery.shape == (3, 50, 128, 128, 3)
    assert found.latents.shape == (3, 50, 7)
    assert found.renderer == ""


def test_statistics_are_those_of_training(tree: Path) -> None:
    train, test = read(tree), read(tree, "test")
    measured = statistics(train.gallery)
    assert (train.mean, train.std) == (measured.mean, measured.std) == (test.mean, test.std)
    assert test.classes == train.classes == tuple(CLASSES)
    assert read(tree, "all").mean == train.mean


def test_fewer_views_may_be_used(tree: Path) -> None:
    every, two = read(tree), read(tree, views=2)
    assert two.gallery.shape[:2] == two.latents.shape[:2] == (len(every), 2)
    assert torch.equal(two.latents, every.latents[:, :2])
    with pytest.raises(ValueError, match=r"views=4, but the objects in .* have 3"):
        read(tree, views=4)


def test_fingerprints_tell_what_is_seen_apart(tree: Path) -> None:
    found = [read(tree), read(tree, "test"), read(tree, size=17), read(tree, views=2), read(tree, index="none")]
    assert len({objects.fingerprint for objects in found}) == 5
    assert read(tree).fingerprint == found[0].fingerprint


def test_what_is_wrong_is_found_at_load(tree: Path) -> None:
    np.save(tree / FIRST / "latent_1.npy", np.zeros(9))
    with pytest.raises(DataError, match=rf"{FIRST}/latent_1.npy: holds float64 of shape \(9,\), expected 7 numbers"):
        read(tree, "all")
    (tree / FIRST / "image_1.jpg").unlink()
    with pytest.raises(DataError, match=rf"{FIRST}/image_1.jpg: not there"):
        read(tree, "all")


def test_images_are_checked_when_asked_for_or_looked_at(tmp_path: Path) -> None:
    write_tree(tmp_path, {"a": 10}, 3, 16)
    name = read(tmp_path, "test").names[1]  # not one of those that are looked at for the statistics
    path = tmp_path / name[1:] / "image_2.jpg"
    path.write_bytes(path.read_bytes()[:-100])
    found = read(tmp_path, "test")
    found.gallery(torch.tensor([1, 0]), torch.tensor([1, 2]))
    with pytest.raises(DataError, match=rf"{name}image_2.jpg: cannot be decoded"):
        found.gallery(torch.tensor([1]), torch.tensor([2]))
    with pytest.raises(DataError, match=rf"{name}image_2.jpg: cannot be decoded"):
        read(tmp_path, "test", check=True)
    Image.new("RGB", (16, 12)).save(path)
    with pytest.raises(DataError, match=rf"{name}image_2.jpg: 16 x 12 pixels, expected a square image"):
        read(tmp_path, "test", check=True)


def test_checking_changes_nothing(tree: Path) -> None:
    checked, plain = read(tree, check=True), read(tree)
    for name in {field.name for field in fields(plain)} - {"gallery", "latents", "labels"}:
        assert getattr(checked, name) == getattr(plain, name), name
    assert torch.equal(checked.latents, plain.latents)
    assert torch.equal(checked.labels, plain.labels)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, r"size is 0"),
        ({"views": -1}, r"views is -1"),
        ({"split": "unlabeled"}, r"unknown split 'unlabeled'"),
        ({"colour": True}, r"colour"),
    ],
)
def test_impossible_options_are_named(tree: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_source("3diebench", root=str(tree), **options)  # type: ignore[arg-type]


def test_a_root_must_be_given_and_be_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no root given"):
        load()
    with pytest.raises(DataError, match=r"nowhere: no such folder"):
        read(tmp_path / "nowhere")
