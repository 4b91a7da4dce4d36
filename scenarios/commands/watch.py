"""`gazeworld watch SCENARIO|RUN`: pictures of where a policy looks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from gazeworld.envs.files import naming
from gazeworld.envs.validation import Options, Positive, Seed

from . import _catalogue
from ._arguments import parsed, policy_of
from ._console import save_figure, say
from ._places import Folder


@dataclass(frozen=True)
class WatchArguments(Options):
    """Pictures of where a policy looks: scan paths as PNG and an animated GIF."""

    target: Annotated[str, tyro.conf.Positional]
    """a scenario, or the folder of a run"""
    policy: str = ""
    """another policy than its own: NAME or NAME:KEY=VALUE,… of the registry, RUN/policies/NAME, or a policy's folder"""
    out: Folder | None = None
    """folder for the pictures (default: RUN/figures, or the current folder for a scenario)"""
    split: str = ""
    """split to look at (empty: the one that probes are scored on)"""
    scenes: Positive = 6
    """number of scenes"""
    seed: Seed = 0
    """which scenes and fixations"""


def run(words: list[str]) -> int:
    """Carry the command out; returns the exit code."""
    return watch(parsed(WatchArguments, words, "gazeworld watch"), Console())


def watch(chosen: WatchArguments, console: Console) -> int:
    """Draw scan paths of a scenario's or a run's policy, as a PNG and an animated GIF."""
    from gazeworld.agents.run_folder import RunFolder
    from gazeworld.agents.runs import build
    from gazeworld.agents.runs.scenario import open_run
    from gazeworld.agents.training.checkpoint import latest, load_method
    from gazeworld.agents.training.loop import POLICY, collect
    from gazeworld.envs.rng import Draws

    from ..reports import scan_paths

    if chosen.scenes < 1:
        raise ValueError(f"scenes is {chosen.scenes}, expected at least 1")
    target = Path(chosen.target)
    trained = latest(RunFolder(target).checkpoints) is not None
    if RunFolder(target).config.is_file():
        run = open_run(target)
        found, folder = run.scenario, chosen.out or run.files.figures
    elif chosen.target.replace("_", "-") in _catalogue.names():
        found, folder = _catalogue.load(chosen.target), chosen.out or Path()
    else:
        raise ValueError(f"{chosen.target!r} is neither the folder of a run nor a scenario of `gazeworld list`")
    split = chosen.split or found.test_split
    world = build.world_of(found, split, "cpu")
    if chosen.scenes > world.size:
        raise ValueError(f"scenes is {chosen.scenes}, but the {split} split has {world.size}")
    place = build.place_of(found, world, chosen.scenes, **policy_of(chosen.policy, found, target))
    place.policy.attach(load_method(target, world)[0] if trained else build.method_of(found, world))
    place.env.reset(seed=chosen.seed)
    rng = Draws.rows(chosen.seed, chosen.scenes).fold(POLICY)
    stream = collect(place.env, place.policy, found.train.observed + 1, rng, {"episode": 0})
    suffix = f"-{Path(chosen.policy.partition(':')[0]).name}" if chosen.policy else ""
    picture, film = folder / f"scanpaths{suffix}.png", folder / f"scanpath{suffix}.gif"
    save_figure(scan_paths.scanpaths(world, stream, tuple(range(chosen.scenes))), picture, console)
    with naming(film):
        scan_paths.animate(world, stream, film)
    say(console, f"written: {film}")
    return 0
