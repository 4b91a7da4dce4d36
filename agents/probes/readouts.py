"""Read-outs of frozen features: linear and MLP heads by Adam, ridge in closed form; k heads of one shape at a time.

Features are standardised with the mean and standard deviation of the training data, as are the targets of regressors.
That is an affine map before or after the head, so a linear head stays linear; it only makes one learning rate fit
features of any scale. Stacked heads share initial weights and batch order but nothing else: the loss is their sum and
Adam works element by element, so each ends where it would have ended alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from gazeworld.envs.validation import Epochs, Options, PositiveAmount, Rows, Seed

from .features import parallel

Layers = tuple[tuple[Tensor, Tensor], ...]  # weight k o i and bias k o 1 of each layer
Loss = Callable[[slice, Tensor, Tensor], Tensor]  # of which heads, their raw outputs, the rows these belong to

T = TypeVar("T")

PENALTIES = tuple(10.0**i for i in range(-6, 3))
_GROUP = 6  # heads trained in one thread at a time
_ROUNDING = 1e-6  # what varies by less than this share of its size does so by rounding alone


@dataclass(frozen=True)
class Budget(Options, owner="budget"):
    """How a head is trained: Adam with default betas; `lr` is its default, too (appendix A.2)."""

    epochs: Epochs
    batch: Rows = 256
    seed: Seed = 0
    lr: PositiveAmount = 1e-3


@dataclass(frozen=True)
class Scale:
    """The affine map of k sets of d numbers to zero mean and unit variance over the samples they came with."""

    mean: Float[Tensor, "k 1 d"]
    std: Float[Tensor, "k 1 d"]

    @classmethod
    def of(cls, samples: Float[Tensor, "k n d"]) -> "Scale":
        """That of these samples; a component that does not vary is only centred, so that an ablated one stays 0."""
        std, mean = torch.std_mean(samples, dim=1, keepdim=True, correction=0)
        return cls(mean, torch.where(std > 1e-6 * (1 + mean.abs()), std, 1.0))

    def apply(self, samples: Float[Tensor, "k n d"]) -> Float[Tensor, "k n d"]:
        """Standardised samples."""
        return (samples - self.mean) / self.std

    def undo(self, samples: Float[Tensor, "k n d"]) -> Float[Tensor, "k n d"]:
        """Samples in their own units."""
        return samples * self.std + self.mean


@dataclass(frozen=True)
class ReadOuts:
    """K trained read-outs: standardise, apply the layers with ReLU between them, undo the targets' scale if any."""

    inputs: Scale
    layers: Layers
    outputs: Scale | None = None

    def __call__(self, features: Float[Tensor, "k n d"]) -> Float[Tensor, "k n o"]:
        """Logits of a classifier, predictions of a regressor in the units of its targets."""
        with torch.no_grad():
            raw = _forward(self.layers, self.inputs.apply(features)).transpose(1, 2)
            return raw if self.outputs is None else self.outputs.undo(raw)


def fit_classifier(
    features: Float[Tensor, "k n d"], labels: Int64[Tensor, " n"], classes: int, budget: Budget
) -> ReadOuts:
    """Linear classifiers by cross-entropy (appendix A.2: Adam, batch 256, 300 epochs).

    Raises ValueError for unlabelled samples or labels that are not below `classes`.
    """
    require_labels(labels, classes, "training")
    inputs = Scale.of(features)
    layers = _initial(features, (classes,), budget)

    def loss(group: slice, raw: Tensor, rows: Tensor) -> Tensor:
        return F.cross_entropy(raw, labels[rows].expand(len(raw), -1), reduction="sum") / len(rows)

    return ReadOuts(inputs, _train(inputs.apply(features), layers, loss, budget))


