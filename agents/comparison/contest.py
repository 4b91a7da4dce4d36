"""One frozen world model, fixation policies swapped: the protocol that says whether looking well is worth anything.

All policies begin at the same first fixations. What the model makes of their streams is read by linear probes, trained
anew for every policy ("retrained") and one for all ("shared"); both are trained on the one split and scored on the
other. The oracle chooses, on the test split alone, by the true label under the shared probe, and is read by it alone:
where it has looked betrays the label, so that a probe trained on its streams would read it there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from gazeworld.envs.fixations import Inhibition
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.models.method import Method

from ..config import Compared
from ..planning.ensemble import Ensemble
from ..policy import Policy
from ..probes.features import Tick, joined, quiet, scored
from ..probes.readouts import Budget, ReadOuts, fit_classifier, require_labels
from ..training.checkpoint import signature
from .contestants import CONTROLS, NEED_ENSEMBLE, Contestant, fingerprint
from .cost import Cost, cost_of, model_cost
from .oracle import GreedyOracle, Readers
from .streams import Visit, labels_of, visit

VERSION = 2  # of what is kept on disk: raise it whenever the code gives other streams
RETRAINED, SHARED = "retrained", "shared"


@dataclass(frozen=True)
class Field:
    """Where policies are compared: a frozen world model, an environment over each split, and what else they need.

    `ensemble` is for planners that need one. `settings` is everything JSON-able that the worlds were made from:
    finished streams are kept in the folder `store` and found again by it.
    """

    method: Method
    train: ActiveVisionVectorEnv
    test: ActiveVisionVectorEnv
    ensemble: Ensemble | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    store: Path | None = None


@dataclass(frozen=True)
class Played:
    """What came of one policy in one run.

    `correct` says for each kind of probe whether the class was right after 1 … m views of every test scene; `poses`
    are the fixations on the test split.
    """

    contestant: Contestant
    correct: dict[str, Bool[Tensor, "m n"]]
    poses: Float32[Tensor, "n m p"]
    cost: Cost


@dataclass(frozen=True)
class Contest:
    """What came of all policies in one run, by name.

    `scenes` are the test scenes, `shared_by` those whose streams the shared probe was trained on, and `streams` how
    many each of them gave.
    """

    played: dict[str, Played]
    scenes: Int64[Tensor, " n"]
    shared_by: tuple[str, ...]
    streams: int


def contest(place: Field, contestants: Sequence[Contestant], config: Compared, tick: Tick = quiet) -> Contest:
    """Let everybody look around, train the probes, and let the oracle go last.

    Raises ValueError for policies that do not fit the world (before anything long begins), for unlabelled splits and
    for a shared probe without streams.
    """
    stage = _Stage(place, config, tick, model_cost(place.method, place.test.world, config))
    others = [one for one in contestants if one.kind != "oracle"]
    shared_by = sharing(others, config)
    policies = {one.name: stage.policy(one, place.test) for one in others}  # one for another world is told now
    train = {one.name: stage.visited(one, place.train) for one in others}
    test = {one.name: stage.visited(one, place.test, policies[one.name]) for one in others}
    tick("the shared probe", 0, 1)
    shared = stage.probe(joined([train[name] for name in shared_by], aggregates=1), len(shared_by))
    played = {}
    for one in others:
        tick(f"{one.name}: its own probe", 0, 1)
        seen = test[one.name]
        correct = {RETRAINED: _right(stage.probe(train[one.name]), seen), SHARED: _right(shared, seen)}
        played[one.name] = stage.played(one, correct, seen, policies[one.name])
    for one in contestants:
        if one.kind == "oracle":
            policy = stage.oracle(one, Readers.of(shared))
            seen = stage.visited(one, place.test, policy, stage.probed(others, shared_by))
            played[one.name] = stage.played(one, {SHARED: _right(shared, seen)}, seen, policy)
    some = others[0].name
    return Contest(played, test[some].scenes.cpu(), shared_by, len(train[some].labels))


def sharing(contestants: Sequence[Contestant], config: Compared) -> tuple[str, ...]:
    """Whose streams the shared probe is trained on. Raises ValueError if none of them takes part."""
    wanted = {"controls": CONTROLS, "uniform": ("uniform",), "all": tuple(one.name for one in contestants)}
    found = tuple(one.name for one in contestants if one.name in wanted[config.shared])
    if not found:
        raise ValueError(
            f"the shared probe is to be trained on {config.shared!r}, but none of {', '.join(wanted[config.shared])} "
            "takes part"
        )
    return found


@dataclass(frozen=True)
class _Stage:
    """The steps of a contest in one place."""

    place: Field
    config: Compared
    tick: Tick
    model: list[float]

    def policy(self, one: Contestant, env: ActiveVisionVectorEnv) -> Policy:
        return one.make(env.world, self.place.method, self.place.ensemble)

    def oracle(self, one: Contestant, readers: Readers) -> GreedyOracle:
        world = self.place.test.world
        options = {name: value for name, value in one.policy.items() if name not in ("name", "grid")}
        inhibition = Inhibition(**options)
        return GreedyOracle(
            world, self.place.method, readers, labels_of(world), grid=self.config.grid, inhibition=inhibition
        )

    def probed(self, others: Sequence[Contestant], shared_by: tuple[str, ...]) -> dict[str, Any]:
        """What the shared probe depends on: the streams that it was trained on, and how."""
        files = [self._file(one, "train", self._asked("train")) for one in others if one.name in shared_by]
        budget = [self.config.epochs, self.config.batch, self.config.seed]
        return {"probe": [None if file is None else file.name for file in files], "budget": budget}

    def _asked(self, split: str) -> dict[str, Any]:
        """Which streams of a split: how many scenes, seen by how many rows at once, from which seed."""
        config = self.config
        if split == "train":
            return {"scenes": config.scenes, "rows": self.place.train.num_envs, "seed": config.seed}
        return {"scenes": config.test_scenes, "rows": self.place.test.num_envs, "seed": scored(config.seed)}

    def visited(
        self,
        one: Contestant,
        env: ActiveVisionVectorEnv,
        policy: Policy | None = None,
        more: dict[str, Any] | None = None,
    ) -> Visit:
        """The streams of a policy over a split, as they were kept or made now; `more` is what else they depend on."""
        split = "train" if env is self.place.train else "test"
        asked = self._asked(split)
        file = self._file(one, split, {**(more or {}), **asked})
        device = next(self.place.method.parameters()).device
        kept = None if file is None else Visit.load(file, device)
        if kept is not None:
            self.tick(f"{one.name}: kept from before ({split})", 1, 1)
            return kept

        def told(what: str, done: int, total: int) -> None:
            self.tick(f"{one.name}: {what} ({split})", done, total)

        told("looking around", 0, 1)
        looking, views = policy or self.policy(one, env), self.config.views
        found = visit(self.place.method, env, looking, asked["scenes"], views, asked["seed"], told)
        if file is not None:
            found.save(file)
        return found

    def _file(self, one: Contestant, split: str, more: dict[str, Any]) -> Path | None:
        place = self.place
        if place.store is None:
            return None
        key = {**more, "version": VERSION, "model": signature(place.method), "split": split, "settings": place.settings}
        key |= {"views": self.config.views, **one.key()}
        if one.name in NEED_ENSEMBLE and place.ensemble is not None:
            key["heads"] = signature(place.ensemble)
        return place.store / f"{one.name}-{split}-{fingerprint(key)}.safetensors"

    def probe(self, seen: Visit, visits: int = 1) -> ReadOuts:
        """A classifier for every number of views; as many steps for the streams of several policies as of one."""
        epochs = max(1, round(self.config.epochs / visits))
        classes = len(self.place.train.world.classes)
        return fit_classifier(
            seen.aggregates, seen.labels, classes, Budget(epochs, self.config.batch, self.config.seed)
        )

    def played(self, one: Contestant, correct: dict[str, Tensor], seen: Visit, policy: Policy) -> Played:
        cost = cost_of(self.place.test, policy, one, self.config, self.model)
        return Played(one, correct, seen.poses.cpu(), cost)


def _right(probes: ReadOuts, seen: Visit) -> Bool[Tensor, "m n"]:
    scores = probes(seen.aggregates)  # m n classes
    require_labels(seen.labels, scores.shape[2], "test")
    return (scores.argmax(2) == seen.labels).cpu()
