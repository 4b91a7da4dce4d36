"""An ensemble of predictor heads and a label head, fitted on a frozen world model and kept outside it.

What a single deterministic predictor cannot say is how sure it is. Several heads of its shape, with initial weights of
their own and each fitted to its own bootstrap sample of the streams, agree where there was enough to learn from and
differ elsewhere (Lakshminarayanan et al. 2017; Pathak et al. 2019). Aggregates and targets are detached: fitting moves
nothing in the model.
"""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from gazeworld.envs.files import DataError, left_behind, whole_folder
from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import (
    Natural,
    OptionError,
    Options,
    Positive,
)
from gazeworld.envs.world import World
from gazeworld.models.method import MOST, CheckpointError, Method, frozen

from ..config import EnsembleConfig
from ..file_schemas import EnsembleFacts, read_fields
from ..old_files import located
from ..probes.features import FULL, Tick, features, in_chunks, quiet
from ..probes.readouts import Budget, Scale, fit_classifier
from ..training import checkpoint
from ..training.checkpoint import signature
from .imagination import require_predictions, rows_at_once

_TENSORS, _FACTS = "ensemble.safetensors", "ensemble.json"


@dataclass(frozen=True)
class Sizes(Options, owner="sizes"):
    """Widths of the aggregate, of embedded actions and of embeddings, and the number of classes (0: no label head)."""

    aggregate: Positive
    action: Natural
    embedding: Positive
    classes: Natural


class Ensemble(nn.Module):
    """J predictor heads (aggregate, embedded action) → direction of the next embedding, and one label head.

    A predictor head has one hidden ReLU layer, as the predictor has; instead of the predictor's batch normalisation,
    inputs are standardised with statistics of the streams that it was fitted on. The label head is linear and reads
    (aggregate, unit embedding of one more view). `model` is the signature of the world model that they belong to.
    """

    def __init__(self, sizes: Sizes, config: EnsembleConfig, model: str) -> None:
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


def fit_ensemble(
    method: Method, stream: Stream, world: World, config: EnsembleConfig | None = None, tick: Tick = quiet
) -> Ensemble:
    """An ensemble for a frozen method, from streams of its world: the training split, by a policy that looks widely.

    Every view but the first is a target, predicted from all views before it. A label head is fitted, too, if all
    streams have labels and there are two classes or more. The result is a function of the arguments, on the method's
    device. Raises ValueError for a method without a predictor, for streams of fewer than two views and for targets
    that are not finite.
    """
    config, predictor = config or EnsembleConfig(), require_predictions(method, "an ensemble of heads")
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
    labelled = bool((seen.labels >= 0).all()) and len(world.classes) > 1 and config.label_epochs > 0
    classes = len(world.classes) if labelled else 0
    sizes = Sizes(method.aggregate_dim, seen.embeddings.shape[2], width, classes)
    made = Ensemble(sizes, config, signature(method)).to(device)
    _fit_predictors(made, torch.cat([aggregates, seen.embeddings], 2), goals, tick)
    if labelled:
        tick("fitting the label head", 0, 1)
        _fit_label(made, torch.cat([aggregates, goals], 2), seen.labels)
    return made.eval().requires_grad_(False)


def quality(made: Ensemble, method: Method, world: World, stream: Stream) -> dict[str, float]:
    """How well an ensemble predicts the last view of test streams, beside the model's own predictor; and the label."""
    predictor = require_predictions(method, "an ensemble")
    seen = features(method, stream, world, observed=stream.length - 1)
    aggregate, action = seen.aggregates[FULL][-1], seen.actions[:, -1]
    with torch.inference_mode():
        goal = F.normalize(predictor.goal(stream.views[:, -1:].to(aggregate.device))[:, 0].float(), dim=-1)
        foreseen = made.foresee(method, aggregate, action[:, None])[:, :, 0]  # j n d
        own = predictor.predict(aggregate, action).float()
        found = {
            "cosine of one head, mean": float((foreseen * goal).sum(-1).mean()),
            "cosine of the mean of all heads": float(F.cosine_similarity(foreseen.mean(0), goal, dim=-1).mean()),
            "cosine of the model's own predictor": float(F.cosine_similarity(own, goal, dim=-1).mean()),
            "disagreement, mean": float(made.disagreement(foreseen[:, :, None]).mean()),
        }
        if made.sizes.classes and bool((seen.labels >= 0).all()):
            logits = torch.cat([aggregate, goal], 1) @ made.label.T + made.label_bias
            found["top-1 of the label head"] = float((logits.argmax(1) == seen.labels).float().mean())
    return found


