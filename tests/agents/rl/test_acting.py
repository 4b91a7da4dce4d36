"""A policy of SB3 acts: the same state, the same distribution, files without code, and what is refused."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes.images import noise
from safetensors.torch import load_file, save_file

from gazeworld.agents.policies.sb3 import SB3Policy
from gazeworld.agents.policy import Memory, make_policy
from gazeworld.agents.rl.acting import Actor
from gazeworld.agents.rl.algorithms import make_agent
from gazeworld.agents.rl.memory import MomentCache, Remember
from gazeworld.agents.rl.observations import Observe
from gazeworld.agents.rl.reward import make_reward
from gazeworld.agents.rl.saving import save_agent, save_policy
from gazeworld.agents.rl.vec_env import SB3VecEnv
from gazeworld.agents.training.checkpoint import made_for
from gazeworld.agents.training.loop import collect
from gazeworld.envs.rng import Draws
from gazeworld.envs.stream import Stream
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import Scene
from gazeworld.envs.worlds.saccade import SaccadeWorld
from gazeworld.models.method import CheckpointError, Method

METHOD = {"name": "seq-jepa", "encoder": "small", "dim": 8, "width": 4, "action_width": 8, "predictor_hidden": 16}
GRID = {"name": "fixations", "side": 5, "radius": 2.0}
ON, OFF = {"n_steps": 4, "batch_size": 16, "n_epochs": 1}, {"learning_starts": 8, "buffer_size": 100, "batch_size": 8}
TINY = {"net_arch": [16], "activation_fn": "relu"}
KINDS: list[tuple[str, str, Any, dict[str, Any]]] = [
    ("ppo", "latent", None, ON),
    ("ppo", "pixels", GRID, ON),
    ("recurrent-ppo", "latent", None, ON),
    ("recurrent-ppo", "pixels", GRID, ON),
    ("maskable-ppo", "latent", GRID, ON),
    ("maskable-ppo", "latent+periphery", GRID, ON),
    ("sac", "latent", None, OFF),
    ("sac", "pixels", None, OFF),
    ("crossq", "flat-pixels", None, OFF),
]
N = 8


def world(**options: Any) -> SaccadeWorld:
    return SaccadeWorld(noise(side=24), **{"glimpse": 16, "observe": ("periphery",), **options})


def model(of: SaccadeWorld) -> Method:
    torch.manual_seed(0)
    return made_for(METHOD, of)


def agent_of(algorithm: str, kind: str, discrete: Any, options: dict[str, Any], method: Method, steps: int = 64) -> Any:
    env = ActiveVisionVectorEnv(N, world(), episode_steps=3, tensors=True, autoreset_mode="SameStep")
    adapter = SB3VecEnv(Observe(make_reward("coverage", Remember(env, method)), kind), discrete_actions=discrete)
    policy = {**TINY, **({"lstm_hidden_size": 8} if algorithm == "recurrent-ppo" else {})}
    agent = make_agent(algorithm, adapter, seed=3, policy=policy, **options)
    return agent.learn(steps) if steps else agent


def streams(policy: Any, length: int = 4) -> Stream:
    env = ActiveVisionVectorEnv(N, world(), episode_steps=5, tensors=True, autoreset_mode="Disabled")
    env.reset(seed=11)
    return collect(env, policy, length, Draws.rows(1, N), {"episode": 0})


def memory_of(stream: Stream) -> Memory:
    return Memory(stream.views, stream.actions, stream.poses, stream.scenes)


@pytest.mark.parametrize(("algorithm", "kind", "discrete", "options"), KINDS)
def test_a_saved_policy_does_what_the_agent_does(
    algorithm: str, kind: str, discrete: Any, options: dict[str, Any], tmp_path: Path
) -> None:
    method = model(world())
    agent = agent_of(algorithm, kind, discrete, options, method)
    save_policy(agent, tmp_path / "policy")
    assert {file.suffix for file in (tmp_path / "policy").iterdir()} == {".json", ".safetensors"}
    policy = make_policy("sb3", world(), path=str(tmp_path / "policy"), deterministic=True)
    policy.attach(method)
    stream = streams(policy)
    # The same episodes through the adapter, with SB3's own way to choose.
    adapter = agent.get_env()
    adapter.seed(11)
    observation, state, starts = adapter.reset(), None, np.ones(N, dtype=bool)
    for step in range(3):
        extra: dict[str, Any] = {}
        if algorithm == "recurrent-ppo":
            extra = {"state": state, "episode_start": starts}
        elif algorithm == "maskable-ppo":
            extra = {"action_masks": np.stack(adapter.env_method("action_masks"))}
        action, state = agent.predict(observation, deterministic=True, **extra)
        observation, starts = adapter.step(action)[0], np.zeros(N, dtype=bool)
        change = adapter.unwrapped.env.memory.change
        assert torch.equal(change.after.pose, stream.poses[:, step + 1])
    assert make_policy("sb3", world(), path=str(tmp_path / "policy"))


@pytest.mark.parametrize(("algorithm", "kind", "discrete", "options"), KINDS)
def test_draws_come_from_the_stream_that_is_passed_in(
    algorithm: str, kind: str, discrete: Any, options: dict[str, Any]
) -> None:
    method = model(world())
    actor = Actor.of(agent_of(algorithm, kind, discrete, options, method, steps=0), world())
    memory = memory_of(streams(make_policy("uniform", world()), 3))
    rng, before = Draws.rows(5, N), torch.get_rng_state()
    choice = actor.act(method, memory, rng)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(choice.action, actor.act(method, memory, rng).action)
    assert not torch.equal(choice.action, actor.act(method, memory, rng.fold(1)).action)
    few = torch.tensor([6, 1])
    part = Memory(memory.views[few], memory.actions[few], memory.poses[few], memory.scenes[few])
    torch.testing.assert_close(actor.act(method, part, rng[few]).action, choice.action[few])
    assert choice.action.abs().max() <= 1
    fixed = actor.act(method, memory, rng, deterministic=True)
    assert torch.equal(fixed.action, actor.act(method, memory, rng.fold(1), deterministic=True).action)
    assert fixed.log_prob.tolist() == [0.0] * N
    assert torch.isfinite(choice.log_prob).all()


@pytest.mark.parametrize("name", ["ppo", "sac", "maskable-ppo"])
def test_log_probabilities_are_those_of_the_distribution(name: str) -> None:
    """SB3's own log_prob of the same actions, in the units in which gazeworld counts."""
    method, discrete = model(world()), GRID if name == "maskable-ppo" else None
    agent = agent_of(name, "latent", discrete, OFF if name == "sac" else ON, method, steps=0)
    actor, memory = Actor.of(agent, world()), memory_of(streams(make_policy("uniform", world()), 3))
    if name == "ppo":
        agent.policy.log_std.data.fill_(-3.0)  # narrow, so that nothing is clipped
    choice = actor.act(method, memory, Draws.rows(5, N))
    moment = MomentCache().moments(method, memory, 2)[0]
    share = torch.full((N, 1), 2 / 3)
    observation = torch.cat((moment.aggregate, moment.pose, share), 1)
    with torch.no_grad():
        if name == "ppo":
            expected = agent.policy.get_distribution(observation).log_prob(choice.action)
        elif name == "sac":
            mean, log_std, _ = agent.policy.actor.get_action_dist_params(observation)
            agent.policy.actor.action_dist.proba_distribution(mean, log_std)
            expected = agent.policy.actor.action_dist.log_prob(choice.action)  # bounds of -1 and 1: no stretching
        else:
            poses = memory.poses
            free = actor.discrete.free(memory.scenes, poses, torch.ones(poses.shape[:2], dtype=torch.bool))
            targets = (poses[:, -1] + choice.action)[:, None]
            number = (actor.discrete.targets(memory.scenes) - targets).abs().sum(-1).argmin(1)
            assert free[torch.arange(N), number].all()
            expected = agent.policy.get_distribution(observation, action_masks=free).log_prob(number)
    torch.testing.assert_close(choice.log_prob, expected, atol=1e-3, rtol=1e-3)


