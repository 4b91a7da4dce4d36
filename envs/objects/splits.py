"""Which objects of a collection are used, and which of them for the test.

Both rules look at the objects' keys "class/object" only: no list beside the data, the same answer everywhere.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from ..meshes.mesh import Item

SHARE = 0.2  # one of five, as for any other data here that comes without splits


def ranked(keys: Iterable[str]) -> list[str]:
    """Keys "class/object" by the SHA-1 of the key: an order that has nothing to do with names, the same everywhere."""
    # Names of folders need not be UTF-8: Python keeps such bytes as lone surrogates.
    return sorted(keys, key=lambda key: (hashlib.sha1(key.encode("utf-8", "surrogateescape")).digest(), key))


def tested(keys: Iterable[str]) -> frozenset[str]:
    """The keys "class/object" of the test set: of each class, the 20 % that are first by SHA-1 of the key.

    Rounded to the nearest number, and at least one object of a class that has two or more; a class of one object is
    trained on. Which objects these are depends on the class's keys only, so shards and restarts agree.
    """
    classes = defaultdict(list)
    for key in set(keys):
        classes[key.partition("/")[0]].append(key)
    found: set[str] = set()
    for members in classes.values():
        count = max(int(SHARE * len(members) + 0.5), min(1, len(members) - 1))
        found.update(ranked(members)[:count])
    return frozenset(found)


def select(items: Sequence[Item], classes: Sequence[str] = (), limit: int = 0) -> list[Item]:
    """The items of some classes (empty: of all) and at most `limit` of each class (0: all), sorted by key.

    A limit takes those that come first by the SHA-1 of the key: as good as random, and a larger limit adds to them.
    Raises ValueError for a class that is not there, for two items with one key and for keys that name no folder.
    """
    known = sorted({item.category for item in items})
    if unknown := sorted(set(classes) - set(known)):
        raise ValueError(f"no class {unknown[0]!r}; there are: {', '.join(known)}")
    by_key: dict[str, Item] = {}
    for item in items:
        check_key(item.key)
        if item.key in by_key or not item.key.startswith(f"{item.category}/"):
            raise ValueError(f"object {item.key!r} of class {item.category!r}: expected one of this name, in its class")
        by_key[item.key] = item
    chosen = []
    for name in classes or known:
        keys = ranked(key for key, item in by_key.items() if item.category == name)
        chosen += [by_key[key] for key in keys[: limit or None]]
    return sorted(chosen, key=lambda item: item.key)


def check_key(key: str) -> None:
    """Refuse a key that is not "class/object", two plain names of folders. Raises ValueError."""
    parts = key.split("/")
    plain = all(part and not part.startswith(".") and part == PurePosixPath(part).name for part in parts)
    if len(parts) != 2 or not plain or "\\" in key or "\0" in key:
        raise ValueError(f"object {key!r}: expected a name of the form class/object, neither part beginning with a dot")
