"""The conformance test passes what keeps the contract, and says in one sentence what breaks it."""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from fakes.images import noise
from fakes.worlds import CountingWorld
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import batch_space

from gazeworld.envs.conformance import check_vector_env
from gazeworld.envs.vector_env import ActiveVisionVectorEnv

MODES = list(AutoresetMode)


def ours(n: int, mode: AutoresetMode, kind: type = ActiveVisionVectorEnv, **options: Any) -> ActiveVisionVectorEnv:
    return kind(n, **{"source": noise(n=50, side=24), "episode_steps": 3, "autoreset_mode": mode, **options})


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("options", [{}, {"noise": 0.1}, {"episode_steps": 1}, {"observe": ["saliency", "periphery"]}])
@pytest.mark.parametrize("n", [1, 3])
def test_ours_conform(mode: AutoresetMode, options: dict, n: int) -> None:
    factory = partial(ours, mode=mode, **options)
    check_vector_env(factory(n), factory=factory)


@pytest.mark.parametrize("mode", MODES)
def test_any_world_conforms(mode: AutoresetMode) -> None:
    def factory(n: int) -> ActiveVisionVectorEnv:
        return ActiveVisionVectorEnv(n, CountingWorld(noise=1.0), autoreset_mode=mode)

    check_vector_env(factory(4), factory=factory)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["CartPole-v1", "FrozenLake-v1", "Blackjack-v1"])
def test_gymnasium_s_own_vectors_conform(mode: AutoresetMode, name: str) -> None:
    """Observations that are vectors, integers and tuples."""

    def factory(n: int) -> SyncVectorEnv:
        return SyncVectorEnv([lambda: gymnasium.make(name)] * n, autoreset_mode=mode)

    check_vector_env(factory(3), factory=factory)


def test_what_has_no_rows_of_its_own_conforms_without_a_factory() -> None:
    check_vector_env(gymnasium.make_vec("CartPole-v1", 3, vectorization_mode="vector_entry_point"))


class Broken(ActiveVisionVectorEnv):
    """A vector environment with one thing wrong; subclasses override `spoil`."""

    def reset(self, **arguments: Any) -> tuple:
        return self.spoil(*super().reset(**arguments))

    def step(self, actions: Any) -> tuple:
        observation, reward, terminated, truncated, info = super().step(actions)
        observation, info = self.spoil(observation, info, truncated)
        return observation, reward, terminated, truncated, info

    def spoil(self, observation: dict, info: dict, truncated: Any = None) -> tuple[dict, dict]:
        del truncated
        return observation, info


class WrongDtype(Broken):
    def spoil(self, observation: dict, info: dict, truncated: Any = None) -> tuple[dict, dict]:
        return {**observation, "view": observation["view"].astype(np.int16)}, info


class OutOfSpace(Broken):
    def spoil(self, observation: dict, info: dict, truncated: Any = None) -> tuple[dict, dict]:
        return {**observation, "pose": observation["pose"] + 1}, info


class MissingKey(Broken):
    def spoil(self, observation: dict, info: dict, truncated: Any = None) -> tuple[dict, dict]:
        return {"view": observation["view"]}, info


class Tensors(Broken):
    def spoil(self, observation: dict, info: dict, truncated: Any = None) -> tuple[dict, dict]:
        return {**observation, "pose": torch.from_numpy(observation["pose"])}, info


class SameBuffer(Broken):
    """Writes every observation into the same array."""

    def spoil(self, observation: dict, info: dict, truncated: Any = None) -> tuple[dict, dict]:
        if not hasattr(self, "buffer"):
            self.buffer = observation["view"]
        self.buffer[:] = observation["view"]
        return {**observation, "view": self.buffer}, info


class TwoBuffers(Broken):
    """Writes observations into two arrays in turn, so that neighbouring calls share nothing."""

    def spoil(self, observation: dict, info: dict, truncated: Any = None) -> tuple[dict, dict]:
        if not hasattr(self, "buffers"):
            self.buffers = [np.zeros_like(observation["view"]) for _ in range(2)]
        self.buffers.reverse()
        self.buffers[0][:] = observation["view"]
        return {**observation, "view": self.buffers[0]}, info


class SameInfo(Broken):
    kept = np.ones(3, dtype=bool)

    def spoil(self, observation: dict, info: dict, truncated: Any = None) -> tuple[dict, dict]:
        return observation, {**info, "_scene": self.kept}


class NoMask(Broken):
    def spoil(self, observation: dict, info: dict, truncated: Any = None) -> tuple[dict, dict]:
        return observation, {k: v for k, v in info.items() if k != "_scene"}


class NoKey(Broken):
    def spoil(self, observation: dict, info: dict, truncated: Any = None) -> tuple[dict, dict]:
        return observation, {k: v for k, v in info.items() if k != "scene"}


class ShortInfo(Broken):
    def spoil(self, observation: dict, info: dict, truncated: Any = None) -> tuple[dict, dict]:
        return observation, {**info, "label": info["label"][:1]}


