"""Algorithms of Stable-Baselines3 built from JSON-able options, and the random numbers they take from global state."""

import dataclasses
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Dict
from gymnasium.vector import AutoresetMode
from torch import Tensor, nn
from torch.distributions import Distribution

from gazeworld.envs.validation import OptionError, Seed, Width, shown, validated
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import World
from gazeworld.models.encoders import SinglePrecision
from gazeworld.models.method import Method

from ..config import ALGORITHM_OPTIONS, AgentConfig, Algorithm
from . import missing_sb3
from .observations import Observe, latent_width, with_model
from .rewarded import with_rewards

try:
    from sb3_contrib import CrossQ, MaskablePPO, RecurrentPPO
    from stable_baselines3 import PPO, SAC
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.preprocessing import get_flattened_obs_dim, is_image_space
    from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
except ImportError as error:
    raise missing_sb3(error) from error

from .options import checked_network, checked_options, require_room
from .vec_env import SB3VecEnv

ALGORITHMS: dict[str, type[BaseAlgorithm]] = {
    "ppo": PPO,
    "recurrent-ppo": RecurrentPPO,
    "maskable-ppo": MaskablePPO,
    "sac": SAC,
    "crossq": CrossQ,
}
CONTINUOUS = ("sac", "crossq")
"""Algorithms that take continuous actions only."""
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}


class GlimpseExtractor(BaseFeaturesExtractor):
    """Features of a dictionary observation with images of any size; SB3's own network crashes below 36 pixels.

    Each image goes through two convolutions of stride 2 (`width` and 2 `width` channels) and is averaged over a 2 × 2
    grid; everything else is flattened.
    """

    @validated
    def __init__(self, observation_space: Dict, width: Width = 16) -> None:
        images = [key for key, space in observation_space.spaces.items() if is_image_space(space)]
        plain = [key for key in observation_space.spaces if key not in images]
        flat = sum(get_flattened_obs_dim(observation_space.spaces[key]) for key in plain)
        super().__init__(observation_space, 8 * width * len(images) + flat)
        self.plain = plain
        self.networks = nn.ModuleDict(
            {
                key: nn.Sequential(
                    nn.Conv2d(
                        (observation_space.spaces[key].shape or (1,))[0],
                        width,
                        3,
                        stride=2,
                        padding=1,
                        dtype=torch.float32,
                    ),
                    nn.ReLU(),
                    nn.Conv2d(width, 2 * width, 3, stride=2, padding=1, dtype=torch.float32),
                    nn.ReLU(),
                    nn.AdaptiveAvgPool2d(2),
                    nn.Flatten(),
                )
                for key in images
            }
        )

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """Features of every image, then the numbers."""
        seen = [network(observations[key]) for key, network in self.networks.items()]
        return torch.cat([*seen, *(observations[key].flatten(1) for key in self.plain)], 1)


EXTRACTORS: dict[str, type[BaseFeaturesExtractor]] = {"glimpse": GlimpseExtractor}
_NAMED = {"activation_fn": ACTIVATIONS, "features_extractor_class": EXTRACTORS}


@validated
def make_agent(
    algorithm: Algorithm,
    env: SB3VecEnv,
    *,
    seed: Seed = 0,
    device: str = "cpu",
    policy: dict[str, Any] | None = None,
    **options: Any,
) -> BaseAlgorithm:
    """An algorithm of `ALGORITHMS` over the adapter, initialised from `seed`; global generators are left as they were.

    `policy` are SB3's policy_kwargs, JSON-able: `activation_fn` and `features_extractor_class` are names (ACTIVATIONS,
    EXTRACTORS; dictionary observations get "glimpse" by default). `options` are the algorithm's own. Networks are on
    the CPU by default: observations reach SB3 as NumPy arrays, and its small networks are no faster on a GPU.
    Raises ValueError for an algorithm, a policy option or a combination with the observation that there is not.
    """
    if algorithm == "maskable-ppo" and env.discrete is None:
        raise ValueError("maskable-ppo takes discrete actions only, and the adapter was made without them")
    if algorithm in CONTINUOUS and env.discrete is not None:
        raise ValueError(f"{algorithm} takes continuous actions only, and the adapter was made with discrete ones")
    if options.get("use_sde"):
        raise ValueError("state-dependent exploration (use_sde) is not supported: such policies cannot be saved")
    _require_images(env)
    kind = ALGORITHMS[algorithm]
    options = checked_options(kind, algorithm, options)
    require_room(options, env)
    name = policy_name(algorithm, isinstance(env.observation_space, Dict))
    written = default_policy(policy, isinstance(env.observation_space, Dict))
    network = checked_network(kind.policy_aliases[name], algorithm, decoded(written))
    try:
        with seeded(seed, torch.device(device)), SinglePrecision():
            return kind(name, env, seed=seed, device=device, policy_kwargs=network, **options)
    except (TypeError, ValueError, AssertionError, ArithmeticError) as error:  # how SB3 refuses what it is given
        raise ValueError(
            f"{algorithm} cannot be made with the options {options} and those of its policy, {written}: {error}"
        ) from error


