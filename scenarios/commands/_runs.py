"""What commands that train and probe runs share: their curves and figures drawn, and how to go on."""

from pathlib import Path

from lightning_fabric.utilities.rank_zero import rank_zero_only
from rich.console import Console

from gazeworld.agents.config import ProbeConfig
from gazeworld.agents.probes import umap_maps
from gazeworld.agents.probes.features import Tick, quiet
from gazeworld.agents.run_folder import RunFolder
from gazeworld.agents.runs.evaluate_run import Evaluated, evaluate_run
from gazeworld.agents.runs.provenance import STOPPED
from gazeworld.agents.runs.scenario import Run
from gazeworld.envs.files import typed

from ..reports import figures, probe_figures, tables
from ._console import Progress, save_figure, say


def trained(run: Run, finished: bool, console: Console, command: str = "train") -> None:
    """Draw what training recorded and say how to go on, if it did not come to its end; the first process does."""
    if rank_zero_only.rank:  # type: ignore[attr-defined]
        return
    save_curves(run, console)
    if not finished:
        say(console, f"to go on: {typed('gazeworld', command, run.folder, '--resume')}")


def ended(
    run: Run, finished: bool, console: Console, *, command: str = "train", device: str, evaluate: bool, look: str = ""
) -> int:
    """Draw what training recorded, say how to go on or how to `look` with what was learnt, and probe if it is asked.

    Of several processes the first does it all. Returns the exit code: 0 done, 130 stopped by Ctrl-C.
    """
    trained(run, finished, console, command)
    if rank_zero_only.rank:  # type: ignore[attr-defined]
        return 0
    if not finished:
        return STOPPED
    if look:
        say(console, f"to look with the learnt policy: {look}")
    return probe(run.folder, run.scenario.probe, device, console) if evaluate else 0


def save_curves(run: Run, console: Console) -> None:
    """Draw what training recorded, if it came as far as recording something."""
    metrics = run.files.metrics
    if metrics.stat().st_size:
        save_figure(figures.training(metrics), run.files.figures / "training.png", console)


def probe(folder: Path, config: ProbeConfig, device: str, console: Console) -> int:
    """`gazeworld evaluate`: table on the terminal, probes.json and figures in the run's folder."""
    with Progress(console, "probing", lines=False) as told:
        drawn(evaluate_run(folder, config, device, told), console, told)
    say(console, f"written: {RunFolder(folder).probes}")
    return 0


def drawn(done: Evaluated, console: Console, tick: Tick = quiet) -> None:
    """Print what probes found, and draw it in the run's folder."""
    run, config, found = done.run, done.config, done.found
    tables.show(found, console)
    if "objects" in found:
        tables.show_objects(found["objects"], console)
        if "neighbours" in found["objects"]:
            nearest = probe_figures.neighbour_figure(done.arena.test.world, found["objects"]["neighbours"])
            save_figure(nearest, run.files.figures / "neighbours.png", console)
    if config.maps:
        size = umap_maps.MapConfig(views=min(umap_maps.MapConfig.views, config.views))
        test = done.arena.test
        seen = umap_maps.embedding({"trained": done.method}, test, done.arena.test_policy(), config, size, tick)
        save_figure(probe_figures.map_figure(seen), run.files.figures / "maps.png", console)
    if "recognition" in found:
        save_figure(figures.recognition(found), run.files.figures / "recognition.png", console)
    save_figure(figures.paths(found), run.files.figures / "path_integration.png", console)
