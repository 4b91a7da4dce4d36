"""A policy for the world model of a run: the folder RUN/policies/NAME, its lock and record, and the training in it."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from gazeworld.envs.world import World
from gazeworld.models.method import Method

from ..config import PolicyPlan
from ..rl.algorithms import agent_config, usual_agent
from ..rl.train_policy import PolicyTraining, read_plan, train_policy
from ..run_folder import PolicyFolder, RunFolder
from ..training import checkpoint
from ..training.checkpoint import load_method
from . import build, provenance
from .resuming import POLICY, require_same, require_same_data, writing
from .scenario import Run, open_run


@dataclasses.dataclass(frozen=True)
class PolicyChoices:
    """What somebody chose for a policy; what is left out is PolicyPlan's, or on resuming what is written.

    `agent` holds fields of AgentConfig, as `gazeworld.agents.rl.algorithms.agent_config` takes them; an episode has as
    many actions as the run's world model observes views, unless it says otherwise.
    """

    agent: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    steps: int | None = None
    every: int = PolicyPlan.every
    prepare: int = PolicyPlan.prepare
    prepare_on: tuple[dict[str, Any], ...] = ()
    seed: int = PolicyPlan.seed

    def plan(self, world: World, method: Method, observed: int) -> PolicyPlan:
        """The plan for a world and a world model that was trained on so many observed views."""
        agent = agent_config(world, method.aggregate_dim, **{"episode_steps": observed, **self.agent})
        steps = PolicyPlan.steps if self.steps is None else self.steps
        return PolicyPlan(agent, steps, self.every, self.prepare, self.prepare_on, self.seed)


def policy_folder(run: Path, name: str, choices: PolicyChoices) -> Path:
    """Where the policy called `name` lies ("": algorithm and seed)."""
    algorithm = choices.agent.get("algorithm", PolicyPlan().agent.algorithm)
    return RunFolder(run).policies / (name or f"{algorithm}-{choices.seed}")


def train_policy_in_run(
    run: Path,
    choices: PolicyChoices | None = None,
    *,
    name: str = "",
    device: str = "auto",
    resume: bool = False,
    tell: Callable[[str], None] = print,
    console: Console | None = None,
) -> PolicyTraining:
    """Train, or go on training, a policy in the frozen world model of a run, as `gazeworld train-policy` does.

    It lands in RUN/policies/NAME. Ctrl-C ends after the present stretch; `resume` goes on, and refuses other settings
    than are written, steps excepted. `tell` is given lines, and where `console` is on a terminal a bar says how far
    training is. Raises ValueError for a folder that holds no run, for one that holds a policy already or none to go on
    with, and as `train_policy` does; BusyError, which is one, where another process trains there; NonFiniteError where
    a reward or the policy is not finite any more.
    """
    choices = PolicyChoices() if choices is None else choices
    opened = open_run(run)
    folder = policy_folder(run, name, choices)
    with build.threads_given_back(), writing(folder, POLICY, resume=resume):
        if opened.scenario.train.threads:
            torch.set_num_threads(opened.scenario.train.threads)
        heard = _Heard(tell, console)
        return _trained(opened, choices, folder, device, resume, heard)


@dataclasses.dataclass(frozen=True)
class _Heard:
    """Who is told how far training is."""

    tell: Callable[[str], None]
    console: Console | None


def _trained(
    run: Run, choices: PolicyChoices, folder: Path, device: str, resume: bool, heard: _Heard
) -> PolicyTraining:
    fabric = build.fabric_of(run.scenario, device)
    world = build.world_of(run.scenario, run.scenario.probe_split, fabric.device)
    method, at = load_method(run.folder, world)
    plan = choices.plan(world, method, run.scenario.train.observed)
    start = 0
    if resume:
        plan = _written(run, choices, plan, folder, world, method)
        newest = checkpoint.latest(PolicyFolder(folder).checkpoints)
        start = 0 if newest is None else newest.step
    heard.tell(
        f"{plan.agent.algorithm} in the world model of {run.folder} at step {at}: {world.size} scenes, "
        f"steps {start} → {plan.steps}, on {fabric.device}"
    )
    facts = {
        "run": str(run.folder),
        "scenario": run.name,
        "world_model_step": at,
        "made_by": provenance.made_by(fabric, world),
    }
    own = run.scenario.policy
    return train_policy(
        world,
        method,
        plan,
        folder,
        resume=resume,
        own_policy=own,
        facts=facts,
        tell=heard.tell,
        console=heard.console,
    )


def _written(
    run: Run, choices: PolicyChoices, asked: PolicyPlan, folder: Path, world: World, method: Method
) -> PolicyPlan:
    """The plan that is written, with the steps asked for. Raises ValueError where other settings are asked for."""
    written, _ = read_plan(folder)
    require_same_data(folder, world)
    usual = dataclasses.asdict(PolicyPlan())
    usual["agent"] = usual_agent(asked.agent, world, method.aggregate_dim, run.scenario.train.observed)
    plans = [dataclasses.asdict(plan) for plan in (asked, written)]
    for plan in (*plans, usual):
        del plan["steps"]
    require_same(folder, plans[0], usual, plans[1])
    return dataclasses.replace(written, steps=choices.steps or written.steps)
