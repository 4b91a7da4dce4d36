"""An ensemble of predictor heads and a label head, fitted on a frozen world model and kept outside it.

What a single deterministic predictor cannot say is how sure it is. Several heads of its shape, with initial weights of
their own and each fitted to its own bootstrap sample of the streams, agree where there was enough to learn from and
differ elsewhere (Lakshminarayanan et al. 2017; Pathak et al. 2019). Aggregates and targets are detached: fitting moves
nothing in the model.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import (
    Epochs,
    Layers,
    MaybeEpochs,
    Natural,
    OptionError,
    Options,
    Positive,
    PositiveAmount,
    Rows,
    Seed,
    Width,
)
from gazeworld.envs.world import World
from gazeworld.models.method import MOST, Method, frozen

from ..probes.features import FULL, Tick, features, in_chunks, quiet
from ..probes.readouts import Budget, fit_classifier
from ..training.checkpoint import signature
from .imagination import require_predictions, rows_at_once


@dataclass(frozen=True)
class HeadsConfig(Options, owner="heads"):
    """How heads are fitted. Raises ValueError for numbers that make no sense."""

    heads: Layers = 5
    """predictor heads (Pathak et al. 2019 have 5)"""
    hidden: Width = 1024
    """hidden units of each (paper, section 3.2: those of the predictor)"""
    epochs: Epochs = 20
    """passes over all (aggregate, action, next view)"""
    label_epochs: MaybeEpochs = 50
    """passes for the label head (0: no label head)"""
    batch: Rows = 256
    """samples per step"""
    lr: PositiveAmount = 1e-3
    """Adam's first rate for predictor heads; it falls linearly to 0. The label head has the probes' rate"""
    seed: Seed = 0
    """seed of initial weights, bootstrap samples and batch order"""


@dataclass(frozen=True)
class Sizes(Options, owner="sizes"):
    """Widths of the aggregate, of embedded actions and of embeddings, and the number of classes (0: no label head)."""

    aggregate: Positive
    action: Natural
    embedding: Positive
    classes: Natural


class Heads(nn.Module):
    """J predictor heads (aggregate, embedded action) → direction of the next embedding, and one label head.

    A predictor head has one hidden ReLU layer, as the predictor has; instead of the predictor's batch normalisation,
    inputs are standardised with statistics of the streams that it was fitted on. The label head is linear and reads
    (aggregate, unit embedding of one more view). `model` is the signature of the world model that they belong to.
    """

    def __init__(self, sizes: Sizes, config: HeadsConfig, model: str) -> None:
        super().__init__()
        self.sizes, self.config, self.model = sizes, config, model
        inputs, k, hidden = sizes.aggregate + sizes.action, config.heads, config.hidden
        numbers = k * hidden * (inputs + sizes.embedding) + sizes.classes * (sizes.aggregate + sizes.embedding)
        if numbers > MOST:
            raise OptionError(
                f"heads={k} of hidden={hidden} units would hold {numbers:,} numbers, expected at most {MOST:,}"
            )
        generator = torch.Generator().manual_seed(config.seed)
        self.first = nn.Parameter(_uniform(generator, k, hidden, inputs))
        self.first_bias = nn.Parameter(torch.zeros(k, hidden, 1, dtype=torch.float32))
        self.second = nn.Parameter(_uniform(generator, k, sizes.embedding, hidden))
        self.second_bias = nn.Parameter(torch.zeros(k, sizes.embedding, 1, dtype=torch.float32))
        self.register_buffer("mean", torch.zeros(inputs, dtype=torch.float32))
        self.register_buffer("std", torch.ones(inputs, dtype=torch.float32))
        self.register_buffer(
            "label", torch.zeros(sizes.classes, sizes.aggregate + sizes.embedding, dtype=torch.float32)
        )
        self.register_buffer("label_bias", torch.zeros(sizes.classes, dtype=torch.float32))
        self.mean: Tensor
        self.std: Tensor
        self.label: Tensor
        self.label_bias: Tensor

    def forward(self, inputs: Float[Tensor, "n i"]) -> Float[Tensor, "j n d"]:
        """Unit vectors: where each head expects the next embedding to point."""
        x = ((inputs - self.mean) / self.std).T.expand(len(self.first), -1, -1)  # j i n: samples stand in columns
        x = F.relu(torch.baddbmm(self.first_bias, self.first, x))
        return F.normalize(torch.baddbmm(self.second_bias, self.second, x).transpose(1, 2), dim=-1)

    def foresee(
        self, method: Method, aggregate: Float[Tensor, "b e"], actions: Float32[Tensor, "b k a"]
    ) -> Float[Tensor, "j b k d"]:
        """What every head expects after each of k actions of every episode, in one call on the heads' device."""
        device, k, parts = self.mean.device, actions.shape[1], []
        size = rows_at_once(device, k * len(self.first))
        with frozen(method):
            for z, action in zip(aggregate.split(size), actions.to(aggregate.device).split(size), strict=True):
                embedded = method.embed(action.flatten(0, 1)).float()
                inputs = torch.cat([z.repeat_interleave(k, 0), embedded], 1).to(device)
                parts.append(self(inputs).unflatten(1, (-1, k)))
            return torch.cat(parts, 1)

    @staticmethod
    def disagreement(foreseen: Float[Tensor, "j b k d"]) -> Float[Tensor, "b k"]:
        """The variance of the heads' unit vectors, summed over components: 1 − |their mean|², 0 … 1."""
        return (1 - foreseen.mean(0).square().sum(-1)).clamp_min(0)

    def information(self, aggregate: Float[Tensor, "b e"], foreseen: Float[Tensor, "j b k d"]) -> Float[Tensor, "b k"]:
        """Entropy of the mean over heads of p(y | z_AGG, next embedding) minus the mean of the entropies, in nats.

        Raises ValueError for heads without a label head.
        """
        if not self.sizes.classes:
            raise ValueError("these heads have no label head; expected heads fitted on labelled streams")
        read, looked = self.label.split([self.sizes.aggregate, self.sizes.embedding], 1)
        known = aggregate.to(read.device) @ read.T + self.label_bias  # b y
        log_p = (known[:, None] + foreseen @ looked.T).log_softmax(-1)  # j b k y
        mean = log_p.exp().mean(0)
        entropies = -(log_p.exp() * log_p).sum(-1).mean(0)
        return (torch.special.entr(mean).sum(-1) - entropies).clamp_min(0)


