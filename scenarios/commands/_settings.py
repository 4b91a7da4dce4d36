"""Settings of many runs at once, as `--set` has them, and lists of whole numbers: what sweeps share."""

import ast
import dataclasses
import json
from typing import Any

from gazeworld.agents.runs.scenario import Scenario
from gazeworld.envs.validation import shown

from ._words import listed

_DIGITS = 20  # of whole numbers; what is beyond their bounds is said by those who have them
_OWN_FLAGS = {"train.observed": "--observed", "seed": "--seeds", "method.name": "--methods"}


def whole(text: str, flag: str, least: int) -> list[int]:
    """Whole numbers separated by commas. Raises ValueError naming the flag and the word that is none."""
    words = listed(text, flag)
    for word in words:
        if not (word.isdecimal() and len(word) <= _DIGITS) or int(word) < least:
            raise ValueError(f"{flag}: {shown(word)} is no whole number from {least} on; expected a list like 0,1,2")
    return [int(word) for word in words]


def changed(asked: Scenario, changes: tuple[str, ...], methods: list[str]) -> Scenario:
    """The scenario with `key=value` settings; `METHOD:key=value` is for the runs of one method."""
    for text in changes:
        key, equals, value = text.partition("=")
        only, colon, rest = key.rpartition(":")
        if colon and only not in (methods or [asked.method["name"]]):
            raise ValueError(f"--set {text}: {only!r} is no method of this sweep")
        key = rest
        if not equals or not key:
            raise ValueError(f"--set {text}: expected key=value or METHOD:key=value, as in train.steps=300")
        if key in _OWN_FLAGS:
            raise ValueError(f"--set {text}: this is what {_OWN_FLAGS[key]} is for")
        if not colon or only == asked.method["name"]:
            try:
                asked = _set(asked, key.split("."), _value(value))
            except ValueError as error:
                raise ValueError(f"--set {text}: {error}") from error
    return asked


def _value(text: str) -> Any:
    """A number, true or false, a list, or else the text itself: what config.json can hold."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        found = ast.literal_eval(text)
        json.dumps(found)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return text
    return found


def _set(asked: Scenario, path: list[str], value: Any) -> Scenario:
    names = [field.name for field in dataclasses.fields(Scenario)]
    if path[0] not in names:
        raise ValueError(f"a scenario has no {path[0]!r}; it has {', '.join(names)}")
    return dataclasses.replace(asked, **{path[0]: _put(getattr(asked, path[0]), path[1:], value)})


def _put(old: Any, path: list[str], value: Any) -> Any:
    """A copy of a configuration or dictionary with one value replaced."""
    if not path:
        return _like(old, value)
    if dataclasses.is_dataclass(old) and not isinstance(old, type):
        names = [field.name for field in dataclasses.fields(old)]
        if path[0] not in names:
            raise ValueError(f"there is no {path[0]!r}; there are {', '.join(names)}")
        return dataclasses.replace(old, **{path[0]: _put(getattr(old, path[0]), path[1:], value)})
    if not isinstance(old, dict):
        raise ValueError(f"{old!r} has no {path[0]!r} in it")
    # An option that is not written down has the default of its world, policy or method; those refuse what they lack.
    inner = old.get(path[0], {} if path[1:] else value)
    return {**old, path[0]: _put(inner, path[1:], value)}


def _like(old: Any, value: Any) -> Any:
    """The value, if it is of the kind of the old one."""
    if isinstance(old, dict) or dataclasses.is_dataclass(old):
        raise ValueError(f"{value!r} cannot stand for all its settings; name one of them after a dot")
    if isinstance(old, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(old, tuple):
        return tuple(value) if isinstance(value, list | tuple) else (value,)
    if old is not None and type(old) is not type(value):
        raise ValueError(f"expected something like {old!r}, found {value!r}")
    return value
