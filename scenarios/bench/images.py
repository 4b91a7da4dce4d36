"""How fast images of a tree of ImageNet's layout are found and read, beside torchvision's ImageFolder and DataLoader.

Both ways take turns within one run, on the same files and for the same square of each image; what counts is their
ratio. Files that were just written, or read in the turn before, lie in the system's cache: it is decoding that is
measured, not the disk.
"""

import os
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from gazeworld.envs.files import expanded
from gazeworld.envs.image_datasets.image_index import build_index
from gazeworld.envs.image_datasets.ring import Ring
from gazeworld.envs.images import LazyImages
from gazeworld.envs.sources import imagenet
from gazeworld.envs.walking import subfolders

from .rollout import in_turns, measure

CLASSES, PER_CLASS = 200, 100
"""Of the tree that is made where none is given: 20 000 images."""
DIFFERENT = 200  # images that are really drawn and encoded; every file has a comment of its own
SIZE, QUALITY = (500, 375), 92  # about 100 KB each, as ImageNet's are
_BATCH = 256
_WORKERS = 2
_REPEATS = 5


def images_bench(
    root: str = "", side: int = 224, seconds: float = 5.0, *, classes: int = CLASSES, per_class: int = PER_CLASS
) -> dict[str, float]:
    """Seconds to index and to open again, images per second read into a ring, memory; and a DataLoader's speed.

    `root` holds `train/<class>/*`; empty: a tree of `classes` × `per_class` JPEGs of 500 × 375 pixels is made for the
    occasion and deleted afterwards (2 GB). Two threads read, of which one is the caller's; the loader has two workers.
    Every turn lasts about `seconds`; medians of five. Prints a table and returns what it holds: images, first_index,
    second_open, images_per_second, baseline_images_per_second, ratio, and the process's own memory in MB before
    reading, after a quarter of all images and after all of them.
    """
    if not seconds > 0:
        raise ValueError(f"seconds is {seconds}, expected more than 0")
    with ExitStack() as stack:
        tree = expanded(root, "root") if root else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if not root:
            make_tree(tree, classes, per_class)
        found = _opening(tree, side)
        images = imagenet.load("train", str(tree), side)
        found |= _memory(images)
        ways = {"ours": lambda: measure(_ours(images), seconds, workers=0)}
        ways |= {"loader": lambda: measure(_loader(tree / "train", side), seconds, workers=_WORKERS)}
        medians = in_turns(ways, _REPEATS)
    ours, theirs = medians["ours"], medians["loader"]
    found |= {"images_per_second": ours, "baseline_images_per_second": theirs, "ratio": ours / theirs}
    _show(found, f"{len(images):,} images, {side} px, {os.cpu_count()} cores")
    return found


def make_tree(root: Path, classes: int, per_class: int, seed: int = 0) -> None:
    """JPEGs of coloured noise with the spectrum of photographs, in `train/<class>/`."""
    rng, coded = np.random.default_rng(seed), []
    for _ in track(range(min(DIFFERENT, classes * per_class)), "drawing", console=Console(stderr=True), transient=True):
        with BytesIO() as file:
            Image.fromarray(_picture(rng)).save(file, "JPEG", quality=QUALITY)
            coded.append(file.getvalue())
    for label in track(range(classes), "writing", console=Console(stderr=True), transient=True):
        folder = root / "train" / f"n{label:08d}"
        folder.mkdir(parents=True)
        for i in range(per_class):
            number = label * per_class + i
            one, comment = coded[number % len(coded)], f"{number:08d}".encode()
            mark = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
            (folder / f"{folder.name}_{i}.JPEG").write_bytes(one[:2] + mark + one[2:])


