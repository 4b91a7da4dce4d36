"""Environments that pay: Gymnasium finds no fault with them, and Stable-Baselines3 gets them in one call."""

import json
import pickle
from typing import Any

import gymnasium
import numpy as np
import pytest
from fakes.images import noise
from fakes.methods import Reading
from fakes.worlds import CountingWorld
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.env_checker import check_env as check_env_of_sb3

from gazeworld.agents.rl.memory import Remember
from gazeworld.agents.rl.reward import make_reward, rewards_of
from gazeworld.agents.rl.rewarded import RewardedEnv, rewarded_vector_env
from gazeworld.agents.rl.vec_env import make_sb3_env
from gazeworld.envs import ActiveVisionVectorEnv, check_vector_env, make_world
from gazeworld.envs.validation import OptionError

ID = "gazeworld/SaccadeCoverage-v0"
SMALL: dict[str, Any] = {"split": "test", "source_options": {"variants": 1}}


def world() -> Any:
    return make_world("saccade", source=noise(n=20, side=36), glimpse=12)


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_it_is_a_vector_environment_to_the_letter(mode: AutoresetMode) -> None:
    def make(n: int) -> Any:
        return rewarded_vector_env(n, world(), autoreset_mode=mode, episode_steps=3)

    check_vector_env(make(3), factory=make)


def test_it_pays_what_the_wrapper_pays() -> None:
    ours = rewarded_vector_env(3, world(), reward={"name": "coverage", "weight": 2.0})
    theirs = make_reward("coverage", Remember(ActiveVisionVectorEnv(3, world(), tensors=True)))
    for env in (ours, theirs):
        env.reset(seed=5)
    ours.action_space.seed(0)
    for _ in range(6):
        move = ours.action_space.sample()
        mine, other = ours.step(move), theirs.step(move)
        assert mine[1].dtype == np.float64
        np.testing.assert_allclose(mine[1], 2 * other[1].numpy())
        assert np.array_equal(mine[4]["reward/coverage"], other[4]["reward/coverage"].numpy())


def test_single_environments_are_its_rows() -> None:
    several = rewarded_vector_env(3, world(), autoreset_mode="Disabled")
    several.action_space.seed(0)
    moves = [several.action_space.sample() for _ in range(4)]
    for row in range(3):
        one = RewardedEnv(world())
        several.reset(seed=5)
        one.reset(seed=5 + row)
        for move in moves:
            observation, reward, _, truncated, info = one.step(move[row])
            others = several.step(move)
            assert type(reward) is float
            assert reward == others[1][row] == info["reward/coverage"]
            assert np.array_equal(observation["view"], others[0]["view"][row])
            assert truncated == others[3][row]


@pytest.mark.parametrize("id", [ID, "gazeworld/AugmentationCoverage-v0"])
def test_checkers_are_content_and_random_actions_earn(id: str) -> None:
    env = gymnasium.make(id, render_mode="rgb_array", **SMALL)
    assert isinstance(env.unwrapped, RewardedEnv)
    check_env(env.unwrapped)
    check_env_of_sb3(env.unwrapped, warn=True)
    env.action_space.seed(0)
    env.reset(seed=0)
    assert sum(float(env.step(env.action_space.sample())[1]) for _ in range(4)) > 0


def test_specs_pickle_serialise_and_make_the_same() -> None:
    env = gymnasium.make(ID, reward=["coverage", {"name": "coverage", "by": "poses", "weight": 0.1}], **SMALL)
    assert env.spec is not None
    json.loads(env.spec.to_json())
    found = []
    for spec in (env.spec, pickle.loads(pickle.dumps(env.spec)), type(env.spec).from_json(env.spec.to_json())):
        again = gymnasium.make(spec)
        again.reset(seed=1)
        found.append(again.step(np.full(2, 0.2, np.float32))[1])
    assert found[0] > 0.1
    assert found == [found[0]] * 3


def test_impossible_rewards_are_refused() -> None:
    for reward, said in (
        ("applause", "unknown reward 'applause'; there are: coverage"),
        ({"weight": 1.0}, "expected a name, or a mapping of 'name' and options"),
        ("recognition", "reward 'recognition' needs a world model"),
        ({"name": "coverage", "colour": 1}, "colour"),
    ):
        with pytest.raises(ValueError, match=said):
            rewarded_vector_env(2, world(), reward=reward)
    with pytest.raises(OptionError, match="tensors is given"):
        rewarded_vector_env(2, world(), tensors=True)
    with pytest.raises(OptionError, match="glimse"):
        RewardedEnv("saccade", glimse=3)


def test_stable_baselines3_gets_it_in_one_call() -> None:
    env = make_sb3_env("gazeworld/Saccade-v0", 8, reward="coverage", **SMALL)
    agent = PPO("MultiInputPolicy", env, n_steps=4, batch_size=16, n_epochs=1).learn(32)
    assert env.num_envs == 8
    assert np.mean([episode["r"] for episode in agent.ep_info_buffer or ()]) > 0


def test_one_call_takes_ids_names_and_worlds_and_what_they_pay() -> None:
    def names(*given: Any, **options: Any) -> list[str]:
        return [reward.name for reward in rewards_of(make_sb3_env(*given, **options).env)]

    assert names(ID, 2, **SMALL) == ["coverage"]
    assert names("gazeworld/Saccade-v0", 2, **SMALL) == []
    assert names("saccade", 2, reward=["coverage", {"name": "coverage", "by": "poses"}], **SMALL) == ["coverage"] * 2
    assert names({"name": "saccade", "glimpse": 12}, 2, **SMALL) == []
    assert names(CountingWorld(), 1, reward="prediction-error", method=Reading()) == ["prediction-error"]


def test_one_call_takes_numbered_actions_and_other_observations() -> None:
    numbered = make_sb3_env(world(), 4, discrete_actions={"name": "fixations", "side": 3}, observation="flat-pixels")
    assert PPO("MlpPolicy", numbered, n_steps=4, batch_size=8, n_epochs=1).learn(16).num_timesteps == 16
    latent = make_sb3_env(CountingWorld(), 4, observation="latent", method=Reading(), reward="coverage")
    assert SAC("MlpPolicy", latent, learning_starts=4, batch_size=4).learn(12).num_timesteps == 12


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"world": "gazeworld/Sacade-v0"}, "neither the name of a world nor a Gymnasium id"),
        ({"world": "CartPole-v1/"}, "neither the name of a world nor a Gymnasium id"),
        ({"world": "sacade"}, r"unknown world 'sacade'; .*; did you mean 'saccade'\?"),
        ({"world": "saccade", "num_envs": 0}, "num_envs is 0"),
        ({"world": "saccade", "glimse": 3}, "glimse"),
        ({"world": "saccade", "observation": "smell"}, "observation is 'smell'"),
        ({"world": "saccade", "observation": "latent", **SMALL}, "needs a world model"),
    ],
)
def test_what_one_call_cannot_make_is_one_sentence(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make_sb3_env(**given)


def test_small_views_have_an_extractor() -> None:
    from gazeworld.agents import GlimpseExtractor

    env = make_sb3_env(world(), 2, reward="coverage")
    small = {"features_extractor_class": GlimpseExtractor}
    assert PPO("MultiInputPolicy", env, n_steps=4, batch_size=8, policy_kwargs=small).learn(8).num_timesteps == 8
