"""The online probe: closed-form read-outs of frozen representations while training goes on."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from gazeworld.envs.draws import Draws
from gazeworld.envs.stream import Stream
from gazeworld.envs.vector import ActiveVisionVectorEnv
from gazeworld.models.method import Method

from .loop import POLICY, collect
from .monitor import effective_rank, spread
from .policy import Policy


@dataclass(frozen=True)
class OnlineProbe:
    """A guest of the loop: ridge read-outs fitted on `train` streams and scored on `test` streams.

    Closed form, so it has no optimiser state, needs no budget and gives the same answer every time it is asked. The
    streams are collected once, before training. Numbers are quick looks; `gazeworld evaluate` has the protocol of
    the paper.
    """

    train: Stream
    test: Stream
    chunk: int = 256

    @classmethod
    def collect(
        cls,
        envs: tuple[ActiveVisionVectorEnv, ActiveVisionVectorEnv],
        policies: tuple[Policy, Policy],
        length: int,
        seed: int,
    ) -> "OnlineProbe":
        """Look once at as many scenes of each split as its environment has rows, spread evenly over the split."""
        streams = []
        for env, policy in zip(envs, policies, strict=True):
            scenes = torch.arange(env.num_envs, device=env.world.device) * env.world.size // env.num_envs
            rng = Draws.rows(seed, env.num_envs, device=env.world.device).fold(POLICY)
            streams.append(collect(env, policy, length, rng, {"scene": scenes, "episode": 0}))
        train, test = streams
        if (train.labels < 0).any() or (test.labels < 0).any():
            raise ValueError("the online probe needs labelled splits; found scenes without a label")
        return cls(train, test)

    def __call__(self, method: Method) -> dict[str, float]:
        """Top-1 on the aggregate and on single views, R² of the displacement between two views, rank and spread."""
        (views, aggregate), (test_views, test_aggregate) = (
            self._features(method, self.train),
            self._features(method, self.test),
        )
        labels, truth = self.train.labels, self.test.labels
        pair, test_pair = views[:, :2].flatten(1), test_views[:, :2].flatten(1)
        return {
            "probe/aggregate_top1": accuracy(aggregate, labels, test_aggregate, truth),
            "probe/view_top1": accuracy(views[:, 0], labels, test_views[:, 0], truth),
            "probe/position_r2": r2(pair, _shift(self.train), test_pair, _shift(self.test)),
            "probe/view_rank": effective_rank(test_views[:, 0]),
            "probe/aggregate_rank": effective_rank(test_aggregate),
            "probe/view_spread": spread(test_views[:, 0]),
            "probe/aggregate_spread": spread(test_aggregate),
        }

    def _features(self, method: Method, stream: Stream) -> tuple[Tensor, Tensor]:
        views, aggregates = [], []
        for i in range(0, len(stream.scenes), self.chunk):
            seen = method.represent(stream.views[i : i + self.chunk, :-1], stream.actions[i : i + self.chunk, :-1])
            views.append(seen.views.float())
            aggregates.append(seen.aggregate.float())
        return torch.cat(views), torch.cat(aggregates)


def _shift(stream: Stream) -> Float[Tensor, "b p"]:
    return stream.poses[:, 1] - stream.poses[:, 0]


def ridge(
    features: Float[Tensor, "n d"],
    targets: Float[Tensor, "n k"],
    queries: Float[Tensor, "m d"],
    strength: float = 1e-2,
) -> Float[Tensor, "m k"]:
    """Ridge regression on standardised features with an intercept; `strength` is relative to the number of samples."""
    mean, std = features.mean(0), features.std(0).clamp_min(1e-6)
    x, q, centre = (features - mean) / std, (queries - mean) / std, targets.mean(0)
    gram = x.T @ x + strength * len(x) * torch.eye(x.shape[1], device=x.device)
    return q @ torch.linalg.solve(gram, x.T @ (targets - centre)) + centre


def accuracy(
    features: Float[Tensor, "n d"],
    labels: Int64[Tensor, " n"],
    queries: Float[Tensor, "m d"],
    truth: Int64[Tensor, " m"],
) -> float:
    """Top-1 of a ridge classifier on one-hot targets."""
    classes = int(torch.maximum(labels.max(), truth.max())) + 1
    scores = ridge(features, F.one_hot(labels, classes).float(), queries)
    return float((scores.argmax(1) == truth).float().mean())


def r2(
    features: Float[Tensor, "n d"],
    targets: Float[Tensor, "n k"],
    queries: Float[Tensor, "m d"],
    truth: Float[Tensor, "m k"],
) -> float:
    """R² of a ridge regression, averaged uniformly over the outputs."""
    residual = ((ridge(features, targets, queries) - truth) ** 2).sum(0)
    return float((1 - residual / ((truth - truth.mean(0)) ** 2).sum(0)).mean())
