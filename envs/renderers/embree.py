"""Ray casting with Embree (through embreex) and shading in NumPy: needs nothing but pip, and no graphics driver.

A mesh gets one search tree. The object never turns: for every view, camera and light are turned the other way, and
the floor is a plane that is intersected by hand. Every sample of a pixel that meets the object is shaded; the spot is
a disc, of which every ray to it picks another point. Neighbouring pixels share these points out among themselves, and
on the floor, whose brightness is smooth, their results are averaged, which gives a soft shadow for a ray a pixel.
Surfaces of opacity below 1 are followed through a few layers, without refraction; they dim the light alike.

Arrays hold one coordinate or channel a row ("3 n"), because NumPy is slow along short last axes.
"""

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version as version_of
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64, UInt8

from ..meshes.mesh import Mesh
from ..objects import stage
from ..objects.renderer import TEXELS, Renderer, Textures, UnavailableError, outward, shrunk
from ..objects.stage import Lamps, Shots
from ..threads import every
from ..validation import RenderedSide, Samples, Threads
from ._sampling import TILE, directions, picks, scatter, spread

_LAYERS = 8  # of transparent surfaces, after which a ray ends
_FAINT = 0.01  # of a ray, below which it is not followed
_OFF = 2e-3  # of the surface, in box diagonals: where rays to the light begin; a seventh of a pixel at 128
_LOOKS = 2  # rays to the light from every cell of the floor, where there is one a pixel
_FINE = 96  # pixels a side below which a floor pixel gets four cells of shadow instead of one
# Rows of a solid's table: the normal at a face's first corner and its changes along two sides, colour, gloss, opacity;
# where there are textures, the same of their coordinates, log2 of texels per unit length, and which one (-1: none).
_COLOUR, _GLOSS, _OPACITY, _DENSITY, _TEXTURE = slice(9, 12), 12, 13, 20, 21
# Display values by the bits of a half-precision radiance: 11 significant bits are more than 8-bit pixels can show.
_FILM = np.zeros(0x8000, np.uint8)
_FILM[:0x7C00] = 255 * stage.film(np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float64)) + 0.5


@dataclass(frozen=True)
class _Solid:
    """A mesh ready for rays: search trees, what is needed to shade its faces, and the box it fills.

    `scene` holds all faces, `dense` those that stop light, `veil` those that only dim it, with their opacities.
    """

    scene: Any
    dense: Any | None
    veil: Any | None
    opacities: Float32[np.ndarray, " v"]
    table: Float32[np.ndarray, "rows f"]
    textures: Textures | None
    corners: Float32[np.ndarray, "3 8"]
    glossy: bool


@dataclass(frozen=True)
class _View:
    """One shot as the object sees it: camera, light and the upward direction are turned, not the object."""

    turn: Float32[np.ndarray, "3 3"]  # from the object's axes to the world's
    eye: Float32[np.ndarray, " 3"]
    up: Float32[np.ndarray, " 3"]
    frame: Float32[np.ndarray, "3 3"]  # as in Lamps
    floor: Float32[np.ndarray, " 3"]
    beam: Float32[np.ndarray, " 3"]
    bounce: Float32[np.ndarray, " 3"]

    def lamp(self, points: Float32[np.ndarray, "2 n"]) -> Float32[np.ndarray, "3 n"]:
        """Points of the spot's disc, of which those of the unit disc are given."""
        away = np.full_like(points[:1], stage.SPOT_DISTANCE)
        return self.frame.T @ np.concatenate((stage.SPOT_RADIUS * points, away))


@dataclass(frozen=True)
class _Hits:
    """Where rays met the object: which ray, how much of it ends there, and what is there; normals face the ray."""

    ray: Int64[np.ndarray, " n"]
    share: Float32[np.ndarray, " n"]
    point: Float32[np.ndarray, "3 n"]
    way: Float32[np.ndarray, "3 n"]
    normal: Float32[np.ndarray, "3 n"]
    colour: Float32[np.ndarray, "3 n"]
    gloss: Float32[np.ndarray, " n"]


