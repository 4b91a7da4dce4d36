"""Every format of data that is read, damaged at random: right data or an error that names the file, and nothing else.

A few tries each with fixed seeds; GAZEWORLD_FUZZ says how many more.
"""

import gzip
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes.archives import write_cifar100, write_tiny_imagenet
from fakes.object_datasets import SIZE, tree_at, write_tree
from PIL import Image

from gazeworld.envs import cache, saliency
from gazeworld.envs.images import load_source
from gazeworld.envs.object_datasets import tree_records, tree_summary
from gazeworld.envs.object_datasets.pack_tree import pack

TRIES = int(os.environ.get("GAZEWORLD_FUZZ", "40"))


@dataclass(frozen=True)
class Door:
    """What is read: `write` makes it, `files` are patterns of what is damaged, `read` gives what came of it.

    `checked` files carry checksums, so that what is read from them has to be what it was.
    """

    write: Callable[[Path], Any]
    files: tuple[str, ...]
    read: Callable[[Path], list[Any]]
    checked: tuple[str, ...] = ()


def images(source: str, split: str = "train", **options: Any) -> Callable[[Path], list[Any]]:
    def read(root: Path) -> list[Any]:
        found = load_source(source, split, str(root), **options)
        return [found.pixels, found.labels, found.classes]

    return read


def maps(root: Path) -> list[Any]:
    found = load_source("stl10", "train", str(root))
    return [saliency.saliency_maps(found, "precomputed")]


def objects(source: str, **options: Any) -> Callable[[Path], list[Any]]:
    def read(root: Path) -> list[Any]:
        found = load_source(source, "all", str(root), **options)
        n, v = len(found), found.latents.shape[1]
        views = found.gallery(torch.arange(n).repeat_interleave(v), torch.arange(v).repeat(n))
        return [views, found.latents, found.labels]

    return read


def pictures(*endings: str) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (2, 12, 10, 3), dtype=np.uint8)
        for name, pixels in zip(("cat", "dog"), noise, strict=True):
            (root / "train" / name).mkdir(parents=True)
            for ending in endings:
                exif = Image.Exif()
                exif[0x0112] = 6
                options = {"exif": exif} if ending in ("jpg", "png", "webp") else {}
                Image.fromarray(pixels).save(root / "train" / name / f"{ending}.{ending}", **options)

    return write


def idx(zipped: bool) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        rng = np.random.default_rng(0)
        root.mkdir(parents=True)
        for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
            array = rng.integers(0, 10, (4, 8, 8) if "images" in name else (4,), dtype=np.uint8)
            data = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes() + array.tobytes()
            (root / (f"{name}.gz" if zipped else name)).write_bytes(gzip.compress(data, mtime=0) if zipped else data)

    return write


def stl10(root: Path) -> None:
    rng = np.random.default_rng(0)
    (root / "stl10_binary").mkdir(parents=True)
    (root / "train").mkdir()
    rng.integers(0, 256, 2 * 27648, dtype=np.uint8).tofile(root / "stl10_binary" / "train_X.bin")
    np.array([3, 10], np.uint8).tofile(root / "stl10_binary" / "train_y.bin")
    (root / "stl10_binary" / "class_names.txt").write_text("\n".join("abcdefghij") + "\n")
    np.save(root / "train" / "saliency_train.npy", rng.random((2, 1, 96, 96), np.float32) / 4608)


def tree(root: Path, index: bool) -> None:
    write_tree(root, {"a": 2, "b": 2}, 2, 16, index=index)
    (root / "render.json").write_text('{"renderer": "by hand"}')


def divided(root: Path) -> None:
    names = write_tree(root, {"a": 2, "b": 2}, 2, 16)
    keys = [f'"{name.strip("/")}"' for name in names]
    (root / "split.json").write_text(f'{{"train": [{", ".join(keys[1:])}], "test": [{keys[0]}]}}')


def rendered(root: Path) -> None:
    tree_summary.begin(root, {"size": 16, "views": 2}, "by hand")
    tree_records.save(
        root, tree_records.Record("a/x"), np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 7), np.float32), 90
    )


def settings(root: Path) -> list[Any]:
    found = tree_records.read_record(root, "a/x")
    tree_records.whole(root, "a/x", 1, "")
    tree_records.records(root)
    tree_summary.begin(root, {"size": 16, "views": 2}, "by hand")
    tree_summary.finish(root, ["a/x"])
    return [found]


def stored(root: Path) -> list[Any]:
    def fill(out: np.ndarray) -> None:
        out[:] = np.arange(48).reshape(6, 8)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAZEWORLD_CACHE", str(root))
        return [cache.cached({"a": 1}, (6, 8), np.float32, fill)]


