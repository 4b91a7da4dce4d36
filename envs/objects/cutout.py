"""Leaves, nets and labels: textures with transparent parts become geometry, since materials are solid throughout.

Triangles are halved along their sides where they are partly transparent, until the outline is fine enough.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float64, Int64, UInt8

DEPTH = 5  # halvings: an outline is exact to 1/32 of its triangle's side
BUDGET = 30_000  # pieces of one surface, beyond five for each triangle, after which nothing is divided further
_FINE = 6  # samples along a side of a triangle


_SAMPLES = np.array(
    [((i + 1 / 3) / _FINE, (j + 1 / 3) / _FINE) for i, j in product(range(_FINE), repeat=2) if i + j < _FINE]
)
_SAMPLES = np.column_stack((1 - _SAMPLES.sum(1), _SAMPLES))  # k 3, barycentric
_HALVES = np.array(
    [
        [[1, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5]],
        [[0.5, 0.5, 0], [0, 1, 0], [0, 0.5, 0.5]],
        [[0.5, 0, 0.5], [0, 0.5, 0.5], [0, 0, 1]],
        [[0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5]],
    ]
)


@dataclass(frozen=True)
class Pieces:
    """Solid parts of triangles: `corners` of each as weights of the corners of the triangle `face`.

    `alpha` in [0, 1] is how solid they are on the whole.
    """

    face: Int64[np.ndarray, " n"]
    corners: Float64[np.ndarray, "n 3 3"]
    alpha: float

    def of(self, values: Float64[np.ndarray, "f 3 k"]) -> Float64[np.ndarray, "n 3 k"]:
        """What triangles have at their corners, for the pieces."""
        return np.einsum("nij,njk->nik", self.corners, values[self.face])


def cut(
    corners: Float64[np.ndarray, "f 3 3"], uv: Float64[np.ndarray, "f 3 2"], mask: UInt8[np.ndarray, "h w"]
) -> Pieces:
    """The parts of triangles where the mask is at least half as solid as at its most solid place in use.

    Where the outline is finer than `DEPTH` and `BUDGET` allow, the most solid pieces are kept, with as much area in
    all as the mask shows.
    """
    face, weights = np.arange(len(corners)), np.broadcast_to(np.eye(3), (len(corners), 3, 3))
    peak = int(_looked_up(uv, mask).max())
    solid_from = max(peak / 2, 1)
    solid = np.zeros(len(face))
    kept: list[tuple[Int64[np.ndarray, " n"], Float64[np.ndarray, "n 3 3"]]] = []
    count = 0
    for depth in range(DEPTH + 1):
        solid = (_looked_up(np.einsum("nij,njk->nik", weights, uv[face]), mask) >= solid_from).mean(1)
        kept.append((face[solid == 1], weights[solid == 1]))
        count += len(kept[-1][0])
        mixed = (solid > 0) & (solid < 1)
        face, weights, solid = face[mixed], weights[mixed], solid[mixed]
        if depth == DEPTH or count + 4 * len(face) > BUDGET + 5 * len(corners):
            break
        face, weights = np.repeat(face, 4), np.einsum("qij,njk->nqik", _HALVES, weights).reshape(-1, 3, 3)
    chosen = _most_solid(np.einsum("nij,njk->nik", weights, corners[face]), solid)
    kept.append((face[chosen], weights[chosen]))
    face, weights = np.concatenate([k[0] for k in kept]), np.concatenate([k[1] for k in kept])
    seen = _looked_up(np.einsum("nij,njk->nik", weights, uv[face]), mask)
    return Pieces(face, weights, float(seen[seen >= solid_from].mean() / 255) if len(face) else 1.0)


def _looked_up(uv: Float64[np.ndarray, "n 3 2"], mask: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "n k"]:
    """The mask at places spread over triangles."""
    h, w = mask.shape
    at = np.einsum("kj,njc->nkc", _SAMPLES, uv) % 1
    column = np.minimum((at[..., 0] * w).astype(np.int64), w - 1)
    row = np.minimum(((1 - at[..., 1]) * h).astype(np.int64), h - 1)
    return mask[row, column]


def _most_solid(corners: Float64[np.ndarray, "n 3 3"], solid: Float64[np.ndarray, " n"]) -> Int64[np.ndarray, " m"]:
    """The most solid of these triangles, with about the area that is solid in all of them."""
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    order = np.argsort(-solid, kind="stable")
    return order[np.cumsum(area[order]) <= (area * solid).sum()]