class Embree(Renderer[_Solid]):
    """Ray casting on the CPU; `threads` views are drawn at a time."""

    name = "embree"

    def __init__(self, size: RenderedSide, samples: Samples = 4, threads: Threads = 1) -> None:
        super().__init__(size, samples)
        try:
            import embreex  # noqa: F401
        except ImportError as error:
            raise UnavailableError(f"renderer 'embree' needs embreex ({error}); `pip install embreex`") from error
        self._threads = max(1, threads)
        self._eye = stage.camera()[0]
        self._ways = directions(size, scatter(samples))  # 3 k s s
        self._picks = picks(size, samples).reshape(samples, size, size)
        self._lamp = spread(samples * TILE**2).T
        self._floor = self._ground_points(size)  # 3 n
        self._floor_square = (self._floor**2).sum(0)
        self._fine = size * 2 if size < _FINE else size
        self._cells = self._ground_points(self._fine)
        looks = _LOOKS if self._fine == size else 1
        self._cell_picks = picks(self._fine, looks).reshape(looks, -1)
        self._cell_lamp = spread(looks * TILE**2).T

    @property
    def version(self) -> str:
        """Versions of embreex, which brings its own Embree, and of NumPy."""
        return f"embree: embreex {version_of('embreex')}, numpy {np.__version__}, {self.samples} samples"

    def _prepare(self, mesh: Mesh) -> _Solid:
        faces = outward(mesh)
        used = mesh.vertices[np.unique(faces)]
        corners = np.array(list(itertools.product(*zip(used.min(0), used.max(0), strict=True))), np.float32).T
        textures = {
            i: shrunk(material.texture, TEXELS * self.size)
            for i, material in enumerate(mesh.materials)
            if material.texture is not None
        }
        table = _table(mesh, faces, textures)
        clear = table[_OPACITY] < 1
        scene = _scene(mesh.vertices, faces)
        return _Solid(
            scene,
            scene if not clear.any() else _scene(mesh.vertices, faces[~clear]),
            _scene(mesh.vertices, faces[clear]),
            table[_OPACITY, clear],
            table,
            Textures.of(list(textures.values()), TEXELS * self.size) if textures else None,
            corners,
            bool(table[_GLOSS].any()),
        )

    def _drop(self, placed: _Solid) -> None:
        pass  # embreex frees the tree with the last reference to it

    def _draw(self, placed: Sequence[_Solid], shots: Shots) -> UInt8[np.ndarray, "b h w 3"]:
        lamps = Lamps.of(shots)
        turns = shots.rotation.detach().cpu().numpy()
        out = np.empty((len(placed), self.size, self.size, 3), np.uint8)

        def one(i: int) -> None:
            turn = turns[i]
            own = (lamps.frame[i] @ turn, lamps.floor[i], lamps.beam[i], lamps.bounce[i])
            out[i] = self._picture(placed[i], _View(turn, self._eye @ turn, turn[2], *own))

        every(one, range(len(placed)), min(self._threads, len(placed)))
        return out

    def _picture(self, solid: _Solid, view: _View) -> UInt8[np.ndarray, "h w 3"]:
        """One view: the floor everywhere, and the object over it within the rectangle that it can fill."""
        picture = self._ground(solid, view)  # 3 s s
        rows, columns = _rectangle(view.turn @ solid.corners, self.size)
        ways = self._ways[:, :, rows, columns]  # 3 k h w
        shape = ways.shape
        chosen = self._picks[:, rows, columns].ravel()
        ways = view.turn.T @ ways.reshape(3, -1)
        covered = np.zeros(ways.shape[1], np.float32)
        colour = np.zeros_like(ways)
        for hits in self._hits(solid, view, ways):
            covered[hits.ray] += hits.share
            lamp = view.lamp(self._lamp).take(chosen.take(hits.ray), 1)
            colour[:, hits.ray] += hits.share * _shade(solid, view, hits, lamp)
        picture[:, rows, columns] *= 1 - covered.reshape(shape[1:]).mean(0)
        picture[:, rows, columns] += colour.reshape(shape).mean(1)
        return _FILM[picture.astype(np.float16).view(np.uint16).transpose(1, 2, 0)]

    def _ground_points(self, size: int) -> Float32[np.ndarray, "3 n"]:
        """Where the middles of size x size pixels fall on the floor."""
        ways = directions(size, np.full((1, 2), 0.5, np.float32)).reshape(3, -1)
        return self._eye[:, None] + ways * ((stage.FLOOR_HEIGHT - self._eye[2]) / ways[2])

    def _ground(self, solid: _Solid, view: _View) -> Float32[np.ndarray, "3 s s"]:
        """Radiance of the floor, as if the object were not in front of it."""
        axis = view.turn @ view.frame[2]
        along = axis @ self._floor
        square = np.maximum(self._floor_square - along**2, 0)  # of the distance from the axis
        along = stage.SPOT_DISTANCE - along
        cosine = stage.SPOT_DISTANCE * axis[2] - stage.FLOOR_HEIGHT  # times the distance
        distance = square + along**2
        lit = stage.cone(np.sqrt(square) / along, along) * (cosine / math.pi) / (distance * np.sqrt(distance))
        shaded = _shaded(view.turn @ solid.corners, axis, self._floor) & (lit > 0)
        lit = (lit * self._shadow(solid, view, shaded)).reshape(self.size, -1)  # s s
        flat = view.floor * (stage.SUN_IRRADIANCE / math.pi + stage.AMBIENT)
        return flat[:, None, None] + (view.floor * view.beam)[:, None, None] * lit

    def _shadow(self, solid: _Solid, view: _View, inside: Bool[np.ndarray, " n"]) -> Float32[np.ndarray, " n"]:
        """How much of the spot is seen from every pixel of the floor; known to be all of it but `inside`."""
        fine = self._fine // self.size
        cells = inside.reshape(self.size, 1, self.size, 1).repeat(fine, 1).repeat(fine, 3).ravel()
        cells = np.flatnonzero(cells)
        seen = np.ones(self._fine**2, np.float32)
        looks = len(self._cell_picks)
        start = np.tile(view.turn.T @ self._cells.take(cells, 1), looks)
        target = view.lamp(self._cell_lamp).take(self._cell_picks.take(cells, 1).ravel(), 1)
        seen[cells] = _reach(solid, start, target - start).reshape(looks, -1).mean(0)
        seen = _smooth(seen.reshape(self._fine, self._fine))
        parts = [seen[i::fine, j::fine] for i in range(fine) for j in range(fine)]
        return functools.reduce(np.add, parts).ravel() / fine**2

    def _hits(self, solid: _Solid, view: _View, way: Float32[np.ndarray, "3 n"]) -> Iterator[_Hits]:
        """What rays from the camera meet, layer by layer."""
        ray, left = np.arange(way.shape[1]), np.ones(way.shape[1], np.float32)
        start = np.broadcast_to(view.eye[:, None], way.shape)
        for _ in range(1 if solid.veil is None else _LAYERS):
            found = solid.scene.run(start.T, way.T, output=1)
            met = np.flatnonzero(found["primID"] >= 0)
            if not len(met):
                return
            ray, left, way = ray[met], left[met], way.take(met, 1)
            u, v, normal = found["u"][met], found["v"][met], found["Ng"].take(met, 0).T
            rows = solid.table.take(found["primID"][met], 1)
            point = start.take(met, 1) + found["tfar"][met] * way
            away = np.where(_dot(normal, way) > 0, np.float32(-1), np.float32(1))  # from the side that is seen
            normal = rows[0:3] + u * rows[3:6] + v * rows[6:9]
            normal *= away / np.sqrt(np.maximum(_dot(normal, normal), 1e-20))
            colour = rows[_COLOUR]
            if solid.textures is not None:
                pixel = _dot(point - view.eye[:, None], way) / _dot(way, way) * (2 * stage.HALF_WIDTH / self.size)
                colour = _painted(solid.textures, rows, u, v, pixel)
            share = left * rows[_OPACITY]
            yield _Hits(ray, share, point, way, normal, colour, rows[_GLOSS])
            on = np.flatnonzero(left - share > _FAINT)
            ray, left, way, start = ray[on], (left - share)[on], way.take(on, 1), (point + _OFF * way).take(on, 1)


