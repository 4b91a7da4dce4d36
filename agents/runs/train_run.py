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
from ..training.recorded_streams import settled
from ..training.recorder import Recorder
from . import build
from .processes import together
from .provenance import made_by
from .resuming import RUN, changes, continued, require_longer, require_plain, require_same_data, writing
from .scenario import Run, Scenario, open_run, placed, rewrite_config, write_config


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

    A run that goes on must be what is asked for, but for settings that are as `usual` (None: in all settings) and for
    those that may change (`resuming.HARMLESS`); it may have another `logger`, which is where its numbers go beside
    metrics.jsonl. It may become longer: from there on learning rate and momentum are what they are at this step of a
    run of the new length, since both are functions of progress alone. So the rate of a run that had come to its end
    rises again, without a warm-up, and what is learnt is not what a run of that length from the beginning learns;
    config.json and the checkpoints say in `resumed` from which step on it was longer. What was recorded stays.
    Raises ValueError if the folder holds a run already and `resume` is off, or `resume` is on and there is none that
    plain training began, or one of another scenario or with other settings than the run asks for; BusyError, which is
    one, if another process trains there; OptionError for a logger that is not installed, ConnectionError for one whose
    service refuses to begin.
    """
    require_logger(logger)
    console = Console(quiet=True) if console is None else console
    streams = settled(run.scenario.train.streams)
    run = replace(run, scenario=run.scenario.changed(train={"streams": streams}))
    with build.threads_given_back(), writing(run.folder, RUN, resume=resume):
        before = open_run(run.folder).scenario if resume else None
        run = _resumed(run, usual) if resume else replace(run, scenario=placed(run.scenario))
        return _begun(run, device, before, console=console, processes=processes, logger=logger)


def _begun(
    run: Run, device: str, before: Scenario | None, *, console: Console, processes: int, logger: LoggerName
) -> tuple[Run, bool]:
    """Train with so many processes; what cannot work fails before others are started.

    `before` is what a run that goes on was so far, None of one that begins.
    """
    fabric = build.fabric_of(run.scenario, device, processes)
    world = build.world_of(run.scenario, run.scenario.world["split"], fabric.device)
    if before is None:
        build.check_regions(run.scenario, world)
    else:
        steps = (build.steps_of(before, world.size), build.steps_of(run.scenario, world.size))
        require_longer(run.folder, before, run.scenario, steps)
    build.check_shares(run.scenario, world, processes)
    with together(processes, build.is_external(fabric), lambda: checkpoint.last_good(run.files.checkpoints)):
        return _trained(run, fabric, world, before, console=console, logger=logger)


def _trained(
    run: Run, fabric: Fabric, world: World, before: Scenario | None, *, console: Console, logger: LoggerName
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
    if before is not None:
        session = _restore(run, session, world, before, console)
        start = session.resumed[-1]["step"]
        if before != run.scenario and fabric.is_global_zero:
            rewrite_config(run, session.resumed[-1])
    elif fabric.is_global_zero:
        write_config(run, made_by(fabric, world) | _streams_of(session))
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


def _streams_of(session: Session) -> dict[str, str]:
    """What config.json says of the recorded streams that are learnt from, if they are."""
    return {} if session.streams is None else {"streams": session.streams.recorded.fingerprint}


def _require_same_streams(run: Run, session: Session) -> None:
    """Raise ValueError unless a dataset of streams holds what the run began to learn from."""
    written, found = read_config(run.folder)["made_by"].get("streams"), _streams_of(session).get("streams")
    if written != found:
        raise ValueError(f"{run.folder}: trained on streams {written}, but {run.scenario.train.streams} holds {found}")


def _resumed(asked: Run, usual: Scenario | None) -> Run:
    """The run that lies in the folder, which must be what is asked for, with what may change as it is asked for."""
    there = open_run(asked.folder)
    require_plain(asked.folder)
    found = continued(asked.folder, asked.name, asked.scenario, usual or there.scenario, there.scenario)
    return replace(there, scenario=found)


def _restore(run: Run, session: Session, world: World, before: Scenario, console: Console) -> Session:
    """The session as it was saved last, or as it began; it notes from where, and with what, it goes on."""
    require_same_data(run.folder, world)
    _require_same_streams(run, session)
    found = checkpoint.latest(run.files.checkpoints)
    past: list[dict[str, Any]] = []
    if found is not None:
        restore(session, found)
        past = found.state().get("resumed", [])
    made = {key: value for key, value in made_by(session.fabric, world).items() if key != "fingerprint"}
    last = past[-1] if past else read_config(run.folder)["made_by"]
    if last.get("processes", 1) != made["processes"]:
        console.print(
            f"{run.folder}: processes so far: {last.get('processes', 1)}, now: {made['processes']}; from here on "
            "numbers differ from those of the run as it began",
            highlight=False,
            soft_wrap=True,
            markup=False,
        )
    if changed := changes(before, run.scenario):
        made["changed"] = changed
    return replace(session, resumed=(*past, {"step": found.step if found else 0, **made}))
