"""Types and bounds of options, stated once in a signature and checked wherever a value comes in.

A bound is written where the option is: `glimpse: Annotated[int, Interval(ge=0, le=SIDE)]`, or by one of the names
below. The same words serve constructors (`validated`), configurations (`Options`), files (`from_mapping`) and help
(`expectation`). Checking is pydantic's, in strict mode: True is no integer, 1.5 no integer, "3" no number, NaN and
infinity no numbers; NumPy's scalars count as Python's, and an integer as a number.
"""

import dataclasses
import difflib
import functools
import inspect
import os
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, ParamSpec, TypeVar, Union

import annotated_types as bounds
import numpy as np
from annotated_types import Ge, Gt, Interval, Le, Lt, Predicate

from .files import one_line

Call = ParamSpec("Call")
Made = TypeVar("Made")
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)

# Upper bounds are far above anything useful: they refuse, before memory or an hour is spent, what can only be a slip.
MANY = 2**31 - 1


def nameable(text: str) -> bool:
    """A path that file systems can hold: no part longer than 255 bytes, 4095 in all, and no NUL."""
    try:
        parts = os.fsencode(text).split(os.fsencode(os.sep))
    except UnicodeEncodeError:
        return False
    return "\0" not in text and max(map(len, parts)) <= 255 and sum(map(len, parts)) + len(parts) <= 4096


INNER = {"inner": True}
"""Metadata of an option that follows from others or is a matter of the machine, so that no command asks for it."""
COMMAS = {"commas": True}
"""Metadata of an option of several words that a command takes as one, with commas between them."""
Natural = Annotated[int, Interval(ge=0, le=MANY)]
"""A count that may be zero."""
Positive = Annotated[int, Interval(ge=1, le=MANY)]
"""A count of at least one."""
Rows = Annotated[int, Interval(ge=1, le=2**20)]
"""Environments, streams or samples that are held in memory side by side."""
Side = Annotated[int, Interval(ge=1, le=2**13)]
"""Pixels along the side of an image or a view."""
SideOrOwn = Annotated[int, Interval(ge=0, le=2**13)]
"""Pixels along the side of a view; 0 leaves it to what is looked at."""
DrawnSide = Annotated[int, Interval(ge=8, le=2**10)]
"""Pixels along the side of a view that is drawn from a mesh."""
RenderedSide = Annotated[int, Interval(ge=1, le=2**10)]
"""The same, for renderers, which draw smaller ones, too."""
DrawnSideOrOwn = Annotated[int, Interval(ge=0, le=2**10)]
"""The same; 0 leaves it to the source."""
SceneSide = Annotated[int, Interval(ge=8, le=2**10)]
"""Pixels along the side of a scene that is composed here."""
Samples = Annotated[int, Interval(ge=1, le=2**10)]
"""Samples of a pixel, against jagged edges."""
Width = Annotated[int, Interval(ge=1, le=2**15)]
"""Units of a layer."""
MaybeWidth = Annotated[int, Interval(ge=0, le=2**15)]
"""Units of a layer; 0 leaves it out."""
Layers = Annotated[int, Interval(ge=1, le=2**8)]
"""Layers of a network, or heads of attention."""
Views = Annotated[int, Interval(ge=1, le=2**12)]
"""Views of a stream, or steps of an episode."""
Threads = Annotated[int, Interval(ge=0, le=2**10)]
"""Threads; 0 leaves the choice to the library that starts them."""
PathText = Annotated[str, Predicate(nameable)]
"""The name of a file or folder."""
Seed = Annotated[int, Interval(ge=0, lt=2**32)]
"""A seed that every generator takes: NumPy's global one, which Stable-Baselines3 draws from, takes no other."""
EnvSeed = Annotated[int, Interval(ge=0, lt=2**64)]
"""A seed of an environment: the rows' counter-based streams have keys of 64 bits."""
Epochs = Annotated[int, Interval(ge=1, le=10**6)]
"""Passes over what is learnt from."""
MaybeEpochs = Annotated[int, Interval(ge=0, le=10**6)]
"""The same; 0 leaves the learning out."""
Share = Annotated[float, Interval(ge=0, le=1)]
"""A fraction or a probability."""
Dropout = Annotated[float, Interval(ge=0, lt=1)]
"""The share of units that training leaves out; with all of them nothing could be learnt."""
PositiveShare = Annotated[float, Interval(gt=0, le=1)]
"""A fraction above zero."""
Amount = Annotated[float, Ge(0)]
"""A finite number that may be zero."""
PositiveAmount = Annotated[float, Gt(0)]
"""A finite number above zero."""


