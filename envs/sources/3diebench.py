"""3DIEBench (Garrido, Najman and LeCun 2023): 52 472 objects of ShapeNet in 55 classes, 50 rendered views of each.

Read as it is unpacked, `<root>/<synset>/<object>/image_{0..49}.jpg` (256 px) and `latent_{0..49}.npy`, with the
authors' index files or without; any number of objects and views will do, so sets rendered here and the authors'
out-of-distribution set are read as well (the latter with split "all"). Views are decoded when they are looked at,
which takes about 1.5 ms each: pack a tree that is to be trained on (`gazeworld.envs.object_datasets.pack_tree`).
"""

from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track

from ..files import digest, located
from ..object_datasets.tree import check_root, drawn_by, fingerprint, read_latents, read_tree
from ..object_datasets.tree_index import members
from ..objects.gallery import FolderGallery, Objects, statistics
from ..validation import Natural, Side

VERSION = 1  # goes up whenever the same files and options would give other views
_LONG = 20  # objects from which on checking shows its progress


def load(
    split: str = "train", root: str = "", *, size: Side = 128, views: Natural = 0, check: bool = False, index: str = ""
) -> Objects:
    """Objects of one split: "train", "test" (also called "val") or "all", views `size` pixels square.

    `views` limits how many views of each object are used (0: all). `index` is a folder with the authors' index files,
    "none" to ignore them, or empty to use what lies in `root`: see `tree.read_tree`. Files that are missing, latents
    and index files are checked at once; images when they are decoded, or all of them now if `check` is set. Raises
    DataError naming the file for any that is missing, damaged or contradicts the others, ValueError for impossible
    options.
    """
    base = _root(root, size, views)
    listing = read_tree(base, split, index)
    if views > listing.views:
        raise ValueError(f"source '3diebench': views={views}, but the objects in {base} have {listing.views}")
    latents = read_latents(listing)
    used = views or listing.views
    gallery = FolderGallery(base, listing.names, used, size)
    if check:
        _check(gallery)
    found = members(base, index)
    training = found.names[: found.train] or listing.names
    measured = statistics(FolderGallery(base, training, used, size))
    facts = {"source": "3diebench", "version": VERSION, "size": size, "views": used}
    return Objects(
        name="3diebench",
        split=listing.split,
        gallery=gallery,
        latents=torch.from_numpy(latents[:, :used].copy()),
        labels=torch.tensor(listing.labels),
        classes=listing.classes,
        mean=measured.mean,
        std=measured.std,
        fingerprint=digest(**facts, tree=fingerprint(listing, latents)),
        names=listing.names,
        renderer=drawn_by(base),
    )


def _root(root: str, size: int, views: int) -> Path:
    """The tree's folder, once the options have been looked at."""
    if size < 1 or views < 0:
        raise ValueError(
            f"source '3diebench': size={size}, views={views}, expected at least 1 pixel and no less than 0"
        )
    if not root:
        raise ValueError("source '3diebench': no root given, expected the folder that holds the folders of the classes")
    base = located(root, "root of source '3diebench'")
    check_root(base)
    return base


def _check(gallery: FolderGallery) -> None:
    """Decode every view once, so that a bad one is found now."""
    n, v = gallery.shape[:2]
    for i in track(range(n), "checking", console=Console(stderr=True), disable=n < _LONG, transient=True):
        gallery(torch.full((v,), i), torch.arange(v))