def fit(method: Method, stream: Stream, world: World, config: HeadsConfig | None = None, tick: Tick = quiet) -> Heads:
    """Heads for a frozen method, from streams of its world: the training split, by a policy that looks widely.

    Every view but the first is a target, predicted from all views before it. A label head is fitted, too, if all
    streams have labels. The result is a function of the arguments, on the method's device. Raises ValueError for a
    method without a predictor, for streams of fewer than two views and for targets that are not finite.
    """
    config, predictor = config or HeadsConfig(), require_predictions(method, "an ensemble of heads")
    if stream.length < 2:
        raise ValueError(f"streams of {stream.length} view; heads need at least 2, the last of which is a target")
    m = stream.length - 1
    seen = features(method, stream, world, observed=m, tick=tick)
    device, n = seen.labels.device, len(seen.labels)
    with frozen(method):
        width = predictor.goal(stream.views[:1, :1].to(device)).shape[2]
    goals = torch.empty(n, m, width, dtype=torch.float32, device=device)

    def aim(rows: slice) -> None:
        goals[rows] = F.normalize(predictor.goal(stream.views[rows, 1:].to(device)).float(), dim=-1)

    with frozen(method):
        in_chunks(aim, n, device, "encoding targets", tick)
    if not bool(torch.isfinite(goals).all()):
        raise ValueError("the targets that heads are to be fitted to are not finite: the world model is broken")
    aggregates = seen.aggregates[FULL].transpose(0, 1)  # n m e
    labelled = bool((seen.labels >= 0).all()) and config.label_epochs > 0
    classes = len(world.classes) if labelled else 0
    sizes = Sizes(method.aggregate_dim, seen.embeddings.shape[2], width, classes)
    heads = Heads(sizes, config, signature(method)).to(device)
    _fit_predictors(heads, torch.cat([aggregates, seen.embeddings], 2), goals, tick)
    if labelled:
        tick("fitting the label head", 0, 1)
        _fit_label(heads, torch.cat([aggregates, goals], 2), seen.labels)
    return heads.eval().requires_grad_(False)


def _fit_predictors(heads: Heads, inputs: Float[Tensor, "n m i"], goals: Float[Tensor, "n m d"], tick: Tick) -> None:
    """Adam on one minus the cosine; each head counts a stream as often as its bootstrap sample drew it."""
    config, (n, m) = heads.config, inputs.shape[:2]
    generator = torch.Generator().manual_seed(config.seed + 1)
    drawn = torch.randint(n, (config.heads, n), generator=generator)
    times = torch.stack([row.bincount(minlength=n) for row in drawn]).repeat_interleave(m, 1).to(inputs.device)
    inputs, goals = inputs.flatten(0, 1), goals.flatten(0, 1)
    std, mean = torch.std_mean(inputs, 0, correction=0)
    heads.mean.copy_(mean)
    heads.std.copy_(torch.where(std > 1e-6 * (1 + mean.abs()), std, 1.0))
    optimiser = torch.optim.Adam(heads.parameters(), lr=config.lr)
    for epoch in range(config.epochs):
        for i, rows in enumerate(torch.randperm(n * m, generator=generator).to(inputs.device).split(config.batch)):
            progress = (epoch + i * config.batch / (n * m)) / config.epochs
            optimiser.param_groups[0]["lr"] = config.lr * (1 - progress)
            apart = 1 - (heads(inputs[rows]) * goals[rows]).sum(-1)  # j n
            optimiser.zero_grad(set_to_none=True)
            (apart * times[:, rows]).mean(1).sum().backward()
            optimiser.step()
        tick("fitting predictor heads", epoch + 1, config.epochs)


def _fit_label(heads: Heads, samples: Float[Tensor, "n m x"], labels: Int64[Tensor, " n"]) -> None:
    """A linear classifier as probes train it, with its standardisation folded into weight and bias."""
    config, m = heads.config, samples.shape[1]
    budget = Budget(config.label_epochs, config.batch, config.seed)
    found = fit_classifier(samples.flatten(0, 1)[None], labels.repeat_interleave(m), heads.sizes.classes, budget)
    (weight, bias), mean, std = found.layers[0], found.inputs.mean[0, 0], found.inputs.std[0, 0]
    heads.label.copy_(weight[0] / std)
    heads.label_bias.copy_(bias[0, :, 0] - heads.label @ mean)


def _uniform(generator: torch.Generator, k: int, outputs: int, inputs: int) -> Float[Tensor, "{k} {outputs} {inputs}"]:
    """Weights within ±1/√inputs, as torch's linear layers begin; every head has its own."""
    return (2 * torch.rand(k, outputs, inputs, dtype=torch.float32, generator=generator) - 1) / inputs**0.5
