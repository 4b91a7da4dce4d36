"""glTF files and what they may use: geometry, colours and textures come out right."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes.meshes import Gltf, area, extent, png, quarters, save

from gazeworld.envs.files import DataError
from gazeworld.envs.meshes.materials import encoded
from gazeworld.envs.meshes.mesh import Mesh
from gazeworld.envs.meshes.mesh_files import load_mesh

CORNERS = [(0, 0, 0), (2, 0, 0), (2, 1, 0), (0, 1, 0)]
QUAD = [0, 1, 2, 0, 2, 3]
UV = [(0, 1), (1, 1), (1, 0), (0, 0)]  # of glTF: from the upper left
SIZE = np.array([2, 1, 0]) / np.sqrt(5)
WHITE = np.full((4, 4, 3), 255, np.uint8)


def read(path: Path, file: Gltf) -> Mesh:
    """The mesh, the same from text and from bytes."""
    mesh = load_mesh(save(path / "a.glb", file.glb()), up="z")
    again = load_mesh(save(path / "a.gltf", file.text()), up="z")
    assert np.array_equal(mesh.vertices, again.vertices)
    return mesh


def square(file: Gltf, **more: Any) -> dict[str, int]:
    """Attributes of a rectangle."""
    return {"POSITION": file.accessor(CORNERS), **more}


def seen(mesh: Mesh, where: tuple[float, float]) -> tuple[float, ...]:
    """The linear colour in the middle of faces whose middle is nearest to a place of the bounding box, 0 to 1."""
    at = (np.array(where) - 0.5) * SIZE[:2]
    corners = mesh.vertices[mesh.faces][..., :2].astype(float)
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    det = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    u = ((at[0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (at[1] - a[:, 1]) * (c[:, 0] - a[:, 0])) / det
    v = ((b[:, 0] - a[:, 0]) * (at[1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (at[0] - a[:, 0])) / det
    face = int(np.argmax(np.minimum(np.minimum(u, v), 1 - u - v)))
    material = mesh.materials[mesh.face_materials[face]]
    colour = np.array(material.colour)
    if material.texture is not None:
        uv = np.array([1 - u[face] - v[face], u[face], v[face]]) @ mesh.uv[mesh.faces[face]] % 1
        h, w = material.texture.shape[:2]
        srgb = material.texture[min(int((1 - uv[1]) * h), h - 1), min(int(uv[0] * w), w - 1)] / 255
        colour = colour * np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return tuple(colour.round(3).tolist())


RED, GREEN, BLUE, PALE = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (1.0, 1.0, 1.0)
PLACES = [(0.25, 0.75), (0.75, 0.75), (0.25, 0.25), (0.75, 0.25)]  # upper left, upper right, lower left, lower right


def base(texture: int, **info: Any) -> dict[str, Any]:
    return {"pbrMetallicRoughness": {"baseColorTexture": {"index": texture, **info}}}


@pytest.mark.parametrize("mode", [4, 5, 6])
@pytest.mark.parametrize("indexed", [True, False])
def test_triangles_strips_and_fans(tmp_path: Path, mode: int, indexed: bool) -> None:
    order = {4: QUAD, 5: [0, 1, 3, 2], 6: [0, 1, 2, 3]}[mode]
    file = Gltf()
    if indexed:
        file.shown(square(file), indices=file.accessor(order, "u2"), mode=mode)
    else:
        file.shown({"POSITION": file.accessor([CORNERS[i] for i in order])}, mode=mode)
    mesh = read(tmp_path, file)
    assert len(mesh.faces) == 2
    assert area(mesh) == pytest.approx(2 / 5)
    corners = mesh.vertices[mesh.faces]
    assert (np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2] > 0).all()


def test_a_part_without_material_is_as_grey_as_in_other_files(tmp_path: Path) -> None:
    file = Gltf()
    file.shown(square(file), indices=file.accessor(QUAD, "u1"))
    assert read(tmp_path, file).materials[0].colour == (0.8, 0.8, 0.8)


def test_points_and_lines_have_no_surface(tmp_path: Path) -> None:
    file = Gltf()
    attributes = square(file)
    for mode in range(4):
        file.shown(attributes, mode=mode)
    with pytest.raises(DataError, match="no triangle"):
        read(tmp_path, file)
    file.shown(attributes, indices=file.accessor(QUAD, "u1"))
    assert len(read(tmp_path, file).faces) == 2


@pytest.mark.parametrize(("kind", "most"), [("u1", 255), ("i1", 127), ("u2", 65535), ("i2", 32767)])
@pytest.mark.parametrize("normalised", [True, False])
def test_quantised_and_normalised_integers(tmp_path: Path, kind: str, most: int, normalised: bool) -> None:
    file = Gltf()
    values = np.array(CORNERS) * (most // 2 if normalised else 3)
    uv = file.accessor(np.array(UV) * most, kind, normalized=True)
    attributes = {"POSITION": file.accessor(values, kind, normalized=normalised), "TEXCOORD_0": uv}
    other = {"POSITION": file.accessor([(5.0, 0, 0), (6, 0, 0), (6, 1, 0)])}
    file.shown(attributes, base(file.picture(png(quarters(16)))), indices=file.accessor(QUAD, "u1")).shown(other)
    file.tree["extensionsRequired"] = ["KHR_mesh_quantization"]
    mesh = read(tmp_path, file)
    unit = (most // 2) / most if normalised else 3
    assert np.ptp(mesh.vertices[:, 0]) / np.ptp(mesh.vertices[:, 1]) == pytest.approx(6 / max(unit, 1), rel=1e-4)
    assert mesh.uv.max() == 1


def test_normalised_colours_of_all_kinds_multiply_the_texture(tmp_path: Path) -> None:
    for kind, most in (("f4", 1.0), ("u1", 255), ("u2", 65535)):
        for width in (3, 4):
            file = Gltf()
            colours = np.array([[0.2 * most, 0, most, most][:width]] * 4)
            extra = {"COLOR_0": file.accessor(colours, kind, normalized=kind != "f4")}
            extra["TEXCOORD_0"] = file.accessor(UV)
            picture = np.full((4, 4, 3), 255, np.uint8)
            material = base(file.picture(png(picture)))
            material["pbrMetallicRoughness"]["baseColorFactor"] = [0.5, 1, 0.5, 1]
            file.shown(square(file, **extra), material, indices=file.accessor(QUAD, "u1"))
            mesh = read(tmp_path, file)
            assert mesh.materials[0].texture is not None
            assert seen(mesh, (0.3, 0.4)) == pytest.approx((0.1, 0, 0.5), abs=0.002)


def test_each_face_under_a_texture_has_its_own_colour(tmp_path: Path) -> None:
    file = Gltf()
    corners = [CORNERS[i] for i in QUAD]
    attributes = {
        "POSITION": file.accessor(corners),
        "TEXCOORD_0": file.accessor([UV[i] for i in QUAD]),
        "COLOR_0": file.accessor([RED] * 3 + [BLUE] * 3),
    }
    file.shown(attributes, base(file.picture(png(WHITE))))
    mesh = read(tmp_path, file)
    assert seen(mesh, (0.8, 0.2)) == RED
    assert seen(mesh, (0.2, 0.8)) == BLUE


def test_more_colours_than_can_be_kept_under_a_texture_stay_near(tmp_path: Path) -> None:
    n = 400
    along = np.arange(n) / n
    points = np.zeros((n, 3, 3))
    points[..., 0] = along[:, None] + np.array([0, 1 / n, 0])
    points[:, 2, 1] = 0.5
    colours = np.repeat(np.column_stack((along, 1 - along, 0 * along))[:, None], 3, 1)
    file = Gltf()
    attributes = {"POSITION": file.accessor(points.reshape(-1, 3)), "COLOR_0": file.accessor(colours.reshape(-1, 3))}
    attributes["TEXCOORD_0"] = file.accessor(np.tile([(0, 0), (1, 0), (0, 1)], (n, 1)))
    file.shown(attributes, base(file.picture(png(WHITE))))
    mesh = read(tmp_path, file)
    assert 8 < len(mesh.materials) <= 64
    middle = mesh.vertices[mesh.faces].mean(1)[:, 0]
    there = (middle - middle.min()) / np.ptp(middle)
    red = np.array([mesh.materials[i].colour[0] for i in mesh.face_materials])
    assert np.abs(red - there).max() < 0.1


@pytest.mark.parametrize("extra", [{}, {"texCoord": 1}])
def test_second_texture_coordinates(tmp_path: Path, extra: dict[str, int]) -> None:
    file = Gltf()
    flipped = [(1 - u, v) for u, v in UV]
    attributes = square(file, TEXCOORD_0=file.accessor(UV), TEXCOORD_1=file.accessor(flipped))
    file.shown(attributes, base(file.picture(png(quarters(16))), **extra), indices=file.accessor(QUAD, "u1"))
    mesh = read(tmp_path, file)
    wanted = [GREEN, RED, PALE, BLUE] if extra else [RED, GREEN, BLUE, PALE]
    assert [seen(mesh, place) for place in PLACES] == wanted


@pytest.mark.parametrize(
    ("moved", "wanted"),
    [
        ({"offset": [0.5, 0]}, [GREEN, RED, PALE, BLUE]),
        ({"offset": [0, 0.5]}, [BLUE, PALE, RED, GREEN]),
        ({"scale": [0.5, 0.5]}, [RED, RED, RED, RED]),
        ({"scale": [-1, 1]}, [GREEN, RED, PALE, BLUE]),
        ({"scale": [0.5, 0.5], "offset": [0.5, 0.5]}, [PALE] * 4),
        ({"rotation": np.pi / 2}, [BLUE, RED, PALE, GREEN]),  # the picture is turned clockwise
        ({"rotation": np.pi / 2, "scale": [0.5, 0.5], "offset": [0, 1]}, [BLUE] * 4),  # an example of its authors
        ({"texCoord": 1}, [GREEN, RED, PALE, BLUE]),
    ],
)
def test_texture_transforms(tmp_path: Path, moved: dict[str, Any], wanted: list[tuple[float, ...]]) -> None:
    file = Gltf()
    flipped = [(1 - u, v) for u, v in UV]
    attributes = square(file, TEXCOORD_0=file.accessor(UV), TEXCOORD_1=file.accessor(flipped))
    info = {"extensions": {"KHR_texture_transform": moved}}
    file.shown(attributes, base(file.picture(png(quarters(16))), **info), indices=file.accessor(QUAD, "u1"))
    mesh = read(tmp_path, file)
    assert [seen(mesh, place) for place in PLACES] == wanted


@pytest.mark.parametrize(
    ("wrap", "wanted"),
    [
        (10497, [RED, GREEN, BLUE, PALE] * 2),
        (33071, [GREEN, GREEN, PALE, PALE, GREEN, GREEN, PALE, PALE]),
        (33648, [GREEN, RED, PALE, BLUE, RED, GREEN, BLUE, PALE]),
    ],
)
def test_textures_that_repeat_are_mirrored_or_clamped(tmp_path: Path, wrap: int, wanted: list[Any]) -> None:
    file = Gltf()
    wide = [(1 + 2 * u, v) for u, v in UV]  # two widths, beginning at the second
    picture = file.picture(png(quarters(16)), wrapS=wrap, wrapT=33071)
    file.shown(square(file, TEXCOORD_0=file.accessor(wide)), base(picture), indices=file.accessor(QUAD, "u1"))
    mesh = read(tmp_path, file)
    places = [(x / 2 + half, y) for half in (0, 0.5) for x, y in PLACES]
    assert [seen(mesh, place) for place in places] == wanted


def test_sparse_accessors(tmp_path: Path) -> None:
    file = Gltf()
    flat = np.array(CORNERS) * [1, 1, 0]
    for start in (file.accessor(flat), file.add("accessors", {"componentType": 5126, "count": 4, "type": "VEC3"})):
        new = np.array(
            [(2, 0, 0), (2, 1, 0), (0, 1, 0)] if "bufferView" not in file.tree["accessors"][start] else CORNERS[1:]
        )
        indices = {"bufferView": file.view(np.array([1, 2, 3], "<u2").tobytes()), "componentType": 5123}
        values = {"bufferView": file.view((new * [1, 2, 1]).astype("<f4").tobytes())}
        file.tree["accessors"][start]["sparse"] = {"count": 3, "indices": indices, "values": values}
        file.shown({"POSITION": start}, indices=file.accessor(QUAD, "u1"))
    mesh = read(tmp_path, file)
    assert np.allclose(extent(mesh), np.array([1, 1, 0]) / np.sqrt(2), atol=1e-6)
    assert area(mesh) == pytest.approx(1)  # the same square twice


def test_interleaved_numbers(tmp_path: Path) -> None:
    file = Gltf()
    rows = np.zeros(4, [("p", "<f4", 3), ("uv", "<u2", 2)])
    rows["p"], rows["uv"] = CORNERS, np.array(UV) * 65535
    view = file.view(rows.tobytes(), byteStride=16)
    place = {"bufferView": view, "componentType": 5126, "count": 4, "type": "VEC3"}
    where = {
        "bufferView": view,
        "byteOffset": 12,
        "componentType": 5123,
        "count": 4,
        "type": "VEC2",
        "normalized": True,
    }
    attributes = {"POSITION": file.add("accessors", place), "TEXCOORD_0": file.add("accessors", where)}
    file.shown(attributes, base(file.picture(png(quarters(16)))), indices=file.accessor(QUAD, "u1"))
    mesh = read(tmp_path, file)
    assert [seen(mesh, place) for place in PLACES] == [RED, GREEN, BLUE, PALE]


def test_shapes_skins_and_instances_are_at_rest(tmp_path: Path) -> None:
    file = Gltf()
    attributes = square(file)
    targets = [{"POSITION": file.accessor([(0, 0, 0), (2, 0, 0), (2, 0, 0), (0, 0, 0)])}]
    file.shown(attributes, indices=file.accessor(QUAD, "u1"), targets=targets, mesh={"weights": [0.5]})
    assert np.allclose(extent(read(tmp_path, file)), np.array([3, 1, 0]) / np.sqrt(10), atol=1e-6)
    file.tree["nodes"][0]["weights"] = [1.0]
    assert np.allclose(extent(read(tmp_path, file)), np.array([4, 1, 0]) / np.sqrt(17), atol=1e-6)

    file = Gltf()
    attributes = square(file, JOINTS_0=file.accessor([(0, 1, 0, 0)] * 4, "u1"))
    attributes["WEIGHTS_0"] = file.accessor([(1, 0, 0, 0), (0, 1, 0, 0), (0, 1, 0, 0), (1, 0, 0, 0)])
    node = {"skin": 0, "scale": [1, 50, 1], "children": [1, 2]}  # which skins take no notice of
    file.shown(attributes, indices=file.accessor(QUAD, "u1"), node=node)
    file.add("nodes", {})
    file.add("nodes", {"scale": [1, 1 / 50, 1], "translation": [3, 0, 0]})
    inverse = np.stack([np.diag([1, 1 / 50, 1, 1]), np.eye(4)])
    file.add("skins", {"joints": [1, 2], "inverseBindMatrices": file.accessor(inverse.reshape(2, 16))})
    assert np.allclose(extent(read(tmp_path, file)), np.array([5, 1, 0]) / np.sqrt(26), atol=1e-6)

    file = Gltf()
    instances = {"TRANSLATION": file.accessor([(0, 0, 0), (0, 5, 0)]), "SCALE": file.accessor([(1, 1, 1), (1, 1, 1)])}
    node = {"extensions": {"EXT_mesh_gpu_instancing": {"attributes": instances}}}
    file.shown(square(file), indices=file.accessor(QUAD, "u1"), node=node)
    mesh = read(tmp_path, file)
    assert len(mesh.faces) == 4
    assert np.allclose(extent(mesh), np.array([2, 6, 0]) / np.sqrt(40), atol=1e-6)


def test_only_the_scene_that_is_shown_counts(tmp_path: Path) -> None:
    file = Gltf()
    attributes = square(file)
    for node in (
        {},
        {"scale": [9, 1, 1]},
        {"extensions": {"KHR_node_visibility": {"visible": False}}, "scale": [1, 9, 1]},
    ):
        file.shown(attributes, indices=file.accessor(QUAD, "u1"), node=node)
    file.tree |= {"scenes": [{"nodes": [1]}, {"nodes": [0, 2]}], "scene": 1}
    assert np.allclose(extent(read(tmp_path, file)), SIZE, atol=1e-6)


@pytest.mark.parametrize(("mode", "opaque"), [("OPAQUE", 1.0), ("BLEND", 0.4), ("MASK", 1.0)])
def test_alpha_of_factors_and_vertices(tmp_path: Path, mode: str, opaque: float) -> None:
    file = Gltf()
    material = {"pbrMetallicRoughness": {"baseColorFactor": [1, 0, 0, 0.8]}, "alphaMode": mode, "alphaCutoff": 0.3}
    colours = file.accessor([(1, 1, 1, 0.5)] * 4)
    file.shown(square(file, COLOR_0=colours), material, indices=file.accessor(QUAD, "u1"))
    mesh = read(tmp_path, file)
    assert mesh.materials[0].opacity == pytest.approx(opaque)
    assert seen(mesh, (0.5, 0.4)) == RED
    if mode == "MASK":
        file.tree["materials"][0]["alphaCutoff"] = 0.5
        with pytest.raises(DataError, match="no triangle"):
            read(tmp_path, file)


def test_specular_glossiness_light_and_glass(tmp_path: Path) -> None:
    file = Gltf()
    shiny = {"diffuseFactor": [1, 0.5, 1, 1], "glossinessFactor": 0.5, "specularFactor": [0.5] * 3}
    shiny["diffuseTexture"] = {"index": file.picture(png(quarters(16)))}
    material = {"extensions": {"KHR_materials_pbrSpecularGlossiness": shiny}}
    file.shown(square(file, TEXCOORD_0=file.accessor(UV)), material, indices=file.accessor(QUAD, "u1"))
    mesh = read(tmp_path, file)
    assert [seen(mesh, place) for place in PLACES] == [RED, (0.0, 0.5, 0.0), BLUE, (1.0, 0.5, 1.0)]
    assert mesh.materials[0].gloss == 0.25
    file.tree["materials"] = [{"emissiveFactor": [0, 1, 1], "emissiveTexture": shiny["diffuseTexture"], **base(0)}]
    assert seen(read(tmp_path, file), PLACES[3]) == PALE
    file.tree["materials"][0]["pbrMetallicRoughness"] = {"baseColorFactor": [0, 0, 0, 1]}  # nothing but light
    assert seen(read(tmp_path, file), PLACES[3]) == (0, 1, 1)
    file = Gltf()
    material = {"extensions": {"KHR_materials_transmission": {"transmissionFactor": 0.6}}}
    file.shown(square(file), material, indices=file.accessor(QUAD, "u1"))
    assert read(tmp_path, file).materials[0].opacity == pytest.approx(0.4)


def test_colours_of_vertices_without_a_texture_are_linear(tmp_path: Path) -> None:
    file = Gltf()
    colours = np.array([(0.2, 0.4, 0.6)] * 4)
    file.shown(square(file, COLOR_0=file.accessor(colours)), indices=file.accessor(QUAD, "u1"))
    found = np.array(seen(read(tmp_path, file), (0.5, 0.4)))
    assert np.abs(encoded(found) - encoded(colours[0])).max() < 1 / 255
