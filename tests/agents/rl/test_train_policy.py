"""A policy is trained from Python in a few lines, saved, resumed bit for bit; and older files of policies are read."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from gazeworld.agents.config import PolicyPlan
from gazeworld.agents.policy import make_policy
from gazeworld.agents.rl.algorithms import agent_config
from gazeworld.agents.rl.saving import POLICY, read
from gazeworld.agents.rl.train_policy import PolicyTraining, read_plan, train_policy
from gazeworld.agents.training.checkpoint import made_for
from gazeworld.agents.training.loop import collect
from gazeworld.envs.files import DataError
from gazeworld.envs.rng import Draws
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import World, make_world
from gazeworld.models.method import Method

SEQ_JEPA = {"name": "seq-jepa", "encoder": "small", "dim": 8, "width": 4, "action_width": 4, "predictor_hidden": 16}
ROLLOUTS = {"n_steps": 3, "batch_size": 24, "n_epochs": 2}


def digits(split: str = "train") -> World:
    return make_world("saccade", source="digits", split=split, glimpse=16, source_options={"variants": 1})


def untrained(world: World) -> Method:
    torch.manual_seed(0)
    return made_for(SEQ_JEPA, world).eval()


def plan(world: World, method: Method, **changes: Any) -> PolicyPlan:
    """A small one, as a user would write it."""
    agent = agent_config(
        world,
        method.aggregate_dim,
        environments=8,
        episode_steps=2,
        rewards=({"name": "recognition", "epochs": 2},),
        options=ROLLOUTS,
    )
    return PolicyPlan(agent, **{"steps": 96, "every": 48, "prepare": 60, **changes})


def test_a_policy_is_trained_in_memory_and_looks() -> None:
    world, said = digits(), list[str]()
    method = untrained(world)
    trained = train_policy(world, method, plan(world, method), tell=said.append)
    env = ActiveVisionVectorEnv(4, world, episode_steps=2, tensors=True)
    stream = collect(env, trained.policy, 3, Draws.rows(0, 4))
    assert stream.views.shape == (4, 3, 1, 16, 16)
    assert trained.finished
    assert [line["step"] for line in trained.history] == [48, 96]
    assert all(isinstance(line["return"], float) for line in trained.history)
    assert said[0].startswith("prepared on 60 streams: recognition_loss ")
    assert [line.split()[1] for line in said[1:]] == ["48/96", "96/96"]
    other = digits("test")
    env = ActiveVisionVectorEnv(4, other, episode_steps=2, tensors=True)
    assert collect(env, trained.policy_in(other), 3, Draws.rows(0, 4)).scenes.shape == (4,)


def weights(trained: PolicyTraining) -> dict[str, torch.Tensor]:
    return dict(trained.agent.policy.state_dict())


def test_a_folder_holds_the_same_policy_and_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    world = digits()
    method = untrained(world)
    quiet: Any = list[str]().append
    whole = train_policy(world, method, plan(world, method), tell=quiet)
    cut = train_policy(world, method, plan(world, method, steps=48), tmp_path, tell=quiet)
    assert cut.finished
    on = train_policy(world, method, plan(world, method), tmp_path, resume=True, tell=quiet)
    assert on.history == whole.history
    saved = load_file(tmp_path / "policy.safetensors")
    assert saved.keys() == weights(whole).keys()
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(on)[name])
        assert torch.equal(value, saved[name])
    policy = make_policy("sb3", world, path=str(tmp_path))
    policy.attach(method)
    env = ActiveVisionVectorEnv(4, world, episode_steps=2, tensors=True)
    one, two = (collect(env, each, 3, Draws.rows(7, 4), {"episode": 3}) for each in (policy, on.policy))
    assert torch.equal(one.poses, two.poses)
    assert train_policy(world, method, folder=tmp_path, resume=True, tell=quiet).steps == 96, "nothing is left to do"
    with pytest.raises(ValueError, match="the plan is not the one that is written there"):
        train_policy(world, method, plan(world, method, seed=1), tmp_path, resume=True)
    with torch.no_grad():
        next(method.parameters()).add_(1)
    with pytest.raises(ValueError, match="trained in the world model"):
        train_policy(world, method, folder=tmp_path, resume=True)


def test_choices_stand_beside_what_suits_the_world() -> None:
    world = digits()
    method = untrained(world)
    usual = agent_config(world, method.aggregate_dim)
    assert usual.discrete_actions == {"name": "fixations", "side": 9}
    assert usual.policy == {"net_arch": [method.aggregate_dim + 3, 64, 64]}
    chosen = agent_config(world, method.aggregate_dim, options={"gamma": 0.9}, policy={"net_arch": [16]})
    assert chosen.options == {**usual.options, "gamma": 0.9}
    assert chosen.policy == {"net_arch": [16]}
    assert agent_config(world, algorithm="sac").discrete_actions is None
    with pytest.raises(ValueError, match="agent has no option 'colour'; there are: algorithm, "):
        agent_config(world, colour=1)


def test_policies_of_earlier_versions_are_read(tmp_path: Path) -> None:
    """What `gazeworld steer` of an earlier version wrote: `steer`, `looks` and `menu`."""
    world = digits()
    method = untrained(world)
    quiet: Any = list[str]().append
    asked = plan(world, method, prepare_on=({"name": "centre"},))
    train_policy(world, method, asked, tmp_path, tell=quiet)
    plans, files = read_plan(tmp_path), [read(at, POLICY)[0] for at in places(tmp_path)]
    config = json.loads((tmp_path / "config.json").read_text())
    steer = config.pop("train_policy")
    steer["looks"] = steer.pop("prepare_on")
    steer["agent"]["menu"] = steer["agent"].pop("discrete_actions")
    (tmp_path / "config.json").write_text(json.dumps({**config, "steer": steer}))
    for at in places(tmp_path):
        data = json.loads((at / "policy.json").read_text())
        data["menu"] = data.pop("discrete_actions")
        (at / "policy.json").write_text(json.dumps(data))
    assert read_plan(tmp_path) == plans
    assert plans[0] == asked
    assert [read(at, POLICY)[0] for at in places(tmp_path)] == files
    assert make_policy("sb3", world, path=str(tmp_path))
    more = dataclasses.replace(asked, steps=120)
    assert train_policy(world, method, more, tmp_path, resume=True, tell=quiet).steps == 120
    assert "steer" not in json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "steer": {**steer, "colour": 1}}))
    with pytest.raises(DataError, match="unknown field 'colour'"):
        read_plan(tmp_path)


def places(folder: Path) -> list[Path]:
    """Where a policy's files lie: in its folder and in its checkpoint."""
    return [folder, *sorted((folder / "checkpoints").iterdir())]
