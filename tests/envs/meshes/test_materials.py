"""What meshes from files are painted with: colours, textures, holes in them, and damage that must be named."""

from pathlib import Path

import numpy as np
import pytest
import trimesh
from fakes.meshes import BOX, PAINTED, SQUARE, area, png, quarters, save
from PIL import Image

from gazeworld.envs.files import DataError
from gazeworld.envs.meshes import surfaces
from gazeworld.envs.meshes.materials import linear
from gazeworld.envs.meshes.mesh_files import from_trimesh, load_mesh


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
    faint = surfaces.cut(corners, uv, np.full((8, 8), 60, np.uint8))
    assert len(faint.face) == 2
    assert faint.alpha == pytest.approx(60 / 255)
    monkeypatch.setattr(surfaces, "BUDGET", 300)
    noise = (np.random.default_rng(0).random((256, 256)) < 0.3) * 255
    fine = surfaces.cut(corners, uv, noise.astype(np.uint8))
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
        ("newmtl m\nd\n", "material 'm': d is '', expected finite numbers"),
        ("newmtl m\nmap_Kd -s on t.png\n", "material 'm': map_Kd -s is 'on', expected numbers"),
        ("newmtl m\nmap_Kd -o 1 inf t.png\n", "material 'm': map_Kd -o is '1 inf', expected finite numbers"),
    ],
)
def test_what_is_wrong_with_a_library_is_named(tmp_path: Path, library: str, said: str) -> None:
    whole = png(np.random.default_rng(0).integers(0, 255, (32, 32, 3)))
    for name, content in (("t.png", whole), ("cut.png", whole[: len(whole) // 2]), ("text.png", b"no picture")):
        save(tmp_path / name, content)
    save(tmp_path / "m.mtl", library)
    with pytest.raises(DataError, match=rf"a\.obj.*{said}"):
        load_mesh(save(tmp_path / "a.obj", PAINTED))


def test_textures_that_are_missing_or_damaged_are_named(tmp_path: Path) -> None:
    flat = trimesh.Trimesh([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [(0, 1, 2)], process=False)
    uv = np.array([(0, 0), (1, 0), (0, 1)], float)
    flat.visual = trimesh.visual.TextureVisuals(uv, image=Image.fromarray(quarters(16)))
    whole = flat.export(file_type="glb")
    assert load_mesh(save(tmp_path / "a.glb", whole)).materials[0].texture is not None
    start = whole.index(b"\x89PNG")
    broken = whole[:start] + bytes(4) + whole[start + 4 :]
    with pytest.raises(DataError, match=r"b\.glb: picture 0: cannot be decoded \(of no known kind\)"):
        load_mesh(save(tmp_path / "b.glb", broken))
    cut = whole[: start + 50] + bytes(len(whole) - start - 50)
    with pytest.raises(DataError, match=r"c\.glb: picture 0: .*cannot be decoded"):
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
