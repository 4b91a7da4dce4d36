"""Counter-based random numbers: good statistics, and every row on its own."""

import pytest
import torch

from gazeworld.envs.rng import Draws

N = 4000


def bits_of(words: torch.Tensor) -> torch.Tensor:
    """Words as 64 columns of 0 and 1."""
    return ((words.flatten()[:, None] >> torch.arange(64)) & 1).float()


def test_every_bit_is_fair_and_rows_neighbours_and_positions_are_unrelated() -> None:
    """Rows are keyed by consecutive seeds, which is where a weak mixer would show."""
    words = Draws.rows(0, N).bits(4)
    tolerance = 5 * 0.5 / (4 * N) ** 0.5
    assert ((bits_of(words).mean(0) - 0.5).abs() < tolerance).all()
    flips = [bits_of(words[1:] ^ words[:-1]), bits_of(words[:, 1:] ^ words[:, :-1])]
    for flip in flips:
        assert ((flip.mean(0) - 0.5).abs() < 6 * 0.5 / len(flip) ** 0.5).all()


@pytest.mark.parametrize("kind", ["uniform", "uniform64"])
def test_uniform_numbers_fill_the_unit_interval_evenly(kind: str) -> None:
    u = getattr(Draws.rows(3, N), kind)(8)
    assert u.dtype == {"uniform": torch.float32, "uniform64": torch.float64}[kind]
    assert u.min() >= 0
    assert u.max() < 1
    counts = torch.histc(u.double(), 50, 0, 1)
    expected = u.numel() / 50
    assert ((counts - expected) ** 2 / expected).sum() < 49 + 5 * (2 * 49) ** 0.5  # chi-square, five sigma
    pairs = torch.corrcoef(u.double().T)
    assert (pairs - torch.eye(8)).abs().max() < 5 / N**0.5


def test_integers_are_in_range_and_equally_frequent() -> None:
    drawn = Draws.rows(1, N).integers(7, 5)
    assert drawn.shape == (N, 5)
    assert drawn.dtype == torch.int64
    counts = torch.bincount(drawn.flatten(), minlength=7).double()
    assert len(counts) == 7
    expected = drawn.numel() / 7
    assert ((counts - expected) ** 2 / expected).sum() < 6 + 5 * 12**0.5


def test_normal_numbers_have_the_moments_of_the_normal_distribution() -> None:
    z = Draws.rows(2, N).normal(10).double().flatten()
    assert torch.isfinite(z).all()
    error = z.numel() ** -0.5
    assert abs(z.mean()) < 5 * error
    assert abs(z.square().mean() - 1) < 5 * 2**0.5 * error
    assert abs(z.pow(3).mean()) < 5 * 15**0.5 * error
    assert abs(z.pow(4).mean() - 3) < 5 * 96**0.5 * error
    assert abs((z.abs() > 1.959964).double().mean() - 0.05) < 5 * (0.05 * 0.95) ** 0.5 * error


def test_a_row_does_not_depend_on_the_rows_beside_it() -> None:
    many, one = Draws.rows(10, 50), Draws.rows(10, 1, first=17)
    assert torch.equal(many.bits(3)[17:18], one.bits(3))
    assert torch.equal(many.fold(5).normal(2)[17:18], one.fold(5).normal(2))
    assert torch.equal(many[torch.tensor([17, 3])].bits(2), many.bits(2)[[17, 3]])
    assert torch.equal(Draws.rows(17, 1).bits(2), Draws.rows(0, 18).bits(2)[17:])


def test_a_draw_is_a_function_and_a_longer_one_begins_with_a_shorter_one() -> None:
    rng = Draws.rows(0, 5)
    assert torch.equal(rng.bits(3), rng.bits(3))
    assert torch.equal(rng.uniform(2), rng.uniform(6)[:, :2])


def test_folding_an_integer_or_one_per_row_is_the_same() -> None:
    rng = Draws.rows(4, 6)
    for number in (0, 1, 12345, 2**40, -3):
        per_row = rng.fold(torch.full((6,), number))
        assert torch.equal(rng.fold(number).keys, per_row.keys)


def test_folds_give_unrelated_streams() -> None:
    rng = Draws.rows(0, N)
    folded = [rng, rng.fold(0), rng.fold(1), rng.fold(2), rng.fold(0).fold(1), rng.fold(1).fold(0)]
    table = torch.cat([r.uniform64(1) for r in folded], 1)
    assert (torch.corrcoef(table.T) - torch.eye(len(folded))).abs().max() < 5 / N**0.5
    keys = torch.cat([r.keys for r in folded])
    assert len(keys.unique()) == len(keys)


def test_neighbouring_seeds_and_folds_do_not_collide() -> None:
    """(seed, episode) and (seed + 1, episode - 1) are different episodes of different rows."""
    episodes = torch.cat([Draws.rows(0, 200).fold(e).keys for e in range(200)])
    assert len(episodes.unique()) == 200 * 200
