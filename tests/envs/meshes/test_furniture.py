"""Furniture archives: the catalogue, what is made of a model, the classes, and archives that must be refused."""

import functools
import io
import os
import pickle
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gazeworld.envs.files import DataError
from gazeworld.envs.images import load_source
from gazeworld.envs.meshes import furniture
from gazeworld.envs.meshes.furniture import CATALOGUE, FOLDER, category_of, properties, walk
from gazeworld.envs.meshes.mesh_files import walk as walk_meshes

# An L: long to +x, its foot to +y (upwards), its front a little pyramid to +z.
MODEL = """mtllib chair.mtl
v 0 0 0
v 4 0 0
v 0 1 0
v 0 0 2
v 4 1 0
usemtl wood
f 1 3 2
f 1 4 3
f 1 2 4
f 3 5 2
"""
HEAD = "name=Test library\nversion=1.0\nlicense=CC-BY \\u00a9 somebody\n"
ENTRY = "name#1=Armchair\ntags#1=Seat\ncategory#1=Living room\nmodel#1=/lib/chair/chair.obj\ncreator#1=J\xf6rg\n"


def archive(path: Path, catalogue: str = HEAD + ENTRY, **files: str | bytes) -> Path:
    """An archive with one chair; `files` add to it or replace, "__" standing for a slash and "_" for a full stop."""
    content: dict[str, str | bytes] = {CATALOGUE: catalogue.encode("latin-1"), "lib/chair/chair.obj": MODEL}
    content["lib/chair/chair.mtl"] = "newmtl wood\nKd 1 0 0\n"
    for name, value in files.items():
        content[name.replace("__", "/").replace("_", ".")] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as file:
        for name, value in content.items():
            file.writestr(name, value)
    return path


def png() -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), 90, np.uint8)).save(out, "PNG")
    return out.getvalue()


def test_properties_files_as_java_writes_them() -> None:
    text = (
        "# comment = no\n! neither\n  a=1\nb : two words \nc three\nd\\ e=\\u00e9\\t\\\\\nf=long \\\n    line\n"
        "g=\nh\ni=x\\\\\nj=\\#\\:\xe9\r\na=2"
    )
    assert properties(text.encode("latin-1")) == {
        "a": "2", "b": "two words ", "c": "three", "d e": "é\t\\", "f": "long line", "g": "", "h": "", "i": "x\\",
        "j": "#:é",
    }  # fmt: skip


def test_characters_beyond_16_bits_are_two_escapes() -> None:
    assert properties(b"a=\\ud83d\\ude00 \\u00e9\nb=\\ud83d") == {"a": "\U0001f600 é", "b": "\ufffd"}


def test_a_model_with_its_class_credit_and_mesh(tmp_path: Path) -> None:
    archive(tmp_path / "a.sh3f")
    (item,) = walk(tmp_path)
    assert (item.category, item.key) == ("chair", "chair/lib_chair")
    assert item.credit == "Test library 1.0: Armchair (lib/chair/chair.obj) by Jörg, CC-BY © somebody"
    assert walk(tmp_path / "a.sh3f") == [item]
    mesh = pickle.loads(pickle.dumps(item)).load()
    assert mesh.name.endswith("a.sh3f:lib/chair/chair.obj")
    assert np.allclose(np.ptp(mesh.vertices, axis=0), np.array([4, 2, 1]) / np.sqrt(21), atol=1e-6)
    front = mesh.vertices[mesh.vertices[:, 1] > 0]  # z of the file, one vertex there, at x = 0, y = 0
    assert np.allclose(front, np.array([2, 1, -0.5]) / np.sqrt(21), atol=1e-6)
    assert mesh.materials[0].colour == (1, 0, 0)


def test_the_fingerprint_follows_the_archives_of_a_folder_and_a_single_one(tmp_path: Path) -> None:
    options = {"size": 8, "views": 1}
    for root in (tmp_path / "folder", tmp_path / "a.sh3f"):
        path = root if root.suffix else root / "a.sh3f"
        archive(path)
        first = load_source("furniture", "train", str(root), **options).fingerprint
        assert load_source("furniture", "train", str(root), **options).fingerprint == first
        archive(path, lib__chair__chair_mtl="newmtl wood\nKd 0 0 1\n")
        assert load_source("furniture", "train", str(root), **options).fingerprint != first


def test_a_models_rotation_is_applied_first(tmp_path: Path) -> None:
    # As the archives have it, for models whose z axis points upwards: row by row, (x, y, z) becomes (x, z, -y).
    archive(tmp_path / "a.sh3f", HEAD + ENTRY + "modelRotation#1=1 0 0 0 0 1 0 -1 0\n")
    mesh = walk(tmp_path)[0].load()
    assert np.allclose(np.ptp(mesh.vertices, axis=0), np.array([4, 1, 2]) / np.sqrt(21), atol=1e-6)
    top = mesh.vertices[mesh.vertices[:, 2] > 0]
    assert np.allclose(top, np.array([2, 0.5, 1]) / np.sqrt(21), atol=1e-6)


