"""What every renderer keeps: pictures of the right shape, the same again, of the mesh and the shot asked for."""

import math
from typing import Any

import torch
from torch import Tensor

from ..meshes import solids
from ..objects.renderer import Renderer
from ..objects.stage import LATENTS, Shots
from . import check_tensor, fail

_CLOSE = 3  # of 255, by which rounding may differ with what is drawn beside a picture
_EDGES = 0.02  # the share of pixels, on edges, that may differ by more


def check_renderer(renderer: Any, *, seed: int = 0) -> None:
    """Check that a renderer keeps the contract of `Renderer`, on two solids in a few shots.

    Checked are its name and version; shape, dtype and place of pictures; that they repeat, do not depend on what is
    drawn beside them nor on when a mesh was placed, differ between meshes, rotations and hues; and that wrong numbers
    are refused. Afterwards it is closed, twice, which must do no harm. How a scene has to look is not checked.
    Raises ConformanceError.
    """
    if not isinstance(renderer, Renderer):
        fail(f"{renderer!r} is no Renderer; expected an instance of a class derived from gazeworld.envs.Renderer")
    name = type(renderer).__name__
    if not (isinstance(renderer.name, str) and renderer.version.startswith(renderer.name)):
        fail(f"{name}.version is {renderer.version!r}, expected text that begins with its name, {renderer.name!r}")
    items = solids.items(2, seed)
    meshes = [items[0].load(), items[-1].load()]
    which, shots = torch.tensor([1, 0, 0, 1, 0]), Shots.of_latents(_latents())
    renderer.place(meshes)
    drawn = renderer.render(which, shots)
    side = renderer.size
    check_tensor(drawn, f"{name}.render()", (len(which), side, side, 3), "uint8")
    if drawn.device.type != "cpu":
        fail(f"{name}.render gives pictures on {drawn.device}, expected the CPU")
    if not _alike(renderer.render(which, shots), drawn):
        fail(f"{name}.render draws something else when it is asked again")
    for row in (4, 0):
        alone = renderer.render(which[row : row + 1], shots[row : row + 1])
        if not _alike(alone, drawn[row : row + 1]):
            fail(f"{name}.render draws a picture differently when others are drawn beside it")
    renderer.place(meshes[::-1])
    if not _alike(renderer.render(1 - which, shots), drawn):
        fail(f"{name}.render draws a mesh differently after the meshes were placed in another order")
    check_tensor(renderer.render(which[:0], shots[:0]), f"{name}.render() of nothing", (0, side, side, 3), "uint8")
    for one, other, what in ((0, 1, "mesh"), (1, 2, "rotation"), (0, 3, "hue")):
        if torch.equal(drawn[one], drawn[other]):
            fail(f"{name}.render draws the same picture whatever the {what} is")
    for wrong in (torch.tensor([2] * 5), torch.tensor([-1] * 5)):
        try:
            renderer.render(wrong, shots)
        except ValueError:
            continue
        fail(f"{name}.render draws mesh {int(wrong[0])} where two were placed, expected a ValueError")
    renderer.close()
    renderer.close()


def _latents() -> Tensor:
    """Five shots: two meshes seen alike, then turned, over a floor of another hue, and turned another way."""
    shots = torch.zeros(5, len(LATENTS), dtype=torch.float32)
    shots[:, 3], shots[:, 4], shots[:, 5], shots[:, 6] = 0.4, 0.6, -math.pi / 2, 0.1
    shots[2, 0], shots[3, 3], shots[4, 1] = 0.9, 0.9, 1.2
    return shots


def _alike(one: Tensor, other: Tensor) -> bool:
    """Equal but for rounding, and for some pixels on edges."""
    far = (one.int() - other.int()).abs() > _CLOSE
    return float(far.float().mean()) <= _EDGES
