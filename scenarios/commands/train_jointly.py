"""`gazeworld train-jointly`: a world model and a policy learn in alternating phases, and leave a run like any other."""

from rich.console import Console

from gazeworld.agents.runs.joint_run import LEARNT, JointChoices, train_jointly
from gazeworld.agents.runs.provenance import STOPPED
from gazeworld.agents.runs.run_folder import Run
from gazeworld.envs.files import typed

from ._arguments import scenario_of
from ._console import say
from ._steering_arguments import AlternateArguments
from .train import probe, save_curves
from .train_policy import agent_choices


def alternate(name: str, chosen: AlternateArguments, console: Console) -> int:
    """Train in alternating phases, then probe unless told not to.

    Returns the exit code: 0 done, 130 stopped by Ctrl-C. Raises what
    `gazeworld.agents.runs.joint_run.train_jointly` does.
    """
    folder = chosen.runs / (chosen.name or f"{name.replace(':', '-')}-alternating-{chosen.seed}")
    asked, choices = Run(folder, name, scenario_of(chosen)), JointChoices(agent_choices(chosen.agent), chosen.phases)
    run, finished = train_jointly(asked, choices, chosen.device, resume=chosen.resume, console=console)
    save_curves(run, console)
    if not finished:
        words = ("train-jointly", run.name, "--runs", chosen.runs, "--name", folder.name, "--resume")
        say(console, f"to go on: {typed('gazeworld', *words)}")
        return STOPPED
    look = typed("gazeworld", "watch", folder, "--policy", LEARNT)
    say(console, f"to look with the learnt policy: {look}")
    return probe(folder, run.scenario.probe, chosen.device, console) if chosen.evaluate else 0
