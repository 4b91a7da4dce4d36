"""A policy is trained in a frozen world model: in stretches of so many steps, each of which is saved.

Stretch k is a function of what was saved after stretch k − 1 and of (seed, steps done): global generators are seeded,
and episodes begin anew. So a training that was stopped between two stretches and resumed is the training that was not,
bit for bit on one device with one number of threads.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import nn

from gazeworld.envs.files import DataError
from gazeworld.envs.validation import from_mapping
from gazeworld.envs.world import World
from gazeworld.models.method import Method

from ..config import PolicyPlan
from ..metric_lines import line_of, read_lines, write_lines
from ..policy import make_policy
from ..probes.features import joined, rollouts
from ..run_folder import PolicyFolder, read_policy_config, require_policy_config, write_json
from ..training import checkpoint
from ..training.interrupt import interruptible
from ..training.loop import env_of, rows_for
from ..training.progress import Bar, clock
from .acting import AgentPolicy
from .algorithms import PPO, BaseAlgorithm, MaskablePPO, agent_config, agent_for, checked_distributions, seeded
from .reward import restore_rewards, rewards_of, save_rewards
from .saving import adapter_of, restore_agent, save_agent, save_policy
from .vec_env import NonFiniteRewardError


class NonFiniteError(RuntimeError):
    """A reward or a policy became NaN or infinite; the message says which, and names the last good policy."""


class NonFinitePolicyError(ValueError):
    """Weights of a policy became NaN or infinite; the message says which, and names what was saved last."""


@dataclass(frozen=True)
class PolicyTraining:
    """A policy in training, and what is left of it.

    `method` is the world model that it looks with (None where it observes pixels), `folder` where it is saved (None:
    nowhere). `tell` is given lines, and how far training is where `console` has no terminal for a bar. `history` has an
    entry for every stretch: the step, the mean return of an episode, and what the algorithm told of itself.
    """

    agent: BaseAlgorithm
    plan: PolicyPlan
    world: World
    method: Method | None = None
    folder: Path | None = None
    tell: Callable[[str], None] = print
    console: Console | None = None
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def checkpoints(self) -> Path | None:
        """Folder of what training goes on from."""
        return None if self.folder is None else PolicyFolder(self.folder).checkpoints

    @property
    def steps(self) -> int:
        """Environment steps done, over all rows."""
        return self.agent.num_timesteps

    @property
    def finished(self) -> bool:
        """Whether all steps of the plan are done; else it was stopped."""
        return self.steps >= self.plan.steps

    @property
    def policy(self) -> AgentPolicy:
        """The policy as it is now, in the world that it is trained in."""
        return self.policy_in(self.world)

    def policy_in(self, world: World) -> AgentPolicy:
        """The same in another world of its kind, as that of the test split. Raises ValueError for other worlds."""
        return AgentPolicy(self.agent, world, self.method)


def train_policy(
    world: World,
    method: Method | None,
    plan: PolicyPlan | None = None,
    folder: Path | None = None,
    *,
    resume: bool = False,
    own_policy: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
    tell: Callable[[str], None] = print,
    console: Console | None = None,
) -> PolicyTraining:
    """Train a policy, with an algorithm of Stable-Baselines3, to look with a world model that stays as it is.

    `plan` says what is trained and how long (None: `agent_config` for this world and model, and PolicyPlan's numbers).
    With a `folder`, every stretch is saved there, and the policy serves as `make_policy("sb3", world, path=folder)`;
    `resume` goes on from what lies there by the plan that is written (`plan` may ask for other steps alone). `facts` is
    what config.json in the folder says besides: of the run that the model is of, and what it is made with. Rewards
    learn beforehand on streams of the plan's `prepare_on`, or if it names none of `own_policy` (name and options of
    that by which the model's streams were looked at) and uniform fixations. `tell` is given a line after every stretch,
    unless `console` is on a terminal: then a bar there says how far training is.
    Ctrl-C ends after the present stretch.
    Raises ValueError for what does not fit together, before anything is written; DataError and CheckpointError for a
    folder that cannot be gone on with, NonFiniteError where a reward or the policy is not finite any more.
    """
    if resume:
        plan = _resumed(plan, folder, method)
    elif plan is None:
        plan = PolicyPlan(agent_config(world, 0 if method is None else method.aggregate_dim))
    agent = agent_for(plan.agent, world, method, plan.seed)
    training = PolicyTraining(agent, plan, world, method, folder, tell, console)
    if resume:
        restore(training)
    else:
        begin(training, own_policy)
    _train(training, facts or {})
    return training


def read_plan(folder: Path) -> tuple[PolicyPlan, str]:
    """The plan in the folder of a policy, and the signature of the world model that it is trained with.

    Raises ValueError where there is none, DataError where it is not one of this version.
    """
    require_policy_config(folder)
    try:
        written = dict(read_policy_config(folder)["train_policy"])
        model = str(written.pop("model", ""))
        return from_mapping(PolicyPlan, written, f"{PolicyFolder(folder).config}: train_policy"), model
    except (TypeError, ValueError) as error:
        raise DataError(f"{error}; expected what gazeworld train-policy of this version writes") from error


def _resumed(plan: PolicyPlan | None, folder: Path | None, method: Method | None) -> PolicyPlan:
    """The plan that is written, with the steps asked for."""
    if folder is None:
        raise ValueError("there is no folder to go on from")
    written, model = read_plan(folder)
    if model != _signature(method):
        raise ValueError(
            f"{folder}: trained in the world model {model}, and that of the run is {_signature(method)} now; "
            "train another policy under another --name"
        )
    if plan is not None and replace(plan, steps=written.steps) != written:
        raise ValueError(f"{folder}: the plan is not the one that is written there; only its steps may be others")
    return written if plan is None else plan


def _signature(method: Method | None) -> str:
    return "" if method is None else checkpoint.signature(method)


def begin(training: PolicyTraining, own_policy: Mapping[str, Any] | None = None) -> None:
    """What happens once, before the first stretch: a rehearsal, the first layers, and what rewards learn beforehand."""
    with finite(training.agent, training.checkpoints):
        standardise(training.agent, rehearse(training.agent, mixed(training.plan.seed, 0, 2)))
        prepare(training, own_policy)


def prepare(training: PolicyTraining, own_policy: Mapping[str, Any] | None = None) -> None:
    """Rewards learn what they must know, on streams of the plan's `prepare_on`.

    If there are none, these are `own_policy`, which shows what the world model was trained on, and random fixations, as
    of a policy that has learnt nothing yet.
    """
    plan, world = training.plan, training.world
    if not plan.prepare:
        return
    length = plan.agent.episode_steps + 1
    env = env_of(world, rows_for(world), length - 1)
    parts = []
    usual = (*(() if own_policy is None else (own_policy,)), {"name": "uniform"})
    for i, options in enumerate(plan.prepare_on or usual):
        policy = make_policy(world=world, **options)
        if training.method is not None:
            policy.attach(training.method)
        scenes = min(plan.prepare, world.size)
        repeats = math.ceil(plan.prepare / scenes)
        parts.append(rollouts(env, policy, length, scenes=scenes, repeats=repeats, seed=mixed(plan.seed, i, 0)))
    streams = joined(parts)
    for reward in rewards_of(adapter_of(training.agent).env):
        values = reward.prepare(streams)
        if values:
            said = "  ".join(f"{name.partition('/')[2]} {value:.3f}" for name, value in values.items())
            training.tell(f"prepared on {len(streams.labels)} streams: {said}")


def _train(training: PolicyTraining, facts: Mapping[str, Any]) -> None:
    """Stretch after stretch, each saved; Ctrl-C ends after the present one."""
    agent, plan, first, began = training.agent, training.plan, training.steps, time.monotonic()
    name = plan.agent.algorithm if training.folder is None else training.folder.name
    console = Console(quiet=True) if training.console is None else training.console
    with Bar(console, name, training.tell, "steps") as bar, interruptible() as stop:
        while not training.finished and not stop.is_set():
            with finite(agent, training.checkpoints):
                values = stretch(training, min(plan.every, plan.steps - training.steps), bar)
                require_finite(agent, f"step {training.steps}", training.checkpoints, "policy")
            _record(training, values)
            save(training, facts)
            rate = (training.steps - first) / (time.monotonic() - began)
            left = max(0, plan.steps - training.steps) / rate
            text = "  ".join(f"{name} {value:.3g}" for name, value in values.items())
            bar.line(f"step {training.steps}/{plan.steps}  {rate:.0f} steps/s  {clock(left)} left  {text}", text)


def stretch(training: PolicyTraining, steps: int, bar: Bar | None = None) -> dict[str, float]:
    """Train for so many steps, rounded up to whole rollouts; the mean return of the episodes that ended, and losses."""
    agent, total = training.agent, training.plan.steps

    def move(*_: Any) -> bool:
        assert bar is not None
        bar.move(min(agent.num_timesteps, total), total)
        return True  # SB3 is to go on

    seed = mixed(training.plan.seed, agent.num_timesteps, 1)
    returns = learn(agent, steps, seed, most=None, after_step=move if bar is not None and bar.live else None)
    values = {"return": float(np.mean(returns))} if returns else {}
    logged = {name: agent.logger.name_to_value.get(f"train/{name}") for name in ("entropy_loss", "explained_variance")}
    return {**values, **{name: float(value) for name, value in logged.items() if value is not None}}


def _record(training: PolicyTraining, values: dict[str, float]) -> None:
    """Add a line to the history; lines of later steps, which a kill left behind, go."""
    step = training.steps
    training.history[:] = [line for line in training.history if line["step"] < step]
    training.history.append(line_of(step, values))


def save(training: PolicyTraining, facts: Mapping[str, Any]) -> None:
    """Write plan and history, everything that training goes on from as one checkpoint, and the policy itself."""
    agent, folder, checkpoints = training.agent, training.folder, training.checkpoints
    if folder is None or checkpoints is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    plan = {**asdict(training.plan), "model": _signature(training.method)}
    made = {"made_by": {"fingerprint": training.world.fingerprint}}
    write_json(PolicyFolder(folder).config, {**made, **facts, "train_policy": plan})
    write_lines(PolicyFolder(folder).history, training.history)
    with checkpoint.drafted(checkpoints, training.steps, keep=1) as draft:
        save_agent(agent, draft)
        save_rewards(rewards_of(adapter_of(agent).env), draft)
    save_policy(agent, folder)


def restore(training: PolicyTraining) -> None:
    """Fill the agent, its rewards and the history from the newest checkpoint.

    Raises CheckpointError where there is none, DataError for a damaged history.
    """
    folder, found = training.folder, checkpoint.require(training.checkpoints)
    assert folder is not None
    restore_agent(training.agent, found.path)
    restore_rewards(rewards_of(adapter_of(training.agent).env), found.path)
    training.history[:] = read_lines(PolicyFolder(folder).history)
    save_policy(training.agent, folder)  # which a kill may have kept from being written after the checkpoint


@contextmanager
def finite(agent: BaseAlgorithm, checkpoints: Path | None) -> Iterator[None]:
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
            message += f" (after step {agent.num_timesteps}; {_last_good(checkpoints, 'policy')})"
        raise NonFiniteError(message) from error


def require_finite(agent: BaseAlgorithm, after: str, folder: Path | None, what: str = "checkpoint") -> None:
    """Raise NonFinitePolicyError unless all weights of the policy are finite.

    Its message says after what, and which `what` in `folder` is the last good one.
    """
    for name, value in agent.policy.named_parameters():
        if not bool(torch.isfinite(value).all()):
            raise NonFinitePolicyError(
                f"the policy's weights ({name} …) are not finite after {after}; {_last_good(folder, what)}"
            )


def _last_good(folder: Path | None, what: str) -> str:
    return "nothing is saved" if folder is None else checkpoint.last_good(folder, what)


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
        if adapter.discrete is None:
            actions = np.stack([adapter.action_space.sample() for _ in range(env.num_envs)])
        else:
            masked = isinstance(agent, MaskablePPO)  # the others choose what they like
            masks = adapter.action_masks() if masked else np.ones((env.num_envs, adapter.discrete.size))
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


def mixed(seed: int, number: int, purpose: int) -> int:
    """A seed of 31 bits for one purpose and one place in training."""
    words = np.random.SeedSequence([seed % 2**64, number, purpose]).generate_state(1)
    return int(words[0]) >> 1


def learn(
    agent: BaseAlgorithm, steps: int, seed: int, most: int | None, after_step: Callable[..., bool] | None = None
) -> list[float]:
    """Learn for so many steps in episodes begun anew; the returns of the last `most` that ended (None: of all).

    SB3 rounds up to whole rollouts, and calls `after_step` whenever all rows have made a step.
    """
    env = agent.get_env()
    assert env is not None
    with seeded(seed, agent.device), checked_distributions():
        agent.action_space.seed(seed)
        env.seed(seed)
        agent._last_obs = None  # begin new episodes: what is remembered of the old ones may be of an older world model
        agent.ep_info_buffer, agent.ep_success_buffer = deque(maxlen=most), deque(maxlen=most)
        agent.learn(steps, after_step, reset_num_timesteps=False, log_interval=_NEVER)
    return [episode["r"] for episode in agent.ep_info_buffer or ()]