def _picture(rng: np.random.Generator) -> np.ndarray:
    """Noise whose amplitude falls with the frequency, h w 3."""
    w, h = SIZE
    radius = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w)[None])
    spectrum = np.fft.rfft2(rng.normal(size=(3, h, w))) / np.maximum(radius, 1 / w) ** 0.9
    noise = np.fft.irfft2(spectrum, (h, w))
    noise = noise[:1] + 0.4 * noise[1:2] * np.array([1, 0, -1])[:, None, None] + 0.2 * noise[2:]
    noise = (noise - noise.mean()) / noise.std()
    return np.clip(128 + 55 * noise, 0, 255).astype(np.uint8).transpose(1, 2, 0)


def _opening(tree: Path, side: int) -> dict[str, float]:
    """Seconds to look at the whole tree, and to open it once it was looked at."""
    tops = [f"train/{name}" for name in subfolders(tree / "train")]
    first = _timed(lambda: build_index(tree, tops, imagenet.ENDINGS))
    time.sleep(0.2)  # folders that were changed just now are not trusted yet
    count = len(imagenet.load("train", str(tree), side))  # saves the index
    again = min(_timed(lambda: imagenet.load("train", str(tree), side)) for _ in range(3))
    return {"images": float(count), "first_index": first, "second_open": again}


def _timed(work: Any) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _memory(images: LazyImages) -> dict[str, float]:
    """Megabytes of the process's own before reading, after a quarter of all images, and after all of them."""
    found = {"memory_before": own_memory()}
    ring, order = Ring(images, threads=1), torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    batches = order.split(_BATCH)
    for i, batch in enumerate(track(batches, "reading all", console=Console(stderr=True), transient=True)):
        if i == len(batches) // 4:
            found["memory_quarter"] = own_memory()
        ring.hold(batch)
        if i + 1 < len(batches):
            ring.expect(batches[i + 1])
    return found | {"memory_all": own_memory()}


def own_memory() -> float:
    """Megabytes that the process holds beside mapped files; 0 where the system does not say."""
    status = Path("/proc/self/status")
    for line in status.read_text(encoding="utf-8").splitlines() if status.exists() else []:
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    return 0.0


def _ours(images: LazyImages) -> Generator[int, None, None]:
    """Images read into a ring in random order, the next batch expected while one is held."""
    ring, generator = Ring(images, threads=1), torch.Generator().manual_seed(0)
    while True:
        batches = torch.randperm(len(images), generator=generator).split(_BATCH)
        for batch, following in zip(batches, (*batches[1:], None), strict=True):
            ring.hold(batch)
            if following is not None:
                ring.expect(following)
            yield len(batch)


def _loader(folder: Path, side: int) -> Generator[int, None, None]:
    """What one would write without gazeworld, with the same square of each image."""
    data = ImageFolder(str(folder), v2.Compose([middle, v2.Resize((side, side)), v2.PILToTensor()]))
    loader = DataLoader(data, _BATCH, shuffle=True, num_workers=_WORKERS)
    while True:
        for batch, _ in loader:
            yield len(batch)


def middle(image: Image.Image) -> Image.Image:
    """The middle square of an image."""
    edge, (w, h) = min(image.size), image.size
    left, top = (w - edge) // 2, (h - edge) // 2
    return image.crop((left, top, left + edge, top + edge))


def _show(found: dict[str, float], what: str) -> None:
    table = Table(title=f"images: {what}")
    for name in ("", "gazeworld", f"ImageFolder, {_WORKERS} workers"):
        table.add_column(name, justify="right" if name else "left")
    table.add_row("first index, s", f"{found['first_index']:.2f}", "")
    table.add_row("second open, s", f"{found['second_open']:.3f}", "")
    speeds = (f"{found[name]:,.0f}" for name in ("images_per_second", "baseline_images_per_second"))
    table.add_row("images/s", *speeds)
    table.add_row("ratio", f"{found['ratio']:.2f}", "")
    for name in ("before", "quarter", "all"):
        table.add_row(f"own memory, MB, {name}", f"{found[f'memory_{name}']:,.0f}", "")
    Console().print(table)
