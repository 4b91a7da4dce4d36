"""What probes ask of frozen features: what is there, where did I look, how far have I come.

Every measure returns an entry: a JSON-able dictionary that says which tensor was probed for what, on which split the
read-outs were trained and on which scored, by what protocol and budget, with which seed, and the values.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from gazeworld.envs.objects import rotations
from gazeworld.envs.world import Quantity

from ..config import ProbeConfig
from .features import FULL, NO_ACTIONS, NO_VISION, Features
from .readouts import Budget, ReadOuts, accuracy, fit_classifier, fit_regressor, fit_ridge, r2, require_labels


@dataclass(frozen=True)
class Pair:
    """Features of the splits on which read-outs are trained and on which they are scored, with their names."""

    train: Features
    test: Features
    train_split: str
    test_split: str


Pairs = dict[str, Pair]  # by model: trained, untrained


def chance(train: Int64[Tensor, " n"], test: Int64[Tensor, " m"], classes: int) -> float:
    """Top-1 of always naming the class that is most frequent in training. Raises ValueError without labels."""
    require_labels(train, classes, "training")
    require_labels(test, classes, "test")
    return float((test == train.bincount(minlength=classes).argmax()).float().mean())


def nothing_to_recognise(train: Int64[Tensor, " n"], test: Int64[Tensor, " m"], what: str = "images") -> str:
    """Why recognition cannot be measured on streams of these labels, in a few words; empty where it can be.

    Without labels nothing is known of an answer, and where there is one class all answers are right. `what` is what
    the streams show.
    """
    for labels in (train, test):
        missing = int((labels < 0).sum())
        if missing == len(labels):
            return f"the {what} have no labels"
        if missing:
            return f"{missing} of {len(labels)} streams show {what} without a label"
    return "" if len(train.unique()) > 1 else f"all {what} are of one class"


def recognition(pairs: Pairs, classes: int, config: ProbeConfig, *, single: bool = True) -> dict[str, Any]:
    """Top-1 of linear classifiers on z_AGG of the first M views; and, if `single`, on each z_i and on their means."""
    m = next(iter(pairs.values())).train.encodings.shape[1]
    counts = list(range(1, m + 1))
    found = {
        "aggregate": entry(pairs, config, "linear classifier", "z_AGG of the first M views", "class")
        | {"score": "top-1 accuracy", "views": counts, "values": {}}
    }
    if single:
        found["single"] = found["aggregate"] | {"tensor": "z_i of view i alone", "values": {}}
    if single and m > 1:  # the mean of one view is that view
        found["pooled"] = found["aggregate"] | {"tensor": "mean of z_1 … z_M", "values": {}}
    for name, pair in pairs.items():
        found["aggregate"]["values"][name] = _top1(
            pair.train.aggregates[FULL], pair.test.aggregates[FULL], pair, classes, config
        )
        if single:
            scores = _top1(_views_and_means(pair.train), _views_and_means(pair.test), pair, classes, config)
            found["single"]["values"][name] = scores[:m]
            if m > 1:
                found["pooled"]["values"][name] = scores[:1] + scores[m:]
    return found


def position(pairs: Pairs, quantities: tuple[Quantity, ...], config: ProbeConfig) -> dict[str, Any]:
    """R² of every quantity: its relative value from the embeddings of two views, its own from that of one view.

    Entries are called `relative NAME` and `absolute NAME`. Where the sign of a rotation is left free, no decoder that
    sees only the views can know it, so what a perfect one would score (it answers with w ≥ 0) stands beside as
    `perfect`; angular quantities have their errors in degrees, too. What is the same in every stream, as the hues are
    where objects are only turned, has no entry.
    """
    found, some = {}, next(iter(pairs.values()))
    for quantity in quantities:
        for kind, tensor, target in (
            ("relative", "concatenation of z_1 and z_2", f"relative {quantity.name} from view 1 to view 2"),
            ("absolute", "z_1", f"{quantity.name} of view 1"),
        ):
            if not scorable(some.test, kind, quantity.name):
                continue
            made = entry(pairs, config, f"{quantity.head} regressor", tensor, target)
            scores = {name: _both_heads(pair, kind, quantity, config) for name, pair in pairs.items()}
            made |= {"score": _R2, "heads": _heads(quantity), "values": scores}
            if quantity.angular:
                made |= _unbeatable(getattr(some.test, kind)[quantity.name])
            found[f"{kind} {quantity.name}"] = made
    return found


def path_integration(pairs: Pairs, quantity: Quantity, config: ProbeConfig) -> dict[str, Any]:
    """R² of the displacement from view 1 to view M + 1, from z_AGG of M views and the embedding of the next action.

    Three curves over M for every model (paper, figure 6 and appendix B.9): with everything, with action embeddings
    zeroed (in the aggregate and in the head's input) and with view embeddings zeroed. The paper zeroes "during
    inference", which we read as: the head was trained on full features. A head trained on the ablated features says
    how much of the path is still in them, so both are given. Dead reckoning stands beside: what the commanded actions
    amount to (their sum, the product of rotations), without any model. The head is that of `quantity`.
    """
    some = next(iter(pairs.values()))
    counts = list(range(1, some.train.encodings.shape[1] + 1))
    made = entry(
        pairs,
        config,
        f"{quantity.head} regressor",
        "concatenation of z_AGG of the first M views and the embedding of a_M",
        "true displacement from view 1 to view M + 1",
    )
    heads = _heads(quantity)
    values: dict[str, Any] = {name: _path_curves(pair, heads, config) for name, pair in pairs.items()}
    target, summed = some.test.displacements.transpose(0, 1), some.test.reckoned.transpose(0, 1)  # m n a
    values["dead_reckoning"] = _score(summed[: len(counts)], target[: len(counts)])
    return made | {"score": _R2, "views": counts, "heads": heads, "values": values}


_R2 = "R², mean over outputs, and each output in `components`"


def entry(pairs: Pairs, config: ProbeConfig, protocol: str, tensor: str, target: str) -> dict[str, Any]:
    """What every entry says of how it came about: tensor, target, protocol, budget, seed and splits."""
    pair = next(iter(pairs.values()))
    classifier = "classifier" in protocol
    epochs = {
        "linear classifier": config.epochs_linear,
        "linear regressor": config.epochs_position,
        "mlp regressor": config.epochs_mlp,
    }
    budget = {"optimiser": "Adam, learning rate 1e-3", "epochs": epochs[protocol], "batch": config.batch}
    if protocol.startswith("mlp"):
        budget["hidden units"] = config.hidden
    return {
        "tensor": tensor,
        "target": target,
        "protocol": f"{protocol} on frozen features, standardised with the training split's statistics"
        + ("" if classifier else "; `ridge` is a linear read-out in closed form, penalty by leave-one-out"),
        "budget": budget,
        "seed": config.seed,
        "heads trained on": {"split": pair.train_split, "streams": len(pair.train.labels)},
        "scored on": {"split": pair.test_split, "streams": len(pair.test.labels)},
    }


def _top1(train: Tensor, test: Tensor, pair: Pair, classes: int, config: ProbeConfig) -> list[float]:
    heads = fit_classifier(train, pair.train.labels, classes, Budget(config.epochs_linear, config.batch, config.seed))
    return accuracy(heads, test, pair.test.labels).tolist()


def _views_and_means(seen: Features) -> Float[Tensor, "k n d"]:
    """z_1 … z_m, then the means of the first 2 … m."""
    z = seen.encodings.transpose(0, 1)  # m n d
    counts = torch.arange(1, len(z) + 1, device=z.device)[:, None, None]
    return torch.cat([z, (z.cumsum(0) / counts)[1:]])


def _heads(quantity: Quantity) -> list[str]:
    """The paper's read-out first, then the one that no training budget limits."""
    return [quantity.head, "ridge"]


def _both_heads(pair: Pair, kind: str, quantity: Quantity, config: ProbeConfig) -> dict[str, Any]:
    """Scores of both regressors for the relative or absolute value of one quantity."""
    x, test = (read_from(seen, kind) for seen in (pair.train, pair.test))
    y, truth = (getattr(seen, kind)[quantity.name][None] for seen in (pair.train, pair.test))  # 1 n o
    found = {}
    for name in _heads(quantity):
        answer = fit(name, x, y, config)(test)
        found[name] = _single(_score(answer, truth)) | (degrees(answer[0], truth[0]) if quantity.angular else {})
    return found


def read_from(seen: Features, kind: str) -> Float[Tensor, "1 n d"]:
    """What `relative` and `absolute` quantities are read from: z_1 and z_2 side by side, or z_1."""
    return seen.encodings[:, : 2 if kind == "relative" else 1].flatten(1)[None]


def scorable(seen: Features, kind: str, name: str) -> bool:
    """Whether a quantity has more than one value, and a relative one two views to be read from."""
    if kind == "relative" and seen.encodings.shape[1] < 2:
        return False
    values = getattr(seen, kind)[name]
    return bool((values != values[:1]).any())


def degrees(answer: Float[Tensor, "n 4"], truth: Float[Tensor, "n 4"]) -> dict[str, Any]:
    """Angles between rotations, whatever their signs; an answer is a rotation once it has length 1."""
    apart = torch.rad2deg(rotations.angle(rotations.unit(answer), truth))
    return {"degrees": {"mean": float(apart.mean()), "median": float(apart.median())}}


def _unbeatable(truth: Float[Tensor, "n 4"]) -> dict[str, Any]:
    """What a decoder that knows every rotation would score, and the errors of one that knows nothing at all."""
    perfect = _single(_score(rotations.canonical(truth)[None], truth[None]))
    return {"perfect": perfect, "constant": constant(truth)}


def constant(truth: Float[Tensor, "n 4"]) -> dict[str, Any]:
    """Angles left by the rotation that is nearest to all truths: least sum of sin² of half the angle."""
    _, vectors = torch.linalg.eigh(truth.double().T @ truth.double())
    return degrees(vectors[:, -1].to(truth.dtype).expand_as(truth), truth)


def fit(name: str, x: Tensor, y: Tensor, config: ProbeConfig) -> ReadOuts:
    """Regressors called `linear`, `mlp` or `ridge`, trained with the budget that the configuration gives them."""
    match name:
        case "linear":
            return fit_regressor(x, y, Budget(config.epochs_position, config.batch, config.seed))
        case "mlp":
            return fit_regressor(x, y, Budget(config.epochs_mlp, config.batch, config.seed), hidden=config.hidden)
        case "ridge":
            return fit_ridge(x, y)
        case _:
            raise ValueError(f"unknown regressor {name!r}; there are: linear, mlp, ridge")


def _path_curves(pair: Pair, heads: list[str], config: ProbeConfig) -> dict[str, Any]:
    m = pair.train.encodings.shape[1]
    targets = pair.train.displacements.transpose(0, 1)[:m].contiguous()
    truth = pair.test.displacements.transpose(0, 1)[:m]
    curves: dict[str, Any] = {name: {} for name in heads}
    for name in heads:
        trained = fit(name, path_input(pair.train), targets, config)
        curves[name][FULL] = _score(trained(path_input(pair.test)), truth)
        for ablation in (NO_ACTIONS, NO_VISION):
            test = path_input(pair.test, ablation)
            again = fit(name, path_input(pair.train, ablation), targets, config)
            curves[name][ablation] = {
                "at_inference": _score(trained(test), truth),
                "retrained_head": _score(again(test), truth),
            }
    return curves


def path_input(seen: Features, ablation: str = FULL) -> Float[Tensor, "m n d"]:
    """z_AGG of the first M views beside the embedding of a_M, for M = 1 … m."""
    z = seen.aggregates[ablation]
    action = seen.embeddings.transpose(0, 1)[: len(z)]  # m n k
    return torch.cat([z, torch.zeros_like(action) if ablation == NO_ACTIONS else action], dim=-1)


def _score(predicted: Float[Tensor, "k n o"], truth: Float[Tensor, "k n o"]) -> dict[str, Any]:
    components = r2(predicted, truth)
    return {"mean": components.mean(1).tolist(), "components": components.tolist()}


def _single(score: dict[str, Any]) -> dict[str, Any]:
    return {name: value[0] for name, value in score.items()}
