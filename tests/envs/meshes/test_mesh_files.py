"""Meshes from files: what is read, what is repaired, and damage that must be named."""

import ast
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import trimesh
from fakes.meshes import BOX, SQUARE, area, extent, save

from gazeworld.envs.files import DataError
from gazeworld.envs.images import load_source
from gazeworld.envs.meshes import mesh_files
from gazeworld.envs.meshes.mesh import creased, welded
from gazeworld.envs.meshes.mesh_files import from_trimesh, load_mesh, walk
from gazeworld.envs.meshes.polygons import triangulated


def test_a_box_without_normals_is_sharp_and_stands_upright(tmp_path: Path) -> None:
    mesh = load_mesh(save(tmp_path / "box.obj", BOX))
    assert len(mesh.faces) == 12
    assert len(mesh.vertices) == 24
    assert np.allclose(np.abs(mesh.normals).max(1), 1, atol=1e-6)
    assert np.allclose(extent(mesh), np.array([2, 1, 3]) / np.sqrt(14), atol=1e-6)  # y of the file points upwards
    assert np.allclose(mesh.vertices.min(0), -mesh.vertices.max(0), atol=1e-6)
    outwards = mesh.vertices[mesh.faces].mean(1)
    assert (np.einsum("fi,fi->f", outwards, mesh.normals[mesh.faces].mean(1)) > 0).all()
    assert np.allclose(extent(load_mesh(tmp_path / "box.obj", up="z")), np.array([2, 3, 1]) / np.sqrt(14), atol=1e-6)


def test_round_things_are_smooth_and_their_edges_sharp(tmp_path: Path) -> None:
    ball = trimesh.creation.icosphere(3)
    found = from_trimesh(ball, "ball")
    assert np.allclose(found.normals, found.vertices / np.linalg.norm(found.vertices, axis=1)[:, None], atol=0.02)
    assert len(found.vertices) == len(ball.vertices)
    drum = from_trimesh(trimesh.creation.cylinder(1, 1, sections=16), "drum")
    upwards = np.abs(drum.normals[:, 2])
    assert ((upwards < 1e-5) | (upwards > 1 - 1e-5)).all()
    side = upwards < 0.5
    radial = drum.vertices[side] * [1, 1, 0]
    assert np.allclose(drum.normals[side], radial / np.linalg.norm(radial, axis=1)[:, None], atol=1e-4)


def test_normals_agree_with_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(12, 3))
    faces = np.array([rng.choice(12, 3, replace=False) for _ in range(40)])
    corners = points[faces]
    found = creased(corners, welded(corners), 1.0)
    own = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    own /= np.linalg.norm(own, axis=1)[:, None]
    for f in range(40):
        for i in range(3):
            total = np.zeros(3)
            for g, j in zip(*np.nonzero(faces == faces[f, i]), strict=True):
                a, b = corners[g, (j + 1) % 3] - corners[g, j], corners[g, (j + 2) % 3] - corners[g, j]
                angle = np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
                bend = own[f] @ own[g]
                if abs(bend) >= np.cos(1.0):
                    total += np.sign(bend) * angle * own[g]
            assert np.allclose(found[f, i], total / np.linalg.norm(total), atol=1e-9)


def test_good_normals_are_kept_and_bad_ones_computed(tmp_path: Path) -> None:
    text = SQUARE + "vn 0 .6 .8\nvn 0 0 0\nvn nan 0 0\nvn 0 0 5\nf 1//1 2//2 3//3 4//4\n"
    mesh = load_mesh(save(tmp_path / "a.obj", text), up="z")
    by_place = {tuple(np.sign(v[:2])): n for v, n in zip(mesh.vertices, mesh.normals, strict=True)}
    assert np.allclose(by_place[-1, -1], [0, 0.6, 0.8])
    assert all(np.allclose(by_place[key], [0, 0, 1]) for key in ((1, -1), (1, 1), (-1, 1)))


