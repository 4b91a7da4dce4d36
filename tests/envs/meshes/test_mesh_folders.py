"""Folders of models as people keep them: textures beside, links, special files, odd names, references that lead out."""

import base64
import json
import os
from pathlib import Path

import numpy as np
import pytest
from fakes.meshes import BOX, PAINTED, Gltf, png, quarters, save

from gazeworld.envs.files import DataError
from gazeworld.envs.images import load_source
from gazeworld.envs.meshes.mesh_files import load_mesh, walk

TRIANGLE = [(0, 0, 0), (1, 0, 0), (0, 1, 0)]


def keys(root: Path) -> list[str]:
    return [item.key for item in walk(root)]


@pytest.mark.parametrize("name", ["textures", "Textures", "images", "tex", "materials"])
@pytest.mark.parametrize("below", ["", "chair", "chair/a"])
@pytest.mark.parametrize("content", ["wood.png", "deep/wood.jpg", "m.mtl", ""])
def test_textures_lie_beside_models(tmp_path: Path, name: str, below: str, content: str) -> None:
    save(tmp_path / "chair" / "b.obj", BOX)
    save(tmp_path / "chair" / "a" / "model.obj", BOX)
    save(tmp_path / "table" / "c" / "model.obj", BOX)
    (tmp_path / below / name).mkdir()
    if content:
        save(tmp_path / below / name / content, b"")
    assert keys(tmp_path) == ["chair/a", "chair/b", "table/c"]


def test_folders_of_pictures_alone_are_no_objects_beside_models(tmp_path: Path) -> None:
    save(tmp_path / "chair" / "b.obj", BOX)
    save(tmp_path / "chair" / "b_files" / "wood.png", b"")
    save(tmp_path / "chair" / "b_files" / "b.mtl", b"")
    save(tmp_path / "chair" / "b_files" / "deep" / "b.bin", b"")
    assert keys(tmp_path) == ["chair/b"]
    save(tmp_path / "chair" / "b_files" / "model.blend", b"")
    with pytest.raises(DataError, match="b_files: no mesh in it"):
        walk(tmp_path)


def test_a_class_or_an_object_without_a_model_is_still_named(tmp_path: Path) -> None:
    save(tmp_path / "chair" / "a" / "model.obj", BOX)
    save(tmp_path / "chair" / "b" / "screenshot.png", b"")
    with pytest.raises(DataError, match="b: no mesh in it"):
        walk(tmp_path)
    (tmp_path / "chair" / "b" / "screenshot.png").rename(tmp_path / "chair" / "a" / "screenshot.png")
    (tmp_path / "chair" / "b").rmdir()
    save(tmp_path / "table" / "wood.png", b"")
    with pytest.raises(DataError, match="table: no mesh in it"):
        walk(tmp_path)


def test_a_folder_of_textures_that_holds_models_is_a_class(tmp_path: Path) -> None:
    save(tmp_path / "textures" / "a.obj", BOX)
    save(tmp_path / "chair" / "a.obj", BOX)
    assert keys(tmp_path) == ["chair/a", "textures/a"]


def test_links_are_followed_and_end(tmp_path: Path) -> None:
    root = tmp_path / "root"
    save(root / "chair" / "a.obj", BOX)
    save(root / "chair" / "b" / "model.obj", BOX)
    save(tmp_path / "else" / "table" / "c" / "model.obj", BOX)
    save(tmp_path / "else" / "shared" / "wood.png", b"")
    (root / "table").symlink_to(tmp_path / "else" / "table")
    (root / "chair" / "c.obj").symlink_to(tmp_path / "else" / "table" / "c" / "model.obj")
    with pytest.raises(DataError, match="leads to the same file"):  # one model in two classes
        walk(root)
    (root / "chair" / "c.obj").unlink()
    for place in ("chair", "chair/b", "table/c"):
        (root / place / "textures").symlink_to(tmp_path / "else" / "shared")
    (root / "chair" / "up").symlink_to("..")
    (root / "chair" / "b" / "self").symlink_to(".")
    (root / "round").symlink_to(root)
    assert keys(root) == ["chair/a", "chair/b", "table/c"]
    fingerprint = load_source("meshes", "train", str(root), size=8, views=1).fingerprint
    save(tmp_path / "else" / "shared" / "wood.png", b"changed")
    assert load_source("meshes", "train", str(root), size=8, views=1).fingerprint != fingerprint


