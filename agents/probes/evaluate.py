"""The evaluation of a trained model beside its baselines: one call, one JSON-able result."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from gazeworld.envs.stream import Stream
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import World, require_stored_poses
from gazeworld.models.method import Method, Predicts

from ..config import ProbeConfig
from ..policy import Policy, make_policy
from .features import Features, Tick, ablated, centred, features, quiet, rollouts, scored, spread_over
from .generalisation import elsewhere, generalisation
from .measures import Pair, Pairs, chance, nothing_to_recognise, path_integration, position, recognition
from .neighbours import Search, neighbours
from .odd_one_out import Puzzle, odd_one_out
from .on_object import on_object
from .retrieval import retrieval

FEW = 16
"""Streams that each split gives at least, however few its scenes are."""


@dataclass(frozen=True)
class Arena:
    """A world to be probed in: an environment over each split (giving tensors) and how to look around in them.

    `policy` holds the name of a policy and its options; `model` is what policies are attached to that look with a world
    model. Episodes must have at least as many steps as views are probed.
    """

    train: ActiveVisionVectorEnv
    test: ActiveVisionVectorEnv
    policy: dict[str, Any] = field(default_factory=lambda: {"name": "uniform"})
    train_split: str = "train"
    test_split: str = "test"
    model: Method | None = None

    def test_policy(self) -> Policy:
        """The policy, for the world of the test split."""
        return self._policy(self.test, self.policy)

    def visit(self, length: int, config: ProbeConfig, repeats: int, **policy: Any) -> "Streams":
        """Streams of both splits by the arena's policy or the one given; the test split is visited once.

        Of few scenes there are as many visits as give FEW streams: R² of a single one is not defined.
        """
        chosen = policy or self.policy
        train, test = (
            rollouts(
                env,
                self._policy(env, chosen),
                length,
                scenes=min(config.scenes, env.world.size),
                repeats=max(times, -(-FEW // min(config.scenes or env.world.size, env.world.size))),
                seed=seed,
            )
            for env, times, seed in ((self.train, repeats, config.seed), (self.test, 1, scored(config.seed)))
        )
        return Streams(self, train, test)

    def _policy(self, env: ActiveVisionVectorEnv, chosen: dict[str, Any]) -> Policy:
        options = dict(chosen)
        policy = make_policy(options.pop("name"), env.world, **options)
        if self.model is not None:
            policy.attach(self.model)
        return policy

    def glance(self, config: ProbeConfig) -> "Streams":
        """One view of every scene of both splits, from the middle."""
        train, test = (
            centred(
                env,
                make_policy("uniform", env.world),  # never asked: there is no action
                scenes=min(config.scenes, env.world.size),
                seed=config.seed,
            )
            for env in (self.train, self.test)
        )
        return Streams(self, train, test)


@dataclass(frozen=True)
class Streams:
    """What was seen in an arena."""

    arena: Arena
    train: Stream
    test: Stream

    def pairs(self, methods: dict[str, Method], observed: int, tick: Tick) -> Pairs:
        """Features of both splits by every method."""
        return {
            name: Pair(
                self._features(method, self.arena.train, self.train, observed, _told(tick, name, "train")),
                self._features(method, self.arena.test, self.test, observed, _told(tick, name, "test")),
                self.arena.train_split,
                self.arena.test_split,
            )
            for name, method in methods.items()
        }

    @staticmethod
    def _features(method: Method, env: ActiveVisionVectorEnv, stream: Stream, observed: int, tick: Tick) -> Features:
        return features(method, stream, env.world, observed=observed, tick=tick)


def evaluate(
    method: Method,
    untrained: Method,
    arena: Arena,
    noisy: Arena | None,
    config: ProbeConfig,
    tick: Tick = quiet,
) -> dict[str, Any]:
    """Recognition, position and path integration of a method beside an untrained one of the same shape and baselines.

    `arena` is the scenario's world without motor noise, `noisy` the same world with `noise=config.noise`, or None.
    The result is JSON-able; `measures` says what its entries hold. Where there are no labels, or one class, "chance"
    and "recognition" are missing and "left out" says why; "on_object" is there where masks are known. Neither method
    is changed. Raises ValueError where an episode is too short.
    """
    methods = {"trained": method, "untrained": untrained}
    tick("looking around", 0, 1)
    seen = arena.visit(config.views + 1, config, config.repeats)
    pairs = seen.pairs(methods, config.views, tick)
    known = _recognised(arena, seen, pairs, methods, config, tick)
    shares = on_object(arena.test.world, seen.test)
    if shares is not None:
        known["on_object"] = {"scored on": {"split": arena.test_split}, **shares}
    tick("position", 0, 1)
    quantities = arena.test.world.quantities()
    where = position(pairs, quantities, config)
    pairs = _ablated(pairs, methods, config, tick)
    tick("path integration", 0, 1)
    paths = {"without_noise": path_integration(pairs, quantities[0], config)}
    del seen, pairs
    if noisy is not None:
        tick("looking around with motor noise", 0, 1)
        few = _few(config)
        pairs = noisy.visit(few.views + 1, few, 1).pairs(methods, few.views, tick)
        pairs = _ablated(pairs, methods, few, tick)
        tick("path integration with motor noise", 0, 1)
        drifted = path_integration(pairs, quantities[0], config)
        paths["with_noise"] = {"noise": config.noise} | drifted
    tick("done", 1, 1)
    return {
        "note": f"heads are trained on the {arena.train_split} split and scored on the {arena.test_split} split",
        "config": asdict(config) | {"regions": list(config.regions)},
        **known,
        "position": where,
        "path_integration": paths,
    }


def _recognised(
    arena: Arena, seen: Streams, pairs: Pairs, methods: dict[str, Method], config: ProbeConfig, tick: Tick
) -> dict[str, Any]:
    """Recognition and what guessing gives; or why there is nothing to recognise."""
    train, test, classes = seen.train.labels, seen.test.labels, len(arena.train.world.classes)
    if why := nothing_to_recognise(train, test, shown_by(arena.train.world)):
        return {"left out": {"recognition": why}}
    tick("recognition", 0, 1)
    named = {"policy": {"fixations": arena.policy, **recognition(pairs, classes, config)}}
    named |= _elsewhere(arena, methods, classes, config, tick)
    base = chance(train, test, classes)
    return {"chance": {"top-1 of the majority class": base, "classes": classes}, "recognition": named}


def shown_by(world: World) -> str:
    """What a world's scenes are, in a word."""
    return "objects" if world.images is None else "images"


