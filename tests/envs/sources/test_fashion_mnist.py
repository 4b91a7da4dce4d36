"""IDX files as torchvision and Debian lay them, whole and damaged."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from gazeworld.envs.files import DataError
from gazeworld.envs.images import load_source
from gazeworld.envs.sources import fashion_mnist

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def write(folder: Path, zipped: bool, n: int = 6, seed: int = 0) -> list[np.ndarray]:
    """The four files; returns what they hold in the order of NAMES."""
    rng = np.random.default_rng(seed)
    held = []
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        images = "images" in name
        array = rng.integers(0, 256 if images else 10, (n, 28, 28) if images else (n,), dtype=np.uint8)
        held.append(array)
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
        else:
            (folder / name).write_bytes(idx(array))
    return held


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("below", ["FashionMNIST/raw", "raw", "."])
def test_files_are_found_and_read(tmp_path: Path, zipped: bool, below: str) -> None:
    held = write(tmp_path / below, zipped)
    for split, images, labels in (("train", held[0], held[1]), ("test", held[2], held[3])):
        found = load_source("fashion-mnist", split, str(tmp_path), side=28)
        assert torch.equal(found.pixels[..., 0], torch.from_numpy(images))
        assert found.labels.tolist() == labels.tolist()
        assert len(found.classes) == 10
        assert found.mean[0] == pytest.approx(held[0].mean() / 255, abs=1e-5)  # of training, in both splits


def test_enlarging_is_bilinear_and_keeps_the_orientation(tmp_path: Path) -> None:
    held = write(tmp_path, zipped=False)
    ramp = np.broadcast_to(np.arange(28, dtype=np.uint8)[:, None] * 9, (1, 28, 28)).copy()  # brighter downwards
    (tmp_path / NAMES[0]).write_bytes(idx(np.concatenate([ramp, held[0][1:]])))
    found = load_source("fashion-mnist", "train", str(tmp_path), side=84).pixels[0, :, :, 0].int()
    assert found.shape == (84, 84)
    assert (found == found[:, :1]).all()
    assert torch.diff(found[1:-1, 0]).tolist() == [3] * 81


def test_packed_and_plain_files_have_one_fingerprint_and_others_another(tmp_path: Path) -> None:
    write(tmp_path / "plain", zipped=False)
    write(tmp_path / "packed", zipped=True)
    write(tmp_path / "other", zipped=True, seed=1)
    plain, packed, other = (load_source("fashion-mnist", root=str(tmp_path / name)).fingerprint for name in
                            ("plain", "packed", "other"))  # fmt: skip
    assert plain == packed != other
    assert load_source("fashion-mnist", root=str(tmp_path / "plain"), side=32).fingerprint != plain


def test_where_nothing_is_the_message_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"apt install dataset-fashion-mnist.*torchvision"):
        load_source("fashion-mnist", root=str(tmp_path / "nowhere"))
    monkeypatch.setattr(fashion_mnist, "_DEBIAN", tmp_path / "debian")
    monkeypatch.setenv("GAZEWORLD_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DataError, match=r"debian or .*cache"):
        load_source("fashion-mnist")
    write(tmp_path / "debian", zipped=True)
    assert len(load_source("fashion-mnist", side=28)) == 6


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("t10k-labels-idx1-ubyte", None, r"t10k-labels-idx1-ubyte: not there"),
        ("t10k-images-idx3-ubyte", b"", r"t10k-images-idx3-ubyte(.gz)?: begins with bytes none, expected 00 00 08 03"),
        ("t10k-images-idx3-ubyte", b"PNG of some kind", r"begins with bytes 50 4e 47 20"),
        ("t10k-images-idx3-ubyte", idx(np.zeros((6, 28, 28), np.uint8))[:-5], r"4699 bytes of data, expected 4704"),
        ("t10k-images-idx3-ubyte", idx(np.zeros((6, 28, 28), np.uint8)) + b"x", r"4705 bytes of data, expected 4704"),
        ("t10k-images-idx3-ubyte", idx(np.zeros((0, 28, 28), np.uint8)), r"more than none"),
        ("t10k-images-idx3-ubyte", idx(np.zeros((6, 14, 56), np.uint8)), r"images-idx3-ubyte(.gz)?: images of 14 x 56"),
        ("t10k-labels-idx1-ubyte", idx(np.zeros(5, np.uint8)), r"5 labels for 6 images"),
        ("t10k-labels-idx1-ubyte", idx(np.array([0, 1, 2, 3, 4, 11], np.uint8)), r"label 11 at 5, expected 0 to 9"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_damaged_files_are_named(tmp_path: Path, name: str, content: bytes | None, says: str, zipped: bool) -> None:
    write(tmp_path, zipped)
    path = tmp_path / (f"{name}.gz" if zipped else name)
    path.unlink()
    if content is not None:
        path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(DataError, match=says):
        load_source("fashion-mnist", "test", str(tmp_path))


@pytest.mark.parametrize("damage", ["cut", "not-gzip", "flipped"])
def test_a_damaged_gzip_file_is_named(tmp_path: Path, damage: str) -> None:
    write(tmp_path, zipped=True)
    path = tmp_path / f"{NAMES[0]}.gz"
    whole = bytearray(path.read_bytes())
    if damage == "flipped":
        whole[len(whole) // 2] ^= 0xFF
    path.write_bytes({"cut": whole[:-100], "not-gzip": b"nothing of the kind", "flipped": whole}[damage])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz: not a whole gzip file"):
        load_source("fashion-mnist", "train", str(tmp_path))


@pytest.mark.parametrize("options", [{"split": "val"}, {"side": 0}, {"fit": "crop"}])
def test_impossible_options_are_named(tmp_path: Path, options: dict[str, object]) -> None:
    write(tmp_path, zipped=False)
    with pytest.raises(ValueError, match=next(iter(options.values())) if "split" in options else next(iter(options))):
        load_source("fashion-mnist", root=str(tmp_path), **options)


def test_masks_are_where_garments_are(tmp_path: Path) -> None:
    write(tmp_path, zipped=False)
    images = load_source("fashion-mnist", root=str(tmp_path), side=28)
    assert images.masks is not None
    some = torch.tensor([4, 0])
    assert torch.equal(images.masks(some), images.batch(some)[..., 0] > 0), "at its own side nothing is enlarged"
    large = load_source("fashion-mnist", root=str(tmp_path), side=56)
    assert large.masks is not None
    masks = large.masks(torch.arange(len(large)))
    assert masks.shape == (len(large), 56, 56)
    assert bool((large.batch(torch.arange(len(large)))[..., 0][masks] > 0).all())
