"""The bench of the adapter: both ways do the same thing, and rows say what was measured."""

import warnings

import numpy as np
import pytest
from fakes.images import noise

from gazeworld.envs.worlds.saccade import SaccadeWorld
from gazeworld.scenarios.bench import sb3


def test_the_bench_measures_both_ways(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sb3, "ENVIRONMENTS", (2, 4))
    monkeypatch.setattr(sb3, "_REPEATS", 1)
    monkeypatch.setattr(sb3, "_STRETCH", 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = sb3.sb3_bench(noise(side=24), seconds=0.001, device="cpu", glimpse=8)
    assert [row["environments"] for row in rows] == [2, 4]
    assert all(row["ratio"] == row["steps_per_second"] / row["baseline_steps_per_second"] > 0 for row in rows)
    assert "glimpses of 8 px of 24" in capsys.readouterr().out.replace("\n", " ")
    with pytest.raises(ValueError, match="seconds is 0"):
        sb3.sb3_bench(noise(), seconds=0.0)
    ours, theirs = (make(SaccadeWorld(noise(side=24), glimpse=8), 3) for make in (sb3.adapter, sb3.dummy))
    for env in (ours, theirs):
        env.seed(4)
    seen, expected = ours.reset(), theirs.reset()
    for step in range(5):
        assert all(np.array_equal(seen[key], expected[key]) for key in expected), step
        action = np.full((3, 2), 0.1, dtype=np.float32)
        seen, _, done, _ = ours.step(action)
        expected, _, also, _ = theirs.step(action)
        assert np.array_equal(done, also)
