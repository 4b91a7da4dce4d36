"""Ranks against naive loops, and predictors whose aim is known: perfect, collapsed, deaf to actions."""

import json
import math

import pytest
import torch
from fakes.object_datasets import objects
from fakes.worlds import CountingWorld
from gymnasium.vector import AutoresetMode
from torch import Tensor, nn

from gazeworld.agents.config import ProbeConfig
from gazeworld.agents.policy import make_policy
from gazeworld.agents.probes import retrieval as module
from gazeworld.agents.probes.features import rollouts
from gazeworld.agents.probes.retrieval import Ranks, ranks, retrieval
from gazeworld.agents.probes.stored_views import Stored
from gazeworld.envs.objects import rotations
from gazeworld.envs.stream import Stream
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.worlds.rotation import RotationWorld
from gazeworld.models.method import Method, Predicts, WorldSpec, frozen, make_method

V, M = 9, 3
CONFIG = ProbeConfig(views=M, repeats=1, seed=4)


class Planted(Method):
    """Knows the pose of every view by its number; embeds rotations so that the nearest ones are the most similar."""

    view_dim, aggregate_dim = 16, 4

    def __init__(self, world: RotationWorld, kind: str = "perfect") -> None:
        super().__init__()
        self.poses, self.kind = world.views.poses, kind
        self.weight = nn.Parameter(torch.ones(1))

    def turns(self, views: Tensor) -> Tensor:
        return self.poses[views[..., 0, 0, 0].long(), views[..., 1, 0, 0].long(), :4]

    def encode(self, views: Tensor) -> Tensor:
        return torch.cat([self.turns(views), torch.zeros(*views.shape[:2], 12)], -1)

    def aggregate(self, encoded: Tensor, actions: Tensor) -> Tensor:
        return encoded[:, -1, :4]

    def predict(self, aggregate: Tensor, action: Tensor) -> Tensor:
        told = torch.tensor([[0.0, 0, 0, 1]]).expand_as(action) if self.kind == "deaf" else action
        found = self.embedded(rotations.multiply(aggregate, told))
        return torch.full_like(found, math.nan) if self.kind == "lost" else found

    def goal(self, views: Tensor) -> Tensor:
        return self.embedded(self.turns(views)) * (0 if self.kind == "collapsed" else 1)

    def embedded(self, q: Tensor) -> Tensor:
        return (q[..., :, None] * q[..., None, :]).flatten(-2)  # the same for q and -q

    def loss(self, stream: Stream) -> tuple[Tensor, dict[str, Tensor]]:
        raise NotImplementedError


class Mute(Method):
    """Predicts nothing."""

    encode = aggregate = loss = lambda *_: None


def place(n: int = 21) -> ActiveVisionVectorEnv:
    world = RotationWorld(objects(n=n, v=V, seed=1))
    return ActiveVisionVectorEnv(4, world, episode_steps=M + 1, tensors=True, autoreset_mode=AutoresetMode.DISABLED)


def measured(*kinds: str, policy: str = "unseen", repeats: int = 2) -> dict:
    env = place()
    assert isinstance(env.world, RotationWorld)
    methods: dict[str, Method] = {kind: Planted(env.world, kind) for kind in kinds}
    return retrieval(methods, env, make_policy(policy, env.world), CONFIG, repeats)


def test_ranks_are_those_of_a_naive_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randint(0, 4, (60, V), generator=generator).float()  # full of ties
    target = torch.randint(0, V, (60,), generator=generator)
    allowed = torch.rand(60, V, generator=generator) < 0.7
    for fit in (None, allowed):
        found = ranks(scores, target, fit)
        for i in range(60):
            own = scores[i, target[i]]
            others = [v for v in range(V) if v != target[i] and (fit is None or fit[i, v])]
            better = sum(bool(scores[i, v] > own) for v in others)
            tied = sum(bool(scores[i, v] == own) for v in others)
            places = range(better + 1, better + tied + 2)  # equally likely
            assert found.candidates[i] == len(others) + 1
            assert found.reciprocal()[i] == pytest.approx(sum(1 / p for p in places) / len(places))
            for k in (1, 5):
                assert found.hit(k)[i] == pytest.approx(sum(p <= k for p in places) / len(places))


