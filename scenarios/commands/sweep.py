"""`gazeworld sweep SCENARIO…`: train and probe methods × seeds × numbers of views, and go on where it stopped."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from gazeworld.agents.config import LOGGER, LoggerName
from gazeworld.agents.runs import provenance
from gazeworld.agents.runs.scenario import Scenario
from gazeworld.envs import registry
from gazeworld.envs.validation import Options

from . import _catalogue
from ._arguments import BARE, parsed
from ._console import save_figure, say
from ._own_data import OwnDataArguments, fitted, takes_data
from ._places import Folder
from ._settings import changed, whole
from ._words import listed

if TYPE_CHECKING:
    from gazeworld.agents.runs.sweep import Plan


@dataclass(frozen=True)
class SweepArguments(Options):
    """Train and probe scenarios × methods × numbers of views × seeds, then put them in a table.

    What is unfinished is resumed, what is done is skipped: the same command goes on after Ctrl-C, a kill or a failure.
    A run that fails does not stop the others; the exit code is then 1, after Ctrl-C 130.
    """

    scenarios: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SCENARIO …")]
    """scenarios, with or without :variant"""
    own_data: OwnDataArguments = field(default_factory=OwnDataArguments, metadata=BARE)
    """what scenarios for one's own data learn from"""
    methods: str = ""
    """methods in the scenario's place, separated by commas (empty: its own)"""
    seeds: str = "0"
    """seeds, separated by commas"""
    observed: str = ""
    """values of M_tr, separated by commas (empty: the scenario's, or the nearest that the method can learn from)"""
    changes: Annotated[tuple[str, ...], tyro.conf.arg(name="set")] = field(default_factory=tuple)
    """further settings of all runs, as in train.steps=300 probe.views=4; byol:train.lr=1e-3 is for BYOL's runs alone"""
    runs: Folder = Path("runs")
    """folder of all runs"""
    figures: Folder = Path("figures")
    """folder for heat maps of M_tr against M_val"""
    device: str = "auto"
    """auto, cpu, cuda, mps, cuda:1 …"""
    logger: LoggerName = LOGGER
    """where the numbers go beside metrics.jsonl: tensorboard, wandb, trackio (which pip installs) or none"""


def run(words: list[str]) -> int:
    """Carry the command out; returns the exit code: 0 done, 1 where a run failed, 130 after Ctrl-C.

    Raises ValueError, before anything is trained, for what cannot be trained and for folders that hold other runs.
    """
    chosen, console = parsed(SweepArguments, words, "gazeworld sweep"), Console()
    from gazeworld.agents.runs.sweep import sweep

    from . import _runs

    quiet = Console(file=console.file, quiet=True)  # tables come at the end
    done = sweep(
        plan_of(chosen),
        chosen.device,
        tell=partial(say, console),
        console=console,
        logger=chosen.logger,
        trained=lambda run, finished: _runs.trained(run, finished, console),
        probed=lambda found: _runs.drawn(found, quiet),
    )
    if done.stopped:
        say(console, f"stopped; to go on: {provenance.command()}")
        return provenance.STOPPED
    if done.done:
        _compare(done.done, chosen.figures, console)
    for folder, error in done.failed.items():
        say(console, f"failed: {folder}: {type(error).__name__}: {error}")
    if done.failed:
        number = len(done.failed) + len(done.done)
        say(console, f"{len(done.failed)} of {number} runs failed; the same command tries them again")
    return 1 if done.failed else 0


def plan_of(chosen: SweepArguments) -> "Plan":
    """The runs that the arguments ask for.

    Raises ValueError for names that are not there and settings that do not fit.
    """
    from gazeworld.agents.runs.sweep import plan

    names = listed(",".join(chosen.scenarios), "SCENARIO")
    methods, seeds = listed(chosen.methods, "--methods"), whole(chosen.seeds, "--seeds", 0)
    lengths = whole(chosen.observed, "--observed", 1)
    if not names or not seeds:
        raise ValueError(f"nothing to do: {'--seeds is empty' if names else 'no scenario was named'}")
    return plan(
        [_loaded(name.replace("_", "-"), chosen.own_data) for name in names],
        methods=methods,
        seeds=seeds,
        observed=lengths,
        change=partial(changed, changes=chosen.changes, methods=[registry.plain(name) for name in methods]),
        runs=chosen.runs,
        device=chosen.device,
    )


def _loaded(name: str, own: OwnDataArguments) -> tuple[str, Scenario]:
    """A scenario with what its runs are called, over one's own data where it takes them."""
    if name in _catalogue.names() and (takes_data(name) or own.data):
        fit = fitted(name, own)
        return fit.name, fit.scenario
    return name, _catalogue.load(name)


def _compare(folders: Sequence[Path], figures: Path, console: Console) -> None:
    """The table of the runs that are done and, where M_tr varies, heat maps."""
    from gazeworld.agents.runs.records import record_of

    from ..reports import heat_maps, table_files, tables
    from ..reports.rows import rows

    records = [record_of(folder) for folder in folders]
    table_files.show(table_files.sheet_of(records, _catalogue.paper_data), console)
    for grid in heat_maps.grids(rows(records)):
        tables.put(console, heat_maps.table(grid))
        save_figure(heat_maps.figure(grid), figures / f"heatmap-{grid.name}.png", console)
