"""The vector environment as Stable-Baselines3 wants it, so that its algorithms train as they are."""

import copy
import time
from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Discrete
from gymnasium.vector import AutoresetMode, VectorEnv

from gazeworld.envs.validation import OptionError, validated
from gazeworld.envs.validation import Rows as RowCount
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import World
from gazeworld.models.method import Method

from ..config import Observation
from . import missing_sb3
from .discrete_actions import DiscreteActions, make_discrete_actions
from .memory import Remember, layers, memory_of
from .observations import Observe
from .rewarded import with_rewards

try:
    from stable_baselines3.common.vec_env import VecEnv
except ImportError as error:
    raise missing_sb3(error) from error

Rows = int | Iterable[int] | None
_MASKS = "action_masks"


class NonFiniteRewardError(ValueError):
    """A reward became NaN or infinite; the message says which."""


class SB3VecEnv(VecEnv):
    """An ActiveVisionVectorEnv, wrapped or not, as a `VecEnv`: one step for all rows, Python only for finished ones.

    Observations, rewards and ends become NumPy arrays once a step; dictionaries go with SB3's MultiInputPolicy, vectors
    with its MlpPolicy. The environment must give tensors and reset itself in the same step (AutoresetMode.SAME_STEP).
    `discrete_actions` makes actions numbers (see `make_discrete_actions`, as `{"name": "fixations", "side": 9}`), for
    whose mask MaskablePPO asks by `env_method("action_masks")`; a Remember must then be among the wrappers.

    Episodes have a fixed length, so to the agent, who knows how much of the episode is over, their end is an end:
    `done` without a time limit. With `truncate` it is reported as one, and SB3 asks its value network about the last
    observation, one row at a time. `infos` hold, for finished rows only, `terminal_observation`,
    `TimeLimit.truncated`, `label`, `scene`, and `episode` (return, length, seconds) as SB3's Monitor gives it.
    Raises ValueError for an environment that does not fit, NonFiniteRewardError for a reward that is not finite.
    """

    def __init__(
        self, env: VectorEnv, *, discrete_actions: dict[str, Any] | None = None, truncate: bool = False
    ) -> None:
        base = env.unwrapped
        if not (isinstance(base, ActiveVisionVectorEnv) and base.tensors):
            raise ValueError(f"the adapter needs an ActiveVisionVectorEnv with tensors=True, found {env}")
        mode = AutoresetMode(env.metadata["autoreset_mode"])
        if mode is not AutoresetMode.SAME_STEP:
            raise ValueError(
                f"the adapter needs autoreset_mode=AutoresetMode.SAME_STEP, as Stable-Baselines3 does; found {mode}"
            )
        self.env, self.base, self.truncate, self.discrete_options = env, base, truncate, discrete_actions
        self.discrete: DiscreteActions | None = make_discrete_actions(base.world, discrete_actions)
        self._memory: Remember | None = None if self.discrete is None else memory_of(env, "a set of discrete actions")
        actions = env.single_action_space if self.discrete is None else Discrete(self.discrete.size)
        super().__init__(env.num_envs, env.single_observation_space, actions)
        self._actions: np.ndarray | None = None
        self._returns = np.zeros(env.num_envs)
        self._lengths = np.zeros(env.num_envs, dtype=np.int64)
        self._began = time.perf_counter()

    def reset(self) -> Any:
        """Begin episodes everywhere, with the seed and options that were set."""
        if any(options != self._options[0] for options in self._options):
            raise ValueError("reset options differ between rows; the environment takes one dictionary for all of them")
        observation, _ = self.env.reset(seed=self._seeds[0], options=self._options[0] or None)
        self._reset_seeds()
        self._reset_options()
        self._returns[:], self._lengths[:], self._began = 0, 0, time.perf_counter()
        return _arrays(observation)

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Move all sensors."""
        if self._actions is None:
            raise RuntimeError("step_wait() was called before step_async(): there are no actions to take")
        observation, reward, terminated, truncated, info = self.env.step(self._chosen(self._actions))
        rewards = reward.detach().cpu().numpy().astype(np.float32)
        if not np.isfinite(rewards).all():
            row = int(np.flatnonzero(~np.isfinite(rewards))[0])
            raise NonFiniteRewardError(f"the reward of row {row} is {rewards[row]}, expected a finite number")
        ended = terminated.cpu().numpy()
        dones = ended | truncated.cpu().numpy()
        self._returns += rewards
        self._lengths += 1
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if dones.any():
            self._finish(infos, dones, ended, info)
        return _arrays(observation), rewards, dones, infos

    def _finish(self, infos: list[dict[str, Any]], dones: np.ndarray, ended: np.ndarray, info: dict[str, Any]) -> None:
        """What SB3 wants to know about finished episodes."""
        final = _arrays(info["final_obs"])
        labels, scenes = (info["final_info"][key].cpu().numpy() for key in ("label", "scene"))
        seconds = round(time.perf_counter() - self._began, 6)
        for row in np.flatnonzero(dones).tolist():
            last = {key: value[row] for key, value in final.items()} if isinstance(final, dict) else final[row]
            infos[row] = {
                "terminal_observation": last,
                "TimeLimit.truncated": bool(self.truncate and not ended[row]),
                "label": int(labels[row]),
                "scene": int(scenes[row]),
                "episode": {"r": float(self._returns[row]), "l": int(self._lengths[row]), "t": seconds},
            }
        self._returns[dones] = 0
        self._lengths[dones] = 0

    def _chosen(self, actions: np.ndarray) -> torch.Tensor:
        """Actions of the world: as they are, or those that lead to the poses whose numbers were chosen."""
        given = torch.as_tensor(actions, device=self.base.world.device)
        if self.discrete is None or self._memory is None:
            return given
        return self.discrete.action(self._memory.scenes, self._memory.now.pose, given.reshape(-1).long())

    def action_masks(self) -> np.ndarray:
        """Which choices each row has, n k booleans. Raises ValueError where actions are continuous, or none is left."""
        if self.discrete is None or self._memory is None:
            raise ValueError("action masks are those of discrete actions, and the adapter was made without them")
        memory = self._memory
        return self.discrete.masks(memory.scenes, memory.visited, memory.seen).cpu().numpy()

    def env_method(self, method_name: str, *method_args: Any, indices: Rows = None, **method_kwargs: Any) -> list[Any]:
        """`action_masks` and `render` of the rows asked for; other methods raise AttributeError."""
        rows = self._rows(indices)
        if method_name == _MASKS and self.discrete is not None:
            masks = self.action_masks()
            return [masks[row] for row in rows]
        if method_name == "render":
            frames = self.get_images()
            return [frames[row] for row in rows]
        raise AttributeError(f"rows have no method {method_name!r}: they are not environments of their own")

    def get_attr(self, attr_name: str, indices: Rows = None) -> list[Any]:
        """An attribute of the outermost layer that has it, once for every row asked for; raises AttributeError."""
        rows = self._rows(indices)
        if attr_name == _MASKS:
            if self.discrete is None:
                raise AttributeError("there are no action masks without discrete actions")
            return [self.action_masks for _ in rows]
        for layer in layers(self.env):
            try:
                value = getattr(layer, attr_name)
            except AttributeError:
                continue
            return [value for _ in rows]
        raise AttributeError(f"no layer of the environment has an attribute {attr_name!r}")

    def set_attr(self, attr_name: str, value: Any, indices: Rows = None) -> None:
        """Set an attribute of the layer that has it, for all rows at once.

        Raises ValueError for some rows only, AttributeError if no layer has it.
        """
        if len(self._rows(indices)) != self.num_envs:
            raise ValueError(f"{attr_name!r} can be set for all {self.num_envs} rows only: they share one environment")
        self.get_attr(attr_name)
        owners = [layer for layer in layers(self.env) if attr_name in vars(layer)]
        setattr(owners[0] if owners else self.env, attr_name, value)

    def env_is_wrapped(self, wrapper_class: type, indices: Rows = None) -> list[bool]:
        """Whether a wrapper of this class is among the layers."""
        found = any(isinstance(layer, wrapper_class) for layer in layers(self.env))
        return [found for _ in self._rows(indices)]

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Row i is seeded with seed + i at the next reset; None lets the rows go on to their next episodes."""
        self._seeds = [None if seed is None else seed + row for row in range(self.num_envs)]
        return self._seeds

    def get_images(self) -> Sequence[np.ndarray | None]:
        """One frame per row, or None where the environment was made without render_mode."""
        frames = self.env.render() if self.env.render_mode is not None else None
        return [None] * self.num_envs if frames is None else [np.asarray(frame) for frame in frames]

    def close(self) -> None:
        """Close the environment."""
        self.env.close()

    def _rows(self, indices: Rows) -> list[int]:
        return list(self._get_indices(indices))


