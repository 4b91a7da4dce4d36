"""CIFAR-100, in small files of the exact published formats: what is read, and what is said of damaged files."""

import os
import pickle
import pickletools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes.archives import FINE, cifar_pixels, pickled, write_cifar100

from gazeworld.envs.files import DataError
from gazeworld.envs.images import load_source
from gazeworld.envs.pickles import PickleError, plain
from gazeworld.envs.rng import Draws
from gazeworld.envs.worlds.augmentation import AugmentationWorld

FOLDERS = {False: "cifar-100-python", True: "cifar-100-binary"}


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("inside", [False, True])
def test_both_versions_are_read(tmp_path: Path, binary: bool, inside: bool) -> None:
    write_cifar100(tmp_path, train=5, test=3, binary=binary)
    root = tmp_path / FOLDERS[binary]
    if inside:
        root = root.rename(tmp_path / "anywhere")
    for seed, (split, n) in enumerate((("train", 5), ("test", 3))):
        found = load_source("cifar100", split, str(root if inside else tmp_path))
        expected = torch.from_numpy(cifar_pixels(n, seed)).permute(0, 2, 3, 1)
        assert torch.equal(found.pixels, expected)
        assert found.labels.tolist() == [7 * i for i in range(n)]
        assert found.classes == FINE
        assert (found.side, found.split, len(found)) == (32, split, n)


def test_the_test_s_own_files_look_as_the_published_ones_do(tmp_path: Path) -> None:
    """These are the bytes of the published file up to the numbers in it; Python 3 writes none of them so."""
    write_cifar100(tmp_path)
    head = (tmp_path / FOLDERS[False] / "train").read_bytes()
    assert head.startswith(b"\x80\x02}q")
    assert b"U\x0bfine_labels" in head
    assert b"cnumpy.core.multiarray\n_reconstruct\n" in head
    assert b"cnumpy\nndarray\n" in head
    assert b"cnumpy\ndtype\nq" in head
    opcodes = {code.name for code, _, _ in pickletools.genops(head)}
    assert {"SHORT_BINSTRING", "BINSTRING"} <= opcodes
    assert not {"BINUNICODE", "SHORT_BINBYTES"} & opcodes


def test_torchvision_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import CIFAR100

    write_cifar100(tmp_path)
    monkeypatch.setattr(CIFAR100, "_check_integrity", lambda _: True)  # sums of the whole data set
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy 2.4.0 warns of the integers where flags belong
        theirs = CIFAR100(str(tmp_path), train=False)
    ours = load_source("cifar100", "test", str(tmp_path))
    assert np.array_equal(theirs.data, ours.pixels.numpy())
    assert theirs.targets == ours.labels.tolist()
    assert tuple(theirs.classes) == ours.classes


def test_binary_images_stay_in_the_file(tmp_path: Path) -> None:
    write_cifar100(tmp_path, binary=True)
    found = load_source("cifar100", "train", str(tmp_path))
    path = tmp_path / FOLDERS[True] / "train.bin"
    assert found.pixels[0].stride() == (32, 1, 1024)
    before = path.read_bytes()
    found.pixels[0] = 0
    assert path.read_bytes() == before


def test_statistics_and_fingerprints(tmp_path: Path) -> None:
    write_cifar100(tmp_path)
    paper, released = (load_source("cifar100", "train", str(tmp_path), statistics=s) for s in ("paper", "released"))
    assert paper.mean == (0.4914, 0.4822, 0.4465)
    assert released.mean == (0.5071, 0.4867, 0.4408)
    assert paper.std != released.std
    test = load_source("cifar100", "test", str(tmp_path))
    assert test.mean == paper.mean
    assert test.fingerprint != paper.fingerprint
    assert paper.fingerprint == released.fingerprint


@pytest.mark.parametrize("binary", [False, True])
def test_the_augmentation_world_looks_at_it(tmp_path: Path, binary: bool) -> None:
    write_cifar100(tmp_path, binary=binary)
    world = AugmentationWorld("cifar100", "train", str(tmp_path), action="crop")
    assert world.view_shape == (3, 32, 32)
    scene = world.sample(6, Draws.rows(0, 6))
    middle = torch.tensor(world.middle).expand(6, 13)
    assert torch.equal(world.look(scene, middle), world.images.pixels[scene.index].permute(0, 3, 1, 2))
    assert len(world.classes) == 100


class Trap:
    """A pickle of this runs a command."""

    def __reduce__(self) -> Any:
        return os.system, ("touch trapped",)


def trap(path: Path) -> None:
    content = {"filenames": Trap(), "data": np.zeros((2, 3072), np.uint8), "fine_labels": [0, 1]}
    path.write_bytes(pickle.dumps(content, protocol=2))


