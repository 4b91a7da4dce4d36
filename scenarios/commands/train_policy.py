"""`gazeworld train-policy`: an agent of Stable-Baselines3 learns where to look, in the frozen world model of a run."""

from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console

from gazeworld.agents.rl.train_policy import PolicyTraining
from gazeworld.agents.runs.policy_run import PolicyChoices, train_policy_in_run
from gazeworld.agents.runs.provenance import STOPPED
from gazeworld.envs.files import typed

from ..reports import figures
from ._console import save_figure, say
from ._steering_arguments import AgentArguments, SteerArguments, pairs, spec


def steer(chosen: SteerArguments, console: Console) -> int:
    """Train, or go on training, the policy of one run. Raises NonFiniteError.

    Returns the exit code: 0 done, 130 stopped by Ctrl-C.
    """
    choices = PolicyChoices(
        agent_choices(chosen.agent),
        steps=chosen.steps,
        every=chosen.every,
        prepare=chosen.prepare,
        prepare_on=tuple(spec(one, "prepare-policies") for one in chosen.prepare_policies),
        seed=chosen.seed,
    )
    trained = train_policy_in_run(
        chosen.run, choices, name=chosen.name, device=chosen.device, resume=chosen.resume, tell=partial(say, console)
    )
    return _end(trained, chosen.run, console)


def agent_choices(chosen: AgentArguments) -> dict[str, Any]:
    """Fields of AgentConfig that the arguments set. Raises ValueError for words of another form than they should be."""
    found: dict[str, Any] = {
        "algorithm": chosen.algorithm,
        "environments": chosen.environments,
        "observation": chosen.observation,
        "rewards": tuple(spec(reward, "agent.rewards") for reward in chosen.rewards),
        "policy": pairs(chosen.policy, "agent.policy"),
        "options": pairs(chosen.options, "agent.options"),
    }
    if chosen.episode_steps:
        found["episode_steps"] = chosen.episode_steps
    if chosen.discrete_actions != "auto":
        none = chosen.discrete_actions == "none"
        found["discrete_actions"] = None if none else spec(chosen.discrete_actions, "agent.discrete-actions")
    return found


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


def _end(trained: PolicyTraining, run: Path, console: Console) -> int:
    """Draw what was recorded, and say how to go on and how to look with the policy."""
    folder, plan = trained.folder, trained.plan
    assert folder is not None
    rewards = " + ".join(reward["name"] for reward in plan.agent.rewards)
    figure = curve(trained.history, f"{plan.agent.algorithm}, rewarded for {rewards}")
    save_figure(figure, folder / "return.png", console)
    if not trained.finished:
        say(console, f"stopped after step {trained.steps} of {plan.steps}; everything is saved")
        again = typed("gazeworld", "train-policy", run, "--name", folder.name, "--resume")
        say(console, f"to go on: {again}")
    look = typed("gazeworld", "watch", run, "--policy", folder)
    say(console, f"to look with it: {look}")
    return 0 if trained.finished else STOPPED
