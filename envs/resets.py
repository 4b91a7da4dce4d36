"""What `reset(options=…)` of the environments may ask for, checked before anything is changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .validation import OptionError, shown
from .world import World

_KNOWN = ("reset_mask", "scene", "pose", "episode")


@dataclass(frozen=True)
class Resets:
    """A checked request: which rows begin anew (indices), and what is forced on them (None: drawn as usual).

    `scene` and `episode` are n integers, `pose` n × p floats; entries of other rows are not used.
    """

    rows: np.ndarray
    scene: np.ndarray | None
    pose: np.ndarray | None
    episode: np.ndarray | None


def read(options: Mapping[str, Any] | None, n: int, world: World) -> Resets:
    """The request that these options make of n environments.

    `reset_mask`: n booleans, which rows to reset (all, if absent). `scene`: an index in the source for every row, or
    n of them. `pose`: where the first view is taken, p or n × p numbers. `episode`: number of the episode, or n.
    Entries of rows that are not reset may be anything.
    Raises ValueError (TypeError for a mask that is no boolean array) naming the option, and the row where one is bad.
    """
    options = options or {}
    if strange := [name for name in options if name not in _KNOWN]:
        raise OptionError(f"unknown reset options {shown(strange)}; there are: {', '.join(_KNOWN)}")
    mask, pose = options.get("reset_mask"), options.get("pose")
    used = np.ones(n, dtype=bool) if mask is None else _mask(mask, n)
    return Resets(
        rows=np.flatnonzero(used),
        scene=_integers("scene", options.get("scene"), used, world.size),
        pose=None if pose is None else _poses(pose, used, world),
        episode=_integers("episode", options.get("episode"), used, 2**62),
    )


def _array(name: str, value: Any) -> np.ndarray:
    try:
        return value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
    except (ValueError, TypeError) as error:  # ragged lists
        raise OptionError(f"options[{name!r}] is {shown(value)}, expected one array: {error}") from error


def _mask(value: Any, n: int) -> np.ndarray:
    if not isinstance(value, np.ndarray | Tensor) or value.dtype not in (np.bool_, torch.bool):
        raise TypeError(f"options['reset_mask'] must be a boolean array, found {type(value).__name__} {shown(value)}")
    mask = _array("reset_mask", value)
    if mask.shape != (n,):
        raise ValueError(f"options['reset_mask'] has shape {mask.shape}, expected ({n},)")
    if not mask.any():
        raise ValueError("options['reset_mask'] holds no True value, expected at least one row to reset")
    return mask


def _integers(name: str, value: Any, used: np.ndarray, high: int) -> np.ndarray | None:
    if value is None:
        return None
    array, n = _array(name, value), len(used)
    if array.dtype.kind not in "iu" or array.shape not in ((), (n,)):
        raise ValueError(f"options[{name!r}] must be an integer or {n} of them, found {shown(value)}")
    array = np.broadcast_to(array, (n,))
    if (bad := used & ((array < 0) | (array >= high))).any():  # before the cast, which would wrap numbers of 64 bits
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(f"options[{name!r}] of row {row} is {array[row]}, expected 0 … {high - 1}")
    return array.astype(np.int64)


def _poses(value: Any, used: np.ndarray, world: World) -> np.ndarray:
    array, n = _array("pose", value), len(used)
    if array.dtype.kind not in "iuf" or array.shape not in ((world.pose_dim,), (n, world.pose_dim)):
        raise ValueError(
            f"options['pose'] must be {world.pose_dim} numbers or {n} x {world.pose_dim}, found {shown(value)}"
        )
    array = np.broadcast_to(array, (n, world.pose_dim)).astype(np.float32)
    low, high = world.pose_bounds
    good = ((array >= low) & (array <= high)).all(1)  # False for NaN, too
    if (bad := used & ~good).any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"options['pose'] of row {row} is {array[row].tolist()}, expected finite numbers in [{low}, {high}]"
        )
    for what, flawed in world.flaws(torch.tensor(array)).items():
        if (bad := used & flawed.cpu().numpy()).any():
            row = int(np.flatnonzero(bad)[0])
            raise ValueError(f"options['pose'] of row {row} is {array[row].tolist()}, which {what}")
    return array