def _arrays(observation: Any) -> Any:
    """Tensors as NumPy arrays; on the CPU they share their memory, which the environment never writes again."""
    if isinstance(observation, dict):
        return {key: value.cpu().numpy() for key, value in observation.items()}
    return observation.cpu().numpy()


def _registered(id: str) -> dict[str, Any]:
    """What an id of ours is registered with. Raises OptionError for an id that is not there or is not ours."""
    try:
        spec = gymnasium.spec(id)
    except (gymnasium.error.Error, ValueError) as error:
        raise OptionError(
            f"world is {id!r}, which is neither the name of a world nor a Gymnasium id: {error}"
        ) from error
    if "world" not in spec.kwargs or not str(spec.entry_point).startswith("gazeworld."):
        raise OptionError(f"world is {id!r}, an id of another package, for which there is SB3's own make_vec_env")
    return copy.deepcopy(spec.kwargs)


@validated
def make_sb3_env(
    world: str | dict[str, Any] | World,
    num_envs: RowCount = 1,
    *,
    reward: str | dict[str, Any] | list[str | dict[str, Any]] | None = None,
    observation: Observation = "pixels",
    discrete_actions: dict[str, Any] | None = None,
    method: Method | None = None,
    **options: Any,
) -> SB3VecEnv:
    """Environments that a class of Stable-Baselines3 takes as they are: `PPO("MultiInputPolicy", make_sb3_env(…))`.

    `world` is a Gymnasium id (`gazeworld/Saccade-v0`), a world's name, a mapping of `name` and options, or a World.
    `reward` is a name of `gazeworld.agents.rewards`, a mapping of `name` and options, or a list of such, which add up;
    without it an id pays what it always pays, and everything else 0. `observation` "pixels" is a dictionary, for
    MultiInputPolicy; "latent" and "flat-pixels" are vectors, for MlpPolicy (see `observations`). `discrete_actions`
    makes actions numbers, as `{"name": "fixations", "side": 9}`. `method` is the world model that latent observations
    and some rewards need. `options` are those of ActiveVisionVectorEnv (`episode_steps`, …), the world's among them.
    SB3's own network takes images from 36 px on; for smaller ones there is `gazeworld.agents.GlimpseExtractor`.
    Raises OptionError for an argument that is unknown, of another type or impossible, ValueError for a reward or an
    observation that needs a world model where there is none, or does not suit the world.
    """
    if isinstance(world, str) and "/" in world:
        own = _registered(world)
        world, usual = own.pop("world"), own.pop("reward", None)
        reward, options = usual if reward is None else reward, {**own, **options}
    base = ActiveVisionVectorEnv(num_envs, world, tensors=True, autoreset_mode=AutoresetMode.SAME_STEP, **options)
    return SB3VecEnv(Observe(with_rewards(base, reward, method), observation), discrete_actions=discrete_actions)
