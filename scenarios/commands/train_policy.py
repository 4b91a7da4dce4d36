"""`gazeworld train-policy RUN`: train a policy (PPO, SAC …) in the frozen world model of a run."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from gazeworld.agents.config import PolicyPlan
from gazeworld.agents.runs.provenance import STOPPED
from gazeworld.envs.files import typed
from gazeworld.envs.validation import Natural, Options, Positive, Seed

from ._arguments import AgentArguments, parsed
from ._console import fail, save_figure, say
from ._places import Name
from ._words import spec

if TYPE_CHECKING:
    from gazeworld.agents.rl.train_policy import PolicyTraining


@dataclass(frozen=True)
class TrainPolicyArguments(Options):
    """Train a policy in the frozen world model of a run; it lands in RUN/policies/NAME.

    Ctrl-C ends after the present stretch with exit code 130; --resume goes on, and refuses other settings than are
    written, steps excepted.
    """

    run: Annotated[Path, tyro.conf.Positional]
    """folder of the run whose world model the policy looks with"""
    name: Name = ""
    """name of the policy (empty: algorithm and seed)"""
    agent: AgentArguments = field(default_factory=AgentArguments)
    """the agent"""
    steps: Positive | None = None
    """environment steps over all rows (none: 200000, or what was asked for before when resuming)"""
    every: Positive = PolicyPlan.every
    """steps between saves; a resumed training is the same if it stopped at such a place"""
    prepare: Natural = PolicyPlan.prepare
    """streams, of each policy in prepare-policies, for what rewards learn beforehand (in whole visits)"""
    prepare_policies: Annotated[tuple[str, ...], tyro.conf.arg(metavar="SPEC …")] = ()
    """policies that look for that, as saliency:map=contrast (none: the run's own and uniform)"""
    seed: Seed = 0
    """everything random follows from it"""
    device: str = "auto"
    """auto, cpu, cuda … for the world and its model; the policy's small network stays on the CPU"""
    resume: bool = False
    """go on from what was saved last, with the configuration written there"""


def run(words: list[str]) -> int:
    """Carry the command out; returns the exit code: 0 done, 1 not finite, 130 stopped by Ctrl-C."""
    chosen, console = parsed(TrainPolicyArguments, words, "gazeworld train-policy"), Console()
    from gazeworld.agents.rl.train_policy import NonFiniteError
    from gazeworld.agents.runs.policy_run import PolicyChoices, train_policy_in_run

    choices = PolicyChoices(
        chosen.agent.chosen(),
        steps=chosen.steps,
        every=chosen.every,
        prepare=chosen.prepare,
        prepare_on=tuple(spec(one, "prepare-policies", "gazeworld.agents.policies") for one in chosen.prepare_policies),
        seed=chosen.seed,
    )
    tell = partial(say, console)
    try:
        trained = train_policy_in_run(
            chosen.run,
            choices,
            name=chosen.name,
            device=chosen.device,
            resume=chosen.resume,
            tell=tell,
            console=console,
        )
    except NonFiniteError as error:
        return fail(str(error), 1)
    return _end(trained, chosen.run, console)


def _end(trained: "PolicyTraining", run: Path, console: Console) -> int:
    """Draw what was recorded, and say how to go on and how to look with the policy."""
    from ..reports import figures

    folder, plan = trained.folder, trained.plan
    assert folder is not None
    rewards = " + ".join(reward["name"] for reward in plan.agent.rewards)
    figure = figures.returns(trained.history, f"{plan.agent.algorithm}, rewarded for {rewards}")
    save_figure(figure, folder / "return.png", console)
    if not trained.finished:
        say(console, f"stopped after step {trained.steps} of {plan.steps}; everything is saved")
        again = typed("gazeworld", "train-policy", run, "--name", folder.name, "--resume")
        say(console, f"to go on: {again}")
    look = typed("gazeworld", "watch", run, "--policy", folder)
    say(console, f"to look with it: {look}")
    return 0 if trained.finished else STOPPED