def fit_regressor(
    features: Float[Tensor, "k n d"],
    targets: Float[Tensor, "k n o"],
    budget: Budget,
    *,
    hidden: int = 0,
) -> ReadOuts:
    """Linear regressors by mean squared error (appendix A.2: Adam, 50 epochs), or MLPs with one hidden ReLU layer.

    The paper's MLP has 1024 hidden units and 300 epochs.
    """
    inputs, outputs = Scale.of(features), Scale.of(targets)
    wanted = outputs.apply(targets).transpose(1, 2).contiguous()  # k o n
    layers = _initial(features, (hidden, targets.shape[2]) if hidden else (targets.shape[2],), budget)

    def loss(group: slice, raw: Tensor, rows: Tensor) -> Tensor:
        return (raw - wanted[group].index_select(2, rows)).square().mean((1, 2)).sum()

    return ReadOuts(inputs, _train(inputs.apply(features), layers, loss, budget), outputs)


def fit_ridge(
    features: Float[Tensor, "k n d"], targets: Float[Tensor, "k n o"], penalties: tuple[float, ...] = PENALTIES
) -> ReadOuts:
    """Linear regressors in closed form, in double precision: the read-out that no training budget limits.

    Each head takes the penalty (relative to the number of samples) with the smallest leave-one-out error on its
    training data, which has a closed form, too. Raises ValueError for a penalty that is not positive.
    """
    if min(penalties) <= 0:
        raise ValueError(f"the ridge penalties are {penalties}, expected numbers above 0")
    inputs, outputs = Scale.of(features), Scale.of(targets)

    def solve(i: int) -> Tensor:
        x = (features[i].double() - inputs.mean[i]) / inputs.std[i]
        y = (targets[i].double() - outputs.mean[i]) / outputs.std[i]
        return _ridge(x, y, penalties)

    weights = _side_by_side([partial(solve, i) for i in range(len(features))], features.is_cuda)
    weight = torch.stack(weights).to(features.dtype).transpose(1, 2)  # k o d
    return ReadOuts(inputs, ((weight, weight.new_zeros(*weight.shape[:2], 1)),), outputs)


def _ridge(x: Float[Tensor, "n d"], y: Float[Tensor, "n o"], penalties: tuple[float, ...]) -> Float[Tensor, "d o"]:
    """Weights for the best penalty: leaving sample i out leaves the residual e_i / (1 - h_i), h the leverage."""
    n = len(x)
    values, vectors = torch.linalg.eigh(x.T @ x)
    turned = x @ vectors  # n d
    along = turned.T @ y  # d o
    best: tuple[float, Tensor] | None = None
    for penalty in penalties:
        shrunk = 1 / (values.clamp_min(0) + penalty * n)
        leverage = turned.square() @ shrunk + 1 / n  # n; the intercept has its share
        residual = (y - turned @ (shrunk[:, None] * along)) / (1 - leverage).clamp_min(1e-9)[:, None]
        error = float(residual.square().sum())
        if best is None or error < best[0]:
            best = (error, shrunk)
    assert best is not None
    return vectors @ (best[1][:, None] * along)


def accuracy(heads: ReadOuts, features: Float[Tensor, "k n d"], labels: Int64[Tensor, " n"]) -> Float[Tensor, " k"]:
    """Top-1 of every classifier. Raises ValueError for unlabelled samples."""
    scores = heads(features)
    require_labels(labels, scores.shape[2], "test")
    return (scores.argmax(2) == labels).float().mean(1)


def r2(predicted: Float[Tensor, "k n o"], targets: Float[Tensor, "k n o"]) -> Float[Tensor, "k v"]:
    """The share of the variance that is predicted, of each target component that varies; below 0: worse than its mean.

    Components that vary in none of the k targets have no score and are left out: two of a quaternion's on a turntable.
    Scores of several outputs are averaged uniformly by whoever reports one number (`.mean(1)`), as in the released
    code. Raises ValueError where no component varies, and where one does in some of the targets only.
    """
    return r2_against(targets, predicted, targets)


