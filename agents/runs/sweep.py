"""A sweep: scenarios × methods × M_tr × seeds, planned and tried, then trained and probed one after another.

What is done is skipped, what was begun goes on, and a run that fails costs no other.
"""

import dataclasses
import gc
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from gazeworld.envs import registry
from gazeworld.envs.files import DataError
from gazeworld.envs.rng import Draws
from gazeworld.envs.world import World
from gazeworld.models.method import CheckpointError

from ..config import LOGGER, LoggerName
from ..run_folder import read_probes, scores
from ..training import checkpoint
from ..training.loggers import require_logger
from ..training.loop import POLICY, collect
from ..training.progress import Bar
from . import build, scenario, swapping
from .evaluate_run import Evaluated, evaluate_run
from .resuming import RUN, begun, require_free, require_plain
from .scenario import Run, Scenario, flat, open_run, placed
from .train_run import train_run


@dataclass(frozen=True)
class Planned:
    """One run of a sweep: the scenario's name, what exactly will be trained and where it lies."""

    name: str
    scenario: Scenario
    folder: Path


@dataclass(frozen=True)
class Plan:
    """All runs of a sweep, what people should know of how they came about, and the worlds built so far to find out."""

    runs: tuple[Planned, ...]
    told: tuple[str, ...]
    worlds: dict[str, World]


@dataclass(frozen=True)
class Swept:
    """What came of a sweep: folders of runs that are done, what others failed of, and whether Ctrl-C ended it early."""

    done: tuple[Path, ...]
    failed: dict[Path, Exception]
    stopped: bool


class Work(Enum):
    """What is left to do for a run."""

    NOTHING = "done already"
    PROBE = "trained, now probed"
    RESUME = "begun before, goes on"
    TRAIN = "trained and probed"
    NEITHER = "damaged"


def plan(
    scenarios: Sequence[tuple[str, Scenario]],
    *,
    methods: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    observed: Sequence[int] = (),
    change: Callable[[Scenario], Scenario] = lambda asked: asked,
    runs: Path = Path("runs"),
    device: str = "auto",
) -> Plan:
    """The runs of scenarios, each with its name, with other methods in its place, other M_tr and several seeds.

    Without `methods` a scenario has its own, without `observed` its own M_tr or the nearest that the method can learn
    from. `change` makes further settings, once the method is in its place. Runs lie in folders in `runs`.
    Raises ValueError for names that are not there, settings that do not fit and a device that cannot be used.
    """
    if not scenarios or not seeds:
        raise ValueError(f"nothing to do: {'no seed was given' if scenarios else 'no scenario was named'}")
    found: dict[Path, Planned] = {}
    told: dict[str, None] = {}
    worlds: dict[str, World] = {}
    for name, base in scenarios:
        for method in methods or [base.method["name"]]:
            swapped = swapping.with_method(base, method)
            fit = swapping.fitted(change(swapped.scenario), worlds)
            fitted = fit.scenario
            told |= dict.fromkeys(f"{name}: {text}" for text in (*swapped.told, *fit.told))
            for length in observed or [fitted.train.observed]:
                longer = placed(fitted.changed(train={"observed": length}))
                label = _label(name, base, longer, default=fitted.train.observed)
                for seed in seeds:
                    folder = runs / f"{label}-{seed}"
                    if folder in found:
                        raise ValueError(f"{folder}: two runs of the sweep would lie there")
                    found[folder] = Planned(name, longer.changed(seed=seed), folder)
    for one in {run.scenario.train.precision: run.scenario for run in found.values()}.values():
        build.fabric_of(one, device)  # a device that is not there is told once, not by every run
    return Plan(tuple(found.values()), tuple(told), worlds)


def _label(name: str, base: Scenario, asked: Scenario, default: int) -> str:
    """Name of a run without its seed: as `gazeworld train` would call it, and what differs from the scenario."""
    words = [name.replace(":", "-")]
    if asked.method["name"] != base.method["name"]:
        words.append(registry.short(asked.method["name"]))
    if asked.train.observed != default:
        words.append(f"m{asked.train.observed}")
    return "-".join(words)


def try_out(plan: Plan) -> None:
    """Build every kind of run of a plan once, and look around in its world, without training anything.

    Raises ValueError, naming the run, where a world, a method or a policy cannot be had as it is asked for.
    """
    tried: set[str] = set()
    for run in plan.runs:
        asked = run.scenario
        key = json.dumps(scenario.to_json(asked.changed(seed=0)), sort_keys=True)
        if key in tried:
            continue
        tried.add(key)
        try:
            world = swapping.world_once(asked, plan.worlds)
            build.check_method(asked, world)
            build.check_regions(asked, world)
            method = build.method_of(asked, world).eval()
            there = build.place_of(asked, world, 2)
            there.policy.attach(method)
            length = max(asked.train.observed, asked.probe.views) + 1
            collect(there.env, there.policy, length, Draws.rows(0, 2).fold(POLICY), {"episode": 0})
            for split in (asked.probe_split, asked.test_split):
                swapping.world_once(asked.changed(world={"split": split}), plan.worlds)
        except ValueError as error:
            raise ValueError(f"{run.folder.name} cannot be trained: {error}") from error


