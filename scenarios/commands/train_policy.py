"""`gazeworld steer`: an agent of Stable-Baselines3 learns where to look, in the frozen world model of a run."""

import dataclasses
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from matplotlib.figure import Figure
from rich.console import Console

from gazeworld.agents.config import AgentConfig
from gazeworld.agents.file_schemas import SteerConfig, read_fields
from gazeworld.agents.rl.algorithms import agent_for
from gazeworld.agents.rl.observations import latent_width, with_model
from gazeworld.agents.rl.saving import save_policy
from gazeworld.agents.rl.train_policy import Plan, Steering, begin, read_history, restore, train
from gazeworld.agents.runs import build, provenance, run_folder
from gazeworld.agents.runs.provenance import STOPPED
from gazeworld.agents.runs.run_folder import POLICY, Run, require_same, writing
from gazeworld.agents.training.checkpoint import signature
from gazeworld.agents.training.trained_methods import load_method
from gazeworld.envs.files import DataError, typed
from gazeworld.envs.validation import from_mapping
from gazeworld.envs.world import World
from gazeworld.envs.worlds.rotation import stored_views
from gazeworld.models.method import Method

from ..reports import figures
from ._console import save_figure, say
from ._steering_arguments import AgentArguments, SteerArguments, pairs, spec

STEPS = 200_000
_ON_POLICY = {
    "gamma": 0.5,
    "n_steps": 8,
    "batch_size": 256,
    "n_epochs": 10,
    "learning_rate": 1e-3,
    "ent_coef": 0.005,
}
_OFF_POLICY = {"gamma": 0.5, "learning_starts": 2048, "buffer_size": 50_000, "gradient_steps": 8}
DEFAULTS: dict[str, dict[str, Any]] = {
    "ppo": _ON_POLICY,
    "maskable-ppo": _ON_POLICY,
    "recurrent-ppo": _ON_POLICY,
    "sac": _OFF_POLICY,
    "crossq": _OFF_POLICY,
}
"""Options of the algorithms that differ from SB3's. What is to be seen next matters more than what comes later
(gamma); rollouts are two episodes of four actions long."""


def steer(chosen: SteerArguments, console: Console) -> int:
    """Train, or go on training, the policy of one run. Raises NonFiniteError.

    Returns the exit code: 0 done, 130 stopped by Ctrl-C.
    """
    run, threads = run_folder.open_run(chosen.run), torch.get_num_threads()
    folder = run.folder / "policies" / (chosen.name or f"{chosen.agent.algorithm}-{chosen.seed}")
    if run.scenario.train.threads:
        torch.set_num_threads(run.scenario.train.threads)
    try:
        with writing(folder, POLICY, resume=chosen.resume):
            return _steered(chosen, run, folder, console)
    finally:
        torch.set_num_threads(threads)


def _steered(chosen: SteerArguments, run: Run, folder: Path, console: Console) -> int:
    fabric = build.fabric_of(run.scenario, chosen.device)
    world = build.world_of(run.scenario, run.scenario.probe_split, fabric.device)
    method, at = load_method(run.folder, world)
    plan = (_resumed if chosen.resume else _begun)(chosen, folder, run, world, method)
    agent = agent_for(plan.agent, world, method, plan.seed)
    live = Steering(agent, plan, folder, console)
    if chosen.resume:
        restore(live)
        save_policy(agent, folder)  # which a kill may have kept from being written after the checkpoint
    say(
        console,
        f"{plan.agent.algorithm} in the world model of {run.folder} at step {at}: {world.size} scenes, "
        f"steps {agent.num_timesteps} → {plan.steps}, on {fabric.device}",
    )
    if not chosen.resume:
        begin(live, run.scenario, world, method)
    train(live, _facts(plan, run, at, fabric, world))
    return _end(live, chosen)


def agent_config(chosen: AgentArguments, world: World, views: int, aggregate_dim: int = 0) -> AgentConfig:
    """The agent that the arguments describe, for a world and episodes of `views` actions unless they say otherwise.

    With an `aggregate_dim`, networks of PPO that observe latent states get a first layer as wide as these, which
    `standardise` can fill. Raises ValueError for arguments that are not of the form NAME:KEY=VALUE or KEY=VALUE.
    """
    menu: dict[str, Any] | None = None
    if chosen.menu == "auto" and chosen.algorithm not in ("sac", "crossq"):
        menu = {"name": "fixations", "side": 9} if stored_views(world) is None else {"name": "views"}
    elif chosen.menu not in ("auto", "none"):
        menu = spec(chosen.menu, "agent.menu")
    policy: dict[str, Any] = {}
    if aggregate_dim and with_model(chosen.observation) and chosen.algorithm in ("ppo", "maskable-ppo"):
        policy["net_arch"] = [latent_width(chosen.observation, world, aggregate_dim), 64, 64]
    return AgentConfig(
        algorithm=chosen.algorithm,
        environments=chosen.environments,
        episode_steps=chosen.episode_steps or views,
        observation=chosen.observation,
        menu=menu,
        rewards=tuple(spec(reward, "agent.rewards") for reward in chosen.rewards),
        policy={**policy, **pairs(chosen.policy, "agent.policy")},
        options={**DEFAULTS.get(chosen.algorithm, {}), **pairs(chosen.options, "agent.options")},
    )


