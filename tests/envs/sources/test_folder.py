"""The user's own images: both kinds of tree, every fit, and damage that must be named."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gazeworld.envs import cache, saliency
from gazeworld.envs.files import DataError
from gazeworld.envs.images import Images, LazyImages, load_source
from gazeworld.envs.sources import folder

ENDINGS = ("jpg", "jpeg", "png", "bmp", "webp", "JPG", "gif", "tif")


def picture(path: Path, colour: tuple[int, int, int] = (200, 100, 50), size: tuple[int, int] = (20, 12)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def splits(root: Path) -> None:
    """A small tree with folders of splits: cat is 0 and reddish, dog is 1 and bluish."""
    for split, n in (("train", 3), ("val", 2)):
        for i in range(n):
            picture(root / split / "cat" / f"{i}.png", (200 + i, 0, 0))
            picture(root / split / "dog" / "deep" / f"{i}.png", (0, 0, 200 + i))


def flat(root: Path, n: int = 40) -> None:
    for i in range(n):
        picture(root / ("a" if i % 2 else "b") / f"{i}.bmp", (i, 0, 255 - i), (4, 4))


def test_a_tree_with_splits(tmp_path: Path) -> None:
    splits(tmp_path)
    train, test = (
        load_source("folder", "train", str(tmp_path), side=8),
        load_source("folder", "test", str(tmp_path), side=8),
    )
    assert train.pixels.shape == (6, 8, 8, 3)
    assert train.classes == test.classes == ("cat", "dog")
    assert train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert test.labels.tolist() == [0, 0, 1, 1]
    assert train.pixels[:, 4, 4, 0].tolist() == [200, 201, 202, 0, 0, 0]
    assert test.mean == train.mean
    assert torch.equal(load_source("folder", "val", str(tmp_path), side=8).pixels, test.pixels)


def test_labels_mean_the_same_where_a_split_lacks_a_class(tmp_path: Path) -> None:
    splits(tmp_path)
    for path in sorted((tmp_path / "val" / "cat").iterdir()):
        path.unlink()
    (tmp_path / "val" / "cat").rmdir()
    assert load_source("folder", "test", str(tmp_path), side=8).labels.tolist() == [1, 1]


def test_a_flat_tree_is_split_by_path_and_stays_so(tmp_path: Path) -> None:
    flat(tmp_path / "one", 200)
    train, test = (load_source("folder", split, str(tmp_path / "one"), side=4) for split in ("train", "test"))
    assert len(train) + len(test) == 200
    assert 20 < len(test) < 60
    seen = {tuple(image[0, 0].tolist()) for image in train.pixels}
    assert not any(tuple(image[0, 0].tolist()) in seen for image in test.pixels)
    flat(tmp_path / "two", 220)
    more = load_source("folder", "test", str(tmp_path / "two"), side=4)
    kept = {tuple(image[0, 0].tolist()) for image in more.pixels}
    assert all(tuple(image[0, 0].tolist()) in kept for image in test.pixels)


@pytest.mark.parametrize("ending", ENDINGS)
def test_formats_are_decoded(tmp_path: Path, ending: str) -> None:
    picture(tmp_path / "train" / "x" / f"i.{ending}")
    (tmp_path / "train" / "x" / "notes.txt").write_text("not an image")
    (tmp_path / "train" / "x" / ".hidden.png").write_text("not an image either")
    found = load_source("folder", "train", str(tmp_path), side=16)
    assert (found.pixels.int() - torch.tensor([200, 100, 50])).abs().max() < 12


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "LA", "CMYK"])
def test_all_eight_bit_modes_become_colour(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "train" / "x" / ("i.tif" if mode == "CMYK" else "i.png")
    path.parent.mkdir(parents=True)
    Image.new("RGB", (9, 9), (255, 255, 255)).convert(mode).save(path)
    assert (load_source("folder", "train", str(tmp_path), side=5).pixels == 255).all()


def test_crop_keeps_the_middle_and_resize_keeps_everything(tmp_path: Path) -> None:
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, :10, 0], wide[:, 10:20, 1], wide[:, 20:, 2] = 255, 255, 255
    (tmp_path / "train" / "x").mkdir(parents=True)
    Image.fromarray(wide).save(tmp_path / "train" / "x" / "i.png")
    cut = load_source("folder", "train", str(tmp_path), side=10, fit="crop").pixels[0]
    assert torch.equal(cut, torch.tensor([0, 255, 0], dtype=torch.uint8).expand(10, 10, 3))
    whole = load_source("folder", "train", str(tmp_path), side=30, fit="resize").pixels[0]
    assert (whole[15, 3, 0], whole[15, 15, 1], whole[15, 27, 2]) == (255, 255, 255)


def test_reducing_does_not_alias_and_exif_turns(tmp_path: Path) -> None:
    (tmp_path / "train" / "x").mkdir(parents=True)
    board = np.indices((64, 64)).sum(0) % 2 * 255
    Image.fromarray(board.astype(np.uint8)).save(tmp_path / "train" / "x" / "a.png")
    half = np.zeros((16, 16), np.uint8)
    half[:8] = 255  # bright above; orientation 6 turns it by 90 degrees clockwise: bright at the right
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(half).save(tmp_path / "train" / "x" / "b.jpg", exif=exif)
    found = load_source("folder", "train", str(tmp_path), side=8).pixels[..., 0].int()
    assert (found[0, 2:6, 2:6] - 127).abs().max() < 4
    assert found[1, 4, 7] > 240
    assert found[1, 4, 0] < 15


def test_images_are_decoded_once_until_one_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    splits(tmp_path)
    first = load_source("folder", "train", str(tmp_path), side=8)
    path = tmp_path / "train" / "cat" / "1.png"
    with monkeypatch.context() as patch:
        patch.setattr(folder, "_decoded", lambda *_: pytest.fail("decoded again"))
        assert load_source("folder", "train", str(tmp_path), side=8).fingerprint == first.fingerprint
    os.utime(path, ns=(1, 1))  # touched, not changed: decoded again, the same data
    assert load_source("folder", "train", str(tmp_path), side=8).fingerprint == first.fingerprint
    picture(path, (1, 2, 3))
    os.utime(path, ns=(2, 2))
    changed = load_source("folder", "train", str(tmp_path), side=8)
    assert changed.pixels[1, 0, 0].tolist() == [1, 2, 3]
    assert changed.fingerprint != first.fingerprint
    assert load_source("folder", "train", str(tmp_path), side=9).fingerprint != changed.fingerprint


@pytest.mark.parametrize("split", ["train", "test"])
def test_images_read_when_looked_at_are_the_same_in_the_same_order(
    tmp_path: Path, split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits(tmp_path)
    at_once, lazy = (load_source("folder", split, str(tmp_path), side=8, lazy=lazy) for lazy in ("never", "always"))
    index = torch.arange(len(at_once))
    assert isinstance(lazy, LazyImages)
    assert torch.equal(lazy.batch(index), at_once.pixels)  # of one colour each, and no JPEG
    assert torch.equal(lazy.labels, at_once.labels)
    assert lazy.classes == at_once.classes
    assert np.allclose(lazy.mean, at_once.mean)
    assert lazy.files is not None
    assert lazy.files.names[0] == f"{'train' if split == 'train' else 'val'}/cat/0.png"
    assert isinstance(load_source("folder", split, str(tmp_path), side=8), Images)
    monkeypatch.setattr(folder, "LARGE", 8 * 8 * 3 * 3)
    again = load_source("folder", split, str(tmp_path), side=8)
    assert again.fingerprint == lazy.fingerprint
    picture(tmp_path / "val/dog/new.png")
    assert (load_source("folder", split, str(tmp_path), side=8).fingerprint == lazy.fingerprint) == (split == "train")


def aged(root: Path) -> None:
    """Folders that were changed long before anybody looks at them."""
    for path in (root, *(path for path in root.rglob("*") if path.is_dir())):
        os.utime(path, ns=(10**18, 10**18))


def test_a_tree_that_was_looked_at_is_opened_without_asking_for_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flat(tmp_path)
    aged(tmp_path)
    first = [load_source("folder", split, str(tmp_path), side=4, lazy="always") for split in ("train", "test")]
    asked, stat = [], os.stat

    def told(path: str | Path, **options: Any) -> os.stat_result:
        asked.append(os.fspath(path))
        return stat(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", lambda *_: pytest.fail("looked into a folder"))
        patch.setattr(os, "stat", told)
        patch.setattr(folder, "LARGE", 1)
        again = [load_source("folder", split, str(tmp_path), side=4) for split in ("train", "test")]
    assert not [path for path in asked if str(path).endswith(".bmp")]
    for one, other in zip(first, again, strict=True):
        assert one.fingerprint == other.fingerprint
        assert list(one.files.names) == list(other.files.names)
        assert torch.equal(one.labels, other.labels)
        assert (one.classes, one.mean, one.std) == (other.classes, other.mean, other.std)
    assert first[0].fingerprint != first[1].fingerprint


@pytest.mark.parametrize("divided", [True, False])
def test_changes_of_a_tree_that_was_looked_at_are_seen(tmp_path: Path, divided: bool) -> None:
    (splits if divided else flat)(tmp_path)
    aged(tmp_path)
    place = tmp_path / ("train/dog/deep" if divided else "a")
    first = load_source("folder", "train", str(tmp_path), side=4, lazy="always")
    names = list(first.files.names)
    assert first.files.differences() == []
    for i in range(8):  # a fifth of them may go to the test split
        picture(place / f"new{i}.png")
    assert any("files were added or removed" in said for said in first.files.differences())
    more = load_source("folder", "train", str(tmp_path), side=4, lazy="always")
    assert set(more.files.names) > set(names)
    assert more.fingerprint != first.fingerprint
    for path in place.glob("new*"):
        path.unlink()
    aged(tmp_path)
    last = load_source("folder", "train", str(tmp_path), side=4, lazy="always")
    assert (list(last.files.names), last.fingerprint) == (names, first.fingerprint)
    (tmp_path / names[-1]).write_bytes(b"written over")  # changes no folder
    assert f"{tmp_path / names[-1]}: has 12 bytes" in "".join(last.files.differences())
    (tmp_path / ("train" if divided else "") / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: no image in it"):
        load_source("folder", "train", str(tmp_path), side=4, lazy="always")


def test_a_change_of_any_single_image_is_noticed(tmp_path: Path) -> None:
    flat(tmp_path, 200)
    first = load_source("folder", "train", str(tmp_path), side=4)
    maps = saliency.saliency_maps(first, "image-signature")
    assert first.files is not None
    path = tmp_path / first.files.names[1]
    size = path.stat().st_size
    half = np.zeros((4, 4, 3), np.uint8)
    half[:2] = 255
    Image.fromarray(half).save(path)
    assert path.stat().st_size == size
    os.utime(path, ns=(1, 1))
    changed = load_source("folder", "train", str(tmp_path), side=4)
    assert changed.pixels[1, 0, 0].tolist() == [255] * 3
    assert changed.fingerprint != first.fingerprint
    assert not torch.equal(saliency.saliency_maps(changed, "image-signature")[1], maps[1])


def test_the_same_tree_elsewhere_has_the_same_fingerprint(tmp_path: Path) -> None:
    splits(tmp_path / "here")
    splits(tmp_path / "there")
    here, there = (load_source("folder", root=str(tmp_path / name), side=8).fingerprint for name in ("here", "there"))
    assert here == there


@pytest.mark.parametrize("ending", ["jpg", "png", "bmp", "webp", "gif"])
@pytest.mark.parametrize("damage", ["cut", "empty", "text"])
def test_a_damaged_image_is_named_and_leaves_nothing_behind(tmp_path: Path, ending: str, damage: str) -> None:
    splits(tmp_path)
    path = tmp_path / "train" / "cat" / f"bad.{ending}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "text": b"certainly no image"}[damage])
    before = set(cache.folder().glob("*")) if cache.folder().exists() else set()
    with pytest.raises(DataError, match=rf"bad.{ending}: cannot be decoded .*, expected a whole image"):
        load_source("folder", "train", str(tmp_path), side=8)
    assert (set(cache.folder().glob("*")) if cache.folder().exists() else set()) == before


def test_all_damaged_images_are_counted_in_both_splits(tmp_path: Path) -> None:
    flat(tmp_path)
    names = [f"{'a' if i % 2 else 'b'}/{i}.bmp" for i in range(0, 40, 4)]
    for name in names:
        (tmp_path / name).write_bytes(b"BM, but no more")
    Image.fromarray(np.full((8, 8), 3000, np.uint16)).save(tmp_path / "a" / "deep.png")
    with pytest.raises(DataError, match=r": 11 of 41 images cannot be used: (([ab]/\w+\.\w+): .*; ){2}b/12.bmp: .* …$"):
        load_source("folder", "train", str(tmp_path))
    for name in names[1:]:
        (tmp_path / name).unlink()
    with pytest.raises(DataError, match=r": 2 of 32 images cannot be used: .*deep.png: .*8 bits") as raised:
        load_source("folder", "train", str(tmp_path))
    assert names[0] in str(raised.value)
    assert not str(raised.value).endswith("…")


def test_sixteen_bits_are_refused_rather_than_clipped(tmp_path: Path) -> None:
    (tmp_path / "train" / "x").mkdir(parents=True)
    Image.fromarray(np.full((8, 8), 3000, np.uint16)).save(tmp_path / "train" / "x" / "deep.png")
    with pytest.raises(DataError, match=r"deep.png: .*I;16.*8 bits"):
        load_source("folder", "train", str(tmp_path))


def test_what_is_wrong_with_a_tree_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such folder"):
        load_source("folder", root=str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=rf"{tmp_path.name}: no image found, expected files ending in .jpg, "):
        load_source("folder", root=str(tmp_path))
    splits(tmp_path)
    with pytest.raises(ValueError, match=r"no split 'unlabeled' .* there are: train, val"):
        load_source("folder", "unlabeled", str(tmp_path))
    picture(tmp_path / "val" / "cow" / "0.png")
    with pytest.raises(DataError, match=r"cow: no such class .* expected one of: cat, dog"):
        load_source("folder", "test", str(tmp_path))
    (tmp_path / "train" / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: no image in it"):
        load_source("folder", "train", str(tmp_path))
    (tmp_path / "train" / "empty").rmdir()
    picture(tmp_path / "train" / "loose.png")
    with pytest.raises(DataError, match=r"loose.png: an image outside the folders of the classes \(cat, dog\)"):
        load_source("folder", "train", str(tmp_path))


def test_images_in_one_folder_have_no_labels(tmp_path: Path) -> None:
    for i in range(40):
        picture(tmp_path / f"{i}.png", (i, 0, 0), (6 + i, 30 - i // 2))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "about.txt").write_text("no image")
    train, test = (load_source("folder", split, str(tmp_path), side=24) for split in ("train", "test"))
    assert train.classes == test.classes == ()
    assert set(train.labels.tolist()) == set(test.labels.tolist()) == {-1}
    assert sorted([*train.pixels[:, 0, 0, 0].tolist(), *test.pixels[:, 0, 0, 0].tolist()]) == list(range(40))
    assert len(test) > 2
    picture(tmp_path / "notes" / "drawn.png")
    with pytest.raises(DataError, match=r"0.png: an image outside the folders of the classes \(notes\), expected none"):
        load_source("folder", "train", str(tmp_path))


def test_too_few_images_for_two_splits_are_told(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    with pytest.raises(
        DataError, match=r"so few images that none is in the split 't\w+' .* expected more, or a folder"
    ):
        [load_source("folder", split, str(tmp_path)) for split in ("train", "test")]


def test_a_flat_tree_has_two_splits(tmp_path: Path) -> None:
    flat(tmp_path)
    with pytest.raises(ValueError, match=r"no split 'val\w*' .* test, train"):
        load_source("folder", "val", str(tmp_path))


@pytest.mark.parametrize("options", [{"root": ""}, {"side": 0}, {"fit": "squash"}, {"colour": True}])
def test_impossible_options_are_named(tmp_path: Path, options: dict[str, object]) -> None:
    splits(tmp_path)
    with pytest.raises(ValueError, match=next(iter(options))):
        load_source("folder", **{"root": str(tmp_path), **options})


def test_points_of_files_are_found_in_the_images(tmp_path: Path) -> None:
    """One bright pixel each: where it is said to lie, the image is bright."""
    where = (25, 9)  # x and y in a picture of 40 x 24
    dark = np.zeros((24, 40, 3), np.uint8)
    dark[where[1] - 1 : where[1] + 2, where[0] - 1 : where[0] + 2] = 255
    for name, turned in (("plain", 1), ("turned", 6)):
        file = tmp_path / "train" / "c" / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        exif[0x0112] = turned
        stored = dark if turned == 1 else np.rot90(dark).copy()  # EXIF 6: to be turned clockwise to be seen
        Image.fromarray(stored).save(file, exif=exif)
    for fit in ("crop", "resize"):
        images = load_source("folder", "train", str(tmp_path), side=24, fit=fit)
        assert images.files is not None
        assert list(images.files.names) == ["train/c/plain.png", "train/c/turned.png"]
        for i in range(2):
            assert images.files.size(i) == (40, 24)
            ((row, column),) = images.files.places(i, np.array([where], np.float64) + 0.5)
            brightest = images.pixels[i, ..., 0].flatten().argmax()
            assert abs(row * 24 - 0.5 - int(brightest) // 24) <= 1
            assert abs(column * 24 - 0.5 - int(brightest) % 24) <= 1