class OptionError(TypeError, ValueError):
    """An option that is unknown, missing, of another type or out of its bounds; the message names it.

    It is a TypeError, since callers such as TorchRL tell by that whether a keyword is known, and a ValueError, since
    that is what an impossible value is.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def validated(function: Callable[Call, Made]) -> Callable[Call, Made]:
    """A function whose arguments are checked by their annotations before it runs; raises OptionError."""

    @functools.wraps(function)
    def call(*given: Call.args, **options: Call.kwargs) -> Made:
        bound = checked_call(function, *given, **options)
        return function(*bound.args, **bound.kwargs)

    return call


class Validated:
    """A base whose subclasses check the arguments of their constructors by annotation, wherever they are made.

    Contracts derive from it (worlds, methods, policies, rewards), so that no file of theirs has to remember it.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            cls.__init__ = validated(cls.__init__)


class Options:
    """A base of dataclasses whose fields are options: each is checked by its annotation when one is made.

    `class Inhibition(Options, owner="inhibition")` has errors say `inhibition.radius`. What several fields must
    fulfil together is checked in a `__post_init__` that calls this one first. Values are replaced by what they stand
    for: a list by a tuple where the field is one, NumPy's scalars by Python's.
    """

    _owner = ""

    def __init_subclass__(cls, owner: str | None = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        if owner is not None:
            cls._owner = owner

    def __post_init__(self) -> None:
        hints = _hints(type(self))
        for field in dataclasses.fields(typing.cast(Any, self)):
            name = f"{self._owner}.{field.name}" if self._owner else field.name
            object.__setattr__(self, field.name, checked(name, getattr(self, field.name), hints[field.name]))


def checked_call(function: Callable[..., Any], /, *given: Any, **options: Any) -> inspect.BoundArguments:
    """The arguments of a call, checked by the annotations of the function.

    Raises OptionError for an argument that is unknown, missing, of another type or out of its bounds.
    """
    signature = _signature(function)
    try:
        bound = signature.bind(*given, **options)
    except TypeError as error:
        name = function.__name__ if isinstance(function, type) else function.__qualname__
        raise OptionError(f"{name}() {error}{_instead(signature, options)}") from error
    hints = _hints(function.__init__ if isinstance(function, type) else function)
    for name, value in bound.arguments.items():
        if name in hints and signature.parameters[name].kind not in _VARIADIC:
            bound.arguments[name] = checked(name, value, hints[name])
    return bound


def from_mapping(kind: type[Made], values: Any, where: str) -> Made:
    """A dataclass made of what a file holds, nested dataclasses included; `where` names the file, or a part of it.

    Raises OptionError for what is no mapping, for a field that is unknown or missing, and for a bad value.
    """
    if not isinstance(values, Mapping):
        raise OptionError(f"{where} is {shown(values)}, expected the fields of {kind.__name__}")
    hints, fields = _hints(kind), {field.name: field for field in dataclasses.fields(typing.cast(Any, kind))}
    if strange := [name for name in values if name not in fields]:
        raise OptionError(f"{where}: unknown field {shown(strange[0])}; there are: {', '.join(fields)}")
    needed = [f.name for f in fields.values() if f.default is f.default_factory is dataclasses.MISSING]
    if missing := [name for name in needed if name not in values]:
        raise OptionError(f"{where}: no field {missing[0]!r}, expected {expectation(hints[missing[0]])}")
    try:
        parts = {
            name: from_mapping(hints[name], value, f"{where}: {name}")
            if dataclasses.is_dataclass(hints[name])
            else _plain(value, hints[name])
            for name, value in values.items()
        }
        return kind(**parts)
    except (TypeError, ValueError) as error:
        raise OptionError(str(error) if str(error).startswith(where) else f"{where}: {error}") from error


def checked(name: str, value: Any, hint: Any) -> Any:
    """The value of an option as its annotation wants it. Raises OptionError naming the option."""
    from pydantic import ValidationError

    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and isinstance(value, hint):
        return value  # it checked itself when it was made
    try:
        return _adapter(hint).validate_python(_plain(value, hint))
    except (ValidationError, RecursionError) as error:
        wanted = expectation(hint)
        beyond = isinstance(value, int) and value > MANY and wanted.endswith("or more")
        raise OptionError(
            f"{name} is {shown(value)}, expected {wanted}{f', at most {MANY}' if beyond else ''}"
        ) from error


def shown(value: Any, most: int = 80) -> str:
    """A value as errors show it: cut where it is long, and safe to print whatever it is."""
    try:
        text = repr(value)
    except Exception:  # whatever a stranger's object raises, the error to report is another one
        text = f"an object of type {type(value).__name__}"
    text = text.encode("ascii", "backslashreplace").decode() if not text.isprintable() else text
    return text if len(text) <= most else f"{text[: most - 2]} …"


def nearest(name: str, known: Sequence[str], *, cutoff: float = 0.6) -> str:
    """The name that a slip may have been meant for; "" where none is as like it as `cutoff` (difflib's ratio)."""
    return next(iter(difflib.get_close_matches(name, known, 1, cutoff)), "")


def meant(name: str, known: Sequence[str]) -> str:
    """The end of a sentence about an unknown name: which of those that there are it may stand for, "" if none."""
    near = nearest(name, known)
    return f"; did you mean {near!r}?" if near else ""


def expectation(hint: Any) -> str:
    """What an annotation allows, in words: "an integer from 0 to 255", "'crop' or 'resize'"."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _bounded(parts[0], parts[1:])
    if origin is Literal:
        return _listed([repr(part) for part in parts])
    if origin in (Union, types.UnionType):
        return _listed(list(dict.fromkeys(expectation(part) for part in parts)))
    if origin in (tuple, list) or (isinstance(origin, type) and issubclass(origin, typing.cast(type, typing.Sequence))):
        if origin is tuple and parts[1:] != (...,):
            words = [expectation(part) for part in parts]
            return f"{len(words)} values" + (f", each {words[0]}" if len({*words}) == 1 else f": {', '.join(words)}")
        return f"a list, each {expectation(parts[0])}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "a mapping of names to values"
    named = {int: "an integer", float: "a finite number", bool: "True or False", str: "text", None: "None"}
    named |= {type(None): "None", Any: "anything"}
    if hint in named:
        return named[hint]
    return "a function" if origin is not None and "Callable" in str(origin) else getattr(hint, "__name__", str(hint))


def limits(hint: Any) -> str:
    """The bounds of an annotation in words, for help texts: "1 or more", "from 0 to 1"; empty where there are none."""
    found = [part for part in (hint, *typing.get_args(hint)) if typing.get_origin(part) is Annotated]
    base, *notes = typing.get_args(found[0]) if found else (None,)
    return _range(base, notes).removeprefix(" of").strip()


def _bounded(base: Any, notes: tuple[Any, ...]) -> str:
    if any(isinstance(note, Predicate) and note.func is nameable for note in notes):
        return "a path whose names have at most 255 bytes"
    return expectation(base) + _range(base, notes)


def _range(base: Any, notes: Sequence[Any]) -> str:
    low = high = ""
    for note in _flat(notes):
        match note:
            case Ge(ge):
                low = f"{ge}"
            case Gt(gt):
                low = f"more than {gt}"
            case Le(le):
                high = "" if le == MANY else f"{le}"
            case Lt(lt):
                high = f"{typing.cast(int, lt) - 1}" if base is int else f"less than {lt}"
    low_said = low if low.startswith("more") else f"{low} or more"
    high_said = high if high.startswith("less") else f"at most {high}"
    if low and high:
        plain = low_said != low and not high.startswith("less")
        return f" from {low} to {high}" if plain else f" of {low_said} and {high_said}"
    return f" of {low_said}" if low else f" of {high_said}" if high else ""


def _flat(notes: Sequence[Any]) -> Iterator[Any]:
    for note in notes:
        if isinstance(note, bounds.GroupedMetadata):
            yield from note
        else:
            yield note


def _listed(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def _plain(value: Any, hint: Any) -> Any:
    """NumPy's scalars and arrays as Python's, and a list as a tuple where the annotation says so: JSON knows none."""
    if isinstance(value, np.generic):
        return value.item()
    outer = typing.get_origin(hint) in (Annotated, Union, types.UnionType)
    kinds = {typing.get_origin(part) for part in (typing.get_args(hint) if outer else (hint,))}
    if isinstance(value, np.ndarray) and value.ndim and kinds & {tuple, list, Sequence}:
        value = value.tolist()
    if type(value) in (list, tuple):
        items = [item.item() if isinstance(item, np.generic) else item for item in value]
        value = items if isinstance(value, list) else tuple(items)
    return tuple(value) if isinstance(value, list) and tuple in kinds else value


def _instead(signature: inspect.Signature, options: Mapping[str, Any]) -> str:
    """What there is in place of the first keyword that the signature does not know."""
    known = [name for name, one in signature.parameters.items() if one.kind not in _VARIADIC]
    strange = [name for name in options if name not in known]
    if not strange or not known:
        return ""
    return meant(strange[0], known) or f"; there are: {', '.join(n for n in known if n != 'self')}"


_signature = functools.cache(inspect.signature)


@functools.cache
def _hints(owner: Any) -> dict[str, Any]:
    """The annotations of a function or a dataclass, with their bounds."""
    hints = typing.get_type_hints(owner, include_extras=True)
    hints.pop("return", None)
    return hints


@functools.cache
def _adapter(hint: Any) -> Any:
    from pydantic import ConfigDict, InstanceOf, TypeAdapter

    hint = InstanceOf[hint] if dataclasses.is_dataclass(hint) else hint  # type: ignore[valid-type]
    return TypeAdapter(hint, config=ConfigDict(strict=True, arbitrary_types_allowed=True, allow_inf_nan=False))