@pytest.mark.parametrize("words", ["1 0 0 0 1 0", "1 0 0 0 1 0 0 0 2", "1 0 0 0 x 0 0 0 1", "nan 0 0 0 1 0 0 0 1"])
def test_rotations_that_are_none(tmp_path: Path, words: str) -> None:
    archive(tmp_path / "a.sh3f", HEAD + ENTRY + f"modelRotation#1={words}\n")
    with pytest.raises(DataError, match=r"a\.sh3f: modelRotation#1 is .* expected the 9 numbers of a rotation"):
        walk(tmp_path)


@pytest.mark.parametrize(
    ("category", "name", "tags", "place"),
    [
        ("chair", "Bar stool", "Chair, Seat", "Living room"),
        ("sofa", "Futon couch", "Sofa, Seat", "Living room"),
        ("table", "Desk", "Table", "Office"),
        ("lamp", "Desk lamp", "", "Lights"),
        ("", "Candle", "Decoration", "Lights"),
        ("person", "Sitting male", "Human, People", "Characters"),
        ("", "Dog", "Animal", "Characters"),
        ("vehicle", "SUV", "SCPTS, Car", "Vehicles"),
        ("window-door", "Glass door", "Adjustable, Kitchen", "Doors and windows"),
        ("storage", "Glass door cabinet", "Cupboard", "Kitchen"),
        ("storage", "Bedside table", "Nightstand", "Bedroom"),
        ("plant", "Japanese maple", "Tree, Outdoor, Garden", "Exterior"),
        ("", "Square RJ45 plug", "Electricity, Socket, Outlet, Computer", "Miscellaneous"),
        ("electronics", "TV 16:9", "Electronics, Appliance", "Living room"),
        ("appliance", "Oven", "Blend Swap, Appliance, Cooker", "Kitchen"),
        ("tableware", "Wine bottle", "Food, Drink", "Kitchen"),
        ("", "Table tennis bat", "Game, Sport", "Miscellaneous"),
        ("", "Hammer", "SCPTS, Tool", "Miscellaneous"),
    ],
)
def test_classes_by_name_tags_and_category(category: str, name: str, tags: str, place: str) -> None:
    assert category_of({"name": name, "tags": tags, "category": place}) == category


@pytest.mark.parametrize("name", ["../evil.obj", "lib/../../evil.obj", "/evil.obj", "C:/evil.obj", "..\\evil.obj"])
def test_paths_that_leave_the_archive_are_refused(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / "a.sh3f")
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(name, MODEL)
    with pytest.raises(DataError, match=r"a\.sh3f: the path '.*evil\.obj' leaves the archive"):
        walk(tmp_path)


def test_references_that_leave_the_archive_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive(tmp_path / "model.sh3f", HEAD + ENTRY.replace("/lib/chair", "/lib/../.."))
    with pytest.raises(DataError, match=r"model\.sh3f: the path .* of model 1 leaves the archive"):
        walk(tmp_path)
    (tmp_path / "model.sh3f").unlink()
    monkeypatch.setattr(furniture, "INCOMPLETE", frozenset({"lib/chair"}))  # not even for those
    (tmp_path / "secret.png").write_bytes(png())
    archive(tmp_path / "texture.sh3f", lib__chair__chair_mtl="newmtl wood\nmap_Kd ../../../secret.png\n")
    (item,) = walk(tmp_path)
    with pytest.raises(DataError, match=r"the path '../../../secret.png' leaves the archive"):
        item.load()
    archive(tmp_path / "texture.sh3f", lib__chair__chair_mtl="newmtl wood\nmap_Kd ../wood.png\n", lib__wood_png=png())
    assert walk(tmp_path)[0].load()  # up, but not out


def test_missing_textures_are_named_unless_they_are_known_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(tmp_path / "a.sh3f", lib__chair__chair_mtl="newmtl wood\nKd 0 0 1\nmap_Kd C:/Users/me/wood.jpg\n")
    (item,) = walk(tmp_path)
    with pytest.raises(DataError, match=r"a\.sh3f:lib/chair/chair\.obj: refers to the file 'C:/Users/me/wood\.jpg'"):
        item.load()
    monkeypatch.setattr(furniture, "INCOMPLETE", frozenset({"lib/chair"}))
    assert item.load().materials[0].colour == (0, 0, 1)


@pytest.mark.parametrize(
    ("catalogue", "said"),
    [
        (HEAD + "name#1=Chair\nmodel#1=/a.obj\n", "says nothing of category#1"),
        (HEAD + "name#1=Chair\ncategory#1=Office\n", "says nothing of model#1"),
        (HEAD + ENTRY.replace("/lib/chair/chair.obj", ""), "model#1 is '', expected the path of a model"),
        (HEAD + ENTRY.replace("/lib/chair/chair.obj", "/"), "model#1 is '/', expected the path of a model"),
        (HEAD + ENTRY + ENTRY.replace("#1", "#2"), "a second model called chair/lib_chair"),
    ],
)
def test_incomplete_catalogues_are_named(tmp_path: Path, catalogue: str, said: str) -> None:
    archive(tmp_path / "a.sh3f", catalogue)
    with pytest.raises(DataError, match=rf"a\.sh3f.*{said}"):
        walk(tmp_path)


