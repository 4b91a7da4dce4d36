"""The scene of 3DIEBench in numbers: a camera above a coloured floor, a wide sun, a coloured spot that casts a shadow.

Right-handed coordinates, z upwards, in units of the object's bounding-box diagonal; the object is centred at the
origin and turned by R, world = R · object. The numbers are those of the script that made the data set (Garrido, Najman
and LeCun 2023, "Self-Supervised Learning of Split Invariant Equivariant Representations"), rendered by Blender; what
light makes of them follows the lamps of Blender's Cycles. Far from the spot this gives floor values of 147 and 102
(of 255) for the largest and smallest channel, which are those of the published example pictures. Pictures drawn here
are in true colours; those of the published set have red and blue exchanged, as its script wrote RGB arrays as BGR.

Radiances are linear, with 1 a white surface under an irradiance of pi, and become pixels by `film`.
"""

import functools
import hashlib
import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from . import rotations
from .rotations import Region

LATENTS = ("yaw", "pitch", "roll", "floor_hue", "spot_theta", "spot_phi", "spot_hue")
HUES = (3, 6)  # places among the latents of what lies in [0, 1]

FIELD_OF_VIEW = 0.691111  # radians, the whole angle, both ways
HALF_WIDTH = math.tan(FIELD_OF_VIEW / 2)  # of the picture, at distance 1
CAMERA_DISTANCE, CAMERA_THETA, CAMERA_PHI = 2.5, math.pi / 4, math.pi / 2  # looking at the origin, z upwards
FLOOR_HEIGHT, FLOOR_SATURATION, FLOOR_VALUE = -1.0, 0.6, 0.6
SUN_STRENGTH, SUN_ANGLE = 1.5, math.pi / 2  # W/m²; the whole angle of its disc, which stands overhead
SPOT_POWER, SPOT_CONE, SPOT_BLEND = 500.0, math.pi / 8, 0.15  # watts; the whole angle; the soft part of the cone
SPOT_DISTANCE, SPOT_RADIUS = 4.0, 0.25  # from the origin, at which it points; of its disc
SPOT_SATURATION, SPOT_VALUE = 1.0, 0.8
AMBIENT = 0.05  # radiance of the world around, grey

# A lamp of P watts has the radiant intensity P / 4 pi, whatever its cone.
SPOT_INTENSITY = SPOT_POWER / (4 * math.pi)
# The sun's disc is spread evenly over the tangent plane, so the floor gets the mean cosine over a disc of radius 1.
SUN_IRRADIANCE = SUN_STRENGTH * 2 * (math.sqrt(2) - 1)
# Cosine at which a surface begins to lose part of the sun's disc below its horizon.
SUN_CUT = math.sin(SUN_ANGLE / 2)
# The cone's edge in tangents of the angle from its axis: the middle of its soft part, and half the width of that.
_INNER = math.acos(math.cos(SPOT_CONE / 2) + (1 - math.cos(SPOT_CONE / 2)) * SPOT_BLEND)
CONE_EDGE = (math.tan(SPOT_CONE / 2) + math.tan(_INNER)) / 2
CONE_SOFTNESS = (math.tan(SPOT_CONE / 2) - math.tan(_INNER)) / 2
# What a surface facing down sees: so much of the floor's light from sun and sky, of which the object keeps a part off,
# and of the spot's pool, which fills half of the view but lies partly in shadow. Both were fitted to Cycles' pictures
# of a ball (bpy 5.0.1, 64 samples), which they meet within 0.8 of 255 on its lower half.
FLOOR_SEEN, POOL_SEEN = 0.85, 0.2
# Highlights (no part of the benchmark's scene, whose materials come with the models): the share of light that a
# surface of gloss 1 reflects (as Principled at its highest specular level), and how narrowly (Blinn's exponent).
GLOSS, SHININESS = 0.08, 40.0
# Blender's Filmic curve for this range of exposures, within .01 a channel: FILM_TOP x^p / (x^p + FILM_KNEE).
FILM_TOP, FILM_POWER = 1.03, 0.525 / math.log(2)
FILM_KNEE = 0.18**FILM_POWER * math.exp(0.1 * 0.525)


@dataclass(frozen=True)
class Shots:
    """A batch of views to be taken: how the object is turned, and how the scene is lit.

    Hues lie in [0, 1]. The spot stands at polar angle theta, in [0, pi/4], and azimuth phi, in [0, 2 pi]. Raises
    ValueError for parts of different lengths and for numbers that are not finite.
    """

    rotation: Float32[Tensor, "b 3 3"]
    floor_hue: Float32[Tensor, " b"]
    spot_theta: Float32[Tensor, " b"]
    spot_phi: Float32[Tensor, " b"]
    spot_hue: Float32[Tensor, " b"]

    def __post_init__(self) -> None:
        parts = vars(self)
        if len({len(part) for part in parts.values()}) > 1:
            raise ValueError(f"shots of different lengths: { {name: len(part) for name, part in parts.items()} }")
        for name, part in parts.items():
            if not bool(torch.isfinite(part).all()):
                raise ValueError(f"shots: {name} holds numbers that are not finite")

    @classmethod
    def of_latents(cls, latents: Float32[Tensor, "b 7"]) -> "Shots":
        """Shots as 3DIEBench writes them: extrinsic xyz angles in radians, then the four numbers of the light."""
        matrices = rotations.to_matrix(rotations.from_euler(latents[:, :3]))
        return cls(matrices, *latents[:, 3:].unbind(1))

    def __len__(self) -> int:
        return len(self.rotation)

    def __getitem__(self, rows: Tensor | slice) -> "Shots":
        return Shots(*(part[rows] for part in vars(self).values()))


