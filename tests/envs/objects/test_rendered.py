"""Sources that draw their own views, and live views: the embedded default of rotation worlds."""

import gymnasium
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from gazeworld.envs.conformance import check_vector_env
from gazeworld.envs.files import DataError
from gazeworld.envs.images import load_source
from gazeworld.envs.objects import views
from gazeworld.envs.rng import Draws
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.worlds.rotation import RotationWorld

TINY = {"per_family": 3, "size": 24, "views": 4}


def test_solids_are_split_by_object_and_drawn_once() -> None:
    train, test = load_source("solids", "train", **TINY), load_source("solids", "test", **TINY)
    assert len(train) == 20
    assert len(test) == 10
    assert not set(train.names) & set(test.names)
    assert (train.classes, train.mean, train.std) == (test.classes, test.mean, test.std)
    assert train.labels.bincount().tolist() == [2] * 10
    assert train.fingerprint != test.fingerprint
    assert "embree" in train.renderer
    everything = torch.arange(20).repeat_interleave(4), torch.arange(4).repeat(20)
    seen = train.gallery(*everything)
    assert seen.shape == (80, 24, 24, 3)
    assert len({view.numpy().tobytes() for view in seen}) == 80
    again = load_source("solids", "train", **TINY)
    assert torch.equal(again.gallery(*everything), seen)
    assert again.fingerprint == train.fingerprint
    other = load_source("solids", "train", **TINY, seed=1)
    assert not torch.equal(other.latents, train.latents)


def test_a_stored_view_is_what_a_live_one_shows_in_its_pose(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same object in the same pose: all that may differ is where the spot stands."""
    stored = RotationWorld("solids", "test", source_options=TINY)
    live = RotationWorld("solids", "test", live=True, renderer="embree", source_options=TINY)
    latents = stored.objects.latents
    index = torch.arange(10)
    pose = views.poses_of(latents[:, 0], True)
    light = torch.cat((torch.zeros(10, 4), latents[:, 0, 4:6], torch.zeros(10, 1)), 1)
    monkeypatch.setattr(views, "of_uniforms", lambda region, uniforms: light)
    scene = stored.scene(index, Draws.rows(0, 10))
    difference = stored.look(scene, pose).float() - live.look(scene, pose).float()
    assert difference.abs().max() <= 2  # quaternions to matrices and back
    other = torch.cat((pose[:, [3, 0, 1, 2]], pose[:, 4:]), 1)
    assert (stored.look(scene, pose).float() - live.look(scene, other).float()).abs().max() > 20


def test_live_views_turn_by_any_rotation() -> None:
    world = RotationWorld("solids", live=True, renderer="embree", size=16, source_options=TINY)
    n = 12
    scene = world.sample(n, Draws.rows(0, n))
    turn = Rotation.random(n, rng=np.random.default_rng(0))
    action = torch.from_numpy(turn.as_quat()).float()
    landed = world.move(scene, scene.pose, 0.5 * action)  # of any length
    wanted = (Rotation.from_quat(scene.pose[:, :4].numpy()) * turn).as_matrix()
    np.testing.assert_allclose(Rotation.from_quat(landed[:, :4].numpy()).as_matrix(), wanted, atol=1e-5)
    assert torch.equal(landed[:, 4:], scene.pose[:, 4:])
    assert (landed[:, 3] >= 0).all()
    assert world.look(scene, landed).shape == (n, 3, 16, 16)
    one = torch.tensor([5])
    alone = world.scene(scene.index[one], Draws.rows(0, n)[one])
    assert torch.equal(world.look(alone, landed[one]), world.look(scene, landed)[one])


def test_meshes_that_were_looked_at_last_stay_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "KEPT", 3)
    world = RotationWorld("solids", live=True, renderer="embree", size=8, source_options=TINY)
    loads: list[str] = []
    for i, item in enumerate(world.objects.items):
        load_mesh = item.load
        object.__setattr__(item, "load", lambda i=i, load_mesh=load_mesh: (loads.append(str(i)), load_mesh())[1])
    pose = world.scene(torch.arange(3), Draws.rows(0, 3)).pose
    for index in ([0, 1, 2], [2, 1, 0], [3, 2, 2], [0, 3, 2]):
        world.views.look(torch.tensor(index), pose)
    assert loads == ["0", "1", "2", "3", "0"]


@pytest.mark.parametrize("live", [False, True])
def test_environments_conform(live: bool) -> None:
    options = {"live": live, "renderer": "embree", "split": "test", "source_options": {**TINY, "size": 16}}
    for mode in ("NextStep", "SameStep", "Disabled"):
        check_vector_env(ActiveVisionVectorEnv(3, "rotation", autoreset_mode=mode, episode_steps=2, **options))


def test_gymnasium_makes_live_environments() -> None:
    options = {"live": True, "renderer": "embree", "size": 16, "action": "rotcolor", "source_options": TINY}
    env = gymnasium.make_vec("gazeworld/Rotation-v0", num_envs=4, **options)
    observation, _ = env.reset(seed=0)
    assert observation["view"].shape == (4, 16, 16, 3)
    action = np.zeros((4, 6), np.float32)
    action[:, 3], action[:, 4] = 1, 0.1
    after, *_, info = env.step(action)
    hues = np.minimum(observation["pose"][:, 4] + 0.1, 1)
    np.testing.assert_allclose(after["pose"][:, 4], hues, atol=1e-6)
    np.testing.assert_allclose(after["pose"][:, :4], observation["pose"][:, :4], atol=1e-6)
    assert info["executed"].shape == (4, 6)
    env.close()


def test_bad_options_are_named(tmp_path: object) -> None:
    for source, options, message in (
        ("solids", {"split": "val"}, "has the splits train and test, found 'val'"),
        ("solids", {"root": "x"}, "is generated and has no root, found 'x'"),
        ("solids", {"per_family": 1}, "per_family is 1, expected an integer from 2"),
        ("solids", {"size": 4}, "size is 4, expected an integer from 8"),
        ("solids", {"region": "all"}, "unknown region 'all'"),
        ("solids", {"renderer": "pencil"}, "unknown renderer 'pencil'"),
        ("meshes", {"root": "/nowhere"}, "root is '/nowhere', expected a folder of models"),
    ):
        with pytest.raises((ValueError, DataError), match=message):
            load_source(source, **options)
