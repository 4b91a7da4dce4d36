"""Packed stores: the same views as the tree, read from one file, and damage that must be found."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes.object_datasets import SIZE, N, V, files, tree_at, write_tree

from gazeworld.envs import registry
from gazeworld.envs.files import DataError
from gazeworld.envs.object_datasets import packed_store
from gazeworld.envs.object_datasets.pack_tree import pack, verify
from gazeworld.envs.objects.gallery import ArrayGallery
from gazeworld.envs.sources import packed


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tree_at(tmp_path_factory.mktemp("packing") / "tree")


@pytest.fixture(scope="module")
def whole(tree: Path) -> Path:
    return pack(tree, tree.parent / "whole", SIZE)


@pytest.mark.parametrize("split", ["train", "test", "val", "all"])
@pytest.mark.parametrize("views", [0, 2])
def test_a_store_holds_what_the_tree_does(tree: Path, whole: Path, split: str, views: int) -> None:
    folder = registry.module("gazeworld.envs.sources", "3diebench").load(split, str(tree), size=SIZE, views=views)
    store = packed.load(split, str(whole), views=views)
    assert store.gallery.shape == folder.gallery.shape
    n, v = store.gallery.shape[:2]
    every = torch.arange(n).repeat_interleave(v), torch.arange(v).repeat(n)
    assert torch.equal(store.gallery(*every), folder.gallery(*every))
    assert torch.equal(store.latents, folder.latents)
    assert torch.equal(store.labels, folder.labels)
    assert (store.names, store.classes, store.split) == (folder.names, folder.classes, folder.split)
    assert store.renderer == folder.renderer == "made by hand"
    if not views:
        assert (store.mean, store.std) == (folder.mean, folder.std)


def test_a_store_is_four_files_that_numpy_reads(whole: Path) -> None:
    assert sorted(files(whole)) == ["labels.npy", "latents.npy", "pack.json", "views.npy"]
    assert np.load(whole / "views.npy").shape == (N, V, SIZE, SIZE, 3)
    assert np.load(whole / "latents.npy").shape == (N, V, 7)
    assert np.load(whole / "labels.npy").shape == (N,)
    verify(whole)
    assert packed.load("train", str(whole), check=True).split == "train"


def test_damage_is_found(whole: Path, tmp_path: Path) -> None:
    def damaged(name: str, change: Callable[[bytearray], bytes]) -> str:
        out = tmp_path / name
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(whole, out)
        data = bytearray((out / name).read_bytes())
        (out / name).write_bytes(change(data))
        return str(out)

    def flip(data: bytearray) -> bytes:
        data[-5] ^= 1
        return bytes(data)

    out = damaged("views.npy", flip)
    packed.load("train", out)  # says nothing: it does not read the views
    last = packed.load("all", str(whole)).names[-1]
    with pytest.raises(DataError, match=rf"views.npy: 1 of 14 objects do not have the checksums .* first is {last}"):
        packed.load("train", out, check=True)
    for name in ("latents.npy", "labels.npy"):
        with pytest.raises(DataError, match=rf"{name}: checksum \w+, expected \w+"):
            packed.load("train", damaged(name, flip))
    for name in ("views.npy", "latents.npy", "labels.npy"):
        with pytest.raises(DataError, match=rf"{name}: not a whole .npy file"):
            packed.load("train", damaged(name, lambda data: data[:-1]))
        out = damaged(name, flip)
        (Path(out) / name).unlink()
        with pytest.raises(DataError, match=rf"{name}: not there"):
            packed.load("train", out)
        np.save(Path(out) / name, np.zeros(3, np.int16))
        with pytest.raises(DataError, match=rf"{name}: holds int16 of shape \(3,\), expected"):
            packed.load("train", out)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: len(text) // 2], r"pack.json: not a whole JSON file \(damaged at line \d+, column \d+\)"),
        (lambda text: "", r"pack.json: not a whole JSON file \(it is empty\)"),
        (lambda text: "[" * 100_000, r"pack.json: is nested too deeply"),
        (lambda text: "null", r"pack.json: not what packing writes"),
        (lambda text: "[]", r"pack.json: not what packing writes"),
        (lambda text: text.replace('"size"', '"side"'), r"pack.json: not what packing writes .*size"),
        (lambda text: text.replace('"format": 1', '"format": 2'), r"pack.json: format 2, expected 1"),
        (lambda text: text.replace('"02691156"', '"02691156", "more"'), r""),
    ],
)
def test_a_bad_manifest_is_named(whole: Path, tmp_path: Path, change: Callable[[str], str], message: str) -> None:
    shutil.copytree(whole, tmp_path / "store")
    path = tmp_path / "store" / "pack.json"
    path.write_text(change(path.read_text()))
    if not message:
        assert "more" in packed.load("train", str(tmp_path / "store")).classes
        return
    with pytest.raises(DataError, match=message):
        packed.load("train", str(tmp_path / "store"))


def test_checksums_must_be_as_many_as_objects(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "store")
    path = tmp_path / "store" / "pack.json"
    found = json.loads(path.read_text())
    path.write_text(json.dumps({**found, "checksums": found["checksums"][1:]}))
    with pytest.raises(DataError, match=r"pack.json: splits .*, 13 checksums for 14 objects"):
        packed.load("train", str(tmp_path / "store"))


def test_a_store_larger_than_memory_is_opened_and_looked_at(whole: Path, tmp_path: Path) -> None:
    """256 GB of views, most of them a hole in the file: nothing may read or reserve all of it."""
    out = tmp_path / "store"
    shutil.copytree(whole, out)
    manifest = packed_store.read_manifest(out)
    views = 2**38 // (N * SIZE * SIZE * 3)
    huge = replace(manifest, views=views)
    with (out / "views.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": huge.shape})
        begin = file.tell()
        file.truncate(begin + int(np.prod(huge.shape, dtype=np.int64)))
    mapped = packed_store.open_views(out / "views.npy", huge)
    assert mapped.nbytes > 2**37
    gallery = ArrayGallery(mapped, packed._ahead(out / "views.npy", huge, 0))
    assert not gallery(torch.tensor([0, N - 1]), torch.tensor([0, views - 1])).any()


@pytest.mark.skipif(sys.platform != "linux", reason="this system cannot be told what will be read")
def test_a_store_beyond_memory_is_read_ahead(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert packed.load("test", str(whole)).gallery._ahead is None  # type: ignore[attr-defined]
    plain = packed.load("test", str(whole))
    n = len(plain)
    every = torch.arange(n).repeat_interleave(V), torch.arange(V).repeat(n)
    monkeypatch.setattr(packed.os, "sysconf", lambda _: 4)
    ahead = packed.load("test", str(whole))
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _, where, length, how: told.append((where, length)))
    found = ahead.gallery(*every)
    assert torch.equal(found, plain.gallery(*every))
    raw = (whole / "views.npy").read_bytes()
    assert [raw[where : where + length] for where, length in told] == [view.numpy().tobytes() for view in found]


def test_fingerprints_tell_stores_and_splits_apart(tree: Path, whole: Path, tmp_path: Path) -> None:
    other = pack(tree, tmp_path / "other", SIZE + 1)
    walked = pack(tree, tmp_path / "walked", SIZE, index="none")
    stores = [packed.load(split, str(out)) for split in ("train", "test", "all") for out in (whole, other, walked)]
    assert len({store.fingerprint for store in stores}) == 9
    shutil.copytree(whole, tmp_path / "copy")
    assert packed.load("train", str(tmp_path / "copy")).fingerprint == stores[0].fingerprint


def test_progress_of_verification_is_told(whole: Path) -> None:
    seen: list[tuple[int, int]] = []
    verify(whole, lambda done, n: seen.append((done, n)))
    assert seen == [(i, N) for i in range(1, N + 1)]


def test_impossible_options_are_named(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no root given"):
        packed.load()
    with pytest.raises(ValueError, match=r"views=4, but the objects in .* have 3"):
        packed.load("train", str(whole), views=4)
    with pytest.raises(ValueError, match=r"unknown split 'x'"):
        packed.load("x", str(whole))
    with pytest.raises(DataError, match=r"pack.json: not there, expected a packed store"):
        packed.load("train", str(tmp_path))


def test_a_store_may_lack_a_split(tmp_path: Path) -> None:
    write_tree(tmp_path / "tree", {"a": 1, "b": 1}, 2, 16)
    out = pack(tmp_path / "tree", tmp_path / "store", 16)
    assert len(packed.load("train", str(out))) == 2
    with pytest.raises(DataError, match=r"store: no object in split 'test'"):
        packed.load("test", str(out))