class Forgetful(Broken):
    """Ignores the seed."""

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        del seed
        return super().reset(options=options)


class Clones(Broken):
    """All rows get the same seed."""

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        options = {**(options or {}), "scene": 0 if seed is None else seed % 50, "pose": (0.5, 0.5)}
        return super().reset(seed=seed, options=options)

    def step(self, actions: Any) -> tuple:
        return super().step(np.broadcast_to(actions[:1], actions.shape))


class Spread(Broken):
    """Seeds rows with 2 seed + i."""

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        return super().reset(seed=None if seed is None else 2 * seed, options=options)


class Crowd(Broken):
    """What a row shows depends on how many there are."""

    def spoil(self, observation: dict, info: dict, truncated: Any = None) -> tuple[dict, dict]:
        return {**observation, "view": observation["view"] ^ np.uint8(self.num_envs)}, info


class StringMode(Broken):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode.value}


class OtherSpace(Broken):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs + 1)


class FourThings(Broken):
    def step(self, actions: Any) -> tuple:
        return super().step(actions)[:4]


class ListReward(Broken):
    def step(self, actions: Any) -> tuple:
        observation, reward, *rest = super().step(actions)
        return observation, reward.tolist(), *rest


class IntegerEnds(Broken):
    def step(self, actions: Any) -> tuple:
        observation, reward, terminated, truncated, info = super().step(actions)
        return observation, reward, terminated, truncated.astype(int), info


class Immortal(Broken):
    def step(self, actions: Any) -> tuple:
        observation, reward, terminated, truncated, info = super().step(actions)
        return observation, reward, terminated, np.zeros_like(truncated), info


class Masked(Broken):
    """Says that all rows were reset, whatever the mask."""

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        observation, info = super().reset(seed=seed, options=options)
        return observation, {k: np.ones_like(v) if k.startswith("_") else v for k, v in info.items()}


class Unmasked(Broken):
    """Resets all rows, whatever the mask."""

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        return super().reset(seed=seed, options=None if options is None else {})


class Sticky(Broken):
    """Resets no row if there is a mask."""

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        if options is None:
            return super().reset(seed=seed)
        none = np.zeros(self.num_envs, dtype=bool)
        still = torch.zeros(self.num_envs, 2)
        return self._observe(), self._info(still, still, none)


class NoFinal(Broken):
    def spoil(self, observation: dict, info: dict, truncated: Any = None) -> tuple[dict, dict]:
        return observation, {k: v for k, v in info.items() if "final" not in k}


class NoFinalInfo(Broken):
    def spoil(self, observation: dict, info: dict, truncated: Any = None) -> tuple[dict, dict]:
        return observation, {k: v for k, v in info.items() if "final_info" not in k}


class FinalEverywhere(Broken):
    """A final observation whose mask is set before the end."""

    def spoil(self, observation: dict, info: dict, truncated: Any = None) -> tuple[dict, dict]:
        mask = np.ones(self.num_envs, dtype=bool)
        return observation, {"final_obs": np.full(self.num_envs, None), **info, "_final_obs": mask}


class BatchedFinal(Broken):
    def spoil(self, observation: dict, info: dict, truncated: Any = None) -> tuple[dict, dict]:
        if "final_obs" in info:
            info["final_obs"] = np.stack([final["view"] for final in info["final_obs"]])
        return observation, info


class Stays(Broken):
    """SAME_STEP that returns the last observation instead of the first of the next episode."""

    def spoil(self, observation: dict, info: dict, truncated: Any = None) -> tuple[dict, dict]:
        if "final_obs" in info:
            observation = {k: np.stack([final[k] for final in info["final_obs"]]) for k in observation}
        return observation, info


class LeaksFinal(Broken):
    """NEXT_STEP with the final observation of SAME_STEP."""

    def spoil(self, observation: dict, info: dict, truncated: Any = None) -> tuple[dict, dict]:
        if truncated is not None and truncated.any():
            info |= {"final_obs": np.full(self.num_envs, None), "_final_obs": truncated.copy()}
        return observation, info


class Generous(Broken):
    def step(self, actions: Any) -> tuple:
        observation, reward, *rest = super().step(actions)
        return observation, reward + 1, *rest


class Obeys(Broken):
    """NEXT_STEP whose next episode begins where the ignored action says."""

    def step(self, actions: Any) -> tuple:
        over = self._steps >= self.episode_steps
        result = super().step(actions)
        result[0]["pose"][over] = (actions[over] + 1) / 2
        return result


class Endless(Broken):
    """NEXT_STEP that ends again in the step that resets."""

    last = False

    def step(self, actions: Any) -> tuple:
        observation, reward, terminated, truncated, info = super().step(actions)
        self.last, truncated = truncated.any(), truncated | self.last
        return observation, reward, terminated, truncated, info


