"""What stands beside stored saliency maps: which prior made them, for which images, in which files.

`maps.json` is written last: a folder of maps without it was not finished, or comes from elsewhere.
"""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..files import DataError, digest, read_json
from ..images import StillImages
from . import map_codes

FORMAT = 1  # goes up whenever older sets could be misread
FILE = "maps.json"
LAYOUTS = ("compact", "stl10", "imagenet")
"""How maps can be laid out: see `map_files`."""


@dataclass(frozen=True)
class MapShard:
    """A file of the maps of images `first` … `first + count - 1`, with the checksum of all its bytes."""

    file: str
    first: int
    count: int
    checksum: str


@dataclass(frozen=True)
class MapManifest:
    """What `maps.json` says.

    `kind` is the name of the prior and `key` what its maps depend on (`Prior.key`). `source`, `split`, `fingerprint`,
    `count` and `image_side` are those of the images, `side` is that of the maps as they are stored, 0 where each has
    its image's own size. `shards` are empty where each map is a file of its own.
    """

    layout: str
    kind: str
    key: dict[str, Any]
    source: str
    split: str
    fingerprint: str
    count: int
    image_side: int
    side: int
    codes: int
    shards: tuple[MapShard, ...]

    def text(self) -> str:
        """What stands in the file."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, allow_nan=False) + "\n"

    def identity(self) -> str:
        """The same as long as the maps are."""
        return digest(key=self.key, images=self.fingerprint, shards=[shard.checksum for shard in self.shards])


_KINDS: dict[str, type] = {"key": dict, "count": int, "image_side": int, "side": int, "codes": int}


def read_manifest(path: Path) -> MapManifest:
    """What a file called maps.json says. Raises DataError naming one that is damaged or of another format."""
    what = "what `gazeworld data saliency` writes"
    found = read_json(path, what)
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        version = found.get("format") if isinstance(found, dict) else None
        raise DataError(f"{path}: format {version!r}, expected {FORMAT}; compute the maps again")
    facts: dict[str, Any] = {name: value for name, value in found.items() if name != "format"}
    known = {field.name for field in fields(MapManifest)}
    if facts.keys() != known:
        name = min(facts.keys() ^ known)
        raise DataError(f"{path}: {name!r} {'is missing' if name in known else 'is unknown'}, expected {what}")
    facts["shards"] = _shards(path, facts["shards"])
    for name, value in facts.items():
        if name != "shards" and type(value) is not _KINDS.get(name, str):
            raise DataError(f"{path}: {name!r} is {json.dumps(value)[:100]}, expected {what}")
    manifest = MapManifest(**facts)
    _check(path, manifest)
    return manifest


def _shards(path: Path, found: Any) -> tuple[MapShard, ...]:
    kinds = {"file": str, "first": int, "count": int, "checksum": str}
    for one in found if isinstance(found, list) else [found]:
        fields_right = isinstance(one, dict) and {name: type(value) for name, value in one.items()} == kinds
        if not fields_right or Path(one["file"]).name != one["file"]:
            raise DataError(f"{path}: a shard is {json.dumps(one)[:100]}, expected file, first, count and checksum")
    return tuple(MapShard(**one) for one in found)


def _check(path: Path, manifest: MapManifest) -> None:
    """Raise DataError where parts of a manifest do not belong together."""
    if manifest.layout not in LAYOUTS:
        raise DataError(f"{path}: layout {manifest.layout!r}, expected one of {', '.join(LAYOUTS)}")
    if manifest.codes != map_codes.VERSION:
        raise DataError(f"{path}: codes of version {manifest.codes}, expected {map_codes.VERSION}; compute them again")
    if min(manifest.count, manifest.image_side) < 1 or manifest.side < (manifest.layout != "imagenet"):
        raise DataError(f"{path}: {manifest.count} maps of {manifest.side} px, expected at least one of each")
    after = 0
    for shard in manifest.shards:
        if shard.first != after or shard.count < 1:
            raise DataError(f"{path}: {shard.file} begins at map {shard.first}, expected {after}: maps are missing")
        after += shard.count
    if manifest.layout != "imagenet" and after != manifest.count:
        raise DataError(f"{path}: files of {after} maps, expected {manifest.count}: maps are missing")


def require_match(path: Path, manifest: MapManifest, images: StillImages, kind: str) -> None:
    """Raise DataError, one sentence, where maps are not those of these images or not by the prior that is wanted."""
    where = f"{images.name}/{images.split}"
    if (manifest.source, manifest.split) != (images.name, images.split):
        raise DataError(f"{path}: saliency maps of {manifest.source}/{manifest.split}, expected those of {where}")
    if manifest.count != len(images):
        raise DataError(
            f"{path}: {manifest.count} saliency maps, expected {len(images)}, one for each image of {where}"
        )
    if manifest.image_side != images.side:
        raise DataError(
            f"{path}: saliency maps for images of {manifest.image_side} px, expected {images.side} px as {where} has"
        )
    if manifest.fingerprint != images.fingerprint:
        raise DataError(
            f"{path}: saliency maps of another version of {where} (fingerprint {manifest.fingerprint}, expected "
            f"{images.fingerprint}); compute them again"
        )
    if kind and manifest.kind != kind:
        raise DataError(f"{path}: saliency maps by the prior {manifest.kind!r}, expected {kind!r}")
