"""The single environment is row 0 of the vector environment, and every checker is content with it."""

import json
import pickle
import subprocess
import sys
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from fakes.images import noise
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3.common.env_checker import check_env as check_env_of_sb3

import gazeworld.envs
from gazeworld.envs import ActiveVisionEnv, ActiveVisionVectorEnv, registry

SMALL: dict[str, Any] = {"split": "test", "source_options": {"variants": 1}}  # digits that are drawn in no time
WORLDS = registry.names("gazeworld.envs.worlds")


def name(world: str) -> str:
    return f"gazeworld/{world.title().replace('-', '')}-v0"


def make(**options: Any) -> ActiveVisionEnv:
    return ActiveVisionEnv(**{"source": noise(n=50, side=48), "episode_steps": 3, **options})


@pytest.mark.parametrize("world", WORLDS)
def test_gymnasium_finds_no_fault(world: str) -> None:
    """Warnings are errors here. The checker is to be given the bare environment."""
    objects = {"source_options": {"per_family": 2, "size": 40, "views": 3}}
    options = objects if world == "rotation" else SMALL
    env = gymnasium.make(name(world), render_mode="rgb_array", **options)
    assert isinstance(env.unwrapped, ActiveVisionEnv)
    check_env(env.unwrapped)


@pytest.mark.parametrize("options", [{}, {"observe": ["saliency", "periphery"], "first": "saliency"}, {"noise": 0.1}])
def test_gymnasium_finds_no_fault_with_options(options: dict) -> None:
    check_env(gymnasium.make("gazeworld/Saccade-v0", render_mode="rgb_array", **SMALL, **options).unwrapped)


@pytest.mark.parametrize("observe", [[], ["saliency"]])
def test_stable_baselines3_finds_no_fault(observe: list[str]) -> None:
    env = gymnasium.make("gazeworld/Saccade-v0", glimpse=36, observe=observe, **SMALL)
    check_env_of_sb3(env.unwrapped, warn=True)


def test_stable_baselines3_finds_no_fault_with_objects() -> None:
    options = {"source_options": {"per_family": 2, "size": 40, "views": 3}, "action": "rotcolor"}
    check_env_of_sb3(gymnasium.make("gazeworld/Rotation-v0", **options).unwrapped, warn=True)


def test_stable_baselines3_says_only_that_its_network_is_made_for_larger_images() -> None:
    env = gymnasium.make("gazeworld/Saccade-v0", glimpse=32, **SMALL)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        check_env_of_sb3(env.unwrapped, warn=True)
    assert all("minimal resolution for an image is 36x36" in str(w.message) for w in said)
    assert len(said) == 1


@pytest.mark.parametrize("noise_level", [0.0, 0.1])
def test_it_is_row_i_of_the_vector_environment(noise_level: float) -> None:
    options = {"source": noise(n=50, side=48), "episode_steps": 3, "noise": noise_level}
    many = ActiveVisionVectorEnv(4, **options)
    many.action_space.seed(0)
    moves = [many.action_space.sample() for _ in range(8)]
    for row in range(4):
        one = ActiveVisionEnv(**options)
        whole, part, over = many.reset(seed=10), one.reset(seed=10 + row), False
        for move in moves:
            assert np.array_equal(whole[0]["view"][row], part[0]["view"])
            assert np.array_equal(whole[0]["pose"][row], part[0]["pose"])
            assert set(part[-1]) == {"executed", "commanded", "label", "scene"}
            assert all(np.array_equal(whole[-1][key][row], value) for key, value in part[-1].items())
            whole = many.step(move)
            part = one.reset() if over else one.step(move[row])
            over = whole[3][row]
            assert len(part) == 2 or part[3] == over


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_gymnasium_s_own_vector_of_singles_says_the_same(mode: AutoresetMode) -> None:
    ours = ActiveVisionVectorEnv(3, source=noise(n=50, side=48), noise=0.1, autoreset_mode=mode)
    theirs = SyncVectorEnv([lambda: make(noise=0.1, episode_steps=4)] * 3, autoreset_mode=mode)
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    ours.action_space.seed(1)
    pairs = [(ours.reset(seed=2), theirs.reset(seed=2))]
    for _ in range(4 if mode is AutoresetMode.DISABLED else 9):
        move = ours.action_space.sample()
        pairs.append((ours.step(move), theirs.step(move)))
    for one, other in pairs:
        assert gymnasium.utils.env_checker.data_equivalence(one, other, exact=True)


