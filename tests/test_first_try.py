"""What other libraries do first with an id of ours works as it stands: Gymnasium, Stable-Baselines3, TorchRL."""

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import wrappers
from gymnasium.wrappers import vector as vector_wrappers
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import SubprocVecEnv

import gazeworld.envs
from gazeworld.envs.validation import OptionError

ROOT = Path(__file__).parent.parent
SMALL: dict[str, dict[str, Any]] = {  # other data than an id shows, in views of the same size
    "Saccade": {"split": "test", "source_options": {"variants": 1}},
    "Augmentation": {"split": "test", "source_options": {"variants": 1}},
    "Rotation": {"source_options": {"per_family": 2, "views": 3}},
}
IDS = [f"gazeworld/{world}{paid}-v0" for world in SMALL for paid in ("", "Coverage")]
SIX = np.float32(6)


def small(id: str) -> dict[str, Any]:
    return next(options for world, options in SMALL.items() if world in id)


def test_the_package_s_own_name_registers_the_ids_and_offers_the_folders(tmp_path: Path) -> None:
    """Laid out as an installation is; the package itself, in front of what is installed here."""
    (tmp_path / "gazeworld").mkdir()
    (tmp_path / "gazeworld/__init__.py").symlink_to(ROOT / "scripts/gazeworld/__init__.py")
    for folder in ("envs", "models", "agents", "scenarios"):
        (tmp_path / "gazeworld" / folder).symlink_to(ROOT / folder)
    code = """
import sys, gymnasium
try: gymnasium.make("gazeworld/Saccade-v0")
except gymnasium.error.NamespaceNotFound: pass
import gazeworld
assert "torch" not in sys.modules and "gazeworld.agents" not in sys.modules
assert "gazeworld/Saccade-v0" in gymnasium.registry and gazeworld.__version__ and "models" in dir(gazeworld)
assert gazeworld.agents.make_policy and gazeworld.envs.make_world
try: gazeworld.nothing
except AttributeError as error: assert "no attribute 'nothing'" in str(error)
"""
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, env=environment)


def test_the_plug_in_entry_point_of_gymnasium_is_declared() -> None:
    """Of versions before 1.0 and of other libraries that read it; Gymnasium 1.x does not."""
    text = (ROOT / "setup.cfg").read_text(encoding="utf-8").partition("gymnasium.envs =\n")[2]
    name, _, value = text.splitlines()[0].partition("=")
    assert name.strip() == "__root__"
    found = EntryPoint(name.strip(), value.strip(), "gymnasium.envs").load()
    assert found is gazeworld.envs.register_envs


@pytest.mark.parametrize("id", IDS)
def test_stable_baselines3_trains_on_every_id_as_it_stands(id: str) -> None:
    """With its own network, its own vectors of environments and its own defaults, but for how long."""
    env = make_vec_env(id, n_envs=2, env_kwargs=small(id))
    view = env.observation_space["view"]  # pyright: ignore[reportIndexIssue]
    assert min(view.shape[:2]) >= 36
    agent = PPO("MultiInputPolicy", env, n_steps=6, batch_size=4, n_epochs=1).learn(12)
    assert agent.num_timesteps == 12
    earned = [episode["r"] for episode in agent.ep_info_buffer or ()]
    assert len(earned) == 2
    assert (sum(earned) > 0) == ("Coverage" in id)


def test_stable_baselines3_trains_in_processes_of_its_own() -> None:
    """They import nothing of ours by themselves, so the id names its module."""
    id = "gazeworld.envs:gazeworld/SaccadeCoverage-v0"
    env = make_vec_env(id, n_envs=1, env_kwargs=SMALL["Saccade"], vec_env_cls=SubprocVecEnv)
    try:
        assert PPO("MultiInputPolicy", env, n_steps=4, batch_size=4, n_epochs=1).learn(4).num_timesteps == 4
    finally:
        env.close()


def test_an_id_takes_other_options_and_other_sources() -> None:
    def side(**options: Any) -> int:
        return gymnasium.make("gazeworld/Saccade-v0", split="test", **options).unwrapped.world.side  # pyright: ignore

    few = {"variants": 1}
    assert side(source_options=few) == 108
    assert side(source_options=few, source="digits", glimpse=16) == 108
    assert side(source_options={**few, "side": 64}) == 64
    assert side(source="search", source_options={"variants": 1, "side": 72}) == 72
    assert side(world="saccade", source_options=few) == 56
    with pytest.raises(OptionError, match="expected a name, or a mapping of 'name' and options"):
        side(world={"glimpse": 16})