def changed(**parts: Any) -> Callable[[Path], None]:
    """Writes a training file whose dictionary has other contents; None takes an entry out."""
    whole = {"data": cifar_pixels(4, 0).reshape(4, -1), "fine_labels": [0, 1, 2, 3], **parts}
    return lambda path: pickled(path, {key: value for key, value in whole.items() if value is not None})


def cut(size: int) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(path.read_bytes()[:size]) and None


def content(data: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(data) and None


PYTHON: list[tuple[str, Callable[[Path], None], str]] = [
    ("train", cut(20_000), r"train: cannot be read \(.*\), expected a whole pickle of a dictionary with data, fine"),
    ("train", cut(7), "train: cannot be read"),
    ("train", content(b""), "train: cannot be read"),
    ("train", content(b"no pickle at all"), "train: cannot be read"),
    ("train", content(b"\x80\x02(((.K"), "train: "),
    ("train", content(pickle.dumps([1, 2], 2)), "train: holds list, expected a dictionary with data, fine_labels"),
    ("train", trap, r"train: cannot be read \(it asks for \w+.system, which could execute code"),
    ("train", changed(fine_labels=None), r"train: holds \['data'\], expected a dictionary with data, fine_labels"),
    ("train", changed(fine_labels=[0, 1, 2]), "train: 3 labels for 4 images"),
    ("train", changed(fine_labels=[0, 1, 2, 100]), "train: label 100 at 3, expected 0 to 99"),
    ("train", changed(fine_labels=[0, -5, 2, 1]), "train: label -1 at 1, expected 0 to 99"),
    ("train", changed(fine_labels=[0, 1, 2, 10**30]), "train: label 100 at 3"),
    ("train", changed(fine_labels=[0, 1, 2, "3"]), "train: 'fine_labels' is no list of integers"),
    ("train", changed(fine_labels=7), "train: 'fine_labels' is no list of integers"),
    (
        "train",
        changed(data=np.zeros((4, 3071), np.uint8)),
        r"train: 'data' is uint8 \(4, 3071\), expected uint8 \(n, 3",
    ),
    ("train", changed(data=np.zeros((4, 3072), np.int8)), r"train: 'data' is int8 \(4, 3072\)"),
    ("train", changed(data=[1]), "train: 'data' is list, expected uint8"),
    ("train", lambda path: path.unlink(), "train: not there, expected the images of split 'train'"),
    ("meta", lambda path: path.unlink(), "meta: not there, expected a pickle with the names of 100 classes"),
    ("meta", cut(50), "meta: cannot be read"),
    ("meta", lambda path: pickled(path, {"fine_label_names": ["a"]}), "meta: 1 names, expected the names of 100"),
    ("meta", lambda path: pickled(path, {"fine_label_names": [1] * 100}), "meta: 100 names, expected the names"),
    ("meta", lambda path: pickled(path, {"coarse_label_names": []}), "meta: holds .*coarse"),
]
BINARY: list[tuple[str, Callable[[Path], None], str]] = [
    (
        "train.bin",
        cut(3074 * 12 - 5),
        "train.bin: 36883 bytes = 11 images and 3069 bytes, expected a positive multiple",
    ),
    ("train.bin", content(b""), "train.bin: 0 bytes"),
    ("train.bin", content(bytes([3, 100, *[0] * 3072])), "train.bin: label 100 at 0, expected 0 to 99"),
    ("train.bin", lambda path: path.unlink(), "train.bin: not there, expected the images of split 'train'"),
    ("fine_label_names.txt", lambda path: path.unlink(), "fine_label_names.txt: not there"),
    ("fine_label_names.txt", content(b"apple\nbaby\n"), "fine_label_names.txt: 2 names, expected the names of 100"),
]


@pytest.mark.parametrize(
    ("binary", "name", "damage", "says"),
    [(False, *case) for case in PYTHON] + [(True, *case) for case in BINARY],
)
def test_damaged_files_are_named(
    tmp_path: Path, binary: bool, name: str, damage: Callable[[Path], None], says: str
) -> None:
    write_cifar100(tmp_path, binary=binary)
    damage(tmp_path / FOLDERS[binary] / name)
    with pytest.raises(DataError, match=says):
        load_source("cifar100", "train", str(tmp_path))


def test_a_pickle_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    trap(tmp_path / "bad")
    with pytest.raises(PickleError, match="could execute code"):
        plain((tmp_path / "bad").read_bytes())
    assert not (tmp_path / "trapped").exists()
    with (tmp_path / "bad").open("rb") as file:
        pickle.load(file)  # the trap is a real one
    assert (tmp_path / "trapped").exists()


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no CIFAR-100 found in .*nowhere.*cifar-100-python/train.*download=True"):
        load_source("cifar100", root=str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=r"unknown split 'val'; there are: test, train"):
        load_source("cifar100", "val", str(tmp_path))
    with pytest.raises(ValueError, match=r"statistics is 'mine', expected 'paper' or 'released'"):
        load_source("cifar100", "train", str(tmp_path), statistics="mine")
