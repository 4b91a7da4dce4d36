"""What a command trains: a scenario by its name, with what its words put in place, or a run's folder, to go on with.

A scenario for one's own data takes `--data` and what belongs to it; its runs are named after the data.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gazeworld.agents.run_folder import RunFolder
from gazeworld.agents.runs.scenario import Scenario
from gazeworld.envs import registry
from gazeworld.envs.files import typed
from gazeworld.envs.validation import shown

from . import _catalogue
from ._arguments import parsed
from ._console import say
from ._own_data import OwnDataArguments, beside, fitted, glimpse_of, names_a_place, read, takes_data
from ._scenario import asked_for
from ._words import said

if TYPE_CHECKING:
    from rich.console import Console

Arguments = TypeVar("Arguments")


@dataclass(frozen=True)
class Named:
    """What is named first, `usual` as it stands there and `scenario` with what the words put in place.

    `words` are those that are left to be parsed of `given`, `told` says what was put in place. `folder` is that of a
    run that goes on, None of a scenario; `own` is what is said of data, None of a scenario that has its own.
    """

    name: str
    usual: Scenario
    scenario: Scenario
    given: tuple[str, ...]
    words: tuple[str, ...]
    told: tuple[str, ...] = ()
    folder: Path | None = None
    own: OwnDataArguments | None = None

    def parsed(self, command: str, default: Arguments) -> Arguments:
        """The arguments that the words stand for; what is not said is as in `default`."""
        kind = type(default)
        if self.own is not None:
            kind, default = beside(kind, default, self.own)
        return parsed(kind, self.words, f"gazeworld {command} {self.name}", default)


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
        return _scenario(first.replace("_", "-"), rest)
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
    if run.name != found.name:
        return found  # the same
    _require_same_data(found, run.scenario, folder)
    return replace(_placed(run.name, run.scenario, found.given), folder=folder, own=found.own)


def _scenario(name: str, words: Sequence[str]) -> Named:
    """A scenario, over one's own data where it takes them."""
    usual, own = _catalogue.load(name), None
    if takes_data(name):
        own = read(words)
        if own.data or not (names_a_place(words) or _helped(words)):
            fit = fitted(name, own, glimpse_of(words))
            name, usual = fit.name, fit.scenario
    elif said(words, "--data"):
        fitted(name, read(words))  # says which ones do
    return replace(_placed(name, usual, words), own=own)


def _require_same_data(found: Named, written: Scenario, folder: Path) -> None:
    """Raise ValueError where other data are named than a run was begun with, or another size for them."""
    asked, there = ((world.get("source", ""), world.get("root", "")) for world in (found.usual.world, written.world))
    if found.own is not None and found.own.data and asked != there:
        raise ValueError(f"{folder}: begun with the data {there[1] or there[0]}, found {asked[1] or asked[0]}")
    for option in ("--size", "--side"):
        if found.own is not None and said(found.given, option):
            raise ValueError(f"{option}: {folder} goes on as it was begun; leave it out")


def _helped(words: Sequence[str]) -> bool:
    return bool({"-h", "--help"} & {*words})


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

    if not said(words, "--resume") and not _helped(words):
        raise ValueError(
            f"{folder} is the folder of a run: `{typed('gazeworld', command, folder, '--resume')}` goes on with it"
        )
    for option in ("--name", "--runs"):
        if said(words, option):
            raise ValueError(f"{option}: the run's folder is named already, {folder}; leave it out")
    run = open_run(folder)
    return replace(_placed(run.name, run.scenario, words), folder=folder)
