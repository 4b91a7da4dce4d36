"""Counter-based random numbers: every row of a batch has its own stream, and all rows are drawn at once.

A draw is a pure function of (seed + row, everything folded in since, position), computed with the finaliser of
SplitMix64 (Steele, Lea and Flood 2014). Nothing is advanced, so nothing has to be saved to resume; row i does not
depend on how many rows run beside it; and the CPU and the GPU give the same integers.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

_GAMMA = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed 64-bit integer: the odd golden-ratio increment
_M1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_M2 = -7723592293110705685  # 0x94D049BB133111EB
# The same for NumPy; making such a number costs as much as applying it.
_M1U, _M2U, _30, _27, _31 = (np.array(x % 2**64, np.uint64) for x in (_M1, _M2, 30, 27, 31))


def _shift(x: Tensor, bits: int) -> Tensor:
    """Logical right shift; torch only has the arithmetic one for signed integers."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _mix(x: Tensor) -> Tensor:
    if x.device.type == "cpu":
        # NumPy has unsigned integers and less to do per call: a third of the time for a few hundred rows.
        return torch.from_numpy(_mix_array(x.numpy().view(np.uint64)).view(np.int64))
    x = (x ^ _shift(x, 30)) * _M1
    x = (x ^ _shift(x, 27)) * _M2
    return x ^ _shift(x, 31)


def _mix_array(x: np.ndarray) -> np.ndarray:
    y = x >> _30
    y ^= x
    y *= _M1U
    y ^= y >> _27
    y *= _M2U
    y ^= y >> _31
    return y


@functools.lru_cache(maxsize=256)
def _steps(k: int, skip: int, device: torch.device) -> Int64[Tensor, " {k}"]:
    return torch.arange(skip + 1, skip + k + 1, device=device) * _GAMMA


@dataclass(frozen=True)
class Draws:
    """One independent random stream per row; `fold` derives a new one for every purpose."""

    keys: Int64[Tensor, " n"]

    @classmethod
    def rows(cls, seed: int, n: int, *, first: int = 0, device: torch.device | str = "cpu") -> "Draws":
        """Streams of n rows, row i keyed by `seed + first + i`."""
        return cls.seeded(torch.arange(n, device=device) + (first + seed))

    @classmethod
    def seeded(cls, seeds: Int64[Tensor, " n"]) -> "Draws":
        """Streams keyed by one integer seed per row."""
        return cls(_mix(seeds * _GAMMA + _M1))

    def __len__(self) -> int:
        return self.keys.shape[0]

    def __getitem__(self, rows: Tensor) -> "Draws":
        return Draws(self.keys[rows])

    def fold(self, number: int | Int64[Tensor, " n"]) -> "Draws":
        """Streams for one purpose, episode or step: independent of these and of those of any other number."""
        if isinstance(number, int):
            # A Python integer keeps this off the host-to-device path; it has to be wrapped to 64 bits by hand.
            number = ((2 * number + 1) * _GAMMA + 2**63) % 2**64 - 2**63
            return Draws(_mix(self.keys + number))
        return Draws(_mix(self.keys + (2 * number + 1) * _GAMMA))

    def bits(self, k: int, skip: int = 0) -> Int64[Tensor, "n {k}"]:
        """K words of 64 random bits a row, after the first `skip` words."""
        return _mix(_mix(self.keys)[:, None] + _steps(k, skip, self.keys.device))

    def uniform(self, k: int) -> Float32[Tensor, "n {k}"]:
        """Uniform in [0, 1), with the 24 bits that a float32 can hold exactly."""
        return _shift(self.bits(k), 40).to(torch.float32) * 2.0**-24

    def uniform64(self, k: int) -> Float64[Tensor, "n {k}"]:
        """Uniform in [0, 1) with 53 bits, for places where 24 would show (long cumulative tables, large ranges)."""
        return _shift(self.bits(k), 11).to(torch.float64) * 2.0**-53

    def integers(self, high: int, k: int = 1) -> Int64[Tensor, "n {k}"]:
        """Uniform in 0 … high - 1 (bias below high / 2^53)."""
        return (self.uniform64(k) * high).long()

    def normal(self, k: int) -> Float32[Tensor, "n {k}"]:
        """Standard normal, by Box and Muller's transform of two uniform draws."""
        u = self.uniform64(2 * k)
        radius = torch.sqrt(-2.0 * torch.log1p(-u[:, :k]))
        return (radius * torch.cos(2 * math.pi * u[:, k:])).to(torch.float32)
