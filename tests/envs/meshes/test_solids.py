"""Parametric solids: repeatable, varied, told apart by shape and not by colour, and without symmetry."""

import pickle
from collections import Counter

import numpy as np
import pytest
from scipy.spatial import cKDTree

from gazeworld.envs.meshes import shapes
from gazeworld.envs.meshes.mesh import Mesh, welded
from gazeworld.envs.meshes.shapes import Kit
from gazeworld.envs.meshes.solids import FAMILIES, items, solid


def volume(triangles: np.ndarray) -> float:
    a, b, c = triangles.transpose(1, 0, 2)
    return float(np.einsum("fi,fi->", a, np.cross(b, c)) / 6)


def closed(triangles: np.ndarray) -> bool:
    """Whether every edge is used as often one way as the other."""
    place = welded(triangles)
    edges = Counter((int(p[i]), int(p[(i + 1) % 3])) for p in place for i in range(3))
    return all(edges[b, a] == count for (a, b), count in edges.items())


SOLIDS = [
    (shapes.box(1, 2, 3), 6),
    (shapes.box(1, 2, 3, 0.01), 6),
    (shapes.cylinder(1, 2, 64), 2 * np.pi),
    (shapes.cylinder(1, 3, 64, 0), np.pi),
    (shapes.ball(2, 4, 6, 64, 32), 8 * np.pi),
    (shapes.prism([(0, 0), (2, 0), (1, 0.5), (2, 2), (0, 2)], 1), 3),
    (shapes.tube(np.array([[0, 0, 0], [0, 0, 1.0], [0, 0, 3]]), 0.5, 64), 0.75 * np.pi),
    (shapes.lathe([(1, 0), (2, 0), (2, 1), (1, 1), (1, 0)], 64), 3 * np.pi),
    (shapes.mirrored(shapes.moved(shapes.box(1, 1, 1), 5)), 1),
    (shapes.turned(shapes.box(1, 2, 3), "y", 0.7), 6),
]


@pytest.mark.parametrize(("triangles", "expected"), SOLIDS)
def test_shapes_are_closed_and_wound_outwards(triangles: np.ndarray, expected: float) -> None:
    assert closed(triangles)
    assert volume(triangles) == pytest.approx(expected, rel=0.02)


def test_turns_are_to_the_left() -> None:
    for axis, start, end in (("x", [0, 1, 0], [0, 0, 1]), ("y", [0, 0, 1], [1, 0, 0]), ("z", [1, 0, 0], [0, 1, 0])):
        assert np.allclose(shapes.turned(np.full((1, 3, 3), start, float), axis, np.pi / 2), end)


@pytest.mark.parametrize("family", FAMILIES)
def test_objects_are_whole_and_within_bounds(family: str) -> None:
    for i in range(6):
        mesh = solid(family, np.random.default_rng(i))
        assert 140 <= len(mesh.faces) <= 1500
        assert np.linalg.norm(np.ptp(mesh.vertices, axis=0)) == pytest.approx(1, abs=1e-5)
        assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-4)
        assert 2 <= len(mesh.materials) <= 6


def same(a: Mesh, b: Mesh) -> bool:
    return (
        a.vertices.shape == b.vertices.shape and np.array_equal(a.vertices, b.vertices) and a.materials == b.materials
    )


def test_objects_depend_on_seed_family_and_number_alone() -> None:
    few, many = items(2, 3), pickle.loads(pickle.dumps(items(4, 3)))
    assert [item.key for item in few[:2]] == ["bed/bed_0000", "bed/bed_0001"]
    assert len({item.key for item in many}) == 4 * len(FAMILIES)
    meshes = {item.key: item.load() for item in many}
    for item in few:
        again = item.load()
        assert again.name == item.key
        assert same(again, meshes[item.key])
    other = {item.key: item.load() for item in items(2, 4)}
    for key, mesh in other.items():
        assert not same(mesh, meshes[key])
    for family in FAMILIES:
        of = [meshes[f"{family}/{family}_{i:04d}"] for i in range(4)]
        assert not any(same(a, b) for i, a in enumerate(of) for b in of[:i])


def test_colours_say_nothing_about_the_family() -> None:
    for seed in range(3):
        kit = Kit(np.random.default_rng(seed))
        for colour in range(6):
            kit.add(colour, shapes.box(1, 1, 1 + colour))
        palette = {material.colour for material in kit.mesh("all").materials}
        for family in FAMILIES:
            assert {material.colour for material in solid(family, np.random.default_rng(seed)).materials} <= palette


def spread(mesh: Mesh, n: int, rng: np.random.Generator) -> np.ndarray:
    """Places evenly over the surface, with their colours: n 6."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]].astype(float) for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    face = rng.choice(len(area), n, p=area / area.sum())
    u, v = np.sqrt(rng.random(n)), rng.random(n)
    place = a[face] + u[:, None] * ((1 - v)[:, None] * (b - a)[face] + v[:, None] * (c - a)[face])
    colour = np.array([material.colour for material in mesh.materials])[mesh.face_materials[face]]
    return np.column_stack((place, colour))


@pytest.mark.parametrize("family", FAMILIES)
def test_turned_about_its_axis_an_object_is_another(family: str) -> None:
    """Against whatever symmetry: of a turned object, some of the surface has nothing of its colour nearby."""
    rng = np.random.default_rng(0)
    for i in range(4):
        mesh = solid(family, np.random.default_rng(100 + i))
        here, there = spread(mesh, 1500, rng), spread(mesh, 6000, rng)
        for degrees in (0, 45, 90, 120, 180, 240, 270, 315):
            c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
            turned = there.copy()
            turned[:, :2] = there[:, :2] @ [[c, s], [-s, c]]
            middle = (turned[:, :2].min(0) + turned[:, :2].max(0)) / 2
            turned[:, :2] -= middle * (degrees != 0)
            weight = np.array([1, 1, 1, 100, 100, 100])  # other colours are far away
            lost = (cKDTree(turned * weight).query(here * weight)[0] > 0.06).mean()
            assert lost < 0.005 if degrees == 0 else lost > 0.01, (i, degrees)


def test_impossible_requests_are_named() -> None:
    with pytest.raises(ValueError, match="no family 'spoon'; there are: chair"):
        solid("spoon", np.random.default_rng(0))
    with pytest.raises(ValueError, match="per_family=0"):
        items(0, 1)
    with pytest.raises(ValueError, match="seed=-1"):
        items(1, -1)
