"""Files as data: what identifies one cheaply, and how one becomes a tensor without being read."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

_BLOCK = 4096


def digest(**facts: Any) -> str:
    """A short stable name for JSON-able facts: 16 hexadecimal digits of their SHA-256."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def identity(path: Path, blocks: int = 16) -> list[int | str]:
    """What a file holds as [size, hash of `blocks` blocks of 4 KiB spread evenly over it].

    Independent of name, place and modification time, and cheap for files of any size; a change that misses every
    block and keeps the size goes unnoticed, which is the price of not reading gigabytes at every start.
    """
    size = path.stat().st_size
    seen = hashlib.sha256()
    with path.open("rb") as file:
        for i in range(blocks):
            file.seek(max(0, size - _BLOCK) * i // max(1, blocks - 1))
            seen.update(file.read(_BLOCK))
    return [size, seen.hexdigest()[:16]]


def tensor(array: np.ndarray) -> Tensor:
    """A tensor over the same memory, strided as the array is.

    A read-only memory map is mapped again copy-on-write: torch has no read-only tensors and warns about them, and
    this way a write could neither crash the process nor reach the file. Pages are still read only when looked at.
    """
    if isinstance(array, np.memmap) and not array.flags.writeable:
        array = np.memmap(
            array.filename, dtype=array.dtype, mode="c", offset=array.offset, shape=array.shape,
            order="C" if array.flags.c_contiguous else "F",
        )  # fmt: skip
    return torch.from_numpy(array)
