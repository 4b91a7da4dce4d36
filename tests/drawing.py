"""Simple meshes, shots of them, and where things are in the pictures."""

import numpy as np
import pytest
import torch

from gazeworld.envs.objects import stage
from gazeworld.envs.objects.mesh import Material, Mesh
from gazeworld.envs.objects.renderer import Renderer, UnavailableError, make_renderer
from gazeworld.envs.objects.stage import Shots

CUBE = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32) / 2
QUADS = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
RED = Material((1.0, 0.0, 0.0))


def box(middle=(0.0, 0.0, 0.0), sides=(1.0, 1.0, 1.0), material: Material | None = None) -> Mesh:
    """A box with flat faces, where it is put."""
    corners = CUBE[QUADS].reshape(-1, 3)
    normals = np.repeat(np.cross(corners[1::4] - corners[0::4], corners[2::4] - corners[0::4]), 4, 0)
    faces = (4 * np.arange(6)[:, None, None] + np.array([[0, 1, 2], [0, 2, 3]])).reshape(-1, 3)
    uv = np.tile(np.array([[0, 0], [0, 1], [1, 1], [1, 0]], np.float32), (6, 1))
    return Mesh(
        "box",
        (corners * np.float32(sides) + np.float32(middle)).astype(np.float32),
        normals.astype(np.float32),
        faces.astype(np.int32),
        uv,
        np.zeros(12, np.int32),
        (material or Material(),),
    )


def both(*meshes: Mesh) -> Mesh:
    """One mesh of several."""
    starts = np.cumsum([0, *(len(m.vertices) for m in meshes)])
    materials = np.cumsum([0, *(len(m.materials) for m in meshes)])
    return Mesh(
        "both",
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.normals for m in meshes]),
        np.concatenate([m.faces + s for m, s in zip(meshes, starts, strict=False)]).astype(np.int32),
        np.concatenate([m.uv for m in meshes]),
        np.concatenate([m.face_materials + s for m, s in zip(meshes, materials, strict=False)]).astype(np.int32),
        tuple(material for m in meshes for material in m.materials),
    )


def ball(rings: int = 24, material: Material | None = None) -> Mesh:
    """A ball of diameter 1 with smooth normals."""
    theta, phi = np.meshgrid(np.linspace(0.01, np.pi - 0.01, rings), np.linspace(0, 2 * np.pi, rings), indexing="ij")
    points = stage.spherical(theta, phi).reshape(-1, 3).astype(np.float32)
    a = (np.arange(rings - 1)[:, None] * rings + np.arange(rings - 1)).ravel()
    faces = np.concatenate([np.stack((a, a + rings, a + 1), 1), np.stack((a + 1, a + rings, a + rings + 1), 1)])
    none = np.zeros((len(points), 2), np.float32)
    grey = (material or Material(gloss=0.5),)
    return Mesh("ball", points / 2, points, faces.astype(np.int32), none, np.zeros(len(faces), np.int32), grey)


def latents(n: int, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    high = np.array([np.pi / 2] * 3 + [1, np.pi / 4, 2 * np.pi, 1])
    low = np.array([-np.pi / 2] * 3 + [0.0] * 4)
    return torch.from_numpy(rng.uniform(low, high, (n, 7)).astype(np.float32))


def shot(*numbers: float) -> Shots:
    return Shots.of_latents(torch.tensor([numbers], dtype=torch.float32))


def draw(renderer: Renderer, mesh: Mesh, shots: Shots) -> np.ndarray:
    """Pictures of one mesh, as signed numbers."""
    renderer.place([mesh])
    return renderer.render(torch.zeros(len(shots), dtype=torch.int64), shots).numpy().astype(int)


def pixel(picture: np.ndarray, point: np.ndarray) -> np.ndarray:
    """The picture where a point of the world appears."""
    row, column = np.floor(stage.project(np.float32(point)) * len(picture)).astype(int)
    return picture[row, column]


def ground(point: np.ndarray, theta: float, phi: float) -> np.ndarray:
    """Where the shadow of a point falls on the floor, from the middle of the lamp."""
    lamp = stage.SPOT_DISTANCE * stage.spherical(np.array(theta), np.array(phi))
    return lamp + (point - lamp) * (stage.FLOOR_HEIGHT - lamp[2]) / (point[2] - lamp[2])


def made(name: str, size: int, **options: int) -> Renderer:
    """A renderer; the test is skipped where it cannot be had."""
    try:
        return make_renderer(name, size, **options)
    except UnavailableError as error:
        pytest.skip(str(error))
