"""The protocol of comparing fixation policies, on pictures in which one place tells the class."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from gymnasium.vector import AutoresetMode
from torch import Tensor, nn

from gazeworld.agents.comparison import statistics
from gazeworld.agents.comparison.contest import RETRAINED, SHARED, Contest, Field, Played, contest, sharing
from gazeworld.agents.comparison.contestants import Contestant, Gaze, choose, learned, standard
from gazeworld.agents.comparison.cost import Cost, cost_of, model_cost
from gazeworld.agents.comparison.fixation_maps import fixation_map, lengths_of, overlap, saccades
from gazeworld.agents.comparison.oracle import GreedyOracle, Readers
from gazeworld.agents.comparison.path_integration import path_integration
from gazeworld.agents.comparison.statistics import (
    glimpses_needed,
    interval,
    path_change,
    resampled,
    share,
    summary,
    two_by_two,
)
from gazeworld.agents.comparison.streams import labels_of, whole_image
from gazeworld.agents.config import Compared
from gazeworld.agents.policy import Memory, make_policy
from gazeworld.agents.probes.readouts import Budget, fit_classifier
from gazeworld.agents.training.loop import collect
from gazeworld.envs.fixations import Inhibition
from gazeworld.envs.images import Images
from gazeworld.envs.rng import Draws
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import Scene
from gazeworld.envs.worlds.saccade import SaccadeWorld
from gazeworld.models.method import Method

SIDE, GLIMPSE, N = 24, 8, 90
FEW = Compared(views=3, scenes=0, test_scenes=0, epochs=25, batch=32, resamples=200)


def spots(seed: int = 0, n: int = N) -> SaccadeWorld:
    """Dark pictures, each with one bright spot of 4 px somewhere, whose colour is the class."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.full((n, SIDE, SIDE, 3), 20, dtype=torch.uint8)
    labels = torch.arange(n) % 3
    for i in range(n):
        row, column = (int(x) for x in torch.randint(0, SIDE - 4, (2,), generator=generator))
        pixels[i, row : row + 4, column : column + 4, labels[i]] = 240
    images = Images("spots", "train", pixels, labels, ("r", "g", "b"), (0.1,) * 3, (0.2,) * 3, f"spots{seed}")
    return SaccadeWorld(images, glimpse=GLIMPSE)


class Sees(Method):
    """Knows how much of each colour a glimpse shows, and remembers the most of each: recognition by having looked.

    The way that actions lead together is remembered beside it. A linear layer that changes nothing costs something.
    """

    view_dim, aggregate_dim = 3, 5

    def __init__(self) -> None:
        super().__init__()
        self.same = nn.Linear(3, 3, bias=False)
        nn.init.eye_(self.same.weight)

    def encode(self, views: Tensor) -> Tensor:
        return self.same((views.float() / 255).mean((-1, -2)))

    def aggregate(self, encoded: Tensor, actions: Tensor) -> Tensor:
        return torch.cat([encoded.amax(1), actions.sum(1)], 1)

    def loss(self, stream):
        raise NotImplementedError


def env(world: SaccadeWorld) -> ActiveVisionVectorEnv:
    return ActiveVisionVectorEnv(30, world, episode_steps=3, tensors=True, autoreset_mode=AutoresetMode.DISABLED)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Field:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAZEWORLD_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        return Field(Sees(), env(spots(0)), env(spots(1)), store=tmp_path_factory.mktemp("kept"))


@pytest.fixture(scope="module")
def result(place: Field, tmp_path_factory: pytest.TempPathFactory) -> Contest:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAZEWORLD_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        return contest(place, everybody(), FEW)


def everybody() -> list[Contestant]:
    there = standard(Gaze("contrast", Inhibition(4.0)), 9)
    return choose(("uniform", "centre", "other-map", "grid", "oracle"), there)


def test_everybody_begins_alike_and_who_looks_well_is_right(result: Contest, place: Field) -> None:
    assert list(result.played) == ["uniform", "centre", "other-map", "saliency", "grid", "oracle"]
    first = result.played["uniform"].poses[:, 0]
    assert all(torch.equal(one.poses[:, 0], first) for one in result.played.values())
    shared = {name: one.correct[SHARED].float().mean(1) for name, one in result.played.items()}
    assert all(torch.equal(scores[:1], shared["uniform"][:1]) for scores in shared.values()), "one view, one accuracy"
    assert shared["oracle"][1] > 0.97, "one of 81 places shows the spot"
    assert shared["saliency"][2] > shared["uniform"][2] + 0.1
    assert shared["saliency"][2] > shared["other-map"][2] + 0.1, "the maps are those of other images"
    assert RETRAINED not in result.played["oracle"].correct
    assert result.shared_by == ("uniform", "centre", "other-map", "saliency", "grid")
    assert result.streams == N