def test_archives_that_are_none_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no furniture archive found, .* sweethome3d-furniture"):
        walk(tmp_path)
    path = tmp_path / "a.sh3f"
    path.write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"a\.sh3f: cannot be opened"):
        walk(tmp_path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("readme.txt", "nothing")
    with pytest.raises(DataError, match=r"a\.sh3f: no PluginFurnitureCatalog\.properties in it"):
        walk(tmp_path)
    archive(path)
    whole = path.read_bytes()
    at = whole.index(b"v 4 1 0")
    path.write_bytes(whole[:at] + b"v 9 9 9" + whole[at + 7 :])
    (item,) = walk(tmp_path)
    with pytest.raises(DataError, match=r"a\.sh3f: lib/chair/chair\.obj is damaged"):
        item.load()
    archive(path, HEAD + ENTRY.replace("chair.obj", "lost.obj"))
    with pytest.raises(DataError, match=r"refers to the file 'lost\.obj', which is not there"):
        walk(tmp_path)[0].load()


def test_files_that_would_fill_the_memory_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive(tmp_path / "a.sh3f")
    monkeypatch.setattr(furniture, "_LARGEST", 20)
    with pytest.raises(DataError, match=r"a\.sh3f: PluginFurnitureCatalog\.properties has \d+ bytes, expected 20"):
        walk(tmp_path)


def test_special_files_are_no_archives(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.sh3f")
    for root in (tmp_path, tmp_path / "a.sh3f"):
        with pytest.raises(DataError, match=r"a\.sh3f: (is no regular file|no furniture archive found)"):
            walk(root)


def test_folders_among_an_archives_entries_do_no_harm(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.sh3f")
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("./", b"")
    assert walk(tmp_path)[0].load()


def test_damage_that_no_reader_looks_for_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive(tmp_path / "a.sh3f", lib__chair__chair_obj=MODEL.replace("f 1 3 2", "f 1 - 2"))
    with pytest.raises(DataError, match=r"a\.sh3f:lib/chair/chair\.obj: a face is '1 - 2', expected whole numbers"):
        walk(tmp_path)[0].load()

    def read(data: bytes, besides: object) -> None:
        raise IndexError("list index out of range")

    monkeypatch.setattr(furniture.obj_files, "read", read)
    with pytest.raises(DataError, match=r"chair\.obj: cannot be read \(IndexError: list index out of range\)"):
        walk(tmp_path)[0].load()


@functools.cache
def debian() -> list[furniture.Item]:
    if not list(FOLDER.glob("*.sh3f")):
        pytest.skip("Debian's sweethome3d-furniture is not installed")
    return walk()


def test_the_furniture_of_debian_has_twelve_classes() -> None:
    items = debian()
    counts = Counter(item.category for item in items)
    assert len(items) >= 450
    assert len(counts) == 12
    assert min(counts.values()) >= 20
    assert len({item.key for item in items}) == len(items)
    assert all(item.key.startswith(item.category + "/") for item in items)
    assert all(" by " in item.credit and ("licen" in item.credit or "domain" in item.credit) for item in items)
    assert "\\u" not in "".join(item.credit for item in items)


@pytest.mark.parametrize(
    "key",
    [
        "chair/scopia_armchair1",  # rotated
        "chair/scopia_bar_chair",  # a texture that the archive lacks
        "table/blendswap-cc-0_technicalTable2",  # the same, under a drive's letter
        "storage/scopia_kids_shelves",  # a library that the archive lacks
        "vehicle/scopia_chevrolet",  # parts of its textures are transparent
        "appliance/blendswap-cc-0_kitchenaid",  # a material with and without texture coordinates
    ],
)
def test_models_of_debian_load(key: str) -> None:
    item = next(item for item in debian() if item.key == key)
    mesh = item.load()
    assert np.linalg.norm(np.ptp(mesh.vertices, axis=0)) == pytest.approx(1, abs=1e-5)
    assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-4)
    if key == "chair/scopia_armchair1":  # it has a back, behind and above
        high = mesh.vertices[mesh.vertices[:, 2] > 0.6 * mesh.vertices[:, 2].max()]
        assert high[:, 1].mean() < 0


def test_furniture_and_folders_give_the_same_kind_of_items(tmp_path: Path) -> None:
    (tmp_path / "tree" / "chair").mkdir(parents=True)
    (tmp_path / "tree" / "chair" / "a.obj").write_text(MODEL.replace("mtllib chair.mtl", ""))
    archive(tmp_path / "a.sh3f")
    (one,), (other,) = walk(tmp_path), walk_meshes(tmp_path / "tree")
    assert type(one) is type(other)
    turned = one.load().vertices * [-1, -1, 1]  # furniture faces the camera, other meshes lie as Blender puts them
    assert np.allclose(np.sort(turned, 0), np.sort(other.load().vertices, 0), atol=1e-6)
