"""Where the eye may look next: distributions over fixations, drawn from for all environments at once.

A map is turned once into an alias table, in which a draw costs one memory access however large the map is. Inhibition
of return (paper, section 3.1 and appendix A.1) works by rejection: the first of several candidates that is not
inhibited is distributed exactly as the renormalised, inhibited map. A row whose candidates are all inhibited is drawn
by one exact pass over its own map.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64, Integer, UInt8
from torch import Tensor

from . import alias_tables
from .cache import cached
from .files import DataError
from .fixations import Inhibition, Lattice
from .images import Images
from .map_sets import require_mass
from .rng import Draws
from .saliency import base_kind, check_kind, chunks, maps_key, saliency_maps, shift_of

# Candidates drawn where something is inhibited: FEW, and as many again for every two visited places (but never more
# than MANY); then MANY for rows that lost them all. Any numbers are exact. With these, on digit scenes, one row in a
# hundred needs the second lot after four visits, and next to none the pass over the whole map that comes last.
# A candidate is an access to a table of a gigabyte, so the CPU first draws AT_ONCE of them only; a GPU has them all at
# once, because it would be waited for in between. Either way the same candidate is chosen.
FEW, MANY = 4, 64
AT_ONCE = 3
_CHUNK = 64  # rows whose whole maps are held at once, in a dense pass or while tables are built: a few MB


class FixationPrior:
    """A distribution over the legal fixations of each scene, given by maps.

    `maps` holds non-negative masses, one map per scene or a single one for all. `key`, if given, says what the maps
    depend on, and the table is kept on disk under it. `name` stands in error messages. Scene i reads map
    (i + shift) mod m: a shift gives every scene the map of another one.
    Raises DataError naming the first map that is negative, not finite, or without mass where a glimpse may lie.
    """

    def __init__(
        self,
        maps: Float[Tensor, "m h w"],
        lattice: Lattice,
        *,
        device: torch.device | str = "cpu",
        key: Mapping[str, Any] | None = None,
        name: str = "maps",
        shift: int = 0,
    ) -> None:
        if tuple(maps.shape[1:]) != (lattice.side, lattice.side):
            raise DataError(f"{name}: maps of shape {tuple(maps.shape)}, expected (m, {lattice.side}, {lattice.side})")
        self.lattice = lattice
        self.device = torch.device(device)
        self._shift = shift
        self._table = _table(maps, lattice, key, name).to(self.device)  # m cells
        steps = torch.arange(lattice.count)
        places = torch.cartesian_prod(steps, steps)  # cells 2
        # Computed on the CPU whatever the device is: a GPU divides differently.
        self._poses = lattice.poses(places + lattice.low).to(self.device)
        # Raster numbers with rows of 2 T - 1: the difference of two of them says row and column offset at once.
        self._codes = self._code(places + lattice.low).to(self.device)
        self._near: dict[tuple[float, str], UInt8[Tensor, " offsets"]] = {}

    def sample(
        self,
        scenes: Int64[Tensor, " b"],
        rng: Draws,
        visited: Float32[Tensor, "b k 2"] | None = None,
        inhibition: Inhibition | None = None,
    ) -> Float32[Tensor, "b 2"]:
        """The next fixation of every scene, away from the visited ones.

        Where inhibition leaves a scene no mass, its legal places that are not inhibited are equally likely; where
        there are none, inhibition is ignored. Row i depends on its own scene, stream and visits only.
        """
        rows = self._rows(scenes)
        if visited is None or visited.shape[1] == 0 or inhibition is None or inhibition.strength == 0:
            return self._poses.index_select(0, alias_tables.draw(self._table, rows, rng, 1)[:, 0])
        seen = self._seen(visited, inhibition)
        few = min(FEW + FEW * ((len(seen) + 1) // 2), MANY)
        first = AT_ONCE if self.device.type == "cpu" else few
        cells, lost = self._propose(rows, rng, seen, inhibition, range(first))
        left = lost.nonzero()[:, 0]  # here a GPU is waited for; what follows is rare
        if len(left):
            cells[left] = self._insist(rows[left], rng[left], seen[:, left], inhibition, range(first, few))
        return self._poses.index_select(0, cells)

    def log_prob(
        self,
        scenes: Int64[Tensor, " b"],
        poses: Float32[Tensor, "b 2"],
        visited: Float32[Tensor, "b k 2"] | None = None,
        inhibition: Inhibition | None = None,
    ) -> Float32[Tensor, " b"]:
        """Log-probability with which `sample` gives these poses; -inf where it cannot. Costs a pass over each map."""
        if visited is None or inhibition is None:
            visited, inhibition = poses[:, None], Inhibition(strength=0.0)
        seen, rows = self._seen(visited, inhibition), self._rows(scenes)
        places = self.lattice.tops(poses) - self.lattice.low
        cells = (places[:, :1] * self.lattice.count + places[:, 1:]).split(_CHUNK)
        parts = []
        for part, row, visits in zip(cells, rows.split(_CHUNK), seen.split(_CHUNK, 1), strict=True):
            weights = self._weights(row, visits, inhibition).double()
            parts.append(torch.log(weights.gather(1, part)[:, 0] / weights.sum(1)))
        return torch.cat(parts).float()

    def probabilities(
        self,
        scenes: Int64[Tensor, " b"],
        visited: Float32[Tensor, "b k 2"] | None = None,
        inhibition: Inhibition | None = None,
    ) -> Float32[Tensor, "b t t"]:
        """The whole distribution that `sample` draws from, over the lattice: for figures and tests."""
        if visited is None or inhibition is None:
            visited, inhibition = self._poses[:1].expand(len(scenes), 1, 2), Inhibition(strength=0.0)
        weights = self._weights(self._rows(scenes), self._seen(visited, inhibition), inhibition).double()
        return (weights / weights.sum(1, keepdim=True)).float().unflatten(1, (self.lattice.count,) * 2)

    def _rows(self, scenes: Int64[Tensor, " b"]) -> Int64[Tensor, " b"]:
        if len(self._table) == 1:
            return torch.zeros_like(scenes)
        return (scenes + self._shift) % len(self._table) if self._shift else scenes

    def _code(self, tops: Int64[Tensor, "*b 2"]) -> Int64[Tensor, "*b"]:
        return torch.add(tops[..., 1], tops[..., 0], alpha=2 * self.lattice.count - 1)

    def _seen(self, visited: Float32[Tensor, "b k 2"], inhibition: Inhibition) -> Int64[Tensor, "j b"]:
        """Codes of the remembered fixations, so that (code of a place - this) indexes the table of offsets."""
        # Visits first: what is asked about each of them then lies in one piece.
        tops = self.lattice.tops(visited[:, -inhibition.memory :].transpose(0, 1))
        return self._code(tops) - 2 * self.lattice.count * (self.lattice.count - 1)

    def _inhibits(self, inhibition: Inhibition) -> UInt8[Tensor, " offsets"]:
        """Whether (1 or 0) a place at each (row, column) offset from a fixation is inhibited by it."""
        wanted = (inhibition.radius, inhibition.shape)
        if wanted not in self._near:
            along = torch.arange(1 - self.lattice.count, self.lattice.count, device=self.device)
            offsets = torch.cartesian_prod(along, along)
            self._near[wanted] = inhibition.near(offsets, self.lattice.glimpse).to(torch.uint8)
        return self._near[wanted]

    def _weights(
        self, rows: Int64[Tensor, " b"], seen: Int64[Tensor, "j b"], inhibition: Inhibition
    ) -> Int64[Tensor, "b cells"]:
        """Integer masses of all places under inhibition, with the fallbacks that `sample` documents."""
        near = self._inhibits(inhibition)
        blocked = torch.zeros(len(rows), len(self._codes), dtype=torch.uint8, device=self.device)
        for visit in seen:
            blocked |= alias_tables.pick(near, self._codes - visit[:, None])
        mass = alias_tables.masses(self._table.index_select(0, rows))
        weights = mass * torch.where(blocked.bool(), inhibition.kept, alias_tables.UNIT)
        free = blocked == 0
        fallback = torch.where(free.any(1, keepdim=True), free.long(), mass)
        return torch.where(weights.any(1, keepdim=True), weights, fallback)

    def _propose(
        self, rows: Int64[Tensor, " b"], rng: Draws, seen: Int64[Tensor, "j b"], inhibition: Inhibition, places: range
    ) -> tuple[Int64[Tensor, " b"], Bool[Tensor, " b"]]:
        """The first of each row's candidates at `places` that is not inhibited, and whether there was none."""
        k, skip = len(places), places.start
        cells = alias_tables.draw(self._table, rows, rng, k, skip)
        near = self._inhibits(inhibition)
        blocked = alias_tables.pick(near, alias_tables.pick(self._codes, cells) - seen[:, :, None]).amax(0)  # b k
        if inhibition.kept:
            blocked &= (rng.fold(1).bits(k, skip) & (alias_tables.UNIT - 1)) >= inhibition.kept
        # The smallest value stands first where the first candidate that is not blocked does.
        none, first = blocked.min(1, keepdim=True)
        return cells.gather(1, first)[:, 0], none[:, 0].bool()

    def _insist(
        self, rows: Int64[Tensor, " b"], rng: Draws, seen: Int64[Tensor, "j b"], inhibition: Inhibition, places: range
    ) -> Int64[Tensor, " b"]:
        """Cells for rows that lost their first candidates: those at `places`, many others, a pass over the whole map.

        Each of these is for the rows that the one before left without a cell.
        """
        if not places:
            return self._insist(rows, rng.fold(2), seen, inhibition, range(MANY))
        cells, lost = self._propose(rows, rng, seen, inhibition, places)
        left = lost.nonzero()[:, 0]
        if len(left):
            again = rows[left], rng[left].fold(2), seen[:, left], inhibition
            cells[left] = self._dense(*again) if places == range(MANY) else self._insist(*again, range(MANY))
        return cells

    def _dense(
        self, rows: Int64[Tensor, " b"], rng: Draws, seen: Int64[Tensor, "j b"], inhibition: Inhibition
    ) -> Int64[Tensor, " b"]:
        """One cell per row, by a pass over the whole inhibited map."""
        u, parts = rng.uniform64(1), []
        for start in range(0, len(rows), _CHUNK):
            part = slice(start, start + _CHUNK)
            running = self._weights(rows[part], seen[:, part], inhibition).cumsum(1)
            total = running[:, -1:]
            aim = (u[part] * total).long().clamp_max(total - 1)
            parts.append(torch.searchsorted(running, aim, right=True)[:, 0])
        return torch.cat(parts)


