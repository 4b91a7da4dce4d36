"""Imagination: a world model rolled forward from its own predictions, and how far that can be trusted.

The embedding that was predicted for a view takes the place of the encoded view, and the next one is predicted from
there. Predictions are trained to point where the momentum target's embeddings point (equation 5 of the paper compares
directions only), so they have no length of their own: each is given the mean length of its own row's encoded views.
The target of seq-JEPA has the coordinates of the encoder that it follows (`agreement` measures it); methods that
predict in another space, that of a projector for instance, are refused.
"""

from typing import Any

import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor
from torch.nn import functional as F

from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import EnvSeed, Natural, Views, validated
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.models.method import Method, Predicts, frozen

from ..policy import Policy
from ..probes.features import Tick, in_chunks, quiet, rollouts

IMAGINED, STEPWISE, ASTRAY = "imagined", "from true views", "another stream's actions"
LAST, MEAN = "copy of the last view", "mean embedding"
AGREE = 0.5
"""Least mean cosine of `encode` and `goal` of the same views for which one can stand for the other."""
_ROWS, _ROWS_CUDA = 1 << 13, 1 << 17  # sequences of tokens, or rows of predictions, in memory at once


def require_predictions(method: Method, who: str) -> Predicts:
    """The method as one that predicts. Raises ValueError saying that `who` needs one that does."""
    if not isinstance(method, Predicts):
        raise ValueError(f"{who} needs a world model that predicts views, and {type(method).__name__} predicts none")
    return method


def agreement(method: Method, encoded: Float[Tensor, "*b d"], goals: Float[Tensor, "*b g"]) -> float:
    """The mean cosine of encoded views and of the embeddings that perfect predictions of them would have.

    Raises ValueError where it is below AGREE or the widths differ: predictions cannot take the place of views then.
    """
    name = type(method).__name__
    if goals.shape[-1] != encoded.shape[-1]:
        raise ValueError(
            f"{name} predicts embeddings of {goals.shape[-1]} numbers and encodes views in {encoded.shape[-1]}: a "
            "prediction can take the place of a view only where both are in one space"
        )
    found = float(F.cosine_similarity(encoded, goals, dim=-1).mean())
    if found < AGREE:
        raise ValueError(
            f"{name} predicts in another space than it encodes in (mean cosine of the same views {found:.2f}, expected "
            f"{AGREE} or more): a prediction cannot take the place of a view"
        )
    return found