@pytest.mark.parametrize("shape", ["L", "random"])
def test_polygons_with_dents_keep_their_area(shape: str) -> None:
    rng = np.random.default_rng(1)
    for n in range(4, 30):
        radius = rng.uniform(0.2, 1, n)
        angle = np.sort(rng.uniform(0, 2 * np.pi, n)) if shape == "random" else np.arange(n) * 2 * np.pi / n
        flat = np.stack((radius * np.cos(angle), radius * np.sin(angle), 0 * angle), 1)
        if shape == "L":
            flat = np.array([(0, 0, 0), (3, 0, 0), (3, 1, 0), (1, 1, 0), (1, 3, 0), (0, 3, 0)], float)
        if np.diff(angle).max() > np.pi or angle[0] + 2 * np.pi - angle[-1] > np.pi:
            continue  # not seen from the middle: crosses itself
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        points = np.roll(flat, rng.integers(n), 0) @ turn.T
        corners = points[triangulated(points[None])[:, 1]]
        across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        whole = np.cross(points, np.roll(points, -1, 0)).sum(0)
        assert len(corners) == len(points) - 2
        assert np.linalg.norm(across, axis=1).sum() == pytest.approx(np.linalg.norm(whole), rel=1e-6)
        assert (across @ whole > -1e-9).all()


@pytest.mark.parametrize("kind", ["obj", "glb", "gltf", "ply", "stl", "off"])
def test_every_kind_reads_the_same_shape(tmp_path: Path, kind: str) -> None:
    part = trimesh.creation.annulus(1, 2, 1.5, sections=24)
    data = part.export(file_type=kind)
    if isinstance(data, dict):
        for name, content in data.items():
            save(tmp_path / name, content)
        path = (tmp_path / "model.gltf").rename(tmp_path / "a.gltf")
    else:
        path = save(tmp_path / f"a.{kind.upper()}", data)
    mesh = load_mesh(path, up="z")
    assert len(mesh.faces) == len(part.faces)
    assert area(mesh) == pytest.approx(part.area / part.scale**2, rel=1e-4)
    assert np.allclose(extent(mesh), part.extents / part.scale, atol=1e-5)
    assert np.isin(np.rint(np.abs(mesh.normals[:, 2]) * 1e4), (0, 10000)).all()


def test_scenes_are_flattened_with_their_transforms(tmp_path: Path) -> None:
    scene = trimesh.Scene()
    wedge = trimesh.creation.cone(1, 2, sections=8)
    tilt = trimesh.transformations.rotation_matrix(0.7, [1, 2, 3], [4, 5, 6])
    flip = np.diag([-1.0, 2, 1, 1])
    scene.add_geometry(wedge, transform=tilt)
    scene.add_geometry(wedge, transform=flip)
    mesh = load_mesh(save(tmp_path / "s.glb", scene.export(file_type="glb")), up="z")
    assert np.allclose(extent(mesh), scene.extents / scene.scale, atol=1e-5)
    for faces in np.split(mesh.faces, 2):
        outwards = mesh.vertices[faces].mean(1) - mesh.vertices[faces].mean((0, 1))
        assert (np.einsum("fi,fi->f", outwards, mesh.normals[faces].mean(1)) > 0).all()


def test_far_from_the_origin_the_shape_survives(tmp_path: Path) -> None:
    ball = trimesh.creation.icosphere(2)
    ball.apply_translation([5e7, -3e7, 1e7])
    mesh = load_mesh(save(tmp_path / "far.obj", ball.export(file_type="obj")))
    assert np.allclose(np.linalg.norm(mesh.vertices, axis=1), 1 / np.sqrt(12), atol=1e-5)


@pytest.mark.parametrize("scale", [1e-70, 1e-20, 1e20, 1e60])
def test_tiny_and_huge_shapes_survive(tmp_path: Path, scale: float) -> None:
    text = "".join(f"v {x * scale} {y * scale} 0\n" for x, y in ((0, 0), (1, 0), (1, 1), (0.5, 0.25), (0, 1)))
    mesh = load_mesh(save(tmp_path / "a.obj", text + "f 1 2 3 4 5\n"))
    assert area(mesh) == pytest.approx(0.625 / 2)


