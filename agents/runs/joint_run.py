"""A run in which a world model and a policy learn in alternating phases: its folder, its record, its resumption."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from gazeworld.envs.world import World

from ..config import LOGGER, AgentConfig, LoggerName, PhaseConfig
from ..rl import alternate
from ..rl.algorithms import agent_config, agent_for, usual_agent
from ..rl.replay import StreamReplay
from ..rl.saving import save_policy
from ..rl.train_policy import finite, rehearse
from ..run_folder import RunFolder, read_config
from ..training.loggers import require_logger
from ..training.recorder import Recorder
from . import build, lock, provenance
from .resuming import RUN, changes, continued, require_same, require_same_data, writing
from .scenario import Run, Scenario, open_run, placed, rewrite_config, write_config

LEARNT = "learnt"
"""Name of the policy that the run leaves in its folder `policies`."""


@dataclass(frozen=True)
class JointConfig:
    """What learns in alternation with the world model, and how; config.json holds it beside the scenario."""

    agent: AgentConfig
    phases: PhaseConfig


@dataclass(frozen=True)
class JointChoices:
    """What somebody chose for joint training.

    `agent` holds fields of AgentConfig, as `gazeworld.agents.rl.algorithms.agent_config` takes them; an episode has as
    many actions as the world model observes views, unless it says otherwise. `phases` are those of `PhaseConfig.over`
    the scenario's steps if None.
    """

    agent: Mapping[str, Any] = field(default_factory=dict)
    phases: PhaseConfig | None = None


def train_jointly(
    run: Run,
    choices: JointChoices,
    device: str,
    *,
    resume: bool,
    console: Console,
    usual: Scenario | None = None,
    logger: LoggerName = LOGGER,
) -> tuple[Run, bool]:
    """Train a world model and a policy to the end of all phases, or until interrupted; the run, and if it is finished.

    `run` names the folder, the scenario and its settings; the steps of its world model follow from the phases. A run
    that goes on must be what is asked for, but for settings that are as `usual` (None: as `run` has them), for those
    that may change (`resuming.HARMLESS`) and for the logger, which is where its numbers go beside metrics.jsonl. Raises
    ValueError if the folder holds a run already and `resume` is off, or `resume` is on and there is none, or one of
    another scenario or with other settings than are asked for; NonFiniteLossError and NonFiniteError where the world
    model or the policy is not finite any more.
    """
    require_logger(logger)
    with build.threads_given_back(), writing(run.folder, RUN, resume=resume):
        record = _Record(console, logger)
        return _trained(run, run.scenario if usual is None else usual, choices, device, resume, record)


@dataclass(frozen=True)
class _Record:
    """Where it is told how far training is, and where the numbers go."""

    console: Console
    logger: LoggerName


def _trained(
    asked: Run, usual: Scenario, choices: JointChoices, device: str, resume: bool, record: _Record
) -> tuple[Run, bool]:
    phases = PhaseConfig.over(usual.train.steps) if choices.phases is None else choices.phases
    if resume:
        run = _resumed(asked, usual)
    else:
        run = dataclasses.replace(asked, scenario=placed(settled_scenario(asked.scenario, usual, phases)))
    if run.scenario.train.streams:
        raise ValueError(
            f"train.streams is {run.scenario.train.streams!r}, but a model that learns in turns with a policy learns "
            "from what that sees; expected none"
        )
    if run.scenario.train.threads:
        torch.set_num_threads(run.scenario.train.threads)
    fabric = build.fabric_of(run.scenario, device)
    world = build.world_of(run.scenario, run.scenario.world["split"], fabric.device)
    if not resume:
        build.check_regions(run.scenario, world)
    session = build.session_of(run.scenario, fabric, world)
    config = _config(run, usual, choices.agent, phases, world, session.module.aggregate_dim, resume)
    agent = agent_for(config.agent, world, session.module, run.scenario.seed)
    # Where no batch is drawn from the replay, it still holds what the rewards' heads learn on.
    size = max(config.phases.replay or config.phases.prepare, run.scenario.train.batch)
    joint = alternate.JointTraining(session, agent, StreamReplay(size))
    start = 0
    if resume:
        require_same_data(run.folder, world)
        start = alternate.restore(joint, run.files.checkpoints)
        if changed := changes(open_run(run.folder).scenario, run.scenario):
            rewrite_config(run, {"step": start * phases.model_steps, "changed": changed})
    else:
        with finite(agent, run.files.checkpoints):
            rehearse(agent, run.scenario.seed)  # what cannot work fails before anything is written
        write_config(run, provenance.made_by(fabric, world), **dataclasses.asdict(config))
    done = _alternated(run, config, joint, start, record)
    if done:
        place = run.files.policies / LEARNT
        with lock.held(place, provenance.command()):
            save_policy(agent, place)
    return run, done == config.phases.phases


def _alternated(run: Run, config: JointConfig, joint: alternate.JointTraining, start: int, record: _Record) -> int:
    """Go through the phases from `start` on, and record them; how many are done."""
    phases, world, device = config.phases, joint.session.env.world, joint.session.fabric.device
    recorder = Recorder(
        run.folder,
        start=start * phases.model_steps,
        steps=phases.phases * phases.model_steps,
        console=record.console,
        logger=record.logger,
    )
    try:
        recorder.say(
            f"{run.name}, {config.agent.algorithm}: {world.size} scenes, phases {start} → {phases.phases} of "
            f"{phases.model_steps} steps of the world model and {phases.policy_steps} of the policy, on {device}"
        )
        for sentence in build.left_out(joint.session):
            recorder.say(f"{run.name}: {sentence}")
        with finite(joint.agent, run.files.checkpoints):
            return alternate.alternate(joint, phases, run.scenario.train, run.files.checkpoints, recorder, start)
    finally:
        recorder.close()


def settled_scenario(asked: Scenario, usual: Scenario, phases: PhaseConfig) -> Scenario:
    """The scenario with the steps that the phases amount to. Raises ValueError if other steps were asked for."""
    steps = phases.phases * phases.model_steps
    own = (asked.train.steps, asked.train.epochs)
    if own not in ((usual.train.steps, usual.train.epochs), (steps, 0)):
        raise ValueError(
            f"train.steps is {own[0]} and train.epochs {own[1]}, but {phases.phases} phases of "
            f"{phases.model_steps} steps make {steps}; set phases.phases and phases.model-steps instead"
        )
    return asked.changed(train={"steps": steps, "epochs": 0})


def read_joint_config(folder: Path) -> JointConfig:
    """What config.json in the folder of a run says. Raises ValueError for a run of `gazeworld train`."""
    data: dict[str, Any] = read_config(folder)
    try:
        agent = AgentConfig(**{**data["agent"], "rewards": tuple(data["agent"]["rewards"])})
        return JointConfig(agent, PhaseConfig(**data["phases"]))
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{RunFolder(folder).config}: not the configuration of alternating phases of this version: {error}"
        ) from error


def _resumed(asked: Run, usual: Scenario) -> Run:
    """The run that lies in the folder, which must be of this scenario and have the settings that are asked for."""
    run = open_run(asked.folder)
    read_joint_config(asked.folder)  # that plain training has no phases is to be said first
    found = continued(asked.folder, asked.name, asked.scenario, usual, run.scenario, longer=False)
    return dataclasses.replace(run, scenario=found)


def _config(
    run: Run,
    usual_scenario: Scenario,
    agent: Mapping[str, Any],
    phases: PhaseConfig,
    world: World,
    aggregate_dim: int,
    resume: bool,
) -> JointConfig:
    """What is asked for; of a run that goes on what it was begun with, which must be the same."""
    views = run.scenario.train.observed
    asked = JointConfig(agent_config(world, aggregate_dim, **{"episode_steps": views, **agent}), phases)
    if not resume:
        return asked
    usual = {
        "agent": usual_agent(asked.agent, world, aggregate_dim, views),
        "phases": dataclasses.asdict(PhaseConfig.over(usual_scenario.train.steps)),
    }
    written = read_joint_config(run.folder)
    require_same(run.folder, dataclasses.asdict(asked), usual, dataclasses.asdict(written))
    return written
