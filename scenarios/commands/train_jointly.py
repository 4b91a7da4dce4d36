"""`gazeworld alternate`: a world model and a policy learn in turns, and leave a run like that of `gazeworld train`."""

import dataclasses
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from gazeworld.agents.config import AgentConfig, PhaseConfig
from gazeworld.agents.rl import alternate as turns
from gazeworld.agents.rl.algorithms import agent_for
from gazeworld.agents.rl.replay import StreamReplay
from gazeworld.agents.rl.saving import save_policy
from gazeworld.agents.rl.train_policy import finite, rehearse
from gazeworld.agents.runs import build, lock, provenance, run_folder
from gazeworld.agents.runs.provenance import STOPPED
from gazeworld.agents.runs.run_folder import RUN, Run, require_same, require_same_scenario, writing
from gazeworld.agents.runs.scenario import Scenario, load
from gazeworld.agents.training.recorder import Recorder
from gazeworld.agents.training.trained_methods import read_config
from gazeworld.envs.files import typed
from gazeworld.envs.world import World

from ._arguments import scenario_of
from ._console import say
from ._steering_arguments import AlternateArguments, alternate_defaults
from .train import probe, save_curves
from .train_policy import agent_config, usual_agent

_POLICY = "learnt"


@dataclasses.dataclass(frozen=True)
class Terms:
    """What takes turns with the world model, and how; config.json holds it beside the scenario."""

    agent: AgentConfig
    phases: PhaseConfig


def alternate(name: str, chosen: AlternateArguments, console: Console) -> int:
    """Train in alternating phases, then probe unless told not to.

    Returns the exit code: 0 done, 130 stopped by Ctrl-C. Raises ValueError if the folder holds a run already and
    `resume` is off, or `resume` is on and there is none, or one of another scenario or with other settings than are
    asked for; NonFiniteLossError and NonFiniteError where the world model or the policy is not finite any more.
    """
    folder = chosen.runs / (chosen.name or f"{name.replace(':', '-')}-alternating-{chosen.seed}")
    threads = torch.get_num_threads()
    try:
        with writing(folder, RUN, resume=chosen.resume):
            run, done = _trained(name, chosen, folder, console)
    finally:
        torch.set_num_threads(threads)
    save_curves(run, console)
    if not done:
        again = typed("gazeworld", "alternate", run.name, "--runs", chosen.runs, "--name", folder.name, "--resume")
        say(console, f"to go on: {again}")
        return STOPPED
    look = typed("gazeworld", "watch", folder, "--policy", _POLICY)
    say(console, f"to look with the learnt policy: {look}")
    return probe(folder, run.scenario.probe, chosen.device, console) if chosen.evaluate else 0


def _trained(name: str, chosen: AlternateArguments, folder: Path, console: Console) -> tuple[Run, bool]:
    """The run, and whether all phases are done."""
    run = _resumed(name, chosen, folder) if chosen.resume else Run(folder, name, settled(name, chosen))
    if run.scenario.train.threads:
        torch.set_num_threads(run.scenario.train.threads)
    fabric = build.fabric_of(run.scenario, chosen.device)
    world = build.world_of(run.scenario, run.scenario.world["split"], fabric.device)
    if not chosen.resume:
        build.check_regions(run.scenario, world)
    session = build.session_of(run.scenario, fabric, world)
    terms = _terms(name, chosen, run, world, session.module.aggregate_dim)
    agent = agent_for(terms.agent, world, session.module, run.scenario.seed)
    # Where no batch is drawn from the replay, it still holds what the rewards' heads learn on.
    size = max(terms.phases.replay or terms.phases.prepare, run.scenario.train.batch)
    duet = turns.Duet(session, agent, StreamReplay(size))
    start = 0
    if chosen.resume:
        run_folder.require_same_data(folder, world)
        start = turns.restore(duet, run.checkpoints)
    else:
        with finite(agent, run.checkpoints):
            rehearse(agent, run.scenario.seed)  # what cannot work fails before anything is written
        run_folder.write_config(run, fabric, world, **dataclasses.asdict(terms))
    phases, steps = terms.phases, terms.phases.phases * terms.phases.model_steps
    say(
        console,
        f"{run.name}, {terms.agent.algorithm}: {world.size} scenes, phases {start} → {phases.phases} of "
        f"{phases.model_steps} steps of the world model and {phases.policy_steps} of the policy, on {fabric.device}",
    )
    recorder = Recorder(folder, start=start * phases.model_steps, steps=steps, console=console)
    try:
        with finite(agent, run.checkpoints):
            done = turns.alternate(duet, phases, run.scenario.train, run.checkpoints, recorder, start)
    finally:
        recorder.close()
    if done:
        place = folder / "policies" / _POLICY
        with lock.held(place, provenance.command()):
            save_policy(agent, place)
    return run, done == phases.phases


def settled(name: str, chosen: AlternateArguments) -> Scenario:
    """The scenario with the steps that the phases amount to. Raises ValueError if other steps were asked for."""
    phases, asked, usual = chosen.phases, chosen.train, load(name).train
    steps = phases.phases * phases.model_steps
    if (asked.steps, asked.epochs) != (usual.steps, usual.epochs) and (asked.steps, asked.epochs) != (steps, 0):
        raise ValueError(
            f"train.steps is {asked.steps} and train.epochs {asked.epochs}, but {phases.phases} phases of "
            f"{phases.model_steps} steps make {steps}; set phases.phases and phases.model-steps instead"
        )
    return scenario_of(chosen).changed(train={"steps": steps, "epochs": 0})


def terms_of(folder: Path) -> Terms:
    """What config.json in the folder of a run says. Raises ValueError for a run of `gazeworld train`."""
    data: dict[str, Any] = read_config(folder)
    try:
        agent = AgentConfig(**{**data["agent"], "rewards": tuple(data["agent"]["rewards"])})
        return Terms(agent, PhaseConfig(**data["phases"]))
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{folder / 'config.json'}: not the configuration of alternating phases of this version: {error}"
        ) from error


def _resumed(name: str, chosen: AlternateArguments, folder: Path) -> Run:
    """The run that lies in the folder, which must be of this scenario and have the settings that are asked for."""
    run = run_folder.open_run(folder)
    terms_of(folder)  # that plain training has no phases is to be said first
    require_same_scenario(folder, name, scenario_of(chosen), run.scenario)
    return run


def _terms(name: str, chosen: AlternateArguments, run: Run, world: World, aggregate_dim: int) -> Terms:
    """What the arguments ask for; of a run that goes on what it was begun with, which must be the same."""
    views = run.scenario.train.observed
    asked = Terms(agent_config(chosen.agent, world, views, aggregate_dim), chosen.phases)
    if not chosen.resume:
        return asked
    usual = {
        "agent": usual_agent(chosen.agent, world, views, aggregate_dim),
        "phases": dataclasses.asdict(alternate_defaults(load(name)).phases),
    }
    written = terms_of(run.folder)
    require_same(run.folder, dataclasses.asdict(asked), usual, dataclasses.asdict(written))
    return written
