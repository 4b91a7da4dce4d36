"""Photographic cut-outs from Tux Paint's stamps: which ones, in which class and split, and how they are read.

The folders of the package tuxpaint-stamps-default say what a stamp shows. Drawings, silhouettes and renderings are
left out, by the names of folders and by a list made by looking at all stamps. Photographs of the same thing, such as
mirrored copies, are one object and stay on one side of the split.
"""

import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..files import DataError, expanded
from ..images import picture
from ..threads import every

DEBIAN = Path("/usr/share/tuxpaint/stamps")
PACKAGE = "tuxpaint-stamps-default"
FEWEST = 5
"""Objects that a class needs, so that a fifth of them is one."""

# Folders and files below the root; what is named more closely elsewhere belongs there.
KINDS = {
    "bird": ("animals/birds",),
    "hoofed mammal": (
        *(f"animals/mammals/{name}" for name in ("bovines", "camel", "deer", "equines")),
        *(f"animals/mammals/{name}.png" for name in ("elephant", "giraffe", "hippopotamus", "rhino_black", "wildboar")),
        *(f"animals/mammals/{name}.png" for name in ("pig", "pig_golden", "pig_golden2")),
    ),
    "furred mammal": ("animals/mammals", "animals/mammals/aquatic/otter.png", "animals/marsupials"),
    "sea animal": ("animals/fish", "animals/shellfish", "animals/mammals/aquatic"),
    "small animal": ("animals/insects", "animals/amphibians", "animals/lizards"),
    "fruit": ("food/fruit", "food/nuts"),
    "vegetable": ("food/vegetables", "food/spices", "plants/mushrooms"),
    "flower": ("plants/flowers",),
    "plant": ("plants",),
    "household": ("household",),
    "instrument": ("hobbies/music",),
    "vehicle": ("vehicles", "military/vehicles"),
}
CLASSES = tuple(KINDS)
_NO_PHOTOGRAPHS = ("cartoon", "toys")  # folders of drawings, and of animals that are none
_LEFT_OUT = {
    "animals/mammals/echidna.png",  # a silhouette
    "animals/mammals/hedgehog.png",
    "animals/marsupials/kangaroo-silo.png",
    "food/nuts/walnut_shelled.png",  # 25 pixels
    "household/arttools/highlighter.png",
    "household/dishes/glass.png",  # one sees through it
    "household/key.png",
    "vehicles/7spoke256.png",
    "vehicles/emergency/sedan_police.png",  # letters and a lamp, without the car
    "vehicles/emergency/sedan_police_mirror.png",
    "vehicles/ship/chineseJunk.png",
}
_MIRRORED = ("_mirror", "_left", "_right", "_flip")
# Photographs of the same thing, or of one herd in one place.
_SAME = (
    ("animals/mammals/bovines/gnu-baby.png", "animals/mammals/bovines/gnu-baby-stand.png"),
    ("animals/mammals/bovines/gnu-sitting.png", "animals/mammals/bovines/gnu-stand.png"),
    ("animals/mammals/equines/donkey.png", "animals/mammals/equines/donkey_eating.png"),
    ("animals/mammals/pig_golden.png", "animals/mammals/pig_golden2.png"),
    ("animals/birds/heron_greatblue.png", "animals/birds/heron_greatblue_flying.png"),
    ("food/fruit/orange.png", "food/fruit/sliced_orange.png"),
    ("food/vegetables/garlic.png", "food/vegetables/garlics.png"),
    ("household/arttools/scissors_small_closed.png", "household/arttools/scissors_small_open.png"),
    ("plants/flowers/chemparathi.png", "plants/flowers/flower10.png"),
    ("plants/mushrooms/cep.png", "plants/mushrooms/cep-1.png"),
)


@dataclass(frozen=True)
class Cutout:
    """One photographed thing: `image` has four bands, red, green and blue multiplied by opacity, and opacity."""

    name: str
    label: int
    image: Image.Image
    digest: str


def cutouts(split: str, root: str, reach: int) -> tuple[Cutout, ...]:
    """The objects of one split, by class and name, cropped to what is opaque and reduced to at most `reach` pixels.

    Of each class, the fifth with the smallest SHA-256 of their names is the test split. `root` empty: where Debian's
    package puts them. Raises DataError where they are not installed, for a class of too few and for a damaged file.
    """
    folder = expanded(root, "root of source 'stamps'") if root else DEBIAN
    return _cutouts(split, folder, reach)


