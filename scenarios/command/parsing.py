"""Words of a command line as typed arguments. Imports no torch, so that every --help is quick."""

import dataclasses
import typing
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import tyro

Arguments = TypeVar("Arguments")
_Told: Any = type(tyro.conf.arg())


def parsed(kind: type[Arguments], words: Sequence[str], prog: str, default: Arguments | None = None) -> Arguments:
    """The arguments that the words stand for. Ends the process after --help, and where tyro cannot read them.

    Raises ValueError for an option of several values that is given twice: all values but the last would be dropped.
    """
    several, met = _several(kind), set[str]()
    for word in words:
        if word == "--":
            break
        option = word.partition("=")[0].replace("_", "-")
        if option in several & met:
            raise ValueError(f"{option} is given twice; give all its values after one")
        met.add(option)
    if default is None:
        return tyro.cli(kind, args=words, prog=prog)
    return tyro.cli(kind, args=words, default=default, prog=prog)


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
