"""Shelves: folders in which every file is one interchangeable thing, found by its name.

`saccade_digits.py` on a shelf is called `saccade-digits` (or `saccade_digits`) everywhere else.
"""

import importlib
import pkgutil
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar, get_origin

from .validation import OptionError, checked_call

Made = TypeVar("Made")


class UnknownNameError(ValueError):
    """A name that is on no file of the shelf; the message lists what is there."""


def names(shelf: str) -> list[str]:
    """Names of the things on a shelf (a package such as `gazeworld.envs.worlds`), without importing them."""
    package = importlib.import_module(shelf)
    return sorted(m.name.replace("_", "-") for m in pkgutil.iter_modules(package.__path__) if not m.ispkg)


def module(shelf: str, name: str) -> ModuleType:
    """The file called `name` on a shelf.

    Raises UnknownNameError naming what was asked for and what there is.
    """
    require(shelf, name)
    return importlib.import_module(f"{shelf}.{name.replace('-', '_')}")


def require(shelf: str, name: str) -> None:
    """Raise UnknownNameError, naming what was asked for and what there is, unless a shelf has such a file."""
    known = names(shelf)
    if name.replace("_", "-") not in known:
        kind = shelf.rpartition(".")[2].removesuffix("s").replace("policie", "policy")
        raise UnknownNameError(f"unknown {kind} {name!r}; there are: {', '.join(known)}")


def concrete(shelf: str, name: str, base: type) -> type:
    """The one class in the file `name` that derives from `base`."""
    found = module(shelf, name)
    # To Python 3.10 an alias such as tuple[int, ...] is a type too, and no class.
    classes = [
        c
        for c in vars(found).values()
        if isinstance(c, type)
        and get_origin(c) is None
        and issubclass(c, base)
        and c is not base
        and c.__module__ == found.__name__
    ]
    if len(classes) != 1:
        raise TypeError(f"{found.__file__}: expected one class derived from {base.__name__}, found {len(classes)}")
    return classes[0]


def built(what: str, kind: Callable[..., Made], /, *given: Any, **options: Any) -> Made:
    """What `kind` makes of `given` and of options that come from a file or a command line.

    Raises OptionError, which begins with `what`, for an option that is unknown, missing, of another type or out of the
    bounds that its annotation states.
    """
    try:
        bound = checked_call(kind, *given, **options)
    except OptionError as error:
        raise OptionError(f"{what}: {error}") from error
    try:
        return kind(*bound.args, **bound.kwargs)
    except OptionError as error:
        raise OptionError(str(error) if str(error).startswith(what) else f"{what}: {error}") from error
    except TypeError as error:
        if all(one.kind != one.VAR_KEYWORD for one in bound.signature.parameters.values()):
            raise
        raise OptionError(f"{what}: {error}") from error  # whoever it passes options on to does not take them
