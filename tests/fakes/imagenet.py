"""ImageNet in small, in its real layout: three classes whose red tells which one an image shows."""

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

WNIDS = ("n01", "n02", "n03")


def save(path: Path, wnid: str, size: tuple[int, int] = (30, 20), seed: int = 0) -> None:
    """An image of a class: red is 50 times the class's number, all else is noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 60, (size[1], size[0], 3), np.uint8)
    pixels[:] = pixels.mean((0, 1))
    pixels[..., 0] = 50 * int(wnid[1:])
    Image.fromarray(pixels).save(path, "JPEG", quality=95, subsampling=0)


def imagenet(root: Path, per_class: int = 2, size: tuple[int, int] = (30, 20)) -> None:
    """A tree with some training images of each class and one for validation."""
    for wnid in WNIDS:
        for i in range(per_class):
            save(root / f"train/{wnid}/{wnid}_{i}.JPEG", wnid, size, i)
        save(root / f"val/{wnid}/ILSVRC2012_val_{wnid[1:]:0>8}.JPEG", wnid, size)


def devkit(root: Path, shown: tuple[str, ...]) -> None:
    """The development kit: the challenge's numbers are not in the order of the WordNet numbers, and one is a parent."""
    data = root / "ILSVRC2012_devkit_t12/data"
    data.mkdir(parents=True, exist_ok=True)
    kind = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("gloss", "O"), ("num_children", "O")]
    rows = [(2, "n01", "great tench, tinca", "a fish", 0), (3, "n02", "hen", "a bird", 0),
            (1, "n03", "crane", "a machine", 0), (4, "n00", "entity", "all", 2)]  # fmt: skip
    savemat(data / "meta.mat", {"synsets": np.array(rows, dtype=kind)[:, None]})
    number = {"n01": 2, "n02": 3, "n03": 1}
    (data / "ILSVRC2012_validation_ground_truth.txt").write_text("".join(f"{number[wnid]}\n" for wnid in shown))