@dataclass(frozen=True)
class Lamps:
    """What the light of a batch of shots comes to, for renderers; all linear.

    The rows of `frame` are unit vectors: two in the plane of the spot's disc, and the one from the origin towards it.
    `beam` is the spot's radiant intensity by channel, `bounce` the radiance that a surface facing straight down
    sees: the floor under sun and sky, and its pool of light. Facing up, it sees `AMBIENT`.
    """

    floor: Float32[np.ndarray, "b 3"]
    frame: Float32[np.ndarray, "b 3 3"]
    beam: Float32[np.ndarray, "b 3"]
    bounce: Float32[np.ndarray, "b 3"]

    @classmethod
    def of(cls, shots: Shots) -> "Lamps":
        """The light of these shots."""
        hue, theta, phi, light = (
            part.detach().cpu().numpy().astype(np.float64)
            for part in (shots.floor_hue, shots.spot_theta, shots.spot_phi, shots.spot_hue)
        )
        floor = rgb_of_hsv(hue, FLOOR_SATURATION, FLOOR_VALUE)
        beam = rgb_of_hsv(light, SPOT_SATURATION, SPOT_VALUE) * SPOT_INTENSITY
        frame = np.stack(
            (
                spherical(theta + math.pi / 2, phi),
                spherical(0 * theta + math.pi / 2, phi + math.pi / 2),
                spherical(theta, phi),
            ),
            1,
        )  # b 3 3
        reach = SPOT_DISTANCE + abs(FLOOR_HEIGHT) / np.cos(theta)  # along the axis, to the floor
        pool = beam * (np.cos(theta) / reach**2)[:, None] / math.pi
        bounce = floor * (FLOOR_SEEN * (SUN_IRRADIANCE / math.pi + AMBIENT) + POOL_SEEN * pool)
        return cls(*(part.astype(np.float32) for part in (floor, frame, beam, bounce)))


def spherical(theta: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """Unit vectors at polar angle theta and azimuth phi, in radians, on a new last axis."""
    return np.stack((np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta) + 0 * phi), -1)


def rgb_of_hsv(hue: np.ndarray, saturation: float, value: float) -> np.ndarray:
    """Colours of one saturation and value, on a new last axis; hues beyond [0, 1] go round."""
    away = np.abs((hue[..., None] * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1  # r g b
    return value * (1 - saturation + saturation * np.clip(away, 0, 1))


def film(radiance: np.ndarray) -> np.ndarray:
    """Display values in [0, 1] of linear radiances (not negative): Blender's Filmic, channel by channel."""
    power = radiance**FILM_POWER
    return np.minimum(FILM_TOP * power / (power + FILM_KNEE), 1)


def sunlight(up: np.ndarray) -> np.ndarray:
    """Share of the sun's full irradiance on surfaces whose normals have this upward cosine (exact within .001).

    A disc of 90° sinks gradually below the horizon of a surface that leans by more than 45°.
    """
    seen = np.clip((up + SUN_CUT) / (2 * SUN_CUT), 0, 1)
    sinking = SUN_CUT * seen**2 * (1 + 0.632 * (1 - seen) ** 2)
    return np.maximum(sinking, up)


def cone(tangent: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Share of the spot's light, by the tangent of the angle from its axis and the distance along the axis.

    The lamp is a disc, and every point of it has a cone of its own, which blurs the edge of their sum by its radius.
    """
    half = CONE_SOFTNESS + SPOT_RADIUS / along
    t = np.clip((CONE_EDGE + half - tangent) / (2 * half), 0, 1)
    return t * t * (3 - 2 * t)


@functools.cache
def camera() -> Float32[np.ndarray, "4 3"]:
    """The camera's position and the directions to the right, up and ahead of it (one array for all: read only)."""
    ahead = -spherical(np.array(CAMERA_THETA), np.array(CAMERA_PHI))
    right = np.cross(ahead, [0, 0, 1])
    right /= np.linalg.norm(right)
    found = np.stack((-CAMERA_DISTANCE * ahead, right, np.cross(right, ahead), ahead)).astype(np.float32)
    found.flags.writeable = False
    return found


def project(points: Float32[np.ndarray, "*n 3"]) -> Float32[np.ndarray, "*n 2"]:
    """Where points of the world appear: (row, column) as parts of the picture's side, (0, 0) its upper left corner."""
    eye, right, up, ahead = camera()
    seen = points - eye
    scale = 2 * HALF_WIDTH * (seen @ ahead)
    return np.stack((0.5 - seen @ up / scale, 0.5 + seen @ right / scale), -1)


_HIGHEST = (1.0, math.pi / 4, 2 * math.pi, 1.0)  # of the last four; all begin at 0


def of_uniforms(region: Region, uniforms: Float[Tensor, "*b 7"]) -> Float32[Tensor, "*b 7"]:
    """Latents made of seven uniform numbers in [0, 1) each.

    Rotation angles (extrinsic xyz, radians) lie in the region; hues are uniform in [0, 1]; the spot's theta is uniform
    in [0, pi/4] and its phi in [0, 2 pi].
    """
    light = uniforms[..., 3:] * uniforms.new_tensor(_HIGHEST)
    return torch.cat((region.angles(uniforms[..., :3]), light.to(torch.float32)), -1)


def of_object(region: Region, key: str, seed: int, views: int) -> Float32[Tensor, "{views} 7"]:
    """The latents of an object's views: a function of seed and key alone.

    Hence shards and restarts agree, and the first views of an object are the same however many there are.
    """
    word = int.from_bytes(hashlib.sha256(f"{seed}/{key}".encode()).digest()[:16], "big")
    return of_uniforms(region, torch.from_numpy(np.random.default_rng(word).random((views, len(LATENTS)))))
