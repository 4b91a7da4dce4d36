"""Objects whose views can be told apart by their bytes: each view shows its object's number and its own."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from gazeworld.envs.objects.gallery import ArrayGallery, Objects
from gazeworld.envs.objects.rotations import Region
from gazeworld.envs.objects.stage import of_object


def objects(n: int = 6, v: int = 5, side: int = 8, classes: int = 3, seed: int = 0) -> Objects:
    """N objects with v views; pixel (0, 0) of a view is (object, view, 0), the rest is noise that belongs to both."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (n, v, side, side, 3), generator=generator, dtype=torch.uint8)
    pixels[:, :, 0, 0, 0] = torch.arange(n, dtype=torch.uint8)[:, None]
    pixels[:, :, 0, 0, 1] = torch.arange(v, dtype=torch.uint8)
    latents = torch.stack([of_object(Region("paper"), f"object {i}", seed, v) for i in range(n)])
    return Objects(
        name="shapes",
        split="train",
        gallery=ArrayGallery(pixels),
        latents=latents,
        labels=torch.arange(n) % classes,
        classes=tuple("abcdefghij"[:classes]),
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        fingerprint=f"shapes{n}{v}{seed}",
        names=tuple(f"/{'abcdefghij'[i % classes]}/{i}/" for i in range(n)),
    )


SIZE, V, N = 16, 3, 14


def tree_at(root: Path) -> Path:
    """A tree of N objects with V views each, with index files, drawn by hand."""
    write_tree(root, views=V, side=32, index=True)
    (root / "render.json").write_text(json.dumps({"renderer": "made by hand"}))
    return root


def files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir()}


CLASSES = {"02691156": 6, "03001627": 5, "04379243": 3}  # objects of each synset


def colours(number: int, view: int) -> np.ndarray:
    """Colours of the left and the right half of a view: the first tells the object, the second the view."""
    return np.array([[20 + 12 * number % 216, 235 - 9 * number % 216, 128], [60, 30 + 4 * view % 216, 200]], np.uint8)


def latent(number: int, view: int) -> np.ndarray:
    """Seven float64, as in the authors' files, different for every view."""
    rng = np.random.default_rng([number, view])
    angles = rng.uniform(-np.pi / 2, np.pi / 2, 3)
    return np.array([*angles, rng.uniform(), rng.uniform(0, np.pi / 4), rng.uniform(0, 2 * np.pi), rng.uniform()])


def write_object(folder: Path, number: int, views: int, side: int) -> None:
    """One object's views and latents."""
    folder.mkdir(parents=True)
    for view in range(views):
        left, right = colours(number, view)
        image = np.empty((side, side, 3), np.uint8)
        image[:, : side // 2], image[:, side // 2 :] = left, right
        Image.fromarray(image).save(folder / f"image_{view}.jpg", quality=95, subsampling=0)
        np.save(folder / f"latent_{view}.npy", latent(number, view))


def write_tree(
    root: Path, classes: Mapping[str, int] = CLASSES, views: int = 3, side: int = 64, *, index: bool = False
) -> tuple[str, ...]:
    """A tree with so many objects of each class; returns their names, whose positions are the objects' numbers."""
    names = tuple(f"/{synset}/{synset[-2:]}object{i}/" for synset, count in classes.items() for i in range(count))
    for number, name in enumerate(names):
        write_object(root / name[1:], number, views, side)
    if index:
        write_index(root, names)
    return names


def write_index(folder: Path, names: tuple[str, ...]) -> None:
    """Index files as the authors' are: names in random order, as fixed-width strings; labels int64 by sorted synset."""
    synsets = sorted({name.split("/")[1] for name in names})
    order = [names[i] for i in np.random.default_rng(0).permutation(len(names))]
    parts = {"val": order[: len(order) // 4], "train": order[len(order) // 4 :]}
    folder.mkdir(parents=True, exist_ok=True)
    for split, part in parts.items():
        np.save(folder / f"{split}_images.npy", np.array(part))
        labels = [synsets.index(name.split("/")[1]) for name in part]
        np.save(folder / f"{split}_labels.npy", np.array(labels, np.int64))
