"""Policies that look ahead with a world model: what each is there for, by hand, and what all of them promise."""

import json
import math
from pathlib import Path

import pytest
import torch
from fakes.images import noise
from fakes.methods import PLACES, Knows, Mute, Turns, at, landed, lift, place, recall, wander
from fakes.object_datasets import objects
from gymnasium.vector import AutoresetMode
from torch import Tensor

from gazeworld.agents.config import EnsembleConfig
from gazeworld.agents.planning.ensemble import Ensemble, Sizes, fit_ensemble, save_ensemble
from gazeworld.agents.policy import Policy, make_policy
from gazeworld.agents.probes.features import rollouts
from gazeworld.agents.training import checkpoint
from gazeworld.agents.training.checkpoint import made_for, signature
from gazeworld.agents.training.loop import collect
from gazeworld.envs.rng import Draws
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import World
from gazeworld.envs.worlds.rotation import RotationWorld
from gazeworld.envs.worlds.saccade import SaccadeWorld
from gazeworld.models.method import CheckpointError, Method

METHOD = {"name": "seq-jepa", "encoder": "small", "dim": 8, "width": 4, "action_width": 8, "predictor_hidden": 16}
NAMES = ["novelty", "disagreement", "information", "goal"]
FEW = EnsembleConfig(heads=3, hidden=8, epochs=1, label_epochs=1)


def tiny(world: World) -> Method:
    torch.manual_seed(1)
    return made_for(METHOD, world)


def environment(world: World, n: int) -> ActiveVisionVectorEnv:
    return ActiveVisionVectorEnv(n, world, episode_steps=4, tensors=True, autoreset_mode=AutoresetMode.DISABLED)


def ready(name: str, world: World, method: Method, **options: object) -> Policy:
    """A policy with everything it needs."""
    if name == "goal":
        options = {"pose": [0.5, 0.5] if isinstance(world, SaccadeWorld) else [0, 0, 0, 1, 0.5, 0.5], **options}
    policy = make_policy(name, world, **options)
    policy.attach(method)
    if name in ("disagreement", "information"):
        stream = rollouts(environment(world, 10), make_policy("uniform", world), 3)
        policy.equip(fit_ensemble(method, stream, world, FEW))
    return policy


def downwards(method: Method, classes: int = 0) -> Ensemble:
    """Two heads that differ the more the farther down an action leads: (1, ±row) as unit vectors."""
    heads = Ensemble(
        Sizes(aggregate=4, action=2, embedding=4, classes=classes), EnsembleConfig(2, 1), signature(method)
    )
    for parameter in heads.parameters():
        parameter.data.zero_()
    heads.first.data[:, 0, 4] = 1.0  # the hidden unit is the action's row, 0 if it leads up
    heads.second.data[0, 1, 0], heads.second.data[1, 1, 0] = 1.0, -1.0
    heads.second_bias.data[:, 0] = 1.0
    return heads


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rotation", [False, True])
def test_rows_stand_alone_choices_repeat_and_no_buffer_moves(name: str, rotation: bool) -> None:
    world = RotationWorld(objects(n=6, v=7)) if rotation else SaccadeWorld(noise(side=24), glimpse=8)
    method = tiny(world)
    before = {key: value.clone() for key, value in method.state_dict().items()}
    policy, memory, rng = ready(name, world, method), wander(world, 12, 2), Draws.rows(5, 12)
    choice = policy.act(memory, rng)
    assert torch.equal(policy.act(memory, rng).action, choice.action)
    few = torch.tensor([9, 3, 4])
    part = recall(world, memory.poses[few], memory.scenes[few])
    torch.testing.assert_close(policy.act(part, rng[few]).action, choice.action[few])
    assert not choice.action.is_inference()
    assert method.training
    assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())
    env = environment(world, 12)
    env.reset(seed=0)
    stream = collect(env, policy, 4, rng)  # the environment refuses what is out of bounds
    assert stream.views.shape[:2] == (12, 4)


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_without_a_model_says_so(name: str) -> None:
    world = place()
    policy, memory = make_policy(name, world), wander(world, 2, 1)
    with pytest.raises(ValueError, match=f"policy '{name}' has no world model: attach one, or name the folder"):
        policy.act(memory, Draws.rows(0, 2))
    with pytest.raises(ValueError, match=f"policy '{name}' needs a world model that predicts views, and Mute"):
        policy.attach(Mute())
    with pytest.raises(ValueError, match=f"'{name}'.*colour"):
        make_policy(name, world, colour=3)
    with pytest.raises(ValueError, match=r"inhibition\.radius is -1\.0"):
        make_policy(name, world, radius=-1.0)
    with pytest.raises(ValueError, match=r"config\.json: no such file"):
        make_policy(name, world, model="nowhere")


