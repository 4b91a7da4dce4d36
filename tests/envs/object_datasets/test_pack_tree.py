"""Packing a tree of views into one file: it can be killed at any time, and goes on where it was."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fakes.object_datasets import SIZE, N, V, files, tree_at, write_tree
from PIL import Image

from gazeworld.envs.files import DataError
from gazeworld.envs.object_datasets import pack_tree as module
from gazeworld.envs.object_datasets import pack_tree as planning
from gazeworld.envs.object_datasets.pack_tree import pack, verify
from gazeworld.envs.sources import packed


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tree_at(tmp_path_factory.mktemp("packing") / "tree")


@pytest.fixture(scope="module")
def whole(tree: Path) -> Path:
    return pack(tree, tree.parent / "whole", SIZE)


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The images that have been decoded, as a list that grows."""
    seen: list[str] = []
    real = planning.decoded

    def decoded(path: Path, size: int) -> np.ndarray:
        seen.append(str(path))
        return real(path, size)

    monkeypatch.setattr(planning, "decoded", decoded)
    return seen


class Stop(Exception):
    pass


def stop_after(count: int) -> Callable[[int, int], None]:
    def progress(done: int, n: int) -> None:
        assert n == N
        if done == count:
            raise Stop

    return progress


@pytest.mark.parametrize("count", [0, 1, 6, N])
def test_packing_goes_on_after_an_error(
    tree: Path, whole: Path, tmp_path: Path, decodings: list[str], count: int
) -> None:
    out = tmp_path / "store"
    if count:
        with pytest.raises(Stop):
            pack(tree, out, SIZE, progress=stop_after(count))
        with pytest.raises(DataError, match=r"pack.json: not there, packing was not finished"):
            packed.load("train", str(out))
    decodings.clear()
    seen: list[int] = []
    pack(tree, out, SIZE, progress=lambda done, n: seen.append(done))
    assert len(decodings) == len(set(decodings)) == (N - count) * V
    assert seen == list(range(1, N + 1))
    assert files(out) == files(whole)