def _shade(solid: _Solid, view: _View, hits: _Hits, lamp: Float32[np.ndarray, "3 n"]) -> Float32[np.ndarray, "3 n"]:
    """Radiance of the surface at these hits; `lamp` is the point of the spot's disc that each of them looks to."""
    normal, point = hits.normal, hits.point
    up = view.up @ normal
    light = (1 - up) * (view.bounce[:, None] / 2)
    light += stage.sunlight(up) * (stage.SUN_IRRADIANCE / math.pi) + (1 + up) * (stage.AMBIENT / 2)
    axis = view.frame[2]
    along = axis @ point
    square = np.maximum(_dot(point, point) - along**2, 0)  # of the distance from the axis
    along = stage.SPOT_DISTANCE - along
    cosine = np.maximum(stage.SPOT_DISTANCE * (axis @ normal) - _dot(normal, point), 0)  # times the distance
    distance = square + along**2
    lit = stage.cone(np.sqrt(square) / along, along) * cosine / (distance * np.sqrt(distance) * np.float32(math.pi))
    inside = np.flatnonzero(lit)
    start = point.take(inside, 1) + _OFF * normal.take(inside, 1)
    lit[inside] *= _reach(solid, start, lamp.take(inside, 1) - start)
    beam = view.beam[:, None]
    radiance = hits.colour * (light + beam * lit)
    if solid.glossy:
        to = stage.SPOT_DISTANCE * axis[:, None] - point
        half = to / np.sqrt(_dot(to, to)) - hits.way / np.sqrt(_dot(hits.way, hits.way))
        shine = np.maximum(_dot(normal, half), 0) / np.sqrt(np.maximum(_dot(half, half), 1e-20))
        peak = stage.GLOSS * (stage.SHININESS + 8) / 8
        radiance += beam * (lit * hits.gloss * (peak * shine**stage.SHININESS))
    return radiance


