"""What environments take and refuse: after closing, seeds, actions, lengths of episodes, unknown keywords."""

import datetime
import pickle
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from fakes.worlds import CountingWorld
from gymnasium.error import ClosedEnvironmentError

import gazeworld.envs  # noqa: F401 (registers the ids)
from gazeworld.envs.single_env import ActiveVisionEnv
from gazeworld.envs.validation import OptionError
from gazeworld.envs.vector_env import ActiveVisionVectorEnv

IDS = ["gazeworld/Saccade-v0", "gazeworld/Rotation-v0", "gazeworld/Augmentation-v0"]


def vector(**options: Any) -> ActiveVisionVectorEnv:
    return ActiveVisionVectorEnv(3, CountingWorld(), episode_steps=2, **options)


def test_a_closed_environment_is_used_no_more() -> None:
    several, one = vector(render_mode="rgb_array"), ActiveVisionEnv(CountingWorld(), render_mode="rgb_array")
    for env in (several, one):
        env.reset(seed=0)
        env.close()
        env.close()  # twice does no harm
        with pytest.raises(ClosedEnvironmentError, match="reset was called after close"):
            env.reset(seed=0)
        with pytest.raises(ClosedEnvironmentError, match="step was called after close"):
            env.step(env.action_space.sample())
        with pytest.raises(ClosedEnvironmentError, match="render was called after close"):
            env.render()


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, True, "0", [0], float("nan")])
def test_seeds_that_are_none_are_refused_and_change_nothing(seed: Any) -> None:
    env = vector()
    env.reset(seed=5)
    before = env.step(env.action_space.sample() * 0)[0]
    with pytest.raises(OptionError, match="seed is"):
        env.reset(seed=seed)
    env.reset(seed=5)
    after = env.step(env.action_space.sample() * 0)[0]
    for key in before:
        np.testing.assert_array_equal(before[key], after[key])


@pytest.mark.parametrize("seed", [0, 2**32, 2**63, 2**64 - 1, np.int64(3)])
def test_seeds_of_64_bits_are_taken(seed: Any) -> None:
    first, second = vector().reset(seed=seed)[0], vector().reset(seed=seed)[0]
    np.testing.assert_array_equal(first["view"], second["view"])


@pytest.mark.parametrize(
    "actions",
    [
        [[0.1], [0.1, 0.2], [0.1]],
        [["0"], ["0"], ["0"]],
        np.zeros((3, 1), dtype=complex),
        np.zeros((3, 1), dtype=bool),
        np.full((3, 1), np.datetime64("2020-01-01")),
        [[datetime.date(2020, 1, 1)]] * 3,
        [[None], [None], [None]],
        torch.zeros((3, 1), dtype=torch.complex64),
        torch.zeros((3, 1), dtype=torch.bool),
        "abc",
        {"a": 1},
        None,
    ],
    ids=lambda value: str(getattr(value, "dtype", type(value).__name__)),
)
def test_actions_that_are_no_numbers_are_refused(actions: Any) -> None:
    env = vector()
    env.reset(seed=0)
    with pytest.raises(OptionError, match="actions are"):
        env.step(actions)


def test_the_single_environment_refuses_them_too() -> None:
    env = ActiveVisionEnv(CountingWorld())
    env.reset(seed=0)
    for action in ([[0.1], [0.1, 0.2]], "abc", None, np.zeros(1, dtype=complex)):
        with pytest.raises(OptionError, match="action"):
            env.step(action)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scene": [[1], [1, 2]]}, r"options\['scene'\] is .*, expected one array"),
        ({"pose": [[1], [1, 2]]}, r"options\['pose'\] is .*, expected one array"),
        ({"scene": 2**64}, r"options\['scene'\]"),
        ({"scene": np.uint64(2**64 - 1)}, r"options\['scene'\] of row 0"),
        ({"scene": True}, r"options\['scene'\]"),
        ({"pose": "abc"}, r"options\['pose'\]"),
        ({1: 2}, r"options is \{1: 2\}, expected a mapping of names to values"),
        ([1], r"options is \[1\], expected a mapping"),
    ],
)
def test_reset_options_that_are_none_are_named(options: Any, words: str) -> None:
    env = vector()
    with pytest.raises((ValueError, TypeError), match=words):
        env.reset(seed=0, options=options)


