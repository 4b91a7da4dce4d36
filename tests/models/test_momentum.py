"""Schedules are pure functions of progress, with the numbers of appendix A.2."""

from itertools import pairwise

import pytest

from gazeworld.agents.training.optimiser import learning_rate
from gazeworld.models.momentum import momentum_schedule


def test_learning_rate_warms_up_and_returns() -> None:
    assert learning_rate(0.0) == pytest.approx(1e-5)
    assert learning_rate(0.005) == pytest.approx((4e-4 + 1e-5) / 2)
    assert learning_rate(0.01) == pytest.approx(4e-4)
    assert learning_rate(0.505) == pytest.approx((4e-4 + 1e-5) / 2)
    assert learning_rate(1.0) == pytest.approx(1e-5)


def test_learning_rate_keeps_falling_after_the_warm_up() -> None:
    rates = [learning_rate(0.01 + i * 0.0099) for i in range(101)]
    assert all(a > b for a, b in pairwise(rates))


def test_momentum_rises_from_base_to_one() -> None:
    assert momentum_schedule(0.0) == pytest.approx(0.996)
    assert momentum_schedule(0.5) == pytest.approx(0.998)
    assert momentum_schedule(1.0) == 1.0


@pytest.mark.parametrize("progress", [-0.1, 1.1, float("nan")])
def test_progress_outside_its_range_is_refused(progress: float) -> None:
    with pytest.raises(ValueError, match="progress"):
        learning_rate(progress)
    with pytest.raises(ValueError, match="progress"):
        momentum_schedule(progress)
