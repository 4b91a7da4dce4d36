"""Files of meshes and pictures that are written by hand, and the size of what was read from them."""

import base64
import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gazeworld.envs.meshes.mesh import Material, Mesh
from gazeworld.envs.objects import stage
from gazeworld.envs.objects.renderer import Renderer, UnavailableError, make_renderer
from gazeworld.envs.objects.stage import Shots

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


class Gltf:
    """A glTF file that is put together piece by piece: whatever is added gives the number by which it is known."""

    def __init__(self) -> None:
        self.data = b""
        self.tree: dict[str, Any] = {"asset": {"version": "2.0"}, "bufferViews": [], "accessors": []}

    def add(self, kind: str, entry: dict[str, Any]) -> int:
        self.tree.setdefault(kind, []).append(entry)
        return len(self.tree[kind]) - 1

    def view(self, data: bytes, **more: Any) -> int:
        self.data += bytes(-len(self.data) % 4)
        start, self.data = len(self.data), self.data + data
        return self.add("bufferViews", {"buffer": 0, "byteOffset": start, "byteLength": len(data), **more})

    def accessor(self, values: Any, kind: str = "f4", **more: Any) -> int:
        """Numbers of NumPy's type `kind`, row by row."""
        array = np.array(values, "<" + kind)
        shape = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}[array.size // len(array)]
        component = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}[kind]
        facts = {"componentType": component, "count": len(array), "type": shape}
        return self.add("accessors", {"bufferView": self.view(array.tobytes()), **facts, **more})

    def picture(self, data: bytes, **sampler: Any) -> int:
        """A texture, by its number."""
        image = self.add("images", {"bufferView": self.view(data), "mimeType": "image/png"})
        more = {"sampler": self.add("samplers", sampler)} if sampler else {}
        return self.add("textures", {"source": image, **more})

    def shown(self, attributes: dict[str, int], material: dict[str, Any] | None = None, **more: Any) -> "Gltf":
        """A part of a mesh in a node of its own; "node" and "mesh" of `more` go there, the rest to the part."""
        node, mesh = more.pop("node", {}), more.pop("mesh", {})
        if material is not None:
            more["material"] = self.add("materials", material)
        number = self.add("meshes", {"primitives": [{"attributes": attributes, **more}], **mesh})
        self.add("nodes", {"mesh": number, **node})
        return self

    def glb(self) -> bytes:
        data = self.data + bytes(-len(self.data) % 4)
        text = json.dumps({**self.tree, "buffers": [{"byteLength": len(self.data)}]}).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(data), 0x004E4942) + data
        return b"glTF" + struct.pack("<II", 2, 12 + len(chunks)) + chunks

    def text(self) -> str:
        uri = "data:application/octet-stream;base64," + base64.b64encode(self.data).decode()
        return json.dumps({**self.tree, "buffers": [{"byteLength": len(self.data), "uri": uri}]})


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
