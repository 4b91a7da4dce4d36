"""What a policy is rewarded for: wrappers over the vector environment, one file each in the registry `rewards`."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv, VectorWrapper
from jaxtyping import Float, Int64
from torch import Tensor, nn

from gazeworld.envs import registry
from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import Validated
from gazeworld.models.method import CheckpointError

from ..probes.readouts import Scale
from ..training import checkpoint
from .memory import Change, layers, memory_of


class Reward(VectorWrapper, Validated, ABC):
    """Adds `weight` times its own reward to that of the environment; several of them stack.

    Beneath it stands a Remember, which serves all autoreset modes: a row that was only reset in a step gets 0. `info`
    tells the unweighted reward under `reward/<name>`. What a reward learns (its `head`) is its state, saved by
    `state_dict`; what it knows about the present episodes is not, and begins anew with a reset.
    Raises ValueError where no Remember is, or where it has no world model and the reward needs one.
    """

    name: str

    def __init__(self, env: VectorEnv, *, weight: float = 1.0) -> None:
        self.memory = memory_of(env, f"reward {self.name!r}")
        super().__init__(env)
        self.weight = float(weight)

    @abstractmethod
    def reward(self, change: Change) -> Float[Tensor, " n"]:
        """What each row earned in this step; rows that did not move are ignored."""

    def begin(self, rows: Int64[Tensor, " k"]) -> None:
        """New episodes in these rows; `memory.now` shows their first views."""
        del rows

    def learn(self, change: Change) -> None:
        """Learn from a step, after it was rewarded; rewards that do not learn do nothing."""
        del change

    def prepare(self, streams: Stream) -> dict[str, float]:
        """Learn from whole streams of the train split before a policy is trained; gives numbers worth logging."""
        del streams
        return {}

    def head(self) -> "Head | None":
        """The network that the reward learns, or None."""
        return None

    def state_dict(self) -> dict[str, Tensor]:
        """A copy of everything learnt, by name: weights, buffers and the state of the optimiser."""
        head = self.head()
        return {} if head is None else {name: value.clone() for name, value in head.everything().items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """The inverse of `state_dict`. Raises CheckpointError naming what is missing, unknown or misshapen."""
        head = self.head()
        own = {} if head is None else head.everything()
        if strange := sorted(own.keys() ^ state.keys()):
            raise CheckpointError(f"reward {self.name!r}: the state has {strange[:3]} too many or too few")
        checkpoint.require_shapes(own, state, f"reward {self.name!r}")
        for name, value in own.items():
            value.copy_(state[name])

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin episodes, in all rows or in those of `options["reset_mask"]`."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._begin()
        return observation, info

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Move all sensors and add the reward."""
        observation, reward, terminated, truncated, info = self.env.step(actions)
        change = self.memory.change
        assert change is not None
        own = torch.where(change.moved, self.reward(change).to(reward.dtype), 0.0)
        if change.after.steps.any():  # not where a NEXT_STEP reset is all that happened
            self.learn(change)
        self._begin()
        info = {**info, f"reward/{self.name}": own, f"_reward/{self.name}": change.moved}
        return observation, reward + self.weight * own, terminated, truncated, info

    def _begin(self) -> None:
        if self.memory.began.any():
            rows = np.flatnonzero(self.memory.began)
            self.begin(torch.as_tensor(rows, device=self.memory.now.pose.device))


