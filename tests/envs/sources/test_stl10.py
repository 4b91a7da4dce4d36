"""STL-10's binary files: orientation, memory, saliency files, damage."""

import resource
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gazeworld.envs.files import DataError
from gazeworld.envs.images import load_source
from gazeworld.envs.sources import stl10

N = 4
NAMES = "airplane bird car cat deer dog horse monkey ship truck"


def write(folder: Path) -> np.ndarray:
    """All files, N images a split; returns the images as n row column channel."""
    folder.mkdir(parents=True)
    images = np.random.default_rng(0).integers(0, 256, (N, 96, 96, 3), dtype=np.uint8)
    for split in ("train", "test", "unlabeled"):
        images.transpose(0, 3, 2, 1).tofile(folder / f"{split}_X.bin")
    for split in ("train", "test"):
        np.array([1, 10, 3, 2], np.uint8).tofile(folder / f"{split}_y.bin")
    (folder / "class_names.txt").write_text("\n".join(NAMES.split()) + "\n")
    return images


def maps(root: Path, split: str, array: np.ndarray) -> Path:
    path = root / split / f"saliency_{split}.npy"
    path.parent.mkdir(exist_ok=True)
    np.save(path, array)
    return path


@pytest.mark.parametrize("below", ["stl10_binary", "."])
def test_images_come_out_upright_with_their_labels(tmp_path: Path, below: str) -> None:
    images = write(tmp_path / "data" / below) if below != "." else write(tmp_path / "data")
    for split in ("train", "test"):
        found = load_source("stl10", split, str(tmp_path / "data"))
        assert torch.equal(found.pixels, torch.from_numpy(images))
        assert found.labels.tolist() == [0, 9, 2, 1]
        assert found.classes == tuple(NAMES.split())
        assert found.mean == (0.4467, 0.4398, 0.4066)
        assert found.maps is None
    assert load_source("stl10", "unlabeled", str(tmp_path / "data")).labels.tolist() == [-1] * N


def test_it_reads_as_torchvision_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import STL10

    write(tmp_path / "stl10_binary")
    monkeypatch.setattr(STL10, "_check_integrity", lambda self: True)
    theirs, ours = STL10(str(tmp_path), "train"), load_source("stl10", "train", str(tmp_path))
    for i in range(N):
        image, label = theirs[i]
        assert torch.equal(ours.pixels[i], torch.from_numpy(np.array(image)))
        assert int(ours.labels[i]) == label


def test_opening_a_hundred_thousand_images_takes_no_memory(tmp_path: Path) -> None:
    (tmp_path / "unlabeled").mkdir()
    path = tmp_path / "unlabeled_X.bin"
    with path.open("wb") as file:  # a sparse file: no disk space either
        file.truncate(100_000 * 27648)
    saliency = np.lib.format.open_memmap(
        tmp_path / "unlabeled" / "saliency_unlabeled.npy", mode="w+", dtype=np.float32, shape=(100_000, 1, 96, 96)
    )
    del saliency
    unit = 1 if sys.platform == "darwin" else 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    found = load_source("stl10", "unlabeled", str(tmp_path))
    assert found.pixels.shape == (100_000, 96, 96, 3)
    assert found.maps is not None
    assert found.maps.shape == (100_000, 96, 96)
    assert not found.pixels[[0, 50_000, 99_999]].any()  # looking at three images reads three images
    assert not found.maps[99_999].any()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit - before
    assert grown < 50e6, f"{grown / 1e6:.0f} MB for a file of {path.stat().st_size / 1e6:.0f} MB"


def test_writing_to_the_pixels_does_not_reach_the_file(tmp_path: Path) -> None:
    images = write(tmp_path / "stl10_binary")
    load_source("stl10", "train", str(tmp_path)).pixels.zero_()
    assert torch.equal(load_source("stl10", "train", str(tmp_path)).pixels, torch.from_numpy(images))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(N, 1, 96, 96), (N, 96, 96)])
