"""An index of a tree: what is in it, what is left out, what changes are seen at once and what only a full look sees."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from gazeworld.envs import cache
from gazeworld.envs.files import DataError
from gazeworld.envs.image_datasets import image_index
from gazeworld.envs.image_datasets.image_index import (
    Names,
    build_index,
    index_of,
    open_index,
    save_indexes,
    saved_indexes,
    verify,
)
from gazeworld.envs.walking import Tree

ENDINGS = (".jpg", ".jpeg")
TREE = (
    "b/2.JPEG",
    "b/10.jpg",
    "a/deep/x.jpg",
    "a/z.jpeg",
    "a/.hidden.jpg",
    "a/notes.txt",
    ".c/y.jpg",
    "a/@eaDir/t.jpg",
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for i, name in enumerate(TREE):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bytes(i + 1))
    for folder in (tmp_path, *(path for path in tmp_path.rglob("*") if path.is_dir())):
        os.utime(folder, ns=(10**18, 10**18))  # long before the index is made
    return tmp_path


def test_files_are_those_of_the_classes_sorted_in_each(tree: Path) -> None:
    index = open_index(tree, ["b", "a"], ENDINGS)
    assert list(index.names) == ["b/10.jpg", "b/2.JPEG", "a/deep/x.jpg", "a/z.jpeg"]
    assert [index.names[i] for i in (0, 3, -1)] == ["b/10.jpg", "a/z.jpeg", "a/z.jpeg"]
    assert index.names[1:3] == ["b/2.JPEG", "a/deep/x.jpg"]
    assert index.label.tolist() == [0, 0, 1, 1]
    assert index.size.tolist() == [2, 1, 3, 4]
    assert index.mtime.tolist() == [(tree / name).stat().st_mtime_ns for name in index.names]
    assert verify(index) == []


def test_it_is_made_once_until_a_folder_changes(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_index(tree, ["a", "b"], ENDINGS)
    with monkeypatch.context() as patch:
        patch.setattr(image_index, "build_index", lambda *_: pytest.fail("made again"))
        again = open_index(tree, ["a", "b"], ENDINGS)
    assert list(again.names) == list(first.names)
    assert again.fingerprint == first.fingerprint
    for array in ("label", "size", "mtime", "times"):
        assert np.array_equal(getattr(again, array), getattr(first, array))
    (tree / "a/deep/new.jpg").write_bytes(b"12345")
    assert first.changed() == str(tree / "a/deep")
    more = open_index(tree, ["a", "b"], ENDINGS)
    assert len(more) == 5
    assert more.fingerprint != first.fingerprint
    (tree / "a/deep/new.jpg").unlink()
    assert open_index(tree, ["a", "b"], ENDINGS).fingerprint == first.fingerprint


def test_what_changed_while_the_index_was_made_is_looked_at_again(tree: Path) -> None:
    index = build_index(tree, ["a", "b"], ENDINGS)
    now = time.time_ns()
    os.utime(tree / "b", ns=(now, now))
    assert build_index(tree, ["a", "b"], ENDINGS).changed() == str(tree / "b")
    assert index.changed() == str(tree / "b")


def test_a_file_written_over_in_place_is_seen_by_a_full_look_alone(tree: Path) -> None:
    index = open_index(tree, ["a", "b"], ENDINGS)
    (tree / "b/2.JPEG").write_bytes(b"other and longer")
    (tree / "a/z.jpeg").write_bytes(b"abcd")
    os.utime(tree / "a/z.jpeg", ns=(5, 5))
    (tree / "a/deep/x.jpg").unlink()
    assert index.changed() == str(tree / "a/deep")
    assert verify(index) == [
        f"{tree}/a/deep/x.jpg: cannot be reached (No such file or directory), expected a file of 3 bytes",
        f"{tree}/a/z.jpeg: was changed since it was indexed",
        f"{tree}/b/2.JPEG: has 16 bytes, expected 1",
        f"{tree}/a/deep: files were added or removed since it was indexed",
    ]


def test_a_damaged_index_is_made_again(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAZEWORLD_CACHE", str(tree / "cache"))
    first = open_index(tree, ["a"], ENDINGS)
    (place,) = cache.folder().glob("index-*.npz")
    for data in (b"", place.read_bytes()[:200], b"PK\x03\x04 nonsense", place.read_bytes()[:-30]):
        place.write_bytes(data)
        assert list(open_index(tree, ["a"], ENDINGS).names) == list(first.names)


def test_links_are_followed_and_a_circle_ends(tree: Path) -> None:
    (tree / "a/up").symlink_to(tree / "a")
    (tree / "a/l.jpg").symlink_to(tree / "b/2.JPEG")
    index = build_index(tree, ["a"], ENDINGS)
    assert list(index.names) == ["a/deep/x.jpg", "a/l.jpg", "a/z.jpeg"]
    assert index.size.tolist() == [3, 1, 4]
    (tree / "a/gone.jpg").symlink_to(tree / "nowhere")
    with pytest.raises(DataError, match=r"a/gone\.jpg: cannot be reached \(No such file"):
        build_index(tree, ["a"], ENDINGS)


def test_a_class_without_images_is_named(tree: Path) -> None:
    (tree / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: no image in it, expected files ending in \.jpg, \.jpeg"):
        open_index(tree, ["a", "empty"], ENDINGS)
    with pytest.raises(DataError, match=r"gone: cannot be reached"):
        open_index(tree, ["a", "gone"], ENDINGS)


def test_names_need_not_be_text(tree: Path) -> None:
    name = os.fsdecode(b"b/\xff\xe9.jpg")
    (tree / name).write_bytes(b"1234567")
    index = open_index(tree, ["b"], ENDINGS)
    assert name in list(index.names)
    assert list(open_index(tree, ["b"], ENDINGS).names) == list(index.names)
    assert (tree / index.names[list(index.names).index(name)]).read_bytes() == b"1234567"
    (tree / name).unlink()
    assert any(r"b/\xff\xe9.jpg: cannot be reached" in said for said in verify(index))


def test_several_indexes_are_kept_under_one_key(tree: Path) -> None:
    looked = Tree(tree)
    names = looked.walk(ENDINGS).names
    label = np.array([1, 1, 0, 0], np.int32)
    whole = index_of(looked, ["b", os.fsdecode(b"\xe9")], names, label, time.time_ns())
    assert list(whole.names) == ["a/deep/x.jpg", "a/z.jpeg", "b/10.jpg", "b/2.JPEG"]
    assert whole.size.tolist() == [3, 4, 2, 1]
    assert verify(whole) == []
    part = index_of(looked, [], names[:1], np.array([-1], np.int32), whole.made)
    none = index_of(looked, [], [], np.zeros(0, np.int32), whole.made)
    save_indexes({"some": "key"}, [whole, part, none])
    found = saved_indexes({"some": "key"}, tree)
    assert found is not None
    for one, other in zip(found, (whole, part, none), strict=True):
        assert (one.tops, list(one.names), one.fingerprint) == (other.tops, list(other.names), other.fingerprint)
        for array in ("label", "size", "mtime", "times"):
            assert np.array_equal(getattr(one, array), getattr(other, array))
    assert saved_indexes({"another": "key"}, tree) is None
    (tree / "a/deep/x.jpg").unlink()
    assert saved_indexes({"some": "key"}, tree) is None
    with pytest.raises(DataError, match=r"x\.jpg: cannot be reached \(No such file"):
        index_of(looked, [], names, label, whole.made)


def test_names_are_a_sequence() -> None:
    names = Names.of(["a", "", "längs", "b"])
    assert list(names) == ["a", "", "längs", "b"] == [names[i] for i in range(4)]
    assert len(Names.of([])) == 0
    for bad in (4, -5):
        with pytest.raises(IndexError):
            names[bad]
