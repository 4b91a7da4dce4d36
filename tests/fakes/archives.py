"""CIFAR-100 and Tiny ImageNet in miniature, byte for byte in the formats in which they are published."""

import pickle
import struct
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

FINE = tuple(f"class_{i:02d}" for i in range(100))
WORDS = {"n02124075": "Egyptian cat", "n01443537": "goldfish, Carassius auratus", "n04067472": "reel"}
"""Classes of a small Tiny ImageNet, in the order of its wnids.txt (which is not sorted, either)."""


class Python2Pickler(pickle._Pickler):  # type: ignore[name-defined]
    """Writes what Python 2 and the NumPy of 2009 wrote: byte strings, old names of modules, integers as flags."""

    dispatch: ClassVar[dict] = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def string(self, value: str | bytes) -> None:
        raw = value if isinstance(value, bytes) else value.encode("latin1")
        short = b"U" + bytes([len(raw)]) if len(raw) < 256 else b"T" + struct.pack("<i", len(raw))
        self.write(short + raw)
        self.memoize(value)

    def save_global(self, value: Any, name: str | None = None) -> None:
        del name
        home = "numpy" if value in (np.ndarray, np.dtype) else "numpy.core.multiarray"
        self.write(f"c{home}\n{value.__name__}\n".encode())
        self.memoize(value)

    dispatch |= {str: string, bytes: string, type: save_global}

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, np.dtype):
            return np.dtype, (value.str[1:], 0, 1), (3, "|", None, None, None, -1, -1, 0)
        if isinstance(value, np.ndarray):
            rebuild = value.__reduce__()[0]
            return rebuild, (np.ndarray, (0,), "b"), (1, value.shape, value.dtype, False, value.tobytes())
        return NotImplemented


def pickled(path: Path, value: Any) -> None:
    """A pickle as Python 2 wrote it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        Python2Pickler(file, 2).dump(value)


def cifar_pixels(n: int, seed: int) -> np.ndarray:
    """N images as n channel row column."""
    return np.random.default_rng(seed).integers(0, 256, (n, 3, 32, 32), dtype=np.uint8)


def write_cifar100(root: Path, train: int = 12, test: int = 12, *, binary: bool = False) -> None:
    """Both splits below `root`; image i has fine label 7 i mod 100 and coarse label i mod 20."""
    for seed, (split, n) in enumerate((("train", train), ("test", test))):
        pixels, fine, coarse = cifar_pixels(n, seed), [7 * i % 100 for i in range(n)], [i % 20 for i in range(n)]
        if binary:
            (root / "cifar-100-binary").mkdir(parents=True, exist_ok=True)
            records = np.concatenate([np.array([coarse, fine], np.uint8).T, pixels.reshape(n, -1)], 1)
            records.tofile(root / "cifar-100-binary" / f"{split}.bin")
            (root / "cifar-100-binary" / "fine_label_names.txt").write_text("\n".join(FINE) + "\n\n")
            continue
        content = {
            "filenames": [f"image_s_{i:06d}.png" for i in range(n)],
            "batch_label": f"{split}ing batch 1 of 1",
            "fine_labels": fine,
            "coarse_labels": coarse,
            "data": pixels.reshape(n, -1),
        }
        pickled(root / "cifar-100-python" / split, content)
        names = {"fine_label_names": list(FINE), "coarse_label_names": [f"coarse_{i}" for i in range(20)]}
        pickled(root / "cifar-100-python" / "meta", names)


def tiny_colour(label: int, number: int) -> tuple[int, int, int]:
    """What a picture of Tiny ImageNet in miniature is filled with: it can be told after JPEG."""
    return 20 + 60 * label, 30 + 20 * number, 128


def write_tiny_imagenet(root: Path, train: int = 3, val: int = 2) -> Path:
    """A tree of three classes with so many images each; the second training image of each class is grey."""
    tree = root / "tiny-imagenet-200"
    (tree / "val" / "images").mkdir(parents=True)
    (tree / "wnids.txt").write_text("\n".join(WORDS) + "\n")
    others = {"n00001740": "entity", "n99999999": "nothing"}  # words.txt knows all of WordNet
    lines = sorted(f"{wnid}\t{words}\n" for wnid, words in (WORDS | others).items())
    (tree / "words.txt").write_text("".join(lines))
    annotations = []
    for label, wnid in enumerate(WORDS):
        folder = tree / "train" / wnid / "images"
        folder.mkdir(parents=True)
        (folder.parent / f"{wnid}_boxes.txt").write_text(f"{wnid}_0.JPEG\t0\t10\t63\t58\n")
        for i in range(train):
            picture = Image.new("RGB", (64, 64), tiny_colour(label, i))
            (picture.convert("L") if i == 1 else picture).save(folder / f"{wnid}_{i}.JPEG", "JPEG")
        for i in range(val):
            name = f"val_{3 * i + label}.JPEG"
            Image.new("RGB", (64, 64), tiny_colour(label, i)).save(tree / "val" / "images" / name, "JPEG")
            annotations.append(f"{name}\t{wnid}\t0\t32\t44\t62\n")
    (tree / "val" / "val_annotations.txt").write_text("".join(annotations))
    return tree
