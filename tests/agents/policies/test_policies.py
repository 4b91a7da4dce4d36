"""Policies of the registry: legal actions, their own randomness, and what each of them is there for."""

import pytest
import torch
from fakes.images import SOMEWHERE, noise
from torch import Tensor

from gazeworld.agents.policy import POLICIES, Memory, Policy, make_policy
from gazeworld.envs import registry
from gazeworld.envs.fixations import Inhibition
from gazeworld.envs.images import Images
from gazeworld.envs.rng import Draws
from gazeworld.envs.world import Scene, World
from gazeworld.envs.worlds.saccade import SaccadeWorld

SIDE, GLIMPSE, N = 24, 8, 6


def world(**options: object) -> SaccadeWorld:
    """Plain pictures with a bright spot each, at different places."""
    pixels = torch.full((N, SIDE, SIDE, 1), 60, dtype=torch.uint8)
    for i in range(N):
        pixels[i, 5 + 2 * i : 8 + 2 * i, 18 - 2 * i : 21 - 2 * i] = 250
    labels = torch.arange(N) % 2
    images = Images("spots", "train", pixels, labels, ("spot", "dot"), (0.3,), (0.2,), "spots of test_policies")
    return SaccadeWorld(images, glimpse=GLIMPSE, **options)


def remembered(of: World, poses: Tensor, scenes: Tensor) -> Memory:
    """A memory of places, b t 2, with the views and actions that belong to it."""
    b, t, _ = poses.shape
    scene = Scene(scenes, torch.full((b,), -1), poses[:, 0])
    views = torch.stack([of.look(scene, poses[:, i].contiguous()) for i in range(t)], 1)
    return Memory(views, poses.diff(dim=1), poses, scenes)


def places(of: SaccadeWorld, b: int, t: int) -> tuple[Tensor, Tensor]:
    """Scenes and t uniformly drawn poses for each."""
    scenes = torch.arange(b) % N
    scene, rng = Scene(scenes, torch.full((b,), -1), torch.full((b, 2), 0.5)), Draws.rows(4, b)
    return torch.stack([of.random_pose(scene, rng.fold(i)) for i in range(t)], 1), scenes


class Elsewhere(World):
    """A world whose poses are not fixations; only its existence matters."""

    def scene(self, index, rng):
        raise NotImplementedError

    def look(self, scene, pose):
        raise NotImplementedError

    device = torch.device("cpu")

    def snap(self, scene, pose):
        return pose

    def move(self, scene, pose, action):
        return pose + action

    def difference(self, pose, next_pose):
        return next_pose - pose

    def random_pose(self, scene, rng):
        return rng.uniform(3)


EVERY = [
    ("uniform", {}),
    ("centre", {}),
    ("saliency", {}),
    ("saliency", {"map": "uniform", "shape": "square", "memory": 1, "strength": 0.5}),
    ("saliency", {"map": "centre", "sigma": 0.1, "radius": 3.0, "log_prob": True}),
    ("saliency", {"map": "mismatched", "ior": False}),
    ("saliency", {"map": "transposed-centre", "map_options": {"sigma": 0.2}}),
    ("dwell", {"map": "uniform", "stay": 0.5}),
    ("grid", {}),
]


def test_options_of_no_sense_are_named() -> None:
    world = SaccadeWorld(noise(), glimpse=3)
    for options, said in (
        ({"side": "abc"}, "policy 'grid': side is 'abc', expected an integer"),
        ({"colour": 1}, "policy 'grid': GridPolicy.. got an unexpected keyword argument 'colour'"),
    ):
        with pytest.raises(ValueError, match=said):
            make_policy("grid", world, **options)
    with pytest.raises(ValueError, match="policy 'saliency': "):
        make_policy("saliency", world, radius="abc")


def test_every_policy_on_the_shelf_is_tested() -> None:
    elsewhere = {"unseen"}  # of objects: test_unseen.py
    elsewhere |= {"deepgaze3"}  # of a network: test_deepgaze3.py
    elsewhere |= {"sb3"}  # of Stable-Baselines3: test_policy_sb3.py
    elsewhere |= {"novelty", "disagreement", "information", "goal"}  # with a world model: test_planned_policies.py
    assert {name for name, _ in EVERY} | elsewhere >= set(registry.names(POLICIES))


@pytest.mark.parametrize("padding", ["inside", "zeros"])
@pytest.mark.parametrize(("name", "options"), EVERY)
def test_actions_are_legal_exact_and_repeatable(name: str, options: dict, padding: str) -> None:
    w = world(padding=padding)
    policy = make_policy(name, w, **options)
    assert isinstance(policy, Policy)
    poses, scenes = places(w, 40, 3)
    memory, rng = remembered(w, poses, scenes), Draws.rows(7, 40)
    choice = policy.act(memory, rng)
    now = poses[:, -1].contiguous()
    landed = w.move(SOMEWHERE, now, choice.action)
    assert choice.action.abs().max() <= 1
    assert torch.equal(w.difference(now, landed), choice.action), "an action says where one lands"
    assert torch.equal(policy.act(memory, rng).action, choice.action)
    few = torch.tensor([33, 2, 17])
    part = policy.act(remembered(w, poses[few], scenes[few]), rng[few])
    assert torch.equal(part.action, choice.action[few]), "a row does not depend on its batch"
    other = policy.act(memory, rng.fold(1)).action
    assert torch.equal(other, choice.action) == (name == "centre")


