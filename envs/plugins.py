"""Things of other packages: what they offer by entry points, and what is named by where it stands, MODULE:NAME.

A package offers a method by the entry point `my-method = my_package.my_file:MyMethod` in the group `gazeworld.methods`;
the other groups are `gazeworld.worlds`, `.sources`, `.renderers`, `.priors`, `.policies` and `.rewards`. What is not
offered is named by its place, in the same form, wherever a name goes. Nothing is imported before it is asked for by
its name; what is asked for is code like any other that is installed, and runs as such. A name of ours always means
ours.
"""

import functools
import importlib
import importlib.util
import inspect
import re
import sys
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any, get_origin

from .files import one_line
from .validation import OptionError, meant

KINDS = {
    "worlds": "world",
    "sources": "source",
    "renderers": "renderer",
    "priors": "prior",
    "methods": "method",
    "policies": "policy",
    "rewards": "reward",
}
"""The registries that take things of other packages, and what one of these things is called."""
_FOLDERS: list[str] = []
_PLACE = re.compile(r"(?P<module>[^\W\d]\w*(\.[^\W\d]\w*)*)(:(?P<name>[^\W\d]\w*(\.[^\W\d]\w*)*))?")
_EXAMPLE = "expected MODULE:NAME as in `from MODULE import NAME`, such as my_package.my_file:MyClass"


class UnknownNameError(ValueError):
    """A name that nothing in the registry has; the message lists what is there."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class PluginError(UnknownNameError):
    """A thing of another package that cannot be had: the message says which part of its name leads to nothing."""


def kind_of(registry: str) -> str:
    """What one thing of a registry is called: "method" in `gazeworld.models.methods`."""
    last = registry.rpartition(".")[2]
    return KINDS.get(last, last.removesuffix("s"))


def is_place(registry: str, name: str) -> bool:
    """Whether a name says where a thing stands: MODULE:NAME, and for sources a dotted MODULE as well."""
    last = registry.rpartition(".")[2]
    return last in KINDS and (":" in name or (last == "sources" and "." in name))


def offered(registry: str) -> Mapping[str, tuple[str, ...]]:
    """The names that installed packages offer for a registry, with where what is called so stands.

    Two packages may offer one name; then there are two places.
    """
    last = registry.rpartition(".")[2]
    return _offered(last, tuple(sys.path)) if last in KINDS else {}


@functools.cache
def _offered(last: str, path: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    del path  # what is installed depends on it
    found: dict[str, tuple[str, ...]] = {}
    for entry in entry_points(group=f"gazeworld.{last}"):
        name = entry.name.replace("_", "-")
        place = entry.value.partition("[")[0].replace(" ", "")  # without what the package wants installed beside it
        found[name] = tuple(dict.fromkeys((*found.get(name, ()), place)))
    return found


def place_of(registry: str, name: str, own: bool) -> str | None:
    """Where a thing of another package stands; None for a name of nothing, or of a file of the registry (`own`).

    Warns where an installed package offers a name that is ours. Raises PluginError where two packages offer it.
    """
    if is_place(registry, name):
        return name
    places = offered(registry).get(name.replace("_", "-"), ())
    what = f"{kind_of(registry)} {name!r}"
    if own and places:
        warnings.warn(f"{what} is gazeworld's own; what a package offers by that name is {places[0]}", stacklevel=3)
    elif len(places) > 1:
        raise PluginError(f"{what} is offered by several packages; name the one you mean: {', '.join(places)}")
    return None if own or not places else places[0]


def search(folder: str) -> None:
    """Look for modules that are installed nowhere in this folder, too: the command line names the present one."""
    if folder not in _FOLDERS:
        _FOLDERS.append(folder)


def require(what: str, place: str) -> None:
    """Raise PluginError unless there is a module where a thing is said to stand. Imports its packages alone."""
    match = _PLACE.fullmatch(place)
    if match is None:
        raise PluginError(f"{what}: {place!r} is no such place; {_EXAMPLE}")
    module = match["module"]
    try:
        _reach(module)
        missing = module not in sys.modules and importlib.util.find_spec(module) is None
    except ModuleNotFoundError as error:
        raise PluginError(_missing(what, module, error)) from error
    except Exception as error:  # a package is a stranger's code, which may raise anything
        raise PluginError(f"{what}: importing {module} failed with {type(error).__name__}: {error}") from error
    if missing:
        raise PluginError(_missing(what, module, ModuleNotFoundError(name=module)))


def loaded(what: str, place: str, default: str = "") -> Any:
    """What stands at a place; `default` is the name in a module that is named alone.

    Raises PluginError for a module that is not there or cannot be imported, and for one without that name.
    """
    match = _PLACE.fullmatch(place)
    if match is None or not (match["name"] or default):
        raise PluginError(f"{what}: {place!r} is no such place; {_EXAMPLE}")
    module, names = match["module"], (match["name"] or default).split(".")
    try:
        _reach(module)
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise PluginError(_missing(what, module, error)) from error
    except Exception as error:  # a module is a stranger's code, which may raise anything
        raise PluginError(f"{what}: importing {module} failed with {type(error).__name__}: {error}") from error
    for i, name in enumerate(names):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            where = ".".join((module, *names[:i]))
            raise PluginError(f"{what}: {where} has no {name!r}{_near(name, found)}") from error
    return found


def class_at(what: str, place: str, base: type) -> type:
    """The concrete class derived from `base` that stands at a place. Raises OptionError for anything else there."""
    found = loaded(what, place)
    if not isinstance(found, type) or get_origin(found) is not None:
        raise OptionError(f"{what} is {_article(type(found).__name__)}, expected a class derived from {base.__name__}")
    if not issubclass(found, base) or found is base:
        raise OptionError(
            f"{what} is the class {found.__name__}, expected one derived from {base.__module__}.{base.__name__}"
        )
    if inspect.isabstract(found):
        lacks = ", ".join(sorted(vars(found)["__abstractmethods__"]))
        raise OptionError(f"{what} is an abstract class: {found.__name__} does not define {lacks}")
    return found


def function_at(what: str, place: str, default: str) -> Callable[..., Any]:
    """The function that stands at a place, or that a module there calls `default`. Raises OptionError for another."""
    found = loaded(what, place, default)
    if isinstance(found, type) or not callable(found):
        shape = "a class" if isinstance(found, type) else _article(type(found).__name__)
        raise OptionError(f"{what} is {shape}, expected a function {default}(split, root, **options)")
    return found


def _reach(module: str) -> None:
    """Let Python look in the folders of `search`, after all others, for a module that it finds nowhere else."""
    top = module.partition(".")[0]
    if top not in sys.modules and importlib.util.find_spec(top) is None:
        sys.path += [folder for folder in _FOLDERS if folder not in sys.path]


def _missing(what: str, module: str, error: ModuleNotFoundError) -> str:
    """The sentence for a module that is not there, or that needs one that is not."""
    lost = error.name or module
    if module == lost or module.startswith(f"{lost}."):
        cure = "install the package that it belongs to, or start in the folder where it lies"
        return f"{what}: there is no module {lost!r}; {cure}"
    return f"{what}: {module} needs the module {lost!r}, which is not installed"


def _near(name: str, place: Any) -> str:
    return meant(name, [one for one in dir(place) if not one.startswith("_")])


def _article(name: str) -> str:
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
