"""CIFAR-100 (Krizhevsky 2009): 60 000 colour photographs of 32 x 32 pixels in 100 classes.

Read as it is published, without a copy: the Python version that torchvision unpacks (`cifar-100-python/train`, `test`
and `meta`, pickles) or the binary version (`cifar-100-binary/train.bin`, `test.bin` and `fine_label_names.txt`, which
is memory-mapped). Both hold channel, row, column; pixels are a strided view of that.

Loading a pickle may execute code, or crash the process. Here it may not: see `envs.pickles`.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from ..cache import folder as cache_folder
from ..files import DataError, digest, expanded, identity, read_bytes, read_text
from ..images import Images
from ..pickles import PickleError, plain

SIDE, COUNT = 32, 100
STATISTICS = {
    # Appendix A.1 of the paper, "CIFAR100": these are CIFAR-10's.
    "paper": ((0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.261)),
    # The released code's: those of CIFAR-100 itself.
    "released": ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
}
"""Mean and standard deviation of the channels."""
_BYTES = 3 * SIDE * SIDE  # of one image
_RECORD = 2 + _BYTES  # of the binary version: coarse label, fine label, image
_SPLITS = ("test", "train")
_PYTHON, _BINARY = "cifar-100-python", "cifar-100-binary"


def load(split: str = "train", root: str = "", statistics: Literal["paper", "released"] = "paper") -> Images:
    """Colour images of one split, "train" (50 000) or "test" (10 000), with the 100 fine classes.

    `root` holds `cifar-100-python` or `cifar-100-binary`, or is one of these folders; empty: the cache folder
    (`~/.cache/gazeworld`). `statistics` says whose channel means and deviations encoders normalise with: "paper" or
    "released" (`STATISTICS`). Raises DataError naming a file that is missing, truncated, of the wrong size or with a
    label out of range, ValueError for an unknown option.
    """
    if split not in _SPLITS:
        raise ValueError(f"source 'cifar100': unknown split {split!r}; there are: {', '.join(_SPLITS)}")
    path = _file(split, expanded(root, "root of source 'cifar100'") if root else cache_folder())
    if path.suffix == ".bin":
        stored, labels = _binary(path)
        classes = _names(path.parent / "fine_label_names.txt")
    else:
        stored, labels = _python(path)
        classes = _meta(path.parent / "meta")
    mean, std = STATISTICS[statistics]
    return Images(
        name="cifar100",
        split=split,
        pixels=_pixels(stored),
        labels=_checked(labels, path),
        classes=classes,
        mean=mean,
        std=std,
        fingerprint=digest(source="cifar100", file=identity(path)),
    )


def _file(split: str, base: Path) -> Path:
    """The file of a split, in either version."""
    named = {base / _PYTHON: split, base / _BINARY: f"{split}.bin"}
    # In a folder of another name, what lies beside the split tells that it is CIFAR-100's.
    own = {"meta": split, "fine_label_names.txt": f"{split}.bin"}
    places = [folder / name for folder, name in named.items()]
    places += [base / name for beside, name in own.items() if (base / beside).is_file()]
    for path in places:
        if path.is_file():
            return path
    for folder, name in named.items():
        if folder.is_dir():
            raise DataError(f"{folder / name}: not there, expected the images of split {split!r}")
    raise DataError(
        f"no CIFAR-100 found in {base}, expected {base / _PYTHON / split} or {base / _BINARY / f'{split}.bin'}; get it "
        f"(170 MB) by `python -c \"from torchvision.datasets import CIFAR100; CIFAR100('{base}', download=True)\"`"
    )


def _pixels(stored: np.ndarray) -> UInt8[Tensor, "n 32 32 3"]:
    """Rows of channel, row, column as n row column channel, without a copy."""
    return torch.from_numpy(stored).unflatten(1, (3, SIDE, SIDE)).permute(0, 2, 3, 1)


def _checked(labels: np.ndarray, path: Path) -> Int64[Tensor, " n"]:
    wrong = np.flatnonzero((labels < 0) | (labels >= COUNT))
    if len(wrong):
        raise DataError(f"{path}: label {labels[wrong[0]]} at {wrong[0]}, expected 0 to {COUNT - 1}")
    return torch.from_numpy(labels.astype(np.int64))


def _binary(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 3072) and fine labels of a binary file; no image is read yet."""
    size = path.stat().st_size
    if size == 0 or size % _RECORD:
        raise DataError(
            f"{path}: {size} bytes = {size // _RECORD} images and {size % _RECORD} bytes, "
            f"expected a positive multiple of {_RECORD} (2 labels and 3 x {SIDE} x {SIDE})"
        )
    # Copy-on-write: torch has no read-only tensors, and this way no write could reach the file.
    stored = np.memmap(path, np.uint8, mode="c", shape=(size // _RECORD, _RECORD))
    return stored[:, 2:], np.array(stored[:, 1])


def _names(path: Path) -> tuple[str, ...]:
    """The class names of the binary version, one a line."""
    return _hundred(read_text(path, f"the names of {COUNT} classes").split(), path)


def _hundred(names: Any, path: Path) -> tuple[str, ...]:
    if not isinstance(names, list) or len(names) != COUNT or not all(isinstance(name, str) for name in names):
        found = f"{len(names)} names" if isinstance(names, list) else type(names).__name__
        raise DataError(f"{path}: {found}, expected the names of {COUNT} classes")
    return tuple(names)


def _python(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 3072) and fine labels of a pickled file."""
    found = _unpickled(path, ("data", "fine_labels"))
    data, labels = found["data"], found["fine_labels"]
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != _BYTES:
        kind = f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        raise DataError(f"{path}: 'data' is {kind}, expected uint8 (n, {_BYTES})")
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise DataError(f"{path}: 'fine_labels' is no list of integers")
    if len(labels) != len(data):
        raise DataError(f"{path}: {len(labels)} labels for {len(data)} images")
    return data, np.array([min(max(label, -1), COUNT) for label in labels], np.int64)  # whatever their size


def _meta(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        raise DataError(f"{path}: not there, expected a pickle with the names of {COUNT} classes")
    return _hundred(_unpickled(path, ("fine_label_names",))["fine_label_names"], path)


def _unpickled(path: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    """The dictionary in a file, which has to have these keys."""
    wanted = f"a whole pickle of a dictionary with {', '.join(keys)}"
    try:
        found = plain(read_bytes(path, wanted))
    except PickleError as error:
        raise DataError(f"{path}: cannot be read ({error}), expected {wanted}") from error
    if not isinstance(found, dict) or not set(keys) <= set(found):
        held = sorted(map(repr, found)) if isinstance(found, dict) else type(found).__name__
        held = f"[{', '.join(held)}]" if isinstance(held, list) else held
        raise DataError(f"{path}: holds {held[:200]}, expected a dictionary with {', '.join(keys)}")
    return found
