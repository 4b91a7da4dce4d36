"""Names: what the files of a registry are called, and what a package offers by name.

A registry is a folder in which every file is one interchangeable thing: `saccade_digits.py` is called `saccade-digits`
(or `saccade_digits`) everywhere else, and a file that begins with `_` is a tool of the others. Things of other packages
are named beside them, by entry points or as MODULE:NAME (see `plugins`); a name of a file always means that file.
"""

import importlib
import pkgutil
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, TypeVar, get_origin

from . import plugins
from .plugins import UnknownNameError
from .validation import OptionError, checked_call, meant

Made = TypeVar("Made")


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
    """Names of the things in a registry (a package such as `gazeworld.envs.worlds`), without importing them.

    Those that installed packages offer are among them.
    """
    return sorted({*own_names(registry), *plugins.offered(registry)})


def own_names(registry: str) -> list[str]:
    """The names of the files alone."""
    package = importlib.import_module(registry)
    files = (m.name for m in pkgutil.iter_modules(package.__path__) if not m.ispkg)
    return sorted(name.replace("_", "-") for name in files if not name.startswith("_"))


def module(registry: str, name: str) -> ModuleType:
    """The file called `name` in a registry, or the module of another package's thing of that name.

    Raises UnknownNameError naming what was asked for and what there is.
    """
    place = _place(registry, name)
    if place is None:
        return importlib.import_module(f"{registry}.{name.replace('-', '_')}")
    plugins.loaded(_said(registry, name, place), place, "load")
    return sys.modules[place.partition(":")[0]]


def require(registry: str, name: str) -> None:
    """Raise UnknownNameError, naming what was asked for and what there is, unless a registry has such a thing.

    Of another package's thing it is asked whether its module is there; it is not imported.
    """
    place = _place(registry, name)
    if place is not None:
        plugins.require(_said(registry, name, place), place)


def unknown(kind: str, name: str, known: Sequence[str], more: Sequence[str] = (), others: str = "") -> UnknownNameError:
    """The error for a name that is not among those that there are; it ends with the nearest of them, and of `more`."""
    near = meant(name.replace("_", "-"), (*known, *more))
    return UnknownNameError(f"unknown {kind} {name!r}; there are: {', '.join(known)}{others}{near}")


def place(registry: str, name: str) -> tuple[str, str]:
    """The module where a thing stands and its name there, "" for a file of the registry, without importing it.

    Raises UnknownNameError for a name of nothing.
    """
    require(registry, name)
    found = _place(registry, name)
    if found is None:
        return f"{registry}.{name.replace('-', '_')}", ""
    where, _, called = found.partition(":")
    return where, called


def concrete(registry: str, name: str, base: type) -> type:
    """The one class in the file `name` that derives from `base`, or the class of another package that is so named.

    Raises UnknownNameError for a name of nothing, OptionError for another package's thing that is no such class.
    """
    place = _place(registry, name)
    if place is not None:
        return plugins.class_at(_said(registry, name, place), place, base)
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


def function(registry: str, name: str, called: str) -> Callable[..., Any]:
    """The function `called` in the file `name`, or the function of another package that is so named.

    Raises UnknownNameError for a name of nothing, OptionError for another package's thing that is no function.
    """
    place = _place(registry, name)
    if place is not None:
        return plugins.function_at(_said(registry, name, place), place, called)
    return getattr(module(registry, name), called)


def split(registry: str, text: str) -> tuple[str, str]:
    """The name at the beginning of `NAME:KEY=VALUE,…` and the rest; NAME may be MODULE:NAME."""
    name, colon, rest = text.partition(":")
    second, _, others = rest.partition(":")
    if (
        colon
        and second
        and "=" not in second
        and plugins.is_place(registry, text)
        and plain(name) not in names(registry)
    ):
        return f"{name}:{second}", others
    return name, rest


def plain(name: str) -> str:
    """A name as it is stored: `seq_jepa` is `seq-jepa`, and MODULE:NAME stays as it is."""
    return name if ":" in name else name.replace("_", "-")


def short(name: str) -> str:
    """A name as folders have it: that of a class stands for MODULE:CLASS, `my-method` for `lab:MyMethod`."""
    if ":" not in name:
        return name
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name.rpartition(":")[2]).lower().replace("_", "-")


def _place(registry: str, name: str) -> str | None:
    """Where another package's thing stands, None for a file of the registry; raises UnknownNameError for neither."""
    own = name.replace("_", "-") in own_names(registry)
    place = plugins.place_of(registry, name, own)
    if place is None and not own:
        known = names(registry)
        others = ", or MODULE:NAME of another package" if registry.rpartition(".")[2] in plugins.KINDS else ""
        raise unknown(plugins.kind_of(registry), name, known, others=others)
    return place


def _said(registry: str, name: str, place: str) -> str:
    """How errors call another package's thing."""
    return f"{plugins.kind_of(registry)} {name!r}" + ("" if name == place else f" ({place})")


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
