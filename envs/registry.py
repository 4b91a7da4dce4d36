"""Names: what the files of a registry are called, and what a package offers by name.

A registry is a folder in which every file is one interchangeable thing: `saccade_digits.py` is called `saccade-digits`
(or `saccade_digits`) everywhere else, and a file that begins with `_` is a tool of the others.
"""

import importlib
import pkgutil
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, TypeVar, get_origin

from .validation import OptionError, checked_call

Made = TypeVar("Made")


class UnknownNameError(ValueError):
    """A name that no file of the registry has; the message lists what is there."""


def face(package: str, public: Mapping[str, tuple[str, ...]]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` for a package whose public names are imported when first asked for (PEP 562).

    `public` says which module of the package defines which names; a module of no names is itself a public name. The
    package lists them in `__all__`, for checkers, with whatever else it defines itself; that is what `dir` shows.
    """
    home = {name: module for module, own in public.items() for name in own or (module,)}

    def get(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = importlib.import_module(f"{package}.{home[name]}")
        return getattr(found, name) if public[home[name]] else found

    def listed() -> list[str]:
        return sorted(sys.modules[package].__all__)

    return get, listed


def names(registry: str) -> list[str]:
    """Names of the things in a registry (a package such as `gazeworld.envs.worlds`), without importing them."""
    package = importlib.import_module(registry)
    files = (m.name for m in pkgutil.iter_modules(package.__path__) if not m.ispkg)
    return sorted(name.replace("_", "-") for name in files if not name.startswith("_"))


def module(registry: str, name: str) -> ModuleType:
    """The file called `name` in a registry.

    Raises UnknownNameError naming what was asked for and what there is.
    """
    require(registry, name)
    return importlib.import_module(f"{registry}.{name.replace('-', '_')}")


def require(registry: str, name: str) -> None:
    """Raise UnknownNameError, naming what was asked for and what there is, unless a registry has such a file."""
    known = names(registry)
    if name.replace("_", "-") not in known:
        kind = registry.rpartition(".")[2].removesuffix("s").replace("policie", "policy")
        raise UnknownNameError(f"unknown {kind} {name!r}; there are: {', '.join(known)}")


def concrete(registry: str, name: str, base: type) -> type:
    """The one class in the file `name` that derives from `base`."""
    found = module(registry, name)
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