def _fit_predictors(made: Ensemble, inputs: Float[Tensor, "n m i"], goals: Float[Tensor, "n m d"], tick: Tick) -> None:
    """Adam on one minus the cosine; each head counts a stream as often as its bootstrap sample drew it."""
    # No loop of `readouts`: heads begin with weights of their own, samples are weighted by head, the rate falls to 0.
    config, (n, m) = made.config, inputs.shape[:2]
    generator = torch.Generator().manual_seed(config.seed + 1)
    drawn = torch.randint(n, (config.heads, n), generator=generator)
    times = torch.stack([row.bincount(minlength=n) for row in drawn]).repeat_interleave(m, 1).to(inputs.device)
    inputs, goals = inputs.flatten(0, 1), goals.flatten(0, 1)
    scale = Scale.of(inputs[None])
    made.mean.copy_(scale.mean[0, 0])
    made.std.copy_(scale.std[0, 0])
    optimiser = torch.optim.Adam(made.parameters(), lr=config.lr)
    for epoch in range(config.epochs):
        for i, rows in enumerate(torch.randperm(n * m, generator=generator).to(inputs.device).split(config.batch)):
            progress = (epoch + i * config.batch / (n * m)) / config.epochs
            optimiser.param_groups[0]["lr"] = config.lr * (1 - progress)
            apart = 1 - (made(inputs[rows]) * goals[rows]).sum(-1)  # j n
            optimiser.zero_grad(set_to_none=True)
            (apart * times[:, rows]).mean(1).sum().backward()
            optimiser.step()
        tick("fitting predictor heads", epoch + 1, config.epochs)


def _fit_label(made: Ensemble, samples: Float[Tensor, "n m x"], labels: Int64[Tensor, " n"]) -> None:
    """A linear classifier as probes train it, with its standardisation folded into weight and bias."""
    config, m = made.config, samples.shape[1]
    budget = Budget(config.label_epochs, config.batch, config.seed)
    found = fit_classifier(samples.flatten(0, 1)[None], labels.repeat_interleave(m), made.sizes.classes, budget)
    (weight, bias), mean, std = found.layers[0], found.inputs.mean[0, 0], found.inputs.std[0, 0]
    made.label.copy_(weight[0] / std)
    made.label_bias.copy_(bias[0, :, 0] - made.label @ mean)


def _uniform(generator: torch.Generator, k: int, outputs: int, inputs: int) -> Float[Tensor, "{k} {outputs} {inputs}"]:
    """Weights within ±1/√inputs, as torch's linear layers begin; every head has its own."""
    return (2 * torch.rand(k, outputs, inputs, dtype=torch.float32, generator=generator) - 1) / inputs**0.5


def save_ensemble(made: Ensemble, folder: Path) -> None:
    """Write an ensemble into a folder, whole or not at all; policies look for it in the folder `ensemble` of a run."""
    folder = folder if folder.name else folder.resolve()  # "." has no name for its draft
    earlier = folder.parent.glob(f".{folder.name}-draft-*")  # as drafts were called before November 2026
    for left in [*earlier, *left_behind(folder.parent, folder.name)]:
        shutil.rmtree(left)  # by a kill
    facts = {"model": made.model, "sizes": asdict(made.sizes), "config": asdict(made.config)}
    with whole_folder(folder) as draft, checkpoint.told(draft, folder):
        checkpoint.put({k: v.detach().cpu().contiguous() for k, v in made.state_dict().items()}, draft / _TENSORS)
        (draft / _FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def load_ensemble(folder: Path, method: Method) -> Ensemble:
    """The ensemble that `save_ensemble` wrote, on the device of the method that it belongs to.

    Raises CheckpointError where there is none, where it is damaged and where it is for another model.
    """
    file, weights = located(folder, _FACTS), located(folder, _TENSORS)
    facts, own = _facts(file), signature(method)
    if facts["model"] != own:
        raise CheckpointError(
            f"{file}: this ensemble was fitted for the model {facts['model']}, and this one is {own}; fit "
            "one for it, or name the run that it belongs to as the policy's option 'model'"
        )
    sizes, config = Sizes(**facts["sizes"]), EnsembleConfig(**facts["config"])
    try:
        tensors = checkpoint.read(weights)
    except checkpoint.NonFiniteWeightsError:
        raise
    except CheckpointError as error:
        raise CheckpointError(f"{error}; not the ensemble that {file.name} describes") from error
    _require_sizes(tensors, sizes, config, weights)
    made = Ensemble(sizes, config, own)
    checkpoint.require_shapes(made.state_dict(), tensors, str(weights))
    made.load_state_dict(tensors)
    return made.to(next(method.parameters()).device).eval().requires_grad_(False)


def _require_sizes(tensors: dict[str, Tensor], sizes: Sizes, config: EnsembleConfig, file: Path) -> None:
    """Raise CheckpointError unless the tensors are of these sizes, before memory is taken for them."""
    inputs, k, hidden = sizes.aggregate + sizes.action, config.heads, config.hidden
    wanted = {
        "first": (k, hidden, inputs),
        "first_bias": (k, hidden, 1),
        "second": (k, sizes.embedding, hidden),
        "second_bias": (k, sizes.embedding, 1),
        "mean": (inputs,),
        "std": (inputs,),
        "label": (sizes.classes, sizes.aggregate + sizes.embedding),
        "label_bias": (sizes.classes,),
    }
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if strange := sorted(found.items() ^ wanted.items()):
        name = strange[0][0]
        raise CheckpointError(
            f"{file}: not the ensemble that {_FACTS} describes: {name} has shape {found.get(name)}, "
            f"expected {wanted.get(name)}"
        )


def _facts(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise CheckpointError(f"{file}: no such file; expected an ensemble written by gazeworld fit-ensemble")
    try:
        return read_fields(file, EnsembleFacts)
    except DataError as error:
        raise CheckpointError(f"{error}; expected an object with the keys model, sizes and config") from error
