"""Rewarded environments: what stands behind ids such as `gazeworld/SaccadeCoverage-v0`, and rewards by name or mapping.

`gymnasium.make("gazeworld/SaccadeCoverage-v0")` pays for every view what it adds to what was seen of the scene. Both
forms, single and vector, take `reward` and `model` beside what the ids without a reward take; needs no extra.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Interval
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from torch import Tensor

from gazeworld.envs.single_env import OneRow
from gazeworld.envs.validation import OptionError, PathText, Rows, Views, shown, validated
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import World
from gazeworld.models.method import Method

from ..training.checkpoint import load_method
from .memory import Remember
from .reward import make_reward

RewardSpec = str | Mapping[str, Any]
"""The name of a reward, or a mapping of its `name` and options: `{"name": "coverage", "weight": 2.0}`."""


def with_rewards(
    env: ActiveVisionVectorEnv, rewards: RewardSpec | Sequence[RewardSpec] | None, method: Method | None = None
) -> VectorEnv:
    """An environment of tensors with a Remember around it and around that the rewards, which add up.

    `method` is the world model that some rewards need. Raises OptionError for what names no reward.
    """
    wrapped: VectorEnv = Remember(env, method)
    several = [] if rewards is None else [rewards] if isinstance(rewards, str | Mapping) else list(rewards)
    for reward in several:
        options = {"name": reward} if isinstance(reward, str) else dict(reward) if isinstance(reward, Mapping) else {}
        if not isinstance(options.get("name"), str):
            raise OptionError(f"reward is {shown(reward)}, expected a name, or a mapping of 'name' and options")
        wrapped = make_reward(options.pop("name"), wrapped, **options)
    return wrapped


@validated
def rewarded_vector_env(
    num_envs: Rows = 1,
    world: str | dict[str, Any] | World = "saccade",
    *,
    reward: str | dict[str, Any] | list[str | dict[str, Any]] = "coverage",
    model: PathText = "",
    autoreset_mode: AutoresetMode | Literal["NextStep", "SameStep", "Disabled"] = AutoresetMode.NEXT_STEP,
    **options: Any,
) -> VectorEnv:
    """The vector environment of a world that pays rewards; NumPy in and out, as Gymnasium's wrappers want it.

    `reward` is a name of `gazeworld.agents.rewards`, a mapping of `name` and options, or a list of such, which add up;
    `info` tells each under `reward/NAME`. `model` is the folder of the run whose world model they judge with, where
    they need one. `options` are those of ActiveVisionVectorEnv, the world's among them.
    Raises OptionError for an argument that is unknown, of another type or impossible, ValueError for a reward that
    needs a world model where none is named, or does not suit the world.
    """
    if "tensors" in options:
        raise OptionError("tensors is given, and a rewarded environment gives arrays; stack rewards with make_reward")
    base = ActiveVisionVectorEnv(num_envs, world, autoreset_mode=autoreset_mode, tensors=True, **options)
    method = load_method(Path(model), base.world)[0] if model else None
    return Arrays(with_rewards(base, reward, method))


class RewardedEnv(OneRow):
    """One sensor whose views are paid for; what it sees and earns is row i of a vector environment with seed + i.

    Observation, action, end of episode, info and reset options: those of `gazeworld.envs.ActiveVisionEnv`.
    Reward: what `reward` says, told unweighted in `info` under `reward/NAME`, too. See `rewarded_vector_env`.
    """

    @validated
    def __init__(
        self,
        world: str | dict[str, Any] | World = "saccade",
        *,
        reward: str | dict[str, Any] | list[str | dict[str, Any]] = "coverage",
        model: PathText = "",
        episode_steps: Views = 4,
        render_mode: Literal["rgb_array"] | None = None,
        first_row: Annotated[int, Interval(ge=0, lt=2**62)] = 0,
        **world_options: Any,
    ) -> None:
        more = {"episode_steps": episode_steps, "render_mode": render_mode, "first_row": first_row, **world_options}
        env = rewarded_vector_env(1, world, reward=reward, model=model, autoreset_mode=AutoresetMode.DISABLED, **more)
        super().__init__(env)


class Arrays(VectorWrapper):
    """An environment of tensors as one of arrays, to the letter of Gymnasium; actions may be either."""

    @property
    def autoreset_mode(self) -> AutoresetMode:
        """That of the metadata; TorchRL looks for it here, where Gymnasium's own vector environments have it."""
        return AutoresetMode(self.metadata["autoreset_mode"])

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin episodes, in all rows or in those of `options["reset_mask"]`."""
        observation, info = self.env.reset(seed=seed, options=options)
        return _arrays(observation), _arrays(info)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Move all sensors at once."""
        observation, reward, terminated, truncated, info = self.env.step(actions)
        observed, told = _arrays(observation), _arrays(info)
        if "final_obs" in told:  # one batch of tensors; Gymnasium wants an array of single ones, None elsewhere
            rows, last = told["_final_obs"], told["final_obs"]
            told["final_obs"] = np.full(self.num_envs, None, dtype=object)
            for row in np.flatnonzero(rows):
                told["final_obs"][row] = {key: value[row].copy() for key, value in last.items()}
        return observed, reward.cpu().numpy().astype(np.float64), _arrays(terminated), _arrays(truncated), told


def _arrays(value: Any) -> Any:
    """Tensors as arrays of their own, in dictionaries, too."""
    if isinstance(value, dict):
        return {key: _arrays(part) for key, part in value.items()}
    return value.detach().cpu().numpy().copy() if isinstance(value, Tensor) else value
