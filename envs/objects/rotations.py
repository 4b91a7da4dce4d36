"""Rotations as unit quaternions in batches: Euler angles, matrices, distances, and regions of SO(3) to draw from.

A quaternion is (x, y, z, w), scalar last, and `multiply(a, b)` is "first b, then a", both as in
`scipy.spatial.transform.Rotation`. Euler angles are extrinsic xyz in radians, (yaw, pitch, roll) about the fixed axes
x, y, z in this order, so R = Rz(roll) · Ry(pitch) · Rx(yaw): the convention of 3DIEBench (Garrido et al. 2023).
Every function takes any number of leading dimensions and works on any device. Results have the type of the arguments;
what would lose digits in float32 is computed in float64 inside, wherever the device has it.
"""

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from annotated_types import Interval
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

from ..validation import Options

REGIONS = ("paper", "ood", "turntable", "behind", "so3", "held-out", "without-held-out")
_UPRIGHT = 1e-4  # radians: a tilt that single precision cannot tell from none
_NEWTON = 6  # steps; after five the angle stands still in float64


def from_euler(angles: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 4"]:
    """Quaternions of extrinsic xyz angles in radians, with the sign that scipy gives them (w may be negative)."""
    half = _wide(angles) / 2
    (sx, sy, sz), (cx, cy, cz) = torch.sin(half).unbind(-1), torch.cos(half).unbind(-1)
    parts = (
        sx * cy * cz - cx * sy * sz,
        cx * sy * cz + sx * cy * sz,
        cx * cy * sz - sx * sy * cz,
        cx * cy * cz + sx * sy * sz,
    )
    return torch.stack(parts, -1).to(angles.dtype)


def to_euler(q: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 3"]:
    """Extrinsic xyz angles in radians: yaw and roll in [-pi, pi], pitch in [-pi/2, pi/2].

    With half angles a, b, c: w ± y and x ∓ z are (cos b ± sin b) times cosine and sine of a ∓ c, so the sum and the
    difference of yaw and roll are each found by one arc tangent. Where the pitch is ±pi/2 one of the two means
    nothing and any value of it gives the same rotation, hence gimbal lock needs no case of its own.
    """
    x, y, z, w = _wide(q).unbind(-1)
    difference, total = torch.atan2(x - z, w + y), torch.atan2(x + z, w - y)
    pitch = 2 * torch.atan2(torch.hypot(w + y, x - z), torch.hypot(w - y, x + z)) - math.pi / 2
    return torch.stack((_wrap(total + difference), pitch, _wrap(total - difference)), -1).to(q.dtype)


def from_vector(vector: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 4"]:
    """Quaternions of rotation vectors: the axis, as long as the angle in radians."""
    wide = _wide(vector)
    half = wide.norm(dim=-1, keepdim=True) / 2
    scale = torch.sinc(half / math.pi) / 2  # sin(half) / (2 half), also at zero
    return torch.cat((wide * scale, torch.cos(half)), -1).to(vector.dtype)


def to_matrix(q: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 3 3"]:
    """Rotation matrices; quaternions that are not quite of unit length are taken as if they were."""
    x, y, z, w = unit(_wide(q)).unbind(-1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
        (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
        (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, -1) for row in rows], -2).to(q.dtype)


def from_matrix(matrix: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 4"]:
    """Canonical quaternions of rotation matrices.

    All sixteen products of two components of the quaternion are linear in the matrix; the row of the largest square
    among them is the quaternion times its largest component, which never cancels (Shepperd 1978).
    """
    m = _wide(matrix)
    diagonal = m.diagonal(dim1=-2, dim2=-1)
    xx, yy, zz = (1 + 2 * diagonal - diagonal.sum(-1, keepdim=True)).unbind(-1)
    ww = 1 + diagonal.sum(-1)
    xy, xz, yz = m[..., 1, 0] + m[..., 0, 1], m[..., 0, 2] + m[..., 2, 0], m[..., 2, 1] + m[..., 1, 2]
    xw, yw, zw = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    rows = ((xx, xy, xz, xw), (xy, yy, yz, yw), (xz, yz, zz, zw), (xw, yw, zw, ww))
    products = torch.stack([torch.stack(row, -1) for row in rows], -2)  # *b 4 4
    largest = torch.stack((xx, yy, zz, ww), -1).argmax(-1)  # *b
    row = products.gather(-2, largest[..., None, None].expand(*largest.shape, 1, 4)).squeeze(-2)
    return canonical(unit(row)).to(matrix.dtype)


def multiply(a: Float[Tensor, "*#b 4"], b: Float[Tensor, "*#b 4"]) -> Float[Tensor, "*#b 4"]:
    """The rotation "first b, then a"; as matrices A · B. The sign is that of the product, as in scipy."""
    (ax, ay, az, aw), (bx, by, bz, bw) = a.unbind(-1), b.unbind(-1)
    parts = (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )
    return torch.stack(parts, -1)


def inverse(q: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 4"]:
    """The opposite rotations of unit quaternions."""
    return torch.cat((-q[..., :3], q[..., 3:]), -1)


def relative(a: Float[Tensor, "*#b 4"], b: Float[Tensor, "*#b 4"]) -> Float[Tensor, "*#b 4"]:
    """The rotation that leads from a to b in the object's own frame: a⁻¹ · b, the action between two views."""
    return multiply(inverse(a), b)


def unit(q: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 4"]:
    """Quaternions scaled to length 1: keeps long products from drifting."""
    wide = _wide(q)
    return (wide / wide.norm(dim=-1, keepdim=True)).to(q.dtype)


def canonical(q: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 4"]:
    """The one of q and -q with w > 0; where w is 0, the one whose first component other than 0 is positive."""
    ordered = torch.cat((q[..., 3:], q[..., :3]), -1)
    first = (ordered != 0).to(torch.uint8).argmax(-1, keepdim=True)
    # Adding 0 turns -0 into 0, so that equal quaternions have equal bytes.
    return torch.where(ordered.gather(-1, first) < 0, -q, q) + 0.0


def angle(a: Float[Tensor, "*#b 4"], b: Float[Tensor, "*#b 4"]) -> Float[Tensor, "*#b"]:
    """Geodesic distance in radians, 0 … pi, whatever the signs: how far one has to turn from a to b.

    From sine and cosine of half the angle, so that angles near 0 and near pi keep their digits; an arc cosine would
    return nothing below 5e-4 in float32.
    """
    turn = relative(_wide(a), _wide(b))
    return (2 * torch.atan2(turn[..., :3].norm(dim=-1), turn[..., 3].abs())).to(a.dtype)


def nearest(q: Float[Tensor, "*b 4"], table: Float[Tensor, "*b v 4"]) -> Int64[Tensor, "*b"]:
    """Number of the rotation in each row's table that is nearest to q, whatever the signs."""
    wide = unit(_wide(table))
    return (wide @ _wide(q)[..., None]).squeeze(-1).abs().argmax(-1)


@dataclass(frozen=True)
class Region(Options, owner="region"):
    """Which rotations the views of an object have.

    `paper`: each angle uniform in (-pi/2, pi/2), as in 3DIEBench. `ood`: each angle of magnitude in (pi/2, pi) and
    random sign, the out-of-distribution box of the seq-JEPA paper (arXiv 2505.03176, B.3); by the aliasing of Euler
    angles it holds the same rotations as `paper`, with the other sign of the quaternion in one of two. `turntable`: the
    last angle alone, about the vertical axis, uniform in (-pi/2, pi/2). `behind`: the rest of the turntable, more than
    a quarter turn from where it stands. `so3`: uniform over all rotations. `held-out`: uniform over the rotations
    within `radius` of `centre`; `without-held-out`: uniform over all others.

    `centre` are Euler angles and `radius` a geodesic distance, in radians. By default a quarter turn about the
    vertical axis and 60 degrees: 5.8 % of all rotations, among which no quaternion changes sign and each component
    stays within the range that the other rotations have.
    """

    name: str = "paper"
    centre: tuple[float, float, float] = (0.0, 0.0, math.pi / 2)
    radius: Annotated[float, Interval(gt=0, lt=math.pi)] = math.pi / 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name not in REGIONS:
            raise ValueError(f"unknown region {self.name!r}; there are: {', '.join(REGIONS)}")

    def contains(self, q: Float[Tensor, "*b 4"]) -> Bool[Tensor, "*b"]:
        """Whether rotations lie in the region; `paper` and `ood` hold the same ones."""
        if self.name == "so3":
            return torch.ones(q.shape[:-1], dtype=torch.bool, device=q.device)
        if self.name in ("paper", "ood"):
            return (to_euler(q)[..., ::2].abs() < math.pi / 2).all(-1)
        if self.name in ("turntable", "behind"):
            x, y, z = to_euler(q).unbind(-1)
            front = z.abs() < math.pi / 2
            return (x.abs() < _UPRIGHT) & (y.abs() < _UPRIGHT) & (front if self.name == "turntable" else ~front)
        inside = angle(q, self._middle(q)) <= self.radius
        return inside if self.name == "held-out" else ~inside

    def angles(self, uniforms: Float[Tensor, "*b 3"]) -> Float32[Tensor, "*b 3"]:
        """Euler angles in radians of rotations drawn from the region, made of three uniform numbers in [0, 1) each."""
        u = _wide(uniforms)
        vertical = u.new_tensor([0.0, 0.0, 1.0])
        if self.name == "paper":
            return (math.pi * (u - 0.5)).to(torch.float32)
        if self.name in ("ood", "behind"):
            side = torch.where(u < 0.5, -1.0, 1.0)
            far = math.pi / 2 * (side + 2 * u - 1)
            return (far if self.name == "ood" else far * vertical).to(torch.float32)
        if self.name == "turntable":
            return (math.pi * (u - 0.5) * vertical).to(torch.float32)
        low = self.radius if self.name == "without-held-out" else 0.0
        high = self.radius if self.name == "held-out" else math.pi
        turn = _ball(u, low, high)
        around = turn if self.name == "so3" else multiply(self._middle(turn), turn)
        return to_euler(around).to(torch.float32)

    def _middle(self, like: Float[Tensor, "*b 4"]) -> Float[Tensor, "4"]:
        wide = torch.tensor(self.centre, dtype=_widest(like.device))
        return from_euler(wide).to(like)


def sample(region: Region, n: int, rng: np.random.Generator) -> Float32[Tensor, "n 3"]:
    """Euler angles in radians of n rotations drawn from a region."""
    return region.angles(torch.from_numpy(rng.random((n, 3))))


def _ball(u: Float[Tensor, "*b 3"], low: float, high: float) -> Float[Tensor, "*b 4"]:
    """Rotations by angles in [low, high], uniform over that part of SO(3).

    The axis is uniform on the sphere. The angle t has a density proportional to sin²(t/2), so t - sin t is uniform;
    this is a convex function, and Newton's steps towards it come from above after the first one.
    """
    first, last = low - math.sin(low), high - math.sin(high)
    wanted = first + (last - first) * u[..., 0]
    turn = (6 * wanted).pow(1 / 3).clamp_min(1e-4)  # from the series t³/6, and away from the flat place at 0
    for _ in range(_NEWTON):
        turn = turn - (turn - torch.sin(turn) - wanted) / (1 - torch.cos(turn))
    z, phi = 2 * u[..., 1] - 1, 2 * math.pi * u[..., 2]
    across = torch.sqrt(1 - z * z)
    axis = torch.stack((across * torch.cos(phi), across * torch.sin(phi), z), -1)
    return from_vector(axis * turn.clamp(low, high)[..., None])


def _wrap(angle: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
    """Angles brought into [-pi, pi]."""
    return torch.atan2(torch.sin(angle), torch.cos(angle))


def _widest(device: torch.device) -> torch.dtype:
    return torch.float32 if device.type == "mps" else torch.float64  # Metal has no float64


def _wide(x: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    return x.to(_widest(x.device))
