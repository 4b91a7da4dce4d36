"""The rollout bench: a baseline that does the same thing, and rows that say what was measured."""

import pytest
import torch

from gazeworld.envs.fixations import Inhibition, Lattice
from gazeworld.envs.images import Images
from gazeworld.envs.tabled_prior import TabledPrior
from gazeworld.scenarios.bench import rollout

N, SIDE = 9, 16
LATTICE = Lattice(SIDE, 6)


def noise() -> Images:
    rng = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (N, SIDE, SIDE, 1), generator=rng, dtype=torch.uint8)
    return Images("noise", "train", pixels, torch.arange(N) % 3, ("a", "b", "c"), (0.5,), (0.3,), "noise of test_bench")


def test_the_baseline_draws_the_same_distribution_and_shows_what_it_says() -> None:
    """A comparison is worth something only if both do the same: fixations against the prior's."""
    images = noise()
    maps = torch.rand(N, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) ** 2
    data, prior = rollout.GlimpseDataset(images, LATTICE, maps), TabledPrior(maps, LATTICE)
    torch.manual_seed(0)
    expected = torch.zeros(LATTICE.count, LATTICE.count)
    found = torch.zeros_like(expected)
    for _ in range(400):
        views, poses, label = data[4]
        assert label == 4 % 3
        tops = LATTICE.tops(poses)
        for view, (top, left) in zip(views, tops.tolist(), strict=True):
            assert torch.equal(view, images.pixels[4, top : top + 6, left : left + 6])
        apart = torch.cdist(tops.double(), tops.double()) + 100 * torch.eye(rollout.VIEWS)
        assert apart.min() > LATTICE.glimpse / 2
        expected += prior.probabilities(torch.tensor([4]), poses[None, :1], Inhibition())[0]
        found[tuple(tops[1])] += 1
    seen = expected >= 3
    statistic = ((found - expected)[seen].square() / expected[seen]).sum()
    assert statistic < seen.sum() + 5 * (2 * seen.sum()) ** 0.5


@pytest.mark.usefixtures("two_threads")
def test_the_bench_gives_a_row_for_every_policy_and_size(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rollout, "ENVIRONMENTS", (1, 8))
    monkeypatch.setattr(rollout, "_BATCHES", (2, 4))
    monkeypatch.setattr(rollout, "_REPEATS", 2)
    monkeypatch.setattr(rollout, "_WORKERS", 0)
    threads = torch.get_num_threads()
    rows = rollout.rollout_bench(noise(), seconds=0.01, device="cpu", glimpse=6)
    assert torch.get_num_threads() == threads
    assert [(row["policy"], row["environments"]) for row in rows] == [
        (policy, n) for policy in rollout.POLICIES for n in (1, 8)
    ]
    for row in rows:
        assert row["glimpses_per_second"] > 0
        assert row["ratio"] == row["glimpses_per_second"] / row["baseline_glimpses_per_second"]
    out = capsys.readouterr().out
    assert "noise/train, 16 px, glimpses of 6 px" in out
    assert out.count("uniform") == 2
    with pytest.raises(ValueError, match="seconds is 0"):
        rollout.rollout_bench(noise(), seconds=0.0)