@pytest.mark.parametrize("name", ["novelty", "goal"])
def test_what_is_not_finite_is_refused(name: str) -> None:
    world = place()
    policy, memory = ready(name, world, Knows("nan")), wander(world, 3, 1)
    with pytest.raises(ValueError, match=f"policy '{name}': what the world model foresees for row 0 is not finite"):
        policy.act(memory, Draws.rows(0, 3))


def test_heads_that_are_not_finite_are_refused() -> None:
    world, method = place(), Knows()
    heads = downwards(method)
    heads.second_bias.data[:] = math.nan
    policy = make_policy("disagreement", world)
    policy.attach(method)
    policy.equip(heads)
    with pytest.raises(ValueError, match="policy 'disagreement': what the world model foresees for row 0"):
        policy.act(wander(world, 2, 1), Draws.rows(0, 2))


def test_novelty_goes_to_the_farthest_place() -> None:
    world = place()
    memory = wander(world, 60, 3)
    policy = make_policy("novelty", world, grid=PLACES)
    policy.attach(Knows())
    got = landed(world, memory, policy.act(memory, Draws.rows(0, 60)).action)
    every = torch.cartesian_prod(torch.arange(PLACES), torch.arange(PLACES))
    cosines = lift(at(world, every)) @ lift(memory.poses).transpose(1, 2) / 2  # b cells t
    distance = 1 - cosines.amax(-1)
    seen = (every[:, None] - world.lattice.places(memory.poses)[:, None]).double().norm(dim=-1).amin(-1)
    distance[seen <= 4] = -1
    chosen = distance[torch.arange(60), got[:, 0] * PLACES + got[:, 1]]
    torch.testing.assert_close(chosen, distance.amax(1))


@pytest.mark.parametrize("name", ["disagreement", "information"])
def test_curiosity_goes_where_the_heads_differ(name: str) -> None:
    world, method = place(), Knows()
    heads = downwards(method, classes=2)
    heads.label[0, 5], heads.label[1, 5] = 3.0, -3.0  # what they differ about tells the label
    policy = make_policy(name, world, grid=PLACES)
    policy.attach(method)
    policy.equip(heads)
    start = at(world, torch.tensor([[2, 8]])).expand(300, 1, 2)
    choice = policy.act(recall(world, start), Draws.rows(0, 300))
    got = landed(world, recall(world, start), choice.action)
    assert (got[:, 0] == PLACES - 1).all()
    assert len(got[:, 1].unique()) == PLACES, "every column is as good"
    torch.testing.assert_close(choice.log_prob, torch.full((300,), -math.log(PLACES)))


@pytest.mark.parametrize("name", ["disagreement", "information"])
def test_heads_that_agree_leave_it_to_chance(name: str) -> None:
    world, method = place(), Knows()
    heads = downwards(method, classes=2)
    heads.second.data[1] = heads.second.data[0]
    heads.label[0, 5] = 3.0
    policy = make_policy(name, world, grid=PLACES, ior=False)
    policy.attach(method)
    policy.equip(heads)
    choice = policy.act(wander(world, 50, 1), Draws.rows(0, 50))
    torch.testing.assert_close(choice.log_prob, torch.full((50,), -2 * math.log(PLACES)))


