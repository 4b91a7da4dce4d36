"""A method whose abilities are known gets the scores that it deserves, and what is written says how they came about."""

import json
from io import StringIO
from pathlib import Path

import pytest
import torch
from fakes.worlds import CountingWorld
from gymnasium.vector import AutoresetMode
from rich.console import Console
from torch import Tensor, nn
from torch.nn import functional as F

from gazeworld.agents.config import ProbeConfig
from gazeworld.agents.probes.evaluate import FEW, Arena, evaluate
from gazeworld.agents.probes.measures import chance
from gazeworld.envs.stream import Stream
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import Scene
from gazeworld.models.method import Method
from gazeworld.scenarios.reports import tables

CONFIG = ProbeConfig(views=3, repeats=2, epochs_linear=60, epochs_position=15, batch=16, noise=2.0, seed=1)


class Oracle(Method):
    """Reads class and place off a view; aggregates first and last view and the sum of the actions."""

    view_dim, aggregate_dim = 4, 9

    def __init__(self, blind: bool = False) -> None:
        super().__init__()
        self.sight = nn.Parameter(torch.tensor(0.0 if blind else 1.0))

    def encode(self, views: Tensor) -> Tensor:
        scene = views[..., 0, 0, 0].long() // 4 * 13 % 64  # undoes (scene · 20) % 256 for fewer than 64 scenes
        label = F.one_hot(scene % 3, 3)
        return self.sight * torch.cat([label, views[..., 0, 1, :1] / 25], dim=-1)

    def aggregate(self, encoded: Tensor, actions: Tensor) -> Tensor:
        return torch.cat([encoded[:, 0], encoded[:, -1], actions.sum(1)], dim=-1)

    def loss(self, stream: Stream) -> tuple[Tensor, dict[str, Tensor]]:
        raise NotImplementedError


class Unlabelled(CountingWorld):
    """Nobody said what is in the scenes."""

    def scene(self, index: Tensor, rng: object) -> Scene:
        scene = super().scene(index, rng)
        return Scene(scene.index, torch.full_like(scene.label, -1), scene.pose)


class Uniform(CountingWorld):
    """Everything is of one class."""

    def scene(self, index: Tensor, rng: object) -> Scene:
        scene = super().scene(index, rng)
        return Scene(scene.index, torch.zeros_like(scene.label), scene.pose)


class Punctual(CountingWorld):
    """Every episode begins at the same place."""

    def scene(self, index: Tensor, rng: object) -> Scene:
        scene = super().scene(index, rng)
        return Scene(scene.index, scene.label, torch.full_like(scene.pose, 2.0))


def arena(world: type[CountingWorld] = CountingWorld, noise: float = 0.0, size: int = 60) -> Arena:
    train, test = (
        ActiveVisionVectorEnv(
            16, world(n, noise=noise), episode_steps=4, tensors=True, autoreset_mode=AutoresetMode.DISABLED
        )
        for n in (size, 63)
    )
    return Arena(train, test, train_split="here", test_split="there")


@pytest.fixture(scope="module")
def found() -> dict:
    return evaluate(Oracle(), Oracle(blind=True), arena(), arena(noise=2.0), CONFIG)


def curve(entry: dict, model: str, *path: str) -> list[float]:
    value = entry["values"][model]["ridge"]
    for name in path:
        value = value[name]
    return value["mean"]


def test_a_place_that_is_always_the_same_is_not_scored() -> None:
    found = evaluate(Oracle(), Oracle(blind=True), arena(Punctual), None, CONFIG)
    assert [kind.partition(" ")[0] for kind in found["position"]] == ["relative"]
    assert curve(found["position"]["relative position"], "trained") > 0.95
    console = Console(file=StringIO(), width=100)
    tables.show(found, console)
    assert "all streams begin alike" in console.file.getvalue()


def test_recognition_of_a_seeing_and_a_blind_method(found: dict) -> None:
    named = found["recognition"]
    for where, kinds in (("policy", ("aggregate", "single", "pooled")), ("centre", ("aggregate", "single"))):
        for kind in kinds:
            values = named[where][kind]["values"]
            assert min(values["trained"]) == 1.0
            assert max(values["untrained"]) < 0.55
    assert named["policy"]["pooled"]["views"] == [1, 2, 3]
    assert "pooled" not in named["centre"]
    assert "uniform" not in named  # the policy itself is uniform
    assert abs(found["chance"]["top-1 of the majority class"] - 1 / 3) < 0.02


def test_position_of_a_seeing_and_a_blind_method(found: dict) -> None:
    for kind in ("relative position", "absolute position"):
        values = found["position"][kind]["values"]
        assert values["trained"]["ridge"]["mean"] > 0.99
        assert values["trained"]["linear"]["mean"] > 0.1
        assert values["untrained"]["ridge"]["mean"] < 0.05


def test_paths_without_noise_follow_from_actions_alone(found: dict) -> None:
    entry = found["path_integration"]["without_noise"]
    assert min(entry["values"]["dead_reckoning"]["mean"]) == 1.0
    for model in ("trained", "untrained"):
        assert min(curve(entry, model, "full")) > 0.99
        assert min(curve(entry, model, "vision_ablated", "retrained_head")) > 0.99
    assert max(curve(entry, "untrained", "actions_ablated", "retrained_head")) < 0.1
    # From where it was, a seeing method knows half of the way to a place drawn independently of it.
    assert 0.3 < curve(entry, "trained", "actions_ablated", "retrained_head")[0] < 0.7


def test_motor_noise_is_what_vision_corrects(found: dict) -> None:
    entry = found["path_integration"]["with_noise"]
    assert entry["noise"] == 2.0
    seeing, blind = curve(entry, "trained", "full"), curve(entry, "untrained", "full")
    summed = entry["values"]["dead_reckoning"]["mean"]
    assert summed[2] < summed[0] < 0.99
    assert seeing[2] > blind[2] + 0.05
    assert seeing[2] > summed[2] + 0.05


