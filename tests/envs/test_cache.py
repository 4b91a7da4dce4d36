"""Arrays on disk: computed once, found again, never half-written, never mixed up."""

import errno
import json
import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
import pytest

from gazeworld.envs.cache import cached
from gazeworld.envs.object_datasets import tree_records


class Counter:
    """Fills with its number of calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, out: np.ndarray) -> None:
        self.calls += 1
        out[:] = self.calls


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GAZEWORLD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_key_is_computed_once_and_stands_beside_its_array(folder: Path) -> None:
    fill = Counter()
    first = cached({"a": 1, "b": [2, 3]}, (4, 2), np.float32, fill)
    again = cached({"b": [2, 3], "a": 1}, (4, 2), np.float32, fill)
    assert fill.calls == 1
    np.testing.assert_array_equal(first, again)
    (array,), (key,) = folder.glob("*.npy"), folder.glob("*.json")
    assert json.loads(key.read_text()) == {"a": 1, "b": [2, 3]}
    assert array.stem == key.stem
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("other", [{"a": 2}, {"a": "1"}, {"a": 1.5}, {"a": 1, "b": None}])
def test_keys_do_not_collide(other: dict) -> None:
    fill = Counter()
    cached({"a": 1}, (3,), np.float32, fill)
    assert cached(other, (3,), np.float32, fill)[0] == 2


def test_a_damaged_file_is_built_again(folder: Path) -> None:
    fill = Counter()
    cached({"a": 1}, (1000,), np.float64, fill)
    (array,) = folder.glob("*.npy")
    for damage in (array.read_bytes()[:500], b"", b"no array at all", b"\x93NUMPY\x01\x00"):
        array.write_bytes(damage)
        before = fill.calls
        found = cached({"a": 1}, (1000,), np.float64, fill)
        assert fill.calls == before + 1
        assert (found == fill.calls).all()


def test_an_array_of_another_shape_or_type_is_built_again() -> None:
    fill = Counter()
    cached({"a": 1}, (3,), np.float32, fill)
    assert cached({"a": 1}, (4,), np.float32, fill).shape == (4,)
    assert cached({"a": 1}, (4,), np.int32, fill).dtype == np.int32
    assert fill.calls == 3


def test_a_failing_fill_leaves_nothing_behind(folder: Path) -> None:
    def fill(out: np.ndarray) -> None:
        out[0] = 1
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cached({"a": 1}, (3,), np.float32, fill)
    assert list(folder.iterdir()) == []


def test_writing_to_the_result_does_not_reach_the_file() -> None:
    fill = Counter()
    cached({"a": 1}, (3,), np.float32, fill)[:] = 77
    assert (cached({"a": 1}, (3,), np.float32, fill) == 1).all()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GAZEWORLD_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(OSError, match=r"cannot write to the cache folder .*below.* GAZEWORLD_CACHE"):
        cached({"a": 1}, (3,), np.float32, Counter())


def _slow(out: np.ndarray) -> None:
    out[: len(out) // 2] = 7
    time.sleep(0.2)
    out[len(out) // 2 :] = 7


def _compute(queue: multiprocessing.Queue) -> None:
    queue.put(cached({"a": 1}, (1000,), np.float32, _slow).sum())


def test_processes_at_the_same_time_all_get_whole_arrays(folder: Path) -> None:
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    processes = [context.Process(target=_compute, args=(queue,)) for _ in range(3)]
    for process in processes:
        process.start()
    sums = [queue.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert sums == [7000.0] * 3
    assert len(list(folder.iterdir())) == 2


def test_what_a_killed_process_left_is_swept_up_a_day_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAZEWORLD_CACHE", str(tmp_path))
    key = {"what": "swept"}
    first = cached(key, (2,), np.float32, lambda out: out.fill(1))
    name = next(tmp_path.glob("*.npy"))
    old, new = (tmp_path / f"{name.stem[:16]}{word}.tmp" for word in ("old", "new"))
    for left in (old, new):
        left.write_bytes(b"half")
    os.utime(old, (0, 0))
    name.unlink()
    assert np.array_equal(cached(key, (2,), np.float32, lambda out: out.fill(1)), first)
    assert not old.exists()
    assert new.exists()


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system sets no room aside")
def test_a_full_disk_is_one_sentence_before_anything_is_computed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mapped file with holes would kill the process instead."""
    asked: list[int] = []

    def full(handle: int, offset: int, length: int) -> None:
        asked.append(offset + length)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    fill = Counter()
    with pytest.raises(
        OSError, match=r"cannot write to the cache folder .*No space left.* GAZEWORLD_CACHE to one that"
    ):
        cached({"a": 1}, (1000,), np.float64, fill)
    assert asked[0] >= 8000
    assert fill.calls == 0
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system sets no room aside")
def test_disks_that_set_nothing_aside_are_written_to_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: int, offset: int, length: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    assert (cached({"a": 1}, (3,), np.float32, Counter()) == 1).all()


def test_a_disk_that_is_full_when_the_key_is_written_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=r"cannot write to the cache folder .* GAZEWORLD_CACHE to one that has room"):
        cached({"a": 1}, (3,), np.float32, Counter())
    assert list(folder.iterdir()) == []


def test_what_another_process_takes_away_while_it_is_swept_is_no_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda path, pattern: [*glob(path, pattern), path / pattern.replace("*", "gone")])
    assert (cached({"a": 1}, (3,), np.float32, Counter()) == 1).all()
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("umask", [0o077, 0o022, 0o002])
def test_files_are_open_to_whom_the_umask_lets_in(folder: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        cached({"a": 1}, (3,), np.float32, Counter())
        tree_records.fail(folder.parent / "set", "chair/a", "it is broken")
        tree_records.save(folder.parent / "set", tree_records.Record("chair/b"), *views(), quality=90)
    finally:
        os.umask(before)
    files = [path for path in folder.parent.rglob("*") if path.is_file()]
    assert len(files) == 2 + 2 + 2
    assert {path.stat().st_mode & 0o777 for path in files} == {0o666 & ~umask}
    folders = [path for path in folder.parent.rglob("*") if path.is_dir()]
    assert {path.stat().st_mode & 0o777 for path in folders} == {0o777 & ~umask}


def views() -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 7), np.float32)
