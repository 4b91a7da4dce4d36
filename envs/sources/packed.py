"""A packed store that `gazeworld data pack` made: views of objects, or still images of any source.

Views of objects lie in one memory-mapped file; images as raw bytes or as JPEGs, see `image_datasets.packed_images`.
Opening one takes next to no memory and gathering views from it goes at the speed of memory, or of the disk where the
store does not fit; JPEGs are decoded when they are looked at.
"""

import os
import sys
from pathlib import Path

import torch

from ..files import DataError, digest, located
from ..image_datasets import packed_images
from ..images import StillImages
from ..object_datasets import packed_store
from ..object_datasets.pack_tree import verify
from ..object_datasets.tree import check_split
from ..objects.gallery import ArrayGallery, Objects, ReadAhead
from ..validation import Natural


def load(split: str = "train", root: str = "", *, views: Natural = 0, check: bool = False) -> Objects | StillImages:
    """One split of the store in the folder `root`: objects or images, whichever it holds.

    Of objects there are "train", "test", also called "val", and "all"; of images those that were packed. `views` limits
    how many views of each object are used (0: all). The files' sizes, latents and labels are checked at once; the views
    or images only if `check` is set, which reads all of them. Raises DataError naming a file that is missing or
    damaged, ValueError for impossible options.
    """
    if not root:
        raise ValueError("source 'packed': no root given, expected the folder of a packed store")
    out = located(root, "root of source 'packed'")
    if not packed_images.is_store(out):
        return _objects(split, out, views, check)
    if views:
        raise ValueError(f"source 'packed': views={views}, but {out} holds images, which have none")
    if check and (wrong := packed_images.verify_packed(out)):
        raise DataError(wrong[0])
    return packed_images.open_packed(out, split)


def _objects(split: str, out: Path, views: int, check: bool) -> Objects:
    split = check_split(split)
    manifest = packed_store.read_manifest(out)
    if not 0 <= views <= manifest.views:
        raise ValueError(f"source 'packed': views={views}, but the objects in {out} have {manifest.views}")
    if check:
        verify(out)
    first, last = manifest.splits[split] if split != "all" else (0, len(manifest.names))
    if first == last:
        raise DataError(f"{out}: no object in split {split!r}, expected some")
    part, used = slice(first, last), views or manifest.views
    stored = packed_store.open_views(out / packed_store.VIEWS_FILE, manifest)
    latents, labels = packed_store.read_latents(out, manifest), packed_store.read_labels(out, manifest)
    return Objects(
        name="packed",
        split=split,
        gallery=ArrayGallery(stored[part, :used], _ahead(out / packed_store.VIEWS_FILE, manifest, first)),
        latents=torch.from_numpy(latents[part, :used].copy()),
        labels=torch.from_numpy(labels[part].copy()),
        classes=manifest.classes,
        mean=manifest.mean,
        std=manifest.std,
        fingerprint=digest(source="packed", store=manifest.fingerprint, split=split, views=used),
        names=manifest.names[part],
        renderer=manifest.renderer,
    )


def _ahead(path: Path, manifest: packed_store.Manifest, first: int) -> ReadAhead | None:
    """Reading ahead, for files that memory cannot hold; systems other than Linux have no call for it."""
    if sys.platform != "linux":
        return None
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    size = path.stat().st_size
    if size < memory / 2:
        return None
    n, v, s = manifest.shape[:3]
    view = s * s * 3
    return ReadAhead(path, size - (n - first) * v * view, v, view)