NEXT, SAME, NONE = MODES
CASES: list[tuple[type, AutoresetMode, str]] = [
    (WrongDtype, NEXT, "'view', has dtype int16, expected uint8"),
    (OutOfSpace, NEXT, "'pose', is not within its space"),
    (MissingKey, NEXT, r"has keys \['view'\]"),
    (Tensors, NEXT, "'pose', is .*Tensor.*, expected a NumPy array"),
    (SameBuffer, NEXT, "share memory"),
    (TwoBuffers, NEXT, "the observation that .* returned was changed by a later call"),
    (SameInfo, NEXT, "returned infos that share memory"),
    (NoMask, NEXT, "has 'scene' but not its mask '_scene'"),
    (NoKey, NEXT, "has the mask '_scene' but no 'scene'"),
    (ShortInfo, NEXT, "'label', is no array of 3 rows"),
    (Forgetful, NEXT, "differs between two rollouts with the same seed"),
    (Clones, NONE, "show the same"),
    (Spread, NEXT, r"row 1 of reset\(seed=123\) differs from row 0 of reset\(seed=124\)"),
    (Crowd, NEXT, "differs between . and 3 environments"),
    (StringMode, NEXT, "is 'NextStep', expected an AutoresetMode"),
    (OtherSpace, NEXT, "observation_space is .* expected single_observation_space batched 3 times"),
    (FourThings, NEXT, "expected a tuple of five"),
    (ListReward, NEXT, "rewards of step 1 are <class 'list'>"),
    (IntegerEnds, NEXT, "truncations of step 1 have dtype int64, expected bool"),
    (Immortal, NEXT, "no episode ended within 20 steps"),
    (LeaksFinal, NEXT, "belongs to SAME_STEP"),
    (Generous, NEXT, "gives a reward in the step that resets"),
    (Obeys, NEXT, "has to ignore them"),
    (Endless, NEXT, "ends an episode in the step that resets it"),
    (NoFinal, SAME, "'_final_obs' of step 3 is .* expected True where episodes ended"),
    (NoFinalInfo, SAME, "'_final_info' of step 3"),
    (FinalEverywhere, SAME, "'_final_obs' of reset"),
    (BatchedFinal, SAME, "has dtype uint8, expected object"),
    (Stays, SAME, "observations after an end equal 'final_obs'"),
    (Masked, NONE, "is True in rows that options.'reset_mask'. left out"),
    (Unmasked, NONE, "row 1 has to stay as it was when it is not in"),
    (Sticky, NONE, "row 0 has to begin anew when it is in"),
]


@pytest.mark.parametrize(("kind", "mode", "message"), CASES, ids=[kind.__name__ for kind, _, _ in CASES])
def test_what_is_broken_is_named(kind: type, mode: AutoresetMode, message: str) -> None:
    factory: Callable[[int], VectorEnv] = partial(ours, mode=mode, kind=kind)
    with pytest.raises(AssertionError, match=message):
        check_vector_env(factory(3), factory=factory, max_steps=20)


def test_all_of_it_is_named_under_python_without_asserts_too() -> None:
    names = [test_what_is_broken_is_named, test_other_things_are_refused, test_options_for_unusual_environments]
    chosen = [f"{__file__}::{test.__name__}" for test in names]
    command = [
        sys.executable,
        "-O",
        "-m",
        "pytest",
        "-x",
        "--noconftest",  # what types it checks, the same tests check in this process
        "-p",
        "no:cacheprovider",
        "-W",
        "ignore::pytest.PytestConfigWarning",
    ]
    done = subprocess.run([*command, *chosen], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(CASES) + 2} passed" in done.stdout


def test_the_unbroken_base_of_the_broken_ones_passes() -> None:
    """Otherwise the test above might see a fault of `Broken` itself."""
    for mode in MODES:
        factory = partial(ours, mode=mode, kind=Broken)
        check_vector_env(factory(3), factory=factory, max_steps=20)


def test_a_buffer_that_is_returned_without_a_copy_is_found_in_gymnasium_s_own() -> None:
    env = SyncVectorEnv([lambda: gymnasium.make("CartPole-v1")] * 2, copy=False)
    with pytest.raises(AssertionError, match="share memory"):
        check_vector_env(env)


def test_other_things_are_refused() -> None:
    with pytest.raises(AssertionError, match="is not a gymnasium"):
        check_vector_env(gymnasium.make("CartPole-v1"))


def test_options_for_unusual_environments() -> None:
    class Alike(Broken):
        """Every reset shows the same, and an info counts calls."""

        calls = 0

        def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
            return super().reset(seed=0, options={**(options or {}), "scene": 1, "pose": (0.5, 0.5)})

        def spoil(self, observation: dict, info: dict, truncated: Any = None) -> tuple[dict, dict]:
            self.calls += 1
            count = np.full(self.num_envs, self.calls)
            return observation, {**info, "calls": count, "_calls": info["_scene"].copy()}

    with pytest.raises(AssertionError, match="info of reset"):
        check_vector_env(ours(3, NONE, Alike), stochastic=False)
    check_vector_env(ours(3, NONE, Alike), stochastic=False, ignore_info=("calls",))