def test_types_are_python_s() -> None:
    env = make()
    observation, info = env.reset(seed=0)
    assert type(info["label"]) is type(info["scene"]) is int
    assert info["executed"].shape == (2,)
    for i in range(3):
        observation, reward, terminated, truncated, info = env.step(np.array([0.1, -0.1]))
        assert type(reward) is float
        assert terminated is False
        assert truncated is (i == 2)
        assert observation in env.observation_space
    with pytest.raises(ResetNeeded, match="over"):
        env.step(np.zeros(2))


def test_scene_pose_and_episode_can_be_forced() -> None:
    env = make(glimpse=16)
    observation, info = env.reset(seed=0, options={"scene": 7, "pose": np.array([0.25, 0.5])})
    assert info["scene"] == 7
    assert observation["pose"].tolist() == [0.25, 0.5]
    third = [env.reset(seed=5), env.reset(), env.reset()][2]
    again = env.reset(seed=5, options={"episode": 2})
    assert third[1]["scene"] == again[1]["scene"]
    assert np.array_equal(third[0]["view"], again[0]["view"])


@pytest.mark.parametrize(
    "action", [np.array([np.nan, 0]), np.array([0, np.inf]), np.array([0, 1.5]), np.zeros(3), np.array(0.1)]
)
def test_impossible_actions_are_refused(action: Any) -> None:
    env = make()
    env.reset(seed=0)
    with pytest.raises(ValueError, match="action"):
        env.step(action)


def test_one_frame_is_rendered() -> None:
    env = make(render_mode="rgb_array")
    env.reset(seed=0)
    frame = env.render()
    assert isinstance(frame, np.ndarray)
    assert frame.dtype == np.uint8
    assert frame.shape[2] == 3
    env.step(np.array([0.2, 0.2]))
    later = env.render()
    assert later is not None
    assert later.shape == frame.shape
    assert not np.array_equal(later, frame)
    with pytest.warns(UserWarning, match="without render_mode"):
        assert make().render() is None


def test_the_spec_pickles_and_serialises() -> None:
    env = gymnasium.make("gazeworld/Saccade-v0", glimpse=16, observe=["periphery"], **SMALL)
    assert env.spec is not None
    view = env.reset(seed=1)[0]["view"]
    json.loads(env.spec.to_json())
    for spec in (
        pickle.loads(pickle.dumps(env.spec)),
        gymnasium.envs.registration.EnvSpec.from_json(env.spec.to_json()),
    ):
        assert np.array_equal(gymnasium.make(spec).reset(seed=1)[0]["view"], view)


def test_registering_twice_changes_nothing() -> None:
    before = dict(gymnasium.registry)
    gazeworld.envs.register_envs()
    assert gymnasium.registry == before
    assert {name(world) for world in WORLDS} <= set(before)


def test_public_names_come_when_asked_for() -> None:
    assert all(getattr(gazeworld.envs, public) is not None for public in gazeworld.envs.__all__)
    assert set(gazeworld.envs.__all__) <= set(dir(gazeworld.envs))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = gazeworld.envs.nothing


@pytest.mark.parametrize(
    "code",
    [
        "import gymnasium; gymnasium.make('gazeworld.envs:gazeworld/Saccade-v0', **SMALL).reset()",
        "import gazeworld.envs, gymnasium, sys; assert 'torch' not in sys.modules;"
        "gymnasium.make_vec('gazeworld/Saccade-v0', 2, **SMALL).reset()",
    ],
    ids=["module in the name", "after import"],
)
def test_a_fresh_process_finds_the_environments(code: str) -> None:
    """Named with its module, an environment needs no import of ours."""
    subprocess.run([sys.executable, "-W", "error", "-c", f"SMALL = {SMALL}; {code}"], check=True)