@pytest.mark.parametrize("name", IDS)
def test_keywords_of_other_libraries_are_refused_as_every_environment_does(name: str) -> None:
    for make in (gymnasium.make, gymnasium.make_vec):
        with pytest.raises(TypeError, match="got an unexpected keyword argument 'frameskip'"):
            make(name, frameskip=1)
        with pytest.raises(ValueError, match="got an unexpected keyword argument 'frameskip'"):
            make(name, frameskip=1)


@pytest.mark.parametrize("name", IDS)
def test_specs_say_how_long_episodes_are(name: str) -> None:
    few = {"source_options": {"per_family": 2, "views": 2}} if "Rotation" in name else {}
    for lengths in ({}, {"episode_steps": 7}, {"max_episode_steps": 2}):
        env = gymnasium.make(name, **few, **lengths)
        assert env.spec is not None
        wanted = env.spec.max_episode_steps
        env.reset(seed=0)
        still = np.zeros(env.action_space.shape, np.float32)
        still[-1:] = 1 if "Rotation" in name else 0  # no rotation at all
        steps = 1
        while not env.step(still)[3]:
            steps += 1
        assert steps == wanted
        again = gymnasium.make(pickle.loads(pickle.dumps(env.spec)))
        assert again.spec is not None
        assert again.spec.max_episode_steps == wanted
        assert wanted == lengths.get("episode_steps", lengths.get("max_episode_steps", 4))


@pytest.mark.parametrize(("options", "steps"), [({}, 4), ({"max_episode_steps": 2}, 2), ({"episode_steps": 7}, 7)])
def test_vector_environments_take_the_longest_length_of_an_episode(options: dict, steps: int) -> None:
    env = gymnasium.make_vec("gazeworld/Saccade-v0", num_envs=2, **options)
    assert env.spec is not None
    assert env.spec.max_episode_steps == steps
    again = gymnasium.make_vec(pickle.loads(pickle.dumps(env.spec)))
    assert again.spec is not None
    assert again.spec.max_episode_steps == steps
    again.reset(seed=0)
    ends = [again.step(np.zeros((2, 2), np.float32))[3].all() for _ in range(steps)]
    assert ends == [False] * (steps - 1) + [True]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_envs": 10**12}, "num_envs is 1000000000000, expected an integer from 1"),
        ({"num_envs": 1.5}, "num_envs is 1.5, expected an integer"),
        ({"num_envs": True}, "num_envs is True, expected an integer"),
        ({"episode_steps": 1.5}, "episode_steps is 1.5, expected an integer"),
        ({"episode_steps": float("nan")}, "episode_steps is nan, expected an integer"),
        ({"tensors": "yes"}, "tensors is 'yes', expected True or False"),
        ({"first_row": -1}, "first_row is -1, expected an integer"),
        ({"world": 3}, "world is 3, expected text, a mapping of names to values or World"),
        ({"max_episode_steps": 0}, "max_episode_steps is 0"),
        ({"glimpse": 8.0}, "glimpse is 8.0, expected an integer"),
        ({"glimpse": 10**7}, "glimpse is 10000000, expected an integer from 0"),
        ({"noise": "0.1"}, "noise is '0.1', expected a finite number of 0 or more"),
        ({"noise": float("inf")}, "noise is inf, expected a finite number"),
        ({"source_options": [1]}, r"source_options is \[1\], expected a mapping"),
        ({"source_options": {"side": 1.5}}, "side is 1.5, expected an integer"),
        ({"device": "cuda:77"}, "device is 'cuda:77'"),
        ({"device": "toaster"}, "device is 'toaster'"),
        ({"device": 3}, "device is 3, expected text or device"),
    ],
)
def test_options_are_checked_by_type_and_range(options: dict, words: str) -> None:
    for kind in (TypeError, ValueError):
        with pytest.raises(kind, match=words):
            ActiveVisionVectorEnv(**{"num_envs": 2, **options})
