"""Tiny ImageNet, in a small tree of the published layout: what is read, and what is said of damaged files."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from fakes.archives import WORDS, tiny_colour, write_tiny_imagenet
from PIL import Image

from gazeworld.envs.files import DataError
from gazeworld.envs.images import load_source
from gazeworld.envs.rng import Draws
from gazeworld.envs.sources import tiny_imagenet
from gazeworld.envs.worlds.augmentation import AugmentationWorld

CAT, FISH, REEL = WORDS


def test_both_splits_are_read_with_their_classes(tmp_path: Path) -> None:
    tree = write_tiny_imagenet(tmp_path)
    train, test = load_source("tiny-imagenet", "train", str(tmp_path)), load_source("tiny-imagenet", "test", str(tree))
    assert train.pixels.shape == (9, 64, 64, 3)
    assert train.classes == ("Egyptian cat", "goldfish, Carassius auratus", "reel")
    assert train.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert test.labels.tolist() == [0, 0, 1, 1, 2, 2]  # in the order of the annotations
    for found, numbers in ((train, [0, 1, 2]), (test, [0, 1])):
        for i, (label, number) in enumerate((label, number) for label in range(3) for number in numbers):
            colour = torch.tensor(tiny_colour(label, number))
            if found is train and number == 1:  # a grey file
                luma = round(float((colour * torch.tensor([0.299, 0.587, 0.114])).sum()))
                colour = torch.full((3,), luma)
            assert (found.pixels[i].int() - colour).abs().max() <= 4, (label, number)
    assert test.split == "test"
    assert load_source("tiny-imagenet", "val", str(tmp_path)).fingerprint == test.fingerprint


def test_labels_follow_the_annotations_and_not_the_names(tmp_path: Path) -> None:
    tree = write_tiny_imagenet(tmp_path)
    path = tree / "val" / "val_annotations.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(reversed(lines)) + "\n")
    test = load_source("tiny-imagenet", "test", str(tmp_path))
    assert test.labels.tolist() == [2, 2, 1, 1, 0, 0]
    assert abs(int(test.pixels[0, 32, 32, 0]) - tiny_colour(2, 1)[0]) <= 4


def test_statistics(tmp_path: Path) -> None:
    write_tiny_imagenet(tmp_path)
    paper, released = (load_source("tiny-imagenet", "test", str(tmp_path), statistics=s) for s in ("paper", "released"))
    assert paper.mean == (0.4914, 0.4822, 0.4465)
    assert paper.std == (0.247, 0.243, 0.261)
    assert released.mean == (0.4802, 0.4481, 0.3975)


def test_images_are_decoded_once_until_one_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = write_tiny_imagenet(tmp_path)
    first = load_source("tiny-imagenet", "train", str(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(tiny_imagenet, "_decoded", lambda *_: pytest.fail("decoded again"))
        again = load_source("tiny-imagenet", "train", str(tmp_path))
    assert torch.equal(again.pixels, first.pixels)
    assert again.fingerprint == first.fingerprint
    Image.new("RGB", (64, 64), (0, 0, 0)).save(tree / "train" / FISH / "images" / f"{FISH}_0.JPEG", "JPEG")
    changed = load_source("tiny-imagenet", "train", str(tmp_path))
    assert (changed.pixels[3] == 0).all()
    assert changed.fingerprint != first.fingerprint


def test_a_change_of_any_single_image_is_noticed(tmp_path: Path) -> None:
    tree = write_tiny_imagenet(tmp_path, train=50)
    first = load_source("tiny-imagenet", "train", str(tmp_path))
    path = (
        tree / "train" / CAT / "images" / tiny_imagenet._training(tree, dict.fromkeys(WORDS, 0))[1].path.split("/")[-1]
    )
    size = path.stat().st_size
    Image.new("L", (64, 64), 255).save(path, "JPEG")
    path.write_bytes(path.read_bytes().ljust(size, b"\0"))
    assert path.stat().st_size == size
    os.utime(path, ns=(1, 1))
    changed = load_source("tiny-imagenet", "train", str(tmp_path))
    assert (changed.pixels[1] == 255).all()
    assert changed.fingerprint != first.fingerprint


def test_hidden_files_are_no_images(tmp_path: Path) -> None:
    tree = write_tiny_imagenet(tmp_path)
    (tree / "train" / CAT / "images" / ".DS_Store").write_bytes(b"x")
    (tree / "train" / ".thumbs").mkdir()
    assert len(load_source("tiny-imagenet", "train", str(tmp_path))) == 9


def test_the_augmentation_world_looks_at_it(tmp_path: Path) -> None:
    write_tiny_imagenet(tmp_path)
    world = AugmentationWorld("tiny-imagenet", "train", str(tmp_path), action="blur")
    assert world.view_shape == (3, 64, 64)
    scene = world.sample(5, Draws.rows(0, 5))
    assert world.look(scene, scene.pose).shape == (5, 3, 64, 64)
    middle = torch.tensor(world.middle).expand(5, 13)
    assert torch.equal(world.look(scene, middle), world.images.pixels[scene.index].permute(0, 3, 1, 2))


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def docked(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def written(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(text) and None


def without(word: str) -> Callable[[Path], None]:
    """Takes the lines out in which a word stands."""

    def change(path: Path) -> None:
        path.write_text("".join(line for line in path.read_text().splitlines(True) if word not in line))

    return change


def more(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(path.read_text() + text) and None


def smaller(path: Path) -> None:
    Image.new("RGB", (64, 32)).save(path, "JPEG")


def emptied(path: Path) -> None:
    for file in path.iterdir():
        file.unlink()


IMAGE = f"train/{CAT}/images/{CAT}_2.JPEG"
NOTES = "val/val_annotations.txt"
CASES: list[tuple[str, str, Callable[[Path], None], str]] = [
    ("train", IMAGE, halved, rf"{CAT}_2.JPEG: cannot be decoded \(.+\), expected a whole image"),
    ("train", IMAGE, docked, rf"{CAT}_2.JPEG: cannot be decoded \(.*truncated.*\), expected a whole image"),
    ("train", IMAGE, written("no picture"), f"{CAT}_2.JPEG: cannot be decoded"),
    ("train", IMAGE, smaller, f"{CAT}_2.JPEG: 64 x 32 pixels, expected 64 x 64"),
    ("test", "val/images/val_0.JPEG", halved, "val_0.JPEG: cannot be decoded"),
    ("train", "wnids.txt", Path.unlink, "no Tiny ImageNet found in .*tiny-imagenet-200/wnids.txt.*http"),
    ("train", "wnids.txt", written("\n"), "wnids.txt: 0 lines with 0 different classes"),
    ("train", "wnids.txt", more(f"{CAT}\n"), "wnids.txt: 4 lines with 3 different classes, expected each class once"),
    ("train", "wnids.txt", more("n00000001\n"), "words.txt: no line for class n00000001 of wnids.txt"),
    ("train", "wnids.txt", without(REEL), f"train/{REEL}: a class that is not in .*wnids.txt"),
    ("train", "words.txt", Path.unlink, "words.txt: not there, expected lines of a WordNet number, a tab and words"),
    ("train", "words.txt", without(FISH), f"words.txt: no line for class {FISH}"),
    ("train", f"train/{FISH}", shutil.rmtree, f"train/{FISH}/images: not there, expected a folder of JPEG files"),
    ("train", "train", shutil.rmtree, f"train/{CAT}/images: not there"),
    ("train", f"train/{FISH}/images", emptied, f"train/{FISH}/images: no image in it"),
    ("train", f"train/{FISH}/images/x.png", written("x"), "x.png: expected nothing but JPEG files"),
    ("test", NOTES, Path.unlink, "val_annotations.txt: not there, expected lines of an image, a tab and its class"),
    ("test", NOTES, without("val_4.JPEG"), "val_4.JPEG: no annotation, expected a line of .*val_annotations.txt"),
    ("test", NOTES, more(f"val_0.JPEG\t{CAT}\n"), "line 7 has val_0.JPEG again, expected each image once"),
    (
        "test",
        NOTES,
        more("val_0.JPEG\tn00000001\t1\n"),
        "line 7 gives val_0.JPEG the class 'n00000001', expected one of",
    ),
    ("test", NOTES, more("val_0.JPEG\n"), "line 7 gives val_0.JPEG the class ''"),
    (
        "test",
        NOTES,
        more(f"val_99.JPEG\t{CAT}\n"),
        "val_99.JPEG: not there, but line 7 of .*val_annotations.txt has it",
    ),
    ("test", "val/images", shutil.rmtree, "val/images: not there, expected a folder"),
]


@pytest.mark.parametrize(("split", "name", "damage", "says"), CASES)
def test_damaged_trees_are_named(
    tmp_path: Path, split: str, name: str, damage: Callable[[Path], None], says: str
) -> None:
    tree = write_tiny_imagenet(tmp_path)
    damage(tree / name)
    with pytest.raises(DataError, match=says):
        load_source("tiny-imagenet", split, str(tmp_path))


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no Tiny ImageNet found in .*nowhere"):
        load_source("tiny-imagenet", root=str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=r"unknown split 'all'; there are: train, test, val"):
        load_source("tiny-imagenet", "all", str(tmp_path))
    with pytest.raises(ValueError, match=r"statistics is 'mine', expected 'paper' or 'released'"):
        load_source("tiny-imagenet", "train", str(tmp_path), statistics="mine")
