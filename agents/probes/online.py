"""The online probe: closed-form read-outs of frozen representations while training goes on."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float32
from torch import Tensor
from torch.nn import functional as F

from gazeworld.envs.rng import Draws
from gazeworld.envs.stream import Stream
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.models.method import Method

from ..policy import Policy
from ..training.collapse_monitor import effective_rank, require_finite, spread
from ..training.loop import POLICY, collect
from .features import spread_over
from .measures import nothing_to_recognise
from .readouts import accuracy, fit_ridge, r2


@dataclass(frozen=True)
class Look:
    """Streams of one split, and what leads from their first view to the second: the world's first quantity."""

    stream: Stream
    moved: Float32[Tensor, "b o"]
    quantity: str

    @classmethod
    def at(cls, env: ActiveVisionVectorEnv, policy: Policy, length: int, seed: int) -> "Look":
        """As many streams as the environment has rows; scenes are spread evenly over the split, few are seen again."""
        size, n = env.world.size, env.num_envs
        scenes = spread_over(size, min(size, n)).repeat(-(-n // size))[:n].to(env.world.device)
        rng = Draws.rows(seed, env.num_envs, device=env.world.device).fold(POLICY)
        stream = collect(env, policy, length, rng, {"scene": scenes, "episode": 0})
        first = env.world.quantities()[0]
        return cls(stream, first.between(stream.poses[:, 0], stream.poses[:, 1]), first.name)


@dataclass(frozen=True)
class OnlineProbe:
    """A guest of the loop: ridge read-outs fitted on the streams of `train` and scored on those of `test`.

    `what` is what the streams show; where there are no labels, or one class, top-1 is left out (`left_out` says why).
    Closed form, so it has no optimiser state, needs no budget and gives the same answer every time it is asked. The
    streams are collected once, before training. Numbers are quick looks; `gazeworld evaluate` has the protocol of
    the paper.
    """

    train: Look
    test: Look
    classes: int
    what: str = "images"
    chunk: int = 256

    @cached_property
    def left_out(self) -> str:
        """Why recognition is not measured, in a few words; empty where it is."""
        return nothing_to_recognise(self.train.stream.labels, self.test.stream.labels, self.what)

    def __call__(self, method: Method) -> dict[str, float]:
        """Top-1 on the aggregate and on single views, R² of what leads from one view to another, rank and spread."""
        views, aggregates = self._features(method, self.train.stream)
        test_views, test_aggregates = self._features(method, self.test.stream)
        known = {
            "probe/aggregate_top1": lambda: self._top1(aggregates, test_aggregates),
            "probe/view_top1": lambda: self._top1(views[:, 0], test_views[:, 0]),
        }
        return {
            **{name: measure() for name, measure in known.items() if not self.left_out},
            f"probe/{self.train.quantity}_r2": self._r2(views[:, :2].flatten(1), test_views[:, :2].flatten(1)),
            "probe/view_rank": effective_rank(test_views[:, 0]),
            "probe/aggregate_rank": effective_rank(test_aggregates),
            "probe/view_spread": spread(test_views[:, 0]),
            "probe/aggregate_spread": spread(test_aggregates),
        }

    def _top1(self, features: Tensor, queries: Tensor) -> float:
        """A ridge classifier on one-hot targets."""
        wanted = F.one_hot(self.train.stream.labels, self.classes).to(features.dtype)
        heads = fit_ridge(features[None], wanted[None])
        return float(accuracy(heads, queries[None], self.test.stream.labels))

    def _r2(self, features: Tensor, queries: Tensor) -> float:
        heads = fit_ridge(features[None], self.train.moved[None])
        return float(r2(heads(queries[None]), self.test.moved[None]).mean())

    def _features(self, method: Method, stream: Stream) -> tuple[Tensor, Tensor]:
        views, aggregates = [], []
        for i in range(0, len(stream.scenes), self.chunk):
            seen = method.represent(stream.views[i : i + self.chunk, :-1], stream.actions[i : i + self.chunk, :-1])
            views.append(seen.views.float())
            aggregates.append(seen.aggregate.float())
        require_finite(torch.cat(views).flatten(1))  # read-outs in closed form would fail less clearly
        require_finite(torch.cat(aggregates))
        return torch.cat(views), torch.cat(aggregates)
