"""How fast views of objects are collected: packed, live, and the usual way, one JPEG at a time in a DataLoader.

All ways take turns within one run, so that they meet the same machine; what counts is their ratio.
"""

import tempfile
from collections.abc import Callable, Generator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from gazeworld.agents.policy import make_policy
from gazeworld.agents.training.loop import POLICY, collect
from gazeworld.envs.files import expanded
from gazeworld.envs.object_datasets.pack_tree import pack
from gazeworld.envs.object_datasets.render_tree import StudioConfig, render
from gazeworld.envs.objects.gallery import decoded
from gazeworld.envs.objects.renderer import make_renderer
from gazeworld.envs.rng import Draws
from gazeworld.envs.sources import solids
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.worlds.rotation import RotationWorld

from .rollout import in_turns, measure

VIEWS = 4  # a training stream of the paper: M = 3 observed views and the one to be predicted
ENVIRONMENTS = (1, 64, 512)
_BATCHES = (64, 256)
_WORKERS = 2
_REPEATS = 3

Way = Callable[[], Generator[int, None, None]]


class ViewDataset(Dataset):
    """What one would write without gazeworld: item i is a sequence of views of object i, read from its files."""

    def __init__(self, root: Path, names: tuple[str, ...], stored: int, size: int) -> None:
        self.folders, self.stored, self.size = [root / name[1:] for name in names], stored, size

    def __len__(self) -> int:
        return len(self.folders)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        """Views (t h w c, uint8) and the relative rotations between them (t-1 4)."""
        chosen = torch.randperm(self.stored)[:VIEWS].tolist()
        images = [decoded(self.folders[i] / f"image_{v}.jpg", self.size) for v in chosen]
        latents = np.stack([np.load(self.folders[i] / f"latent_{v}.npy") for v in chosen])
        turns = Rotation.from_euler("xyz", latents[:, :3])
        return torch.from_numpy(np.stack(images)), torch.from_numpy((turns[:-1].inv() * turns[1:]).as_quat())


def views_bench(root: str = "", seconds: float = 1.0, size: int = 128, renderer: str = "auto") -> list[dict[str, Any]]:
    """Views per second of `collect` at 1, 64 and 512 environments, stored and live, and of a DataLoader.

    `root` is a tree in 3DIEBench's layout (empty: 20 solids with 50 views of 256 px are drawn for the occasion); it is
    packed for the occasion, too. The baseline reads JPEGs and latents of the same tree one by one with two workers, in
    the faster of two batch sizes. Live views are of solids, by `renderer`. Prints a table and returns its rows.
    """
    if not seconds > 0:
        raise ValueError(f"seconds is {seconds}, expected more than 0")
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        tree = expanded(root, "root") if root else _draw(work / "tree")
        store = pack(tree, work / "store", size)
        stored = RotationWorld("packed", "all", str(store))
        live = RotationWorld("solids", live=True, size=size, renderer=renderer, source_options={"per_family": 10})
        ways = _ours("packed", stored, "unseen") | _ours(f"live, {live.renderer.partition(':')[0]}", live, "uniform")
        ways |= _baselines(tree, stored, size)
        medians = in_turns({name: partial(_speed, name[0], start, seconds) for name, start in ways.items()}, _REPEATS)
    rows = _rows(medians)
    _show(rows, f"{stored.size} objects, views of {size} px, {VIEWS} views a stream")
    return rows


def _speed(name: str, start: Way, seconds: float) -> float:
    return measure(start(), seconds, workers=_WORKERS if name == "DataLoader" else 0)


def _draw(out: Path) -> Path:
    """A tree of 3DIEBench's layout and size of images."""
    config = StudioConfig(size=256, views=50, source="solids")
    items = solids.load("train", per_family=3).items
    render(items, out, config, make_renderer("embree", config.size, samples=1))
    return out


def _ours(name: str, world: RotationWorld, policy: str) -> dict[tuple[str, int], Way]:
    def rounds(n: int) -> Generator[int, None, None]:
        env = ActiveVisionVectorEnv(n, world, episode_steps=VIEWS - 1, tensors=True)
        chosen, rng = make_policy(policy, world), Draws.rows(0, n).fold(POLICY)
        step = 0
        while True:
            collect(env, chosen, VIEWS, rng.fold(step), {"episode": step})
            step += 1
            yield n * VIEWS

    return {(name, n): lambda n=n: rounds(n) for n in ENVIRONMENTS}


def _baselines(tree: Path, stored: RotationWorld, size: int) -> dict[tuple[str, int], Way]:
    views = stored.objects.latents.shape[1]

    def rounds(batch: int) -> Generator[int, None, None]:
        data = ViewDataset(tree, stored.objects.names, views, size)
        loader = DataLoader(data, min(batch, len(data)), shuffle=True, num_workers=_WORKERS)
        while True:
            for seen, _ in loader:
                yield len(seen) * VIEWS

    return {("DataLoader", batch): lambda batch=batch: rounds(batch) for batch in _BATCHES}


def _rows(medians: dict[tuple[str, int], float]) -> list[dict[str, Any]]:
    batch = max(_BATCHES, key=lambda size: medians["DataLoader", size])
    theirs = medians["DataLoader", batch]
    return [
        {
            "views": name,
            "environments": n,
            "views_per_second": speed,
            "baseline_views_per_second": theirs,
            "baseline_batch": batch,
            "ratio": speed / theirs,
        }
        for (name, n), speed in medians.items()
        if name != "DataLoader"
    ]


def _show(rows: list[dict[str, Any]], what: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"views, one thread: {what}")
    for name in ("views", "environments", "views/s", f"DataLoader, {_WORKERS} workers", "ratio"):
        table.add_column(name, justify="left" if name == "views" else "right")
    for row in rows:
        speeds = (f"{row[name]:,.0f}" for name in ("views_per_second", "baseline_views_per_second"))
        table.add_row(row["views"], str(row["environments"]), *speeds, f"{row['ratio']:.2f}")
    Console().print(table)
