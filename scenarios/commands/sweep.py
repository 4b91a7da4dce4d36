"""`gazeworld sweep SCENARIO…`: train and probe methods × seeds × numbers of views, and go on where it stopped."""

import ast
import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.console import Console

from gazeworld.agents.config import LOGGER, LoggerName
from gazeworld.agents.runs import provenance
from gazeworld.agents.runs.scenario import Scenario
from gazeworld.envs import registry
from gazeworld.envs.validation import Options, shown

from . import _catalogue
from ._arguments import BARE, parsed
from ._console import save_figure, say
from ._own_data import OwnDataArguments, fitted, takes_data
from ._places import Folder
from ._words import listed

if TYPE_CHECKING:
    from gazeworld.agents.runs.sweep import Plan

_DIGITS = 20  # of whole numbers; what is beyond their bounds is said by those who have them
_OWN_FLAGS = {"train.observed": "--observed", "seed": "--seeds", "method.name": "--methods"}


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
    methods, seeds = listed(chosen.methods, "--methods"), _whole(chosen.seeds, "--seeds", 0)
    lengths = _whole(chosen.observed, "--observed", 1)
    if not names or not seeds:
        raise ValueError(f"nothing to do: {'--seeds is empty' if names else 'no scenario was named'}")
    return plan(
        [_loaded(name.replace("_", "-"), chosen.own_data) for name in names],
        methods=methods,
        seeds=seeds,
        observed=lengths,
        change=partial(_changed, changes=chosen.changes, methods=[registry.plain(name) for name in methods]),
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


def _whole(text: str, flag: str, least: int) -> list[int]:
    words = listed(text, flag)
    for word in words:
        if not (word.isdecimal() and len(word) <= _DIGITS) or int(word) < least:
            raise ValueError(f"{flag}: {shown(word)} is no whole number from {least} on; expected a list like 0,1,2")
    return [int(word) for word in words]


def _changed(asked: Scenario, changes: tuple[str, ...], methods: list[str]) -> Scenario:
    """The scenario with `key=value` settings; `METHOD:key=value` is for the runs of one method."""
    for text in changes:
        key, equals, value = text.partition("=")
        only, colon, rest = key.rpartition(":")
        if colon and only not in (methods or [asked.method["name"]]):
            raise ValueError(f"--set {text}: {only!r} is no method of this sweep")
        key = rest
        if not equals or not key:
            raise ValueError(f"--set {text}: expected key=value or METHOD:key=value, as in train.steps=300")
        if key in _OWN_FLAGS:
            raise ValueError(f"--set {text}: this is what {_OWN_FLAGS[key]} is for")
        if not colon or only == asked.method["name"]:
            try:
                asked = _set(asked, key.split("."), _value(value))
            except ValueError as error:
                raise ValueError(f"--set {text}: {error}") from error
    return asked


def _value(text: str) -> Any:
    """A number, true or false, a list, or else the text itself: what config.json can hold."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        found = ast.literal_eval(text)
        json.dumps(found)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return text
    return found


def _set(asked: Scenario, path: list[str], value: Any) -> Scenario:
    names = [field.name for field in dataclasses.fields(Scenario)]
    if path[0] not in names:
        raise ValueError(f"a scenario has no {path[0]!r}; it has {', '.join(names)}")
    return dataclasses.replace(asked, **{path[0]: _put(getattr(asked, path[0]), path[1:], value)})


def _put(old: Any, path: list[str], value: Any) -> Any:
    """A copy of a configuration or dictionary with one value replaced."""
    if not path:
        return _like(old, value)
    if dataclasses.is_dataclass(old) and not isinstance(old, type):
        names = [field.name for field in dataclasses.fields(old)]
        if path[0] not in names:
            raise ValueError(f"there is no {path[0]!r}; there are {', '.join(names)}")
        return dataclasses.replace(old, **{path[0]: _put(getattr(old, path[0]), path[1:], value)})
    if not isinstance(old, dict):
        raise ValueError(f"{old!r} has no {path[0]!r} in it")
    # An option that is not written down has the default of its world, policy or method; those refuse what they lack.
    inner = old.get(path[0], {} if path[1:] else value)
    return {**old, path[0]: _put(inner, path[1:], value)}


def _like(old: Any, value: Any) -> Any:
    """The value, if it is of the kind of the old one."""
    if isinstance(old, dict) or dataclasses.is_dataclass(old):
        raise ValueError(f"{value!r} cannot stand for all its settings; name one of them after a dot")
    if isinstance(old, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(old, tuple):
        return tuple(value) if isinstance(value, list | tuple) else (value,)
    if old is not None and type(old) is not type(value):
        raise ValueError(f"expected something like {old!r}, found {value!r}")
    return value
