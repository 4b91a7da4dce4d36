"""Packing images of any source: read back as they were, killed and gone on with to the same bytes; and bad stores."""

import dataclasses
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes.images import images, noise

from gazeworld.envs import load_source
from gazeworld.envs.files import DataError
from gazeworld.envs.image_datasets import pack_images as packing
from gazeworld.envs.image_datasets.pack_images import PackJob, pack_images
from gazeworld.envs.image_datasets.packed_images import verify_packed
from gazeworld.envs.images import Images, LazyImages, StillImages

ALL = torch.arange(20)


class Stop(Exception):
    pass


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three images a batch, eight a file."""
    monkeypatch.setattr(packing, "_BATCH", 3)
    monkeypatch.setattr(packing, "_JPEGS", 8)
    monkeypatch.setattr(packing, "_RAW", 8 * 16 * 16 * 3)


def smooth(n: int = 20, side: int = 16, channels: int = 3) -> Images:
    """Pictures that JPEG can hold."""
    row = torch.linspace(0, 200, side)[:, None, None] + torch.arange(n)[:, None, None, None]
    pixels = (row + torch.linspace(0, 30, side)[:, None]).expand(n, side, side, channels)
    return images(pixels.to(torch.uint8).contiguous())


def splits(**options: Any) -> list[StillImages]:
    return [smooth(**options), dataclasses.replace(smooth(5, **options), split="test", fingerprint="other")]


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_raw_images_come_back_bit_by_bit(tmp_path: Path) -> None:
    made = noise(20, 16)
    pack_images(PackJob([made], tmp_path, "raw"))
    assert {path.name for path in tmp_path.iterdir()} == {
        "images.json", "train_labels.npy", *(f"train_{i:05d}.npy" for i in range(3))
    }  # fmt: skip
    found: Any = load_source("packed", "train", tmp_path)
    assert isinstance(found, LazyImages)
    assert torch.equal(found.batch(ALL.flip(0)), made.pixels.flip(0))
    assert torch.equal(found.labels, made.labels)
    assert (found.classes, found.mean, found.std) == (made.classes, made.mean, made.std)


def test_raw_images_in_one_file_are_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "_RAW", 2**20)
    pack_images(PackJob([noise(20, 16)], tmp_path, "raw"))
    found: Any = load_source("packed", "train", tmp_path)
    assert isinstance(found, Images)
    assert torch.equal(found.pixels, noise(20, 16).pixels)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpegs_come_back_nearly_as_they_were(tmp_path: Path, channels: int) -> None:
    pack_images(PackJob(splits(channels=channels), tmp_path))
    for made, name in zip(splits(channels=channels), ("train", "test"), strict=True):
        found: Any = load_source("packed", name, tmp_path)
        assert isinstance(found, LazyImages)
        seen = found.batch(torch.arange(len(made)))
        assert (seen.float() - made.batch(torch.arange(len(made))).float()).abs().mean() < 2
        again = pickle.loads(pickle.dumps(found))
        assert torch.equal(again.batch(torch.tensor([3])), seen[[3]])
    assert load_source("packed", "val", tmp_path).split == "val"
    assert verify_packed(tmp_path) == []


@pytest.mark.parametrize("form", ["jpeg", "raw"])
def test_interruptions_change_no_byte(tmp_path: Path, form: Any) -> None:
    pack_images(PackJob(splits(), tmp_path / "whole", form))
    seen, tries, out = 0, 0, tmp_path / "out"

    def stop(done: int, total: int) -> None:
        nonlocal seen
        assert total == 25
        if done > seen:
            seen = done
            raise Stop

    while True:
        tries += 1
        try:
            pack_images(PackJob(splits(), out, form), stop)
            break
        except Stop:
            assert not (out / "images.json").exists()
            with pytest.raises(DataError, match="not there"):
                load_source("packed", "train", out)
    assert tries >= 9
    assert listing(out) == listing(tmp_path / "whole")
    prints = [load_source("packed", "train", place).fingerprint for place in (out, tmp_path / "whole")]
    assert prints[0] == prints[1]
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    pack_images(PackJob(splits(), out, form))
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before


def test_other_images_are_not_mixed_in(tmp_path: Path) -> None:
    pack_images(PackJob(splits(), tmp_path))
    others = [PackJob(splits(), tmp_path, "raw"), PackJob(splits(), tmp_path, quality=80)]
    for other in [*others, PackJob(splits()[:1], tmp_path)]:
        with pytest.raises(DataError, match="other images or in another form"):
            pack_images(other)
    (tmp_path / "busy").mkdir()
    (tmp_path / "busy/mine.txt").touch()
    with pytest.raises(DataError, match=r"holds mine\.txt and is no store"):
        pack_images(PackJob(splits(), tmp_path / "busy"))


def test_what_cannot_be_packed_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="other sides, channels or classes"):
        PackJob([smooth(), noise(5, 24)], tmp_path)
    with pytest.raises(DataError, match="no fingerprint"):
        PackJob([dataclasses.replace(smooth(), fingerprint="")], tmp_path)
    with pytest.raises(ValueError, match="stands there twice"):
        PackJob([smooth(), smooth()], tmp_path)


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("", (), {"free": 10})())
    with pytest.raises(OSError, match=r"the disk is full .*kept: make room and pack again"):
        pack_images(PackJob(splits(), tmp_path, "raw"))


CHANGES = {
    "another format": ({"format": 7}, "format 7, expected 1"),
    "no side": ({"side": None}, "'side' is null"),
    "a side of nothing": ({"side": 0}, "do not belong together"),
    "another form": ({"form": "png"}, "form 'png', expected 'jpeg' or 'raw'"),
    "splits of nothing": ({"splits": {"train": {}}}, "its splits are not"),
    "no splits": ({"splits": {}}, "do not belong together"),
}


@pytest.mark.parametrize(("change", "sentence"), CHANGES.values(), ids=CHANGES)
def test_a_damaged_manifest_is_told(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    pack_images(PackJob(splits(), tmp_path))
    file = tmp_path / "images.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(DataError, match=sentence):
        load_source("packed", "train", tmp_path)


def test_damaged_files_are_told(tmp_path: Path) -> None:
    pack_images(PackJob(splits(), tmp_path))
    with pytest.raises(ValueError, match="no split 'unlabeled' in this store; there are: test, train"):
        load_source("packed", "unlabeled", tmp_path)
    file = tmp_path / "train_00001.jpegs"
    data = file.read_bytes()
    file.write_bytes(bytes(len(data)))
    (wrong,) = verify_packed(tmp_path)
    assert wrong.startswith(f"{file}: checksum")
    with pytest.raises(DataError, match=r"train_00001\.jpegs: image 8 cannot be decoded"):
        load_source("packed", "train", tmp_path).batch(torch.tensor([8]))
    file.write_bytes(data[:-1])
    with pytest.raises(DataError, match=r"train_00001\.jpegs: \d+ bytes, expected \d+; it is not whole"):
        load_source("packed", "train", tmp_path)
    file.unlink()
    assert verify_packed(tmp_path) == [f"{file}: not there, expected 8 images"]
    np.save(tmp_path / "train_labels.npy", np.zeros(20, np.int64))
    with pytest.raises(DataError, match=r"train_labels\.npy: checksum"):
        load_source("packed", "train", tmp_path)