def test_the_protocol_is_that_of_a_naive_loop() -> None:
    torch.manual_seed(0)
    env = place()
    world, policy = env.world, make_policy("unseen", env.world)
    assert isinstance(world, RotationWorld)
    options = {"encoder": "small", "dim": 12, "width": 4, "action_width": 4, "predictor_hidden": 16}
    method = make_method("seq-jepa", WorldSpec((3, 8, 8), 4, world.mean, world.std), **options)
    found = retrieval({"a": method}, env, policy, CONFIG, repeats=1)
    stream = rollouts(env, policy, M + 1, seed=CONFIG.seed)
    n = len(stream.scenes)
    naive = {kind: {"mrr": 0.0, "hit@1": 0.0, "hit@5": 0.0} for kind in ("all views", "unseen views")}
    m = 2
    with frozen(method):
        for i in range(n):
            aggregate = method.represent(stream.views[i : i + 1, :m], stream.actions[i : i + 1, : m - 1]).aggregate
            answer = method.predict(aggregate, stream.actions[i : i + 1, m - 1])[0]
            shown = world.objects.gallery(stream.scenes[i].repeat(V), torch.arange(V)).permute(0, 3, 1, 2)
            cosines = [float(torch.cosine_similarity(answer, goal, dim=0)) for goal in method.goal(shown[None])[0]]
            where = [bool((shown[v] == stream.views[i, m]).all()) for v in range(V)].index(True)
            observed = [v for v in range(V) for t in range(m) if bool((shown[v] == stream.views[i, t]).all())]
            for kind, left in (("all views", []), ("unseen views", observed)):
                rank = 1 + sum(c > cosines[where] for v, c in enumerate(cosines) if v not in left)
                naive[kind]["mrr"] += 1 / rank / n
                naive[kind]["hit@1"] += (rank <= 1) / n
                naive[kind]["hit@5"] += (rank <= 5) / n
    for kind, scores in naive.items():
        for name, value in scores.items():
            assert found["values"]["a"][kind][name][m - 1] == pytest.approx(value), (kind, name)


def test_perfect_collapsed_and_deaf_predictors() -> None:
    found = measured("perfect", "collapsed", "deaf")
    chance, values = found["chance"], found["values"]
    harmonic = sum(1 / r for r in range(1, V + 1))
    for i, m in enumerate((1, 2, 3)):
        assert chance["all views"]["mrr"][i] == pytest.approx(harmonic / V)
        assert chance["all views"]["hit@1"][i] == pytest.approx(1 / V)
        assert chance["all views"]["hit@5"][i] == pytest.approx(5 / V)
        assert chance["unseen views"]["hit@1"][i] == pytest.approx(1 / (V - m))
        for name in ("mrr", "hit@1", "hit@5"):
            assert values["perfect"]["all views"][name][i] == 1
            assert values["perfect"]["unseen views"][name][i] == 1
            for kind in ("all views", "unseen views"):
                assert values["collapsed"][kind][name][i] == pytest.approx(chance[kind][name][i])
        assert values["perfect"]["all views"]["degrees"][i] == pytest.approx(0, abs=0.1)
        assert values["perfect"]["another stream's action"]["hit@1"][i] < 0.5
        # Who answers with the last view itself finds that view first, never the target, which has not been seen.
        assert values["deaf"]["all views"]["hit@1"][i] == 0
        deaf = values["deaf"]
        assert deaf["all views"] == deaf["another stream's action"]
        assert 30 < chance["all views"]["degrees"][i] < 120


def test_a_target_that_was_seen_stays_a_candidate() -> None:
    found = measured("perfect", policy="uniform")
    assert found["values"]["perfect"]["unseen views"]["hit@1"] == [1, 1, 1]
    # Some targets had been seen, so that fewer views were left out on average.
    assert found["chance"]["unseen views"]["hit@1"][2] < 1 / (V - M)


def test_what_is_written_says_how_it_came_about() -> None:
    found = measured("perfect")
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["scored on"] == {"split": "train", "streams": 42}
    assert (found["seed"], found["views"], found["candidates"]) == (4, [1, 2, 3], V)
    assert "cosine" in found["target"]
    assert found == measured("perfect")


def test_chance_with_one_candidate_is_certain() -> None:
    one, none = torch.ones(2).long(), torch.zeros(2).long()
    assert Ranks(none, none, one).reciprocal().tolist() == [1, 1]


def test_errors_are_one_clear_sentence() -> None:
    env = place()
    policy = make_policy("unseen", env.world)
    with pytest.raises(ValueError, match="the a method, a Mute, predicts no views"):
        retrieval({"a": Mute()}, env, policy, CONFIG)
    with pytest.raises(ValueError, match="their cosines with true ones are not all finite"):
        retrieval({"a": Planted(env.world, "lost")}, env, policy, CONFIG)
    with pytest.raises(ValueError, match="needs a world of stored views, and CountingWorld has none"):
        Stored(CountingWorld())
    with pytest.raises(ValueError, match="stream 0 shows object 1 from a pose that none of its views has"):
        Stored(env.world).number(torch.tensor([1]), torch.full((1, 2, 6), math.pi))


def test_goals_are_what_seq_jepa_is_trained_to_predict() -> None:
    torch.manual_seed(0)
    options = {"encoder": "small", "dim": 12, "width": 4, "action_width": 4, "predictor_hidden": 16}
    method = make_method("seq-jepa", WorldSpec((3, 8, 8), 4, (0.5,) * 3, (0.2,) * 3), **options)
    assert isinstance(method, Predicts)
    with torch.no_grad():
        for parameter in method.encoder.parameters():
            parameter.add_(0.1)
    views = torch.randint(0, 256, (2, 3, 3, 8, 8), dtype=torch.uint8)
    method.eval()
    goals = method.goal(views)
    assert not goals.requires_grad
    flat = method.target(method.normalise(views.flatten(0, 1)))
    torch.testing.assert_close(goals, flat.unflatten(0, (2, 3)))
    assert not torch.allclose(goals, method.encode(views))


def test_objects_are_embedded_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measured("perfect", "deaf")
    monkeypatch.setattr(module, "_OBJECTS", 2)
    assert measured("perfect", "deaf") == whole
