"""What is left of recognition and rotation where the model was never trained: the paper's Table 9, made measurable.

Read-outs are trained on the training split of the world that the model knows ("here") and scored on its test split and
on views of another world ("there") with the same classes; nothing is fitted there. Two such worlds are of interest:

- the authors' out-of-distribution box, each Euler angle of magnitude in (π/2, π) (appendix B.3). Euler angles are
  two-to-one, and (x, y, z) ↦ (x + π, π − y, z + π) maps this box onto that of training: the rotations are the same
  ones, and what differs (with `sign="free"`) is the sign of their quaternions, which is minus where the product of
  the training box's three angles is negative: for half of them. Nothing in training says so, hence the raw R² of a
  decoder that knows every rotation is about −1. It stands beside the scores (`perfect`);
- a geodesic ball of SO(3) that was left out of training, where rotations really are new.

Every rotation is scored in three ways. "raw": R² of the quaternions as the world there gives them, for comparison with
the paper. "sign-invariant": R² after both, truth and answer, were given the sign with w ≥ 0 (`rotations.canonical`).
Neither sign then matters, and a constant answer still scores 0 at most, which it would not if each answer took the
sign that suits its truth. The price: where w is near 0 (almost half a turn from the identity) truth and answer may
end up with opposite signs although they are close, so that answers about such rotations are scored too low; perfect
ones are not. "degrees": the angle that is left between answer and truth, which has no sign and no such place.

Rotations that fill a smaller region vary less, so that the same errors make a lower R²: within a ball of 60 degrees an
answer that is constant here scores about −4 there. Hence "against the spread here", the sign-invariant R² with the
variance of the truths here in place of that of the truths there; components that are constant here are left out.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gazeworld.envs.objects import rotations
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import Quantity, World
from gazeworld.models.method import Method

from ..config import ProbeConfig
from ..policy import Policy
from . import measures
from .features import FULL, Features, Tick, features, quiet, rollouts, scored
from .measures import Pair, Pairs
from .readouts import Budget, ReadOuts, accuracy, fit_classifier, r2, r2_against

CANONICAL, PRODUCT = "w >= 0", "product of w >= 0"


def elsewhere(
    methods: dict[str, Method],
    home: World,
    env: ActiveVisionVectorEnv,
    policy: Policy,
    config: ProbeConfig,
    tick: Tick = quiet,
) -> dict[str, Features]:
    """What methods make of every scene of another world, visited once as the test split of `home` is.

    Raises ValueError where the other world has other classes, other actions or views of another size.
    """
    for name in ("classes", "action_dim", "view_shape"):
        found, expected = getattr(env.world, name), getattr(home, name)
        if found != expected:
            raise ValueError(f"the {name} of the other world are {found}, expected {expected} as in the one known")
    scenes = min(config.scenes, env.world.size)
    stream = rollouts(env, policy, max(2, config.views), scenes=scenes, seed=scored(config.seed))
    return {
        name: features(method, stream, env.world, observed=config.views, tick=tick) for name, method in methods.items()
    }


def generalisation(
    here: Pairs,
    there: dict[str, Features],
    where: str,
    quantities: tuple[Quantity, ...],
    classes: int,
    config: ProbeConfig,
) -> dict[str, Any]:
    """Recognition and every quantity, by read-outs trained here: scores on the test split here and on views from there.

    `there` holds features by the models of `here` (see `elsewhere`), `where` is what the place is called. The entries
    "recognition" (aggregate of the first M views, and the first view alone), "relative NAME" and "absolute NAME" have
    values by model: "here", "there", for recognition the "drop". Beside those of rotations stand: `perfect`, what a
    decoder that knows every rotation scores when it answers with w ≥ 0, or with the sign that the product of two such
    rotations has (what is learnt here where signs are left free); `constant`, the angles that the best constant answer
    leaves; and in every model's values `raw with the box's signs`, the raw R² that its answers here would get if the
    truths had the signs of the authors' box. Without labels, or with one class, there is no "recognition".
    Raises ValueError for features of other models.
    """
    if there.keys() != here.keys():
        raise ValueError(f"features elsewhere are of models {list(there)}, expected {list(here)}")
    some = next(iter(there.values()))
    scored = {"split": where, "streams": len(some.labels)}
    known = next(iter(here.values()))
    unknown = measures.nothing_to_recognise(known.train.labels, torch.cat([known.test.labels, some.labels]))
    found = {} if unknown else {"recognition": _recognition(here, there, classes, config)}
    for quantity in quantities:
        for kind in ("relative", "absolute"):
            if measures.scorable(some, kind, quantity.name):
                found[f"{kind} {quantity.name}"] = _quantity(here, there, kind, quantity, config)
    for entry in found.values():
        entry["scored on"] = {"here": entry["scored on"], "there": scored}
    return found


def _recognition(here: Pairs, there: dict[str, Features], classes: int, config: ProbeConfig) -> dict[str, Any]:
    made = measures.entry(here, config, "linear classifier", "z_AGG of the first M views (aggregate), z_1", "class")
    m = next(iter(there.values())).encodings.shape[1]
    values = {}
    for name, pair in here.items():
        values[name] = {
            "aggregate": _top1(pair, there[name], lambda seen: seen.aggregates[FULL], classes, config),
            "first view": _top1(pair, there[name], lambda seen: seen.encodings[:, 0][None], classes, config),
        }
    return made | {"score": "top-1 accuracy", "views": list(range(1, m + 1)), "values": values}


def _top1(
    pair: Pair, there: Features, read: Callable[[Features], Tensor], classes: int, config: ProbeConfig
) -> dict[str, list[float]]:
    budget = Budget(config.epochs_linear, config.batch, config.seed)
    heads = fit_classifier(read(pair.train), pair.train.labels, classes, budget)
    scores = [accuracy(heads, read(seen), seen.labels) for seen in (pair.test, there)]
    return {"here": scores[0].tolist(), "there": scores[1].tolist(), "drop": (scores[0] - scores[1]).tolist()}


def _quantity(
    here: Pairs, there: dict[str, Features], kind: str, quantity: Quantity, config: ProbeConfig
) -> dict[str, Any]:
    tensor = "concatenation of z_1 and z_2" if kind == "relative" else "z_1"
    target = f"relative {quantity.name} from view 1 to view 2" if kind == "relative" else f"{quantity.name} of view 1"
    heads = [quantity.head, "ridge"]
    made = measures.entry(here, config, f"{quantity.head} regressor", tensor, target)
    made |= {"score": _SCORE, "heads": heads, "values": {}}
    for name, pair in here.items():
        x, y = measures.read_from(pair.train, kind), getattr(pair.train, kind)[quantity.name]
        made["values"][name] = {}
        for head in heads:
            fitted = measures.fit(head, x, y[None], config)
            made["values"][name][head] = _answers(fitted, pair.test, there[name], kind, quantity)
    if quantity.angular:
        places = {"here": next(iter(here.values())).test, "there": next(iter(there.values()))}
        made["perfect"] = {place: _perfect(seen, kind, quantity.name) for place, seen in places.items()}
        made["constant"] = {
            place: measures.constant(getattr(seen, kind)[quantity.name]) for place, seen in places.items()
        }
    return made


_SCORE = (
    "raw: R², mean over outputs, and each output in `components`; sign-invariant: the same after truth and answer "
    "were given the sign with w >= 0; degrees: angle left between answer and truth"
)


def _answers(heads: ReadOuts, here: Features, there: Features, kind: str, quantity: Quantity) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for place, seen in (("here", here), ("there", there)):
        answer = heads(measures.read_from(seen, kind))[0]
        truth = getattr(seen, kind)[quantity.name]
        found[place] = score_rotation(answer, truth) if quantity.angular else {"raw": _r2(answer, truth)}
        if quantity.angular and place == "here":
            found["raw with the box's signs"] = _r2(answer, _boxed(seen, kind, quantity.name))
        elif quantity.angular:
            spread = rotations.canonical(getattr(here, kind)[quantity.name])
            turned = rotations.canonical(answer)
            scores = r2_against(spread[None], turned[None], rotations.canonical(truth)[None])
            found[place]["against the spread here"] = _named(scores[0])
    return found


def score_rotation(answer: Float[Tensor, "n 4"], truth: Float[Tensor, "n 4"]) -> dict[str, Any]:
    """R² as it is, R² that minds no sign, and angles; see the module's docstring.

    Answers need not have length 1; truths do. Raises ValueError where the truth does not vary.
    """
    turned = rotations.canonical(answer)
    return {
        "raw": _r2(answer, truth),
        "sign-invariant": _r2(turned, rotations.canonical(truth)),
        **measures.degrees(answer, truth),
    }


def _r2(answer: Float[Tensor, "n o"], truth: Float[Tensor, "n o"]) -> dict[str, Any]:
    return _named(r2(answer[None], truth[None])[0])


def _named(components: Float[Tensor, " o"]) -> dict[str, Any]:
    return {"mean": float(components.mean()), "components": components.tolist()}


def _boxed(seen: Features, kind: str, name: str) -> Float[Tensor, "n 4"]:
    """The truths with the signs that they have when their Euler angles are those of the authors' box."""

    def sign(q: Tensor) -> Tensor:
        turned = rotations.to_euler(q).prod(-1, keepdim=True) < 0
        return torch.where(turned, -1.0, 1.0).to(torch.float32)

    first = seen.absolute[name]
    if kind == "absolute":
        return sign(first) * rotations.canonical(first)
    second = rotations.multiply(first, seen.relative[name])
    before, after = (sign(q) * rotations.canonical(q) for q in (first, second))
    return rotations.relative(before, after)


def _perfect(seen: Features, kind: str, name: str) -> dict[str, Any]:
    """Scores of decoders that know every rotation, by the sign they give it."""
    truth, first = getattr(seen, kind)[name], rotations.canonical(seen.absolute[name])
    answers = {CANONICAL: rotations.canonical(truth)}
    if kind == "relative":
        second = rotations.canonical(rotations.multiply(first, truth))
        answers[PRODUCT] = rotations.relative(first, second)
    return {sign: score_rotation(answer, truth) for sign, answer in answers.items()}
