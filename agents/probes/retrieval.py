"""Does the predictor foresee the right view? MRR, Hit@1 and Hit@5 among all views of an object (Table 10).

The protocol is that of Garrido et al. (2023, SIE), which appendix B.4 of the seq-JEPA paper takes: the prediction for
(z_AGG of the first M views, the action to view M + 1) is compared by cosine with the embeddings of all V stored views
of the object, observed ones included, and the rank of the right one counts. Embeddings are those that predictions are
trained to match (`Predicts.goal`). Views that are equally similar are ranked at random, in expectation: a collapsed
model scores exactly what chance does.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor
from torch.nn import functional as F

from gazeworld.envs.objects import rotations
from gazeworld.envs.stream import Stream
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.models.method import Method, Predicts, frozen

from ..config import ProbeConfig
from ..policy import Policy
from .features import FULL, Features, Tick, features, quiet, rollouts
from .stored_views import Stored

ALL, UNSEEN, OTHER_ACTION = "all views", "unseen views", "another stream's action"
_SCORE = (
    "means over streams of 1 / rank (mrr) and of rank <= k (hit@k); mean angle in degrees between the rotations of the "
    "target and of the view ranked first"
)
_OBJECTS = 16  # whose views are embedded at once, on the CPU
_OBJECTS_CUDA = 256


@dataclass(frozen=True)
class Ranks:
    """Where targets came in: how many candidates were better, how many others as good, how many there were."""

    better: Int64[Tensor, "*q"]
    tied: Int64[Tensor, "*q"]
    candidates: Int64[Tensor, "*q"]

    def reciprocal(self) -> Float64[Tensor, "*q"]:
        """Expected 1 / rank, with ties broken at random."""
        most = int(self.candidates.max())
        steps = 1 / torch.arange(1, most + 1, dtype=torch.float64, device=self.better.device)
        harmonic = torch.cat([steps.new_zeros(1), steps.cumsum(0)])
        return (harmonic[self.better + self.tied + 1] - harmonic[self.better]) / (self.tied + 1)

    def hit(self, k: int) -> Float64[Tensor, "*q"]:
        """Probability of a rank of at most k, with ties broken at random."""
        return ((k - self.better).clamp_min(0).float() / (self.tied + 1)).clamp_max(1).double()


def ranks(
    scores: Float[Tensor, "*q v"], target: Int64[Tensor, "*q"], allowed: Bool[Tensor, "*q v"] | None = None
) -> Ranks:
    """Ranks of the target among the allowed candidates (all by default; the target is always one), by highest score."""
    own = scores.gather(-1, target[..., None])
    fit = torch.ones_like(scores, dtype=torch.bool) if allowed is None else allowed
    fit = fit.scatter(-1, target[..., None], True)
    return Ranks(((scores > own) & fit).sum(-1), ((scores == own) & fit).sum(-1) - 1, fit.sum(-1))


def retrieval(
    methods: dict[str, Method],
    env: ActiveVisionVectorEnv,
    policy: Policy,
    config: ProbeConfig,
    repeats: int = 8,
    tick: Tick = quiet,
) -> dict[str, Any]:
    """MRR, Hit@1 and Hit@5 for M = 1 … `config.views` observed views, of every method that predicts, beside chance.

    Streams are those of `policy` in the environment, which should hold the test split: `repeats` visits to each object.
    `values` has, for every model, lists over M for "all views" (the standard protocol), "unseen views" (the M
    observed ones are no candidates, unless one of them is the target) and "another stream's action" (the standard
    protocol with the action of the stream before: what the predictor knows without minding the action). `degrees` is
    the mean angle between the rotations of the target and of the view ranked first. `chance` is exact, not sampled.
    Raises ValueError for a world without stored views, a method without predictor and episodes that are too short.
    """
    views, m = Stored(env.world), config.views
    for name, method in methods.items():
        if not isinstance(method, Predicts):
            raise ValueError(f"the {name} method, a {type(method).__name__}, predicts no views that could be retrieved")
    scenes = min(config.scenes, env.world.size)
    stream = rollouts(env, policy, m + 1, scenes=scenes, repeats=repeats, seed=config.seed)
    asked = _asked(views, stream, m)
    values = {}
    for name, method in methods.items():
        seen = features(method, stream, env.world, observed=m, tick=tick)
        values[name] = _values(asked, _similarities(method, seen, stream, views, tick))
    return {
        "tensor": "prediction from z_AGG of the first M views and the action to view M + 1",
        "target": "view M + 1 among the views of the same object, by cosine with their target embeddings",
        "protocol": "no head is trained; views that are equally similar are ranked at random, in expectation",
        "seed": config.seed,
        "scored on": {"split": views.split, "streams": len(stream.scenes)},
        "score": _SCORE,
        "views": list(range(1, m + 1)),
        "candidates": views.views,
        "chance": {kind: _chance(asked, kind) for kind in (ALL, UNSEEN)},
        "values": values,
    }


@dataclass(frozen=True)
class _Asked:
    """For every M and stream: the target's number, which views are unseen, how far each is from the target."""

    target: Int64[Tensor, "m n"]
    unseen: Bool[Tensor, "m n v"]
    degrees: Float[Tensor, "m n v"]

    def allowed(self, kind: str) -> Bool[Tensor, "m n v"]:
        """The candidates; the target is always one."""
        fit = self.unseen if kind == UNSEEN else torch.ones_like(self.unseen)
        return fit.scatter(-1, self.target[..., None], True)


