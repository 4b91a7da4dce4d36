"""A renderer of a package of one's own, in NumPy: a cloud of points; `make_renderer("points:PointRenderer", 64)`."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, UInt8

from gazeworld.envs import Mesh, Renderer
from gazeworld.envs.objects import stage
from gazeworld.envs.objects.stage import Shots


class PointRenderer(Renderer[np.ndarray]):
    """Draws the vertices of a mesh as points, brighter the nearer they are, over a floor of the shot's hue.

    Crude and quick to read; `samples` makes points of so many pixels. No light falls on anything.
    """

    name = "points"

    @property
    def version(self) -> str:
        """Its name and that of NumPy."""
        return f"points 1 (NumPy {np.__version__})"

    def _prepare(self, mesh: Mesh) -> Float32[np.ndarray, "v 3"]:
        return mesh.vertices

    def _drop(self, placed: Float32[np.ndarray, "v 3"]) -> None:
        del placed

    def _draw(self, placed: Sequence[Float32[np.ndarray, "v 3"]], shots: Shots) -> UInt8[np.ndarray, "b h w 3"]:
        hues = stage.rgb_of_hsv(shots.floor_hue.numpy(), 0.6, 0.6)
        pictures = np.empty((len(placed), self.size, self.size, 3), np.uint8)
        eye = stage.camera()[0]
        for picture, vertices, rotation, hue in zip(pictures, placed, shots.rotation.numpy(), hues, strict=True):
            picture[:] = np.round(255 * hue)
            points = vertices @ rotation.T  # v 3, in the world
            near = np.clip(1.5 - np.linalg.norm(points - eye, axis=1) / stage.CAMERA_DISTANCE, 0, 1)
            rows, columns = np.clip(stage.project(points) * self.size, 0, self.size - 1).astype(int).T
            order = np.argsort(near)  # what is near is drawn last
            picture[rows[order], columns[order]] = np.round(255 * near[order, None])
        return pictures