def r2_against(
    spread: Float[Tensor, "k m o"], predicted: Float[Tensor, "k n o"], targets: Float[Tensor, "k n o"]
) -> Float[Tensor, "k v"]:
    """`r2` with the variance of other samples in place of that of the targets, of each component that varies there."""
    predicted, targets, spread = predicted.double(), targets.double(), spread.double()
    total = (spread - spread.mean(1, keepdim=True)).square().mean(1)
    each = total > _ROUNDING**2 * spread.square().mean(1)  # k o
    varies = each.any(0)
    total = total[:, varies]
    if not varies.any() or not each[:, varies].all():
        raise ValueError("R² of a target that does not vary is not defined; are all test streams the same?")
    return (1 - (targets - predicted).square().mean(1)[:, varies] / total).float()


def require_labels(labels: Int64[Tensor, " n"], classes: int, what: str) -> None:
    """Raise ValueError unless every sample has a label in 0 … classes − 1."""
    missing = int((labels < 0).sum())
    if missing:
        raise ValueError(
            f"a labelled probe needs labels: {missing} of {len(labels)} {what} samples have none (label -1); "
            "choose a labelled split"
        )
    if int(labels.max()) >= classes:
        raise ValueError(f"{what} label {int(labels.max())} is out of range for {classes} classes")


def _initial(features: Float[Tensor, "k n d"], widths: tuple[int, ...], budget: Budget) -> Layers:
    """Weights and biases uniform within ±1/√inputs, as torch's linear layers begin; the same for all k heads."""
    k, _, d = features.shape
    generator = torch.Generator().manual_seed(budget.seed)
    layers = []
    for inputs, outputs in zip((d, *widths[:-1]), widths, strict=True):
        drawn = (2 * torch.rand(outputs, inputs + 1, dtype=torch.float32, generator=generator) - 1) / inputs**0.5
        both = drawn.expand(k, -1, -1).to(features.device)  # k o d+1
        layers.append((both[..., :-1], both[..., -1:]))
    return tuple(layers)


def _forward(layers: Layers, x: Float[Tensor, "k n d"]) -> Float[Tensor, "k o n"]:
    """Samples stand in columns: with few outputs this product is four times as fast as the usual one on a CPU."""
    x = x.transpose(1, 2)
    for i, (weight, bias) in enumerate(layers):
        x = torch.baddbmm(bias, weight, F.relu(x) if i else x)
    return x


def _train(x: Float[Tensor, "k n d"], layers: Layers, loss: Loss, budget: Budget) -> Layers:
    """Adam over shuffled batches. Read-outs are independent, so on the CPU groups of them train side by side."""
    k = len(x)
    size = k if x.is_cuda else max(1, min(_GROUP, -(-k // torch.get_num_threads())))
    groups = [slice(start, min(k, start + size)) for start in range(0, k, size)]

    def job(group: slice) -> Layers:
        return _descend(x[group], _part(layers, group), partial(loss, group), budget)

    parts = _side_by_side([partial(job, group) for group in groups], x.is_cuda)
    joined = []
    for pieces in zip(*parts, strict=True):  # layer by layer
        weights, biases = zip(*pieces, strict=True)
        joined.append((torch.cat(weights), torch.cat(biases)))
    return tuple(joined)


def _side_by_side(jobs: Sequence[Callable[[], T]], cuda: bool) -> list[T]:
    return [job() for job in jobs] if cuda else parallel(jobs)


def _descend(
    x: Float[Tensor, "k n d"], layers: Layers, loss: Callable[[Tensor, Tensor], Tensor], budget: Budget
) -> Layers:
    optimiser = torch.optim.Adam([p for layer in layers for p in layer], lr=budget.lr, fused=True)
    generator = torch.Generator().manual_seed(budget.seed + 1)  # not the one of the weights
    for _ in range(budget.epochs):
        order = torch.randperm(x.shape[1], generator=generator).to(x.device)
        for rows in order.split(budget.batch):
            optimiser.zero_grad(set_to_none=True)
            loss(_forward(layers, x.index_select(1, rows)), rows).backward()
            optimiser.step()
    return tuple((weight.detach(), bias.detach()) for weight, bias in layers)


def _part(layers: Layers, group: slice) -> Layers:
    """Trainable copies of the parameters of some heads."""
    return tuple((w[group].clone().requires_grad_(), b[group].clone().requires_grad_()) for w, b in layers)