OTHERS = ("gif", "bmp", "webp", "tif", "ppm", "tga")
DOORS = {
    "folder jpg": Door(pictures("jpg"), ("train/*/*",), images("folder", side=8)),
    "folder png": Door(pictures("png"), ("train/*/*",), images("folder", side=8)),
    "folder others": Door(pictures(*OTHERS), ("train/*/*",), images("folder", side=8)),
    "idx": Door(idx(False), ("*",), images("fashion-mnist", side=8)),
    "idx.gz": Door(idx(True), ("*",), images("fashion-mnist", side=8), ("*",)),
    "cifar100 python": Door(write_cifar100, ("*/train", "*/meta"), images("cifar100")),
    "cifar100 binary": Door(lambda root: write_cifar100(root, binary=True), ("*/*",), images("cifar100")),
    "stl10": Door(stl10, ("stl10_binary/*",), images("stl10")),
    "saliency": Door(stl10, ("train/*",), maps),
    "tiny-imagenet text": Door(write_tiny_imagenet, ("*/*.txt", "*/val/*.txt"), images("tiny-imagenet", "test")),
    "tiny-imagenet": Door(write_tiny_imagenet, ("*/*/*/images/*",), images("tiny-imagenet")),
    "3diebench": Door(lambda root: tree(root, False), ("*/*/*", "*.json"), objects("3diebench", size=8)),
    "3diebench latents": Door(lambda root: tree(root, False), ("*/*/*.npy",), objects("3diebench", size=8)),
    "3diebench index": Door(lambda root: tree(root, True), ("*.npy",), objects("3diebench", size=8)),
    "3diebench split": Door(divided, ("split.json",), objects("3diebench", size=8)),
    "packed": Door(
        lambda root: pack(tree_at(root.parent / "tree"), root, SIZE),
        ("*",),
        objects("packed", check=True),
        ("*.npy",),
    ),
    "rendered": Door(rendered, ("render.json", ".records/*/*"), settings),
    "cache": Door(stored, ("*.npy", "*.json"), stored),
}  # fmt: skip


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """The data with bits flipped, bytes cut, put in, taken out or written over."""
    found = bytearray(data)
    # Half of the damage goes to the beginning, where most formats say what follows.
    reach = min(len(found), 160) if rng.random() < 0.5 else len(found)
    at, kind = int(rng.integers(reach)) if reach else 0, int(rng.integers(6))
    if kind == 0:
        for place in [at, *rng.integers(reach, size=int(rng.integers(3)))]:
            found[place] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        del found[at:]
    elif kind == 2:
        found[at:at] = rng.bytes(int(rng.integers(1, 9)))
    elif kind == 3:
        del found[at : at + int(rng.integers(1, 9))]
    elif kind == 4:
        some = (
            b"\0",
            b"\xff",
            b"-",
            b"9",
            b"[",
            b'"',
            b"\n",
            b"\xff\xff\xff\x7f",
            b"NaN",
            b"null",
            b"1e999",
            b"(" * 400,
        )
        piece = some[int(rng.integers(len(some)))]
        found[at : at + len(piece)] = piece
    else:
        piece = found[at : at + int(rng.integers(1, 33))]
        found[at:at] = piece
    return bytes(found)


def copied(found: list[Any]) -> list[Any]:
    """What was read, apart from the files: arrays that are mapped would change with them."""
    arrays = [x.clone() if isinstance(x, torch.Tensor) else x for x in found]
    return [x.copy() if isinstance(x, np.ndarray) else x for x in arrays]


def same(found: list[Any], expected: list[Any]) -> bool:
    return all(
        np.array_equal(np.asarray(x), np.asarray(y)) if not isinstance(y, tuple) else x == y
        for x, y in zip(found, expected, strict=True)
    )


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("GAZEWORLD_CACHE", str(tmp_path / "cache"))
    yield
    shutil.rmtree(tmp_path)  # thousands of small files


@pytest.mark.parametrize("name", DOORS)
def test_damaged_files_are_read_right_or_named(name: str, tmp_path: Path) -> None:
    door, root, rng = DOORS[name], tmp_path / "root", np.random.default_rng(zlib.crc32(name.encode()))
    door.write(root)
    expected = copied(door.read(root))
    paths = sorted({path for pattern in door.files for path in root.glob(pattern) if path.is_file()})
    assert paths
    refused = 0
    for i in range(TRIES):
        path = paths[i % len(paths)]
        whole = path.read_bytes()
        data = damaged(whole, rng)
        path.write_bytes(data)
        found, said = outcome(door, root)
        path.write_bytes(whole)
        refused += found is None
        assert found or any(word in said for word in (str(root), path.name, *LOOSELY)), f"{path}, try {i}: {said}"
        checked = any(path in root.glob(pattern) for pattern in door.checked)
        if found and (checked or (name == "cache" and len(data) != len(whole))):
            assert same(found, expected), f"{path}, try {i}: other data in silence"
        if i % 100 == 99:
            shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    assert refused or name == "cache", "nothing was damaged"


@pytest.mark.parametrize("name", DOORS)
def test_pipes_in_place_of_files_are_named(name: str, tmp_path: Path) -> None:
    door, root = DOORS[name], tmp_path / "root"
    door.write(root)
    expected = copied(door.read(root))
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    for pattern in door.files:
        path = min(path for path in root.glob(pattern) if path.is_file())
        whole = path.read_bytes()
        path.unlink()
        os.mkfifo(path)
        found, said = outcome(door, root)
        if found is None:
            assert path.name.removesuffix(".gz") in said
        else:  # built again, drawn again, or not used
            assert same(found, expected) or found == [None]
            assert name in ("cache", "rendered")
        path.unlink()
        path.write_bytes(whole)


LOOSELY = ("stl10/train: the saliency map of image",)
"""What errors say that are found when values are looked at, long after the file was opened."""


def outcome(door: Door, root: Path) -> tuple[list[Any] | None, str]:
    """What a door gives, or None and what it says; UnicodeError is a ValueError that nobody meant."""
    try:
        return door.read(root), ""
    except UnicodeError:
        raise
    except ValueError as error:
        return None, str(error)