@functools.lru_cache(maxsize=4)
def _cutouts(split: str, folder: Path, reach: int) -> tuple[Cutout, ...]:
    chosen = [(name, label) for name, label, tested in listing(folder) if tested == (split == "test")]
    return tuple(every(lambda one: _read(folder, *one, reach), chosen))


def listing(folder: Path) -> list[tuple[str, int, bool]]:
    """Name below the folder, label, and whether it is a test object, of every stamp that takes part."""
    if not folder.is_dir():
        raise DataError(
            f"no stamps found: {folder} is no folder, expected one with animals/birds, food/fruit …; get them by "
            f"`apt install {PACKAGE}`, or say with root where the folder `stamps` of Tux Paint lies"
        )
    found: dict[str, list[str]] = {name: [] for name in CLASSES}
    for path in sorted(folder.rglob("*.png")):
        name = path.relative_to(folder).as_posix()
        kind = _kind(name)
        if kind and _is_photograph(name):
            found[kind].append(name)
    return [row for label, (kind, names) in enumerate(found.items()) for row in _split(folder, kind, label, names)]


def _split(folder: Path, kind: str, label: int, names: list[str]) -> Iterator[tuple[str, int, bool]]:
    objects = sorted({_object(name) for name in names}, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    if len(objects) < FEWEST:
        raise DataError(
            f"{folder}: {len(objects)} photographs for class {kind!r} in {' and '.join(KINDS[kind][:4])}, expected "
            f"{FEWEST} or more, as `apt install {PACKAGE}` brings them"
        )
    tested = set(objects[: round(len(objects) / 5)])
    there = set(names)
    for name in names:
        if _object(name) == name or _object(name) not in there or not _is_mirrored(name):
            yield name, label, _object(name) in tested


def _kind(name: str) -> str:
    """The class whose folder or file is the closest to a stamp's, or an empty text."""
    fits = [(len(place), kind) for kind, places in KINDS.items() for place in places if _within(name, place)]
    return max(fits)[1] if fits else ""


def _within(name: str, place: str) -> bool:
    return name == place or name.startswith(f"{place}/")


def _is_photograph(name: str) -> bool:
    return name not in _LEFT_OUT and not set(_NO_PHOTOGRAPHS) & set(name.split("/"))


def _is_mirrored(name: str) -> bool:
    return name.removesuffix(".png").endswith(_MIRRORED)


def _object(name: str) -> str:
    """The name that all stamps of one object share; a mirrored copy has that of its original."""
    stem = name.removesuffix(".png")
    for end in _MIRRORED:
        stem = stem.removesuffix(end)
    name = f"{stem}.png"
    return next((same[0] for same in _SAME if name in same), name)


def _read(folder: Path, name: str, label: int, reach: int) -> Cutout:
    """One stamp. Raises DataError for a file that is damaged, says nothing of opacity or is opaque nowhere."""
    path, what = folder / name, "a PNG with an alpha channel"
    with picture(path, what, ("PNG",)) as image:
        if not (image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info):
            raise DataError(f"{path}: {image.mode} without transparency, expected {what}: a cut-out")
        whole = image.convert("RGBA")
    box = whole.getchannel("A").point(_HALF).getbbox()
    if box is None:
        raise DataError(f"{path}: opaque nowhere, expected {what} that shows something")
    found = whole.crop(box)
    scale = min(1.0, reach / max(found.size))
    w, h = (max(1, round(scale * edge)) for edge in found.size)
    # Resized bands must be premultiplied, or what lies hidden where nothing is opaque bleeds into the rim.
    pixels = np.array(found).astype(np.uint16)
    pixels[..., :3] = (pixels[..., :3] * pixels[..., 3:] + 127) // 255
    small = four_bands(pixels.astype(np.uint8)).resize((w, h), Image.Resampling.BILINEAR, reducing_gap=4.0)
    return Cutout(name, label, small, hashlib.sha256(np.asarray(small).tobytes()).hexdigest())


_HALF = [0] * 128 + [255] * 128


def four_bands(pixels: np.ndarray) -> Image.Image:
    """An image of four bands that are resized each alone, which mode RGBA would not be."""
    h, w, _ = pixels.shape
    return Image.frombuffer("RGBX", (w, h), np.ascontiguousarray(pixels), "raw", "RGBX", 0, 1)
