"""The world of turned objects, with stored views; live ones are tested beside the renderers."""

import math

import gymnasium
import pytest
import torch
from fakes.object_datasets import objects
from scipy.spatial.transform import Rotation
from torch import Tensor

from gazeworld.envs.conformance import check_vector_env
from gazeworld.envs.objects import rotations
from gazeworld.envs.rng import Draws
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import Scene
from gazeworld.envs.worlds.rotation import ACTIONS, RotationWorld


def draws(n: int) -> Draws:
    return Draws.rows(3, n)


def every_view(world: RotationWorld) -> tuple[Scene, Tensor]:
    """Every view of every object: scenes whose pose is that of the view, and the views' numbers."""
    n, v = world.views.poses.shape[:2]
    index = torch.arange(n).repeat_interleave(v)
    return Scene(index, world.objects.labels[index], world.views.poses.flatten(0, 1)), torch.arange(v).repeat(n)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("sign", ["canonical", "free"])
def test_every_view_is_reached_by_the_action_that_leads_to_it(action: str, sign: str) -> None:
    world = RotationWorld(objects(), action=action, sign=sign)
    scene, numbers = every_view(world)
    start = world.random_pose(scene, draws(len(numbers)))
    told = world.difference(start, scene.pose)
    assert told.shape == (len(numbers), ACTIONS[action])
    assert told.abs().max() <= 1
    landed = world.move(scene, start, told)
    assert torch.equal(landed, scene.pose)
    views = world.look(scene, landed)
    assert views.shape == (len(numbers), 3, 8, 8)
    assert torch.equal(views[:, 0, 0, 0].long(), scene.index)
    assert torch.equal(views[:, 1, 0, 0].long(), numbers)


def test_poses_and_actions_are_scipys() -> None:
    found = objects()
    world = RotationWorld(found, sign="free")
    angles = found.latents[..., :3].double().flatten(0, 1)
    truth = Rotation.from_euler("xyz", angles.numpy())
    poses = world.views.poses.flatten(0, 1)
    assert torch.allclose(poses[:, :4].double(), torch.from_numpy(truth.as_quat()), atol=1e-6)
    assert torch.equal(poses[:, 4:], found.latents.flatten(0, 1)[:, [3, 6]])
    wanted = torch.from_numpy((truth[:-1].inv() * truth[1:]).as_quat())
    assert torch.allclose(world.difference(poses[:-1], poses[1:]).double(), wanted, atol=1e-6)
    canonical = RotationWorld(found).difference(poses[:-1], poses[1:])
    assert (canonical[:, 3] >= 0).all()
    assert torch.allclose(canonical.double(), wanted * torch.where(wanted[:, 3:] < 0, -1, 1), atol=1e-6)


@pytest.mark.parametrize("action", ACTIONS)
def test_actions_compose_to_the_way_from_first_to_last(action: str) -> None:
    world = RotationWorld(objects(n=4, v=9), action=action)
    p, q, r = world.views.poses[:, :3].unbind(1)
    both = world.compose(world.difference(p, q), world.difference(q, r))
    assert torch.allclose(both, world.difference(p, r), atol=1e-6)


def test_a_rotation_between_views_snaps_to_the_nearest() -> None:
    world = RotationWorld(objects(n=1, v=40))
    scene = world.scene(torch.zeros(64, dtype=torch.int64), draws(64))
    aim = rotations.from_euler(rotations.Region("paper").angles(draws(64).fold(5).uniform64(3))).float()
    landed = world.snap(scene, torch.cat((aim, scene.pose[:, 4:]), 1))
    legal = world.views.poses[0, :, :4]
    apart = rotations.angle(aim[:, None], legal[None])
    assert torch.equal(landed[:, :4], legal[apart.argmin(1)])
    assert apart.min(1).values.max() > 0.05  # none of them was a view already


def test_first_poses_are_views_drawn_evenly_and_a_batch_equals_its_rows() -> None:
    world = RotationWorld(objects(n=3, v=4))
    n = 6000
    whole = world.sample(n, draws(n))
    numbers = world.look(whole, whole.pose)[:, :2, 0, 0].long()
    counts = torch.zeros(3, 4).index_put_((numbers[:, 0], numbers[:, 1]), torch.ones(n), accumulate=True)
    assert (counts - n / 12).abs().max() < 5 * math.sqrt(n / 12)
    for i in range(0, 40, 7):
        row = torch.tensor([i])
        one = world.sample(1, draws(n)[row])
        assert torch.equal(one.pose, whole.pose[row])
        assert torch.equal(one.label, whole.label[row])


