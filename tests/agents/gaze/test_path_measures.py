"""Measures between scan paths, by hand."""

import itertools
import math

import numpy as np
import pytest

from gazeworld.agents.gaze.multimatch import Saccades, Simplification, multimatch
from gazeworld.agents.gaze.recurrence import cross_recurrence
from gazeworld.agents.gaze.scanmatch import ScanMatch, usual_threshold
from gazeworld.agents.gaze.warping import aligned, distances, dynamic_time_warping


def path(*points: tuple[float, float]) -> np.ndarray:
    return np.array(points, np.float64)


def random_path(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.random((n, 2))


def cheapest(costs: np.ndarray) -> float:
    """The least cost of a monotone alignment, by trying all of them."""
    n, m = costs.shape
    if (n, m) == (1, 1):
        return float(costs[0, 0])
    ways = [costs[:-1]] * (n > 1) + [costs[:, :-1]] * (m > 1) + [costs[:-1, :-1]] * (n > 1 and m > 1)
    return float(costs[-1, -1]) + min(map(cheapest, ways))


def test_alignments_are_the_cheapest_of_all() -> None:
    rng = np.random.default_rng(0)
    for n, m in itertools.product((1, 2, 4), (1, 3, 5)):
        costs = rng.random((n, m))
        pairs = aligned(costs)
        assert pairs[0].tolist() == [0, 0]
        assert pairs[-1].tolist() == [n - 1, m - 1]
        assert set(map(tuple, np.diff(pairs, axis=0).tolist())) <= {(0, 1), (1, 0), (1, 1)}
        assert costs[pairs[:, 0], pairs[:, 1]].sum() == pytest.approx(cheapest(costs))
    with pytest.raises(ValueError, match="sequences of 0 and 2 things"):
        aligned(np.zeros((0, 2)))


def test_warping_by_hand() -> None:
    a = path((0, 0), (0, 1), (0, 2))
    assert dynamic_time_warping(a, a) == 0
    assert dynamic_time_warping(a, a + np.array([3, 4])) == 5
    # The second path waits at the first place: nothing is lost.
    assert dynamic_time_warping(a, path((0, 0), (0, 0), (0, 1), (0, 2))) == 0
    # (0,0)-(0,0), (0,1)-(0,2): 1, (0,2)-(0,2): in three pairs.
    b = path((0, 0), (0, 2))
    assert dynamic_time_warping(a, b) == pytest.approx(1 / 3)


def test_multimatch_by_hand() -> None:
    # One saccade each on a screen whose diagonal is 5: right by 3, and down by 4 from one below.
    a, b = (
        Saccades.of(path((0, 0), (0, 3)), np.array([100.0, 7])),
        Saccades.of(path((1, 0), (5, 0)), np.array([400.0, 9])),
    )
    found = multimatch(a, b, 5.0)
    assert found == pytest.approx(
        {"shape": 1 - 5 / 10, "direction": 0.5, "length": 1 - 1 / 5, "position": 1 - 1 / 5, "duration": 1 - 300 / 400}
    )
    unknown = multimatch(Saccades.of(path((0, 0), (0, 3))), b, 5.0)
    assert math.isnan(unknown["duration"])
    assert unknown["shape"] == 0.5
    with pytest.raises(ValueError, match="a scan path of 1 fixations has no saccade"):
        Saccades.of(path((0, 0)))


def test_multimatch_pairs_saccades_by_their_difference_and_takes_the_median() -> None:
    a = Saccades.of(path((0, 0), (0, 1), (1, 1), (1, 3)))  # right 1, down 1, right 2
    b = Saccades.of(path((0, 0), (0, 1), (1, 1)))  # right 1, down 1
    assert aligned(distances(a.vectors, b.vectors)).tolist() == [[0, 0], [1, 1], [2, 1]]
    found = multimatch(a, b, 4.0)
    # Differences: 0, 0, |(0, 2) - (1, 0)| = 5^.5, so all medians are those of the equal ones, but for starts: 0, 0, 1.
    assert found == pytest.approx(
        {"shape": 1, "direction": 1, "length": 1, "position": 1, "duration": math.nan}, nan_ok=True
    )
    back = Saccades.of(path((1, 3), (1, 1), (0, 1), (0, 0)))
    assert multimatch(a, a, 4.0)["shape"] == 1
    assert multimatch(a, back, 4.0)["direction"] < 0.8


def test_saccades_are_simplified_by_direction_and_by_length() -> None:
    straight = Saccades.of(path((0, 0), (0, 1), (0.1, 2), (3, 2)), np.array([100.0, 200, 300, 50]))
    turned = straight.simplified(Simplification(angle=45.0))
    np.testing.assert_allclose(turned.vectors, [[0.1, 2], [2.9, 0]])
    np.testing.assert_allclose(turned.durations, [100, 300])
    kept = straight.simplified(Simplification(angle=45.0, pause=150.0))
    assert len(kept.vectors) == 3
    short = Saccades.of(path((0, 0), (0, 0.2), (0.2, 0.2), (0.2, 0.1), (5, 0)))
    np.testing.assert_allclose(short.simplified(Simplification(amplitude=0.5)).vectors, [[0.2, 0.1], [4.8, -0.1]])
    assert short.simplified(Simplification()).vectors.shape == (4, 2)


def best_alignment(worth: np.ndarray, gap: float) -> float:
    n, m = worth.shape
    if not n or not m:
        return gap * (n + m)
    return max(
        worth[-1, -1] + best_alignment(worth[:-1, :-1], gap),
        gap + best_alignment(worth[:-1], gap),
        gap + best_alignment(worth[:, :-1], gap),
    )


def test_scanmatch_by_hand() -> None:
    how = ScanMatch(bins=4, threshold=2.0)
    a = how.word(path((0.1, 0.1), (0.1, 0.9), (0.99, 1.0)))
    assert a.tolist() == [[0, 0], [0, 3], [3, 3]]
    assert how.score(a, a) == 1
    # Letters (0,0) and (0,1) are a bin apart: worth 1; (0,3) is matched: 2; (3,3) goes with a gap: 3 of 3 x 2.
    b = how.word(path((0.1, 0.3), (0.0, 0.8)))
    assert how.score(a, b) == pytest.approx(3 / 6)
    assert how.score(b, a) == pytest.approx(3 / 6)
    assert ScanMatch(4, 2.0, gap=-1.0).score(a, b) == pytest.approx(2 / 6)
    rng = np.random.default_rng(1)
    for n, m in itertools.product((1, 3, 4), repeat=2):
        one, two = (how.word(random_path(rng, k)) for k in (n, m))
        worth = 2.0 - np.hypot(*(one[:, None] - two[None]).transpose(2, 0, 1).astype(float))
        assert how.score(one, two) == pytest.approx(best_alignment(worth, 0.0) / (2 * max(n, m)))


def test_scanmatch_with_time() -> None:
    how = ScanMatch(bins=2, tick=100.0)
    durations = np.array([240.0, 20])
    assert how.word(path((0, 0), (1, 1)), durations).tolist() == [[0, 0], [0, 0], [1, 1]]
    assert how.word(path((0, 0), (1, 1)), durations * math.nan).tolist() == [[0, 0], [1, 1]]
    assert usual_threshold(np.array([0.1, 0.3]), 10) == pytest.approx(2 * 0.1 * 10)
    with pytest.raises(ValueError, match="words of 0 and 1 letters"):
        how.score(np.zeros((0, 2), np.int64), np.zeros((1, 2), np.int64))


def test_recurrence_by_hand() -> None:
    # a: A B C, b: B C C. Recurrent are (1,0), (2,1), (2,2): a diagonal of two, a row of two.
    a, b = path((0, 0), (0, 1), (1, 1)), path((0, 1), (1, 1), (1, 1.05))
    found = cross_recurrence(a, b, 0.1)
    assert found == pytest.approx(
        {"recurrence": 3 / 9, "determinism": 2 / 3, "laminarity": (2 + 0) / 6, "corm": (-1 - 1 + 0) / (2 * 3)}
    )
    same = cross_recurrence(a, a, 0.1)
    assert same == pytest.approx({"recurrence": 1 / 3, "determinism": 1, "laminarity": 0, "corm": 0})
    apart = cross_recurrence(a, a + 9, 0.1)
    assert apart["recurrence"] == 0
    assert math.isnan(apart["determinism"])
    longer = np.concatenate((a, random_path(np.random.default_rng(0), 4)))
    assert cross_recurrence(longer, b, 0.1) == found
    everywhere = cross_recurrence(a, b, 9.0)
    assert everywhere == pytest.approx({"recurrence": 1, "determinism": 7 / 9, "laminarity": 1, "corm": 0})
    with pytest.raises(ValueError, match="scan paths of 1 and 3 fixations"):
        cross_recurrence(a[:1], b, 0.1)