def _table(
    maps: Float[Tensor, "m h w"], lattice: Lattice, key: Mapping[str, Any] | None, name: str
) -> Integer[Tensor, "m cells"]:
    """Alias tables of the maps, from the cache if there is a key."""
    shape = (len(maps), lattice.count**2)
    kind = alias_tables.entry_type(shape[1])

    def fill(out: np.ndarray | Tensor) -> None:
        where = f"{name}, where a glimpse of {lattice.glimpse} px may lie (padding {lattice.padding!r})"
        for rows in chunks(len(maps), f"tables of {name}", _CHUNK):
            mass = lattice.window(maps[rows])
            require_mass(mass, where, torch.arange(rows.start, rows.stop))
            out[rows] = alias_tables.build(mass)

    if key is None:
        table = torch.empty(shape, dtype=kind)
        fill(table)
        return table
    whole = {"what": "fixation table", "version": alias_tables.VERSION, **asdict(lattice), "maps": dict(key)}
    return torch.from_numpy(cached(whole, shape, np.dtype(str(kind).removeprefix("torch.")), fill))


def make_prior(
    images: Images, kind: str, lattice: Lattice, *, sigma: float = 0.0, device: torch.device | str = "cpu"
) -> FixationPrior:
    """The prior that one kind of map (`saliency.KINDS`) of these images gives; tables of many maps stay on disk.

    Errors as of `saliency.saliency_maps` and FixationPrior.
    """
    check_kind(images, kind, sigma)
    shift = shift_of(images, kind)  # a mismatched prior is the matched one, read elsewhere: nothing is stored twice
    maps = saliency_maps(images, base_kind(kind), sigma)
    key = maps_key(images, base_kind(kind), sigma) if len(maps) > 1 else None
    name = f"{kind} maps of {images.name}/{images.split}"
    return FixationPrior(maps, lattice, device=device, key=key, name=name, shift=shift)
