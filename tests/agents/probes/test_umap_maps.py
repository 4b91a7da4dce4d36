"""Maps hold every point once with its class and pose, and say clearly when they cannot be drawn."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from fakes.object_datasets import objects
from fakes.worlds import CountingWorld
from gymnasium.vector import AutoresetMode
from scipy.spatial.transform import Rotation
from torch import Tensor, nn
from torch.nn import functional as F

from gazeworld.agents.config import ProbeConfig
from gazeworld.agents.policy import make_policy
from gazeworld.agents.probes import umap_maps as module
from gazeworld.agents.probes.umap_maps import MapConfig, embedding, project
from gazeworld.envs.stream import Stream
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import World
from gazeworld.envs.worlds.rotation import RotationWorld
from gazeworld.models.method import Method
from gazeworld.scenarios.reports.probe_figures import map_figure

MAPS = MapConfig(views=3, aggregates=20, points=40)


class Planted(Method):
    """Embeds the number of the object; aggregates know its class and nothing else."""

    view_dim, aggregate_dim = 8, 3

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def encode(self, views: Tensor) -> Tensor:
        return F.one_hot(views[..., 0, 0, 0].long(), 8).float()

    def aggregate(self, encoded: Tensor, actions: Tensor) -> Tensor:
        return F.one_hot(encoded[:, 0].argmax(-1) % 3, 3).float()

    def loss(self, stream: Stream) -> tuple[Tensor, dict[str, Tensor]]:
        raise NotImplementedError


def env(world: World) -> ActiveVisionVectorEnv:
    return ActiveVisionVectorEnv(4, world, episode_steps=4, tensors=True, autoreset_mode=AutoresetMode.DISABLED)


def measured(world: World, config: ProbeConfig | None = None, maps: MapConfig = MAPS) -> dict:
    config = config or ProbeConfig(seed=3)
    return embedding({"trained": Planted()}, env(world), make_policy("uniform", world), config, maps)


@pytest.fixture
def _flat(monkeypatch: pytest.MonkeyPatch) -> None:
    """A projection that takes no time: the first two components."""
    monkeypatch.setattr(module, "project", lambda vectors, seed, maps: vectors[:, :2].numpy())


@pytest.mark.usefixtures("_flat")
def test_points_go_with_their_classes_and_poses(monkeypatch: pytest.MonkeyPatch) -> None:
    world = RotationWorld(objects(n=6, v=5))
    seen: list[Tensor] = []
    inner = module._colours
    monkeypatch.setattr(module, "_colours", lambda world, poses: (seen.append(poses), inner(world, poses))[1])
    found = measured(world)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    views, aggregates = found["values"]["trained"]["views"], found["values"]["trained"]["aggregates"]
    assert len(views["points"]) == len(views["labels"]) == 30  # of 72 views most had been seen before
    assert len({tuple(pose) for pose in seen[0].tolist()}) == 30
    assert len(aggregates["points"]) == 20
    assert found["scored on"]["streams"] == 24  # four visits to six objects
    for point, label in zip(views["points"], views["labels"], strict=True):
        assert (point == [1, 0]) <= (label == 0)  # object 0
        assert (point == [0, 1]) <= (label == 1)  # object 1
    for point, label in zip(aggregates["points"], aggregates["labels"], strict=True):
        assert point == [[1, 0], [0, 1], [0, 0]][label]
    assert aggregates["silhouette"] == 1
    assert views["silhouette"] < 0.6  # two objects of each class, at right angles
    turns = Rotation.from_quat(seen[0][:, :4].numpy())
    names = list(views["colours"])
    assert names[:2] == ["rotation: angle from the identity (°)", "rotation: yaw (°)"]
    np.testing.assert_allclose(views["colours"][names[0]], np.rad2deg(turns.magnitude()), atol=0.01)
    np.testing.assert_allclose(views["colours"][names[1]], turns.as_euler("xyz", degrees=True)[:, 0], atol=0.01)
    assert names[2:] == ["color 1", "color 2"]


@pytest.mark.usefixtures("_flat")
def test_maps_are_drawn(tmp_path: Path) -> None:
    found = measured(RotationWorld(objects(n=6, v=5)))
    drawn = map_figure(found)
    drawn.savefig(tmp_path / "map.png")
    assert iio.imread(tmp_path / "map.png")[..., :3].std() > 5
    titles = [axes.get_title() for axes in drawn.axes[:4]]
    assert titles[0].startswith("z of single views, by class\nsilhouette")
    assert titles[3].startswith("z_AGG of 3 views, by class")
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["a", "b", "c"]
    assert len(map_figure(found, colours=("color 1",)).axes) == 4  # three maps and a colour bar
    with pytest.raises(ValueError, match="no map of model 'other'; there are: trained"):
        map_figure(found, "other")
    with pytest.raises(ValueError, match="no map coloured by 'hue'"):
        map_figure(found, colours=("hue",))
    unknown = objects(n=6, v=5)
    unknown.labels.fill_(-1)
    world = RotationWorld(replace(unknown, classes=()))
    grey = map_figure(measured(world))
    assert len(grey.axes[0].collections[0].get_offsets()) == 30
    assert grey.legends == []
    many = {**found, "classes": [f"class {i}" for i in range(55)]}
    assert map_figure(many).legends == []


@pytest.mark.usefixtures("_flat")
def test_other_worlds_are_coloured_by_where_they_look() -> None:
    class Places(Planted):
        def encode(self, views: Tensor) -> Tensor:
            return F.one_hot(views[..., 0, 0, 0].long() % 8, 8).float()

    world = CountingWorld()
    found = embedding({"a": Places()}, env(world), make_policy("uniform", world), ProbeConfig(scenes=5), MAPS)
    assert list(found["values"]["a"]["views"]["colours"]) == ["position 1"]
    assert found["scored on"]["streams"] == 20


def test_umap_keeps_apart_what_is_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")  # compiling takes longer than a few points need
    pytest.importorskip("umap", exc_type=ImportError)
    generator = torch.Generator().manual_seed(0)
    groups = F.one_hot(torch.arange(24) // 12, 6).float() + 0.05 * torch.randn(24, 6, generator=generator)
    maps = MapConfig(neighbours=5)
    points = project(groups, 1, maps)
    assert points.shape == (24, 2)
    assert np.isfinite(points).all()
    middle = [points[:12].mean(0), points[12:].mean(0)]
    own = [np.linalg.norm(points[i] - middle[i // 12]) for i in range(24)]
    other = [np.linalg.norm(points[i] - middle[1 - i // 12]) for i in range(24)]
    assert (np.array(own) < np.array(other)).all()
    np.testing.assert_array_equal(project(groups, 1, maps), points)


def test_errors_are_one_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="a map of 3 points was asked for, expected at least 4"):
        project(torch.ones(3, 2), 0, MAPS)
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ValueError, match="umap-learn, which is not installed; pip install"):
        project(torch.ones(5, 2), 0, MAPS)
    with pytest.raises(ValueError, match="neighbours is 1, expected an integer from 2"):
        MapConfig(neighbours=1)