def test_damaged_models_are_counted_and_named(tmp_path: Path) -> None:
    for name in "abcde":
        save(tmp_path / f"{name}.obj", BOX)
    save(tmp_path / "b.obj", "v 1 2")
    with pytest.raises(DataError, match=r"^[^;]*/b\.obj: "):
        load_source("meshes", "test", str(tmp_path), size=8, views=1)
    save(tmp_path / "d.obj", "f 1 2 3")
    with pytest.raises(DataError, match=r"^2 of 5 models cannot be used: [^;]*/b\.obj: [^;]*; [^;]*/d\.obj: "):
        load_source("meshes", "train", str(tmp_path), size=8, views=1)


@pytest.mark.parametrize("name", ["chair/pipe.obj", "chair/b/pipe.glb", "pipe.OFF"])
def test_special_files_are_named(tmp_path: Path, name: str) -> None:
    save(tmp_path / "chair" / "a.obj", BOX)
    save(tmp_path / "chair" / "b" / "model.obj", BOX)
    os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match=rf"{Path(name).name}: is a named pipe"):
        walk(tmp_path)
    with pytest.raises(DataError, match=rf"{Path(name).name}: is a named pipe"):
        load_mesh(tmp_path / name)


def test_special_files_that_a_model_refers_to_are_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.mtl")
    with pytest.raises(DataError, match=r"m\.mtl: is a named pipe"):
        load_mesh(save(tmp_path / "a.obj", PAINTED))
    (tmp_path / "m.mtl").unlink()
    save(tmp_path / "m.mtl", "newmtl m\nmap_Kd Pipe.png\n")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DataError, match=r"pipe\.png: is a named pipe"):
        load_mesh(tmp_path / "a.obj")


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    folder = tmp_path / "chair"
    save(folder / "a.obj", PAINTED)
    save(folder / "m.mtl", "newmtl m\nmap_Kd caf\xe9.png\n".encode("latin-1"))
    (folder / os.fsdecode(b"caf\xe9.png")).write_bytes(png(np.full((4, 4, 3), 90)))
    (item,) = walk(tmp_path)
    assert item.load().materials[0].texture is not None  # text and name are both Latin-1
    assert len(load_source("meshes", "train", str(tmp_path), size=8, views=1).names) == 1
    bad = folder / os.fsdecode(b"caf\xe9.obj")
    save(bad, BOX)
    assert len(load_mesh(bad).faces) == 12
    with pytest.raises(DataError, match=r"caf\\xe9\.obj: a name that is not UTF-8"):
        walk(tmp_path)
    bad.rename(folder / "b.obj")
    folder.rename(tmp_path / os.fsdecode(b"st\xfchle"))
    with pytest.raises(DataError, match=r"st\\xfchle\S+: a name that is not UTF-8"):
        walk(tmp_path)
    save(tmp_path / os.fsdecode(b"\xff.obj"), b"")
    with pytest.raises(DataError, match=r"\\xff\.obj"):
        load_mesh(tmp_path / os.fsdecode(b"\xff.obj"))


def split_gltf(uri: str) -> str:
    """A glTF file whose numbers lie in another file."""
    file = Gltf()
    file.shown({"POSITION": file.accessor(TRIANGLE)})
    return json.dumps({**file.tree, "buffers": [{"byteLength": len(file.data), "uri": uri}]})


NUMBERS = np.array(TRIANGLE, "<f4").tobytes()


@pytest.mark.parametrize("uri", ["../secret.bin", "deep/../../secret.bin", "%2e%2e/secret.bin", "..\\secret.bin"])
@pytest.mark.parametrize("beside", [True, False])
def test_a_uri_that_leaves_its_folder_is_not_read(tmp_path: Path, uri: str, beside: bool) -> None:
    save(tmp_path / "secret.bin", NUMBERS)
    if beside:
        save(tmp_path / "model" / "secret.bin", NUMBERS)
    (tmp_path / "model" / "deep").mkdir(parents=True)
    with pytest.raises(DataError, match=r"a\.gltf: refers to '.*secret\.bin', which leads out of \S+model,"):
        load_mesh(save(tmp_path / "model" / "a.gltf", split_gltf(uri)))


