"""How `gazeworld steer` trains: in stretches of so many steps, each of which is saved.

Stretch k is a function of what was saved after stretch k − 1 and of (seed, steps done): global generators are seeded,
and episodes begin anew. So a training that was stopped between two stretches and resumed is the training that was not,
bit for bit on one device with one number of threads.
"""

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from gazeworld.agents import checkpoint
from gazeworld.agents.features import joined, rollouts
from gazeworld.agents.interrupt import interruptible
from gazeworld.agents.phases import AgentConfig
from gazeworld.agents.policy import make_policy
from gazeworld.agents.recorder import clock
from gazeworld.agents.records import read_lines
from gazeworld.agents.reward import rewards_of
from gazeworld.agents.sb3 import NonFiniteRewardError
from gazeworld.agents.sb3_agents import BaseAlgorithm
from gazeworld.agents.sb3_files import adapter_of, restore_agent, save_agent, save_policy
from gazeworld.agents.sb3_start import rehearse, standardise
from gazeworld.agents.sb3_turns import (
    NonFinitePolicyError,
    learn,
    mixed,
    require_finite,
    restore_rewards,
    save_rewards,
)
from gazeworld.envs.files import write_text
from gazeworld.envs.validation import Natural, Options, Positive, Seed
from gazeworld.envs.world import World
from gazeworld.models.method import CheckpointError, Method

from . import build, runs
from .scenario import Scenario
from .telling import say


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
    env = build.env_of(world, build.rows_for(world), length - 1)
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
            runs.write_json(live.folder / "config.json", facts)
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