def test_a_category_is_drawn_as_often_as_it_is_likely() -> None:
    from gazeworld.agents.rl.acting import _categorical

    wanted = torch.tensor([0.5, 0.0, 0.3, 0.2])
    found, log_prob = _categorical(wanted.log().clamp_min(-1e8).expand(20_000, 4), Draws.rows(0, 20_000), False)
    count = torch.bincount(found, minlength=4) / 20_000
    assert count[1] == 0
    assert (count - wanted).abs().max() < 5 * math.sqrt(0.25 / 20_000)
    torch.testing.assert_close(log_prob.exp(), wanted[found])


def test_recollection_encodes_each_view_once_until_weights_change() -> None:
    method = model(world())
    stream, remembered, encoded = streams(make_policy("uniform", world())), MomentCache(), []
    original = method.encode

    def counted(views: torch.Tensor) -> torch.Tensor:
        encoded.append(views.shape[1])
        return original(views)

    method.encode = counted  # type: ignore[method-assign]
    method.eval()
    for t in range(1, 5):
        moments = remembered.moments(method, memory_of(stream.first(t)))
        assert len(moments) == t
        expected = original(stream.views[:, :t]), stream.actions[:, : t - 1]
        torch.testing.assert_close(moments[-1].aggregate, method.aggregate(*expected))
    assert encoded == [1, 1, 1, 1]
    other = Stream(stream.views.roll(1, 0), stream.actions, stream.poses, stream.labels, stream.scenes)
    remembered.moments(method, memory_of(other.first(2)))
    with torch.no_grad():
        next(method.parameters()).mul_(1.5)
    moments = remembered.moments(method, memory_of(other.first(3)))
    torch.testing.assert_close(moments[-1].encoded, original(other.views[:, :3])[:, 2])
    assert encoded == [1, 1, 1, 1, 2, 3]
    remembered.moments(method, memory_of(other.first(1)))
    next(method.parameters()).data.mul_(1.5)  # as fused optimisers do: no version counts it
    moments = remembered.moments(method, memory_of(other.first(1)))
    torch.testing.assert_close(moments[-1].encoded, original(other.views[:, :1])[:, 0])


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("policy")
    save_policy(agent_of("maskable-ppo", "latent", GRID, ON, model(world()), steps=0), folder)
    return folder