def test_what_was_kept_is_not_made_again(place: Field, result: Contest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gazeworld.agents.comparison.contest.visit", lambda *_: pytest.fail("looked again"))
    again = contest(place, everybody(), FEW)
    for name, one in result.played.items():
        assert all(torch.equal(one.correct[probe], again.played[name].correct[probe]) for probe in one.correct)
    assert place.store is not None
    file = next(place.store.glob("grid-test-*"))
    whole = file.read_bytes()
    file.write_bytes(whole[:100])
    with pytest.raises(pytest.fail.Exception):
        contest(place, everybody(), FEW)  # a damaged file is made again
    file.write_bytes(whole)
    with pytest.raises(pytest.fail.Exception):
        contest(place, everybody(), replace(FEW, seed=1))
    with pytest.raises(pytest.fail.Exception):
        contest(replace(place, settings={"noise": 0.1}), everybody(), FEW)


def test_the_oracle_is_asked_again_when_its_probe_is_another(place: Field, result: Contest, tmp_path: Path) -> None:
    fewer = replace(FEW, scenes=30)
    store = replace(place, store=tmp_path)
    assert place.store is not None
    for file in place.store.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    after, alone = (contest(there, everybody(), fewer) for there in (store, replace(place, store=None)))
    assert torch.equal(after.played["oracle"].poses, alone.played["oracle"].poses)
    assert not torch.equal(after.played["oracle"].poses, result.played["oracle"].poses), "another probe, other choices"


def test_unlabelled_splits_are_refused(place: Field) -> None:
    known = spots(1).images
    blank = SaccadeWorld(replace(known, labels=torch.full_like(known.labels, -1)), glimpse=GLIMPSE)
    with pytest.raises(ValueError, match="test samples have none"):
        contest(replace(place, test=env(blank), store=None), everybody()[:1], replace(FEW, shared="uniform"))


def test_the_oracle_is_the_best_by_brute_force() -> None:
    world, method = spots(3, 12), Sees()
    x = torch.rand(3, 60, 5)
    heads = fit_classifier(x, torch.arange(60) % 3, 3, Budget(3))
    readers = Readers.of(heads)
    torch.testing.assert_close(readers.log_p(x[1], 2), heads(x)[1].log_softmax(-1), rtol=1e-4, atol=1e-5)
    oracle = GreedyOracle(world, method, readers, labels_of(world), grid=5, inhibition=Inhibition(3.0))
    index, rng = torch.arange(12), Draws.rows(0, 12)
    scene = world.scene(index, rng)
    memory = Memory(world.look(scene, scene.pose)[:, None], torch.zeros(12, 0, 2), scene.pose[:, None], index)
    action = oracle.act(memory, rng).action
    for i in range(12):
        best = {}
        for pose in oracle.places:
            there = world.move(one(scene, i), scene.pose[i : i + 1], (pose - scene.pose[i])[None])
            apart = (world.lattice.places(there) - world.lattice.places(scene.pose[i : i + 1])).double().norm()
            if apart > 3.0:
                views = torch.stack([memory.views[i, 0], world.look(one(scene, i), there)[0]])[None]
                z = method.aggregate(method.encode(views), (there - scene.pose[i])[None])
                log_p = heads(z.expand(3, -1, -1))[1, 0].log_softmax(-1)
                best[tuple(there[0].tolist())] = float(log_p[labels_of(world)[i]])
        chosen = world.move(one(scene, i), scene.pose[i : i + 1], action[i : i + 1])[0]
        assert best[tuple(chosen.tolist())] == pytest.approx(max(best.values()), abs=1e-5)


def one(scene: Scene, i: int) -> Scene:
    return Scene(scene.index[i : i + 1], scene.label[i : i + 1], scene.pose[i : i + 1])


def test_the_grid_is_scanned_once_in_an_order_of_its_own() -> None:
    world = spots(4, 20)
    episodes = ActiveVisionVectorEnv(20, world, episode_steps=20, tensors=True, autoreset_mode="Disabled")
    episodes.reset(seed=0)
    stream = collect(episodes, make_policy("grid", world), 18, Draws.rows(0, 20))
    steps = torch.tensor([0, 8, 16])
    places = world.lattice.poses(torch.cartesian_prod(steps, steps))
    nearest = (stream.poses[:, :, None] - places).norm(dim=-1)
    assert (nearest.amin(2)[:, 1:] < 1e-6).all(), "every place after the first is one of the grid"
    visits = nearest.argmin(2)
    for row in visits.tolist():
        assert sorted(row[:9]) == list(range(9)), "the first fixation counts for the place next to it"
        assert sorted(row[9:]) == list(range(9)), "then it begins anew"
    assert len({tuple(row) for row in visits[:, :9].tolist()}) > 15
    scene = world.scene(torch.arange(20), Draws.rows(0, 20))
    begun = Memory(stream.views[:, :1], stream.actions[:, :0], scene.pose[:, None], scene.index)
    choice = make_policy("grid", world).act(begun, Draws.rows(1, 20))
    torch.testing.assert_close(choice.log_prob.exp(), torch.full((20,), 1 / 8))
    with pytest.raises(ValueError, match="a grid of 18 x 18 fixations"):
        make_policy("grid", world, side=18)


def test_another_images_map_is_that_of_an_image_of_another_label() -> None:
    world = spots(5, 10)
    plan = standard(Gaze("contrast", Inhibition(1.0)), 9)["other-map"]
    policy = plan.make(world, Sees(), None)
    scenes = torch.arange(10)
    pose = torch.full((10, 1, 2), 0.5)
    memory = Memory(torch.zeros(10, 1, 3, 8, 8, dtype=torch.uint8), torch.zeros(10, 0, 2), pose, scenes)
    # Labels 0 1 2 0 1 …: in their order the images are 0 3 6 9 1 4 7 2 5 8, and four further on 1 4 7 2 5 8 0 3 6 9.
    other = torch.tensor([1, 5, 3, 4, 8, 6, 7, 0, 9, 2])
    assert (world.labels[other] != world.labels).all()
    swapped = replace(memory, scenes=other)
    own = replace(plan, elsewhere=False).make(world, Sees(), None)
    rng = Draws.rows(0, 10)
    assert torch.equal(policy.act(memory, rng).action, own.act(swapped, rng).action)
    assert not torch.equal(policy.act(memory, rng).action, own.act(memory, rng).action)
    renamed = replace(plan, elsewhere=False, name="saliency").make(world, Sees(), None)
    assert not torch.equal(own.act(memory, rng).action, renamed.act(memory, rng).action), "draws of its own"


def test_costs_are_counted_by_hand(place: Field) -> None:
    there, counts = standard(Gaze("image-signature"), 9), {}
    model = model_cost(place.method, place.test.world, FEW)
    readers = Readers(torch.zeros(3, 3, 5), torch.zeros(3, 3))
    oracle = GreedyOracle(place.test.world, place.method, readers, labels_of(place.test.world))
    for name in ("saliency", "grid", "oracle"):
        policy = oracle if name == "oracle" else there[name].make(place.test.world, place.method, None)
        counts[name] = cost_of(place.test, policy, there[name], FEW, model)
    # One product of 3 x 3 per glimpse, a multiply-add as two.
    assert counts["grid"] == Cost([64, 128, 192], 0, [18.0, 36.0, 54.0], 0.0, 0.0)
    assert (counts["saliency"].beside, counts["saliency"].decision) == (SIDE**2, 0.0)
    assert counts["saliency"].once > 0, "the transforms of an image signature"
    assert counts["oracle"].beside == 81 * 64
    # Encoded once: 81 places; at every decision: the views so far, and 81 aggregates read for 3 classes.
    assert counts["oracle"].decision == (81 * 18 + (18 + 36) + 2 * 81 * 2 * 5 * 3) / 2


def test_the_bootstrap_is_paired_and_knows_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    right = (torch.rand(1, 400, generator=generator) < 0.7).double()
    both = torch.cat([right, right, 1 - right])
    means = resampled(both, 4000, 0)
    low, high = interval(means)[0].tolist()
    mean = float(right.mean())
    width = 1.96 * (mean * (1 - mean) / 400) ** 0.5
    assert (low, high) == (pytest.approx(mean - width, abs=0.006), pytest.approx(mean + width, abs=0.006))
    assert torch.equal(means[0], means[1]), "the same images for all"
    torch.testing.assert_close(means[0] + means[2], torch.ones(4000).double())
    assert not torch.equal(means, resampled(both, 4000, 1))
    assert resampled(both[:, :50], 100, 0).shape == (3, 100)
    monkeypatch.setattr(statistics, "_CHUNK", 400 * 1000)
    parts = resampled(both, 4000, 0)
    torch.testing.assert_close(parts[0] + parts[2], torch.ones(4000).double())
    gain, whole = torch.tensor([[0.1, 0.2], [0.1, 0.2]]), torch.tensor([[0.2, 0.4], [-0.1, 0.4]])
    closed = share(gain, whole, torch.tensor([[0.15, 0.3], [0.15, 0.3]]))
    assert closed == {"mean": [0.5, None], "interval": [[0.5, 0.5], None]}
    whole = torch.full((1, 200), 0.4)
    whole[0, 0] = 0  # hardly ever is there no gap
    seldom = share(torch.full((1, 200), 0.1), whole, torch.tensor([[0.1, 0.4]]))
    assert seldom == {"mean": [pytest.approx(0.25)], "interval": [None]}


def made(name: str, right: list[list[float]], kind: str = "planned") -> Played:
    """A policy that was right for these shares of 40 images, for 1 … m views, with either probe."""
    rows = torch.stack([torch.arange(40) < round(40 * x) for x in right[0]])
    other = torch.stack([torch.arange(40) < round(40 * x) for x in right[1]])
    poses = torch.rand(40, 3, 2, generator=torch.Generator().manual_seed(len(name)))
    contestant = Contestant(name, name.upper(), kind, {"name": name})
    correct = {SHARED: other} if kind == "oracle" else {RETRAINED: rows, SHARED: other}
    return Played(contestant, correct, poses, Cost([1, 2, 3], 0, [1.0, 2.0, 3.0], 0.0, 0.0))


def contested(*everybody: Played) -> Contest:
    return Contest({one.contestant.name: one for one in everybody}, torch.arange(40), ("saliency",), 40)


BASE = made("saliency", [[0.5, 0.6, 0.7]] * 2, "control")
CENTRE = made("centre", [[0.5, 0.5, 0.6]] * 2, "control")
ROOF = made("oracle", [[0.5, 0.9, 0.9]] * 2, "oracle")
GOOD = made("novelty", [[0.5, 0.9, 0.9], [0.5, 0.6, 0.65]])


def test_a_summary_holds_what_the_definitions_say() -> None:
    worse = made("saliency", [[0.5, 0.5, 0.5]] * 2, "control")
    found = summary([contested(BASE, CENTRE, GOOD, ROOF), contested(worse, CENTRE, GOOD, ROOF)], FEW, 96)
    json.dumps(found, allow_nan=False)
    own = found["accuracy"][RETRAINED]["saliency"]
    assert own["mean"] == pytest.approx([0.5, 0.55, 0.6])
    assert own["std"] == pytest.approx([0.0, 0.05 * 2**0.5, 0.1 * 2**0.5])
    gains = found["difference to saliency"][RETRAINED]["novelty"]
    assert gains["mean"] == pytest.approx([0.0, 0.35, 0.3])
    assert [run["mean"][2] for run in gains["runs"]] == pytest.approx([0.2, 0.4])
    assert gains["interval"][0] == [0.0, 0.0]
    assert 0 < gains["interval"][1][0] < 0.35 < gains["interval"][1][1]
    assert found["gap closed"][SHARED]["novelty"]["mean"] == pytest.approx([None, 0.05 / 0.35, 0.05 / 0.3])
    assert found["gap closed"][RETRAINED]["novelty"]["mean"][1:] == pytest.approx([1.0, 1.0])
    assert found["difference to centre"][SHARED]["novelty"]["mean"] == pytest.approx([0.0, 0.1, 0.05])
    single = summary([contested(BASE, CENTRE, GOOD)], FEW, 96)
    assert single["gap closed"] == {}
    assert single["accuracy"][SHARED]["saliency"]["std"] is None
    with pytest.raises(ValueError, match="only if their policies and test images are the same"):
        summary([contested(BASE, GOOD), contested(BASE, CENTRE)], FEW, 96)


def test_glimpses_for_the_accuracy_of_the_whole_image() -> None:
    found = summary([contested(BASE, CENTRE, GOOD, ROOF)], replace(FEW, resamples=400), 96)
    second = glimpses_needed(found, 0.94)
    assert second[RETRAINED] == {"saliency": None, "centre": None, "novelty": 2}
    assert (second["share"], second["whole image"]) == (0.95, 0.94)
    assert set(glimpses_needed(found, 0.99)[RETRAINED].values()) == {None}
    gain = found["difference to saliency"]
    assert gain[RETRAINED]["novelty"]["mean"][1] == pytest.approx(0.3)
    assert gain[RETRAINED]["novelty"]["interval"][1][0] > 0
    assert gain[SHARED]["novelty"]["mean"][1] == pytest.approx(0.0)
    assert found["gap closed"][RETRAINED]["novelty"]["mean"][1:] == pytest.approx([1.0, 1.0])
    json.dumps(found | {"glimpses": second}, allow_nan=False)


def test_path_integration_by_what_runs_were_trained_with() -> None:
    def run(*scores: float) -> dict:
        return {"values": {head: {"r2": list(scores), "rmse": [5.0, 6.0]} for head in ("linear", "ridge")}}

    kept = path_change({"saliency": [run(0.8, 0.7), run(0.9, 0.7)], "learnt": [run(0.84, 0.69)]})
    assert kept["change of R²"] == pytest.approx([-0.01, -0.01])
    assert kept["groups"]["saliency"]["linear"] == {"r2": pytest.approx([0.85, 0.7]), "rmse": [5.0, 6.0]}
    lost = path_change({"saliency": [run(0.8, 0.7)], "learnt": [run(0.9, 0.67)]})
    assert lost["change of R²"] == pytest.approx([0.1, -0.03])
    assert path_change({"saliency": [run(0.8, 0.7)]})["change of R²"] is None


def test_the_two_by_two_tells_factors_from_their_interaction() -> None:
    def run(x: float, y: float) -> list[Contest]:
        return [contested(made("saliency", [[x] * 3] * 2), made("theirs", [[y] * 3] * 2))]

    rows, columns = {"A": run(0.5, 0.6), "B": run(0.4, 0.8)}, {"S": "saliency", "T": "theirs"}
    found = two_by_two(rows, columns, FEW)[RETRAINED]
    assert found["accuracy"]["B"]["T"]["mean"] == pytest.approx([0.8] * 3)
    means = {what: one["mean"][0] for what, one in found["differences"].items()}
    assert means == pytest.approx(
        {
            "tested with T − S, trained with A": 0.1,
            "tested with T − S, trained with B": 0.4,
            "trained with B − A, tested with S": -0.1,
            "trained with B − A, tested with T": 0.2,
            "interaction": 0.3,
        }
    )


def test_where_policies_look() -> None:
    here = torch.tensor([[[0.2, 0.8]] * 3, [[0.7, 0.3]] * 3]).double()
    density = fixation_map(here[:1], 0.04)
    assert float(density.sum()) == pytest.approx(1.0)
    assert divmod(int(density.argmax()), 24) == (4, 19), "row first: 0.2 of the height, 0.8 of the width"
    found = overlap({"a": here, "same": here, "swapped": here.flip(0)})
    assert found["everywhere"][0] == pytest.approx([1.0, 1.0, 1.0])
    assert found["scene by scene"][0] == pytest.approx([1.0, 1.0, 0.0], abs=0.02)
    walk = torch.tensor([[[0.0, 0.0], [0.3, 0.4], [0.3, 0.9]]]).double()
    assert lengths_of(walk, 10).tolist() == pytest.approx([5.0, 5.0])
    assert sum(saccades(walk, 10)["share"]) == pytest.approx(1.0)
    assert saccades(walk, 10)["mean"] == pytest.approx(5.0)


def test_paths_and_whole_images(place: Field) -> None:
    found = path_integration(place.method, place.train, place.test, FEW)
    assert found["values"]["ridge"]["r2"] == pytest.approx([1.0] * 3, abs=1e-3), "the sum of actions and the next one"
    assert max(found["values"]["ridge"]["rmse"]) < 0.2, "pixels"
    assert found["scored on"] == {"streams": N, "fixations": "uniform"}
    whole = whole_image(place.method, (place.train.world, place.test.world), FEW)
    assert list(whole) == ["3 × 3 glimpses", "4 × 4 glimpses"]
    assert whole["3 × 3 glimpses"]["aggregate"] > 0.9


def test_mistakes_are_told_in_one_sentence(place: Field, tmp_path: Path) -> None:
    there = standard(Gaze(), 9)
    with pytest.raises(ValueError, match="unknown policies rumour; there are: uniform, centre"):
        choose(("rumour",), there)
    with pytest.raises(ValueError, match=r"no learnt policy; expected a folder with policy\.json"):
        learned("x", tmp_path, deterministic=True)
    with pytest.raises(ValueError, match="views is 1, expected an integer from 2"):
        Compared(views=1)
    with pytest.raises(ValueError, match="trained on 'uniform', but none of uniform takes part"):
        sharing(choose(("centre",), there), replace(FEW, shared="uniform"))
    assert sharing(everybody()[:-1], replace(FEW, shared="all")) == tuple(one.name for one in everybody()[:-1])
    assert [one.name for one in choose(("grid",), there)] == ["saliency", "grid"], "saliency always takes part"
