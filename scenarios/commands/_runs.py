"""What `gazeworld train`, `evaluate` and `watch` do, once their arguments are known."""

from pathlib import Path

import torch
from lightning_fabric.utilities.rank_zero import rank_zero_only
from rich.console import Console

from gazeworld.agents.config import ProbeConfig
from gazeworld.agents.probes import umap_maps
from gazeworld.agents.runs import build, run_folder
from gazeworld.agents.runs.evaluate_run import evaluate_run
from gazeworld.agents.runs.provenance import STOPPED
from gazeworld.agents.runs.records import PROBES
from gazeworld.agents.runs.run_folder import Run
from gazeworld.agents.runs.scenario import Scenario
from gazeworld.agents.runs.train_run import train_run
from gazeworld.agents.training import checkpoint
from gazeworld.agents.training.loop import POLICY, collect
from gazeworld.agents.training.trained_methods import load_method
from gazeworld.envs.files import naming, typed
from gazeworld.envs.rng import Draws
from gazeworld.envs.world import World

from ..reports import figures, probe_figures, scan_paths, tables
from . import _catalogue
from ._arguments import policy_of, with_policy
from ._console import Progress, save_figure, say
from .train import TrainArguments
from .watch import WatchArguments


def train(name: str, usual: Scenario, chosen: TrainArguments, console: Console) -> int:
    """`gazeworld train`: train or resume, then probe unless told not to.

    Returns the exit code: 0 done, 130 stopped by Ctrl-C.
    """
    folder = chosen.runs / (chosen.name or default_name(name, chosen.scenario.seed))
    asked = with_policy(chosen.scenario, usual, folder)
    run = Run(folder, name, asked)
    if chosen.evaluate and not (chosen.resume or asked.probe.online):  # else the online probe looks for them
        for split in (asked.probe_split, asked.test_split):
            build.world_of(asked, split, "cpu")
    threads = torch.get_num_threads()
    run, finished = train_run(
        run, chosen.device, resume=chosen.resume, console=console, processes=chosen.processes, usual=usual
    )
    torch.set_num_threads(threads)
    if rank_zero_only.rank:  # type: ignore[attr-defined]
        return 0  # one process draws and probes
    save_curves(run, console)
    if not finished:
        again = typed("gazeworld", "train", run.name, "--runs", chosen.runs, "--name", run.folder.name, "--resume")
        say(console, f"to go on: {again}")
        return STOPPED
    return probe(run.folder, run.scenario.probe, chosen.device, console) if chosen.evaluate else 0


def save_curves(run: Run, console: Console) -> None:
    """Draw what training recorded, if it came as far as recording something."""
    metrics = run.folder / "metrics.jsonl"
    if metrics.stat().st_size:
        save_figure(figures.training(metrics), run.figures / "training.png", console)


def default_name(name: str, seed: int) -> str:
    """Name of a run that was not given one."""
    return f"{name.replace(':', '-')}-{seed}"


def probe(folder: Path, config: ProbeConfig, device: str, console: Console) -> int:
    """`gazeworld evaluate`: table on the terminal, probes.json and figures in the run's folder."""
    with Progress(console, "probing", lines=False) as told:
        done = evaluate_run(folder, config, device, told)
    run, found = done.run, done.found
    tables.show(found, console)
    if "objects" in found:
        tables.show_objects(found["objects"], console)
        nearest = probe_figures.neighbour_figure(done.arena.test.world, found["objects"]["neighbours"])
        save_figure(nearest, run.figures / "neighbours.png", console)
    if config.maps:
        size = umap_maps.MapConfig(views=min(umap_maps.MapConfig.views, config.views))
        test = done.arena.test
        seen = umap_maps.embedding({"trained": done.method}, test, done.arena.test_policy(), config, size, told)
        save_figure(probe_figures.map_figure(seen), run.figures / "maps.png", console)
    save_figure(figures.recognition(found), run.figures / "recognition.png", console)
    save_figure(figures.paths(found), run.figures / "path_integration.png", console)
    say(console, f"written: {folder / PROBES}")
    return 0


def watch(chosen: WatchArguments, console: Console) -> int:
    """`gazeworld watch`: scan paths of a scenario's or a run's policy, as a PNG and an animated GIF."""
    if chosen.scenes < 1:
        raise ValueError(f"scenes is {chosen.scenes}, expected at least 1")
    target = Path(chosen.target)
    trained = checkpoint.latest(target / "checkpoints") is not None
    if (target / "config.json").is_file():
        run = run_folder.open_run(target)
        found, folder = run.scenario, chosen.out or run.figures
    elif chosen.target.replace("_", "-") in _catalogue.names():
        found, folder = _catalogue.load(chosen.target), chosen.out or Path()
    else:
        raise ValueError(f"{chosen.target!r} is neither the folder of a run nor a scenario of `gazeworld list`")
    split = chosen.split or found.test_split
    world: World = build.world_of(found, split, "cpu")
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
