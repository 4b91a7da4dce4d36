"""What somebody's own folder holds: images, 3-D models, drawn views or a packed store, how many and how large.

A scenario for one's own data takes its defaults from it. Nothing is decoded but the heads of a few images; what is
wrong with files is said by the source that reads them.
"""

import re
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from gazeworld.envs import registry, walking
from gazeworld.envs.files import DataError, expanded
from gazeworld.envs.image_datasets import packed_images
from gazeworld.envs.images import load_source
from gazeworld.envs.meshes.mesh_files import EXTENSIONS as MODELS
from gazeworld.envs.object_datasets.packed_store import MANIFEST_FILE, read_manifest
from gazeworld.envs.object_datasets.tree import read_tree
from gazeworld.envs.objects.gallery import Objects
from gazeworld.envs.sources.folder import EXTENSIONS as PICTURES
from gazeworld.envs.validation import meant, shown

from .swapping import SOURCES, WORLDS, can_look

_LOOKED_AT = 64  # images whose heads are read, spread evenly
_FORMS = "a folder of images, of 3-D models or of views that `gazeworld data render` or `data pack` wrote"


@dataclass(frozen=True)
class OwnData:
    """Data as a scenario names them: `source` and `root` read them, `name` is what runs are called after.

    `scenes` is the number of images or objects in the training split, or about it. `side` is the median of the images'
    shorter sides in pixels, or that of the views; 0 where views are still to be drawn. `views` is the number of views
    of each object, 0 of images and where it is open.
    """

    name: str
    source: str
    root: str
    scenes: int
    side: int
    views: int = 0


def own_data(text: str, world: str) -> OwnData:
    """What `text` names, a folder or SOURCE or SOURCE:FOLDER of a known source, for a world to look at.

    Raises DataError for a folder that holds nothing that can be looked at, and where the world looks at something else;
    ValueError for what is neither.
    """
    path = expanded(text, "data")
    images = can_look(world, "folder")
    found = _in_folder(path.absolute(), images, text) if path.exists() else _of_source(text)
    # A packed store holds either; of images there are no views.
    like = ("3diebench" if found.views else "folder") if found.source == "packed" else found.source
    if not can_look(world, like):
        what = "images" if can_look("saccade", like) else "objects"
        others = [name for name in registry.names(WORLDS) if can_look(name, like)]
        raise DataError(
            f"{text}: holds {what} (source {found.source!r}), at which world {world!r} does not look; "
            f"{' or '.join(others)} can"
        )
    return found


def source_of(text: str, world: str) -> tuple[str, str]:
    """Source and root of what `text` names, as `own_data` takes it; of a source that is named, nothing is loaded."""
    if expanded(text, "data").exists():
        found = own_data(text, world)
        return found.source, found.root
    name, root = _named(text)
    if not can_look(world, name):
        raise DataError(f"{text}: source {name!r} is none that world {world!r} looks at")
    return name, root


def _in_folder(path: Path, images: bool, text: str) -> OwnData:
    if not path.is_dir():
        raise DataError(f"{text}: is a file, expected {_FORMS}")
    name, root = _slug(path.name), str(path)
    if (path / MANIFEST_FILE).is_file():
        manifest = read_manifest(path)
        first, last = manifest.splits["train"]
        return OwnData(name, "packed", root, last - first, manifest.size, manifest.views)
    if packed_images.is_store(path):
        stored = packed_images.read_manifest(path)
        count = next(iter([stored.splits[n] for n in ("train", *stored.splits) if n in stored.splits])).count
        return OwnData(name, "packed", root, count, stored.side)
    files = walking.walk(path, (*PICTURES, *MODELS), "an image or a model", labels=0).files
    pictures = [file for file in files if file.name.lower().endswith(PICTURES)]
    if any(file.name == "image_0.jpg" and file.with_name("latent_0.npy").is_file() for file in pictures):
        listing = read_tree(path)
        side = _side([path / listing.names[0][1:] / "image_0.jpg"])
        return OwnData(name, "3diebench", root, len(listing.names), side, listing.views)
    models = len(files) - len(pictures)
    if models and not (images and pictures):
        return OwnData(name, "meshes", root, models, 0)
    if not pictures:
        raise DataError(f"{text}: no image and no 3-D model in it, expected {_FORMS}")
    step = max(1, len(pictures) // _LOOKED_AT)
    return OwnData(name, "folder", root, len(pictures), _side(pictures[::step]))


def _side(pictures: list[Path]) -> int:
    """The median of the shorter sides of images, 0 where none can be read: what is wrong with them is said later."""
    sides = []
    for picture in pictures:
        try:
            with Image.open(picture) as image:
                sides.append(min(image.size))
        except Exception:  # Pillow says of no decoder what it may raise
            continue
    return int(statistics.median(sides)) if sides else 0


def _of_source(text: str) -> OwnData:
    """Data of a source by its name, with or without the folder where they lie; it is loaded to see what there is."""
    name, root = _named(text)
    found: Any = load_source(name, "train", root)
    views = found.gallery.shape[1] if isinstance(found, Objects) else 0
    return OwnData(registry.short(name), name, root, len(found), found.side, views)


def _named(text: str) -> tuple[str, str]:
    """The source and the folder in SOURCE or SOURCE:FOLDER, an empty one where none is said."""
    known, (name, _, root) = registry.names(SOURCES), text.partition(":")
    if registry.plain(name) not in known and ":" in text and "/" not in name:
        named, rest = registry.split(SOURCES, text)  # perhaps one of another package, MODULE:FUNCTION
        name, root = (named, rest) if "/" not in named else (name, root)
    if ":" not in name and registry.plain(name) not in known:
        raise ValueError(
            f"data is {shown(text)}, and there is no such folder; expected {_FORMS}, or SOURCE:FOLDER with one of "
            f"{', '.join(known)}{'' if '/' in name else meant(name, known)}"
        )
    name, root = registry.plain(name), str(expanded(root, "data").absolute()) if root else ""
    return name, root


def _slug(name: str) -> str:
    """A folder's name as a part of a run's: letters, digits and -_. alone."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "data"
