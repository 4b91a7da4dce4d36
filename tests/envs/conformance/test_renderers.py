"""Renderers conform, and the check says in one sentence what breaks the contract."""

from collections.abc import Sequence

import numpy as np
import pytest
from fakes.meshes import made

from gazeworld.envs.conformance import ConformanceError, check_renderer
from gazeworld.envs.meshes.mesh import Mesh
from gazeworld.envs.objects.renderer import Renderer
from gazeworld.envs.objects.stage import Shots


@pytest.mark.parametrize("name", ["embree", "opengl"])
def test_every_renderer_conforms(name: str) -> None:
    check_renderer(made(name, 32))


class Hues(Renderer[int]):
    """A picture of one colour, which depends on the mesh, its rotation and the floor."""

    name = "hues"

    @property
    def version(self) -> str:
        return "hues 1"

    def _prepare(self, mesh: Mesh) -> int:
        return len(mesh.faces)

    def _drop(self, placed: int) -> None:
        pass

    def _draw(self, placed: Sequence[int], shots: Shots) -> np.ndarray:
        turned = shots.rotation[:, 1].abs().sum(1).numpy() * 40
        colours = np.stack((np.array(placed) % 251, turned, shots.floor_hue.numpy() * 255), 1).astype(np.uint8)
        return np.broadcast_to(colours[:, None, None], (len(placed), self.size, self.size, 3)).copy()


class Blind(Hues):
    def _draw(self, placed: Sequence[int], shots: Shots) -> np.ndarray:
        return super()._draw([0] * len(placed), shots)


class Still(Hues):
    def _draw(self, placed: Sequence[int], shots: Shots) -> np.ndarray:
        return super()._draw(placed, shots) * np.array([1, 0, 1], np.uint8)


class Crowded(Hues):
    def _draw(self, placed: Sequence[int], shots: Shots) -> np.ndarray:
        return super()._draw(placed, shots) // len(placed)


class Nameless(Hues):
    @property
    def version(self) -> str:
        return "1.0"


def test_a_stranger_s_renderer_conforms_or_hears_why_not() -> None:
    check_renderer(Hues(8))
    for kind, said in (
        (Blind, "Blind.render draws the same picture whatever the mesh is"),
        (Still, "Still.render draws the same picture whatever the rotation is"),
        (Crowded, "Crowded.render draws a picture differently when others are drawn beside it"),
        (Nameless, "Nameless.version is '1.0', expected text that begins with its name, 'hues'"),
    ):
        with pytest.raises(ConformanceError, match=said):
            check_renderer(kind(8))
    with pytest.raises(ConformanceError, match="is no Renderer"):
        check_renderer("embree")
