"""What a policy observes: the agent's flat latent state, or pixels."""

import math
from typing import Any, get_args

import numpy as np
import torch
from gymnasium.spaces import Box, Dict, Space
from gymnasium.vector import VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space
from jaxtyping import Float32, Int64
from torch import Tensor

from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import Scene, World

from ..config import Observation
from ..policy import Memory
from .memory import Moment, memory_of, model_of

KINDS: tuple[Observation, ...] = get_args(Observation)
"""`latent`: the aggregate z_AGG of everything seen so far, the last pose and the share of the episode that is over, in
one vector. `latent+periphery`: the same with the whole image, reduced to a few pixels a side and divided by 255, at its
end, so that a policy sees from the corner of its eye where things are. `pixels`: the environment's own dictionary of
view, pose and what else the world observes. `flat-pixels`: the last view divided by 255, the last pose and the share of
the episode, in one vector."""


class Observe(VectorWrapper):
    """Shows a policy one of the KINDS instead of the environment's observations, at ends of episodes, too.

    It may stand anywhere above Remember. Raises ValueError for an unknown kind, where no Remember is beneath, for
    `latent` where that has no world model, and for a periphery in a world that has none.
    """

    def __init__(self, env: VectorEnv, kind: str = "latent") -> None:
        who = f"observation {kind!r}"
        check_kind(kind)
        self.memory, self.kind = memory_of(env, who), kind
        super().__init__(env)
        width = model_of(self.memory, who).aggregate_dim if with_model(kind) else 0
        self.single_observation_space = space_of(kind, self.memory.base, width)
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin episodes, in all rows or in those of `options["reset_mask"]`."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._shown(observation, self.memory.now, self.memory.scenes), info

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Move all sensors."""
        observation, reward, terminated, truncated, info = self.env.step(actions)
        if "final_obs" in info:
            change = self.memory.change
            assert change is not None
            info = {**info, "final_obs": self._shown(info["final_obs"], change.after, change.scenes)}
        shown = self._shown(observation, self.memory.now, self.memory.scenes)
        return shown, reward, terminated, truncated, info

    def _shown(self, observation: dict[str, Any], moment: Moment, scenes: Int64[Tensor, " n"]) -> Any:
        if self.kind == "pixels":
            return observation
        return flat(self.kind, moment, self.memory.base.world, scenes, self.memory.base.episode_steps)


def check_kind(kind: str) -> None:
    """Raise ValueError unless there is this kind of observation."""
    if kind not in KINDS:
        raise ValueError(f"unknown observation {kind!r}; there are: {', '.join(KINDS)}")


def with_model(kind: str) -> bool:
    """Whether this kind of observation holds what a world model makes of what was seen."""
    return kind in ("latent", "latent+periphery")


def with_periphery(kind: str, world: World) -> tuple[int, int, int] | None:
    """The shape (h, w, c) of the periphery that this kind of observation shows; None if it shows none.

    Raises ValueError for a world that has none.
    """
    if kind != "latent+periphery":
        return None
    if world.periphery_shape is None:
        raise ValueError(f"observation {kind!r} needs a world with a periphery, and {type(world).__name__} has none")
    return world.periphery_shape


def latent_width(kind: str, world: World, aggregate_dim: int) -> int:
    """Numbers in an observation that holds latent states. Raises ValueError as `with_periphery` does."""
    wide = with_periphery(kind, world)
    return aggregate_dim + world.pose_dim + 1 + (0 if wide is None else math.prod(wide))


def space_of(kind: str, env: ActiveVisionVectorEnv, aggregate_dim: int) -> Space[Any]:
    """The space of one kind of observation, of one environment. Raises ValueError as `with_periphery` does."""
    check_kind(kind)
    if kind == "pixels":
        found = env.single_observation_space
        assert isinstance(found, Dict)
        return found
    if with_model(kind):
        return Box(-np.inf, np.inf, (latent_width(kind, env.world, aggregate_dim),), np.float32)
    lowest, highest = env.world.pose_bounds
    views = int(np.prod(env.world.view_shape))
    poses = [1.0] * env.world.pose_dim
    low = np.array([0.0] * views + [lowest * p for p in poses] + [0.0], np.float32)
    high = np.array([1.0] * views + [highest * p for p in poses] + [1.0], np.float32)
    return Box(low, high, dtype=np.float32)


def flat(
    kind: str, moment: Moment, world: World, scenes: Int64[Tensor, " n"], episode_steps: int
) -> Float32[Tensor, "n s"]:
    """The vector of any observation but `pixels`, of rows that look at these scenes.

    The share of the episode stays at 1 in episodes longer than `episode_steps`.
    """
    check_kind(kind)
    first = moment.aggregate if with_model(kind) else moment.view.permute(0, 2, 3, 1).flatten(1).float() / 255
    share = torch.as_tensor(np.minimum(moment.steps / episode_steps, 1.0), device=first.device).float()
    parts = [first.float(), moment.pose, share[:, None]]
    wide = world.periphery(scenes) if with_periphery(kind, world) else None
    if wide is not None:
        parts.append(wide.flatten(1).float() / 255)
    return torch.cat(parts, 1)


def pixels(env_keys: list[str], world: World, memory: Memory, i: int) -> dict[str, Tensor]:
    """The environment's own observation of the view numbered i of a memory, views as h w c."""
    pose = memory.poses[:, i]
    unknown: Int64[Tensor, " b"] = torch.full_like(memory.scenes, -1)
    extra = world.observe(Scene(memory.scenes, unknown, pose), pose)
    everything = {"view": memory.views[:, i].permute(0, 2, 3, 1), "pose": pose, **extra}
    return {key: everything[key] for key in env_keys}
