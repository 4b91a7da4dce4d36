"""Probes find what is there, nothing where nothing is, and a stack of heads is the heads one by one."""

import pytest
import torch
from torch import Tensor

from gazeworld.agents.probes.readouts import Budget, accuracy, fit_classifier, fit_regressor, fit_ridge, r2


def planted(noise: float = 0.0) -> tuple[Tensor, Tensor]:
    """Two sets of features of very different scale and a linear map of each."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(2, 1200, 12, generator=g) * torch.logspace(-2, 2, 12) + 5
    y = (x / torch.logspace(-2, 2, 12)) @ torch.randn(2, 12, 3, generator=g) + 7
    return x, y + noise * torch.randn(y.shape, generator=g)


def halves(x: Tensor) -> tuple[Tensor, Tensor]:
    return x[:, :800], x[:, 800:]


def test_planted_map_is_recovered_by_adam_and_ridge() -> None:
    x, y = planted()
    (a, b), (c, d) = halves(x), halves(y)
    for heads in (fit_regressor(a, c, Budget(60, batch=100, lr=0.01)), fit_ridge(a, c)):
        assert r2(heads(b), d).min() > 0.999


def test_mlp_bends_where_a_line_cannot() -> None:
    x = torch.randn(1, 1500, 2, generator=torch.Generator().manual_seed(1))
    y = x[..., :1].abs()
    train, test = slice(0, 1000), slice(1000, None)
    line = fit_regressor(x[:, train], y[:, train], Budget(30))
    bent = fit_regressor(x[:, train], y[:, train], Budget(60), hidden=64)
    assert r2(line(x[:, test]), y[:, test]).item() < 0.1
    assert r2(bent(x[:, test]), y[:, test]).item() > 0.95


def test_shuffled_targets_give_nothing() -> None:
    x, y = planted()
    shuffled = y[:, torch.randperm(y.shape[1], generator=torch.Generator().manual_seed(2))]
    (a, b), (c, d) = halves(x), halves(shuffled)
    for heads in (fit_regressor(a, c, Budget(50)), fit_ridge(a, c)):
        assert r2(heads(b), d).abs().max() < 0.2


def test_classifier_finds_classes_and_only_them() -> None:
    g = torch.Generator().manual_seed(3)
    labels = torch.randint(0, 4, (1600,), generator=g)
    centres = 3 * torch.randn(4, 8, generator=g)
    x = torch.stack([centres[labels], 0 * centres[labels]]) + torch.randn(2, 1600, 8, generator=g)
    heads = fit_classifier(x[:, :800], labels[:800], 4, Budget(80))
    found = accuracy(heads, x[:, 800:], labels[800:])
    assert found[0] > 0.9
    assert abs(found[1] - 0.25) < 0.06
    shuffled = labels[torch.randperm(1600, generator=g)]
    heads = fit_classifier(x[:, :800], shuffled[:800], 4, Budget(80))
    assert (accuracy(heads, x[:, 800:], shuffled[800:]) - 0.25).abs().max() < 0.06


def test_a_stack_is_its_heads_one_by_one() -> None:
    x, y = planted(noise=1.0)
    labels = (y[0, :, 0] > y[0, :, 0].median()).long()
    budget = Budget(5, batch=128, seed=9)
    together, classified = fit_regressor(x, y, budget)(x), fit_classifier(x, labels, 2, budget)(x)
    for i in range(2):
        alone = fit_regressor(x[i : i + 1], y[i : i + 1], budget)(x[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-4, atol=1e-4)
        alone = fit_classifier(x[i : i + 1], labels, 2, budget)(x[i : i + 1])
        torch.testing.assert_close(classified[i : i + 1], alone, rtol=1e-4, atol=1e-4)


def test_seed_decides_and_nothing_else() -> None:
    x, y = planted(noise=1.0)
    torch.manual_seed(1)
    first = fit_regressor(x, y, Budget(2, seed=4))(x)
    torch.manual_seed(2)
    assert torch.equal(first, fit_regressor(x, y, Budget(2, seed=4))(x))
    assert not torch.equal(first, fit_regressor(x, y, Budget(2, seed=5))(x))


def test_r2_by_hand() -> None:
    targets = torch.tensor([[[0.0, 1.0], [2.0, 3.0], [4.0, 8.0]]])
    predicted = torch.tensor([[[0.0, 4.0], [2.0, 4.0], [2.0, 4.0]]])
    torch.testing.assert_close(r2(predicted, targets), torch.tensor([[0.5, 1 - 26 / 26]]))
    with pytest.raises(ValueError, match="does not vary"):
        r2(predicted, torch.ones_like(targets))
    still = torch.stack([targets[..., 0], torch.full((1, 3), 0.3)], -1)
    torch.testing.assert_close(r2(predicted, still), torch.tensor([[0.5]]))
    with pytest.raises(ValueError, match="does not vary"):
        r2(predicted.expand(2, -1, -1), torch.cat([targets, still]))
    nearly = torch.stack([targets[..., 0], 0.3 + 3e-8 * torch.arange(3)[None]], -1)  # does not vary but by rounding
    with pytest.raises(ValueError, match="does not vary"):
        r2(predicted.expand(2, -1, -1), torch.cat([targets, nearly]))


def test_constant_features_do_no_harm() -> None:
    x, y = planted()
    x = torch.cat([x, torch.full((2, 1200, 3), 0.1)], dim=2)
    (a, b), (c, d) = halves(x), halves(y)
    assert r2(fit_ridge(a, c)(b), d).min() > 0.999


def test_unlabelled_data_is_one_clear_error() -> None:
    x, labels = torch.randn(1, 20, 3), torch.arange(20) % 2
    unlabelled = torch.where(torch.arange(20) < 5, -1, labels)
    with pytest.raises(ValueError, match="needs labels: 5 of 20 training samples have none"):
        fit_classifier(x, unlabelled, 2, Budget(1))
    heads = fit_classifier(x, labels, 2, Budget(1))
    with pytest.raises(ValueError, match="needs labels: 5 of 20 test samples have none"):
        accuracy(heads, x, unlabelled)
    with pytest.raises(ValueError, match="out of range for 2 classes"):
        fit_classifier(x, labels + 1, 2, Budget(1))


def test_ridge_chooses_its_penalty() -> None:
    g = torch.Generator().manual_seed(5)
    x = torch.randn(1, 700, 90, generator=g)
    y = x[..., :2] + 2 * torch.randn(1, 700, 2, generator=g)
    train, test = slice(0, 100), slice(100, None)

    def score(*penalties: float) -> float:
        return r2(fit_ridge(x[:, train], y[:, train], penalties)(x[:, test]), y[:, test]).mean().item()

    loose, tight, both = score(1e-6), score(1.0), score(1e-6, 1.0)
    assert loose < tight - 0.5
    assert both == tight
    with pytest.raises(ValueError, match="above 0"):
        score(0.0)