def sweep(
    asked: Plan,
    device: str = "auto",
    *,
    tell: Callable[[str], None] = print,
    console: Console | None = None,
    logger: LoggerName = LOGGER,
    trained: Callable[[Run, bool], None] = lambda run, finished: None,
    probed: Callable[[Evaluated], None] = lambda done: None,
) -> Swept:
    """Train and probe what is left of a plan, one run after another in this process.

    `tell` is given a line for everything that begins or fails, `console` shows how far training is, and `logger` is
    where its numbers go beside metrics.jsonl. `trained` is called with every run that trained and whether it came to
    its end, `probed` with every run that was probed: to draw them.
    Raises ValueError, before anything is trained, for what cannot be trained and for folders that hold other runs.
    """
    require_logger(logger)
    train = partial(train_run, device=device, console=console, logger=logger)
    probe = partial(_probe, device=device, console=console)
    work = {run.folder: _found(run) for run in asked.runs}
    todo = [run for run in asked.runs if work[run.folder] is not Work.NOTHING]
    for text in asked.told:
        tell(text)
    tell(f"{len(asked.runs)} runs in {asked.runs[0].folder.parent}, {len(asked.runs) - len(todo)} done already")
    try_out(dataclasses.replace(asked, runs=tuple(run for run in todo if work[run.folder] is not Work.NEITHER)))
    asked.worlds.clear()  # every run builds its own, where it is trained
    done, failed = [run.folder for run in asked.runs if run not in todo], dict[Path, Exception]()
    began, stopped = time.monotonic(), False
    try:
        for number, run in enumerate(todo):
            place = f"[{number + 1}/{len(todo)}] {run.folder.name}"
            rest = (time.monotonic() - began) / number * (len(todo) - number) if number else None
            ahead = "" if rest is None else f"; about {timedelta(seconds=round(rest))} left"
            try:
                # Looked at anew: another process may have trained it in the meantime.
                work_left = left(run)
                tell(f"{place}: {work_left.value}{ahead}")
                _one(run, work_left, tell, train, probe, trained, probed)
                done.append(run.folder)
            except Exception as error:  # whatever it was, the other runs are not to be lost for it
                failed[run.folder] = error
                tell(f"{place} failed: {type(error).__name__}: {error}")
            _clean(run)
    except KeyboardInterrupt:
        stopped = True
    return Swept(tuple(run.folder for run in asked.runs if run.folder in done), failed, stopped)


def _found(run: Planned) -> Work:
    """What is left to do for a run; a damaged one is no reason not to train the others."""
    try:
        return left(run)
    except (DataError, CheckpointError):
        return Work.NEITHER


def _one(
    run: Planned,
    work: Work,
    tell: Callable[[str], None],
    train: Callable[..., tuple[Run, bool]],
    probe: Callable[[Planned], Evaluated],
    trained: Callable[[Run, bool], None],
    probed: Callable[[Evaluated], None],
) -> None:
    """Do what is left for a run. Raises KeyboardInterrupt where training saved what it had and returned early."""
    if work is Work.NOTHING:
        return
    if work is not Work.PROBE:
        resume = work is Work.RESUME
        # What is begun goes on as it is written, also where the sweep asks for other probes.
        asked = open_run(run.folder).scenario if resume else run.scenario
        ran, finished = train(Run(run.folder, run.name, asked), resume=resume, usual=asked)
        trained(ran, finished)
        if not finished:
            raise KeyboardInterrupt
    tell(f"{run.folder.name}: probing")
    probed(probe(run))
    found = scores(read_probes(run.folder), "trained")
    tell(f"{run.folder.name}: " + ", ".join(f"{name} {value:.4g}" for name, value in found.items()))


def _probe(run: Planned, device: str, console: Console | None) -> Evaluated:
    """Probe a run; a bar says how far that is, where there is a terminal."""
    with Bar(Console(quiet=True) if console is None else console, "probing") as bar:

        def tick(what: str, done: int, total: int) -> None:
            bar.move(done, total)
            bar.note("now", what)

        return evaluate_run(run.folder, run.scenario.probe, device, tick)


def left(run: Planned) -> Work:
    """What is left to do for a run.

    Raises ValueError if its folder holds something else, DataError and CheckpointError for damaged files.
    """
    if not begun(run.folder, RUN):
        require_free(run.folder, RUN)
        return Work.TRAIN
    there = open_run(run.folder)
    require_plain(run.folder)
    wanted, found = _training(run.name, run.scenario), _training(there.name, placed(there.scenario))
    for key in (*wanted, *found):
        if wanted.get(key) != found.get(key):
            raise ValueError(
                f"{run.folder}: a run with {key}={found.get(key)} lies there, but the sweep asks for "
                f"{key}={wanted.get(key)}; choose another --runs"
            )
    step = _trained(there)
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


def _trained(run: Run) -> int | None:
    """The last step of a run that was trained to its end, else None; one that was made longer begins it anew."""
    newest = checkpoint.latest(run.files.checkpoints)
    if newest is None or newest.state().get("steps") != newest.step:
        return None
    return newest.step if run.scenario.train.epochs or newest.step >= run.scenario.train.steps else None


def _clean(run: Planned) -> None:
    """Give back what a run held, so that the next one finds the device as if it were the first."""
    if run.scenario.train.compile:
        torch.compiler.reset()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
