"""What probes ask of frozen features: what is there, where did I look, how far have I come.

Every measure returns an entry: a JSON-able dictionary that says which tensor was probed for what, on which split the
heads were trained and on which they were scored, by what protocol and budget, with which seed, and the values.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from .config import ProbeConfig
from .features import FULL, NO_ACTIONS, NO_VISION, Features
from .probes import Budget, Heads, accuracy, fit_classifier, fit_regressor, fit_ridge, r2, require_labels

HEADS = ("linear", "ridge")


@dataclass(frozen=True)
class Pair:
    """Features of the split on which heads are trained and of the split on which they are scored, with their names."""

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


def recognition(pairs: Pairs, classes: int, config: ProbeConfig, *, single: bool = True) -> dict[str, Any]:
    """Top-1 of linear classifiers on z_AGG of the first M views; and, if `single`, on each z_i and on their means."""
    m = next(iter(pairs.values())).train.encodings.shape[1]
    counts = list(range(1, m + 1))
    found = {
        "aggregate": _entry(pairs, config, "linear classifier", "z_AGG of the first M views", "class")
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


def position(pairs: Pairs, config: ProbeConfig) -> dict[str, Any]:
    """R² of the displacement between two views from both embeddings, and of where a view was from its own."""
    relative, absolute = {}, {}
    for name, pair in pairs.items():
        if pair.train.encodings.shape[1] > 1:
            relative[name] = _both_heads(pair, _pair_of_views, lambda f: f.displacements[:, :1], config)
        absolute[name] = _both_heads(pair, lambda f: f.encodings[:, :1], lambda f: f.poses[:, :1], config)
    made = _entry(pairs, config, "linear regressor", "concatenation of z_1 and z_2", "displacement from view 1 to 2")
    made |= {"score": _R2}
    found = {"absolute": made | {"tensor": "z_1", "target": "pose of view 1", "values": absolute}}
    return found | ({"relative": made | {"values": relative}} if relative else {})


def path_integration(pairs: Pairs, config: ProbeConfig, *, additive: bool) -> dict[str, Any]:
    """R² of the displacement from view 1 to view M + 1, from z_AGG of M views and the embedding of the next action.

    Three curves over M for every model (paper, figure 6 and appendix B.9): with everything, with action embeddings
    zeroed (in the aggregate and in the head's input) and with view embeddings zeroed. The paper zeroes "during
    inference", which we read as: the head was trained on full features. A head trained on the ablated features says
    how much of the path is still in them, so both are given. `additive` worlds get dead reckoning as a baseline: the
    sum of the commanded actions, without any model.
    """
    some = next(iter(pairs.values()))
    counts = list(range(1, some.train.encodings.shape[1] + 1))
    made = _entry(
        pairs,
        config,
        "linear regressor",
        "concatenation of z_AGG of the first M views and the embedding of a_M",
        "true displacement from view 1 to view M + 1",
    )
    values: dict[str, Any] = {name: _path_curves(pair, config) for name, pair in pairs.items()}
    if additive:
        target = some.test.displacements.transpose(0, 1)  # m n a
        summed = some.test.actions.cumsum(1).transpose(0, 1)
        values["dead_reckoning"] = _score(summed[: len(counts)], target[: len(counts)])
    return made | {"score": _R2, "views": counts, "values": values}


_R2 = "R², mean over outputs, and each output in `components`"


def _entry(pairs: Pairs, config: ProbeConfig, protocol: str, tensor: str, target: str) -> dict[str, Any]:
    pair = next(iter(pairs.values()))
    classifier = "classifier" in protocol
    budget = {
        "optimiser": "Adam, learning rate 1e-3",
        "epochs": config.epochs_linear if classifier else config.epochs_position,
        "batch": config.batch,
    }
    return {
        "tensor": tensor,
        "target": target,
        "protocol": f"{protocol} on frozen features, standardised with the training split's statistics"
        + ("" if classifier else "; `ridge` is the same read-out in closed form, penalty by leave-one-out"),
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


def _pair_of_views(seen: Features) -> Float[Tensor, "n 1 dd"]:
    return seen.encodings[:, :2].flatten(1)[:, None]


def _both_heads(pair: Pair, tensor: Any, target: Any, config: ProbeConfig) -> dict[str, Any]:
    """Scores of both regressors for one tensor (n 1 d) and one target (n 1 o) of the features."""
    x, y = tensor(pair.train).transpose(0, 1).contiguous(), target(pair.train).transpose(0, 1).contiguous()
    test, truth = tensor(pair.test).transpose(0, 1), target(pair.test).transpose(0, 1)
    return {name: _single(_score(_fit(name, x, y, config)(test), truth)) for name in HEADS}


def _fit(name: str, x: Tensor, y: Tensor, config: ProbeConfig) -> Heads:
    match name:
        case "linear":
            return fit_regressor(x, y, Budget(config.epochs_position, config.batch, config.seed))
        case "ridge":
            return fit_ridge(x, y)
        case _:
            raise ValueError(f"unknown regressor {name!r}; there are: {', '.join(HEADS)}")


def _path_curves(pair: Pair, config: ProbeConfig) -> dict[str, Any]:
    m = pair.train.encodings.shape[1]
    targets = pair.train.displacements.transpose(0, 1)[:m].contiguous()
    truth = pair.test.displacements.transpose(0, 1)[:m]
    curves: dict[str, Any] = {name: {} for name in HEADS}
    for name in HEADS:
        trained = _fit(name, _path_input(pair.train, FULL), targets, config)
        curves[name][FULL] = _score(trained(_path_input(pair.test, FULL)), truth)
        for ablation in (NO_ACTIONS, NO_VISION):
            test = _path_input(pair.test, ablation)
            again = _fit(name, _path_input(pair.train, ablation), targets, config)
            curves[name][ablation] = {
                "at_inference": _score(trained(test), truth),
                "retrained_head": _score(again(test), truth),
            }
    return curves


def _path_input(seen: Features, ablation: str) -> Float[Tensor, "m n d"]:
    """z_AGG of the first M views beside the embedding of a_M, for M = 1 … m."""
    z = seen.aggregates[ablation]
    action = seen.embeddings.transpose(0, 1)[: len(z)]  # m n k
    return torch.cat([z, torch.zeros_like(action) if ablation == NO_ACTIONS else action], dim=-1)


def _score(predicted: Float[Tensor, "k n o"], truth: Float[Tensor, "k n o"]) -> dict[str, Any]:
    components = r2(predicted, truth)
    return {"mean": components.mean(1).tolist(), "components": components.tolist()}


def _single(score: dict[str, Any]) -> dict[str, Any]:
    return {name: value[0] for name, value in score.items()}
