"""Alias tables: draws from many discrete distributions at once, at the price of one memory access each.

Walker (1977), Vose (1991). All masses are integers, so the CPU and the GPU draw the same cells from the same random
numbers, and what is drawn is known exactly: the masses can be read back from the table.
"""

import torch
from jaxtyping import Float, Int64, Integer, Shaped
from torch import Tensor

from .rng import Draws

VERSION = 1  # of tables on disk: raise it whenever `build` gives other numbers
UNIT_BITS = 15
UNIT = 1 << UNIT_BITS  # a cell's fair share: masses are multiples of 2^-15 / cells, finer than a float32 below 1


def entry_type(cells: int) -> torch.dtype:
    """The integer type of a table's entries: 32 bits hold the share and the alias of up to 65 536 cells."""
    return torch.int32 if cells <= 1 << 16 else torch.int64


def rounded(mass: Float[Tensor, "m cells"]) -> Int64[Tensor, "m cells"]:
    """Masses (non-negative, each row with a positive sum) as integers that sum to cells * UNIT; none stays none."""
    m, cells = mass.shape
    running = mass.double().cumsum(1)
    edges = torch.round(running / running[:, -1:] * (cells << UNIT_BITS)).long()
    return torch.diff(edges, dim=1, prepend=edges.new_zeros(m, 1))


def build(mass: Float[Tensor, "m cells"]) -> Integer[Tensor, "m cells"]:
    """Tables of m distributions; an entry packs a cell's own share and the cell that gets the rest of the unit.

    The masses are `rounded` to integers; a cell of mass zero stays at zero. In place of Vose's two stacks this is the
    sweep of Hübschle-Schneider and Sanders (2019) in closed form: with running sums of what light cells lack and heavy
    cells have over, who fills whom is a binary search, so that all rows are built at once.
    """
    cells = mass.shape[1]
    weight = rounded(mass)
    lack, over = (UNIT - weight).clamp_min(0), (weight - UNIT).clamp_min(0).cumsum(1)
    lacking, heavy = lack.cumsum(1), weight > UNIT
    # A light cell is filled by the first heavy cell that is not used up; a heavy cell, once used up, by the next.
    alias = torch.searchsorted(over, torch.where(heavy, over, lacking - lack), right=True)
    closing = lacking.gather(1, torch.searchsorted(lacking, over).clamp_max(cells - 1))
    own = torch.where(heavy, UNIT + over - closing, weight)
    # A full cell becomes its own alias with share 0: shares then fit into 15 bits.
    full = own == UNIT
    alias = torch.where(full, torch.arange(cells, device=mass.device), alias)
    return ((torch.where(full, 0, own) << _shift(cells)) | alias).to(entry_type(cells))


def draw(
    table: Integer[Tensor, "m cells"], rows: Int64[Tensor, " b"], rng: Draws, k: int, skip: int = 0
) -> Int64[Tensor, "b {k}"]:
    """K independent cells for every one of `rows`, distributed exactly as the table's masses; the first are skipped.

    (But for a bias below cells / 2^42 in the choice of the entry, from mapping random bits to a range.)
    """
    cells = table.shape[1]
    fine = min(42, 62 - cells.bit_length())  # the product below has to fit into 63 bits
    words = rng.bits(k, skip)  # the highest bits choose the entry, the lowest 15 between its two cells
    first = (words >> (64 - fine)).bitwise_and_((1 << fine) - 1).mul_(cells)
    first >>= fine
    entry = pick(table.flatten(), torch.add(first, rows[:, None], alpha=cells))
    stays = (words & (UNIT - 1)) < (entry >> _shift(cells))
    return torch.where(stays, first, entry & ((1 << _shift(cells)) - 1))


def masses(entries: Integer[Tensor, "b cells"]) -> Int64[Tensor, "b cells"]:
    """The integer masses behind rows of a table; each row sums to cells * UNIT."""
    shift = _shift(entries.shape[1])
    own, alias = (entries >> shift).long(), (entries & ((1 << shift) - 1)).long()
    return own.scatter_add(1, alias, UNIT - own)


def pick(values: Shaped[Tensor, " n"], index: Int64[Tensor, "*b"]) -> Shaped[Tensor, "*b"]:
    """`values[index]`, but always in this thread.

    Indexing (and `take`) share a few thousand elements among threads, which for so little work costs more than it
    brings, and a thousand times more where the other core is busy with something else.
    """
    return values.index_select(0, index.flatten()).view(index.shape)


def _shift(cells: int) -> int:
    return 16 if entry_type(cells) == torch.int32 else 32