def _reach(
    solid: _Solid, start: Float32[np.ndarray, "3 n"], way: Float32[np.ndarray, "3 n"]
) -> Float32[np.ndarray, " n"]:
    """How much light the object lets pass along each of these ways."""
    left = np.ones(start.shape[1], np.float32)
    if solid.dense is not None:
        left = (solid.dense.run(start.T, way.T, 1.0, "OCCLUDED") < 0).astype(np.float32)
    if solid.veil is None:
        return left
    at = np.flatnonzero(left)
    start, way = start.take(at, 1), way.take(at, 1)
    for _ in range(_LAYERS):
        found = solid.veil.run(start.T, way.T, 1.0, output=1)
        met = np.flatnonzero(found["primID"] >= 0)
        if not len(met):
            break
        at, way = at[met], way.take(met, 1)
        left[at] *= 1 - solid.opacities[found["primID"][met]]
        gone = np.minimum(found["tfar"][met] + _OFF / stage.SPOT_DISTANCE, 1)
        start = start.take(met, 1) + gone * way
        way = way * (1 - gone)
    return left


def _painted(
    textures: Textures,
    rows: Float32[np.ndarray, "rows n"],
    u: Float32[np.ndarray, " n"],
    v: Float32[np.ndarray, " n"],
    pixel: Float32[np.ndarray, " n"],
) -> Float32[np.ndarray, "3 n"]:
    """Colours of hits, multiplied by textures where there are any; `pixel` is how wide one is at each hit."""
    colour = rows[_COLOUR].copy()
    inside = np.flatnonzero(rows[_TEXTURE] >= 0)
    if len(inside):
        rows, u, v = rows.take(inside, 1), u[inside], v[inside]
        uv = rows[14:16] + u * rows[16:18] + v * rows[18:20]
        colour[:, inside] *= textures(rows[_TEXTURE].astype(np.int64), uv, rows[_DENSITY] + np.log2(pixel[inside]))
    return colour


