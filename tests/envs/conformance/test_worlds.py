"""Every world keeps the contract, and the check says in one sentence what breaks it."""

from typing import Any

import pytest
import torch
from fakes.images import noise
from fakes.worlds import CountingWorld
from torch import Tensor

from gazeworld.envs import registry
from gazeworld.envs.conformance import ConformanceError, check_world
from gazeworld.envs.world import WORLDS, Quantity, Scene, World, make_world

SOLIDS = {"source_options": {"per_family": 2, "size": 40, "views": 5}}
EVERY: list[tuple[str, dict[str, Any]]] = [
    ("saccade", {"source": noise()}),
    ("saccade", {"source": noise(), "noise": 0.1, "padding": "zeros", "observe": ("saliency", "periphery")}),
    ("saccade", {"source": noise(), "first": "saliency", "saliency": "contrast"}),
    ("augmentation", {"source": noise(side=32)}),
    ("augmentation", {"source": noise(side=32, c=1), "action": "crop", "kind": "observed"}),
    ("rotation", {**SOLIDS}),
    ("rotation", {**SOLIDS, "action": "rotcolor", "sign": "free"}),
    ("rotation", {**SOLIDS, "action": "color"}),
    ("rotation", {**SOLIDS, "live": True, "size": 16, "renderer": "embree"}),
]


@pytest.mark.parametrize(("name", "options"), EVERY)
def test_every_world_conforms(name: str, options: dict[str, Any]) -> None:
    check_world(make_world(name, **options), environments="live" not in options)


def test_every_world_is_tested() -> None:
    assert {name for name, _ in EVERY} == set(registry.own_names(WORLDS))


def test_a_world_of_a_stranger_conforms() -> None:
    check_world(CountingWorld())
    check_world(CountingWorld(noise=0.5, size=1))


class Silent(CountingWorld):
    def __init__(self) -> None:
        super().__init__()
        del self.labels


class Random(CountingWorld):
    def random_pose(self, scene: Scene, rng: Any) -> Tensor:
        return torch.randint(0, 10, (len(rng), 1)).float()


class Between(CountingWorld):
    def move(self, scene: Scene, pose: Tensor, action: Tensor) -> Tensor:
        return (pose + action).clamp(*self.pose_bounds)


class Halfway(CountingWorld):
    def move(self, scene: Scene, pose: Tensor, action: Tensor) -> Tensor:
        return self.snap(scene, pose + action / 2)


class Neighbourly(CountingWorld):
    def look(self, scene: Scene, pose: Tensor) -> Tensor:
        view = super().look(scene, pose).clone()
        view[:, :, 0] = len(pose)
        return view


class Grey(CountingWorld):
    def look(self, scene: Scene, pose: Tensor) -> Tensor:
        return super().look(scene, pose).float() / 255


class Greedy(CountingWorld):
    def look(self, scene: Scene, pose: Tensor) -> Tensor:
        found = super().look(scene, pose)
        pose += 1
        return found


class Missing(CountingWorld):
    def land(self, scene: Scene, aim: Tensor, rng: Any) -> Tensor:
        return self.snap(scene, aim + 1)


class Observing(CountingWorld):
    def observe(self, scene: Scene, pose: Tensor) -> dict[str, Tensor]:
        return {"smell": pose}


class Renumbering(CountingWorld):
    def scene(self, index: Tensor, rng: Any) -> Scene:
        return super().scene(index * 0, rng)


class Flat(CountingWorld):
    def quantities(self) -> tuple[Quantity, ...]:
        return (Quantity("place", lambda pose: pose[:, 0], self.difference),)


class Composing(CountingWorld):
    def compose(self, first: Tensor, second: Tensor) -> Tensor:
        return first


@pytest.mark.parametrize(
    ("world", "said"),
    [
        (Silent, "Silent does not say its labels"),
        (Random, r"Random.random_pose gave another result for the same arguments"),
        (Between, r"Between.move\(\) is no legal pose: snap changes it"),
        (Halfway, r"Halfway.move does not do what the difference to another pose says: it is off by"),
        (Neighbourly, r"Neighbourly.look gives a row something else when other rows are beside it"),
        (Grey, r"Grey.look\(\) is of float32, expected uint8"),
        (Greedy, r"Greedy.look (changes the poses|gave another result)"),
        (Missing, r"Missing.land misses its aim, but the world does not say that it is noisy"),
        (Observing, r"Observing.observe gives \['smell'\], and extra_spaces says \[\]"),
        (Renumbering, r"Renumbering.scene gave the scenes \[0, 0"),
        (Flat, r"quantity 'place': of gives shape \(8,\), expected one row for each pose"),
        (Composing, r"Composing is additive, but compose does not give the way"),
    ],
)
def test_what_breaks_the_contract_is_one_sentence(world: type[World], said: str) -> None:
    with pytest.raises(ConformanceError, match=said) as told:
        check_world(world(), environments=False)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"view_shape": (4, 4)}, r"view_shape is \(4, 4\), expected channels, height and width"),
        ({"pose_bounds": (1.0, 1.0)}, r"pose_bounds is \(1.0, 1.0\), expected low < high"),
        ({"size": 0}, "size is 0, expected an integer above 0"),
        ({"mean": (0.5, 0.5)}, "expected a number for each of 1 channels"),
        ({"std": (0.0,)}, "expected numbers above 0"),
        ({"fingerprint": ""}, "expected text that changes when the data do"),
        ({"labels": torch.full((12,), 7)}, "labels reach 7, expected -1 or one of 3 classes"),
        ({"labels": torch.zeros(3)}, r"labels is torch.float32 of shape \(3,\), expected int64 of \(12,\)"),
    ],
)
def test_what_a_world_says_of_itself_is_checked(changes: dict[str, Any], said: str) -> None:
    world = CountingWorld()
    for name, value in changes.items():
        setattr(world, name, value)
    with pytest.raises(ConformanceError, match=said):
        check_world(world)
    with pytest.raises(ConformanceError, match="is no World"):
        check_world("saccade")
