"""Words of a command line as they stand: the values of an option, and the ways to write several things in one word.

NAME:KEY=VALUE,KEY=VALUE is how policies, rewards and the like are named, KEY=VALUE an option of theirs.
"""

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from gazeworld.envs import registry
from gazeworld.envs.validation import shown


def values_of(words: Sequence[str], option: str) -> list[str]:
    """The values that an option of one value is given, in order: `--name value` and `--name=value`."""
    found = []
    for word, after in _before_end(words):
        name, equals, value = word.partition("=")
        if name == option and equals:
            found.append(value)
        elif name == option and after is not None:
            found.append(after)
    return found


def without(words: Sequence[str], options: Iterable[str]) -> list[str]:
    """The words without these options and their values."""
    found, skip, known = list[str](), False, tuple(options)
    for word in words:
        name, equals, _ = word.partition("=")
        if skip:
            skip = False
        elif name in known:
            skip = not equals
        else:
            found.append(word)
    return found


def said(words: Sequence[str], option: str) -> bool:
    """Whether an option is among the words."""
    return any(word.partition("=")[0].replace("_", "-") == option for word, _ in _before_end(words))


def _before_end(words: Sequence[str]) -> list[tuple[str, str | None]]:
    """The words before --, each with the one after it."""
    mine = list(words[: words.index("--")] if "--" in words else words)
    return [*pairwise(mine), *((word, None) for word in mine[-1:])]


def spec(text: str, what: str, place: str = "") -> dict[str, Any]:
    """`NAME:KEY=VALUE,KEY=VALUE` as a dictionary with the entry `name`. Raises ValueError for anything else.

    In the registry `place` NAME may be MODULE:CLASS, a thing of another package.
    """
    name, rest = registry.split(place, text)
    if not name:
        raise ValueError(f"{what} is {text!r}, expected NAME or NAME:KEY=VALUE,KEY=VALUE")
    options = pairs(_parts(rest) if rest else (), what)
    if "name" in options:
        raise ValueError(f"{what} is {shown(text)}, which says the name twice; expected NAME:KEY=VALUE,KEY=VALUE")
    return {"name": name, **options}


def _parts(text: str) -> list[str]:
    """What commas separate, but those within the brackets of a list or an object."""
    found: list[str] = []
    for part in text.split(","):
        value = found[-1].partition("=")[2] if found else ""
        if value[:1] in ("[", "{") and value.count("[") + value.count("{") > value.count("]") + value.count("}"):
            found[-1] += f",{part}"
        else:
            found.append(part)
    return found


def pairs(words: Iterable[str], what: str) -> dict[str, Any]:
    """Words KEY=VALUE as a dictionary; values that are no JSON are text. Raises ValueError for other words."""
    found: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (key and equals):
            raise ValueError(f"{what} holds {word!r}, expected KEY=VALUE")
        try:
            found[key] = json.loads(value)
        except (ValueError, RecursionError):  # no JSON, or integers and nesting beyond what Python reads
            found[key] = value
    return found


def listed(text: str, flag: str) -> list[str]:
    """Words between commas. Raises ValueError for one that stands there twice."""
    found = [word.strip() for word in text.split(",") if word.strip()]
    for word in found:
        if found.count(word) > 1:
            raise ValueError(f"{flag}: {word!r} stands there twice")
    return found