def _scene(vertices: Float32[np.ndarray, "v 3"], faces: Int32[np.ndarray, "f 3"]) -> Any | None:
    """A search tree of these faces, if there are any."""
    from embreex.mesh_construction import TriangleMesh
    from embreex.rtcore_scene import EmbreeScene

    if not len(faces):
        return None
    scene = EmbreeScene()
    TriangleMesh(scene, vertices, faces)
    scene.run(np.zeros((1, 3), np.float32), np.ones((1, 3), np.float32))  # the tree is built at the first ray
    return scene


def _table(
    mesh: Mesh, faces: Int32[np.ndarray, "f 3"], textures: dict[int, UInt8[np.ndarray, "h w 3"]]
) -> Float32[np.ndarray, "rows f"]:
    """What shading needs to know of every face, one face a column, so that a hit takes one gather."""
    normals, uv, points = mesh.normals[faces], mesh.uv[faces], mesh.vertices[faces]  # f 3 c
    chosen = mesh.materials
    surface = np.array([(*m.colour, m.gloss, m.opacity) for m in chosen], np.float32)[mesh.face_materials]
    parts = [normals[:, 0], normals[:, 1] - normals[:, 0], normals[:, 2] - normals[:, 0], surface]
    if textures:
        place = {material: i for i, material in enumerate(textures)}
        which = np.array([place.get(i, -1) for i in range(len(chosen))], np.float32)[mesh.face_materials]
        texels = np.array([np.prod(textures[i].shape[:2]) if i in textures else 1 for i in range(len(chosen))])
        a, b = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
        painted = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) * texels[mesh.face_materials]
        area = np.linalg.norm(np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]), axis=1)
        density = np.log2(np.maximum(painted, 1e-12) / np.maximum(area, 1e-12)) / 2
        parts += [uv[:, 0], a, b, density[:, None], which[:, None]]
    return np.ascontiguousarray(np.concatenate(parts, 1).T, np.float32)


def _rectangle(corners: Float32[np.ndarray, "3 8"], size: int) -> tuple[slice, slice]:
    """Rows and columns of the pixels in which a box with these corners, in the world, can appear."""
    eye, *_, ahead = stage.camera()
    if ((corners.T - eye) @ ahead).min() < 1e-3:
        return slice(0, size), slice(0, size)
    places = stage.project(corners.T) * size
    low, high = np.floor(places.min(0)), np.ceil(places.max(0))
    (r0, c0), (r1, c1) = (np.clip(x, 0, size).astype(int) for x in (low, high))
    return slice(r0, r1), slice(c0, c1)


def _shaded(
    corners: Float32[np.ndarray, "3 8"], axis: Float32[np.ndarray, " 3"], floor: Float32[np.ndarray, "3 n"]
) -> Bool[np.ndarray, " n"]:
    """Where the shadow of a box with these corners can fall on the floor."""
    lamp = stage.SPOT_DISTANCE * axis
    below = lamp[2] - stage.SPOT_RADIUS - corners[2]
    if below.min() < 1e-3:
        return np.ones(floor.shape[1], bool)
    drop = (corners[2] - stage.FLOOR_HEIGHT) / (lamp[2] - corners[2])
    x, y = (corners + drop * (corners - lamp[:, None]))[:2]
    soft = stage.SPOT_RADIUS * ((corners[2] - stage.FLOOR_HEIGHT) / below).max()
    inside = (floor[0] > x.min() - soft) & (floor[0] < x.max() + soft)
    return inside & (floor[1] > y.min() - soft) & (floor[1] < y.max() + soft)


def _smooth(grid: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """Mean over a tile around every cell, the outermost cells repeated."""
    reach = TILE // 2
    h, w = grid.shape
    grid = np.pad(grid, reach, mode="edge")
    grid = functools.reduce(np.add, [grid[i : i + h] for i in range(TILE)])
    return functools.reduce(np.add, [grid[:, i : i + w] for i in range(TILE)]) / TILE**2


def _dot(a: Float32[np.ndarray, "3 n"], b: Float32[np.ndarray, "3 n"]) -> Float32[np.ndarray, " n"]:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
