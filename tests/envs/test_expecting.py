"""A world that reads its scenes is told which ones come next, and exactly these come, in every autoreset mode."""

from typing import Any

import numpy as np
import pytest
from fakes.images import noise
from fakes.lazy_images import lazy
from gymnasium.vector import AutoresetMode
from jaxtyping import Int64
from torch import Tensor

from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.worlds.saccade import SaccadeWorld


class Told(SaccadeWorld):
    """Remembers what it was told to expect, and what had been looked at by then."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.told: list[list[int]] = []

    def expect(self, index: Int64[Tensor, " b"]) -> None:
        self.told.append(index.tolist())
        super().expect(index)


def still(env: ActiveVisionVectorEnv) -> np.ndarray:
    return np.zeros(env.action_space.shape, np.float32)


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_what_is_expected_is_what_comes(mode: AutoresetMode) -> None:
    images, _ = lazy(noise(n=40))
    world = Told(images, first="uniform")
    env = ActiveVisionVectorEnv(5, world, episode_steps=2, autoreset_mode=mode)
    scenes, expected = [env.reset(seed=3)[1]["scene"].tolist()], [world.told[-1]]
    for _ in range(12):
        info, told = env.step(still(env))[4], len(world.told)
        if info["scene"].tolist() != scenes[-1]:
            scenes.append(info["scene"].tolist())
            expected.append(world.told[told - 1])
    assert len(scenes) >= 4
    assert scenes[1:] == expected[:-1]
    assert len(world.told) == len(scenes)


def test_rows_that_are_reset_alone_are_told_alone() -> None:
    images, _ = lazy(noise(n=40))
    world = Told(images)
    env = ActiveVisionVectorEnv(4, world, episode_steps=1, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=0)
    env.step(still(env))
    mask = np.array([False, True, False, True])
    before = world.told[0]
    info = env.reset(options={"reset_mask": mask})[1]
    assert info["scene"][mask].tolist() == [before[1], before[3]]
    assert len(world.told[1]) == 2
    after = env.reset(options={"reset_mask": mask})[1]
    assert after["scene"][mask].tolist() == world.told[1]


def test_an_episode_that_is_asked_for_is_followed_by_the_next_one() -> None:
    images, _ = lazy(noise(n=40))
    world = Told(images)
    env = ActiveVisionVectorEnv(3, world, episode_steps=1)
    env.reset(seed=7, options={"episode": 10})
    assert env.reset(options={"episode": 11})[1]["scene"].tolist() == world.told[0]


def test_worlds_of_images_at_hand_are_told_nothing() -> None:
    world = Told(noise(n=40))
    ActiveVisionVectorEnv(3, world).reset(seed=0)
    assert world.told == []
