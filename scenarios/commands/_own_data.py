"""`--data` and what belongs to it: scenarios for one's own data, fitted to them and called after them."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

import tyro
from annotated_types import Interval

from gazeworld.agents.runs.scenario import Scenario
from gazeworld.envs import registry
from gazeworld.envs.validation import Options

from .._own_data import Given, Size
from . import _catalogue
from ._arguments import BARE, OWN
from ._words import said, values_of

Arguments = TypeVar("Arguments")


@dataclass(frozen=True)
class OwnDataArguments(Options):
    """What a scenario for one's own data learns from."""

    data: Annotated[str, tyro.conf.arg(metavar="DIR")] = ""
    """your data: a folder of images, of 3-D models, of rendered views or a packed store; or SOURCE:DIR of any source"""
    size: Size = "small"
    """small, for a few CPU cores, or resnet18, the paper's model, for a GPU; batch, steps and intervals follow"""
    side: Annotated[int, Interval(ge=0, le=2**12)] = 0
    """pixels along the side that images are brought to, or that views are drawn with (0: what suits the data)"""


@dataclass(frozen=True)
class Fitted:
    """A scenario as it suits data, and what its runs are called."""

    name: str
    scenario: Scenario


def takes_data(name: str) -> bool:
    """Whether a scenario is for one's own data: whether its file says how it is fitted to them."""
    return "fitted" in vars(registry.module(_catalogue.SCENARIOS, name.partition(":")[0]))


def fitted(name: str, given: OwnDataArguments, glimpse: int = 0) -> Fitted:
    """The scenario called `name` over the data, `saccade:uniform` over photos being `saccade-photos:uniform`.

    Where that is a scenario already, it is `saccade-own-…`: tables put runs of one name beside each other.

    Raises ValueError for a scenario that takes no data or is given none, for data that are not there, and for data
    of another kind than its world looks at.
    """
    usual, (base, colon, variant) = _catalogue.load(name), name.partition(":")
    if not takes_data(name):
        others = ", ".join(one for one in registry.names(_catalogue.SCENARIOS) if takes_data(one))
        raise ValueError(f"{name} has data of its own and takes no --data; {others} do")
    if not given.data:
        raise ValueError(
            f"{name} learns from your own data: say --data DIR, or --data SOURCE:DIR with a source of `gazeworld list`"
        )
    from gazeworld.agents.runs.own_data import own_data

    found = own_data(given.data, usual.world["name"])
    fit: Any = vars(registry.module(_catalogue.SCENARIOS, base))["fitted"]
    scenario = fit(usual, Given(found, given.size, given.side, glimpse))
    called = f"{base}-{found.name}"
    called = f"{base}-own-{found.name}" if called.replace("_", "-") in _catalogue.names() else called
    return Fitted(f"{called}{colon}{variant}", scenario)


def read(words: Sequence[str]) -> OwnDataArguments:
    """What the words say of data; numbers that are none are told when all words are parsed."""
    found = {name: value for name in ("data", "size", "side") for value in values_of(words, f"--{name}")[-1:]}
    side = found.pop("side", "0")
    return OwnDataArguments(side=int(side) if side.isdecimal() and len(side) < 9 else 0, **found)  # type: ignore[arg-type]


def glimpse_of(words: Sequence[str]) -> int:
    """The glimpse that is asked for, 0 where none is."""
    return next((int(text) for text in values_of(words, "--world.glimpse")[-1:] if text.isdecimal()), 0)


def names_a_place(words: Sequence[str]) -> bool:
    """Whether words say what is looked at without --data."""
    return any(said(words, option) for option in ("--world.source", "--world.root"))


def beside(kind: type[Arguments], default: Arguments, given: OwnDataArguments) -> tuple[type[Arguments], Arguments]:
    """A class of arguments with those of data beside it, and its default."""
    both: Any = dataclasses.make_dataclass(
        kind.__name__,
        [(OWN, OwnDataArguments, field(default=given, metadata=BARE))],
        bases=(kind,),
        frozen=True,
        namespace={"__doc__": kind.__doc__},
    )
    values = {one.name: getattr(default, one.name) for one in dataclasses.fields(default)}  # type: ignore[arg-type]
    return both, both(**values)
