"""`gazeworld watch SCENARIO|RUN`: pictures, films and tables of where a policy looks."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from gazeworld.envs.validation import Options, Positive, Seed

from . import _catalogue
from ._arguments import parsed, policy_of
from ._console import save_figure, say
from ._places import File

if TYPE_CHECKING:
    from gazeworld.agents.runs.scenario import Run
    from gazeworld.agents.runs.watching import Watched

_PICTURES, _FILMS, _TABLES = (".png", ".svg", ".pdf"), (".gif", ".mp4"), (".csv", ".json")
_PATHS, _MANY = 6, 1000


@dataclass(frozen=True)
class WatchArguments(Options):
    """Where a policy looks: scan paths, or the density of fixations over many scenes, as --out's ending says.

    png, svg, pdf: a picture; gif, mp4: a film (mp4 needs the extra `report`); csv, json: a table with a line for every
    fixation. Its columns: path (number of the scan path), scene (index in the split), label (-1: unknown), class, index
    (of the fixation in its path, from 1), row and col (centre of the view in units of the picture's sides, down and to
    the right), y and x (the same in pixels).
    """

    target: Annotated[str, tyro.conf.Positional]
    """a scenario, or the folder of a run"""
    policy: str = ""
    """another policy than its own: NAME or NAME:KEY=VALUE,… of the registry, RUN/policies/NAME, or a policy's folder"""
    out: File | None = None
    """file to write, or a folder for a PNG and a GIF (default: RUN/figures, or the current folder for a scenario)"""
    saliency: bool = False
    """lay the map that the policy looks by, or else the world's, under the scan paths"""
    heatmap: bool = False
    """the density of fixations over many scenes instead of scan paths"""
    split: str = ""
    """split to look at (empty: the one that probes are scored on)"""
    scenes: Positive | None = None
    """number of scenes (none: 6; for --heatmap 1000, or all if there are fewer)"""
    seed: Seed = 0
    """which scenes and fixations"""


def run(words: list[str]) -> int:
    """Carry the command out; returns the exit code."""
    return watch(parsed(WatchArguments, words, "gazeworld watch"), Console())


def watch(chosen: WatchArguments, console: Console) -> int:
    """Look with a scenario's or a run's policy, and draw or write down where."""
    from gazeworld.agents.runs import build
    from gazeworld.agents.runs.watching import WatchChoices, watch_run

    ending = _ending(chosen)
    found = _run(chosen.target)
    policy = policy_of(chosen.policy, found.scenario, found.folder)
    scenes = _PATHS if chosen.scenes is None else chosen.scenes
    if chosen.heatmap and chosen.scenes is None:
        split = chosen.split or found.scenario.test_split
        scenes = min(_MANY, build.world_of(found.scenario, split, "cpu").size)
    choices = WatchChoices(chosen.split, scenes, chosen.seed, spread=chosen.heatmap)
    watched = watch_run(found, policy, choices)
    for path in _places(chosen, found, ending):
        _write(watched, path, chosen, found, console)
    return 0


def _ending(chosen: WatchArguments) -> str:
    """The ending of the file to write, "" for a folder. Raises ValueError, before anything is done, for others."""
    from ..reports import films

    if chosen.saliency and chosen.heatmap:
        raise ValueError("--saliency lies under scan paths, and --heatmap has none; choose one of them")
    if chosen.out is None or chosen.out.is_dir() or not chosen.out.suffix:
        return ""
    ending, known = chosen.out.suffix.lower(), (*_PICTURES, *_FILMS, *_TABLES)
    if ending not in known:
        raise ValueError(
            f"--out is {str(chosen.out)!r}, expected a file that ends in {', '.join(known[:-1])} or {known[-1]}, "
            "or a folder that is there"
        )
    films.require_writer(chosen.out)
    return ending


def _run(target: str) -> "Run":
    """The run in a folder, or a scenario as one in which nothing has been trained yet."""
    from gazeworld.agents.run_folder import RunFolder
    from gazeworld.agents.runs.scenario import Run, open_run

    if RunFolder(Path(target)).config.is_file():
        return open_run(Path(target))
    if target.replace("_", "-") in _catalogue.names():
        return Run(Path(target), target.replace("_", "-"), _catalogue.load(target))
    raise ValueError(f"{target!r} is neither the folder of a run nor a scenario of `gazeworld list`")


def _places(chosen: WatchArguments, found: "Run", ending: str) -> list[Path]:
    """The files to write: the one that is named, or a picture and a film in a folder."""
    if ending and chosen.out is not None:
        return [chosen.out]
    folder = chosen.out or (found.files.figures if found.files.config.is_file() else Path())
    suffix = f"-{Path(chosen.policy.partition(':')[0]).name}" if chosen.policy else ""
    if chosen.heatmap:
        return [folder / f"fixations{suffix}.png", folder / f"fixations{suffix}.gif"]
    return [folder / f"scanpaths{suffix}.png", folder / f"scanpath{suffix}.gif"]


def _write(watched: "Watched", path: Path, chosen: WatchArguments, found: "Run", console: Console) -> None:
    """Draw a picture or a film, or write the table, and say where it is."""
    from gazeworld.agents.runs.watching import saliency_of, write_fixations

    from ..reports import fixation_density, scan_paths

    world, stream, ending = watched.world, watched.stream, path.suffix.lower()
    title = f"{found.folder.name}, fixations by {watched.policy['name']}"
    maps = saliency_of(watched, found.scenario.world) if chosen.saliency else None
    every = tuple(range(len(stream.scenes)))
    if ending in _TABLES:
        write_fixations(watched, path)
    elif chosen.heatmap and ending in _FILMS:
        fixation_density.animate(watched.centres, title, path)
    elif chosen.heatmap:
        save_figure(fixation_density.heat_map(watched.centres, title), path, console)
        return
    elif ending in _FILMS:  # beside a picture of all paths a film of the first is enough
        scan_paths.animate(world, stream, path, every if chosen.out == path else (0,), maps)
    else:
        save_figure(scan_paths.scanpaths(world, stream, every, maps), path, console)
        return
    say(console, f"written: {path}")
