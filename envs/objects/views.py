"""Views of objects as a rotation world asks for them: stored ones, which are finitely many, and live ones.

A pose is six numbers: the quaternion (x, y, z, w) of the object's rotation, the hue of the floor and that of the spot,
both in [0, 1].
"""

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Sequence

import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from ..meshes.mesh import Item, Mesh
from ..rng import Draws
from . import rotations
from .gallery import Gallery
from .renderer import Renderer
from .stage import Shots, of_uniforms

POSE = 6
_LIGHT = 3  # fold of an object's stream for where its spot stands
KEPT = 1024  # meshes that live views keep ready


class Views(ABC):
    """Where views of each object may be taken from, and what is seen there."""

    @abstractmethod
    def snap(self, index: Int64[Tensor, " b"], pose: Float32[Tensor, "b 6"]) -> Float32[Tensor, "b 6"]:
        """The legal pose of each object nearest to a pose."""

    @abstractmethod
    def random(self, index: Int64[Tensor, " b"], rng: Draws) -> Float32[Tensor, "b 6"]:
        """A legal pose of each object, drawn uniformly."""

    @abstractmethod
    def look(self, index: Int64[Tensor, " b"], pose: Float32[Tensor, "b 6"]) -> UInt8[Tensor, "b h w c"]:
        """What is seen of each object from a legal pose."""


def poses_of(latents: Float32[Tensor, "*b 7"], canonical: bool) -> Float32[Tensor, "*b 6"]:
    """Poses of views from their latents; the quaternion's sign is that with w > 0, or as scipy gives it."""
    q = rotations.from_euler(latents[..., :3].double())
    q = rotations.canonical(q) if canonical else q
    return torch.cat((q.float(), latents[..., 3:4], latents[..., 6:7]), -1)


class StoredViews(Views):
    """The views of a gallery; a pose snaps to the view that is nearest in what `turns` and `tints` select.

    The distance of two poses is 1 - |cosine of half the angle between the rotations| if `turns`, plus the absolute
    differences of the hues if `tints`: only what an action can say decides where it leads.
    """

    def __init__(
        self, gallery: Gallery, poses: Float32[Tensor, "n v 6"], *, turns: bool, tints: bool, device: torch.device
    ) -> None:
        self._gallery, self._turns, self._tints = gallery, turns, tints
        self.poses = poses.to(device)  # n v 6

    def snap(self, index: Int64[Tensor, " b"], pose: Float32[Tensor, "b 6"]) -> Float32[Tensor, "b 6"]:
        """The nearest of the object's views."""
        legal = self.poses.index_select(0, index)  # b v 6
        best = _distance(pose, legal, self._turns, self._tints).argmin(1)
        return legal[torch.arange(len(best), device=best.device), best]

    def random(self, index: Int64[Tensor, " b"], rng: Draws) -> Float32[Tensor, "b 6"]:
        """Each of the object's views equally likely."""
        return self.poses[index, rng.integers(self.poses.shape[1])[:, 0]]

    def look(self, index: Int64[Tensor, " b"], pose: Float32[Tensor, "b 6"]) -> UInt8[Tensor, "b h w c"]:
        """The stored view that was taken from there."""
        numbers = _distance(pose, self.poses.index_select(0, index), True, True).argmin(1)
        on = self._gallery.device
        return self._gallery(index.to(on), numbers.to(on)).to(pose.device)


def _distance(
    pose: Float32[Tensor, "b 6"], legal: Float32[Tensor, "b v 6"], turns: bool, tints: bool
) -> Float32[Tensor, "b v"]:
    apart = legal.new_zeros(legal.shape[:2])
    if turns:
        apart = 1 - (legal[..., :4] @ pose[:, :4, None])[..., 0].abs()
    if tints:
        apart = apart + (legal[..., 4:] - pose[:, None, 4:]).abs().sum(-1)
    return apart


class LiveViews(Views):
    """Any rotation and any hues, drawn on the spot; where the spot light stands is a property of the object.

    Random poses come from `region`. Meshes are loaded when they are first looked at; the last KEPT stay ready.
    """

    def __init__(self, items: Sequence[Item], renderer: Renderer, region: rotations.Region, *, canonical: bool) -> None:
        self._items, self._renderer, self._region, self._canonical = items, renderer, region, canonical
        self._meshes: OrderedDict[int, Mesh] = OrderedDict()
        self._slots: dict[int, int] = {}

    @property
    def drawn_by(self) -> str:
        """The renderer with its version."""
        return self._renderer.version

    def snap(self, index: Int64[Tensor, " b"], pose: Float32[Tensor, "b 6"]) -> Float32[Tensor, "b 6"]:
        """The same rotation as a unit quaternion, the hues brought into [0, 1]."""
        del index
        q = rotations.unit(pose[:, :4])
        q = rotations.canonical(q) if self._canonical else q
        return torch.cat((q, pose[:, 4:].clamp(0, 1)), 1)

    def random(self, index: Int64[Tensor, " b"], rng: Draws) -> Float32[Tensor, "b 6"]:
        """A rotation of the region and two uniform hues."""
        del index
        return poses_of(of_uniforms(self._region, rng.uniform64(7)), self._canonical)

    def look(self, index: Int64[Tensor, " b"], pose: Float32[Tensor, "b 6"]) -> UInt8[Tensor, "b h w c"]:
        """Drawn now; DataError names an object that cannot be loaded."""
        numbers = index.tolist()
        self._place(numbers)
        light = of_uniforms(self._region, Draws.seeded(index.cpu()).fold(_LIGHT).uniform64(7))  # b 7
        here = pose.cpu()
        shots = Shots(rotations.to_matrix(here[:, :4]), here[:, 4], light[:, 4], light[:, 5], here[:, 5])
        slots = torch.tensor([self._slots[number] for number in numbers], dtype=torch.int64)
        return self._renderer.render(slots, shots).to(pose.device)

    def _place(self, numbers: list[int]) -> None:
        """Have the meshes of these objects ready, and as many others as were looked at last."""
        wanted = dict.fromkeys(numbers)
        if wanted.keys() <= self._slots.keys():
            return
        for number in wanted:
            if number not in self._meshes:
                self._meshes[number] = self._items[number].load()
            self._meshes.move_to_end(number)
        while len(self._meshes) > max(KEPT, len(wanted)):
            self._meshes.popitem(last=False)
        self._renderer.place(list(self._meshes.values()))
        self._slots = {number: slot for slot, number in enumerate(self._meshes)}
