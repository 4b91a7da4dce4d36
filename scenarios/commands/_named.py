"""What a command trains: a scenario by its name, with what its words put in place, or a run's folder, to go on with.

A scenario for one's own data takes `--data` and what belongs to it; its runs are named after the data.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gazeworld.agents.run_folder import RunFolder
from gazeworld.agents.runs.scenario import Scenario
from gazeworld.envs import registry
from gazeworld.envs.files import typed
from gazeworld.envs.validation import shown

from . import _catalogue
from ._console import say
from ._scenario import asked_for
from ._words import said

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Named:
    """What is named first, `usual` as it stands there and `scenario` with what the words put in place.

    `words` are those that are left to be parsed of `given`, `told` says what was put in place. `folder` is that of a
    run that goes on, None of a scenario.
    """

    name: str
    usual: Scenario
    scenario: Scenario
    given: tuple[str, ...]
    words: tuple[str, ...]
    told: tuple[str, ...] = ()
    folder: Path | None = None


def named(words: list[str], command: str, *, runs: bool = False) -> Named | None:
    """What the words name first; None where help was asked for, or nothing named, which is told.

    Where `runs` can go on, the folder of one may stand in the place of a scenario. Raises UnknownNameError for a name
    that is neither, ValueError for a run without --resume or with words that its folder says already.
    """
    if not words or words[0].startswith("-"):
        also = f"       gazeworld {command} RUN --resume [OPTIONS]\n" if runs else ""
        print(f"usage: gazeworld {command} SCENARIO [OPTIONS]\n{also}\nscenarios: {', '.join(_catalogue.names())}\n")
        print(f"gazeworld {command} SCENARIO --help lists what can be set, with the scenario's values.")
        return None
    first, rest = words[0], words[1:]
    if first.replace("_", "-") in _catalogue.names():
        return _placed(first.replace("_", "-"), _catalogue.load(first), rest)
    if runs and RunFolder(Path(first)).config.is_file():
        return _run(Path(first), rest, command)
    if runs and (Path(first).is_dir() or "/" in first):
        raise registry.UnknownNameError(
            f"{shown(first)} is neither a scenario of `gazeworld list` nor the folder of a run that has begun"
        )
    _catalogue.load(first)  # says what there is
    raise AssertionError(first)


def going_on(found: Named, folder: Path) -> Named:
    """What is named as the run in the folder has it, if that is one of this scenario: words then say what changes.

    Without it, a setting that is said as the scenario has it would look as if it had not been said.
    """
    from gazeworld.agents.runs.scenario import open_run

    if found.folder is not None or not RunFolder(folder).config.is_file():
        return found
    try:
        run = open_run(folder)
    except ValueError:
        return found  # who is to go on with it says what is wrong
    return replace(_placed(run.name, run.scenario, found.given), folder=folder) if run.name == found.name else found


def settled(found: Named, chosen: Scenario, console: "Console") -> Scenario:
    """What was chosen, with as many views as its method can learn from, unless their number was said; tells of changes.

    Only where the words put another method or world in place: what a scenario says itself fits.
    """
    told = found.told
    if told and not said(found.words, "--train.observed"):
        from gazeworld.agents.runs import swapping

        fit = swapping.fitted(chosen, {})
        chosen, told = fit.scenario, (*told, *fit.told)
    for text in told:
        say(console, text)
    return chosen


def _placed(name: str, usual: Scenario, words: Sequence[str]) -> Named:
    found, rest = asked_for(words, usual)
    return Named(name, usual, found.scenario, tuple(words), tuple(rest), found.told)


def _run(folder: Path, words: list[str], command: str) -> Named:
    """A run that is to go on."""
    from gazeworld.agents.runs.scenario import open_run

    helped = {"-h", "--help"} & {*words}
    if not said(words, "--resume") and not helped:
        raise ValueError(
            f"{folder} is the folder of a run: `{typed('gazeworld', command, folder, '--resume')}` goes on with it"
        )
    for option in ("--name", "--runs"):
        if said(words, option):
            raise ValueError(f"{option}: the run's folder is named already, {folder}; leave it out")
    run = open_run(folder)
    return replace(_placed(run.name, run.scenario, words), folder=folder)
