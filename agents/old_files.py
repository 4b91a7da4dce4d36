"""How files of earlier versions are read: what their fields were called, and what they are called now.

Files are written with the new names alone. Each is read through `gazeworld.agents.file_schemas.read_fields`, which asks
here first, so that nothing else knows of older names.
"""

from pathlib import Path
from typing import Any

RENAMED: dict[str, tuple[tuple[str, str], ...]] = {
    "PolicyConfig": (
        ("steer", "train_policy"),
        ("train_policy.looks", "prepare_on"),
        ("train_policy.agent.menu", "discrete_actions"),
    ),
    "Beside": (("steer", "train_policy"),),
    "PolicyFacts": (("menu", "discrete_actions"),),
    "RunConfig": (
        ("agent.menu", "discrete_actions"),
        ("config.policy.heads", "ensemble"),
        ("config.probe.rounds", "repeats"),
    ),
    "Probes": (("config.rounds", "repeats"),),
}
"""By the name of a file's schema: the path of a field as it was, and its present name; applied in this order."""

PLACES = {"ensemble": "heads", "ensemble.json": "heads.json", "ensemble.safetensors": "heads.safetensors"}
"""Files and folders by their present names: what they were called."""


def located(folder: Path, name: str) -> Path:
    """Where a file or a folder of this name lies: by its present name, or by the one that it had before."""
    old = folder / PLACES.get(name, name)
    return old if old.exists() and not (folder / name).exists() else folder / name


_PREDICTS = (("config.method.decay", "momentum"), ("config.method.hidden", "predictor_hidden"))
_REGRESSES = (("config.method.hidden", "head_hidden"),)
METHOD_OPTIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "byol": _PREDICTS,
    "conditional-byol": _PREDICTS,
    "conv-jepa": _PREDICTS,
    "seq-jepa": _PREDICTS,
    "contextssl": _REGRESSES,
    "inverse-dynamics": _REGRESSES,
}
"""The same for config.json of runs, by the name of the method: the momentum of targets, and hidden layers' widths."""


def renamed(found: Any, kind: str) -> Any:
    """What a file of this kind holds, by present names; a field that has its present name already stays as it is."""
    changes = RENAMED.get(kind, ())
    if kind == "RunConfig":
        changes += METHOD_OPTIONS.get(_method(found), ())
    for path, name in changes:
        found = _renamed(found, path.split("."), name)
    return found


def _method(found: Any) -> str:
    for part in ("config", "method", "name"):
        found = found.get(part) if isinstance(found, dict) else None
    return found.replace("_", "-") if isinstance(found, str) else ""


def _renamed(found: Any, path: list[str], name: str) -> Any:
    if not isinstance(found, dict) or path[0] not in found or (len(path) == 1 and name in found):
        return found
    if len(path) > 1:
        return {**found, path[0]: _renamed(found[path[0]], path[1:], name)}
    return {name if key == path[0] else key: value for key, value in found.items()}