def rows_at_once(device: torch.device, each: int = 1) -> int:
    """How many rows are computed at once where every row stands for `each` sequences: a matter of memory only."""
    return max(1, (_ROWS_CUDA if device.type == "cuda" else _ROWS) // each)


def imagine(
    method: Method,
    views: UInt8[Tensor, "b t c h w"],
    actions_seen: Float32[Tensor, "b t-1 a"],
    actions_future: Float32[Tensor, "b s a"],
) -> Float[Tensor, "b s d"]:
    """Predicted embeddings of the s views to which s further actions would lead, in eval mode on the method's device.

    They are compared by cosine with `Predicts.goal` of the true views. Raises ValueError for a method without a
    predictor, and for one that predicts in another space than it encodes in (`agreement`).
    """
    predictor = require_predictions(method, "imagination")
    device = next(method.parameters()).device
    with frozen(method):
        encoded = method.encode(views.to(device)).float()
        agreement(method, encoded, predictor.goal(views.to(device)).float())
        found = roll(method, encoded, actions_seen.to(device), actions_future.to(device)[:, None])[:, 0]
    return found.clone()  # outside inference mode, so that it may meet autograd


def roll(
    method: Method,
    encoded: Float[Tensor, "b t d"],
    actions_seen: Float32[Tensor, "b t-1 a"],
    actions_future: Float32[Tensor, "b n s a"],
) -> Float[Tensor, "b n s d"]:
    """The same from encoded views, for n sequences of actions per row, as many at once as fit into memory.

    To be called on a frozen method whose spaces agree (`agreement`).
    """
    n = actions_future.shape[1]
    size = rows_at_once(encoded.device, n)
    parts = [
        _roll(method, *part)
        for part in zip(encoded.split(size), actions_seen.split(size), actions_future.split(size), strict=True)
    ]
    return torch.cat(parts)


def _roll(
    method: Method,
    encoded: Float[Tensor, "b t d"],
    seen: Float32[Tensor, "b t-1 a"],
    future: Float32[Tensor, "b n s a"],
) -> Float[Tensor, "b n s d"]:
    predictor = require_predictions(method, "imagination")
    b, n, s, _ = future.shape
    length = encoded.norm(dim=-1).mean(1).repeat_interleave(n)[:, None]  # bn 1
    # What is remembered is the same for all n sequences of a row until the first of them has been imagined.
    aggregate = method.aggregate(encoded, seen).repeat_interleave(n, 0)  # bn e
    told, found = future.flatten(0, 1), []  # bn s a
    encoded, seen = encoded.repeat_interleave(n, 0), seen.repeat_interleave(n, 0)
    for i in range(s):
        if i:
            aggregate = method.aggregate(encoded, seen)
        found.append(predictor.predict(aggregate, told[:, i]).float())
        encoded = torch.cat([encoded, (F.normalize(found[i], dim=-1) * length)[:, None]], 1)
        seen = torch.cat([seen, told[:, i : i + 1]], 1)
    return torch.stack(found, 1).unflatten(0, (b, n))  # b n s d


@validated
def imagination(
    methods: dict[str, Method],
    env: ActiveVisionVectorEnv,
    policy: Policy,
    *,
    seen: Views = 2,
    horizon: Views = 4,
    scenes: Natural = 0,
    seed: EnvSeed = 0,
    tick: Tick = quiet,
) -> dict[str, Any]:
    """The error of imagined embeddings against the horizon, of every method, beside what needs no imagination.

    Streams are those of `policy` in the environment (which should hold the test split): `seen` views are looked at,
    `horizon` further ones are imagined from the actions alone. The error is one minus the cosine with the target's
    embedding of the view that was really seen there. `values` has for every model lists over the horizon (`mean`, and
    `sem`, the standard error over streams) for: "imagined"; "from true views", one step of prediction after all views
    up to there; "another stream's actions", imagined with the actions of the stream before; "copy of the last view"
    seen; "mean embedding" of all views of all streams, the best answer that knows nothing. `agreement` is the mean
    cosine of `encode` and `goal` of the same views. Models have targets of their own: compare rows of one model; and
    the views along the horizon are others where a policy goes to other places in time: compare the rows beside it.
    Raises ValueError for fewer than one view or step, a method without a predictor and too short episodes.
    """
    stream = rollouts(env, policy, seen + horizon, scenes=min(scenes, env.world.size), seed=seed)
    alike, values = {}, {}
    for name, method in methods.items():
        tick(f"imagining ({name})", 0, 1)
        encoded, goals = _embedded(method, stream, tick)
        alike[name] = agreement(method, encoded, goals)
        values[name] = {kind: _error(found) for kind, found in _distances(method, stream, encoded, goals, seen).items()}
    return {
        "score": "one minus the cosine with the target's embedding of the true view; mean over streams, and its "
        "standard error",
        "seen": seen,
        "horizon": list(range(1, horizon + 1)),
        "seed": seed,
        "scored on": {"streams": len(stream.scenes)},
        "agreement": alike,
        "values": values,
    }


def _embedded(method: Method, stream: Stream, tick: Tick) -> tuple[Float[Tensor, "n t d"], Float[Tensor, "n t g"]]:
    """What the encoder and what the target make of all views."""
    predictor = require_predictions(method, "imagination")
    device, (n, t) = next(method.parameters()).device, stream.views.shape[:2]
    with frozen(method):
        width = predictor.goal(stream.views[:1, :1].to(device)).shape[2]
    encoded, goals = (torch.empty(n, t, d, dtype=torch.float32, device=device) for d in (method.view_dim, width))

    def encode(rows: slice) -> None:
        views = stream.views[rows].to(device)
        encoded[rows] = method.encode(views).float()
        goals[rows] = predictor.goal(views).float()

    with frozen(method):
        in_chunks(encode, n, device, "encoding views", tick)
    return encoded, goals


def _distances(
    method: Method, stream: Stream, encoded: Float[Tensor, "n t d"], goals: Float[Tensor, "n t d"], seen: int
) -> dict[str, Float[Tensor, "n s"]]:
    actions, true = stream.actions.to(encoded.device), goals[:, seen:]
    told, future = actions[:, : seen - 1], actions[:, seen - 1 :]
    with frozen(method):
        steps = [
            roll(method, encoded[:, :i], actions[:, : i - 1], actions[:, None, i - 1 : i])[:, 0]
            for i in range(seen, encoded.shape[1])
        ]
        answers = {
            IMAGINED: roll(method, encoded[:, :seen], told, future[:, None])[:, 0],
            STEPWISE: torch.cat(steps, 1),
            ASTRAY: roll(method, encoded[:, :seen], told, future.roll(1, 0)[:, None])[:, 0],
            LAST: goals[:, seen - 1 : seen].expand_as(true),
            MEAN: F.normalize(goals, dim=-1).mean((0, 1)).expand_as(true),
        }
        return {kind: 1 - F.cosine_similarity(answer, true, dim=-1) for kind, answer in answers.items()}


def _error(distances: Float[Tensor, "n s"]) -> dict[str, list[float]]:
    spread, mean = torch.std_mean(distances.double(), 0, correction=0)
    return {"mean": mean.tolist(), "sem": (spread / len(distances) ** 0.5).tolist()}
