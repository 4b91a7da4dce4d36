"""How files of earlier versions are read: what their fields were called, and what they are called now.

Files are written with the new names alone. Each is read through `gazeworld.agents.file_schemas.read_fields`, which asks
here first, so that nothing else knows of older names.
"""

from typing import Any

RENAMED: dict[str, tuple[tuple[str, str], ...]] = {
    "PolicyConfig": (
        ("steer", "train_policy"),
        ("train_policy.looks", "prepare_on"),
        ("train_policy.agent.menu", "discrete_actions"),
    ),
    "Beside": (("steer", "train_policy"),),
    "PolicyFacts": (("menu", "discrete_actions"),),
    "RunConfig": (("agent.menu", "discrete_actions"),),
}
"""By the name of a file's schema: the path of a field as it was, and its present name; applied in this order."""


def renamed(found: Any, kind: str) -> Any:
    """What a file of this kind holds, by present names; a field that has its present name already stays as it is."""
    for path, name in RENAMED.get(kind, ()):
        found = _renamed(found, path.split("."), name)
    return found


def _renamed(found: Any, path: list[str], name: str) -> Any:
    if not isinstance(found, dict) or path[0] not in found or (len(path) == 1 and name in found):
        return found
    if len(path) > 1:
        return {**found, path[0]: _renamed(found[path[0]], path[1:], name)}
    return {name if key == path[0] else key: value for key, value in found.items()}
