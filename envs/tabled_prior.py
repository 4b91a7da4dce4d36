"""Fixations drawn from maps of all scenes that were made ready once: an access to memory each, however large the maps.

A map is turned once into an alias table, in which a draw costs one memory access however large the map is. Inhibition
of return works by rejection: the first of several candidates that is not inhibited is distributed exactly as the
renormalised, inhibited map. A row whose candidates are all inhibited is drawn by one exact pass over its own map.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64, Integer
from torch import Tensor

from . import alias_tables
from .cache import cached
from .files import DataError
from .fixation_prior import ROWS, FixationPrior, cell_of, rows_of
from .fixations import Inhibition, Lattice
from .map_sets import require_mass
from .rng import Draws
from .saliency import chunks

# Candidates drawn where something is inhibited: FEW, and as many again for every two visited places (but never more
# than MANY); then MANY for rows that lost them all. Any numbers are exact. With these, on digit scenes, one row in a
# hundred needs the second lot after four visits, and next to none the pass over the whole map that comes last.
# A candidate is an access to a table of a gigabyte, so the CPU first draws AT_ONCE of them only; a GPU has them all at
# once, because it would be waited for in between. Either way the same candidate is chosen.
FEW, MANY = 4, 64
AT_ONCE = 3


class TabledPrior(FixationPrior):
    """A distribution over the legal fixations of each scene, given by maps.

    `maps` holds non-negative masses, one map per scene or a single one for all. `key`, if given, says what the maps
    depend on, and the table is kept on disk under it. `name` stands in error messages. Scene i reads map `other[i]`,
    its own if that is None: where every scene has the map of another one, nothing is stored twice.
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
        other: Int64[Tensor, " n"] | None = None,
    ) -> None:
        if tuple(maps.shape[1:]) != (lattice.side, lattice.side):
            raise DataError(f"{name}: maps of shape {tuple(maps.shape)}, expected (m, {lattice.side}, {lattice.side})")
        super().__init__(lattice, device)
        self._other = None if other is None else other.to(self.device)
        self._table = _table(maps, lattice, key, name).to(self.device)  # m cells

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

    def masses(
        self, scenes: Int64[Tensor, " b"], visited: Float32[Tensor, "b k 2"] | None = None
    ) -> Int64[Tensor, "b cells"]:
        """Those of the table, whatever was visited."""
        del visited
        return alias_tables.masses(self._table.index_select(0, self._rows(scenes)))

    def _rows(self, scenes: Int64[Tensor, " b"]) -> Int64[Tensor, " b"]:
        if len(self._table) == 1:
            return torch.zeros_like(scenes)
        return scenes if self._other is None else self._other.index_select(0, scenes)

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
        parts = []
        for part in rows_of(len(rows)):
            mass = alias_tables.masses(self._table.index_select(0, rows[part]))
            weights = self._weights(mass, seen[:, part], inhibition)
            parts.append(cell_of(weights, Draws(rng.keys[part])))
        return torch.cat(parts)


def _table(
    maps: Float[Tensor, "m h w"], lattice: Lattice, key: Mapping[str, Any] | None, name: str
) -> Integer[Tensor, "m cells"]:
    """Alias tables of the maps, from the cache if there is a key."""
    shape = (len(maps), lattice.count**2)
    kind = alias_tables.entry_type(shape[1])

    def fill(out: np.ndarray | Tensor) -> None:
        where = f"{name}, where a glimpse of {lattice.glimpse} px may lie (padding {lattice.padding!r})"
        for rows in chunks(len(maps), f"tables of {name}", ROWS):
            mass = lattice.window(maps[rows])
            require_mass(mass, where, torch.arange(rows.start, rows.stop))
            out[rows] = alias_tables.build(mass)

    if key is None:
        table = torch.empty(shape, dtype=kind)
        fill(table)
        return table
    whole = {"what": "fixation table", "version": alias_tables.VERSION, **asdict(lattice), "maps": dict(key)}
    return torch.from_numpy(cached(whole, shape, np.dtype(str(kind).removeprefix("torch.")), fill))
