"""Meshes from files: what is read, what is repaired, and damage that must be named."""

import ast
import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from gazeworld.envs.images import DataError
from gazeworld.envs.objects import cutout
from gazeworld.envs.objects.loading import from_trimesh, load_mesh, walk
from gazeworld.envs.objects.mesh import Mesh
from gazeworld.envs.objects.normals import creased, welded
from gazeworld.envs.objects.paint import linear
from gazeworld.envs.objects.polygons import triangulated

BOX = """
v 0 0 0
v 2 0 0
v 2 3 0
v 0 3 0
v 0 0 1
v 2 0 1
v 2 3 1
v 0 3 1
f 1 4 3 2
f 5 6 7 8
f 1 2 6 5
f 3 4 8 7
f 2 3 7 6
f 4 1 5 8
"""
SQUARE = "# a square\nv 0 0 0 # its corner\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
PAINTED = "mtllib m.mtl\n" + SQUARE + "usemtl m\nf 1/1 2/2 3/3 4/4\n"


def save(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def quarters(side: int = 2) -> np.ndarray:
    """A picture whose upper left is red, upper right green, lower left blue and lower right white."""
    found = np.zeros((side, side, 3), np.uint8)
    half = side // 2
    found[:half, :half, 0] = found[:half, half:, 1] = found[half:, :half, 2] = 255
    found[half:, half:] = 255
    return found


def area(mesh: Mesh) -> float:
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def extent(mesh: Mesh) -> np.ndarray:
    return np.ptp(mesh.vertices, axis=0)


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


def test_colours_opacity_and_gloss_of_a_library(tmp_path: Path) -> None:
    save(
        tmp_path / "m.mtl",
        "newmtl a b\nKd 1 .5 0\nd .25\nKs .5 .5 .5\nNs 200\nillum 2\n"
        "newmtl c\nKd 0.2\nTr .25\nKs 1 1 1\nNs 50\nillum 1\nnewmtl unused\nmap_Kd nowhere.png\n",
    )
    text = "mtllib m.mtl\n" + BOX.replace("f 1 4", "usemtl a b\nf 1 4").replace("f 5", "usemtl c\nf 5")
    text = text.replace("f 2 3", "usemtl unknown\nf 2 3")
    mesh = load_mesh(save(tmp_path / "a.obj", text))
    a, c, unknown = mesh.materials
    assert a.colour == pytest.approx((1, linear(0.5), 0))
    assert (a.opacity, a.gloss) == (0.25, 0.5)
    assert c.colour == pytest.approx((linear(0.2),) * 3)
    assert (c.opacity, c.gloss) == (0.75, 0)
    assert unknown.colour == pytest.approx((linear(0.8),) * 3, abs=0.2)
    assert np.bincount(mesh.face_materials).tolist() == [2, 6, 4]


def test_textures_lie_as_the_file_says_in_obj_and_glb(tmp_path: Path) -> None:
    save(tmp_path / "textures/Wood.PNG", png(quarters(1024)))
    save(tmp_path / "m.mtl", "newmtl m\nKd 0 0 0\nmap_Kd -s 1 1 1 -blendu on textures\\wood.png\n")
    mesh = load_mesh(save(tmp_path / "a.obj", PAINTED), up="z")
    (material,) = mesh.materials
    assert material.colour == (1, 1, 1)  # the texture takes the place of the diffuse colour
    assert material.texture is not None
    assert material.texture.shape == (512, 512, 3)
    flat = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    image = Image.fromarray(quarters(64))
    flat.visual = trimesh.visual.TextureVisuals(mesh.uv, image=image)
    flat.visual.material = flat.visual.material.to_pbr()
    flat.visual.material.baseColorFactor = [255, 128, 0, 255]
    again = load_mesh(save(tmp_path / "a.glb", flat.export(file_type="glb")), up="z")
    assert again.materials[0].colour == pytest.approx((1, 128 / 255, 0))  # linear, and multiplies
    for found in (mesh, again):
        texture = found.materials[0].texture
        assert texture is not None
        for vertex, (u, v) in zip(found.vertices, found.uv, strict=True):
            side = len(texture)
            pixel = texture[int((1 - v) * (side - 1)), int(u * (side - 1))]
            wanted = {(-1, 1): (255, 0, 0), (1, 1): (0, 255, 0), (-1, -1): (0, 0, 255), (1, -1): (255, 255, 255)}
            assert tuple(pixel) == wanted[tuple(np.sign(vertex[:2]).astype(int))]


def test_a_material_used_with_and_without_texture_coordinates(tmp_path: Path) -> None:
    save(tmp_path / "t.png", png(quarters()))
    save(tmp_path / "m.mtl", "newmtl m\nKd 0 1 0\nmap_Kd t.png\n")
    text = PAINTED + "v 0 0 1\nv 1 0 1\nv 1 1 1\nf 5 6 7\nf -3 -2 -4\n"
    mesh = load_mesh(save(tmp_path / "a.obj", text), up="z")
    assert [material.texture is None for material in mesh.materials] == [False, True]
    assert mesh.materials[1].colour == (0, 1, 0)
    assert np.bincount(mesh.face_materials).tolist() == [2, 2]
    last = mesh.vertices[mesh.faces[3]]  # -4 is the vertex before the three
    assert np.allclose(np.sort(last[:, 2] > 0), [False, True, True])


@pytest.mark.parametrize("where", ["alpha", "map_d"])
def test_transparent_parts_of_textures_are_cut_out(tmp_path: Path, where: str) -> None:
    y, x = (np.indices((64, 64)) + 0.5) / 64 - 0.5
    disc = (x**2 + y**2 < 0.4**2) * 255
    colours = np.dstack([np.full((64, 64), 200)] * 3)
    colours[disc == 0] = 0
    if where == "alpha":
        save(tmp_path / "t.png", png(np.dstack((colours, disc))))
        save(tmp_path / "m.mtl", "newmtl m\nmap_Kd t.png\n")
    else:
        save(tmp_path / "t.png", png(colours))
        save(tmp_path / "d.png", png(disc))
        save(tmp_path / "m.mtl", "newmtl m\nmap_Kd t.png\nmap_d d.png\n")
    # A frame around it keeps the scale.
    text = PAINTED + "usemtl none\nf 1 2 2\nv 0 0 1e-9\nv 1 1 1e-9\nv 1e-3 0 0\nv 1 .999 0\nf 1 7 5\nf 3 6 8\n"
    mesh = load_mesh(save(tmp_path / "a.obj", text), up="z")
    disc_area = np.pi * 0.4**2 / 2  # a diagonal of 1 halves the square
    assert area(mesh) == pytest.approx(disc_area, rel=0.03)
    textured = [m for m in mesh.materials if m.texture is not None]
    assert textured[0].opacity == 1
    texture = textured[0].texture
    assert texture is not None
    assert texture.min() >= (199 if where == "alpha" else 0)  # no dark fringes
    middle = mesh.vertices[mesh.faces].mean(1)[:, :2]
    assert (np.linalg.norm(middle, axis=1) < 0.45 / np.sqrt(2) + 1e-3)[:-2].all()


def test_faint_textures_are_let_through_and_fine_ones_keep_their_share(monkeypatch: pytest.MonkeyPatch) -> None:
    corners = np.array([[(0, 0, 0), (1, 0, 0), (1, 1, 0)], [(0, 0, 0), (1, 1, 0), (0, 1, 0)]], float)
    uv = corners[..., :2]
    faint = cutout.cut(corners, uv, np.full((8, 8), 60, np.uint8))
    assert len(faint.face) == 2
    assert faint.alpha == pytest.approx(60 / 255)
    monkeypatch.setattr(cutout, "BUDGET", 300)
    noise = (np.random.default_rng(0).random((256, 256)) < 0.3) * 255
    fine = cutout.cut(corners, uv, noise.astype(np.uint8))
    piece = fine.of(corners)
    kept = np.linalg.norm(np.cross(piece[:, 1] - piece[:, 0], piece[:, 2] - piece[:, 0]), axis=1).sum() / 2
    assert kept == pytest.approx(0.3, abs=0.08)


def test_vertex_and_face_colours_become_few_colours(tmp_path: Path) -> None:
    ball = trimesh.creation.icosphere(4)
    shade = np.rint((ball.vertices + 1) / 2 * 255).astype(np.uint8)
    ball.visual = trimesh.visual.ColorVisuals(ball, vertex_colors=np.column_stack((shade, np.full(len(shade), 255))))
    for kind in ("ply", "glb"):
        data = ball.export(file_type=kind)
        mesh = load_mesh(save(tmp_path / f"ball.{kind}", data), up="z")
        (material,) = mesh.materials
        texture = material.texture
        assert texture is not None
        assert texture.shape == (16, 16, 3)
        uv = mesh.uv[mesh.faces]
        assert (uv == uv[:, :1]).all()  # one colour a triangle
        column, row = (uv[:, 0, 0] * 16).astype(int), ((1 - uv[:, 0, 1]) * 16).astype(int)
        wanted = (mesh.vertices[mesh.faces].mean(1) * np.sqrt(12) + 1) / 2
        if kind == "glb":  # colours are linear there
            wanted = np.where(wanted < 0.0031308, 12.92 * wanted, 1.055 * np.maximum(wanted, 0) ** (1 / 2.4) - 0.055)
        assert np.abs(texture[row, column] / 255 - wanted).mean() < 0.04
    box = trimesh.creation.box()
    box.visual = trimesh.visual.ColorVisuals(box, face_colors=np.tile([[255, 0, 0, 255]], (12, 1)))
    one = from_trimesh(box, "box")
    assert one.materials[0].texture is None
    assert one.materials[0].colour == (1, 0, 0)
    text = SQUARE.replace("0 0 0 #", "0 0 0 0 0 1 #", 1).replace("1 0 0\n", "1 0 0 0 0 1\n", 1)
    text = text.replace("1 1 0\n", "1 1 0 0 0 1\n", 1).replace("0 1 0\n", "0 1 0 0 0 1\n", 1) + "f 1 2 3\nf 1 3 4\n"
    assert load_mesh(save(tmp_path / "c.obj", text)).materials[0].colour == (0, 0, 1)


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


@pytest.mark.parametrize(
    ("library", "said"),
    [
        ("newmtl m\nmap_Kd lost.png\n", r"refers to the file 'lost\.png', which is not there"),
        ("newmtl m\nmap_Kd /home/me/lost.png\n", r"lost\.png"),
        ("newmtl m\nmap_Kd " + 5000 * "x" + ".png\n", r"x\.png', which cannot be read"),
        ("newmtl m\nmap_Kd t.png\nmap_d lost.png\n", r"lost\.png"),
        ("newmtl m\nmap_Kd cut.png\n", r"texture 'cut\.png'.*cannot be decoded"),
        ("newmtl m\nmap_Kd text.png\n", r"texture 'text\.png'.*cannot be decoded"),
        ("newmtl m\nKd 1 red 0\n", "material 'm': Kd is '1 red 0'"),
        ("newmtl m\nKd 1 0\n", "Kd has 2 numbers"),
        ("newmtl m\nd nan\n", "expected finite numbers"),
    ],
)
def test_what_is_wrong_with_a_library_is_named(tmp_path: Path, library: str, said: str) -> None:
    whole = png(np.random.default_rng(0).integers(0, 255, (32, 32, 3)))
    for name, content in (("t.png", whole), ("cut.png", whole[: len(whole) // 2]), ("text.png", b"no picture")):
        save(tmp_path / name, content)
    save(tmp_path / "m.mtl", library)
    with pytest.raises(DataError, match=rf"a\.obj.*{said}"):
        load_mesh(save(tmp_path / "a.obj", PAINTED))


def test_textures_that_trimesh_would_do_without_are_missed(tmp_path: Path) -> None:
    flat = trimesh.Trimesh([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [(0, 1, 2)], process=False)
    uv = np.array([(0, 0), (1, 0), (0, 1)], float)
    flat.visual = trimesh.visual.TextureVisuals(uv, image=Image.fromarray(quarters(16)))
    whole = flat.export(file_type="glb")
    assert load_mesh(save(tmp_path / "a.glb", whole)).materials[0].texture is not None
    start = whole.index(b"\x89PNG")
    broken = whole[:start] + bytes(4) + whole[start + 4 :]
    with pytest.raises(DataError, match=r"b\.glb: the textures of 1 of its parts cannot be decoded"):
        load_mesh(save(tmp_path / "b.glb", broken))
    cut = whole[: start + 50] + bytes(len(whole) - start - 50)
    with pytest.raises(DataError, match=r"c\.glb: a texture cannot be decoded"):
        load_mesh(save(tmp_path / "c.glb", cut))
    files = flat.export(file_type="gltf")
    for name, content in files.items():
        save(tmp_path / name, content)
    lost = [name for name in files if name.endswith(".png")]
    if lost:
        (tmp_path / lost[0]).unlink()
        with pytest.raises(DataError, match=rf"model\.gltf: refers to the file '{lost[0]}'"):
            load_mesh(tmp_path / "model.gltf")
    ply = "ply\nformat ascii 1.0\ncomment TextureFile t.png\nelement vertex 3\nproperty float x\nproperty float y\n"
    ply += "property float z\nproperty float s\nproperty float t\nelement face 1\n"
    ply += "property list uchar int vertex_indices\nend_header\n0 0 0 0 0\n1 0 0 1 0\n0 1 0 0 1\n3 0 1 2\n"
    with pytest.raises(DataError, match=r"a\.ply: refers to the file 't\.png'"):
        load_mesh(save(tmp_path / "a.ply", ply))
    save(tmp_path / "t.png", b"no picture")
    with pytest.raises(DataError, match=r"a\.ply: texture 't\.png'.*cannot be decoded"):
        load_mesh(tmp_path / "a.ply")
    save(tmp_path / "t.png", png(quarters()))
    assert load_mesh(tmp_path / "a.ply").materials[0].texture is not None


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
    files = sorted((Path(__file__).parents[2] / "envs" / "objects").glob("*.py"))
    assert any("import trimesh" in file.read_text() for file in files)
    for file in files:
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert "trimesh" not in ast.unparse(node), file