def test_absolute_uris_and_those_of_pictures_are_not_read_either(tmp_path: Path) -> None:
    secret = save(tmp_path / "secret.bin", NUMBERS)
    for uri in (str(secret), f"file://{secret}"):
        with pytest.raises(DataError, match=r"(leads out of|which is not there)"):
            load_mesh(save(tmp_path / "model" / "a.gltf", split_gltf(uri)))
    picture = save(tmp_path / "t.png", png(quarters()))
    save(tmp_path / "model" / "t.png", png(quarters()))
    file = Gltf()
    attributes = {"POSITION": file.accessor(TRIANGLE), "TEXCOORD_0": file.accessor([(0, 0), (1, 0), (0, 1)])}
    file.add("textures", {"source": file.add("images", {"uri": "../t.png"})})
    file.shown(attributes, {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}})
    for data, name in ((file.glb(), "a.glb"), (file.text(), "a.gltf")):
        with pytest.raises(DataError, match=rf"{name}: refers to '\.\./t\.png', which leads out"):
            load_mesh(save(tmp_path / "model" / name, data))
        assert load_mesh(save(tmp_path / "model" / "b.glb", inside(file)))
    header = "ply\nformat ascii 1.0\ncomment TextureFile {}\nelement vertex 0\nproperty float x\nproperty float y\n"
    header += "property float z\nproperty float s\nproperty float t\nend_header\n"
    for name in ("../t.png", picture):
        with pytest.raises(DataError, match="leads out of"):
            load_mesh(save(tmp_path / "model" / "a.ply", header.format(name)))


def inside(file: Gltf) -> bytes:
    """The same with its picture beside it."""
    file.tree["images"][0]["uri"] = "t.png"
    data = file.glb()
    file.tree["images"][0]["uri"] = "../t.png"
    return data


def test_obj_files_may_refer_to_what_lies_in_the_set(tmp_path: Path) -> None:
    """ShapeNet keeps pictures in a folder beside that of the model."""
    root = tmp_path / "set"
    save(root / "0429" / "1a" / "models" / "model_normalized.obj", PAINTED)
    save(root / "0429" / "1a" / "models" / "m.mtl", "newmtl m\nmap_Kd ../images/t.png\n")
    save(root / "0429" / "1a" / "images" / "t.png", png(quarters()))
    (item,) = walk(root)
    assert item.load().materials[0].texture is not None
    path = root / "0429" / "1a" / "models" / "model_normalized.obj"
    assert load_mesh(path).materials[0].texture is not None
    save(root / "textures" / "t.png", png(quarters()))
    save(root / "0429" / "1a" / "models" / "m.mtl", "newmtl m\nmap_Kd ../../../textures/t.png\n")
    assert walk(root)[0].load().materials[0].texture is not None
    with pytest.raises(DataError, match="leads out of"):
        load_mesh(path)
    save(tmp_path / "t.png", png(quarters()))
    for reference in ("../../../../t.png", str(tmp_path / "t.png")):
        save(root / "0429" / "1a" / "models" / "m.mtl", f"newmtl m\nmap_Kd {reference}\n")
        with pytest.raises(DataError, match=r"t\.png', which leads out of"):
            walk(root)[0].load()
    save(root / "0429" / "1a" / "models" / "model_normalized.obj", PAINTED.replace("m.mtl", "../../../../m.mtl"))
    save(tmp_path / "m.mtl", "newmtl m\nKd 1 0 0\n")
    with pytest.raises(DataError, match=r"m\.mtl', which leads out of"):
        walk(root)[0].load()


def test_data_within_a_uri(tmp_path: Path) -> None:
    whole = base64.b64encode(NUMBERS).decode()
    for uri in (f"data:application/octet-stream;base64,{whole}", f"data:;base64,{whole}"):
        assert len(load_mesh(save(tmp_path / "a.gltf", split_gltf(uri))).faces) == 1
    with pytest.raises(DataError, match="data of buffer 0 cannot be decoded"):
        load_mesh(save(tmp_path / "a.gltf", split_gltf(f"data:;base64,{whole[:-2]}")))
    with pytest.raises(DataError, match="buffer 0 holds 33 bytes, expected 36"):
        load_mesh(save(tmp_path / "a.gltf", split_gltf(f"data:;base64,{whole[:-4]}")))
