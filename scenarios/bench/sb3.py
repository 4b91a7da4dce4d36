"""How fast Stable-Baselines3 is fed: the adapter beside DummyVecEnv over single environments, taking turns in one run.

Both show the same world in the same observation, and both are driven with random actions; what counts is their ratio.
"""

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode

from gazeworld.agents.rl import missing_sb3
from gazeworld.envs.images import Images
from gazeworld.envs.single_env import ActiveVisionEnv
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.worlds.saccade import SaccadeWorld

from .rollout import in_turns, measure

try:
    from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv
except ImportError as error:
    raise missing_sb3(error) from error

from gazeworld.agents.rl.vec_env import SB3VecEnv

ENVIRONMENTS = (8, 64, 256)
_STEPS = 4  # actions an episode: M = 4 of the paper
_REPEATS = 5
_STRETCH = 8  # steps between two looks at the clock: two whole episodes


def sb3_bench(
    source: str | Images = "digits",
    split: str = "train",
    root: str = "",
    seconds: float = 0.5,
    device: str = "auto",
    **options: Any,
) -> list[dict[str, Any]]:
    """Environment steps per second through SB3VecEnv and through SB3's DummyVecEnv, at 8, 64 and 256 environments.

    `options` are those of SaccadeWorld (`glimpse`, `source_options` …). Episodes are 4 actions long, observations are
    the environment's own dictionaries. Every measurement lasts about `seconds` and is repeated five times, the two
    taking turns, with one thread; medians count. Single environments share one world, which is on the CPU whatever
    `device` is: one row at a time has no use for a GPU. Prints a table and returns its rows: environments,
    steps_per_second, baseline_steps_per_second, ratio, device.
    """
    if not seconds > 0:
        raise ValueError(f"seconds is {seconds}, expected more than 0")
    place = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    world = SaccadeWorld(source, split, root, device=place, **options)
    beside = world if world.device.type == "cpu" else SaccadeWorld(source, split, root, **options)
    ways: dict[tuple[str, int], Callable[[], float]] = {}
    for n in ENVIRONMENTS:
        ways["adapter", n] = lambda n=n: measure(_driven(adapter(world, n)), seconds, workers=1)
        ways["dummy", n] = lambda n=n: measure(_driven(dummy(beside, n)), seconds, workers=1)
    medians = in_turns(ways, _REPEATS)
    table = [_row(medians, n, str(world.device)) for n in ENVIRONMENTS]
    _show(table, f"{world.images.name}/{world.images.split}, glimpses of {world.glimpse} px of {world.side}")
    return table


def adapter(world: SaccadeWorld, n: int) -> VecEnv:
    """The batched way."""
    mode = AutoresetMode.SAME_STEP
    return SB3VecEnv(ActiveVisionVectorEnv(n, world, episode_steps=_STEPS, tensors=True, autoreset_mode=mode))


def dummy(world: SaccadeWorld, n: int) -> VecEnv:
    """One environment after the other."""
    return DummyVecEnv([lambda: ActiveVisionEnv(world, episode_steps=_STEPS) for _ in range(n)])


def _driven(env: VecEnv) -> Generator[int, None, None]:
    """Random actions; yields how many environment steps another stretch was."""
    rng = np.random.default_rng(0)
    shape = (_STRETCH, env.num_envs, *(env.action_space.shape or ()))
    actions = rng.uniform(-1, 1, shape).astype(np.float32)
    env.seed(0)
    env.reset()
    while True:
        for action in actions:
            env.step(action)
        yield _STRETCH * env.num_envs


def _row(medians: dict[tuple[str, int], float], n: int, device: str) -> dict[str, Any]:
    ours, theirs = medians["adapter", n], medians["dummy", n]
    return {
        "environments": n,
        "steps_per_second": ours,
        "baseline_steps_per_second": theirs,
        "ratio": ours / theirs,
        "device": device,
    }


def _show(rows: list[dict[str, Any]], what: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Stable-Baselines3 on {rows[0]['device']}, one thread: {what}")
    for name in ("environments", "steps/s", "DummyVecEnv", "ratio"):
        table.add_column(name, justify="right")
    for row in rows:
        ours, theirs = row["steps_per_second"], row["baseline_steps_per_second"]
        table.add_row(str(row["environments"]), f"{ours:,.0f}", f"{theirs:,.0f}", f"{row['ratio']:.1f}")
    Console().print(table)