def test_saliency_files_are_found(tmp_path: Path, dtype: type, shape: tuple[int, ...]) -> None:
    write(tmp_path / "stl10_binary")
    drawn = np.random.default_rng(1).random(shape).astype(dtype)
    path = maps(tmp_path, "train", drawn)
    found, without = (
        load_source("stl10", "train", str(tmp_path)),
        load_source("stl10", "train", str(tmp_path), saliency="none"),
    )
    assert found.maps is not None
    assert torch.equal(found.maps, torch.from_numpy(drawn.reshape(N, 96, 96)))
    assert without.maps is None
    assert without.fingerprint != found.fingerprint
    assert (
        load_source("stl10", "train", str(tmp_path / "stl10_binary")).maps is not None
    )  # root may be the inner folder
    assert load_source("stl10", "test", str(tmp_path)).maps is None
    assert load_source("stl10", "test", str(tmp_path), saliency=str(path)).maps is not None


def test_fingerprints_follow_the_content(tmp_path: Path) -> None:
    write(tmp_path / "a" / "stl10_binary")
    images = write(tmp_path / "b" / "stl10_binary")
    assert (
        load_source("stl10", root=str(tmp_path / "a")).fingerprint
        == load_source("stl10", root=str(tmp_path / "b")).fingerprint
    )
    (255 - images).transpose(0, 3, 2, 1).tofile(tmp_path / "b" / "stl10_binary" / "train_X.bin")
    assert (
        load_source("stl10", root=str(tmp_path / "a")).fingerprint
        != load_source("stl10", root=str(tmp_path / "b")).fingerprint
    )


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("train_X.bin", b"x" * (27648 * 2 + 5), r"train_X.bin: 55301 bytes = 2 images and 5 bytes, .* 27648"),
        ("train_X.bin", b"", r"train_X.bin: 0 bytes .* positive multiple of 27648"),
        ("train_X.bin", None, r"train_X.bin: not there, expected images"),
        ("train_y.bin", None, r"train_y.bin: not there, expected 4 labels"),
        ("train_y.bin", bytes([1, 2, 3]), r"train_y.bin: 3 labels, expected one byte for each of 4"),
        ("train_y.bin", bytes([1, 2, 0, 4]), r"train_y.bin: label 0 at 2, expected 1 to 10"),
        ("train_y.bin", bytes([1, 2, 3, 11]), r"train_y.bin: label 11 at 3, expected 1 to 10"),
        ("class_names.txt", b"cat dog", r"class_names.txt: 2 names, expected 10"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    write(tmp_path / "stl10_binary")
    path = tmp_path / "stl10_binary" / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=says):
        load_source("stl10", "train", str(tmp_path))


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((N + 1, 1, 96, 96), np.float32), r"shape \(5, 1, 96, 96\), expected \(4, 1, 96, 96\)"),
        (np.zeros((N, 96, 95), np.float32), r"shape \(4, 96, 95\), expected"),
        (np.zeros((N, 96, 96), np.uint8), r"holds uint8, expected"),
    ],
)
def test_maps_that_do_not_fit_are_named(tmp_path: Path, array: np.ndarray, says: str) -> None:
    write(tmp_path / "stl10_binary")
    maps(tmp_path, "train", array)
    with pytest.raises(DataError, match=rf"saliency_train.npy: {says}"):
        load_source("stl10", "train", str(tmp_path))


def test_a_file_of_maps_that_is_missing_cut_or_pickled_is_named(tmp_path: Path) -> None:
    write(tmp_path / "stl10_binary")
    with pytest.raises(DataError, match=r"else.npy: not there"):
        load_source("stl10", "train", str(tmp_path), saliency=str(tmp_path / "else.npy"))
    path = maps(tmp_path, "train", np.zeros((N, 96, 96), np.float32))
    whole = path.read_bytes()
    for content in (whole[:-1000], whole[:5], b"", b"no array at all"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"saliency_train.npy: not a whole .npy file"):
            load_source("stl10", "train", str(tmp_path))
    np.save(path, np.array([None, {}]), allow_pickle=True)
    with pytest.raises(DataError, match=r"saliency_train.npy: "):
        load_source("stl10", "train", str(tmp_path))
    with path.open("wb") as file:
        np.savez(file, a=np.zeros(3))
    with pytest.raises(DataError, match=r"saliency_train.npy: holds"):
        load_source("stl10", "train", str(tmp_path))


def test_where_nothing_is_the_message_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere.*stl10_binary.*torchvision.*download=True"):
        load_source("stl10", root=str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=r"unknown split 'val'; there are: test, train, unlabeled"):
        load_source("stl10", "val", str(tmp_path))
    assert stl10.STD == (0.2241, 0.2215, 0.2239)
