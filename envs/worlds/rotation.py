"""Objects that are turned and lit: 3DIEBench's views, or views drawn on the spot."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float32, Int64, UInt8
from torch import Tensor

from ..images import load_source
from ..objects import rotations
from ..objects.gallery import Objects
from ..objects.renderer import make_renderer
from ..objects.rotations import Region
from ..objects.views import POSE, LiveViews, StoredViews, Views, poses_of
from ..rng import Draws
from ..validation import DrawnSideOrOwn
from ..world import Quantity, Scene, World, device_of

ACTIONS = {"rot": 4, "color": 2, "rotcolor": 6}


class RotationWorld(World):
    """An object is turned, and floor and light change their hues (seq-JEPA, sections 3.1 and 4; 3DIEBench).

    Pose: quaternion (x, y, z, w) of the object's rotation, hue of the floor, hue of the spot; the quaternion as
    `scipy`'s `Rotation.from_euler("xyz", (yaw, pitch, roll))` has it, hues in [0, 1].
    Action (`action`): "rot", the quaternion of the relative rotation R1⁻¹ · R2 (any length above 0; it is scaled to
    1); "color", the differences of the hues of floor and spot (plain ones, as in the benchmark: 0.95 and 0.05 are 0.9
    apart); "rotcolor", both. Each number lies in [-1, 1].
    View: size × size pixels in colour, uint8. Reward and end of episode are the environment's.
    Stored views: an action leads to the view of the object that is nearest to where it points, in what an action of
    this kind can say (`StoredViews`); everything else is as it is in that view. With `live`, any rotation is legal and
    views of `size` pixels (0: the source's) are drawn by `renderer`; first and random poses lie in `region`
    (`rotations.REGIONS`).

    Options: `source`, `split`, `root` and `source_options` say what is looked at (`source` may also be an Objects
    object; then only specs do not serialise). `sign` "canonical" gives all quaternions w ≥ 0; with "free" poses have
    the sign that scipy gives them, and relative rotations that of the product, as in the released code.
    Raises ValueError for an option that makes no sense, and where a quaternion of no length is given as an action.
    """

    pose_dim = POSE
    pose_bounds = (-1.0, 1.0)
    action_bounds = (-1.0, 1.0)

    def __init__(
        self,
        source: str | Objects = "solids",
        split: str = "train",
        root: str | Path = "",
        *,
        action: Literal["rot", "color", "rotcolor"] = "rot",
        sign: Literal["canonical", "free"] = "canonical",
        live: bool = False,
        size: DrawnSideOrOwn = 0,
        region: str = "paper",
        renderer: str = "auto",
        device: str | torch.device = "cpu",
        source_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.device = device_of(device)
        found = load_source(source, split, root, **(source_options or {})) if isinstance(source, str) else source
        if not isinstance(found, Objects):
            raise ValueError(f"world 'rotation' looks at objects, and source {source!r} holds images")
        self.objects, self.split = found, found.split
        self.action_dim = ACTIONS[action]
        self.additive = action == "color"
        self._turns, self._tints, self._canonical = action != "color", action != "rot", sign == "canonical"
        self.labels = found.labels.to(self.device)
        self._views = self._live(size, region, renderer) if live else self._stored(size)
        side = (size or found.side) if live else found.side
        self.view_shape = (3, side, side)
        self.size, self.classes = len(found), found.classes
        self.mean, self.std, self.fingerprint = found.mean, found.std, found.fingerprint

    @property
    def renderer(self) -> str:
        """What draws or drew the views, where that is known."""
        return self._views.drawn_by if isinstance(self._views, LiveViews) else self.objects.renderer

    @property
    def views(self) -> Views:
        """Where views may be taken from: `StoredViews`, or `LiveViews` of a live world."""
        return self._views

    @property
    def stored_poses(self) -> Float32[Tensor, "n v 6"] | None:
        """The poses of the views of each object, unless they are drawn on the spot."""
        return self._views.poses if isinstance(self._views, StoredViews) else None

    def scene(self, index: Int64[Tensor, " b"], rng: Draws) -> Scene:
        """The objects at these indices, first seen from a random legal pose."""
        return Scene(index, self.labels[index], self._views.random(index, rng.fold(1)))

    def look(self, scene: Scene, pose: Float32[Tensor, "b 6"]) -> UInt8[Tensor, "b c h w"]:
        """The object as it looks in each pose."""
        return self._views.look(scene.index, pose).permute(0, 3, 1, 2)  # b h w c -> b c h w

    def snap(self, scene: Scene, pose: Float32[Tensor, "b 6"]) -> Float32[Tensor, "b 6"]:
        """The nearest legal pose of each object."""
        return self._views.snap(scene.index, pose)

    def flaws(self, pose: Float32[Tensor, "b 6"]) -> dict[str, Bool[Tensor, " b"]]:
        """A quaternion of no length is no rotation."""
        return {"begins with a quaternion of length 0; no rotation at all is (0, 0, 0, 1)": _nothing(pose[:, :4])}

    def move(
        self, scene: Scene, pose: Float32[Tensor, "b 6"], action: Float32[Tensor, "b a"]
    ) -> Float32[Tensor, "b 6"]:
        """R · R_action for the rotation, pose + action for the hues, then the nearest legal pose."""
        q, hues = pose[:, :4], pose[:, 4:]
        if self._turns:
            q = rotations.multiply(q, self._unit(action[:, :4]))
        if self._tints:
            hues = hues + action[:, -2:]
        return self.snap(scene, torch.cat((q, hues), 1))

    def difference(self, pose: Float32[Tensor, "b 6"], next_pose: Float32[Tensor, "b 6"]) -> Float32[Tensor, "b a"]:
        """R1⁻¹ · R2 as a quaternion, differences of the hues, or both."""
        parts = []
        if self._turns:
            parts.append(self._turn(pose, next_pose))
        if self._tints:
            parts.append(next_pose[..., 4:] - pose[..., 4:])
        return torch.cat(parts, -1)

    def compose(self, first: Float32[Tensor, "b a"], second: Float32[Tensor, "b a"]) -> Float32[Tensor, "b a"]:
        """R_first · R_second, the sum of the differences of hues, or both."""
        parts = []
        if self._turns:
            turn = rotations.multiply(first[..., :4], second[..., :4])
            parts.append(rotations.canonical(turn) if self._canonical else turn)
        if self._tints:
            parts.append(first[..., -2:] + second[..., -2:])
        return torch.cat(parts, -1)

    def quantities(self) -> tuple[Quantity, ...]:
        """Rotation and hues, whatever the actions are; what actions say comes first."""
        turn = Quantity("rotation", lambda pose: pose[:, :4], self._turn, "mlp", angular=True)
        tint = Quantity("color", lambda pose: pose[:, 4:], lambda pose, after: after[:, 4:] - pose[:, 4:])
        return (turn, tint) if self._turns else (tint, turn)

    def random_pose(self, scene: Scene, rng: Draws) -> Float32[Tensor, "b 6"]:
        """A stored view, each equally likely; a rotation of the region and uniform hues where views are live."""
        return self._views.random(scene.index, rng)

    def _turn(self, pose: Float32[Tensor, "*b 6"], next_pose: Float32[Tensor, "*b 6"]) -> Float32[Tensor, "*b 4"]:
        turn = rotations.relative(pose[..., :4], next_pose[..., :4])
        # Rounding may carry a component a hair beyond 1, where no action is allowed.
        return (rotations.canonical(turn) if self._canonical else turn).clamp(-1, 1)

    def _unit(self, q: Float32[Tensor, "b 4"]) -> Float32[Tensor, "b 4"]:
        nothing = _nothing(q)
        if bool(nothing.any()):
            row = int(nothing.nonzero()[0, 0])
            raise ValueError(f"the action of row {row} is a quaternion of length 0; no rotation at all is (0, 0, 0, 1)")
        return q / q.norm(dim=1, keepdim=True)

    def _stored(self, size: int) -> StoredViews:
        if size not in (0, self.objects.side):
            raise ValueError(
                f"size is {size}, but the stored views have {self.objects.side} px; size is for live=True, "
                "the size of stored views is an option of their source"
            )
        poses = poses_of(self.objects.latents, self._canonical)
        return StoredViews(self.objects.gallery, poses, turns=self._turns, tints=self._tints, device=self.device)

    def _live(self, size: int, region: str, renderer: str) -> LiveViews:
        if not self.objects.items:
            raise ValueError(f"live=True needs meshes, and source {self.objects.name!r} holds stored views only")
        drawer = make_renderer(renderer, size or self.objects.side)
        return LiveViews(self.objects.items, drawer, Region(region), canonical=self._canonical)


def _nothing(q: Float32[Tensor, "b 4"]) -> Bool[Tensor, " b"]:
    """Which quaternions are too short to be scaled to length 1."""
    return q.norm(dim=1) < 1e-6
