"""Arguments of the commands that train policies, typed; imports no torch."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro
from annotated_types import Interval

from gazeworld.agents.config import Algorithm, Observation, PhaseConfig, PolicyPlan
from gazeworld.agents.runs.scenario import Scenario
from gazeworld.envs.validation import Natural, Options, Positive, Rows, Seed, shown

from ._places import Folder, Name


@dataclass(frozen=True)
class AgentArguments(Options, owner="agent"):
    """An agent of Stable-Baselines3 and what it acts in.

    SPEC is a name, or a name with options: `NAME:KEY=VALUE,KEY=VALUE`. Values are JSON, or else text.
    """

    algorithm: Algorithm = "maskable-ppo"
    """ppo, recurrent-ppo, maskable-ppo, sac or crossq"""
    rewards: Annotated[tuple[str, ...], tyro.conf.arg(metavar="SPEC …")] = ("recognition:learning=false",)
    """what it is rewarded for, added up: recognition, representation, prediction-error, inverse-dynamics, coverage"""
    observation: Observation = "latent"
    """what it observes: latent, latent+periphery, pixels or flat-pixels"""
    discrete_actions: Annotated[str, tyro.conf.arg(metavar="SPEC")] = "auto"
    """what it chooses from: fixations:side=9, views, or none for continuous actions (auto: what suits)"""
    environments: Rows = 64
    """environments side by side"""
    episode_steps: Annotated[int, Interval(ge=0, le=2**12)] = 0
    """actions of an episode, which has one view more (0: the scenario's number of observed views)"""
    policy: Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE …")] = ()
    """options of its network (SB3's policy_kwargs), as net_arch=[64,64]; beside or instead of the defaults"""
    options: Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE …")] = ()
    """the algorithm's own options, as gamma=0.5 ent_coef=0.01; beside or instead of the defaults"""


@dataclass(frozen=True)
class SteerArguments(Options):
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


@dataclass(frozen=True)
class AlternateArguments(Scenario):
    """Train a world model and a policy in turns; everything lands in RUNS/NAME.

    Ctrl-C ends after the present phase with exit code 130; --resume goes on, and refuses other settings than are
    written.
    """

    agent: AgentArguments = field(default_factory=AgentArguments)
    """the agent"""
    phases: PhaseConfig = field(default_factory=PhaseConfig)
    """how the two take turns; the world model learns for phases x model-steps steps"""
    name: Name = ""
    """name of the run (empty: scenario, alternating and seed)"""
    runs: Folder = Path("runs")
    """folder of all runs"""
    device: str = "auto"
    """auto, cpu, cuda, mps, cuda:1 …"""
    resume: bool = False
    """go on after the last whole phase of RUNS/NAME, with the configuration written there"""
    evaluate: bool = True
    """probe after training"""


def alternate_defaults(found: Scenario) -> AlternateArguments:
    """The arguments of a scenario: as many steps of its world model as it says, in phases of the same length."""
    return AlternateArguments(**vars(found), phases=PhaseConfig.over(found.train.steps))


def spec(text: str, what: str) -> dict[str, Any]:
    """`NAME:KEY=VALUE,KEY=VALUE` as a dictionary with the entry `name`. Raises ValueError for anything else."""
    name, _, rest = text.partition(":")
    if not name:
        raise ValueError(f"{what} is {text!r}, expected NAME or NAME:KEY=VALUE,KEY=VALUE")
    options = pairs(rest.split(",") if rest else (), what)
    if "name" in options:
        raise ValueError(f"{what} is {shown(text)}, which says the name twice; expected NAME:KEY=VALUE,KEY=VALUE")
    return {"name": name, **options}


def pairs(words: Iterable[str], what: str) -> dict[str, Any]:
    """Words KEY=VALUE as a dictionary; values that are no JSON are text. Raises ValueError for other words."""
    found: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (key and equals):
            raise ValueError(f"{what} holds {word!r}, expected KEY=VALUE")
        try:
            found[key] = json.loads(value)
        except (ValueError, RecursionError):  # no JSON, or integers and nesting beyond what Python reads
            found[key] = value
    return found
