"""Vector environments over small sources, and what they return when they are driven through a list of actions."""

from typing import Any

import numpy as np
from pictures import noise

from gazeworld.envs.vector import ActiveVisionVectorEnv

N = 5


def make(n: int = N, **options: Any) -> ActiveVisionVectorEnv:
    return ActiveVisionVectorEnv(n, **{"source": noise(n=50, side=24), "episode_steps": 3, **options})


def actions(env: ActiveVisionVectorEnv, count: int, seed: int = 0) -> list[np.ndarray]:
    env.action_space.seed(seed)
    return [env.action_space.sample() for _ in range(count)]


def rollout(env: ActiveVisionVectorEnv, moves: list[np.ndarray], **reset: Any) -> list[tuple]:
    """What reset and steps return, with the reset's shaped like a step's."""
    observation, info = env.reset(**reset)
    return [(observation, None, None, None, info), *(env.step(move) for move in moves)]