def _asked(views: Stored, stream: Stream, m: int) -> _Asked:
    numbers = views.number(stream.scenes, stream.poses[:, : m + 1])  # n m+1
    target = numbers[:, 1:].T  # m n
    shown = F.one_hot(numbers[:, :m], views.views).cumsum(1) > 0  # n m v
    turns = views.poses[stream.scenes][..., :4]  # n v 4
    goal = stream.poses[:, 1 : m + 1, None, :4].transpose(0, 1)  # m n 1 4
    return _Asked(target, ~shown.transpose(0, 1), torch.rad2deg(rotations.angle(goal, turns)))


def _similarities(
    method: Method, seen: Features, stream: Stream, views: Stored, tick: Tick
) -> dict[str, Float[Tensor, "m n v"]]:
    """Cosines of predictions with the goals of all views of the stream's object, on the world's device."""
    assert isinstance(method, Predicts)
    device, world = seen.labels.device, stream.scenes.device
    z = seen.aggregates[FULL]  # m n e
    asked = seen.actions.transpose(0, 1)[: len(z)]  # m n a
    with frozen(method):
        predicted = {
            ALL: F.normalize(_predict(method, z, asked), dim=-1),
            OTHER_ACTION: F.normalize(_predict(method, z, asked.roll(1, 1)), dim=-1),
        }
    found = {kind: torch.empty(*z.shape[:2], views.views, dtype=torch.float32, device=world) for kind in predicted}
    objects = stream.scenes.unique()
    for some in objects.split(_OBJECTS_CUDA if device.type == "cuda" else _OBJECTS):
        every = torch.arange(views.views, device=world).repeat(len(some))
        goals = views.encode(method, method.goal, some.repeat_interleave(views.views), every)
        goals = F.normalize(goals, dim=-1).unflatten(0, (len(some), -1))  # o v d
        rows = torch.isin(stream.scenes, some).nonzero()[:, 0]
        own = goals[torch.searchsorted(some, stream.scenes[rows]).to(device)]  # r v d
        for kind, answers in predicted.items():
            found[kind][:, rows] = torch.einsum("mrd,rvd->mrv", answers[:, rows.to(device)], own).to(world)
        tick("retrieving views", int(torch.searchsorted(objects, some[-1])) + 1, len(objects))
    if not all(bool(torch.isfinite(cosines).all()) for cosines in found.values()):
        raise ValueError("predicted views cannot be ranked: their cosines with true ones are not all finite")
    return found


def _predict(method: Predicts, z: Float[Tensor, "m n e"], action: Float[Tensor, "m n a"]) -> Float[Tensor, "m n d"]:
    return torch.stack([method.predict(*both).float() for both in zip(z, action, strict=True)])


def _values(asked: _Asked, similar: dict[str, Float[Tensor, "m n v"]]) -> dict[str, dict[str, list[float]]]:
    found = {}
    for kind, scores in ((ALL, similar[ALL]), (UNSEEN, similar[ALL]), (OTHER_ACTION, similar[OTHER_ACTION])):
        fit = asked.allowed(kind)
        first = scores.masked_fill(~fit, -torch.inf).argmax(-1, keepdim=True)
        found[kind] = _means(ranks(scores, asked.target, fit), asked.degrees.gather(-1, first)[..., 0])
    return found


def _chance(asked: _Asked, kind: str) -> dict[str, list[float]]:
    """What somebody scores who finds all candidates equally good."""
    fit = asked.allowed(kind)
    count = fit.sum(-1)
    return _means(Ranks(torch.zeros_like(count), count - 1, count), (asked.degrees * fit).sum(-1) / count)


def _means(found: Ranks, degrees: Float[Tensor, "m n"]) -> dict[str, list[float]]:
    scores = {"mrr": found.reciprocal(), "hit@1": found.hit(1), "hit@5": found.hit(5), "degrees": degrees}
    return {name: values.mean(1).tolist() for name, values in scores.items()}
