"""`gazeworld train SCENARIO`: train a world model online and probe it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from annotated_types import Interval
from rich.console import Console

from gazeworld.agents.config import LOGGER, LoggerName
from gazeworld.agents.runs.processes import LostProcessError
from gazeworld.agents.runs.scenario import Scenario
from gazeworld.envs.validation import Options

from ._arguments import BARE, with_policy
from ._console import fail
from ._named import Named, going_on, named, settled
from ._places import Folder, Name


@dataclass(frozen=True)
class TrainArguments(Options):
    """Train a world model online, then probe it; everything lands in RUNS/NAME.

    Ctrl-C saves and ends with exit code 130; `gazeworld train RUN --resume` goes on from there. More --train.steps make
    the run longer, and train.log-every, save-every, probe-every, keep, threads and compile may change; other settings
    than are written are refused.
    """

    scenario: Scenario = field(metadata=BARE)
    """what is trained and probed, and how"""
    name: Name = ""
    """name of the run (empty: scenario, with its data where it takes them, and seed)"""
    runs: Folder = Path("runs")
    """folder of all runs"""
    device: str = "auto"
    """auto, cpu, cuda, mps, cuda:1 …"""
    processes: Annotated[int, Interval(ge=1, le=2**10)] = 1
    """devices (processes, on the CPU) that share every batch; gradients are averaged over them. Each normalises its own
    part, and compares streams with those of its part alone; train.sync-batch-norm has them share statistics"""
    logger: LoggerName = LOGGER
    """where the numbers go beside metrics.jsonl: tensorboard, wandb, trackio (which pip installs) or none"""
    resume: bool = False
    """go on from the newest checkpoint of RUNS/NAME, with the configuration written there"""
    evaluate: bool = True
    """probe after training"""


def run(words: list[str]) -> int:
    """Carry the command out; returns the exit code."""
    found = named(words, "train", runs=True)
    if found is None:
        return 0 if words else 2
    chosen = _chosen(found)
    if chosen.resume and found.folder is None:
        found = going_on(found, _folder(found, chosen))
        chosen = _chosen(found)
    from gazeworld.agents.training.loop import NonFiniteLossError

    try:
        return _trained(found, chosen, Console())
    except (NonFiniteLossError, LostProcessError) as error:
        return fail(str(error), 1)


def _chosen(found: Named) -> TrainArguments:
    return found.parsed("train", TrainArguments(found.scenario))


def _folder(found: Named, chosen: TrainArguments) -> Path:
    """Where the run lies."""
    return found.folder or chosen.runs / (chosen.name or f"{found.name.replace(':', '-')}-{chosen.scenario.seed}")


def _trained(found: Named, chosen: TrainArguments, console: Console) -> int:
    """Train or resume, then probe unless told not to; the exit code: 0 done, 130 stopped by Ctrl-C."""
    from gazeworld.agents.runs import build
    from gazeworld.agents.runs.scenario import Run
    from gazeworld.agents.runs.train_run import train_run

    from . import _runs

    folder = _folder(found, chosen)
    asked = settled(found, with_policy(chosen.scenario, found.usual, folder), console)
    run = Run(folder, found.name, asked)
    if chosen.evaluate and not (chosen.resume or asked.probe.online):  # else the online probe looks for them
        for split in (asked.probe_split, asked.test_split):
            build.world_of(asked, split, "cpu")
    run, finished = train_run(
        run,
        chosen.device,
        resume=chosen.resume,
        console=console,
        processes=chosen.processes,
        usual=found.usual,
        logger=chosen.logger,
    )
    return _runs.ended(run, finished, console, device=chosen.device, evaluate=chosen.evaluate)
