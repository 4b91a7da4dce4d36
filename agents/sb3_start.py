"""How an agent of Stable-Baselines3 begins: with a rehearsal, and a first layer that suits what it sees."""

import numpy as np
import torch
from torch import nn

from .sb3_agents import PPO, BaseAlgorithm, MaskablePPO
from .sb3_files import adapter_of

_EPISODES = 13  # in which a new agent's observations are measured: 4160 of them, of 64 rows and 4 actions


def rehearse(agent: BaseAlgorithm, seed: int) -> np.ndarray | None:
    """Live through some episodes with actions drawn at random, so that what cannot work fails before it is written.

    Gives what was observed, n s, where that is a vector.
    """
    env, adapter, rng, seen = agent.get_env(), adapter_of(agent), np.random.default_rng(seed), []
    assert env is not None
    env.seed(seed)
    seen.append(env.reset())
    adapter.action_space.seed(seed)
    for _ in range(_EPISODES * adapter.base.episode_steps):
        if adapter.menu is None:
            actions = np.stack([adapter.action_space.sample() for _ in range(env.num_envs)])
        else:
            masked = isinstance(agent, MaskablePPO)  # the others choose what they like
            masks = adapter.action_masks() if masked else np.ones((env.num_envs, adapter.menu.size))
            actions = (rng.random(masks.shape) * masks).argmax(1)
        seen.append(env.step(actions)[0])
    return np.concatenate(seen) if isinstance(seen[0], np.ndarray) and seen[0].ndim == 2 else None


@torch.no_grad()
def standardise(agent: BaseAlgorithm, seen: np.ndarray | None) -> None:
    """Let the first layer of PPO's networks begin as one that standardises what is observed, where it can.

    Aggregates vary by a tenth of a unit around a constant six times as long: a network that begins with random weights
    sees the constant. Layers as wide as the observation begin as half its standardised value, which the hyperbolic
    tangent hardly bends, and go on learning like any other.
    """
    if seen is None or not isinstance(agent, PPO | MaskablePPO):
        return
    mean = torch.as_tensor(seen.mean(0), device=agent.device)
    std = torch.as_tensor(seen.std(0), device=agent.device).clamp_min(1e-3)
    for name, layer in agent.policy.named_modules():
        first = name.startswith("mlp_extractor") and name.endswith("_net.0")
        if first and isinstance(layer, nn.Linear) and layer.in_features == layer.out_features == len(mean):
            layer.weight.copy_(torch.diag(0.5 / std))
            layer.bias.copy_(-0.5 * mean / std)
