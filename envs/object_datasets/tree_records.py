"""Writing one object of a rendered set so that it is there whole or not at all.

`<out>/<class>/<object>/` holds image_{i}.jpg and latent_{i}.npy and nothing else, as in 3DIEBench. What is known about
an object stands in `<out>/.records/<class>/<object>.json`: the checksum of its files, or why it could not be drawn.
Names beginning with a dot are not part of the set.
"""

import contextlib
import io
import json
import shutil
import time
import zlib
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from ..files import DataError, left_behind, read_json, remove_folder, whole_folder, write_text

_RECORDS = ".records"
_STALE = 60.0  # seconds: folders under a temporary name live for a fraction of one


@dataclass(frozen=True)
class Record:
    """What is known about one object: either what its files hold and what drew them, or why there are none."""

    key: str
    views: int = 0
    checksum: str = ""
    config: str = ""
    renderer: str = ""
    credit: str = ""
    failed: str = ""


def save(
    out: Path, record: Record, images: UInt8[np.ndarray, "v h w 3"], latents: Float32[np.ndarray, "v 7"], quality: int
) -> None:
    """Write an object's views and their latents, replacing what was there; the record gets their checksum.

    Raises OSError where they cannot be written; then nothing of the object is left.
    """
    files = _encoded(images, latents, quality)
    with whole_folder(out / record.key) as draft:
        for name, data in files.items():
            (draft / name).write_bytes(data)
        # The record goes first: a folder that is seen is known to be whole.
        _write_record(out, Record(**{**asdict(record), "checksum": _checksum(files)}))


def whole(out: Path, key: str, views: int, config: str) -> bool:
    """Whether an object is there as it was written, by the checksum of its bytes, and for this configuration."""
    record = read_record(out, key)
    if record is None or record.config != config:
        return False
    try:
        files = {name: (out / key / name).read_bytes() for name in _names(views)}
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False
    return _checksum(files) == record.checksum


def fail(out: Path, key: str, reason: str) -> None:
    """Note why an object, of which nothing is there, could not be drawn."""
    _write_record(out, Record(key, failed=reason))


def discard(out: Path, key: str) -> None:
    """Remove an object and what is known about it, if it is there."""
    _record_path(out, key).unlink(missing_ok=True)
    remove_folder(out / key)


def read_record(out: Path, key: str) -> Record | None:
    """What is known about an object, None if nothing is or it cannot be read."""
    try:
        found = Record(**read_json(_record_path(out, key), "what is known about an object"))
    except (DataError, TypeError):
        return None  # a record that a crash cut short is as good as none: its object is drawn again
    kinds = {field.name: int if field.name == "views" else str for field in fields(Record)}
    right = all(type(value) is kinds[name] for name, value in asdict(found).items())
    return found if right and found.key == key else None


def records(out: Path) -> list[Record]:
    """The objects that are there and those that failed, by key."""
    keys = sorted(f"{path.parent.name}/{path.stem}" for path in (out / _RECORDS).glob("*/*.json"))
    found = [record for record in (read_record(out, key) for key in keys) if record is not None]
    return [record for record in found if record.failed or (out / record.key).is_dir()]


def sweep(out: Path) -> None:
    """Delete what killed processes left under temporary names, once nobody can be at it any more."""
    earlier = out.glob("*/.*.part")  # as drafts were called before November 2026
    for left in [*earlier, *left_behind(out, inside="*/"), *left_behind(out / _RECORDS, inside="*/")]:
        with contextlib.suppress(FileNotFoundError):  # another shard finished it, or swept it up itself
            if time.time() - left.stat().st_mtime > _STALE:
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def _encoded(
    images: UInt8[np.ndarray, "v h w 3"], latents: Float32[np.ndarray, "v 7"], quality: int
) -> dict[str, bytes]:
    """All files of an object in memory, so that its folder exists under its temporary name for milliseconds only."""
    files = {}
    for i, (image, latent) in enumerate(zip(images, latents, strict=True)):
        picture, numbers = io.BytesIO(), io.BytesIO()
        # Colour at full resolution (4:4:4): 3DIEBench stores 256 px with halved colour and is used at 128.
        Image.fromarray(image).save(picture, "JPEG", quality=quality, subsampling=0)
        np.save(numbers, latent)
        files[f"image_{i}.jpg"], files[f"latent_{i}.npy"] = picture.getvalue(), numbers.getvalue()
    return files


def _names(views: int) -> list[str]:
    return [name for i in range(views) for name in (f"image_{i}.jpg", f"latent_{i}.npy")]


def _checksum(files: dict[str, bytes]) -> str:
    """Sizes and contents of an object's files; a CRC suffices against truncation and flipped bits."""
    value = 0
    for name, data in files.items():
        value = zlib.crc32(data, zlib.crc32(f"{name} {len(data)}".encode(), value))
    return f"{value:08x}"


def _record_path(out: Path, key: str) -> Path:
    return out / _RECORDS / f"{key}.json"


def _write_record(out: Path, record: Record) -> None:
    write_text(_record_path(out, record.key), json.dumps(asdict(record)) + "\n")