SINGLE: dict[str, Callable[[gymnasium.Env], gymnasium.Env]] = {
    "TimeAwareObservation": wrappers.TimeAwareObservation,
    "ClipAction": wrappers.ClipAction,
    "RescaleAction": lambda env: wrappers.RescaleAction(env, -SIX, SIX),
    "RecordEpisodeStatistics": wrappers.RecordEpisodeStatistics,
    "FlattenObservation": wrappers.FlattenObservation,
    "FrameStackObservation": lambda env: wrappers.FrameStackObservation(env, 2),
    "FilterObservation": lambda env: wrappers.FilterObservation(env, ["view"]),
    "NormalizeObservation": lambda env: wrappers.NormalizeObservation(wrappers.FlattenObservation(env)),
    "NormalizeReward": wrappers.NormalizeReward,
    "TimeLimit": lambda env: wrappers.TimeLimit(env, 2),
    "Autoreset": wrappers.Autoreset,
}


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("id", IDS[:2])
def test_gymnasium_s_wrappers_take_them(id: str, name: str) -> None:
    env = SINGLE[name](gymnasium.make(id, **small(id)))
    assert env.reset(seed=0)[0] in env.observation_space
    env.action_space.seed(1)
    steps = 2 if name == "TimeLimit" else 4
    for step in range(steps):
        observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
        assert observation in env.observation_space
        assert np.isfinite(float(reward))
        assert (terminated, truncated) == (False, step == steps - 1)
    assert ("episode" in info) == (name == "RecordEpisodeStatistics")
    assert env.spec is not None
    assert env.spec.max_episode_steps == (2 if name == "TimeLimit" else 4)


VECTOR: dict[str, Callable[[Any], Any]] = {
    "RecordEpisodeStatistics": vector_wrappers.RecordEpisodeStatistics,
    "ClipAction": vector_wrappers.ClipAction,
    "RescaleAction": lambda env: vector_wrappers.RescaleAction(env, -SIX, SIX),
    "NormalizeReward": vector_wrappers.NormalizeReward,
    "ClipReward": lambda env: vector_wrappers.ClipReward(env, 0, 0.5),
    "DictInfoToList": vector_wrappers.DictInfoToList,
    "FlattenObservation": vector_wrappers.FlattenObservation,
    "FilterObservation": lambda env: vector_wrappers.FilterObservation(env, ["view"]),
    "NormalizeObservation": lambda env: vector_wrappers.NormalizeObservation(vector_wrappers.FlattenObservation(env)),
}


@pytest.mark.parametrize("name", VECTOR)
@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_gymnasium_s_vector_wrappers_take_them(mode: str, name: str) -> None:
    env = gymnasium.make_vec(IDS[1], 3, autoreset_mode=mode, **small(IDS[1]))
    if mode == "SameStep" and "Observation" in name:
        with pytest.raises(ValueError, match="autoreset_mode"):  # Gymnasium's own limit, told before anything is seen
            VECTOR[name](env)
        return
    env = VECTOR[name](env)
    assert env.reset(seed=0)[0] in env.observation_space
    env.action_space.seed(1)
    ends, paid = 0, 0.0
    for _ in range(6):
        observation, reward, _, truncated, _ = env.step(env.action_space.sample())
        assert observation in env.observation_space
        ends, paid = ends + int(truncated.sum()), paid + float(reward.sum())
    assert ends == 3
    assert paid > 0


@pytest.mark.parametrize("max_episode_steps", [None, 2, -1])
@pytest.mark.parametrize("id", IDS[:2])
def test_lengths_of_episodes_are_told_and_can_be_chosen(id: str, max_episode_steps: int | None) -> None:
    chosen: dict[str, Any] = {} if max_episode_steps is None else {"max_episode_steps": max_episode_steps}
    env = gymnasium.make_vec(id, 2, **chosen, **small(id))
    wanted = 2 if max_episode_steps == 2 else 4
    assert env.spec is not None
    assert env.spec.max_episode_steps == wanted
    env.reset(seed=0)
    ends = [bool(env.step(env.action_space.sample())[3].all()) for _ in range(wanted)]
    assert ends == [False] * (wanted - 1) + [True]


def test_torchrl_makes_them_rolls_them_out_and_hears_of_unknown_keywords() -> None:
    pytest.importorskip("torchrl")
    from torchrl.envs import GymEnv, GymWrapper, check_env_specs

    env = GymEnv(IDS[1], **small(IDS[1]))
    check_env_specs(env)
    rollout = env.rollout(9, break_when_any_done=False)
    assert rollout["view"].shape == (9, 36, 36, 1)
    assert rollout["next", "truncated"].flatten().tolist() == [i % 4 == 3 for i in range(9)]
    assert float(rollout["next", "reward"].sum()) > 0
    with pytest.raises(OptionError, match=r"unexpected keyword argument 'glimse'; did you mean 'glimpse'\?"):
        GymEnv(IDS[0], glimse=16)
    for mode in ("SameStep", "Disabled"):
        several = GymWrapper(gymnasium.make_vec(IDS[1], 3, autoreset_mode=mode, **small(IDS[1])))
        rollout = several.rollout(9, break_when_any_done=False)
        assert rollout.batch_size == (3, 9)
        assert rollout["next", "done"].sum() == 6