def test_heads_are_asked_for_and_belong_to_the_model(tmp_path: Path) -> None:
    world, method, other = place(), Knows(), Knows()
    other.weight.data += 1
    policy, memory = make_policy("disagreement", world), wander(world, 2, 1)
    policy.attach(method)
    with pytest.raises(ValueError, match="policy 'disagreement' has no ensemble: name its folder"):
        policy.act(memory, Draws.rows(0, 2))
    with pytest.raises(CheckpointError, match="given to a policy whose model is"):
        policy.equip(downwards(other))
    policy.equip(downwards(method))
    policy.attach(method)  # again, the same: nothing is lost
    policy.act(memory, Draws.rows(0, 2))
    policy.attach(other)
    with pytest.raises(ValueError, match="has no ensemble"):
        policy.act(memory, Draws.rows(0, 2))
    save_ensemble(downwards(method), tmp_path / "ensemble")
    named = make_policy("information", world, ensemble=str(tmp_path / "ensemble"))
    with pytest.raises(CheckpointError, match="this ensemble was fitted for the model"):
        named.attach(other)
    named.attach(method)
    with pytest.raises(ValueError, match="no label head"):
        named.act(memory, Draws.rows(0, 2))


def test_the_folder_of_a_run_gives_the_model_and_its_heads(tmp_path: Path) -> None:
    world = SaccadeWorld(noise(side=24), glimpse=8)
    method = tiny(world)
    (tmp_path / "config.json").write_text(json.dumps({"scenario": "x", "config": {"method": METHOD}}))
    state = {"method": "SeqJEPA", "seed": 0, "steps": 9}
    optimiser = torch.optim.AdamW(method.parameters())
    checkpoint.save(tmp_path / "checkpoints", 7, method, optimiser, state, keep=0)
    memory, rng = wander(world, 8, 2), Draws.rows(0, 8)
    attached = ready("disagreement", world, method)
    policy = make_policy("disagreement", world, model=str(tmp_path))
    with pytest.raises(ValueError, match="has no ensemble"):
        policy.act(memory, rng)
    save_ensemble(attached._ensemble.get(), tmp_path / "ensemble")
    for name in NAMES:
        policy = make_policy(name, world, model=str(tmp_path), **({"pose": [0.5, 0.5]} if name == "goal" else {}))
        expected = ready(name, world, method).act(memory, rng).action
        policy.attach(Knows())  # a model was named: this one is not looked with
        if name != "information":  # fitted on the same streams, so that even those heads agree
            torch.testing.assert_close(policy.act(memory, rng).action, expected)


def test_the_goal_may_be_a_pose_or_views_one_for_each_episode() -> None:
    world, n = place(), 6
    memory, rng = wander(world, n, 1), Draws.rows(0, n)
    policy = make_policy("goal", world, pose=[0.3, 0.7], ior=False)
    policy.attach(Knows())
    got = landed(world, memory, policy.act(memory, rng).action)
    assert torch.equal(got, world.lattice.places(torch.tensor([[0.3, 0.7]])).expand(n, -1))
    policy.aim(memory.views[:, 0])  # what is aimed at counts
    assert policy.act(memory, rng).action.abs().max() == 0
    with pytest.raises(ValueError, match="aimed at 6 views, but there are 4 episodes"):
        policy.act(wander(world, 4, 1), Draws.rows(0, 4))
    aimless = make_policy("goal", world)
    aimless.attach(Knows())
    with pytest.raises(ValueError, match=r"has no goal: call aim\(views\), or give its option 'pose'"):
        aimless.act(memory, rng)


@pytest.mark.parametrize("planner", ["grid", "cem", "mppi"])
def test_turns_to_the_view_that_is_given(planner: str) -> None:
    world = RotationWorld(objects(n=6, v=7))
    memory, wanted = wander(world, 6, 1), torch.tensor([3, 0, 6, 2, 5, 1])
    goal = world.views.poses[torch.arange(6), wanted]
    policy = make_policy("goal", world, planner=planner, ior=False, plan=None if planner == "grid" else {"horizon": 1})
    policy.attach(Turns(world))
    policy.aim(world.look(world.scene(memory.scenes, Draws.rows(0, 6)), goal))
    action = policy.act(memory, Draws.rows(0, 6)).action
    got: Tensor = world.move(world.scene(memory.scenes, Draws.rows(0, 6)), memory.poses[:, 0], action)
    assert torch.equal(got, goal)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"planner": "tree"}, "planner is 'tree', expected 'grid', 'cem' or 'mppi'"),
        ({"plan": {"horizon": 3}}, "is for the planners cem, mppi, not for 'grid'"),
        ({"pose": [0.5]}, "pose has 1 numbers, expected 2"),
        ({"grid": 1}, "grid is 1"),
    ],
)
def test_bad_options_of_goals_are_refused(options: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make_policy("goal", place(), **options)