def test_entries_say_how_they_came_about(found: dict) -> None:
    entries = [
        found["recognition"]["policy"]["aggregate"],
        *found["position"].values(),
        *found["path_integration"].values(),
    ]
    for entry in entries:
        assert entry["seed"] == 1
        assert entry["budget"]["epochs"] == (60 if "class" in entry["target"] else 15)
        assert entry["budget"]["batch"] == 16
        assert entry["heads trained on"]["split"] == "here"
        assert entry["scored on"] == {"split": "there", "streams": 63}
        assert entry["tensor"]
        assert "standardised" in entry["protocol"]
    assert entries[0]["heads trained on"]["streams"] == 120
    assert entries[-1]["heads trained on"]["streams"] == 60
    assert "here split" in found["note"]


def test_written_whole_or_not_at_all(found: dict, tmp_path: Path) -> None:
    path = tmp_path / "new" / "probes.json"
    tables.write(found, path)
    assert json.loads(path.read_text()) == found
    with pytest.raises(ValueError, match="JSON"):
        tables.write({"score": float("nan")}, path)
    assert json.loads(path.read_text()) == found
    assert [p.name for p in path.parent.iterdir()] == ["probes.json"]


@pytest.mark.parametrize("width", [80, 140])
def test_table_names_everything(found: dict, width: int) -> None:
    text = StringIO()
    tables.show(found, Console(file=text, width=width))
    words = " ".join(text.getvalue().split())
    for word in ("z_AGG", "mean z", "centre", "untrained", "here split", "there split", "commanded actions composed"):
        assert word in words
    assert "…" not in words.replace("z_1 … z_M", "").replace("z_1 …", "")
    assert max(len(line) for line in text.getvalue().splitlines()) <= width


def test_heads_are_scored_on_draws_of_their_own() -> None:
    seen = arena(noise=2.0, size=63).visit(4, CONFIG, 1)
    train, test = seen.train, seen.test
    assert torch.equal(train.scenes, test.scenes)
    drifts = [stream.poses.diff(dim=1) - stream.actions for stream in (train, test)]
    for one, other in ((train.poses[:, 0], test.poses[:, 0]), (train.actions, test.actions), drifts):
        assert float((one == other).flatten(1).all(1).float().mean()) < 0.5  # places are few: some coincide


def test_path_integration_takes_fewer_scenes() -> None:
    config = ProbeConfig(views=1, repeats=2, epochs_linear=1, epochs_position=1, path_scenes=30)
    found = evaluate(Oracle(), Oracle(True), arena(), arena(noise=1.0), config)
    for entry in found["path_integration"].values():
        assert (entry["heads trained on"]["streams"], entry["scored on"]["streams"]) == (30, 30)
    assert found["position"]["absolute position"]["heads trained on"]["streams"] == 120


def test_same_seed_same_result() -> None:
    config = ProbeConfig(views=1, repeats=1, epochs_linear=2, epochs_position=2, batch=16, scenes=20)
    one, two = (evaluate(Oracle(), Oracle(True), arena(), None, config) for _ in range(2))
    assert one == two
    assert list(one["path_integration"]) == ["without_noise"]
    assert one["path_integration"]["without_noise"]["scored on"]["streams"] == 20
    assert list(one["position"]) == ["absolute position"]  # one view is no pair


def test_other_policies_stand_beside_uniform_fixations() -> None:
    config = ProbeConfig(views=2, repeats=1, epochs_linear=2, epochs_position=2, batch=16)
    named = Arena(arena().train, arena().test, {"name": "uniform"})
    with pytest.raises(ValueError, match="unknown policy 'nowhere'"):
        evaluate(Oracle(), Oracle(), Arena(named.train, named.test, {"name": "nowhere"}), None, config)


@pytest.mark.parametrize(
    ("world", "why"),
    [(Unlabelled, "the objects have no labels"), (Uniform, "all objects are of one class")],
)
def test_what_needs_labels_is_left_out_and_says_so(world: type[CountingWorld], why: str) -> None:
    config = ProbeConfig(views=2, repeats=1, epochs_linear=1, epochs_position=2)
    whole, found = (evaluate(Oracle(), Oracle(True), arena(kind), None, config) for kind in (CountingWorld, world))
    assert found["left out"] == {"recognition": why}
    assert whole.keys() - found.keys() == {"recognition", "chance"}
    assert (found["position"], found["path_integration"]) == (whole["position"], whole["path_integration"])
    shown = Console(file=StringIO(), width=100)
    tables.show(found, shown)
    text = shown.file.getvalue()
    assert text.startswith(f"recognition is left out: {why}\n")
    assert "Path integration" in text
    assert "Recognition" not in text


def test_a_test_split_of_one_scene_is_seen_often_enough_to_be_scored() -> None:
    config = ProbeConfig(views=2, repeats=1, epochs_linear=1, epochs_position=2)
    few = Arena(arena(size=20).train, arena(size=1).train)
    found = evaluate(Oracle(), Oracle(), few, None, config)
    assert found["position"]["relative position"]["scored on"]["streams"] == FEW
    assert found["position"]["relative position"]["heads trained on"]["streams"] == 20


def test_chance_is_the_majority_of_training() -> None:
    assert chance(torch.tensor([0, 1, 1]), torch.tensor([1, 0, 0, 0]), 2) == 0.25


@pytest.mark.parametrize(("name", "value"), [("views", 0), ("scenes", -1), ("noise", -0.1), ("batch", 0)])
def test_bad_configuration_is_named(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"probe.{name} is {value}"):
        ProbeConfig(**{name: value})