def test_packing_goes_on_after_a_kill(tree: Path, whole: Path, tmp_path: Path, decodings: list[str]) -> None:
    out = tmp_path / "store"
    code = (
        "import os, signal, sys; from pathlib import Path; from gazeworld.envs.object_datasets.pack_tree import pack\n"
        "kill = lambda done, n: os.kill(os.getpid(), signal.SIGKILL) if done == 5 else None\n"
        f"pack(Path({str(tree)!r}), Path({str(out)!r}), {SIZE}, progress=kill)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert sorted(files(out)) == ["pack.part", "views.npy.part"]
    pack(tree, out, SIZE)
    assert len(decodings) == (N - 5) * V
    assert files(out) == files(whole)


@pytest.mark.parametrize("step", ["write_bytes", "replace", "write_text", "unlink"])
def test_a_kill_while_finishing_costs_nothing(
    tree: Path, whole: Path, tmp_path: Path, decodings: list[str], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    out = tmp_path / "store"

    def stop(*_: object, **__: object) -> None:
        raise Stop

    with monkeypatch.context() as patch:
        if step == "unlink":
            patch.setattr(Path, "unlink", stop)
        elif step == "replace":
            patch.setattr(module, "os", SimpleNamespace(replace=stop, fsync=os.fsync))
        else:
            patch.setattr(module, step, stop)
        with pytest.raises(Stop):
            pack(tree, out, SIZE)
    decodings.clear()
    pack(tree, out, SIZE)
    assert not decodings
    assert files(out) == files(whole)


@pytest.mark.parametrize("damage", ["log cut", "log empty", "views cut", "views gone", "byte flipped", "junk behind"])
def test_what_is_not_whole_is_done_again(
    tree: Path, whole: Path, tmp_path: Path, decodings: list[str], damage: str
) -> None:
    out = tmp_path / "store"
    with pytest.raises(Stop):
        pack(tree, out, SIZE, progress=stop_after(6))
    part, log = out / "views.npy.part", out / "pack.part"
    lines, data, size = log.read_bytes(), bytearray(part.read_bytes()), V * SIZE * SIZE * 3
    begin = len(data) - 6 * size
    kept = 6
    if damage == "log cut":
        log.write_bytes(lines[:-3])
        kept = 5
    if damage == "log empty":
        log.write_bytes(b"")
        kept = 0
    if damage == "views cut":
        part.write_bytes(data[: begin + 4 * size + 10])
        kept = 4
    if damage == "views gone":
        part.unlink()
        kept = 0
    if damage == "byte flipped":
        data[begin + 2 * size + 7] ^= 1
        part.write_bytes(data)
        kept = 2
    if damage == "junk behind":
        part.write_bytes(data + b"x" * (N * size))
        log.write_bytes(lines + b"0123")
    decodings.clear()
    with pytest.raises(Stop):
        pack(tree, out, SIZE, progress=stop_after(10))
    order = [name[1:-1] for name in planning.read_tree(tree, "all").names]
    done = {order.index("/".join(Path(path).parts[-3:-1])) for path in decodings}
    assert set(range(kept, 10)) <= done <= set(range(kept, N))  # a few objects are decoded ahead
    assert log.read_bytes().count(b"\n") == 11
    decodings.clear()
    pack(tree, out, SIZE)
    assert len(decodings) == (N - 10) * V  # what was done again is known to be whole
    assert files(out) == files(whole)


def test_a_store_that_is_there_is_left_alone(tree: Path, whole: Path, decodings: list[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in [whole, *whole.iterdir()]}
    assert pack(tree, whole, SIZE) == whole
    assert {path: path.stat().st_mtime_ns for path in [whole, *whole.iterdir()]} == before
    assert not decodings


def test_a_bad_image_stops_packing_and_what_was_packed_stays(tmp_path: Path, decodings: list[str]) -> None:
    names = write_tree(tmp_path / "tree", {"a": 30}, V, 32)
    order = planning.read_tree(tmp_path / "tree", "all").names
    bad = tmp_path / "tree" / order[20][1:] / "image_1.jpg"
    good = bad.read_bytes()
    bad.write_bytes(good[: len(good) // 2])
    with pytest.raises(DataError, match=rf"{order[20][1:]}image_1.jpg: cannot be decoded"):
        pack(tmp_path / "tree", tmp_path / "store", SIZE)
    assert (tmp_path / "store" / "pack.part").read_text().count("\n") == 21
    bad.write_bytes(good)
    decodings.clear()
    pack(tmp_path / "tree", tmp_path / "store", SIZE)
    assert len(decodings) == (len(names) - 20) * V
    pack(tmp_path / "tree", tmp_path / "other", SIZE)
    assert files(tmp_path / "store") == files(tmp_path / "other")


def test_packing_with_another_size_begins_anew_where_no_object_was_packed(
    tree: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "store"
    with pytest.raises(
        DataError, match=r"32 pixels square, expected at least the 33 asked for; ask for size=32 or less"
    ):
        pack(tree, out, 33)
    pack(tree, out, SIZE)
    assert files(out) == files(whole)


def test_images_that_changed_meanwhile_are_packed_again(tmp_path: Path, decodings: list[str]) -> None:
    root, out = tmp_path / "tree", tmp_path / "store"
    write_tree(root, views=V, side=32)
    with pytest.raises(Stop):
        pack(root, out, SIZE, progress=stop_after(6))
    third = root / planning.read_tree(root, "all").names[3][1:]
    Image.new("RGB", (48, 48), (1, 200, 3)).save(third / "image_0.jpg")
    decodings.clear()
    pack(root, out, SIZE)
    assert len(decodings) == (N - 3) * V
    assert abs(int(np.load(out / "views.npy")[3, 0, 5, 5, 1]) - 200) <= 3
    Image.new("RGB", (48, 48), (200, 200, 3)).save(third / "image_1.jpg")
    with pytest.raises(DataError, match=r"store: holds a store of other data or another size \(14 objects, 3 views"):
        pack(root, out, SIZE)


def test_a_folder_with_something_else_is_refused(tree: Path, whole: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"whole: holds a store of other data or another size .* of 16 px"):
        pack(tree, whole, SIZE + 1)
    with pytest.raises(DataError, match=r"whole: holds a store of other data"):
        pack(tree, whole, SIZE, index="none")
    with pytest.raises(Stop):
        pack(tree, tmp_path / "store", SIZE, progress=stop_after(2))
    with pytest.raises(DataError, match=r"pack.part: begun from other data or with another size"):
        pack(tree, tmp_path / "store", SIZE + 1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "views.npy").write_text("mine")
    with pytest.raises(DataError, match=r"full: holds views.npy and is no packed store"):
        pack(tree, tmp_path / "full", SIZE)
    assert files(tmp_path / "full") == {"views.npy": b"mine"}
    with pytest.raises(ValueError, match=r"inside: lies in the tree"):
        pack(tree, tree / "inside", SIZE)
    with pytest.raises(ValueError, match=r"size=0"):
        pack(tree, tmp_path / "none", 0)


def test_a_full_disk_is_said_and_nothing_is_lost(
    tree: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decodings: list[str]
) -> None:
    out = tmp_path / "store"
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
        with pytest.raises(OSError, match=r"store: the disk is full \(0.0 MB more are needed and 0.0 MB are free\)"):
            pack(tree, out, SIZE)
    assert not decodings
    real, written = module.append, []

    def append(file: object, data: bytes) -> None:
        written.append(len(data))
        if len(written) == 8:  # a header line, then views and a line for each object
            real(file, bytes(data)[:100])  # type: ignore[arg-type]
            raise OSError(errno.ENOSPC, "No space left on device")
        real(file, data)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(module, "append", append)
        with pytest.raises(
            OSError, match=r"the disk is full \(No space left on device\); what is packed so far is kept"
        ):
            pack(tree, out, SIZE)
    with pytest.raises(DataError, match=r"packing was not finished"):
        packed.load("train", str(out))
    decodings.clear()
    pack(tree, out, SIZE)
    assert len(decodings) == (N - 3) * V
    assert files(out) == files(whole)


@pytest.mark.skipif(sys.platform == "win32", reason="files cannot be locked there")
def test_two_processes_do_not_pack_into_one_folder(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "store"

    def progress(done: int, n: int) -> None:
        with pytest.raises(OSError, match=r"store: another process is packing into this folder"):
            pack(tree, out, SIZE)
        raise Stop

    with pytest.raises(Stop):
        pack(tree, out, SIZE, progress=progress)
    verify(pack(tree, out, SIZE))
