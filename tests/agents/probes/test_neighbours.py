"""Neighbours against a naive loop, and encoders that see one thing only: class, rotation, nothing."""

import json
from pathlib import Path

import imageio.v3 as iio
import pytest
import torch
from fakes.object_datasets import objects
from torch import Tensor, nn
from torch.nn import functional as F

from gazeworld.agents.config import ProbeConfig
from gazeworld.agents.probes import neighbours as module
from gazeworld.agents.probes.neighbours import KINDS, Search, neighbours
from gazeworld.envs.objects import rotations
from gazeworld.envs.stream import Stream
from gazeworld.envs.worlds.rotation import RotationWorld
from gazeworld.models.method import Method
from gazeworld.scenarios.reports.probe_figures import neighbour_figure

N, V, CLASSES = 12, 6, 3
CONFIG = ProbeConfig(seed=2)


class Planted(Method):
    """Embeds what it is told to see of a view that shows its numbers."""

    view_dim, aggregate_dim = 16, 16

    def __init__(self, world: RotationWorld, sees: str) -> None:
        super().__init__()
        self.world, self.sees = world, sees
        self.weight = nn.Parameter(torch.ones(1))
        self.noise = torch.randn(N, V, 16, generator=torch.Generator().manual_seed(5))

    def encode(self, views: Tensor) -> Tensor:
        which, what = views[..., 0, 0, 0].long(), views[..., 1, 0, 0].long()
        q = self.world.views.poses[which, what, :4]
        seen = {
            "rotation": (q[..., :, None] * q[..., None, :]).flatten(-2),  # the nearer the rotations, the more similar
            "class": F.one_hot(which % CLASSES, 16).float() + 0.01 * self.noise[which, what],
            "noise": self.noise[which, what],
        }
        return seen[self.sees]

    def aggregate(self, encoded: Tensor, actions: Tensor) -> Tensor:
        return encoded[:, -1]

    def loss(self, stream: Stream) -> tuple[Tensor, dict[str, Tensor]]:
        raise NotImplementedError


@pytest.fixture(scope="module")
def world() -> RotationWorld:
    return RotationWorld(objects(n=N, v=V, classes=CLASSES))


def measured(world: RotationWorld, *sees: str, config: ProbeConfig = CONFIG, **search: int) -> dict:
    return neighbours({name: Planted(world, name) for name in sees}, world, config, Search(**search))


def test_who_sees_one_thing_finds_that(world: RotationWorld) -> None:
    found = measured(world, "rotation", "class", "noise")
    values, random, closest = found["values"], found["random"], found["closest"]
    for kind in KINDS:
        assert values["rotation"][kind]["degrees"]["mean"] == pytest.approx(closest[kind]["degrees"]["mean"], abs=0.05)
        assert values["rotation"][kind]["degrees"]["mean"] < random[kind]["degrees"]["mean"] / 2
        places = values["rotation"][kind]["by place"]
        assert places == sorted(places)
        assert values["class"][kind]["same class"] == 1
        assert values["class"][kind]["degrees"]["mean"] > 0.8 * random[kind]["degrees"]["mean"]
        assert abs(values["noise"][kind]["same class"] - random[kind]["same class"]) < 0.15
        assert abs(values["noise"][kind]["degrees"]["mean"] - random[kind]["degrees"]["mean"]) < 10
    assert values["class"]["other objects"]["same object"] == random["other objects"]["same object"] == 0
    assert random["all views"]["same object"] == pytest.approx((V - 1) / (N * V - 1))
    assert random["other objects"]["same class"] == pytest.approx((N / CLASSES - 1) / (N - 1))


