"""Trees of images as they are found on disks: split names of all kinds, links, hidden folders, odd names."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from gazeworld.envs.files import DataError
from gazeworld.envs.images import Images, load_source

COLOURS = {"cat": (255, 0, 0), "dog": (0, 255, 0)}


def tree(root: Path, n: int = 12) -> Path:
    """Two classes, red cats and green dogs; the blue of an image is its number."""
    for name, (red, green, _) in COLOURS.items():
        (root / name).mkdir(parents=True)
        for i in range(n):
            Image.new("RGB", (8, 8 + i), (red, green, i)).save(root / name / f"{i}.png")
    return root


def both(root: Path) -> list[Images]:
    return [load_source("folder", split, str(root), side=8) for split in ("train", "test")]


def check(root: Path, n: int = 24) -> None:
    """All images are there once, with the label of their colour."""
    parts = both(root)
    assert sum(map(len, parts)) == n
    seen = [tuple(pixels[4, 4].tolist()) for part in parts for pixels in part.pixels]
    assert len(set(seen)) == n
    for part in parts:
        assert part.classes == ("cat", "dog")
        assert torch.equal(part.pixels[:, 4, 4, 0] > 128, part.labels == 0)


NAMES = [
    ("train", "test"), ("Training", "Testing"), ("TRAIN", "VAL"), ("training", "validation"), ("Train", "valid"),
    ("train_set", "test_set"), ("trainset", "testset"), ("Train Data", "Validation-Data"), ("train_images", "TESTING"),
]  # fmt: skip


@pytest.mark.parametrize("names", NAMES)
def test_folders_of_splits_are_known_in_any_case(tmp_path: Path, names: tuple[str, str]) -> None:
    tree(tmp_path / names[0], 6)
    tree(tmp_path / names[1], 4)
    train, test = both(tmp_path)
    assert (len(train), len(test)) == (12, 8)
    assert train.classes == test.classes == ("cat", "dog")
    assert len(load_source("folder", names[1], str(tmp_path), side=8)) == 8


def test_test_goes_before_validation(tmp_path: Path) -> None:
    for n, name in enumerate(("Train", "Test", "Val"), 2):
        tree(tmp_path / name, n)
    assert [len(load_source("folder", split, str(tmp_path), side=8)) for split in ("train", "test", "val")] == [4, 6, 8]
    assert len(load_source("folder", "validation", str(tmp_path), side=8)) == 8
    tree(tmp_path / "training", 2)
    with pytest.raises(DataError, match=r"Train and training are both for split 'train', expected one folder"):
        both(tmp_path)


@pytest.mark.parametrize("names", [("seg_train", "seg_pred"), ("a", "b", "c"), ("learn", "exam")])
def test_folders_that_look_like_splits_are_no_classes(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        tree(tmp_path / name, 2)
    with pytest.raises(DataError, match=r"all hold the same folders \(cat, dog …\), so they look like splits"):
        load_source("folder", "train", str(tmp_path))
    (tmp_path / "all").mkdir()
    for name in names:
        (tmp_path / name).rename(tmp_path / "all" / name)
    (tmp_path / "all").rename(tmp_path / "train")
    assert load_source("folder", "train", str(tmp_path), side=8).classes == tuple(sorted(names)), "said to be classes"


def test_splits_without_classes_are_refused(tmp_path: Path) -> None:
    for name in ("Train", "Test"):
        shutil.move(tree(tmp_path / "from" / name, 2) / "cat", tmp_path / name)
    shutil.rmtree(tmp_path / "from")
    with pytest.raises(DataError, match=r"the folders of the splits Test, Train hold no folders, expected one for"):
        load_source("folder", "train", str(tmp_path))


def test_classes_may_hold_a_folder_of_the_same_name(tmp_path: Path) -> None:
    for name in COLOURS:
        shutil.move(tree(tmp_path / "from" / name) / name, tmp_path / name / "images")
    shutil.rmtree(tmp_path / "from")
    check(tmp_path)


@pytest.mark.parametrize("name", [".ipynb_checkpoints", ".thumbnails", "@eaDir", "__MACOSX"])
def test_hidden_folders_hold_no_images(tmp_path: Path, name: str) -> None:
    tree(tmp_path)
    for folder in (tmp_path / name, tmp_path / "cat" / name):
        folder.mkdir()
        shutil.copy(tmp_path / "cat" / "0.png", folder / "0.png")
    check(tmp_path)


@pytest.mark.parametrize("link", ["cat/up -> ..", "cat/me -> .", "me -> .", "up -> ..", "cat/other -> ../dog"])
def test_links_that_lead_back_add_nothing(tmp_path: Path, link: str) -> None:
    root = tree(tmp_path / "set")
    place, target = link.split(" -> ")
    (root / place).symlink_to(target)
    check(root)


def test_links_to_images_elsewhere_are_followed(tmp_path: Path) -> None:
    store = tree(tmp_path / "store")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "cat").symlink_to(store / "cat")
    (tmp_path / "set" / "dog").mkdir()
    for path in (store / "dog").iterdir():
        (tmp_path / "set" / "dog" / path.name).symlink_to(path)
    check(tmp_path / "set")


def test_an_image_that_is_linked_again_is_in_the_same_split(tmp_path: Path) -> None:
    tree(tmp_path)
    for i in range(12):
        (tmp_path / "cat" / f"again{i}.png").symlink_to(f"{i}.png")
    train, test = both(tmp_path)
    assert len(train) + len(test) == 36
    seen = {tuple(pixels[4, 4].tolist()) for pixels in train.pixels}
    assert not any(tuple(pixels[4, 4].tolist()) in seen for pixels in test.pixels)


@pytest.mark.parametrize("link", ["kitten -> cat", "dog/x.png -> ../cat/0.png"])
def test_no_image_has_two_labels(tmp_path: Path, link: str) -> None:
    tree(tmp_path)
    place, target = link.split(" -> ")
    (tmp_path / place).symlink_to(target)
    with pytest.raises(DataError, match=rf"{place}: (is|leads to) the same (folder|file)"):
        load_source("folder", "train", str(tmp_path))


@pytest.mark.parametrize(
    "link", ["test -> train", "test/dog -> ../train/dog", "test/dog/0.png -> ../../train/dog/0.png"]
)
def test_no_image_is_in_two_splits(tmp_path: Path, link: str) -> None:
    place, target = link.split(" -> ")
    tree(tmp_path / "train")
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    if place != "test":
        (tmp_path / "test" / "cat").mkdir()
        Image.new("RGB", (9, 9)).save(tmp_path / "test" / "cat" / "0.png")
    (tmp_path / place).symlink_to(target)
    with pytest.raises(DataError, match=rf"{place}: (is|leads to) the same (folder|file)"):
        load_source("folder", "test", str(tmp_path))


def test_a_pipe_among_the_images_is_named(tmp_path: Path) -> None:
    tree(tmp_path)
    os.mkfifo(tmp_path / "cat" / "x.jpg")
    with pytest.raises(DataError, match=r"cat/x.jpg: is a named pipe, expected an image in a regular file"):
        load_source("folder", "train", str(tmp_path))


@pytest.mark.parametrize("split", [True, False])
def test_names_that_are_not_utf8_are_read(tmp_path: Path, split: bool) -> None:
    roots = [tree(tmp_path / "train"), tree(tmp_path / "test")] if split else [tree(tmp_path)]
    for root in roots:
        (root / "cat").rename(os.fsdecode(os.fsencode(root) + b"/caf\xe9"))
    train, test = both(tmp_path)
    assert len(train) + len(test) == 24 * len(roots)
    assert train.classes == (r"caf\xe9", "dog")
    Path(os.fsdecode(os.fsencode(roots[0]) + b"/caf\xe9/0.png")).write_bytes(b"no image")
    with pytest.raises(DataError, match=r"caf\\xe9/0.png: cannot be decoded"):
        both(tmp_path)
