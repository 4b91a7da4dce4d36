"""OFF, PLY and STL files as programs write them, and text of any encoding: shapes and colours come out right."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes.meshes import BOX, PAINTED, area, extent, png, quarters, save

from gazeworld.envs.files import DataError
from gazeworld.envs.meshes.materials import linear
from gazeworld.envs.meshes.mesh import Mesh
from gazeworld.envs.meshes.mesh_files import load_mesh

# A U of width 1 and height 1, a notch of 1/2 x 3/4 in its upper side, beginning where a fan goes wrong.
NOTCHED = [(0.0, 0.0), (1, 0), (1, 1), (0.75, 1), (0.75, 0.25), (0.25, 0.25), (0.25, 1), (0, 1)]
POINTS = "".join(f"{x} {y} 0\n" for x, y in NOTCHED)
SQUARE = "0 0 0\n1 0 0\n1 1 0\n0 1 0\n"


def colour(mesh: Mesh) -> tuple[float, ...]:
    (material,) = mesh.materials
    assert material.texture is None
    return material.colour


def ply(header: str, body: str | bytes, form: str = "ascii", newline: str = "\n") -> bytes:
    head = f"ply\nformat {form} 1.0\n{header}end_header\n".replace("\n", newline)
    return head.encode("latin-1") + (body if isinstance(body, bytes) else body.encode("latin-1"))


PLACES = "element vertex {}\nproperty float x\nproperty float y\nproperty float z\n"
FACES = "element face {}\nproperty list uchar int vertex_indices\n"


@pytest.mark.parametrize("turn", range(8))
@pytest.mark.parametrize("kind", ["off", "ply", "binary", "stl", "obj"])
def test_polygons_with_dents_keep_their_area_in_every_kind_of_file(tmp_path: Path, kind: str, turn: int) -> None:
    order = [(i + turn) % 8 for i in range(8)]
    words = " ".join(map(str, order))
    data = {
        "off": f"OFF\n8 1 0\n{POINTS}8 {words}\n",
        "ply": ply(PLACES.format(8) + FACES.format(1), f"{POINTS}8 {words}\n"),
        "binary": ply(
            PLACES.format(8) + FACES.format(1),
            b"".join(struct.pack(">3f", *point, 0) for point in NOTCHED) + struct.pack(">B8i", 8, *order),
            "binary_big_endian",
        ),
        "stl": "solid u\nfacet normal 0 0 1\nouter loop\n"
        + "".join("vertex {} {} 0\n".format(*NOTCHED[i]) for i in order)
        + "endloop\nendfacet\nendsolid u\n",
        "obj": "".join(f"v {line}\n" for line in POINTS.splitlines()) + "f " + " ".join(str(i + 1) for i in order),
    }[kind]
    mesh = load_mesh(save(tmp_path / f"a.{'ply' if kind == 'binary' else kind}", data), up="z")
    assert len(mesh.faces) == 6
    assert area(mesh) == pytest.approx((1 - 0.5 * 0.75) / 2)


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize("extra", [False, True])
def test_polygons_of_several_sizes(tmp_path: Path, form: str, extra: bool) -> None:
    points = [(0, 0), (1, 0), (2, 0), (2, 1), (1, 1), (0, 1), (-1, 0.5)]
    faces = [(0, 1, 4, 5), (1, 2, 3, 4), (0, 5, 6)]
    header = PLACES.format(7) + FACES.format(3) + "property uchar flags\n" * extra
    order = ">" if "big" in form else "<"
    body: Any
    if form == "ascii":
        body = "".join(f"{x} {y} 0\n" for x, y in points)
        body += "".join(f"{len(face)} {' '.join(map(str, face))}{' 7' * extra}\n" for face in faces)
    else:
        body = b"".join(struct.pack(order + "3f", x, y, 0) for x, y in points)
        body += b"".join(struct.pack(f"{order}B{len(face)}i", len(face), *face) + b"\7" * extra for face in faces)
    mesh = load_mesh(save(tmp_path / "a.ply", ply(header, body, form)), up="z")
    assert len(mesh.faces) == 5
    assert area(mesh) == pytest.approx(2.5 / (3**2 + 1))


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian"])
def test_strips_of_triangles(tmp_path: Path, form: str) -> None:
    points = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1), (5, 0), (5, 1), (6, 0)]
    strip = [0, 2, 1, 3, -1, 2, 4, 3, 5, -1, 6, 8, 7]
    header = PLACES.format(9) + "element tristrips 1\nproperty list int int vertex_indices\n"
    body: Any = "".join(f"{x} {y} 0\n" for x, y in points) + f"{len(strip)} {' '.join(map(str, strip))}\n"
    if form != "ascii":
        body = b"".join(struct.pack("<3f", x, y, 0) for x, y in points) + struct.pack("<14i", len(strip), *strip)
    mesh = load_mesh(save(tmp_path / "a.ply", ply(header, body, form)), up="z")
    assert len(mesh.faces) == 5
    assert area(mesh) == pytest.approx(2.5 / (6**2 + 1))
    corners = mesh.vertices[mesh.faces]
    assert (np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2] > 0).all()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("OFF\n4 1 0\n" + SQUARE + "4 0 1 2 3\n", None),
        ("# made by\nOFF # header\n\n4 1 0 # counts\n" + SQUARE.replace("\n", " # one\n", 1) + "4 0 1 2 3\n", None),
        ("OFF 4 1 0\n" + SQUARE + "4 0 1 2 3\n", None),
        ("OFF4 1 0\n" + SQUARE + "4 0 1 2 3\n", None),  # as in ModelNet
        ("off\r\n4 1\r\n" + SQUARE.replace("\n", "\r\n") + "4\t0 1 2 3", None),
        ("\ufeffOFF\n4 1 0\n" + SQUARE + "4 0 1 2 3\n", None),
        ("NOFF\n4 1 0\n" + SQUARE.replace("\n", " 0 0 1\n") + "4 0 1 2 3\n", None),
        ("STOFF\n4 1 0\n" + SQUARE.replace("\n", " 0.5 1\n") + "4 0 1 2 3\n", None),
        ("OFF\n4 1 0\n" + SQUARE + "4 0 1 2 3 0 255 0\n", (0, 1, 0)),
        ("OFF\n4 1 0\n" + SQUARE + "4 0 1 2 3 0 128 0 255\n", (0, linear(128 / 255), 0)),
        ("OFF\n4 1 0\n" + SQUARE + "4 0 1 2 3 0.0 1.0 0.0 0.5\n", (0, 1, 0)),
        ("OFF\n4 1 0\n" + SQUARE + "4 0 1 2 3 0 1 0 1\n", (0, 1, 0)),  # as Geomview writes fractions
        ("OFF\n4 2 0\n" + SQUARE + "3 0 1 2 255 0 0\n3 0 2 3 255 0 0\n", (1, 0, 0)),
        ("COFF\n4 1 0\n" + SQUARE.replace("\n", " 0 0 255\n") + "4 0 1 2 3\n", (0, 0, 1)),
        ("COFF\n4 1 0\n" + SQUARE.replace("\n", " 0.0 0.0 1.0 1.0\n") + "4 0 1 2 3\n", (0, 0, 1)),
        ("CNOFF\n4 1 0\n" + SQUARE.replace("\n", " 0 0 1 255 0 0 255\n") + "4 0 1 2 3\n", (1, 0, 0)),
        ("STCNOFF\n4 1 0\n" + SQUARE.replace("\n", " 0 0 1 255 0 0 255 .5 .5\n") + "4 0 1 2 3\n", (1, 0, 0)),
        ("OFF\n4 1 0\n" + SQUARE.replace("\n", " 255 0 0 255\n") + "4 0 1 2 3\n", (1, 0, 0)),  # unannounced
    ],
)  # fmt: skip
def test_heads_and_colours_of_off_files(tmp_path: Path, text: str, wanted: tuple[float, ...] | None) -> None:
    mesh = load_mesh(save(tmp_path / "a.off", text))
    assert area(mesh) == pytest.approx(0.5)
    assert colour(mesh) == pytest.approx(wanted or (0.8, 0.8, 0.8))


def test_faces_with_and_without_colours(tmp_path: Path) -> None:
    text = "OFF\n4 3 0\n" + SQUARE + "3 0 1 2 255 0 0\n2 0 1\n3 0 2 3\n"
    mesh = load_mesh(save(tmp_path / "a.off", text), up="z")
    (material,) = mesh.materials
    assert material.texture is not None
    uv = mesh.uv[mesh.faces][:, 0]
    seen = material.texture[((1 - uv[:, 1]) * 16).astype(int), (uv[:, 0] * 16).astype(int)] / 255
    lower = mesh.vertices[mesh.faces].mean(1)[:, 1] < 0
    assert seen[lower].tolist() == [[1, 0, 0]]
    assert linear(seen[~lower][0, 0]) == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("4OFF\n1 0 0\n0 0 0 1\n", "other than 3 dimensions"),
        ("nOFF\n5\n1 0 0\n0 0 0 1 1\n", "other than 3 dimensions"),
        ("OFF BINARY\n" + "\0" * 40, "a binary OFF file"),
        ("OFFSET\n4 1 0\n", "expected OFF"),
        ("OFF\n", "numbers of vertices and faces"),
        ("OFF\n4 x 0\n", "'x', expected a whole number"),
        ("OFF\n4 1 0\n0 0 0\n", r"1 lines of vertices and faces, expected 4 and 1"),
        ("OFF\n4 1 0\n" + SQUARE + "4 0 1 2 3\n4 0 1 2 3\n", r"6 lines of vertices and faces, expected 4 and 1"),
        ("OFF\n4 1 0\n" + SQUARE + "4 0 1 2\n", "a face of 4 corners names 3"),
        ("OFF\n4 1 0\n" + SQUARE + "4 0 1 2 3 7\n", "1 numbers behind the corners"),
        ("OFF\n4 1 0\n" + SQUARE + "4 0 1 2 9\n", "faces refer to vertices 0 … 9, there are 4"),
        ("OFF\n4 1 0\n" + SQUARE + "4 0 1 2 1.5\n", "not whole"),
        ("OFF\n4 1 0\n" + SQUARE + "4 0 1 2 b\n", "no number"),
        ("OFF\n4 1 0\n" + SQUARE.replace("1 1 0", "1 1") + "4 0 1 2 3\n", "vertices of different numbers"),
        ("COFF\n4 1 0\n" + SQUARE + "4 0 1 2 3\n", "3 numbers at every vertex, expected 3 and a colour"),
        ("NOFF\n4 1 0\n" + SQUARE + "4 0 1 2 3\n", "3 numbers at every vertex, expected 6"),
    ],
)
def test_off_files_that_are_none(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=rf"a\.off: .*{said}"):
        load_mesh(save(tmp_path / "a.off", text))


@pytest.mark.parametrize("where", ["vertex", "face"])
@pytest.mark.parametrize(
    ("kind", "prefix", "values"),
    [
        ("uchar", "", "0 255 0"), ("uchar", "diffuse_", "0 255 0"), ("float", "", "0 1 0"), ("float", "", "0 255 0"),
        ("ushort", "", "0 65535 0"), ("int", "", "0 255 0"), ("double", "diffuse_", "0.0 1.0 0.0"),
    ],
)  # fmt: skip
def test_colours_of_ply_files(tmp_path: Path, where: str, kind: str, prefix: str, values: str) -> None:
    named = "".join(f"property {kind} {prefix}{name}\n" for name in ("red", "green", "blue"))
    header = PLACES.format(4) + named * (where == "vertex") + FACES.format(1) + named * (where == "face")
    points = SQUARE.replace("\n", f" {values}\n") if where == "vertex" else SQUARE
    mesh = load_mesh(save(tmp_path / "a.ply", ply(header, f"{points}4 0 1 2 3 {values * (where == 'face')}\n")))
    assert colour(mesh) == (0, 1, 0)
    assert area(mesh) == pytest.approx(0.5)


def test_colours_of_vertices_that_are_all_the_same_give_way_to_those_of_faces(tmp_path: Path) -> None:
    named = "".join(f"property uchar {name}\n" for name in ("red", "green", "blue"))
    header = PLACES.format(4) + named + FACES.format(1) + named
    body = SQUARE.replace("\n", " 255 255 255\n") + "4 0 1 2 3 0 0 255\n"
    assert colour(load_mesh(save(tmp_path / "a.ply", ply(header, body)))) == (0, 0, 1)
    body = body.replace("255 255 255", "255 0 0", 1).replace("255 255 255", "254 0 0")
    seen = load_mesh(save(tmp_path / "a.ply", ply(header, body))).materials[0]
    assert (np.full(3, seen.colour) if seen.texture is None else seen.texture[0, 0])[2] == 0


def test_materials_and_several_textures_of_ply_files(tmp_path: Path) -> None:
    named = "".join(f"property uchar diffuse_{name}\n" for name in ("red", "green", "blue"))
    header = PLACES.format(4) + FACES.format(2) + "property int material_index\nelement material 2\n" + named
    body = SQUARE + "3 0 1 2 1\n3 0 2 3 1\n255 0 0\n0 0 255\n"
    assert colour(load_mesh(save(tmp_path / "a.ply", ply(header, body)))) == (0, 0, 1)
    for name, pixel in (("r.png", (255, 0, 0)), ("b.png", (0, 0, 255))):
        save(tmp_path / name, png(np.full((4, 4, 3), pixel)))
    header = "comment TextureFile r.png\ncomment TextureFile b.png\n" + PLACES.format(4) + FACES.format(2)
    header += "property list uchar float texcoord\nproperty int texnumber\n"
    body = SQUARE + "3 0 1 2 6 0 0 1 0 1 1 1\n3 0 2 3 6 0 0 1 1 0 1 0\n"
    mesh = load_mesh(save(tmp_path / "a.ply", ply(header, body)), up="z")
    for face, number in zip(mesh.vertices[mesh.faces], mesh.face_materials, strict=True):
        texture = mesh.materials[number].texture
        assert texture is not None
        assert texture[0, 0].tolist() == ([0, 0, 255] if face[:, 1].mean() < 0 else [255, 0, 0])
    with pytest.raises(DataError, match="2 textures, expected one or 'texnumber'"):
        load_mesh(save(tmp_path / "a.ply", ply(header.replace("texnumber", "number"), body)))


@pytest.mark.parametrize("names", ["s t", "u v", "texture_u texture_v"])
def test_textures_of_ply_files(tmp_path: Path, names: str) -> None:
    save(tmp_path / "t.png", png(quarters()))
    u, v = names.split()
    header = "comment TextureFile t.png\n" + PLACES.format(4) + f"property float {u}\nproperty float {v}\n"
    body = "0 0 0 0 0\n1 0 0 1 0\n1 1 0 1 1\n0 1 0 0 1\n4 0 1 2 3\n"
    mesh = load_mesh(save(tmp_path / "a.ply", ply(header + FACES.format(1), body)), up="z")
    assert mesh.materials[0].texture is not None
    assert np.allclose(mesh.uv, mesh.vertices[:, :2] * np.sqrt(2) + 0.5, atol=1e-6)
    with pytest.raises(DataError, match="a texture without texture coordinates"):
        load_mesh(save(tmp_path / "a.ply", ply(header.replace(f"float {u}", "float q") + FACES.format(1), body)))


def test_lists_of_colours_that_are_announced_as_numbers(tmp_path: Path) -> None:
    save(tmp_path / "t.png", png(quarters()))
    header = "comment TextureFile t.png\n" + PLACES.format(4) + FACES.format(2) + "property list uchar float texcoord\n"
    header += "".join(f"property uchar {name}\n" for name in ("red", "green", "blue", "alpha"))
    rows = ["3 0 1 2 6 0 0 1 0 1 1", "3 0 2 3 6 0 0 1 1 0 1"]
    body = SQUARE + "".join(f"{row} 9 1 1 1 1 1 1 1 1 1\n" for row in rows)
    mesh = load_mesh(save(tmp_path / "a.ply", ply(header, body)), up="z")
    assert mesh.materials[0].texture is not None
    assert np.allclose(mesh.uv, mesh.vertices[:, :2] * np.sqrt(2) + 0.5, atol=1e-6)
    body = SQUARE + f"{rows[0]} 9 1 1 1 1 1 1 1 1 1\n{rows[1]} 1 1 1 1\n"  # one face alone is a mistake
    with pytest.raises(DataError, match=r"a\.ply: 13 numbers more than its header says"):
        load_mesh(save(tmp_path / "a.ply", ply(header, body)))


def test_line_ends_and_bytes_that_look_like_them(tmp_path: Path) -> None:
    points = [(struct.unpack("<f", b"\n\r\n\x3f")[0], 0, 0), (1, 0, 0), (1, 1, 0)]
    body = b"".join(struct.pack("<3f", *point) for point in points) + struct.pack("<B3i", 3, 0, 1, 2)
    for newline in ("\n", "\r\n", "\r"):
        data = ply(PLACES.format(3) + FACES.format(1), body, "binary_little_endian", newline)
        assert len(load_mesh(save(tmp_path / "a.ply", data)).faces) == 1
        assert len(load_mesh(save(tmp_path / "a.ply", b"\xef\xbb\xbf" + data)).faces) == 1


@pytest.mark.parametrize(
    ("header", "body", "said"),
    [
        (PLACES.format(4) + FACES.format(1), SQUARE + "4 0 1 2\n", "the file ends within it"),
        (PLACES.format(4) + FACES.format(2), SQUARE + "4 0 1 2 3\n", "the file ends"),
        (PLACES.format(10**15) + FACES.format(1), SQUARE, "the file ends before its 1000000000000000 rows"),
        (PLACES.format(4) + FACES.format(1), SQUARE + "4 0 1 2 3\n5 5 5\n", "3 numbers more than its header says"),
        (PLACES.format(4) + FACES.format(1), SQUARE + "4 0 1 2 x\n", "no number"),
        (PLACES.format(4) + FACES.format(1), SQUARE + "4 0 1 2 0.5\n", "not whole"),
        (PLACES.format(4) + FACES.format(1), SQUARE + "-4 0 1 2 3\n", "a list of -4 numbers"),
        (PLACES.format(4) + FACES.format(1), SQUARE + "4 0 1 2 4\n", "faces refer to vertices 0 … 4"),
        (PLACES.format(-4), "", "expected 0 or more"),
        (PLACES.replace("float x", "quad x").format(4), SQUARE, "a line of the header is 'property quad x'"),
        (PLACES.replace("float x", "float y").format(4), SQUARE, "stands twice"),
        ("property float x\n", "", "a line of the header"),
        (FACES.format(0), "", "no element 'vertex' with x, y and z"),
        (PLACES.format(4) + "element face 1\nproperty int vertex_indices\n", SQUARE + "4\n", "has no list"),
    ],
)  # fmt: skip
def test_ply_files_that_are_none(tmp_path: Path, header: str, body: str, said: str) -> None:
    with pytest.raises(DataError, match=rf"a\.ply: .*{said}"):
        load_mesh(save(tmp_path / "a.ply", ply(header, body)))


FACET = "facet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\nendloop\nendfacet\n"


def binary_stl(title: bytes = b"", count: int = 2) -> bytes:
    triangle = struct.pack("<12fH", 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0)
    return title.ljust(80, b"\0") + struct.pack("<I", 2) + (triangle * 2)[: 50 * count]


def test_stl_files_of_text_and_of_bytes(tmp_path: Path) -> None:
    spaced = FACET.replace("endfacet", "end facet").replace("outer", "  color 1 0 0\n  outer")
    assert len(load_mesh(save(tmp_path / "a.stl", f"solid\n{spaced}end solid")).faces) == 1
    twice = f"solid caf\xe9 vertex facet\n{FACET}endsolid caf\xe9\n\nsolid two\n{FACET.upper()}endsolid\n"
    for data in (twice.encode("latin-1"), twice.encode(), b"\xef\xbb\xbf" + twice.encode(), binary_stl(b"solid x")):
        assert len(load_mesh(save(tmp_path / "a.stl", data)).faces) == 2


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (binary_stl(count=1), r"holds 134 bytes, expected 184 for its 2 triangles"),
        (binary_stl(b"solid x", 1), r"holds 134 bytes, expected 184"),
        (binary_stl() + b"\0", r"holds 185 bytes, expected 184"),
        (b"\0" * 40, "holds 40 bytes, expected 84 or more"),
        (f"solid a\n{FACET}endsolid a\nsolid b\n{FACET}".encode(), "2 times 'solid' and 1 times 'endsolid'"),
        (f"solid a\n{FACET[:-12]}".encode(), "expected the file whole"),
        (f"solid a\n{FACET.replace('vertex 1 0 0', 'vertex 1 0')}endsolid".encode(), "a vertex is '1 0'"),
        (f"solid a\n{FACET.replace('vertex 1 0 0', 'vertex 1 x 0')}endsolid".encode(), "no number"),
        (f"solid a\n{FACET.replace('vertex 1 0 0', '')}endsolid".encode(), "a facet of 2 vertices"),
        (f"solid a\n{FACET.replace('outer loop', 'other loop')}endsolid".encode(), "a vertex before the first facet"),
        (f"solid a\n{FACET}{FACET.replace('outer loop', 'other loop')}endsolid".encode(), "1 times 'outer'"),
    ],
)
def test_stl_files_that_are_none(tmp_path: Path, data: bytes, said: str) -> None:
    with pytest.raises(DataError, match=rf"a\.stl: .*{said}"):
        load_mesh(save(tmp_path / "a.stl", data))


@pytest.mark.parametrize("how", ["utf-8-sig", "utf-16", "latin-1", "utf-8"])
def test_marks_and_encodings_lose_no_line(tmp_path: Path, how: str) -> None:
    for first in ("", "# caf\xe9\n"):
        box = BOX.lstrip()
        assert len(load_mesh(save(tmp_path / "a.obj", (first + box).encode(how))).faces) == 12
        save(tmp_path / "caf\xe9.png", png(np.full((4, 4, 3), 90)))
        save(tmp_path / "m.mtl", (first + "newmtl m\nKd 1 0 0\nmap_Kd caf\xe9.png\n").encode(how))
        mesh = load_mesh(save(tmp_path / "a.obj", PAINTED))
        assert mesh.materials[0].texture is not None
        text = first + "OFF\n4 1 0\n" + SQUARE + "4 0 1 2 3\n"
        assert np.allclose(
            np.sort(extent(load_mesh(save(tmp_path / "a.off", text.encode(how))))), [0, 0.5**0.5, 0.5**0.5]
        )