@pytest.mark.parametrize("word", ["inf", "1e308", "1e200"])
def test_normals_and_places_beyond_all_bounds(tmp_path: Path, word: str) -> None:
    mesh = load_mesh(save(tmp_path / "a.obj", SQUARE + f"vn {word} 0 {word}\nf 1//1 2//1 3//1 4//1\n"), up="y")
    assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1)
    with pytest.raises(DataError, match=r"a\.obj: .*(not finite|expected less than 1e\+70)"):
        load_mesh(save(tmp_path / "a.obj", SQUARE.replace("v 1 1 0", f"v 1 {word} -{word}") + "f 1 2 3 4\n"))


GLTF = '{"asset":{"version":"2.0"},"scene":0,"scenes":[{"nodes":[]}],"nodes":[]}'


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.obj", "", "no face found"),
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", "no triangle with an area"),
        ("a.obj", SQUARE.replace("1 1 0", "nan 1 0") + "f 1 2 3\n", "not finite"),
        ("a.obj", SQUARE.replace("1 1 0", "inf 1 0") + "f 1 2 3\n", "not finite"),
        ("a.obj", SQUARE + "f 1 2 9\n", r"up to \[9\] of what there is \[4\]"),
        ("a.obj", SQUARE + "f 1/1 2/2 3/7\n", r"up to \[3, 7\] of what there is \[4, 4\]"),
        ("a.obj", SQUARE + "f 1 2 0\n", "faces refer to"),
        ("a.obj", SQUARE + "f 1/1 2 3/3\n", "name different things"),
        ("a.obj", SQUARE.replace("1 1 0", "1 x 0") + "f 1 2 3\n", "no number"),
        ("a.obj", SQUARE + "f 1 - 3\n", "a face is '1 - 3', expected whole numbers"),
        ("a.obj", SQUARE + "f -1 -2 --3\n", "a face is '-1 -2 --3', expected whole numbers"),
        ("a.obj", "v 0 0\nv 1 0\nv 1 1\nf 1 2 3\n", "fewer than 3"),
        ("a.obj", bytes(range(256)) * 20, "no face found"),
        ("a.obj", "mtllib lost.mtl\n" + BOX, "refers to the file 'lost.mtl', which is not there"),
        ("a.ply", b"ply\nformat ascii 1.0\nelement vertex 1\n", "cannot be read"),
        ("a.ply", "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\n"
                  "element face 0\nproperty list uchar int vertex_indices\nend_header\n0 0 0\n", "no triangle"),
        ("a.off", "OFF\n3 1 0\n0 0 0\n1 0 0\nnan 1 0\n3 0 1 2\n", "not finite"),
        ("a.off", "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 7\n", ""),
        ("a.stl", b"", ""),
        ("a.stl", b"solid nothing\nendsolid\n", ""),
        ("a.glb", b"glTF" + bytes(40), "cannot be read"),
        ("a.glb", b"no glb at all", "cannot be read"),
        ("a.gltf", GLTF, "no triangle"),
        ("a.gltf", GLTF[:40], "cannot be read"),
        ("a.dae", "<COLLADA/>", "expected a file ending in"),
    ],
)  # fmt: skip
def test_damage_is_named(tmp_path: Path, name: str, content: str | bytes, said: str) -> None:
    with pytest.raises(DataError, match=f"{name.replace('.', '[.]')}.*{said}"):
        load_mesh(save(tmp_path / name, content))


