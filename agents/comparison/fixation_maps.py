"""Where policies look: maps of fixations, lengths of saccades, and how much two policies look at the same places."""

from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

BINS = 24
"""Cells per axis of a map of fixations."""
_SIGMA = 0.08  # of the Gaussian around each fixation, in units of the image side: a quarter of a glimpse of a third
_FINE = 0.03  # where there are thousands of fixations
_ROWS = 256  # scenes whose maps are held at once


def fixation_map(poses: Float64[Tensor, "n k 2"], sigma: float = _SIGMA) -> Float64[Tensor, "y x"]:
    """The density of all fixations over the image, smoothed, summing to 1; poses in units of the side."""
    return _maps(poses.flatten(0, 1)[None], sigma)[0]


def saccades(poses: Float64[Tensor, "n m 2"], side: int) -> dict[str, Any]:
    """Lengths of saccades in pixels: mean, median, and a histogram over twenty parts of the diagonal."""
    lengths = lengths_of(poses, side)
    edges = torch.linspace(0, side * 2**0.5, 21, dtype=lengths.dtype)
    share = torch.histogram(lengths, edges).hist / len(lengths)
    return {
        "mean": float(lengths.mean()),
        "median": float(lengths.median()),
        "edges": edges.tolist(),
        "share": share.tolist(),
    }


def lengths_of(poses: Float64[Tensor, "n m 2"], side: int) -> Float64[Tensor, " k"]:
    """Lengths of all saccades in pixels."""
    return (poses.diff(dim=1).norm(dim=-1) * side).flatten()


def overlap(poses: dict[str, Float64[Tensor, "n m 2"]]) -> dict[str, Any]:
    """How alike policies look, from 0 to 1: Σ min(p, q) of smoothed maps, the share of fixations that coincide.

    The first fixation, which all have in common, is left out. `everywhere` compares the maps over all scenes, `scene by
    scene` those of each stream and the one of the same number, averaged: high only for policies that look at the same
    places of every image. Streams are in the same order for all policies.
    """
    names = list(poses)
    later = {name: found[:, 1:] for name, found in poses.items()}
    whole = torch.stack([fixation_map(found, _FINE) for found in later.values()]).flatten(1)
    n = len(next(iter(later.values())))
    each = torch.zeros(len(names), len(names), dtype=torch.float64)
    for rows in torch.arange(n).split(_ROWS):
        maps = torch.stack([_maps(found[rows], _SIGMA).flatten() for found in later.values()])
        each += _common(maps)
    return {
        "policies": names,
        "measure": "share of smoothed fixations (all but the first) that two policies have in common, Σ min(p, q)",
        "everywhere": _common(whole).tolist(),
        "scene by scene": (each / n).tolist(),
    }


def _common(maps: Float64[Tensor, "p c"]) -> Float64[Tensor, "p p"]:
    return torch.stack([torch.minimum(maps, one).sum(1) for one in maps])


def _maps(poses: Float64[Tensor, "n k 2"], sigma: float) -> Float64[Tensor, "n y x"]:
    """Sums of Gaussians around the fixations of each row, summing to 1."""
    centres = (torch.arange(BINS, dtype=poses.dtype) + 0.5) / BINS
    bumps: Float[Tensor, "n k 2 c"] = torch.exp(-0.5 * ((poses[..., None] - centres) / sigma).square())
    maps = torch.einsum("nky,nkx->nyx", bumps[:, :, 0], bumps[:, :, 1])
    return maps / maps.sum((1, 2), keepdim=True)
