"""`gazeworld sweep`: a set of runs, one after another in one process; the done are skipped, the begun go on."""

import dataclasses
import gc
import json
import time
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from gazeworld.agents.runs import provenance, scenario
from gazeworld.agents.runs.provenance import STOPPED
from gazeworld.agents.runs.records import flat, read_probes, scores
from gazeworld.agents.runs.run_folder import RUN, begun, open_run, require_free, require_plain
from gazeworld.agents.runs.scenario import Scenario
from gazeworld.agents.training import checkpoint
from gazeworld.envs.files import DataError
from gazeworld.models.method import CheckpointError

from ..reports import heat_maps
from ..reports.rows import rows
from ..reports.tables import put
from . import _runs, _table
from ._console import save_figure, say
from ._sweep_plan import Planned, plan, try_out
from .sweep import SweepArguments
from .table import TableArguments
from .train import TrainArguments


class Work(Enum):
    """What is left to do for a run."""

    NOTHING = "done already"
    PROBE = "trained, now probed"
    RESUME = "begun before, goes on"
    TRAIN = "trained and probed"
    NEITHER = "damaged"


class _Stopped(BaseException):
    """Ctrl-C: training saved what it had and returned early. No failure of a run."""


def sweep(chosen: SweepArguments, console: Console) -> int:
    """Train and probe what is left of a sweep, then print its table and draw its heat maps.

    Returns 0, or 1 if a run failed, or 130 after Ctrl-C. Raises ValueError, before anything is trained, for what cannot
    be trained and for folders that hold other runs.
    """
    asked = plan(chosen)
    work = {run.folder: _found(run) for run in asked.runs}
    todo = [run for run in asked.runs if work[run.folder] is not Work.NOTHING]
    for text in asked.told:
        say(console, text)
    say(console, f"{len(asked.runs)} runs in {chosen.runs}, {len(asked.runs) - len(todo)} done already")
    try_out(dataclasses.replace(asked, runs=tuple(run for run in todo if work[run.folder] is not Work.NEITHER)))
    asked.worlds.clear()  # every run builds its own, where it is trained
    try:
        failed = _all(todo, chosen.device, console)
    except (KeyboardInterrupt, _Stopped):
        say(console, f"stopped; to go on: {provenance.command()}")
        return STOPPED
    _compare([run.folder for run in asked.runs if run.folder not in failed], chosen, console)
    for folder, error in failed.items():
        say(console, f"failed: {folder}: {type(error).__name__}: {error}")
    if failed:
        say(console, f"{len(failed)} of {len(asked.runs)} runs failed; the same command tries them again")
    return 1 if failed else 0


def _found(run: Planned) -> Work:
    """What is left to do for a run; a damaged one is no reason not to train the others."""
    try:
        return left(run)
    except (DataError, CheckpointError):
        return Work.NEITHER


def _all(todo: list[Planned], device: str, console: Console) -> dict[Path, Exception]:
    """Do what is left, one run after another; returns those that failed, with what they failed of.

    What that is, is looked at anew before each run: another process may have trained it in the meantime.
    """
    failed: dict[Path, Exception] = {}
    began = time.monotonic()
    for number, run in enumerate(todo):
        place = f"[{number + 1}/{len(todo)}] {run.folder.name}"
        rest = (time.monotonic() - began) / number * (len(todo) - number) if number else None
        ahead = "" if rest is None else f"; about {timedelta(seconds=round(rest))} left"
        try:
            work = left(run)
            say(console, f"{place}: {work.value}{ahead}")
            _one(run, work, device, console)
        except Exception as error:  # whatever it was, the other runs are not to be lost for it
            failed[run.folder] = error
            say(console, f"{place} failed: {type(error).__name__}: {error}")
        _clean(run)
    return failed


def _one(run: Planned, work: Work, device: str, console: Console) -> None:
    if work is Work.NOTHING:
        return
    if work is not Work.PROBE:
        # What is begun goes on as it is written, also where the sweep asks for other probes.
        asked = open_run(run.folder).scenario if work is Work.RESUME else run.scenario
        words = TrainArguments(
            asked,
            name=run.folder.name,
            runs=run.folder.parent,
            device=device,
            resume=work is Work.RESUME,
            evaluate=False,
        )
        if _runs.train(run.name, asked, words, console) == STOPPED:
            raise _Stopped
    say(console, f"{run.folder.name}: probing")
    _runs.probe(
        run.folder, run.scenario.probe, device, Console(file=console.file, quiet=True)
    )  # tables come at the end
    found = scores(read_probes(run.folder), "trained")
    say(console, f"{run.folder.name}: " + ", ".join(f"{name} {value:.4g}" for name, value in found.items()))


def left(run: Planned) -> Work:
    """What is left to do for a run.

    Raises ValueError if its folder holds something else, DataError and CheckpointError for damaged files.
    """
    if not begun(run.folder, RUN):
        require_free(run.folder, RUN)
        return Work.TRAIN
    there = open_run(run.folder)
    require_plain(run.folder)
    wanted, found = _training(run.name, run.scenario), _training(there.name, there.scenario)
    for key in (*wanted, *found):
        if wanted.get(key) != found.get(key):
            raise ValueError(
                f"{run.folder}: a run with {key}={found.get(key)} lies there, but the sweep asks for "
                f"{key}={wanted.get(key)}; choose another --runs"
            )
    step = _trained(run.folder)
    if step is None:
        return Work.RESUME
    try:
        probes = read_probes(run.folder)
    except ValueError:
        return Work.PROBE
    same = probes["config"] == json.loads(json.dumps(dataclasses.asdict(run.scenario.probe)))
    return Work.NOTHING if same and probes["step"] == step else Work.PROBE


def _training(name: str, asked: Scenario) -> dict[str, Any]:
    """All that decides what a run learns, by dotted keys, as JSON has it."""
    parts = {key: value for key, value in scenario.to_json(asked).items() if key != "probe"}
    return {"scenario": name, **flat(json.loads(json.dumps(parts)))}


def _trained(folder: Path) -> int | None:
    """The last step of a run that was trained to its end, else None."""
    newest = checkpoint.latest(folder / "checkpoints")
    return newest.step if newest is not None and newest.state().get("steps") == newest.step else None


def _clean(run: Planned) -> None:
    """Give back what a run held, so that the next one finds the device as if it were the first."""
    if run.scenario.train.compile:
        torch.compiler.reset()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _compare(folders: list[Path], chosen: SweepArguments, console: Console) -> None:
    """The table of the runs that are done and, where M_tr varies, heat maps."""
    if not folders:
        return
    records = [_table.record_of(folder) for folder in folders]
    _table.show(_table.sheet_of(records, TableArguments(tuple(folders))), console)
    for grid in heat_maps.grids(rows(records)):
        put(console, heat_maps.table(grid))
        save_figure(heat_maps.figure(grid), chosen.figures / f"heatmap-{grid.name}.png", console)
