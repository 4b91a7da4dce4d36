"""Any world as an ordinary Gymnasium environment: the row of a vector environment of one."""

from typing import Annotated, Any, Literal

import gymnasium
import numpy as np
from annotated_types import Interval
from gymnasium import logger
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, VectorEnv

from .validation import EnvSeed, OptionError, Views, validated
from .vector_env import ActiveVisionVectorEnv
from .world import World


class OneRow(gymnasium.Env):
    """The single environment that a vector environment of one row is; worlds and rewards are the latter's business.

    The vector environment has ActiveVisionVectorEnv beneath it, does not reset itself (DISABLED) and gives arrays.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (Gymnasium's own convention)
        "render_modes": ["rgb_array"],
        "render_fps": 2,
    }

    def __init__(self, env: VectorEnv) -> None:
        base = env.unwrapped
        if not isinstance(base, ActiveVisionVectorEnv):
            raise OptionError(f"the environment is {env}, expected an ActiveVisionVectorEnv of one row")
        self._env, self._base = env, base
        self.render_mode, self.world, self.episode_steps = base.render_mode, base.world, base.episode_steps
        self.observation_space = env.single_observation_space
        self.action_space = env.single_action_space

    @property
    def spec(self) -> EnvSpec | None:
        """What Gymnasium made this from, with the length of an episode; None where it was made by hand."""
        return self._base.spec

    @spec.setter
    def spec(self, value: EnvSpec | None) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self._base.spec = value

    @validated
    def reset(
        self, *, seed: EnvSeed | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Begin an episode: the first one with a seed, the next one without."""
        super().reset(seed=seed)
        observation, info = self._env.reset(seed=seed, options=options)
        return _first(observation), _row(info)

    def step(self, action: Any) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Move the sensor once; raises ValueError for an impossible action and ResetNeeded after the end."""
        observation, reward, terminated, truncated, info = self._env.step([action])
        return _first(observation), float(reward[0]), bool(terminated[0]), bool(truncated[0]), _row(info)

    def render(self) -> np.ndarray | None:
        """The image with the scan path so far, the current glimpse, and the glimpses in order."""
        if self.render_mode is None:
            logger.warn("render() was called, but the environment was made without render_mode='rgb_array'")
            return None
        frames = self._base.render()
        assert frames is not None
        return frames[0]

    def close(self) -> None:
        """Nothing is held that has to be given back; afterwards `reset`, `step` and `render` are refused."""
        self._env.close()


class ActiveVisionEnv(OneRow):
    """One sensor looks at one scene per episode; what it sees is exactly row i of a vector environment with seed + i.

    Observation: dict of `view`, uint8 (h, w, c); `pose`, float32 (p,) in the world's pose bounds; and what else the
        world observes.
    Action: float32 (a,) in the world's action bounds; others are refused with ValueError.
    Reward: 0.0. Episode end: truncated after `episode_steps` actions, never terminated.
    Info: `executed` and `commanded`, float32 (a,), zero after a reset; `label` and `scene`, Python integers.
    Reset options: `scene`, `pose`, `episode` (see `envs/resets.py`); without a seed the next episode begins.
    """

    @validated
    def __init__(
        self,
        world: str | dict[str, Any] | World = "saccade",
        *,
        episode_steps: Views = 4,
        render_mode: Literal["rgb_array"] | None = None,
        first_row: Annotated[int, Interval(ge=0, lt=2**62)] = 0,
        **world_options: Any,
    ) -> None:
        super().__init__(
            ActiveVisionVectorEnv(
                1,
                world,
                episode_steps=episode_steps,
                autoreset_mode=AutoresetMode.DISABLED,
                render_mode=render_mode,
                first_row=first_row,
                **world_options,
            )
        )


def _first(observation: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {key: value[0] for key, value in observation.items()}


def _row(info: dict[str, np.ndarray]) -> dict[str, Any]:
    """Row 0 of an info without its masks: vectors as arrays, scalars as Python numbers."""
    values = {key: value[0] for key, value in info.items() if not key.startswith("_")}
    return {key: value if value.ndim else value.item() for key, value in values.items()}
