"""What policies say of the next fixation: probabilities of places, of ranges of places, brought to the lattice.

All of these are log-probabilities over the legal fixations of a world, b T T, row by row, whose logsumexp is 0; where
a policy never looks they are -inf.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor

from gazeworld.envs.fixations import Lattice

Below = Callable[[Float64[Tensor, " e"]], Float64[Tensor, "b 2 e"]]
"""The probability that a coordinate (row, col) of the next fixation is below each of e borders, in poses."""


def even(lattice: Lattice, rows: int, device: torch.device) -> Float32[Tensor, "b k k"]:
    """Every legal fixation equally likely, for so many rows."""
    cells = torch.zeros(rows, lattice.count, lattice.count, dtype=torch.float32, device=device)
    return cells - 2 * torch.tensor(float(lattice.count)).log()


def on_places(
    lattice: Lattice, poses: Float32[Tensor, "b n 2"], log_prob: Float[Tensor, "b n"]
) -> Float32[Tensor, "b k k"]:
    """N places of each row with the probability of each; those that are the same legal fixation add up."""
    places = lattice.places(poses)
    cells = places[..., 0] * lattice.count + places[..., 1]  # b n
    mass = torch.zeros(len(poses), lattice.count**2, dtype=torch.float64, device=poses.device)
    mass.scatter_add_(1, cells, log_prob.double().exp())
    return _logs(mass.unflatten(1, (lattice.count, lattice.count)))


def at(lattice: Lattice, pose: Float32[Tensor, "b 2"]) -> Float32[Tensor, "b k k"]:
    """One place alone: a policy that leaves nothing to chance."""
    return on_places(lattice, pose[:, None], pose.new_zeros(len(pose), 1))


def by_axes(lattice: Lattice, below: Below) -> Float32[Tensor, "b k k"]:
    """Rows and columns that are drawn independently and then brought to the nearest legal fixation.

    Each place has the mass between its borders; the outermost have all that lies beyond, which is clipped to them.
    """
    mass = axis_masses(lattice, below)
    return _logs(mass[:, 0, :, None] * mass[:, 1, None, :])


def axis_masses(lattice: Lattice, below: Below) -> Float64[Tensor, "b 2 k"]:
    """The same for each axis alone, as probabilities."""
    inner = below(lattice.borders)  # b 2 k-1
    ends = inner.new_zeros(*inner.shape[:2], 1)
    return torch.cat((ends, inner, ends + 1), -1).diff(dim=-1).clamp_min(0)


def mixed(parts: list[tuple[float, Float[Tensor, "b k k"]]]) -> Float32[Tensor, "b k k"]:
    """A mixture of distributions given as log-probabilities, with their weights."""
    return _logs(sum((weight * log_p.double().exp() for weight, log_p in parts), torch.zeros((), dtype=torch.float64)))


def log_at(log_p: Float32[Tensor, "b k k"], places: Int64[Tensor, "b 2"]) -> Float32[Tensor, " b"]:
    """The log-probability of one legal fixation of each row."""
    return log_p[torch.arange(len(places), device=places.device), places[:, 0], places[:, 1]]


def _logs(mass: Float64[Tensor, "b k k"]) -> Float32[Tensor, "b k k"]:
    return (mass / mass.sum((1, 2), keepdim=True)).log().float()
