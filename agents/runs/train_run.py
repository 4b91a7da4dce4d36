"""Training a run: from its beginning or from where it was, in one process or several, to its end or Ctrl-C."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from rich.console import Console

from gazeworld.envs.world import World

from ..config import LOGGER, LoggerName
from ..run_folder import read_config
from ..training import checkpoint
from ..training.loggers import require_logger
from ..training.loop import Session, restore, train
from ..training.recorder import Recorder
from . import build
from .processes import together
from .provenance import made_by
from .resuming import RUN, require_plain, require_same_data, require_same_scenario, writing
from .scenario import Run, Scenario, open_run, write_config


def train_run(
    run: Run,
    device: str = "auto",
    *,
    resume: bool = False,
    console: Console | None = None,
    processes: int = 1,
    usual: Scenario | None = None,
    logger: LoggerName = LOGGER,
) -> tuple[Run, bool]:
    """Train a run to its end, or until it is interrupted; returns it and whether it is finished.

    A run that goes on must be what is asked for, but for settings that are as `usual` (None: in all settings); it may
    have another `logger`, which is where its numbers go beside metrics.jsonl.
    Raises ValueError if the folder holds a run already and `resume` is off, or `resume` is on and there is none that
    plain training began, or one of another scenario or with other settings than the run asks for; BusyError, which is
    one, if another process trains there; OptionError for a logger that is not installed, ConnectionError for one whose
    service refuses to begin.
    """
    require_logger(logger)
    console = Console(quiet=True) if console is None else console
    with build.threads_given_back(), writing(run.folder, RUN, resume=resume):
        run = _resumed(run, usual) if resume else run
        return _begun(run, device, resume=resume, console=console, processes=processes, logger=logger)


def _begun(
    run: Run, device: str, *, resume: bool, console: Console, processes: int, logger: LoggerName
) -> tuple[Run, bool]:
    """Train with so many processes; what cannot work fails before others are started."""
    fabric = build.fabric_of(run.scenario, device, processes)
    world = build.world_of(run.scenario, run.scenario.world["split"], fabric.device)
    if not resume:
        build.check_regions(run.scenario, world)
    build.check_shares(run.scenario, world, processes)
    with together(processes, build.is_external(fabric), lambda: checkpoint.last_good(run.files.checkpoints)):
        return _trained(run, fabric, world, resume=resume, console=console, logger=logger)


def _trained(
    run: Run, fabric: Fabric, world: World, *, resume: bool, console: Console, logger: LoggerName
) -> tuple[Run, bool]:
    """Train with all processes of a Fabric; the first has the console, the folder and the logger."""
    fabric.launch()
    if run.scenario.train.threads:  # after the launch, which sets a number of its own
        torch.set_num_threads(run.scenario.train.threads)
    if not fabric.is_global_zero:
        console, logger = Console(quiet=True), "none"
    session = build.session_of(run.scenario, fabric, world)
    steps = build.steps_of(run.scenario, world.size)
    start = 0
    if resume:
        session = _restore(run, session, world, console)
        start = session.resumed[-1]["step"]
    if not resume and fabric.is_global_zero:
        write_config(run, made_by(fabric, world))
    console.print(
        f"{run.name}: {world.size} scenes, {sum(p.numel() for p in session.module.parameters()):,} parameters, "
        f"steps {start} → {steps}, on {fabric.device}",
        highlight=False,
    )
    for sentence in build.left_out(session):
        console.print(f"{run.name}: {sentence}", highlight=False, markup=False)
    with tempfile.TemporaryDirectory() as scratch:  # the other processes have nothing to record
        folder = run.folder if fabric.is_global_zero else Path(scratch)
        recorder = Recorder(folder, start=start, steps=steps, console=console, logger=logger)
        try:
            done = train(session, build.config_with(run.scenario, steps), run.files.checkpoints, recorder, start)
        finally:
            recorder.close()
    return run, done == steps


def _resumed(asked: Run, usual: Scenario | None) -> Run:
    """The run that lies in the folder, which must be what is asked for."""
    there = open_run(asked.folder)
    require_plain(asked.folder)
    require_same_scenario(asked.folder, asked.name, asked.scenario, usual or there.scenario, there.scenario)
    return there


def _restore(run: Run, session: Session, world: World, console: Console) -> Session:
    """The session as it was saved last, or as it began; it notes from where, and with what, it goes on."""
    require_same_data(run.folder, world)
    found = checkpoint.latest(run.files.checkpoints)
    before: list[dict[str, Any]] = []
    if found is not None:
        restore(session, found)
        before = found.state().get("resumed", [])
    made = {key: value for key, value in made_by(session.fabric, world).items() if key != "fingerprint"}
    last = before[-1] if before else read_config(run.folder)["made_by"]
    if last.get("processes", 1) != made["processes"]:
        console.print(
            f"{run.folder}: processes so far: {last.get('processes', 1)}, now: {made['processes']}; from here on "
            "numbers differ from those of the run as it began",
            highlight=False,
            soft_wrap=True,
            markup=False,
        )
    return replace(session, resumed=(*before, {"step": found.step if found else 0, **made}))
