"""`gazeworld controls`: ten ways to look, a world model for each, and what it says of maps of what is salient."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console

from gazeworld.agents.config import ControlConfig
from gazeworld.agents.runs import provenance
from gazeworld.envs.validation import Options

from . import _catalogue
from ._arguments import BARE, parsed
from ._console import save_figure, say
from ._places import Folder
from ._settings import changed, whole
from ._words import listed


@dataclass(frozen=True)
class ControlsArguments(Options):
    """Does it matter that a map of what is salient is that of *this* image, beyond a centre and not looking twice?

    Uniform, centre, another image's, the own and the transposed map, each with and without inhibition of return: ten
    conditions, a world model of each for every seed, trained and tested with its own fixations. What is unfinished is
    resumed and what is done is skipped: the same command goes on after Ctrl-C, a kill or a failure. Table, figure and
    numbers are written anew from the runs that there are, seed by seed.
    """

    scenarios: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SCENARIO …")] = (
        "saccade-stamps",
        "saccade-fashion",
    )
    """scenarios whose policy is saliency, with or without :variant"""
    config: ControlConfig = field(default_factory=ControlConfig, metadata=BARE)
    """how large it is"""
    seeds: str = "0,100000,200000"
    """seeds, separated by commas; rows are keyed by seed + row, so they should lie far apart"""
    conditions: str = ""
    """conditions, separated by commas, as in own-ior,centre-ior (empty: all ten)"""
    changes: Annotated[tuple[str, ...], tyro.conf.arg(name="set")] = field(default_factory=tuple)
    """further settings of all runs, as in train.threads=2 probe.views=4"""
    runs: Folder = Path("runs/controls")
    """folder of all runs"""
    out: Folder = Path("controls")
    """folder for controls.md, controls.png of every scenario, and controls.json"""
    device: str = "auto"
    """auto, cpu, cuda, mps, cuda:1 …"""


def run(words: list[str]) -> int:
    """Carry the command out; returns the exit code: 0 done, 1 where a run failed, 130 after Ctrl-C.

    Raises ValueError, before anything is trained, for what cannot be trained and for folders that hold other runs.
    """
    chosen, console = parsed(ControlsArguments, words, "gazeworld controls"), Console()
    from gazeworld.agents.comparison import controls
    from gazeworld.agents.runs.sweep import sweep

    names = [name.replace("_", "-") for name in listed(",".join(chosen.scenarios), "SCENARIO")]
    seeds = whole(chosen.seeds, "--seeds", 0)
    if not names or not seeds:
        raise ValueError(f"nothing to do: {'--seeds is empty' if names else 'no scenario was named'}")
    bases = [(name, _catalogue.load(name)) for name in names]
    change = partial(changed, changes=chosen.changes, methods=[])
    some = [controls.condition(name) for name in listed(chosen.conditions, "--conditions")]
    asked = controls.plan(bases, chosen.config, seeds, chosen.runs, change, some or None)
    maps: dict[str, Any] = {}  # scored at the end: they need no run, and a resumed command would score them again

    def written(done: Any = None) -> None:
        del done
        _write(controls.collected(names, seeds, chosen.runs), maps, chosen, console)

    done = sweep(asked, chosen.device, tell=partial(say, console), console=console, logger="none", probed=written)
    if done.stopped:
        written()
        say(console, f"stopped; to go on: {provenance.command()}")
        return provenance.STOPPED
    maps |= {name: controls.map_table(change(base), chosen.config, chosen.device) for name, base in bases}
    written()
    for folder, error in done.failed.items():
        say(console, f"failed: {folder}: {type(error).__name__}: {error}")
    return 1 if done.failed else 0


def _write(found: dict[str, Any], maps: dict[str, Any], chosen: ControlsArguments, console: Console) -> None:
    """The numbers, a page of tables and a figure of each scenario, from the runs that have been probed so far."""
    from gazeworld.envs.files import write_text

    from ..reports import controls_report, tables

    quiet = Console(file=console.file, quiet=True)
    tables.write({"maps": maps, "scenarios": found}, chosen.out / "controls.json")
    pages = []
    for name, one in found.items():
        if one["conditions"]:
            pages.append(controls_report.page(name, one, maps.get(name)))
            save_figure(controls_report.figure(name, one), chosen.out / f"controls-{name.replace(':', '-')}.png", quiet)
    write_text(chosen.out / "controls.md", "\n".join(pages))
    say(console, f"written: {chosen.out / 'controls.md'}")
