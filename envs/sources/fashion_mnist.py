"""Fashion-MNIST: 70 000 real pictures of clothes (Xiao, Rasul and Vollgraf 2017, MIT licence), enlarged.

The four IDX files are read where torchvision puts them (`<root>/FashionMNIST/raw`), where Debian's package
dataset-fashion-mnist does (`/usr/share/datasets/fashion-mnist`) or in `root` itself, plain or gzipped.
"""

import functools
import gzip
import hashlib
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int64, UInt8
from torch import Tensor

from .. import cache
from ..files import DataError, digest, expanded, opened
from ..images import Images, statistics
from ..validation import Side

LICENCE = "MIT"  # as its publishers state it
VERSION = 1  # goes up whenever the same files and options would give other pixels
CLASSES = (
    "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
_DEBIAN = Path("/usr/share/datasets/fashion-mnist")
_PREFIX = {"train": "train", "test": "t10k"}
_CHUNK = 1000  # images enlarged at once, fewer to large ones
_PIXELS = 2**24  # of the images enlarged at once, at most
_MOST = 2**30  # bytes that a gzipped file may unpack to; Fashion-MNIST has 47 million
_UBYTE = 8  # code of unsigned bytes in an IDX file


def load(split: str = "train", root: str = "", side: Side = 96) -> Images:
    """Grey images of one split ("train": 60 000, "test": 10 000), enlarged from 28 to `side` pixels bilinearly.

    `root` empty: Debian's place, then the cache folder (`~/.cache/gazeworld`). Raises DataError for files that
    are missing or damaged, ValueError for an unknown split or a side that is not positive.
    """
    if split not in _PREFIX:
        raise ValueError(f"source 'fashion-mnist': unknown split {split!r}; there are: test, train")
    folder = _folder(root)
    small, labels = _idx(_file(folder, split, "images-idx3"), 3), _labels(folder, split)
    if len(small) != len(labels):
        raise DataError(f"{folder}: {len(labels)} labels for {len(small)} images in split {split!r}")
    # Enlarging changes the statistics a little; what will be normalised are the enlarged images.
    training = small if split == "train" else _idx(_file(folder, "train", "images-idx3"), 3)
    mean, std = statistics(_enlarged(training[:: max(1, len(training) // 2000)], side))
    content = hashlib.sha256(small.tobytes()).hexdigest()
    facts = {"source": "fashion-mnist", "version": VERSION, "side": side, "content": content}
    return Images(
        name="fashion-mnist",
        split=split,
        pixels=_kept(small, side, facts),
        labels=labels,
        classes=CLASSES,
        mean=mean,
        std=std,
        fingerprint=digest(**facts, labels=labels.tolist()),
        masks=functools.partial(_garments, small, side),
    )


def _folder(root: str) -> Path:
    """The folder that holds the files."""
    roots = [expanded(root, "root of source 'fashion-mnist'")] if root else [_DEBIAN, cache.folder()]
    places = [place for base in roots for place in (base / "FashionMNIST" / "raw", base / "raw", base)]
    for place in places:
        if any(
            (place / f"{prefix}-images-idx3-ubyte{end}").is_file() for prefix in _PREFIX.values() for end in ("", ".gz")
        ):
            return place
    target = roots[-1]
    raise DataError(
        f"no Fashion-MNIST found in {' or '.join(map(str, roots))}, expected train-images-idx3-ubyte[.gz] and the "
        "three files that go with it, there or in FashionMNIST/raw below; get them by "
        "`apt install dataset-fashion-mnist` or "
        f"`python -c \"from torchvision.datasets import FashionMNIST as F; F('{target}', download=True)\"`"
    )


def _file(folder: Path, split: str, kind: str) -> Path:
    """One of the four files; the plain one where both are there, because it needs no unpacking."""
    name = f"{_PREFIX[split]}-{kind}-ubyte"
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise DataError(f"{folder / name}: not there, and no {name}.gz either; expected one of them beside its siblings")


def _idx(path: Path, rank: int) -> np.ndarray:
    """The unsigned bytes of an IDX file: two zeros, type, rank, sizes as big-endian 32-bit integers, then the data."""
    if path.suffix == ".gz":
        content = np.frombuffer(_unpacked(path), np.uint8)
    elif path.stat().st_size:
        content = np.memmap(path, np.uint8, mode="c")
    else:
        content = np.empty(0, np.uint8)
    begin = 4 + 4 * rank
    head = bytes(content[:begin])
    if len(head) < begin or head[:4] != bytes((0, 0, _UBYTE, rank)):
        raise DataError(
            f"{path}: begins with bytes {head[:4].hex(' ') or 'none'}, expected 00 00 08 {rank:02x} "
            f"(an IDX file of unsigned bytes, rank {rank}) and {rank} sizes"
        )
    shape = tuple(int(size) for size in np.frombuffer(head, ">u4", offset=4))
    if len(content) - begin != math.prod(shape) or not math.prod(shape):
        raise DataError(
            f"{path}: {len(content) - begin} bytes of data, expected {math.prod(shape)} for the sizes {shape} of its "
            "head, and more than none"
        )
    if rank == 3 and shape[1] != shape[2]:
        raise DataError(f"{path}: images of {shape[1]} x {shape[2]} pixels, expected square ones of 28 x 28")
    return content[begin:].reshape(shape)


def _unpacked(path: Path) -> bytes:
    """What a gzipped file holds."""
    found = bytearray()
    try:
        with opened(path, "a gzipped IDX file") as packed, gzip.open(packed) as file:
            while piece := file.read(2**20):
                found += piece
                if len(found) > _MOST:
                    raise DataError(f"{path}: unpacks to more than {_MOST} bytes, expected an IDX file of 47 million")
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise DataError(f"{path}: not a whole gzip file ({error}), expected a gzipped IDX file") from error
    return bytes(found)


def _labels(folder: Path, split: str) -> Int64[Tensor, " n"]:
    """The labels of one split."""
    path = _file(folder, split, "labels-idx1")
    stored = _idx(path, 1)
    wrong = np.flatnonzero(stored >= len(CLASSES))
    if len(wrong):
        raise DataError(f"{path}: label {stored[wrong[0]]} at {wrong[0]}, expected 0 to {len(CLASSES) - 1}")
    return torch.from_numpy(stored.astype(np.int64))


def _kept(small: np.ndarray, side: int, facts: dict[str, object]) -> UInt8[Tensor, "n h w 1"]:
    """The enlarged images, made once and kept on disk."""

    def fill(out: np.ndarray) -> None:
        chunk = max(1, min(_CHUNK, _PIXELS // side**2))
        for start in range(0, len(small), chunk):
            out[start : start + chunk] = _enlarged(small[start : start + chunk], side).numpy()

    return torch.from_numpy(cache.cached(facts, (len(small), side, side, 1), np.uint8, fill))


def _garments(small: np.ndarray, side: int, index: Int64[Tensor, " b"]) -> Bool[Tensor, "b h w"]:
    """Where the garments are: what is not black in the original, enlarged as the images are."""
    return _enlarged(255 * (small[index.numpy()] > 0).astype(np.uint8), side)[..., 0] >= 128


def _enlarged(small: np.ndarray, side: int) -> UInt8[Tensor, "n h w 1"]:
    pixels = torch.from_numpy(np.array(small))[:, None].float()
    large = F.interpolate(pixels, size=(side, side), mode="bilinear", antialias=True)
    return large.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