def test_policies_for_something_else_are_refused(saved: Path) -> None:
    for other, said in (
        (world(glimpse=12), r"was trained for view shape \[3, 16, 16\], and SaccadeWorld has \[3, 12, 12\]"),
        (SaccadeWorld(noise(side=32), glimpse=16), r"was trained for glimpse \[0.6667, 0.6667\], and .* \[0.5, 0.5\]"),
    ):
        with pytest.raises(ValueError, match=said):
            make_policy("sb3", other, path=str(saved))
    from fakes.object_datasets import objects

    from gazeworld.envs.worlds.rotation import RotationWorld

    with pytest.raises(ValueError, match="was trained for world SaccadeWorld, and RotationWorld has RotationWorld"):
        make_policy("sb3", RotationWorld(objects()), path=str(saved))


def test_a_policy_for_other_actions_is_refused(saved: Path, tmp_path: Path) -> None:
    shutil.copytree(saved, tmp_path, dirs_exist_ok=True)
    data = json.loads((tmp_path / "policy.json").read_text())
    data["world"]["action_dim"] = 3
    (tmp_path / "policy.json").write_text(json.dumps(data))
    with pytest.raises(ValueError, match="was trained for action dim 3, and SaccadeWorld has 2"):
        make_policy("sb3", world(), path=str(tmp_path))


def test_a_policy_needs_its_world_model(saved: Path) -> None:
    policy = make_policy("sb3", world(), path=str(saved))
    memory = memory_of(streams(make_policy("uniform", world()), 2))
    with pytest.raises(ValueError, match="looks with a world model, and there is none: set `model`"):
        policy.act(memory, Draws.rows(0, N))
    torch.manual_seed(0)
    with pytest.raises(ValueError, match="observes aggregates of 16 numbers, and this world model gives 20"):
        policy.attach(made_for({**METHOD, "dim": 12}, world()))


def test_nan_from_a_policy_is_an_error(saved: Path, tmp_path: Path) -> None:
    shutil.copytree(saved, tmp_path, dirs_exist_ok=True)
    policy = SB3Policy(world(), path=str(tmp_path))
    policy.attach(model(world()))
    policy._actor.network.get_parameter("action_net.bias").data.fill_(torch.nan)
    with pytest.raises(ValueError, match=r"policy 'sb3' \(.*\) gives NaN: its weights or those of its world model"):
        policy.act(memory_of(streams(make_policy("uniform", world()), 2)), Draws.rows(0, N))


@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_refused_where_they_are_read(
    number: float, saved: Path, tmp_path: Path
) -> None:
    shutil.copytree(saved, tmp_path, dirs_exist_ok=True)
    file = tmp_path / "policy.safetensors"
    weights = load_file(file)
    weights["action_net.bias"][3] = number
    save_file(weights, file)
    with pytest.raises(
        CheckpointError, match=r"gives NaN: .*policy\.safetensors: action_net\.bias holds 1 of 25 numbers"
    ):
        make_policy("sb3", world(), path=str(tmp_path))


