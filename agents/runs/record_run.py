"""A scenario recorded: what a policy sees in its world becomes a Minari dataset, in one call."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Interval
from gymnasium.envs.registration import EnvSpec

from gazeworld.envs.validation import Options, Positive
from gazeworld.envs.world import World

from ..policy import make_policy
from ..training.loop import env_of
from ..training.recorded_streams import datasets_root, require_minari
from ..training.recording import Recording, record
from . import build
from .scenario import Scenario, placed


@dataclass(frozen=True)
class RecordChoices(Options):
    """What of a scenario is recorded, and what the dataset is called."""

    episodes: Positive = 1024
    """episodes; train.batch of them are looked at side by side"""
    views: Annotated[int, Interval(ge=0, le=2**12)] = 0
    """views of an episode (0: as many as training learns from, train.observed + 1)"""
    split: str = ""
    """split that is looked at (empty: the one that is trained on)"""
    id: str = ""
    """id of the dataset (empty: gazeworld/SCENARIO/POLICY-v0)"""


def record_streams(
    name: str,
    scenario: Scenario,
    choices: RecordChoices | None = None,
    *,
    out: Path | None = None,
    device: str = "auto",
    tick: Callable[[str, int, int], None] | None = None,
) -> Any:
    """Record the streams of the scenario called `name`, by its policy; gives the Minari dataset.

    It lies below `out` under its id (None: where Minari keeps datasets), so that Minari finds it by both. Recorded with
    the seed and the batch of a training, it holds what that training would see, batch by batch. Raises ValueError for a
    dataset that is there already and where Minari is not installed.
    """
    require_minari()
    choices, scenario = choices or RecordChoices(), placed(scenario)
    views = choices.views or scenario.train.observed + 1
    split = choices.split or scenario.world["split"]
    world = build.world_of(scenario, split, build.fabric_of(scenario, device).device)
    env = env_of(world, min(scenario.train.batch, choices.episodes), views - 1)
    env.spec = spec_of(scenario, world, views - 1)
    policy, options = build.named(scenario.policy)
    found = choices.id or "/".join(("gazeworld", *(re.sub(r"[^-\w]+", "-", part) for part in (name, policy)))) + "-v0"
    recording = Recording(choices.episodes, found, scenario.policy, scenario.seed)
    folder = (datasets_root() if out is None else out) / found
    return record(env, make_policy(policy, world, **options), folder, recording, tick)


def spec_of(scenario: Scenario, world: World, steps: int) -> EnvSpec:
    """How Gymnasium makes one row of a scenario's environment, wherever it is called from."""
    name, options = build.named(scenario.world)
    words = name.rpartition(":")[2].replace("_", "-").split("-")
    return EnvSpec(
        id=f"gazeworld/{''.join(word[:1].upper() + word[1:] for word in words)}-v0",
        entry_point="gazeworld.envs.single_env:ActiveVisionEnv",
        vector_entry_point="gazeworld.envs.vector_env:ActiveVisionVectorEnv",
        kwargs={**options, "world": name, "split": world.split, "episode_steps": steps},
    )
