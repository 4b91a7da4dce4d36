"""Options of Stable-Baselines3's algorithms and networks: types by SB3's own signatures, bounds where it checks none.

SB3 keeps most of what it is given until it learns with it, or takes it for something else.
"""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Optional

from annotated_types import Interval
from gymnasium.spaces import Dict
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from gazeworld.envs.validation import (
    Amount,
    Layers,
    Natural,
    OptionError,
    Positive,
    PositiveAmount,
    Rows,
    Share,
    Width,
    checked,
    shown,
)

from . import missing_sb3

try:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv
except ImportError as error:
    raise missing_sb3(error) from error

_SET_HERE = ("policy", "env", "policy_kwargs", "seed", "device")
_Rate = PositiveAmount | Callable[[float], float]
_BOUNDS: dict[str, Any] = {
    "learning_rate": _Rate,
    "clip_range": _Rate,
    "clip_range_vf": _Rate | None,
    "gamma": Share,
    "gae_lambda": Share,
    "tau": Share,
    "n_steps": Rows,
    "n_epochs": Rows,
    "batch_size": Rows,
    "buffer_size": Positive,
    "learning_starts": Natural,
    "gradient_steps": Annotated[int, Interval(ge=-1, le=2**20)],
    "target_update_interval": Positive,
    "policy_delay": Positive,
    "max_grad_norm": PositiveAmount,
    "vf_coef": Amount,
    "target_kl": Optional[PositiveAmount],  # noqa: UP045 - pyright takes no other form here
    "stats_window_size": Rows,
    "verbose": Natural,
}
_WIDTHS = list[Width]
_NETWORK_BOUNDS: dict[str, Any] = {
    "net_arch": _WIDTHS | dict[str, _WIDTHS] | None,
    "lstm_hidden_size": Width,
    "n_lstm_layers": Layers,
    "n_critics": Layers,
    "optimizer_kwargs": dict[str, Any] | None,
    "features_extractor_kwargs": dict[str, Any] | None,
}
_ROOM = 2**35
"""Bytes that what an agent remembers may take."""


def checked_options(kind: type[BaseAlgorithm], algorithm: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """An algorithm's own options. Raises OptionError for one that it does not have or that is not what it should be."""
    known = inspect.signature(kind).parameters
    names = [name for name in known if name not in _SET_HERE and not name.startswith("_")]
    for name in options:
        if name not in names:
            raise OptionError(f"{algorithm} has no option {shown(name)}; there are: {', '.join(names)}")
    return _checked(kind.__init__, _BOUNDS, options, "option {!r} of " + algorithm)


def checked_network(kind: type, algorithm: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of an algorithm's network; those that are unknown are left for SB3 to refuse."""
    return _checked(kind.__init__, _NETWORK_BOUNDS, options, "policy option {!r} of " + algorithm)


def require_room(options: Mapping[str, Any], env: VecEnv) -> None:
    """Raise OptionError for a rollout or a replay buffer that is too large to remember."""
    space = env.observation_space
    spaces = list(space.spaces.values()) if isinstance(space, Dict) else [space]
    each = sum(math.prod(one.shape or (1,)) * (1 if one.dtype is None else one.dtype.itemsize) for one in spaces)
    for name, rows in (("n_steps", env.num_envs), ("buffer_size", 1)):
        if name in options and options[name] * rows * each > _ROOM:
            raise OptionError(
                f"option {name!r} is {options[name]}: so many observations of {each} bytes"
                f"{f' of {rows} rows' if rows > 1 else ''} take more than {_ROOM >> 30} GiB, expected fewer"
            )


def _checked(
    maker: Callable[..., Any], bounds: Mapping[str, Any], options: Mapping[str, Any], said: str
) -> dict[str, Any]:
    known, found = inspect.signature(maker).parameters, dict(options)
    for name, value in options.items():
        hint = bounds[name] if name in bounds else known[name].annotation if name in known else Any
        if hint is inspect.Parameter.empty or isinstance(hint, str):
            continue
        try:
            found[name] = checked(said.format(name), value, hint)
        except (PydanticSchemaGenerationError, PydanticUserError):
            continue  # a hint of SB3's that says nothing that could be checked
    return found