def test_damage_that_no_reader_looks_for_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (IndexError("pop from empty list"), ValueError("bad"), ZeroDivisionError("division by zero")):

        def read(data: bytes, besides: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(mesh_files.obj_files, "read", read)
        with pytest.raises(DataError, match=rf"a\.obj: cannot be read \({type(error).__name__}: {error}\)"):
            load_mesh(save(tmp_path / "a.obj", BOX))


def test_files_that_are_not_there_and_impossible_options(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.obj: cannot be read"):
        load_mesh(tmp_path / "none.obj")
    with pytest.raises(ValueError, match="up='x'"):
        load_mesh(save(tmp_path / "a.obj", BOX), up="x")


def test_folders_of_meshes(tmp_path: Path) -> None:
    save(tmp_path / "chair/b.obj", BOX)
    save(tmp_path / "chair/a.ply", trimesh.creation.box().export(file_type="ply"))
    save(tmp_path / "chair/.hidden.obj", BOX)
    save(tmp_path / "0429/1a2b/models/model_normalized.obj", BOX)
    save(tmp_path / "0429/1a2b/models/model_normalized.solid.obj", BOX)
    save(tmp_path / "0429/3c4d/model.obj", BOX)
    save(tmp_path / "0429/3c4d/images/readme.txt", "no mesh")
    items = walk(tmp_path)
    assert [item.key for item in items] == ["0429/1a2b", "0429/3c4d", "chair/a", "chair/b"]
    assert [item.category for item in items] == ["0429", "0429", "chair", "chair"]
    for item in pickle.loads(pickle.dumps(items)):
        assert len(item.load().faces) == 12
    flat = walk(tmp_path / "chair")
    assert [item.key for item in flat] == ["chair/a", "chair/b"]
    assert np.allclose(extent(walk(tmp_path, up="z")[-1].load()), np.array([2, 3, 1]) / np.sqrt(14), atol=1e-6)


@pytest.mark.parametrize("name", ["wood.bmp", "wood.tga", "wood.TIF", "deep/wood.webp", "wood", "link/wood.gif"])
def test_the_fingerprint_follows_every_file_that_a_model_may_refer_to(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    save(root / "chair" / "a" / "a.obj", BOX)
    (tmp_path / "elsewhere").mkdir()
    (root / "chair" / "a" / "link").symlink_to(tmp_path / "elsewhere")

    def fingerprint() -> str:
        return load_source("meshes", "train", str(root), size=8, views=1).fingerprint

    save(root / "chair" / "a" / name, b"one")
    first = fingerprint()
    save(root / ".DS_Store", b"hidden")
    assert fingerprint() == first
    save(root / "chair" / "a" / name, b"two")
    assert fingerprint() != first


def test_a_split_without_objects_is_named(tmp_path: Path) -> None:
    save(tmp_path / "chair" / "a.obj", BOX)
    with pytest.raises(DataError, match=r"source 'meshes': no object in split 'test', expected some"):
        load_source("meshes", "test", str(tmp_path), size=8, views=1)


def test_what_is_wrong_with_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such folder"):
        walk(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no mesh found"):
        walk(tmp_path)
    save(tmp_path / "cup/a.obj", BOX)
    save(tmp_path / "cup/a.off", "OFF")
    with pytest.raises(DataError, match=r"a\.off: a second mesh for cup/a"):
        walk(tmp_path)
    (tmp_path / "cup/a.off").unlink()
    save(tmp_path / "cup/b/one.obj", BOX)
    save(tmp_path / "cup/b/two.obj", BOX)
    with pytest.raises(DataError, match=r"b: 2 meshes in it \(one.obj, two.obj"):
        walk(tmp_path)
    (tmp_path / "cup/b/two.obj").unlink()
    (tmp_path / "cup/c").mkdir()
    with pytest.raises(DataError, match="c: no mesh in it"):
        walk(tmp_path)
    (tmp_path / "cup/c").rmdir()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: no mesh in it"):
        walk(tmp_path)
    (tmp_path / "empty").rmdir()
    save(tmp_path / "loose.obj", BOX)
    with pytest.raises(DataError, match=r"loose\.obj: a mesh beside the folders"):
        walk(tmp_path)


def test_trimesh_is_imported_late() -> None:
    files = sorted((Path(__file__).parents[3] / "envs" / "meshes").glob("*.py"))
    assert any("import trimesh" in file.read_text() for file in files)
    for file in files:
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert not re.search(r"\btrimesh\b", ast.unparse(node)), file
