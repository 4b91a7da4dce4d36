"""What stands beside the objects of a rendered set: its settings, splits, index files, credits and report."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import npy_bytes
from ..files import DataError, read_json, write_bytes, write_text
from ..objects import splits
from . import tree_records
from .tree_records import Record

FORMAT = 1
SETTINGS, SPLIT, REPORT, CREDITS = "render.json", "split.json", "report.json", "CREDITS"


def begin(out: Path, settings: dict[str, Any], renderer: str) -> None:
    """Claim a folder for a set with these settings, or go on with the same set; `renderer` is the renderer's version.

    Raises ValueError with one sentence where the folder holds another set or something else, OSError where it cannot
    be written.
    """
    file = out / SETTINGS
    settings = json.loads(json.dumps(settings))  # as it will be read back
    if not file.is_file():
        if out.is_dir() and any(not path.name.startswith(".") for path in out.iterdir()):
            raise ValueError(f"{out}: not empty and without {SETTINGS}; expected a new folder or one begun by a render")
        write_text(file, _json({"format": FORMAT, "settings": settings, "renderer": renderer}))
        return
    found = _settings(file)
    old, version = found["settings"], found["format"]
    if version != FORMAT:
        raise ValueError(f"{file}: format {version!r}, expected {FORMAT}; render to another folder")
    changed = [name for name in settings | old if settings.get(name) != old.get(name)]
    if changed:
        there, asked = (", ".join(f"{name} {values.get(name)}" for name in changed) for values in (old, settings))
        raise ValueError(f"{file}: this set has {there}, asked for {asked}; use the same settings or another folder")


def finish(out: Path, listed: Iterable[str]) -> None:
    """Write split.json, the index files, CREDITS and report.json for the objects that are there now.

    `listed` are the keys of the collection, of all shards: the split of an object depends on these, not on how many
    are drawn already. Shards may finish at the same time: each looks again after it has written, so that the last
    one to write has seen everything.
    """
    listed = sorted(listed)
    tree_records.sweep(out)
    seen: list[Record] | None = None
    while (found := tree_records.records(out)) != seen:
        seen = found
        _write(out, listed, [r for r in found if not r.failed], [r for r in found if r.failed])


def _write(out: Path, listed: list[str], drawn: list[Record], failed: list[Record]) -> None:
    keys = [record.key for record in drawn]
    tested = splits.tested({*listed, *keys})
    classes = sorted({_category(key) for key in keys})
    parts = {"train": [key for key in keys if key not in tested], "test": [key for key in keys if key in tested]}
    write_text(out / SPLIT, _json(parts))
    for name, part in (("train", parts["train"]), ("val", parts["test"])):  # val: as the authors' index files
        labels = [classes.index(_category(key)) for key in part]
        write_bytes(out / f"{name}_images.npy", npy_bytes(np.array([f"/{key}/" for key in part], np.str_)))
        write_bytes(out / f"{name}_labels.npy", npy_bytes(np.array(labels, np.int64)))
    credited = [f"{record.key}: {record.credit}\n" for record in drawn if record.credit]
    if credited:
        write_text(out / CREDITS, "".join(["The views were drawn from these models.\n\n", *credited]))
    renderers = Counter(record.renderer for record in drawn)
    counts = {"objects": len(keys), "views": sum(record.views for record in drawn)}
    settings = _settings(out / SETTINGS)
    settings |= {"renderer": "; ".join(sorted(renderers)), **counts, "credits": CREDITS if credited else None}
    write_text(out / SETTINGS, _json(settings))
    report = {
        **counts,
        "listed": len(listed),
        "to do": len(set(listed) - {record.key for record in [*drawn, *failed]}),
        "classes": {name: {split: _count(part, name) for split, part in parts.items()} for name in classes},
        "renderers": dict(sorted(renderers.items())),
        "failed": [{"object": record.key, "reason": record.failed} for record in failed],
    }
    write_text(out / REPORT, _json(report))


def _settings(file: Path) -> dict[str, Any]:
    """What a render wrote into its folder. Raises DataError for anything else."""
    found = read_json(file, "what a render wrote")
    held = found if isinstance(found, dict) else {}
    for name in ("format", "settings"):
        if name not in held:
            raise DataError(
                f"{file}: not the settings of a rendered set (no {name!r} in it), expected what a render wrote"
            )
    if not isinstance(found["settings"], dict):
        raise DataError(f"{file}: 'settings' is {json.dumps(found['settings'])[:100]}, expected names and values")
    return found


def _category(key: str) -> str:
    return key.partition("/")[0]


def _count(keys: list[str], category: str) -> int:
    return sum(_category(key) == category for key in keys)


def _json(data: dict[str, Any]) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"