def agent_for(config: AgentConfig, world: World, method: Method | None, seed: int = 0) -> BaseAlgorithm:
    """The agent that a configuration describes, in an environment of its own over a world; it looks with `method`.

    Raises ValueError for anything that does not fit together, before anything is trained.
    """
    base = ActiveVisionVectorEnv(
        config.environments,
        world,
        episode_steps=config.episode_steps,
        tensors=True,
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
    env = with_rewards(base, config.rewards, method)
    if taken := sorted({"algorithm", "env", "seed", "policy"} & config.options.keys()):
        raise ValueError(f"agent.options holds {taken[0]!r}, which is set elsewhere; expected the algorithm's own")
    adapter = SB3VecEnv(Observe(env, config.observation), discrete_actions=config.discrete_actions)
    return make_agent(config.algorithm, adapter, seed=seed, policy=config.policy, **config.options)


def agent_config(world: World, aggregate_dim: int = 0, **choices: Any) -> AgentConfig:
    """The agent that suits a world; `choices` are fields of AgentConfig that shall be as they are given.

    Actions are discrete where the algorithm takes such: the stored views of a world that has them, else a grid of
    9 × 9 fixations. `options` stand beside or instead of the algorithm's ALGORITHM_OPTIONS. With an `aggregate_dim`
    (that of the world model), networks of PPO that observe latent states get a first layer as wide as these, which
    `standardise` can fill; `policy` stands beside or instead of that.
    Raises OptionError for a choice that there is not, ValueError for an observation that the world does not have.
    """
    known = [field.name for field in dataclasses.fields(AgentConfig)]
    if strange := sorted(choices.keys() - set(known)):
        raise OptionError(f"agent has no option {shown(strange[0])}; there are: {', '.join(known)}")
    algorithm = choices.get("algorithm", AgentConfig.algorithm)
    observation = choices.get("observation", AgentConfig.observation)
    policy: dict[str, Any] = {}
    if aggregate_dim and with_model(observation) and algorithm in ("ppo", "maskable-ppo"):
        policy["net_arch"] = [latent_width(observation, world, aggregate_dim), 64, 64]
    discrete: dict[str, Any] | None = None
    if algorithm not in CONTINUOUS:
        discrete = {"name": "fixations", "side": 9} if world.stored_poses is None else {"name": "views"}
    usual = {"discrete_actions": discrete, **choices}
    usual["policy"] = {**policy, **choices.get("policy", {})}
    usual["options"] = {**ALGORITHM_OPTIONS.get(algorithm, {}), **choices.get("options", {})}
    return AgentConfig(**usual)


def usual_agent(asked: AgentConfig, world: World, aggregate_dim: int = 0, episode_steps: int = 3) -> dict[str, Any]:
    """The agent of somebody who chose nothing, as data; what follows from algorithm and observation is as for `asked`.

    It tells what was asked for from what was not, where a training goes on with what is written.
    """
    followed = {"algorithm": asked.algorithm, "observation": asked.observation, "episode_steps": episode_steps}
    found = dataclasses.asdict(agent_config(world, aggregate_dim, **followed))
    return {**found, "algorithm": AgentConfig.algorithm, "observation": AgentConfig.observation}


def _require_images(env: SB3VecEnv) -> None:
    """Raise ValueError for an image that SB3 would take for something else: it guesses which side the channels are."""
    spaces = env.observation_space.spaces if isinstance(env.observation_space, Dict) else {}
    for key, space in spaces.items():
        if is_image_space(space) and min((space.shape or (0,))[:2]) <= (space.shape or (0,))[-1]:
            raise ValueError(
                f"observation {key!r} has the shape {space.shape}, and Stable-Baselines3 takes images with more pixels "
                "a side than channels; use a larger glimpse, or observation 'latent' or 'flat-pixels'"
            )


def default_policy(policy: dict[str, Any] | None, dictionary: bool) -> dict[str, Any]:
    """The policy options with the extractor that dictionaries need."""
    return {**({"features_extractor_class": "glimpse"} if dictionary else {}), **(policy or {})}


def policy_name(algorithm: str, dictionary: bool) -> str:
    """SB3's name of the policy network. Raises ValueError for an algorithm that has none for dictionaries."""
    name = ("MultiInput" if dictionary else "Mlp") + ("Lstm" if algorithm == "recurrent-ppo" else "") + "Policy"
    if name not in ALGORITHMS[algorithm].policy_aliases:
        raise ValueError(
            f"{algorithm} has no {name} for dictionary observations; use observation 'latent' or 'flat-pixels'"
        )
    return name


def decoded(policy: dict[str, Any]) -> dict[str, Any]:
    """SB3's policy_kwargs from JSON-able ones. Raises ValueError for a name that is on no list."""
    found = dict(policy)
    for key, known in _NAMED.items():
        if key in found:
            if not isinstance(found[key], str) or found[key] not in known:
                raise OptionError(f"{key} is {shown(found[key])}, expected one of: {', '.join(known)}")
            found[key] = known[found[key]]
    return found


def encoded(policy_kwargs: dict[str, Any]) -> dict[str, Any]:
    """The inverse of `decoded`, with a default left out. Raises ValueError for a value that JSON cannot hold."""
    found: dict[str, Any] = {}
    for key, value in policy_kwargs.items():
        if key == "use_sde":  # off-policy algorithms add it themselves
            continue
        names = [name for name, known in _NAMED.get(key, {}).items() if known is value]
        if isinstance(value, type):
            if not names:
                raise ValueError(f"policy_kwargs[{key!r}] is {value.__name__}, which is on no list and cannot be saved")
            found[key] = names[0]
        else:
            found[key] = value
    return found


@contextmanager
def checked_distributions() -> Iterator[None]:
    """In the `with` block torch's distributions refuse parameters that are not finite, as they do unless told not to.

    Other libraries tell them, for the whole process: TorchRL does when it is imported.
    """
    before = Distribution._validate_args
    Distribution.set_default_validate_args(True)
    try:
        yield
    finally:
        Distribution.set_default_validate_args(before)


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Lends Python's, NumPy's and torch's global generators, seeded, to code that draws from them.

    Stable-Baselines3 does; afterwards all of them are as they were, so nothing else notices.
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        try:
            random.seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002
            torch.manual_seed(seed)
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
