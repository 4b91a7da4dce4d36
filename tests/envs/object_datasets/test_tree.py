"""Trees of 3DIEBench's layout: who is in which split and class, and everything that can be wrong with the files."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from fakes.object_datasets import CLASSES, latent, write_index, write_tree

from gazeworld.envs.files import DataError
from gazeworld.envs.object_datasets.pack_tree import pack
from gazeworld.envs.object_datasets.tree import drawn_by, fingerprint, read_latents, read_tree
from gazeworld.envs.object_datasets.tree_index import members
from gazeworld.envs.objects import splits
from gazeworld.envs.sources import packed

FIRST = "02691156/56object0"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    write_tree(tmp_path / "tree", index=True)
    return tmp_path / "tree"


def rewrite(path: Path, change: object) -> None:
    """Save what a function makes of an array."""
    np.save(path, change(np.load(path)))  # type: ignore[operator]


def savez(path: Path) -> None:
    """An archive of arrays under the name of an array."""
    with path.open("wb") as file:
        np.savez(file, a=np.zeros(7))


@pytest.mark.parametrize("views", [1, 4, 50])
def test_a_tree_without_lists_is_walked(tmp_path: Path, views: int) -> None:
    names = write_tree(tmp_path, {"02": 6, "03": 5} if views < 50 else {"02": 2, "03": 2}, views, 8)
    every = read_tree(tmp_path, "all")
    assert every.views == views
    assert sorted(every.names) == sorted(names)
    assert every.classes == ("02", "03")
    assert [every.classes[label] for label in every.labels] == [name.split("/")[1] for name in every.names]
    train, test = read_tree(tmp_path, "train"), read_tree(tmp_path, "test")
    assert train.names + test.names == every.names
    assert train.labels + test.labels == every.labels
    assert read_tree(tmp_path, "val") == test


def test_the_walk_splits_each_class_by_hash_and_skips_what_is_hidden(tmp_path: Path) -> None:
    names = write_tree(tmp_path, {"a": 20, "b": 5, "c": 1}, 1, 8)
    (tmp_path / ".records" / "a").mkdir(parents=True)
    (tmp_path / "a" / ".aobject9.x.part").mkdir()
    (tmp_path / "LICENSE").write_text("text")
    test = read_tree(tmp_path, "test").names
    assert {name[1:-1] for name in test} == splits.tested(name[1:-1] for name in names)
    assert [sum(name.startswith(f"/{c}/") for name in test) for c in "abc"] == [4, 1, 0]
    shutil.rmtree(tmp_path / "b")
    assert read_tree(tmp_path, "test").names == tuple(name for name in test if not name.startswith("/b/"))


def test_the_authors_index_files_are_honoured(tree: Path) -> None:
    for split, name in (("train", "train"), ("test", "val")):
        found = read_tree(tree, split)
        assert found.names == tuple(np.load(tree / f"{name}_images.npy").tolist())
        assert found.labels == tuple(np.load(tree / f"{name}_labels.npy").tolist())
        assert found.classes == tuple(CLASSES)
    assert read_tree(tree, "test").names != read_tree(tree, "test", "none").names


def test_index_files_may_lie_elsewhere_and_name_a_part_of_the_tree(tmp_path: Path, tree: Path) -> None:
    chosen = read_tree(tree, "all").names[:8]
    write_index(tmp_path / "elsewhere", chosen)
    found = read_tree(tree, "all", str(tmp_path / "elsewhere"))
    assert sorted(found.names) == sorted(chosen)
    (tmp_path / "elsewhere" / "train_images.npy").unlink()
    assert read_tree(tree, "test", str(tmp_path / "elsewhere")).names == found.names[-2:]
    with pytest.raises(DataError, match=r"elsewhere: no object in split 'train'"):
        read_tree(tree, "train", str(tmp_path / "elsewhere"))
    with pytest.raises(DataError, match=r"nowhere/train_images.npy: not there"):
        read_tree(tree, "train", str(tmp_path / "nowhere"))


def test_labels_are_the_authors_even_if_they_are_not_numbers_of_sorted_synsets(tree: Path) -> None:
    for name in ("train", "val"):
        rewrite(tree / f"{name}_labels.npy", lambda labels: np.array([5, 0, 3])[labels])
    found = read_tree(tree, "all")
    assert found.classes == ("03001627", "label 1", "label 2", "04379243", "label 4", "02691156")
    assert all(
        found.classes[label] == name.split("/")[1] for label, name in zip(found.labels, found.names, strict=True)
    )
    for name in ("train", "val"):
        rewrite(tree / f"{name}_labels.npy", lambda labels: (labels == 5).astype(np.int64))
    assert read_tree(tree, "all").classes == ("03001627+04379243", "02691156")


def test_a_split_file_decides_before_index_files(tree: Path) -> None:
    parts = {"train": ["04379243/43object1", FIRST], "test": ["03001627/27object4"]}
    (tree / "split.json").write_text(json.dumps(parts))
    train, test = read_tree(tree, "train"), read_tree(tree, "test")
    assert train.names == ("/04379243/43object1/", f"/{FIRST}/")
    assert test.names == ("/03001627/27object4/",)
    assert (train.labels, test.labels, train.classes) == ((2, 0), (1,), tuple(CLASSES))
    assert read_tree(tree, "train", str(tree)).names == tuple(np.load(tree / "train_images.npy").tolist())


def test_latents_are_those_of_each_view(tree: Path) -> None:
    names = read_tree(tree, "all", "none").names
    order = sorted(names)  # as they were written, because the synsets are sorted
    found = read_latents(read_tree(tree, "all", "none"))
    for i, name in enumerate(names):
        for view in range(3):
            assert np.array_equal(found[i, view], latent(order.index(name), view).astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, ">f8", np.int64])
def test_latents_of_any_number_type_are_read(tree: Path, dtype: object) -> None:
    values = np.array([3, -2, 1, 0, 4, 5, 1])
    np.save(tree / FIRST / "latent_1.npy", values.astype(dtype))
    listing = read_tree(tree, "all")
    assert np.array_equal(read_latents(listing)[listing.names.index(f"/{FIRST}/"), 1], values)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: np.save(path, np.zeros(6)), r"holds float64 of shape \(6,\), expected 7 numbers: yaw"),
        (lambda path: np.save(path, np.zeros((1, 7))), r"holds float64 of shape \(1, 7\), expected 7"),
        (lambda path: np.save(path, np.array(["x"] * 7)), r"holds <U1 of shape \(7,\), expected 7"),
        (lambda path: np.save(path, np.array([None] * 7)), r"not a whole .npy file .*, expected 7"),
        (savez, r"holds NpzFile, expected 7"),
        (lambda path: path.write_bytes(b""), r"not a whole .npy file .*, expected 7"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), r"not a whole .npy file .*, expected 7"),
        (lambda path: path.write_bytes(b"PK\x03\x04 no archive"), r"holds NpzFile, expected 7"),
        (lambda path: np.save(path, np.array([0, 0, 0, 0, np.nan, 0, 0])), r"spot_theta is nan, expected a finite"),
        (lambda path: np.save(path, np.array([0, 0, 1e300, 0, 0, 0, 0])), r"roll is inf, expected a finite"),
        (lambda path: np.save(path, np.array([0, 0, 0, 220.0, 0, 0, 1])), r"floor_hue is 220.0, expected a hue in"),
        (lambda path: np.save(path, np.array([0, 0, 0, 0, 0, 0, -0.5])), r"spot_hue is -0.5, expected a hue in"),
    ],
)
def test_a_bad_latent_is_named(tree: Path, damage: object, message: str) -> None:
    damage(tree / FIRST / "latent_2.npy")  # type: ignore[operator]
    with pytest.raises(DataError, match=rf"{FIRST}/latent_2.npy: {message}"):
        read_latents(read_tree(tree, "all"))


@pytest.mark.parametrize("name", ["image_0.jpg", "image_1.jpg", "image_2.jpg", "latent_0.npy", "latent_2.npy"])
def test_a_missing_file_is_named(tree: Path, name: str) -> None:
    (tree / FIRST / name).unlink()
    with pytest.raises(DataError, match=rf"{FIRST}/{name}: not there, expected views 0 … 2"):
        read_tree(tree, "all")


def test_differing_numbers_of_views_are_named(tree: Path) -> None:
    (tree / FIRST / "image_2.jpg").unlink()
    (tree / FIRST / "latent_2.npy").unlink()
    with pytest.raises(DataError, match=rf"{FIRST}/image_2.jpg: not there, expected views 0 … 2"):
        read_tree(tree, "all")
    for i in (2, 3):
        shutil.copy(tree / FIRST / "image_0.jpg", tree / FIRST / f"image_{i}.jpg")
        shutil.copy(tree / FIRST / "latent_0.npy", tree / FIRST / f"latent_{i}.npy")
    with pytest.raises(DataError, match=rf"{FIRST}/image_3.jpg: not expected, the other objects have views 0 … 2 only"):
        read_tree(tree, "all")


def test_of_two_objects_the_one_with_fewer_views_is_to_blame(tmp_path: Path) -> None:
    write_tree(tmp_path, {"a": 2}, 4, 8)
    for file in ("image_3.jpg", "latent_3.npy"):
        (tmp_path / "a" / "aobject0" / file).unlink()
    with pytest.raises(DataError, match=r"aobject0/image_3.jpg: not there"):
        read_tree(tmp_path, "all")


def test_an_empty_object_or_class_is_named(tmp_path: Path) -> None:
    (tmp_path / "a" / "x").mkdir(parents=True)
    with pytest.raises(DataError, match=r"a/x/image_0.jpg: not there"):
        read_tree(tmp_path)
    (tmp_path / "b").mkdir()
    with pytest.raises(DataError, match=r"b: no object in it"):
        read_tree(tmp_path)
    with pytest.raises(DataError, match=r"nowhere: no such folder"):
        read_tree(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: no object in split 'train'"):
        read_tree(tmp_path / "empty")


def first_name(name: str) -> object:
    def change(names: np.ndarray) -> np.ndarray:
        return np.array([name, *names.tolist()[1:]])

    return change


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (
            "train_images",
            first_name("/02691156/none/"),
            r"train_images.npy: object /02691156/none/ is listed, but .*none",
        ),
        ("val_images", first_name("/02691156/none/"), r"val_images.npy: object /02691156/none/ is listed"),
        (
            "train_images",
            first_name("/../../x/"),
            r"train_images.npy: object '/../../x/', expected /<synset>/<object>/",
        ),
        ("train_images", first_name("/02691156/../"), r"train_images.npy: object '/02691156/../', expected"),
        ("train_images", first_name("/02691156/"), r"train_images.npy: object '/02691156/', expected"),
        ("train_images", first_name("/a/b/c/"), r"train_images.npy: object '/a/b/c/', expected"),
        ("train_images", lambda x: np.concatenate([x[:1], x[:-1]]), r"train_images.npy: object .* more than once"),
        (
            "train_images",
            lambda x: x.reshape(1, -1),
            r"train_images.npy: holds <U20 of shape \(1, 11\), expected a one-",
        ),
        ("train_images", lambda x: np.arange(11), r"train_images.npy: holds int64 .*strings"),
        ("train_images", lambda x: x.astype(object), r"train_images.npy: not a whole .npy file .*pickle"),
        ("train_labels", lambda x: x[:-1], r"train_labels.npy: 10 labels for the 11 objects in train_images.npy"),
        ("val_labels", lambda x: np.append(x, 0), r"val_labels.npy: 4 labels for the 3 objects in val_images.npy"),
        ("train_labels", lambda x: x - 1, r"train_labels.npy: label -1 at \d+, expected 0 or more"),
        ("train_labels", lambda x: x * 1.0, r"train_labels.npy: holds float64 of shape \(11,\)"),
        ("train_labels", lambda x: x * 10**6, r"label 2000000 in the index files for 3 synsets|has label"),
        ("train_labels", lambda x: np.arange(11), r"has label \d+ in the index files, others of \d+ have \d+"),
        ("val_labels", lambda x: x + 1, r"has label \d+ in the index files, others of \d+ have \d+"),
    ],
)
def test_a_bad_index_is_named(tree: Path, file: str, change: object, message: str) -> None:
    rewrite(tree / f"{file}.npy", change)
    with pytest.raises(DataError, match=message):
        read_tree(tree, "all")


def test_an_object_in_both_splits_is_refused(tree: Path) -> None:
    rewrite(tree / "val_images.npy", lambda names: np.concatenate([np.load(tree / "train_images.npy")[:1], names[1:]]))
    rewrite(tree / "val_labels.npy", lambda labels: np.append(np.load(tree / "train_labels.npy")[:1], labels[1:]))
    with pytest.raises(DataError, match=r"object /.*/ is in both splits"):
        read_tree(tree, "train")


def test_index_files_that_are_damaged_or_missing_are_named(tree: Path) -> None:
    path = tree / "val_labels.npy"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataError, match=r"val_labels.npy: not a whole .npy file"):
        read_tree(tree, "test")
    path.unlink()
    with pytest.raises(DataError, match=r"val_labels.npy: not there, expected one whole number for each object"):
        read_tree(tree, "test")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"train": [', r"split.json: not a whole JSON file"),
        ('{"train": []}', r"split.json: expected lists of objects under 'train' and 'test'"),
        ("[]", r"split.json: expected lists"),
        ('{"train": [1], "test": []}', r"split.json: object 1, expected /<synset>/<object>/"),
        ('{"train": ["a/b"], "test": ["a/b"]}', r"split.json: object /a/b/ is in both splits"),
        ('{"train": ["a/b"], "test": []}', r"split.json: object /a/b/ is listed, but .*/a/b is no folder"),
    ],
)
def test_a_bad_split_file_is_named(tree: Path, text: str, message: str) -> None:
    (tree / "split.json").write_text(text)
    with pytest.raises(DataError, match=message):
        read_tree(tree)


def test_an_unknown_split_is_refused(tree: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown split 'valid'; there are: train, test, all, val"):
        read_tree(tree, "valid")


def test_a_fingerprint_follows_the_content_wherever_it_lies(tmp_path: Path, tree: Path) -> None:
    def of(root: Path, split: str = "all") -> str:
        listing = read_tree(root, split)
        return fingerprint(listing, read_latents(listing))

    first = of(tree)
    shutil.copytree(tree, tmp_path / "copy")
    assert of(tmp_path / "copy") == first
    assert of(tree, "train") != of(tree, "test")
    np.save(tree / FIRST / "latent_0.npy", np.ones(7))
    assert of(tree) != first
    shutil.copy(tree / FIRST / "image_1.jpg", tmp_path / "copy" / FIRST / "image_0.jpg")
    assert of(tmp_path / "copy") != first


def test_what_drew_the_views_is_read(tmp_path: Path) -> None:
    assert drawn_by(tmp_path) == ""
    (tmp_path / "render.json").write_text(json.dumps({"renderer": "embree 4.4"}))
    assert drawn_by(tmp_path) == "embree 4.4"
    (tmp_path / "render.json").write_text("{")
    with pytest.raises(DataError, match=r"render.json: not a whole JSON file"):
        drawn_by(tmp_path)


def test_a_list_of_a_rendered_set_is_read_as_it_was_written(tmp_path: Path) -> None:
    """What `summary.finish` writes beside rendered objects is what is read here."""
    from gazeworld.envs.object_datasets import tree_records, tree_summary

    settings = {"size": 8}
    tree_summary.begin(tmp_path, settings, "embree")
    keys = [f"{c}/{i}" for c in ("chair", "table") for i in range(5)]
    for key in keys:
        images, latents = np.zeros((2, 8, 8, 3), np.uint8), np.ones((2, 7), np.float32)
        tree_records.save(tmp_path, tree_records.Record(key, 2, config="c", renderer="embree 4"), images, latents, 90)
    tree_summary.finish(tmp_path, keys)
    listed, indexed, walked = (members(tmp_path, index) for index in ("", str(tmp_path), "none"))
    assert listed.names == indexed.names
    assert listed.labels == indexed.labels
    assert set(listed.names[listed.train :]) == set(walked.names[walked.train :])
    assert listed.classes == indexed.classes == walked.classes == ("chair", "table")
    assert read_tree(tmp_path, "all").views == 2
    assert drawn_by(tmp_path) == "embree 4"


@pytest.mark.parametrize(("place", "target"), [("04379243/again", "../02691156/56object0"), ("again", "02691156")])
def test_no_view_has_two_names(tree: Path, place: str, target: str) -> None:
    (tree / place).symlink_to(target)
    with pytest.raises(DataError, match=r"is the same folder as .*, expected one of its own"):
        read_tree(tree, "all", "none")


def test_links_that_lead_up_are_no_objects(tree: Path) -> None:
    every = read_tree(tree, "all", "none")
    (tree / "up").symlink_to("..")
    (tree / "02691156" / "me").symlink_to(".")
    assert read_tree(tree, "all", "none") == every
    (tree / "02691156" / "gone").symlink_to("nowhere")
    with pytest.raises(DataError, match=r"gone: a link to nowhere, which cannot be reached"):
        read_tree(tree, "all", "none")


def test_lists_that_are_links_to_nowhere_are_named(tree: Path) -> None:
    for name in ("render.json", "split.json"):
        (tree / name).symlink_to("nowhere")
        with pytest.raises(DataError, match=rf"{name}: not there, expected"):
            drawn_by(tree) if name == "render.json" else read_tree(tree)


def test_names_that_are_not_utf8_are_read(tmp_path: Path) -> None:
    write_tree(tmp_path / "tree", {"a": 4, "b": 4}, 1, 8)
    (tmp_path / "tree/a/aobject1").rename(os.fsdecode(os.fsencode(tmp_path / "tree/a") + b"/caf\xe9"))
    (tmp_path / "tree/a").rename(os.fsdecode(os.fsencode(tmp_path / "tree") + b"/caf\xe9"))
    found = read_tree(tmp_path / "tree", "all")
    assert found.classes == ("b", r"caf\xe9")
    assert len(found.names) == 8
    store = pack(tmp_path / "tree", tmp_path / "store", 8)
    assert packed.load("all", str(store), check=True).names == found.names
