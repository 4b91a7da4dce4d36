"""Files of meshes and pictures that are written by hand, and the size of what was read from them."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from gazeworld.envs.objects.mesh import Mesh

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
