"""Words of a command line as typed arguments. Imports no torch, so that every --help is quick.

Types and bounds stand in the annotations of the classes of arguments; here they become the options' help, and what is
refused becomes one sentence.
"""

import dataclasses
import typing
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import tyro
from tyro.constructors import ConstructorRegistry, StructConstructorSpec, StructTypeInfo

from gazeworld.envs.validation import limits

from ._places import settled

Arguments = TypeVar("Arguments")
_Told: Any = type(tyro.conf.arg())


class _Refused(Exception):
    """Carries what a class of arguments said past tyro, which would wrap the sentence into a box of its own."""


def parsed(kind: type[Arguments], words: Sequence[str], prog: str, default: Arguments | None = None) -> Arguments:
    """The arguments that the words stand for. Ends the process after --help, and where tyro cannot read them.

    Raises ValueError for an option of several values that is given twice, since all values but the last would be
    dropped; for values out of their bounds; for names that no folder can have, and places that cannot be written.
    """
    several, met = _several(kind), set[str]()
    for word in words:
        if word == "--":
            break
        option = word.partition("=")[0].replace("_", "-")
        if option in several & met:
            raise ValueError(f"{option} is given twice; give all its values after one")
        met.add(option)
    try:
        with _told_bounds():
            given: dict[str, Any] = {} if default is None else {"default": default}
            chosen = tyro.cli(kind, args=list(words), prog=prog, **given)
    except _Refused as refused:
        raise ValueError(str(refused)) from refused.__cause__
    return settled(chosen)


def _told_bounds() -> ConstructorRegistry:
    """A registry of tyro that makes classes of arguments as tyro does, and says the bounds of their fields in help."""
    registry, asking = ConstructorRegistry(), False

    @registry.struct_rule
    def with_bounds(info: StructTypeInfo) -> StructConstructorSpec | None:
        nonlocal asking
        if asking or not dataclasses.is_dataclass(info.type):
            return None  # tyro's own rule comes next
        asking = True
        try:
            usual = ConstructorRegistry.get_struct_spec(info)
        finally:
            asking = False
        if not isinstance(usual, StructConstructorSpec):
            return None
        fields = tuple(dataclasses.replace(field, type=_with_limits(field.type)) for field in usual.fields)
        return dataclasses.replace(usual, fields=fields, instantiate=_plainly(usual.instantiate))

    return registry


def _with_limits(hint: Any) -> Any:
    """An annotation whose bounds tyro prints beside the default."""
    if not (said := limits(hint)):
        return hint
    told = tyro.conf.arg(help_behavior_hint=lambda default: f"({said}; default: {default})")
    return Annotated[hint, told]


def _plainly(make: Callable[..., Any]) -> Callable[..., Any]:
    def made(**values: Any) -> Any:
        try:
            return make(**values)
        except ValueError as error:
            raise _Refused(str(error)) from error

    made.__doc__ = make.__doc__  # the description in help
    return made


def _several(kind: Any, prefix: str = "--") -> set[str]:
    """Options of a class of arguments, and of those within it, that take as many values as there are."""
    found: set[str] = set()
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        plain, *notes = typing.get_args(hint) if typing.get_origin(hint) is Annotated else (hint,)
        told = [note.name for note in notes if isinstance(note, _Told) and note.name]
        option = prefix + (told[0] if told else name).replace("_", "-")
        if dataclasses.is_dataclass(plain):
            found |= _several(plain, f"{option}.")
        elif typing.get_args(plain)[1:] == (...,):
            found.add(option)
    return found