def test_uniform_fixations_reach_everywhere_in_any_world() -> None:
    w = world()
    poses, scenes = places(w, 4000, 1)
    choice = make_policy("uniform", w).act(remembered(w, poses, scenes), Draws.rows(0, 4000))
    landed = w.lattice.tops(w.move(SOMEWHERE, poses[:, 0].contiguous(), choice.action))
    count = torch.bincount(landed[:, 0] * w.lattice.count + landed[:, 1], minlength=w.lattice.count**2)
    assert count.min() > 0
    assert count.max() < 4 * count.float().mean()
    assert choice.log_prob.isnan().all()
    nothing = torch.zeros(5, 2, 1, 1, 1, dtype=torch.uint8)
    memory = Memory(nothing, torch.zeros(5, 1, 3), torch.rand(5, 2, 3), torch.arange(5))
    action = make_policy("uniform", Elsewhere()).act(memory, Draws.rows(0, 5)).action
    torch.testing.assert_close(memory.poses[:, -1] + action, Draws.rows(0, 5).uniform(3))


@pytest.mark.parametrize("side", [24, 25])
def test_the_centre_policy_returns_to_the_middle_and_stays(side: int) -> None:
    pixels = torch.zeros(1, side, side, 1, dtype=torch.uint8)
    images = Images("x", "train", pixels, torch.zeros(1).long(), ("x",), (0.5,), (0.2,), "x")
    w = SaccadeWorld(images, glimpse=GLIMPSE)
    policy = make_policy("centre", w)
    poses = w.lattice.poses(torch.tensor([[0, 0], [3, 16], [8, 8]]))[:, None]
    scenes = torch.zeros(3, dtype=torch.int64)
    for _ in range(3):
        choice = policy.act(remembered(w, poses, scenes), Draws.rows(0, 3))
        landed = w.move(SOMEWHERE, poses[:, -1].contiguous(), choice.action)
        assert (landed - 0.5).abs().max() <= 0.5 / side + 1e-6
        assert (landed == landed[0]).all()
        poses = torch.cat((poses, landed[:, None]), 1)
    assert choice.action.abs().max() == 0
    assert choice.log_prob.tolist() == [0, 0, 0]


def test_saliency_looks_at_the_spot_and_inhibition_looks_away() -> None:
    w = world()
    b = 600
    corner = w.lattice.poses(torch.tensor([16, 0])).expand(b, 1, 2)
    scenes = torch.arange(b) % 2
    spots = (torch.stack((6 + 2 * scenes, 19 - 2 * scenes), 1) + 0.5) / SIDE
    free, inhibited = make_policy("saliency", w, ior=False), make_policy("saliency", w, radius=4.0)
    choice = free.act(remembered(w, corner, scenes), Draws.rows(0, b))
    first = w.move(SOMEWHERE, corner[:, 0].contiguous(), choice.action)
    far = (first - spots).norm(dim=1).mean()
    anywhere, _ = places(w, b, 1)
    assert far < 0.7 * (anywhere[:, 0] - spots).norm(dim=1).mean()
    seen = torch.stack((corner[:, 0], first), 1)
    for policy, keeps_away in ((free, False), (inhibited, True)):
        action = policy.act(remembered(w, seen, scenes), Draws.rows(9, b)).action
        landed = w.move(SOMEWHERE, first, action)
        assert bool(((landed - first).norm(dim=1) * SIDE > 4.0).all()) == keeps_away


def test_inhibition_options_reach_the_draw() -> None:
    w = world()
    poses, scenes = places(w, 500, 2)
    memory = remembered(w, poses, scenes)
    for options in ({"radius": 6.0, "shape": "square"}, {"memory": 1, "radius": 6.0}, {"strength": 0.7}):
        policy = make_policy("saliency", w, map="uniform", log_prob=True, **options)
        choice = policy.act(memory, Draws.rows(1, 500))
        p = w.prior("uniform").probabilities(scenes, poses, Inhibition(**options))
        landed = w.lattice.tops(w.move(SOMEWHERE, poses[:, -1].contiguous(), choice.action))
        expected = p[torch.arange(500), landed[:, 0], landed[:, 1]]
        assert (expected > 0).all()
        torch.testing.assert_close(choice.log_prob.exp(), expected)


@pytest.mark.parametrize("name", ["saliency", "centre"])
def test_policies_of_fixations_refuse_other_worlds(name: str) -> None:
    with pytest.raises(ValueError, match=rf"policy '{name}' needs a world .*, and Elsewhere (is|has) none"):
        make_policy(name, Elsewhere())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"map": "deepgaze"}, "unknown prior 'deepgaze'; there are: centre"),
        ({"map": "precomputed"}, "spots/train: no saliency maps"),
        ({"radius": -1.0}, "inhibition.radius is -1.0"),
        ({"colour": 3}, "'saliency'.*colour"),
    ],
)
def test_bad_options_are_refused(options: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make_policy("saliency", world(), **options)
