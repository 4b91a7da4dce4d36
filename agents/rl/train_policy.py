"""How `gazeworld steer` trains: in stretches of so many steps, each of which is saved.

Stretch k is a function of what was saved after stretch k − 1 and of (seed, steps done): global generators are seeded,
and episodes begin anew. So a training that was stopped between two stretches and resumed is the training that was not,
bit for bit on one device with one number of threads.
"""

import json
import math
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import nn

from gazeworld.envs.files import write_text
from gazeworld.envs.validation import Natural, Options, Positive, Seed
from gazeworld.envs.world import World
from gazeworld.models.method import CheckpointError, Method
from gazeworld.scenarios.commands._console import say

from ..config import AgentConfig
from ..policy import make_policy
from ..probes.features import joined, rollouts
from ..runs import build, provenance
from ..runs.records import read_lines
from ..runs.scenario import Scenario
from ..training import checkpoint
from ..training.interrupt import interruptible
from ..training.loop import env_of, rows_for
from ..training.recorder import clock
from .algorithms import PPO, BaseAlgorithm, MaskablePPO, seeded
from .reward import rewards_of
from .saving import adapter_of, restore_agent, save_agent, save_policy
from .vec_env import NonFiniteRewardError


class NonFiniteError(RuntimeError):
    """A reward or a policy became NaN or infinite; the message says which, and names the last good policy."""


@dataclass(frozen=True)
class Plan(Options):
    """What one policy is trained with; config.json in its folder holds it."""

    agent: AgentConfig
    steps: Positive
    every: Positive
    prepare: Natural
    seed: Seed
    model: str
    """signature of the world model's weights"""
    looks: tuple[dict[str, Any], ...] = ()
    """policies whose streams the rewards learn from beforehand (none: the run's own and uniform)"""


@dataclass(frozen=True)
class Steering:
    """The live objects: the agent, the folder of its policy and what is said on the way."""

    agent: BaseAlgorithm
    plan: Plan
    folder: Path
    console: Console

    @property
    def checkpoints(self) -> Path:
        """Folder of what training goes on from."""
        return self.folder / "checkpoints"

    @property
    def history(self) -> Path:
        """File with a line of numbers for every stretch."""
        return self.folder / "history.jsonl"


def begin(live: Steering, scenario: Scenario, world: World, method: Method) -> None:
    """What happens once, before the first stretch: a rehearsal, the first layers, and what rewards learn beforehand."""
    with finite(live.agent, live.checkpoints):
        standardise(live.agent, rehearse(live.agent, mixed(live.plan.seed, 0, 2)))
        prepare(live, scenario, world, method)


def prepare(live: Steering, scenario: Scenario, world: World, method: Method) -> None:
    """Rewards learn what they must know, on streams of the plan's `looks`.

    If there are none, these are the run's own policy, which shows what the world model was trained on, and random
    fixations, as of a policy that has learnt nothing yet.
    """
    if not live.plan.prepare:
        return
    length = live.plan.agent.episode_steps + 1
    env = env_of(world, rows_for(world), length - 1)
    parts = []
    for i, options in enumerate(live.plan.looks or (scenario.policy, {"name": "uniform"})):
        name, rest = build.named(options)
        policy = make_policy(name, world, **rest)
        policy.attach(method)
        scenes = min(live.plan.prepare, world.size)
        rounds = math.ceil(live.plan.prepare / scenes)
        parts.append(rollouts(env, policy, length, scenes=scenes, rounds=rounds, seed=mixed(live.plan.seed, i, 0)))
    streams = joined(parts)
    for reward in rewards_of(adapter_of(live.agent).env):
        values = reward.prepare(streams)
        if values:
            said = "  ".join(f"{name.partition('/')[2]} {value:.3f}" for name, value in values.items())
            say(live.console, f"prepared on {len(streams.labels)} streams: {said}")


def train(live: Steering, facts: dict[str, Any]) -> None:
    """Stretch after stretch, each saved; Ctrl-C ends after the present one."""
    agent, plan, first, began = live.agent, live.plan, live.agent.num_timesteps, time.monotonic()
    with interruptible() as stop:
        while agent.num_timesteps < plan.steps and not stop.is_set():
            with finite(agent, live.checkpoints):
                values = stretch(live, min(plan.every, plan.steps - agent.num_timesteps))
                require_finite(agent, f"step {agent.num_timesteps}", live.checkpoints, "policy")
            provenance.write_json(live.folder / "config.json", facts)
            _record(live, values)
            save(live)
            rate = (agent.num_timesteps - first) / (time.monotonic() - began)
            left = max(0, plan.steps - agent.num_timesteps) / rate
            text = "  ".join(f"{name} {value:.3g}" for name, value in values.items())
            at = f"step {agent.num_timesteps}/{plan.steps}  {rate:.0f} steps/s  {clock(left)} left"
            say(live.console, f"{at}  {text}")


def stretch(live: Steering, steps: int) -> dict[str, float]:
    """Train for so many steps, rounded up to whole rollouts; the mean return of the episodes that ended, and losses."""
    agent = live.agent
    returns = learn(agent, steps, mixed(live.plan.seed, agent.num_timesteps, 1), most=None)
    values = {"return": float(np.mean(returns))} if returns else {}
    logged = {name: agent.logger.name_to_value.get(f"train/{name}") for name in ("entropy_loss", "explained_variance")}
    return {**values, **{name: float(value) for name, value in logged.items() if value is not None}}


@contextmanager
def finite(agent: BaseAlgorithm, checkpoints: Path) -> Iterator[None]:
    """Turn errors about numbers that are not finite into NonFiniteError; others pass."""
    try:
        yield
    except ValueError as error:
        message = str(error)
        if "invalid values" in message:  # how torch's distributions refuse parameters that are not finite
            message = "the policy gives NaN: its weights or those of its world model are damaged"
        elif not isinstance(error, NonFiniteRewardError | NonFinitePolicyError):
            raise
        if not isinstance(error, NonFinitePolicyError):  # which says it itself
            message += f" (after step {agent.num_timesteps}; {checkpoint.last_good(checkpoints, 'policy')})"
        raise NonFiniteError(message) from error


def save(live: Steering) -> None:
    """Write everything that training goes on from as one checkpoint, and the policy itself beside it."""
    with checkpoint.drafted(live.checkpoints, live.agent.num_timesteps, keep=1) as draft:
        save_agent(live.agent, draft)
        save_rewards(live.agent, draft)
    save_policy(live.agent, live.folder)


def restore(live: Steering) -> None:
    """Fill the agent and its rewards from the newest checkpoint. Raises CheckpointError where there is none."""
    found = checkpoint.latest(live.checkpoints)
    if found is None:
        raise CheckpointError(f"{live.checkpoints}: no checkpoint yet; expected at least one step-… folder")
    restore_agent(live.agent, found.path)
    restore_rewards(live.agent, found.path)


def _record(live: Steering, values: dict[str, float]) -> None:
    """Add a line to the history; lines of later steps, which a kill left behind, go."""
    step = live.agent.num_timesteps
    kept = [line for line in read_history(live.history) if line["step"] < step] if live.history.exists() else []
    kept.append({"step": step, **{k: v if math.isfinite(v) else None for k, v in values.items()}})
    write_text(live.history, "".join(json.dumps(line) + "\n" for line in kept))


def read_history(file: Path) -> list[dict[str, Any]]:
    """The lines of history.jsonl: step, return, and what the algorithm told. Raises DataError for a damaged one."""
    return read_lines(file)


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