@pytest.mark.parametrize("action", ACTIONS)
def test_environments_conform(action: str) -> None:
    for mode in ("NextStep", "SameStep", "Disabled"):
        env = ActiveVisionVectorEnv(3, RotationWorld(objects(), action=action), autoreset_mode=mode, episode_steps=3)
        check_vector_env(env)


def test_the_id_is_registered() -> None:
    import gazeworld.envs

    gazeworld.envs.register_envs()
    assert "gazeworld/Rotation-v0" in gymnasium.registry


def test_bad_options_are_named() -> None:
    found = objects()
    for options, message in (
        ({"action": "rotation"}, "action is 'rotation', expected 'rot', 'color' or 'rotcolor'"),
        ({"sign": "both"}, "sign is 'both', expected 'canonical' or 'free'"),
        ({"size": 16}, "size is 16, but the stored views have 8 px"),
        ({"live": True}, "live=True needs meshes, and source 'shapes' holds stored views only"),
    ):
        with pytest.raises(ValueError, match=message):
            RotationWorld(found, **options)
    with pytest.raises(ValueError, match="looks at objects, and source 'digits' holds images"):
        RotationWorld("digits")


def test_a_quaternion_of_no_length_is_refused() -> None:
    env = ActiveVisionVectorEnv(3, RotationWorld(objects()), tensors=True)
    env.reset(seed=0)
    action = torch.tensor([[0.0, 0, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0]])
    with pytest.raises(ValueError, match="row 1 is a quaternion of length 0"):
        env.step(action)


@pytest.mark.parametrize("ignored", [0.0, math.nan, 7.0])
def test_rows_that_are_reset_may_have_any_action(ignored: float) -> None:
    """Autoresetting in the next step ignores the actions of these rows, and of no others."""
    env, other = (ActiveVisionVectorEnv(3, RotationWorld(objects()), episode_steps=2, tensors=True) for _ in range(2))
    still = torch.tensor([0.0, 0, 0, 1]).repeat(3, 1)
    begun = torch.tensor([True, False, True]).numpy()
    for one in (env, other):
        one.reset(seed=0)
        one.step(still)
        one.reset(options={"reset_mask": begun})
        one.step(still)  # now row 1 is over, too early for the others
    bad = still.clone()
    bad[1] = ignored
    seen, *_, info = env.step(bad)
    wanted, *_, told = other.step(still)
    assert all(torch.equal(seen[key], wanted[key]) for key in wanted)
    assert not info["executed"][1].any()
    assert torch.equal(info["commanded"], told["commanded"])
    assert bad[1, 0] == ignored or math.isnan(ignored)  # the caller's actions stay as they were
    with pytest.raises(ValueError, match="the action of row 1 is"):
        env.step(bad)


@pytest.mark.parametrize("live", [False, True])
def test_a_first_pose_without_a_rotation_is_refused_and_changes_nothing(live: bool) -> None:
    options = {
        "live": True,
        "renderer": "embree",
        "size": 8,
        "source_options": {"per_family": 2, "size": 8, "views": 2},
    }
    env = (
        ActiveVisionVectorEnv(3, "rotation", **options) if live else ActiveVisionVectorEnv(3, RotationWorld(objects()))
    )
    start, _ = env.reset(seed=0)
    poses = start["pose"].copy()
    poses[1, :4] = 0
    with pytest.raises(ValueError, match=r"options\['pose'\] of row 1 is .* begins with a quaternion of length 0"):
        env.reset(seed=5, options={"pose": poses})
    assert (env._observe()["pose"] == start["pose"]).all()
    assert not env.episodes.any()
    mask = torch.tensor([True, False, True]).numpy()
    after, _ = env.reset(options={"pose": poses, "reset_mask": mask})  # of row 1 nothing is used
    assert (after["pose"][1] == start["pose"][1]).all()


def test_quantities_are_rotation_and_hues() -> None:
    found = objects()
    turn, tint = RotationWorld(found).quantities()
    assert [q.name for q in RotationWorld(found, action="color").quantities()] == ["color", "rotation"]
    poses = RotationWorld(found).views.poses[0]
    assert torch.equal(turn.of(poses), poses[:, :4])
    assert torch.equal(tint.of(poses), poses[:, 4:])
    assert torch.equal(tint.between(poses[:2], poses[1:3]), poses[1:3, 4:] - poses[:2, 4:])
    assert torch.equal(turn.between(poses[:2], poses[1:3]), RotationWorld(found).difference(poses[:2], poses[1:3]))
