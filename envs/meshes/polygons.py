"""Polygons cut into triangles, those with dents too."""

import itertools

import numpy as np
from jaxtyping import Float64, Int64

_CROSSED = 8  # times that no ear is found, as in polygons that cross themselves, after which the rest becomes a fan
_WORK = 1_000_000_000  # corners looked at for one polygon: tens of seconds
_CALL = 1000  # corners that can be looked at in the time that it takes to begin


def triangulated(points: Float64[np.ndarray, "m n 3"]) -> Int64[np.ndarray, "t 2 3"]:
    """Triangles of m polygons with n corners each, as pairs of the polygon (three times) and its corners' numbers.

    Polygons without dents become fans around a corner from which all of them can be seen, others lose one ear after
    the other.
    """
    m, n = points.shape[:2]
    fan = np.stack((np.zeros(n - 2, np.int64), np.arange(1, n - 1), np.arange(2, n)), 1)  # n-2 3
    found = np.broadcast_to(fan, (m, n - 2, 3)).copy()
    if n > 3:
        plane = _newell(points)
        bad = np.flatnonzero(~_fits(points, fan, plane))
        turned = (fan + 1) % n
        also = _fits(points[bad], turned, plane[bad])
        found[bad[also]] = turned
        for i in bad[~also]:
            found[i] = _ears(points[i], plane[i])
    which = np.broadcast_to(np.arange(m)[:, None, None], found.shape)
    return np.stack((which, found), 2).reshape(-1, 2, 3)


def divided(
    points: Float64[np.ndarray, "v 3"], sizes: Int64[np.ndarray, " f"], corners: Int64[np.ndarray, " n"]
) -> tuple[Int64[np.ndarray, " t"], Int64[np.ndarray, "t 3"]]:
    """Triangles of polygons of any numbers of corners: which polygon each is of, and where in `corners` its three are.

    `corners` holds the numbers of points of one polygon after the other. The triangles are in the polygons' order;
    polygons of fewer than three corners have none.
    """
    starts = np.cumsum(sizes) - sizes
    faces, places = [np.zeros(0, np.int64)], [np.zeros((0, 3), np.int64)]
    for size in np.unique(sizes[sizes > 2]):
        chosen = np.flatnonzero(sizes == size)
        at = starts[chosen, None] + np.arange(size)  # m n
        which, corner = triangulated(points[corners[at]]).transpose(1, 0, 2)  # t 3
        faces.append(chosen[which[:, 0]])
        places.append(at[which, corner])
    face = np.concatenate(faces)
    order = np.argsort(face, kind="stable")
    return face[order], np.concatenate(places)[order]


def _newell(points: Float64[np.ndarray, "m n 3"]) -> Float64[np.ndarray, "m 3"]:
    """Twice the area of polygons, along their normals."""
    away = points - points[:, :1]
    return np.cross(away, np.roll(away, -1, 1)).sum(1)


def _fits(
    points: Float64[np.ndarray, "m n 3"], fan: Int64[np.ndarray, "k 3"], plane: Float64[np.ndarray, "m 3"]
) -> np.ndarray:
    """Whether no triangle of a fan lies the other way round than its polygon."""
    a, b, c = (points[:, fan[:, i]] for i in range(3))  # m k 3
    side = np.einsum("mki,mi->mk", np.cross(b - a, c - a), plane)
    return (side >= -1e-6 * np.einsum("mi,mi->m", plane, plane)[:, None]).all(1)


def _ears(points: Float64[np.ndarray, "n 3"], plane: Float64[np.ndarray, " 3"]) -> Int64[np.ndarray, "k 3"]:
    """Triangles of one polygon: ears, corners whose triangle holds no other corner, are cut off one by one."""
    drop = int(np.abs(plane).argmax())  # looked at along the axis that shows most of it
    flat = np.delete(points, drop, 1) * [1, np.sign(plane[drop]) * (-1 if drop == 1 else 1)]
    left = list(range(len(points)))
    found, crossed, corner, work = [], 0, 0, 0
    while len(left) > 3 and crossed < _CROSSED:
        for step in range(len(left)):  # beginning beside the last ear
            work += len(left) + _CALL
            if _is_ear(flat, left, (corner + step) % len(left)):
                corner = (corner + step) % len(left)
                break
        else:  # it crosses itself
            crossed += 1
        if work > _WORK:
            raise ValueError(f"a polygon of {len(points)} corners that is too crooked to be cut into triangles")
        found.append((left[corner - 1], left[corner], left[(corner + 1) % len(left)]))
        del left[corner]
        corner = max(corner - 1, 0)
    found += [(left[0], b, c) for b, c in itertools.pairwise(left[1:])]
    return np.array(found)


def _is_ear(flat: Float64[np.ndarray, "n 2"], left: list[int], i: int) -> bool:
    a, b, c = flat[left[i - 1]], flat[left[i]], flat[left[(i + 1) % len(left)]]
    if _turn(a, b, c) <= 0:
        return False
    others = flat[left]
    others = others[~((others == a).all(1) | (others == b).all(1) | (others == c).all(1))]
    inside = (_turn(a, b, others) >= 0) & (_turn(b, c, others) >= 0) & (_turn(c, a, others) >= 0)
    return not bool(np.any(inside))


def _turn(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray | np.float64:
    """Twice the signed area of triangles in the plane."""
    return (b[0] - a[0]) * (c[..., 1] - a[1]) - (b[1] - a[1]) * (c[..., 0] - a[0])
