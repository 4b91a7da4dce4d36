"""`gazeworld train-jointly SCENARIO`: train a world model and a policy in turns."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from gazeworld.agents.config import LOGGER, LoggerName, PhaseConfig
from gazeworld.agents.runs.scenario import Scenario
from gazeworld.envs.files import typed
from gazeworld.envs.validation import Options

from ._arguments import BARE, AgentArguments, with_policy
from ._console import fail
from ._named import Named, going_on, named, settled
from ._places import Folder, Name


@dataclass(frozen=True)
class TrainJointlyArguments(Options):
    """Train a world model and a policy in turns; everything lands in RUNS/NAME.

    Ctrl-C ends after the present phase with exit code 130; `gazeworld train-jointly RUN --resume` goes on, and refuses
    other settings than are written, but for how often something is logged, saved and probed.
    """

    scenario: Scenario = field(metadata=BARE)
    """what is trained and probed, and how"""
    agent: AgentArguments = field(default_factory=AgentArguments)
    """the agent"""
    phases: PhaseConfig = field(default_factory=PhaseConfig)
    """how the two take turns; the world model learns for phases x model-steps steps"""
    name: Name = ""
    """name of the run (empty: scenario, joint and seed)"""
    runs: Folder = Path("runs")
    """folder of all runs"""
    device: str = "auto"
    """auto, cpu, cuda, mps, cuda:1 …"""
    logger: LoggerName = LOGGER
    """where the numbers go beside metrics.jsonl: tensorboard, wandb, trackio (which pip installs) or none"""
    resume: bool = False
    """go on after the last whole phase of RUNS/NAME, with the configuration written there"""
    evaluate: bool = True
    """probe after training"""


def defaults(found: Scenario) -> TrainJointlyArguments:
    """The arguments of a scenario: as many steps of its world model as it says, in phases of the same length."""
    return TrainJointlyArguments(found, phases=PhaseConfig.over(found.train.steps))


def run(words: list[str]) -> int:
    """Carry the command out; returns the exit code: 0 done, 1 not finite, 130 stopped by Ctrl-C."""
    found = named(words, "train-jointly", runs=True)
    if found is None:
        return 0 if words else 2
    chosen = _chosen(found)
    if chosen.resume and found.folder is None:
        found = going_on(found, _folder(found, chosen))
        chosen = _chosen(found)
    from gazeworld.agents.rl.train_policy import NonFiniteError
    from gazeworld.agents.training.loop import NonFiniteLossError

    try:
        return _trained(found, chosen, Console())
    except (NonFiniteLossError, NonFiniteError) as error:
        return fail(str(error), 1)


def _chosen(found: Named) -> TrainJointlyArguments:
    usual = defaults(found.scenario)
    if found.folder is not None:  # the phases of a run that goes on are what it was begun with
        from gazeworld.agents.runs.joint_run import read_joint_config

        usual = replace(usual, phases=read_joint_config(found.folder).phases)
    return found.parsed("train-jointly", usual)


def _folder(found: Named, chosen: TrainJointlyArguments) -> Path:
    """Where the run lies."""
    return found.folder or chosen.runs / (chosen.name or f"{found.name.replace(':', '-')}-joint-{chosen.scenario.seed}")


def _trained(found: Named, chosen: TrainJointlyArguments, console: Console) -> int:
    """Train in alternating phases, then probe unless told not to."""
    from gazeworld.agents.runs.joint_run import LEARNT, JointChoices, train_jointly
    from gazeworld.agents.runs.scenario import Run

    from . import _runs

    folder = _folder(found, chosen)
    asked = settled(found, with_policy(chosen.scenario, found.usual, folder), console)
    choices = JointChoices(chosen.agent.chosen(), chosen.phases)
    run, finished = train_jointly(
        Run(folder, found.name, asked),
        choices,
        chosen.device,
        resume=chosen.resume,
        console=console,
        usual=found.usual,
        logger=chosen.logger,
    )
    look = typed("gazeworld", "watch", folder, "--policy", LEARNT)
    return _runs.ended(
        run, finished, console, command="train-jointly", device=chosen.device, evaluate=chosen.evaluate, look=look
    )
