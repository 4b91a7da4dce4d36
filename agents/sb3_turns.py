"""A turn of learning for an agent of Stable-Baselines3: what it depends on, what may go wrong, and what is kept of it.

A turn is a function of what was saved before it and of a seed, so that training can be resumed between two of them.
"""

from collections import deque
from pathlib import Path

import numpy as np
import torch

from gazeworld.models.method import CheckpointError

from . import checkpoint
from .reward import rewards_of
from .sb3_agents import BaseAlgorithm, seeded
from .sb3_files import adapter_of

_NEVER = 2**62  # SB3 writes its logs after so many rollouts or episodes
_REWARDS = "rewards.safetensors"


class NonFinitePolicyError(ValueError):
    """Weights of a policy became NaN or infinite; the message says which, and names what was saved last."""


def mixed(seed: int, number: int, purpose: int) -> int:
    """A seed of 31 bits for one purpose and one place in training."""
    words = np.random.SeedSequence([seed % 2**64, number, purpose]).generate_state(1)
    return int(words[0]) >> 1


def learn(agent: BaseAlgorithm, steps: int, seed: int, most: int | None) -> list[float]:
    """Learn for so many steps in episodes begun anew; the returns of the last `most` that ended (None: of all).

    SB3 rounds up to whole rollouts.
    """
    env = agent.get_env()
    assert env is not None
    with seeded(seed, agent.device):
        agent.action_space.seed(seed)
        env.seed(seed)
        agent._last_obs = None  # begin new episodes: what is remembered of the old ones may be of an older world model
        agent.ep_info_buffer, agent.ep_success_buffer = deque(maxlen=most), deque(maxlen=most)
        agent.learn(steps, reset_num_timesteps=False, log_interval=_NEVER)
    return [episode["r"] for episode in agent.ep_info_buffer or ()]


def require_finite(agent: BaseAlgorithm, after: str, folder: Path, what: str = "checkpoint") -> None:
    """Raise NonFinitePolicyError unless all weights of the policy are finite.

    Its message says after what, and which `what` in `folder` is the last good one.
    """
    for name, value in agent.policy.named_parameters():
        if not bool(torch.isfinite(value).all()):
            raise NonFinitePolicyError(
                f"the policy's weights ({name} …) are not finite after {after}; {checkpoint.last_good(folder, what)}"
            )


def save_rewards(agent: BaseAlgorithm, folder: Path) -> None:
    """Write what the rewards of an agent have learnt into a folder."""
    rewards = enumerate(rewards_of(adapter_of(agent).env))
    heads = {f"{i}/{one.name}/{name}": x.cpu() for i, one in rewards for name, x in one.state_dict().items()}
    checkpoint.put(heads, folder / _REWARDS)


def restore_rewards(agent: BaseAlgorithm, folder: Path) -> None:
    """The inverse of `save_rewards`. Raises CheckpointError for a damaged file or one of other rewards."""
    tensors, known = checkpoint.read(folder / _REWARDS), set[str]()
    for i, reward in enumerate(rewards_of(adapter_of(agent).env)):
        start = f"{i}/{reward.name}/"
        own = {name for name in tensors if name.startswith(start)}
        try:
            reward.load_state_dict({name.removeprefix(start): tensors[name] for name in own})
        except CheckpointError as error:
            raise CheckpointError(f"{folder / _REWARDS}: {error}") from error
        known |= own
    if strange := sorted(tensors.keys() - known):
        raise CheckpointError(f"{folder / _REWARDS}: holds {strange[0]} …, which is of none of the rewards asked for")