def test_the_measure_is_a_naive_loop(world: RotationWorld) -> None:
    found = measured(world, "noise", k=2)
    method = Planted(world, "noise")
    z = F.normalize(method.noise, dim=-1)
    turns = world.views.poses[..., :4]
    views = [(o, v) for o in range(N) for v in range(V)]
    same, angles, everything = [], [], []
    for query in views:  # fewer than there are queries, so that each is one
        others = [one for one in views if one[0] != query[0]]
        alike = (z @ z[query]).tolist()
        others.sort(key=lambda one: -alike[one[0]][one[1]])
        to_all = torch.rad2deg(rotations.angle(turns[query], turns)).tolist()
        apart = {one: to_all[one[0]][one[1]] for one in others}
        same += [one[0] % CLASSES == query[0] % CLASSES for one in others[:2]]
        angles += [apart[one] for one in others[:2]]
        everything += [sum(apart.values()) / len(apart)]
    values = found["values"]["noise"]["other objects"]
    assert values["same class"] == pytest.approx(sum(same) / len(same))
    assert values["degrees"]["mean"] == pytest.approx(sum(angles) / len(angles), rel=1e-4)
    assert found["random"]["other objects"]["degrees"]["mean"] == pytest.approx(
        sum(everything) / len(everything), rel=1e-4
    )


def test_examples_can_be_traced_and_drawn(world: RotationWorld, tmp_path: Path) -> None:
    found = measured(world, "rotation", "class", examples=4)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    shown = found["examples"]["class"]["all views"]
    assert len(shown) == 4
    assert {one["query"]["class"] for one in shown[:3]} == {"a", "b", "c"}
    for one in shown:
        assert [other["class"] for other in one["neighbours"]] == [one["query"]["class"]] * 3
    first = found["examples"]["rotation"]["other objects"][0]
    query, other = (
        world.views.poses[one["object"], one["view"], :4] for one in (first["query"], first["neighbours"][0])
    )
    assert first["neighbours"][0]["degrees"] == pytest.approx(float(torch.rad2deg(rotations.angle(query, other))))
    drawn = neighbour_figure(world, found, kind="other objects")
    drawn.savefig(tmp_path / "neighbours.png")
    assert iio.imread(tmp_path / "neighbours.png")[..., :3].std() > 5
    pictures = [axes.images[0].get_array() for part in drawn.subfigs for axes in part.axes]
    assert len(pictures) == 4 + 2 * 4 * 3
    assert [int(pictures[i][0, 0, 0]) for i in range(4)] == [one["query"]["object"] for one in shown]
    with pytest.raises(ValueError, match="no example of neighbours"):
        neighbour_figure(world, measured(world, "class", examples=0))


def test_queries_in_pieces_and_fewer_objects(world: RotationWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measured(world, "noise", queries=9)
    monkeypatch.setattr(module, "_QUERIES", 2)
    pieces = measured(world, "noise", queries=9)
    assert pieces["values"] == whole["values"]
    for kind in KINDS:
        for name in ("random", "closest"):
            mean = whole[name][kind]["degrees"]["mean"]
            assert pieces[name][kind]["degrees"]["mean"] == pytest.approx(mean, rel=1e-9)
    few = measured(world, "noise", config=ProbeConfig(scenes=5, seed=2), views=4, queries=7)
    assert few["scored on"] == {"split": "train", "objects": 5, "views": 20, "queries": 7}


def test_errors_are_one_clear_sentence(world: RotationWorld) -> None:
    with pytest.raises(ValueError, match="7 neighbours among 6 views of other objects"):
        measured(world, "noise", config=ProbeConfig(scenes=2), k=7)
    with pytest.raises(ValueError, match="queries is 0, expected an integer from 1"):
        Search(queries=0)


@pytest.mark.parametrize("label", [-1, 0])
def test_without_classes_to_tell_apart_there_is_no_share_of_them(world: RotationWorld, label: int) -> None:
    unknown = objects(n=N, v=V)
    unknown.labels.fill_(label)
    whole, found = measured(world, "noise"), measured(RotationWorld(unknown), "noise")
    names = set(whole["random"][KINDS[0]])
    for part, parts in ((found["random"], whole["random"]), (found["values"]["noise"], whole["values"]["noise"])):
        for kind in KINDS:
            assert {**part[kind], "same class": parts[kind]["same class"]} == parts[kind]
            assert "same class" not in part[kind]
    assert names == {"same class", "same object", "degrees"}
    told = {one["query"]["class"] for one in found["examples"]["noise"][KINDS[0]]}
    assert told == ({""} if label < 0 else {unknown.classes[0]})