class Head(nn.Module):
    """A small read-out that goes on learning: it standardises its inputs and has an Adam of its own.

    No read-out of `probes.readouts`, which is trained to its end at once: this one learns a little from every episode,
    and what it has learnt, its optimiser's state included, is saved and restored with the policy.

    Weights start uniform within ±1/√inputs, as torch's linear layers do, drawn from `seed`.
    """

    def __init__(self, widths: Sequence[int], *, seed: int, device: torch.device, lr: float) -> None:
        super().__init__()
        if not lr > 0:
            raise ValueError(f"lr is {lr}, expected more than 0")
        generator, layers = torch.Generator().manual_seed(seed), []
        for inputs, outputs in itertools.pairwise(widths):
            layer = nn.utils.skip_init(nn.Linear, inputs, outputs, dtype=torch.float32)
            for parameter in layer.parameters():
                drawn = torch.rand(parameter.shape, dtype=torch.float32, generator=generator)
                parameter.data.copy_((2 * drawn - 1) / max(1, inputs) ** 0.5)
            layers += [layer, nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])
        self.register_buffer("mean", torch.zeros(widths[0], dtype=torch.float32))
        self.register_buffer("std", torch.ones(widths[0], dtype=torch.float32))
        self.to(device)
        self._optimiser = torch.optim.Adam(self.layers.parameters(), lr=lr)
        for parameter in self.layers.parameters():  # there from the start, so that a state always has the same entries
            zeros = {"exp_avg": torch.zeros_like(parameter), "exp_avg_sq": torch.zeros_like(parameter)}
            self._optimiser.state[parameter] = {"step": torch.zeros((), dtype=torch.float32), **zeros}

    def forward(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n o"]:
        """The raw outputs."""
        return self.layers((features - self.get_buffer("mean")) / self.get_buffer("std"))

    def standardise(self, features: Float[Tensor, "n d"]) -> None:
        """Take mean and deviation of these features; components that do not vary are only centred."""
        scale = Scale.of(features[None])
        self.get_buffer("mean").copy_(scale.mean[0, 0])
        self.get_buffer("std").copy_(scale.std[0, 0])

    def descend(self, loss: Float[Tensor, ""]) -> None:
        """One step of Adam down the gradient of `loss`."""
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()

    def everything(self) -> dict[str, Tensor]:
        """Weights, buffers and the state of the optimiser where they lie, by name."""
        found = {name: value.detach() for name, value in self.state_dict().items()}
        for name, parameter in self.layers.named_parameters():
            slots = self._optimiser.state[parameter]
            found |= {f"adam/{name}/{slot}": value for slot, value in slots.items()}
        return found


def batches(n: int, size: int, epochs: int, seed: int) -> list[Int64[Tensor, " b"]]:
    """Rows of every batch of `epochs` passes over n samples, each pass in an order of its own."""
    generator = torch.Generator().manual_seed(seed)
    return [part for _ in range(epochs) for part in torch.randperm(n, generator=generator).split(size)]


REWARDS = "gazeworld.agents.rewards"
_FILE = "rewards.safetensors"


def make_reward(name: str, env: VectorEnv, **options: Any) -> Reward:
    """The reward called `name` in the registry, around `env`.

    Raises ValueError naming an option that the reward does not have, or one of another type or out of its bounds.
    """
    kind = registry.concrete(REWARDS, name, Reward)
    return registry.built(f"reward {name!r}", kind, env, **options)


def rewards_of(env: VectorEnv) -> list[Reward]:
    """The reward wrappers around an environment, innermost first."""
    return [layer for layer in layers(env) if isinstance(layer, Reward)][::-1]


def save_rewards(rewards: Sequence[Reward], folder: Path) -> None:
    """Write what the rewards of an agent have learnt into a folder."""
    heads = {f"{i}/{one.name}/{k}": x.cpu() for i, one in enumerate(rewards) for k, x in one.state_dict().items()}
    checkpoint.put(heads, folder / _FILE)


def restore_rewards(rewards: Sequence[Reward], folder: Path) -> None:
    """The inverse of `save_rewards`. Raises CheckpointError for a damaged file or one of other rewards."""
    tensors, known = checkpoint.read(folder / _FILE), set[str]()
    for i, reward in enumerate(rewards):
        start = f"{i}/{reward.name}/"
        own = {name for name in tensors if name.startswith(start)}
        try:
            reward.load_state_dict({name.removeprefix(start): tensors[name] for name in own})
        except CheckpointError as error:
            raise CheckpointError(f"{folder / _FILE}: {error}") from error
        known |= own
    if strange := sorted(tensors.keys() - known):
        raise CheckpointError(f"{folder / _FILE}: holds {strange[0]} …, which is of none of the rewards asked for")
