"""What a folder holds is told from what lies in it, with how much there is and how large it is."""

from pathlib import Path

import numpy as np
import pytest
from fakes.object_datasets import write_tree
from PIL import Image

from gazeworld.agents.runs.own_data import OwnData, own_data
from gazeworld.envs.object_datasets.pack_tree import pack

TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"


def photographs(folder: Path, sizes: list[tuple[int, int]]) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i, (width, height) in enumerate(sizes):
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(folder / f"{i}.jpg")


def test_images_with_and_without_classes(tmp_path: Path) -> None:
    photographs(tmp_path / "My holiday!/cats", [(40, 30), (20, 50), (60, 60)])
    photographs(tmp_path / "My holiday!/dogs", [(33, 90), (31, 31)])
    found = own_data(str(tmp_path / "My holiday!"), "saccade")
    assert found == OwnData("My-holiday", "folder", str(tmp_path / "My holiday!"), 5, 31)
    (tmp_path / "My holiday!/cats/1.jpg").write_bytes(b"no image")
    assert own_data(str(tmp_path / "My holiday!"), "augmentation").side == 32, "what is damaged is said by its source"
    photographs(tmp_path / "flat", [(24, 24)])
    assert own_data(str(tmp_path / "flat"), "saccade").scenes == 1


def test_models_views_and_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = tmp_path / "models/chair"
    photographs(models / "textures", [(8, 8), (8, 8)])
    for name in ("a", "b", "c"):
        (models / f"{name}.obj").write_text(TRIANGLE)
    root = str(tmp_path / "models")
    assert own_data(root, "rotation") == OwnData("models", "meshes", root, 3, 0)
    write_tree(tmp_path / "tree", {"chair": 6, "table": 6}, views=5, side=16)
    tree = own_data(str(tmp_path / "tree"), "rotation")
    assert (tree.source, tree.side, tree.views) == ("3diebench", 16, 5)
    pack(tmp_path / "tree", tmp_path / "store", size=16)
    store = own_data(str(tmp_path / "store"), "rotation")
    assert (store.source, store.scenes, store.side, store.views) == ("packed", tree.scenes, 16, 5)
    monkeypatch.chdir(tmp_path)
    assert own_data("store", "rotation") == store, "paths are absolute"


def test_sources_by_name() -> None:
    assert own_data("digits", "saccade") == OwnData("digits", "digits", "", 14380, 56)
    assert own_data("gazeworld.envs.sources.digits:load", "saccade").scenes == 14380


def test_what_is_none(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    photographs(tmp_path / "photos", [(8, 8)])
    (tmp_path / "models").mkdir()
    (tmp_path / "models/a.obj").write_text(TRIANGLE)
    (tmp_path / "file").write_text("")
    for text, world, sentence in (
        ("empty", "saccade", "empty: no image and no 3-D model in it, expected a folder of images, of 3-D models or"),
        ("file", "saccade", "file: is a file, expected a folder of images"),
        (
            "photos",
            "rotation",
            r"holds images \(source 'folder'\), at which world 'rotation' does not look; augmentatio",
        ),
        ("models", "saccade", "holds objects .*, at which world 'saccade' does not look; rotation can"),
        ("nothing", "saccade", "nothing', and there is no such folder; expected .*, or SOURCE:FOLDER with one of"),
    ):
        with pytest.raises(ValueError, match=sentence):
            own_data(str(tmp_path / text), world)
    with pytest.raises(ValueError, match="did you mean 'stl10'"):
        own_data("stl1:/data", "saccade")
