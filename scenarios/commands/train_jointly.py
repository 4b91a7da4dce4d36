"""`gazeworld train-jointly SCENARIO`: train a world model and a policy in turns."""

from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from gazeworld.agents.config import LOGGER, LoggerName, PhaseConfig
from gazeworld.agents.runs.provenance import STOPPED
from gazeworld.agents.runs.scenario import Scenario
from gazeworld.envs.files import typed
from gazeworld.envs.validation import Options

from ._arguments import BARE, AgentArguments, parsed, scenario_argument, with_policy
from ._console import fail, say
from ._places import Folder, Name


@dataclass(frozen=True)
class TrainJointlyArguments(Options):
    """Train a world model and a policy in turns; everything lands in RUNS/NAME.

    Ctrl-C ends after the present phase with exit code 130; --resume goes on, and refuses other settings than are
    written.
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
    named = scenario_argument(words, "train-jointly")
    if named is None:
        return 0 if words else 2
    name, found = named
    chosen = parsed(TrainJointlyArguments, words[1:], f"gazeworld train-jointly {name}", defaults(found))
    from gazeworld.agents.rl.train_policy import NonFiniteError
    from gazeworld.agents.training.loop import NonFiniteLossError

    try:
        return _trained(name, found, chosen, Console())
    except (NonFiniteLossError, NonFiniteError) as error:
        return fail(str(error), 1)


def _trained(name: str, usual: Scenario, chosen: TrainJointlyArguments, console: Console) -> int:
    """Train in alternating phases, then probe unless told not to."""
    from gazeworld.agents.runs.joint_run import LEARNT, JointChoices, train_jointly
    from gazeworld.agents.runs.scenario import Run

    from . import _runs

    folder = chosen.runs / (chosen.name or f"{name.replace(':', '-')}-joint-{chosen.scenario.seed}")
    asked = Run(folder, name, with_policy(chosen.scenario, usual, folder))
    choices = JointChoices(chosen.agent.chosen(), chosen.phases)
    run, finished = train_jointly(
        asked, choices, chosen.device, resume=chosen.resume, console=console, usual=usual, logger=chosen.logger
    )
    _runs.trained(run, finished, console, "train-jointly")
    if not finished:
        return STOPPED
    look = typed("gazeworld", "watch", folder, "--policy", LEARNT)
    say(console, f"to look with the learnt policy: {look}")
    return _runs.probe(folder, run.scenario.probe, chosen.device, console) if chosen.evaluate else 0