def test_bad_files_are_named(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs the option path"):
        make_policy("sb3", world())
    with pytest.raises(ValueError, match=r"agent\.zip: zip files of Stable-Baselines3 run code"):
        make_policy("sb3", world(), path=str(tmp_path / "agent.zip"))
    with pytest.raises(CheckpointError, match=r"policy\.json: no such file"):
        make_policy("sb3", world(), path=str(tmp_path))
    for text, said in (("{", "not JSON"), ('{"format": 1}', "expected the keys")):
        (tmp_path / "policy.json").write_text(text)
        with pytest.raises(CheckpointError, match=said):
            make_policy("sb3", world(), path=str(tmp_path))
    shutil.copytree(saved, tmp_path, dirs_exist_ok=True)
    (tmp_path / "policy.safetensors").write_bytes(b"half")
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        make_policy("sb3", world(), path=str(tmp_path))
    data = json.loads((saved / "policy.json").read_text())
    shutil.copytree(saved, tmp_path, dirs_exist_ok=True)
    (tmp_path / "policy.json").write_text(json.dumps({**data, "policy": {"net_arch": [17]}}))
    with pytest.raises(CheckpointError, match="has shape"):
        make_policy("sb3", world(), path=str(tmp_path))
    (tmp_path / "policy.json").write_text(json.dumps({**data, "algorithm": "ppo", "discrete_actions": None}))
    with pytest.raises(CheckpointError, match="of another network"):
        make_policy("sb3", world(), path=str(tmp_path))
    del data["observation"]
    (tmp_path / "policy.json").write_text(json.dumps(data))
    with pytest.raises(CheckpointError, match=r"not what gazeworld writes: 'observation'"):
        make_policy("sb3", world(), path=str(tmp_path))


def test_the_newest_checkpoint_of_a_run_is_found(saved: Path, tmp_path: Path) -> None:
    for step in (3, 20):
        shutil.copytree(saved, tmp_path / f"checkpoints/step-{step:08d}")
    (tmp_path / "checkpoints/step-00000003/policy.json").write_text("{")
    make_policy("sb3", world(), path=str(tmp_path))


def test_what_cannot_be_written_down_is_refused(tmp_path: Path) -> None:
    class Own(torch.nn.ReLU):
        pass

    agent = agent_of("ppo", "latent", None, ON, model(world()), steps=0)
    agent.policy_kwargs["activation_fn"] = Own
    with pytest.raises(ValueError, match=r"policy_kwargs\['activation_fn'\] is Own, which is on no list"):
        save_agent(agent, tmp_path)
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.parametrize(("algorithm", "kind", "discrete", "options"), KINDS)
def test_what_is_said_of_the_next_fixation_is_what_is_done(
    algorithm: str, kind: str, discrete: Any, options: dict[str, Any]
) -> None:
    of, draws = world(), 3000
    method = model(of)
    actor = Actor.of(agent_of(algorithm, kind, discrete, options, method, steps=0), of)
    stream = memory_of(streams(make_policy("uniform", of), 2))
    memory = Memory(*(one[:1] for one in vars(stream).values()))
    log_p = actor.log_density(method, memory)
    assert log_p.exp().sum() == pytest.approx(1, abs=1e-5)
    again = Memory(*(one.repeat_interleave(draws, 0) for one in vars(memory).values()))
    action = actor.act(method, again, Draws.rows(5, draws)).action
    places = of.lattice.places(
        of.move(Scene(again.scenes, again.scenes, again.poses[:, -1]), again.poses[:, -1], action)
    )
    met = torch.zeros_like(log_p[0]).index_put(tuple(places.unbind(1)), torch.tensor(1.0), accumulate=True)
    p = log_p[0].exp()
    assert (met[p == 0] == 0).all()
    assert ((met - draws * p).abs() / (draws * p * (1 - p)).clamp_min(1).sqrt()).max() < 5
    fixed = actor.log_density(method, memory, deterministic=True)
    here = memory.poses[:, -1]
    sure = of.move(
        Scene(memory.scenes, memory.scenes, here),
        here,
        actor.act(method, memory, Draws.rows(0, 1), deterministic=True).action,
    )
    row, column = of.lattice.places(sure)[0].tolist()
    assert fixed[0, row, column] == 0
    assert torch.isinf(fixed).sum() == fixed.numel() - 1