def _elsewhere(
    arena: Arena, methods: dict[str, Method], classes: int, config: ProbeConfig, tick: Tick
) -> dict[str, Any]:
    """Recognition with uniform fixations (where that is not the arena's own policy) and from one look at the centre."""
    found = {}
    if arena.policy["name"] != "uniform":
        random = arena.visit(config.views, config, config.repeats, name="uniform")
        pairs = random.pairs({"trained": methods["trained"]}, config.views, tick)
        tick("recognition with uniform fixations", 0, 1)
        scores = recognition(pairs, classes, config, single=False)
        found["uniform"] = {"fixations": {"name": "uniform"}, **scores}
    if arena.test.world.middle is not None:
        pairs = arena.glance(config).pairs(methods, 1, tick)
        tick("recognition from the centre", 0, 1)
        found["centre"] = {"fixations": "one view from the middle", **recognition(pairs, classes, config)}
    return found


def _few(config: ProbeConfig) -> ProbeConfig:
    """The configuration of path integration: one visit to at most `path_scenes` scenes."""
    most = config.path_scenes or config.scenes
    return replace(config, repeats=1, scenes=min(most, config.scenes or most))


def _ablated(pairs: Pairs, methods: dict[str, Method], config: ProbeConfig, tick: Tick) -> Pairs:
    """Pairs with both ablations, cut to the first visit to at most `path_scenes` scenes spread over each split.

    That is enough for regressors of a few numbers, and ablations are the dearest features of all.
    """

    def cut(name: str, seen: Features, repeats: int) -> Features:
        once = len(seen.labels) // repeats
        rows = spread_over(once, min(config.path_scenes, once))
        return ablated(methods[name], seen.take(rows), _told(tick, name, "ablated"))

    return {
        name: Pair(cut(name, pair.train, config.repeats), cut(name, pair.test, 1), pair.train_split, pair.test_split)
        for name, pair in pairs.items()
    }


def _told(tick: Tick, *words: str) -> Callable[[str, int, int], None]:
    """A Tick that says of which model and split it speaks."""
    return lambda what, done, total: tick(f"{what} ({', '.join(words)})", done, total)


def has_stored_views(arena: Arena) -> bool:
    """Whether the probes of this module can be made: they search among the stored views of objects."""
    return arena.test.world.stored_poses is not None


def object_probes(
    methods: dict[str, Method],
    arena: Arena,
    places: dict[str, Arena],
    config: ProbeConfig,
    tick: Tick = quiet,
) -> dict[str, Any]:
    """Retrieval by the predictor, nearest neighbours, odd one out, and read-outs trained here used elsewhere.

    `places` are other worlds with the same classes and actions, by name: rotations of another region, for instance.
    Retrieval is left out where a method foresees no views (see `Predicts`); what else is left out, and why, stands
    under "left out". The result is JSON-able; the modules that measure say what its entries hold.
    """
    unfit = _unfit(arena, config)
    found: dict[str, Any] = {"left out": unfit} if unfit else {}
    if all(isinstance(method, Predicts) for method in methods.values()):
        tick("retrieval", 0, 1)
        found["retrieval"] = retrieval(methods, arena.test, arena.test_policy(), config, tick=tick)
    if "neighbours" not in unfit:
        tick("neighbours", 0, 1)
        found["neighbours"] = neighbours(methods, arena.test.world, config, tick=tick)
    if "odd one out" not in unfit:
        tick("odd one out", 0, 1)
        puzzle = Puzzle(epochs=config.puzzle_epochs)
        found["odd_one_out"] = odd_one_out(methods, arena.train.world, arena.test.world, config, puzzle, tick)
    if places:
        found["elsewhere"] = _in_other_worlds(methods, arena, places, config, tick)
    return found


def _unfit(arena: Arena, config: ProbeConfig) -> dict[str, str]:
    """Which probes of objects are not to be made in an arena, and why."""
    train, test, found = arena.train.world, arena.test.world, {}
    objects = min(config.scenes or test.size, test.size)
    if (objects - 1) * require_stored_poses(test, "the probe").shape[1] < Search.k:
        found["neighbours"] = f"{Search.k} of them need more objects than {objects} in the {arena.test_split} split"
    both_ways = ((train.labels, test.labels), (test.labels, train.labels))
    for why in [nothing_to_recognise(one, other, "objects") for one, other in both_ways]:
        if why:
            found.setdefault("odd one out", why)
    return found


def _in_other_worlds(
    methods: dict[str, Method], arena: Arena, places: dict[str, Arena], config: ProbeConfig, tick: Tick
) -> dict[str, Any]:
    world = arena.test.world
    here = arena.visit(config.views, config, config.repeats).pairs(methods, config.views, tick)
    found = {}
    for name, place in places.items():
        there = elsewhere(methods, world, place.test, place.test_policy(), config, tick)
        found[name] = generalisation(here, there, name, world.quantities(), len(world.classes), config)
    return found