def usual_agent(chosen: AgentArguments, world: World, views: int, aggregate_dim: int = 0) -> dict[str, Any]:
    """The agent of arguments that say nothing, as data; what follows from algorithm and observation is as for these."""
    bare = AgentArguments(algorithm=chosen.algorithm, observation=chosen.observation)
    found = dataclasses.asdict(agent_config(bare, world, views, aggregate_dim))
    return {**found, "algorithm": AgentArguments.algorithm, "observation": AgentArguments.observation}


def _begun(chosen: SteerArguments, folder: Path, run: Run, world: World, method: Method) -> Plan:
    agent = agent_config(chosen.agent, world, run.scenario.train.observed, method.aggregate_dim)
    looks = tuple(spec(one, "looks") for one in chosen.looks)
    return Plan(agent, chosen.steps or STEPS, chosen.every, chosen.prepare, chosen.seed, signature(method), looks)


def _resumed(chosen: SteerArguments, folder: Path, run: Run, world: World, method: Method) -> Plan:
    file = folder / "config.json"
    if not file.is_file():
        raise ValueError(f"{file}: no such file; expected a policy that gazeworld steer has begun to train")
    try:
        plan = from_mapping(Plan, read_fields(file, SteerConfig)["steer"], f"{file}: steer")
    except (TypeError, ValueError) as error:
        raise DataError(f"{error}; expected what gazeworld steer of this version writes") from error
    if plan.model != signature(method):
        raise ValueError(
            f"{folder}: trained in the world model {plan.model}, and that of the run is {signature(method)} now; "
            "train another policy under another --name"
        )
    run_folder.require_same_data(folder, world)
    views, dim = run.scenario.train.observed, method.aggregate_dim
    asked = {**_plain(chosen), "agent": dataclasses.asdict(agent_config(chosen.agent, world, views, dim))}
    usual = {**_plain(SteerArguments(chosen.run)), "agent": usual_agent(chosen.agent, world, views, dim)}
    require_same(folder, asked, usual, dataclasses.asdict(plan))
    return dataclasses.replace(plan, steps=chosen.steps or plan.steps)


def _plain(chosen: SteerArguments) -> dict[str, Any]:
    """What a plan takes over from the arguments as it is; the number of steps may change in resuming."""
    looks = [spec(one, "looks") for one in chosen.looks]
    return {"every": chosen.every, "prepare": chosen.prepare, "seed": chosen.seed, "looks": looks}


def _facts(plan: Plan, run: Run, at: int, fabric: Fabric, world: World) -> dict[str, Any]:
    about = {"run": str(run.folder), "scenario": run.name, "world_model_step": at}
    return {**about, "steer": dataclasses.asdict(plan), "made_by": provenance.made_by(fabric, world)}


def curve(history: list[dict[str, Any]], title: str) -> Figure:
    """The mean return of an episode against environment steps."""
    points = [(line["step"], line["return"]) for line in history if line.get("return") is not None]
    figure = figures.new(6.4, 4.0)
    axes = figure.add_subplot()
    if points:
        axes.plot(*zip(*points, strict=True), "o-", ms=3, lw=1.4, color="#c62828")
    axes.set_xlabel("environment steps")
    axes.set_ylabel("mean return of an episode")
    axes.set_title(title, fontsize=11)
    axes.grid(alpha=0.25)
    return figure


def _end(live: Steering, chosen: SteerArguments) -> int:
    rewards = " + ".join(reward["name"] for reward in live.plan.agent.rewards)
    figure = curve(read_history(live.history), f"{live.plan.agent.algorithm}, rewarded for {rewards}")
    save_figure(figure, live.folder / "return.png", live.console)
    stopped = live.agent.num_timesteps < live.plan.steps
    if stopped:
        at = f"step {live.agent.num_timesteps} of {live.plan.steps}"
        say(live.console, f"stopped after {at}; everything is saved")
        again = typed("gazeworld", "steer", chosen.run, "--name", live.folder.name, "--resume")
        say(live.console, f"to go on: {again}")
    look = typed("gazeworld", "watch", chosen.run, "--policy", live.folder)
    say(live.console, f"to look with it: {look}")
    return STOPPED if stopped else 0
