"""How fast streams are collected, beside the usual way to do the same: one image at a time in a DataLoader.

The two take turns within one run, so that both meet the same machine; what counts is their ratio.
"""

import statistics
import time
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from gazeworld.agents.policy import make_policy
from gazeworld.agents.training.loop import POLICY, collect
from gazeworld.envs.fixations import Lattice
from gazeworld.envs.images import Images
from gazeworld.envs.rng import Draws
from gazeworld.envs.saliency import saliency_maps
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.worlds.saccade import SaccadeWorld

VIEWS = 5  # a training stream of the paper: M = 4 observed views and the one to be predicted
ENVIRONMENTS = (1, 64, 512, 4096)
POLICIES = ("uniform", "saliency")
_BATCHES = (64, 256)  # of the loader; the faster one is what we are compared with
_WORKERS = 2
_REPEATS = 5

Name = TypeVar("Name")


class GlimpseDataset(Dataset):
    """What one would write without gazeworld: item i is a sequence of glimpses of image i.

    Fixations come from `torch.multinomial` on the image's map (its mass under the legal patch centres), with the discs
    of half a glimpse around earlier fixations set to zero; or from `torch.randint`, without inhibition, if `maps` is
    None. What can be done once for all is done here. (Draws from torch's global generator, as such code does.)
    """

    def __init__(self, images: Images, lattice: Lattice, maps: Tensor | None) -> None:
        self.pixels, self.labels, self.lattice = images.pixels, images.labels, lattice
        self.weights = None if maps is None else lattice.window(maps).contiguous()  # n cells
        self.rows = torch.arange(lattice.count)[:, None]
        self.columns = torch.arange(lattice.count)[None, :]

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor, Tensor]:
        """Views (t h w c, uint8), fixations (t 2) and label of image i."""
        image, f, count = self.pixels[i], self.lattice.glimpse, self.lattice.count
        weights = None if self.weights is None else self.weights[i].clone()
        views, places = [], []
        for _ in range(VIEWS):
            if weights is None:
                top, left = torch.randint(count, (2,)).tolist()
            else:
                top, left = divmod(int(torch.multinomial(weights, 1)), count)
                near = (self.rows - top) ** 2 + (self.columns - left) ** 2 <= (f / 2) ** 2
                weights[near.flatten()] = 0
            views.append(image[top : top + f, left : left + f])
            places.append((top, left))
        poses = (torch.tensor(places, dtype=torch.float32) + f / 2) / self.lattice.side
        return torch.stack(views), poses, self.labels[i]


def rollout_bench(
    source: str | Images = "digits",
    split: str = "train",
    root: str = "",
    seconds: float = 0.5,
    device: str = "auto",
    **options: Any,
) -> list[dict[str, Any]]:
    """Glimpses per second of `collect` at 1, 64, 512 and 4096 environments, and of a DataLoader with two workers.

    `options` are those of SaccadeWorld (`glimpse`, `source_options` …). Every measurement lasts about `seconds` and is
    repeated five times, the ways taking turns; medians count. The baseline of a policy is the faster of two batch
    sizes. On the CPU ours has one thread, the loader two workers. Prints a table and returns its rows: policy,
    environments, glimpses_per_second, baseline_glimpses_per_second, baseline_batch, ratio, device.
    """
    if not seconds > 0:
        raise ValueError(f"seconds is {seconds}, expected more than 0")
    place = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    world = SaccadeWorld(source, split, root, device=place, **options)
    ways = _ours(world) | _baselines(world)
    medians = in_turns({name: lambda start=start: measure(start(), seconds) for name, start in ways.items()}, _REPEATS)
    table = [_row(medians, policy, n, str(world.device)) for policy in POLICIES for n in ENVIRONMENTS]
    images = f"{world.images.name}/{world.images.split}, {world.side} px"
    _show(table, f"{images}, glimpses of {world.glimpse} px, {VIEWS} views a stream")
    return table


def _ours(world: SaccadeWorld) -> dict[tuple[str, str, int], Callable[[], Generator[int, None, None]]]:
    """Ways to collect streams: generators that yield how many glimpses another round gave."""

    def rounds(policy: str, n: int) -> Generator[int, None, None]:
        env = ActiveVisionVectorEnv(n, world, episode_steps=VIEWS - 1, tensors=True)
        chosen, rng = make_policy(policy, world), Draws.rows(0, n, device=world.device).fold(POLICY)
        step = 0
        while True:
            collect(env, chosen, VIEWS, rng.fold(step), {"episode": step})
            if world.device.type == "cuda":
                torch.cuda.synchronize(world.device)
            step += 1
            yield n * VIEWS

    return {
        ("ours", policy, n): lambda policy=policy, n=n: rounds(policy, n) for policy in POLICIES for n in ENVIRONMENTS
    }


def _baselines(world: SaccadeWorld) -> dict[tuple[str, str, int], Callable[[], Generator[int, None, None]]]:
    """The same for DataLoaders, whose batches are taken to the world's device."""
    images = world.images
    if not isinstance(images, Images):
        raise ValueError(
            f"{images.name}/{images.split} is read when looked at, expected images at hand; see bench images"
        )
    maps = saliency_maps(images, "image-signature")

    def rounds(policy: str, batch: int) -> Generator[int, None, None]:
        data = GlimpseDataset(images, world.lattice, maps if policy == "saliency" else None)
        loader = DataLoader(data, batch, shuffle=True, num_workers=_WORKERS, pin_memory=world.device.type == "cuda")
        while True:
            for part in loader:
                views, _, _ = (x.to(world.device, non_blocking=True) for x in part)
                yield len(views) * VIEWS

    return {
        ("loader", policy, batch): lambda policy=policy, batch=batch: rounds(policy, batch)
        for policy in POLICIES
        for batch in _BATCHES
    }


def in_turns(ways: dict[Name, Callable[[], float]], repeats: int, threads: int = 1) -> dict[Name, float]:
    """The median of what each way measures in `repeats` turns.

    One thread, as in each of a loader's workers: most of what is measured is too small to be shared.
    """
    speeds: dict[Name, list[float]] = {name: [] for name in ways}
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        for _ in range(repeats):
            for name, way in ways.items():
                speeds[name].append(way())
    finally:
        torch.set_num_threads(before)
    return {name: statistics.median(found) for name, found in speeds.items()}


def measure(rounds: Generator[int, None, None], seconds: float, *, workers: int = _WORKERS) -> float:
    """Glimpses per second of a generator, started and warmed up first, and closed afterwards."""
    # What workers fetched ahead while nobody looked (two batches each) must not count as fast.
    for _ in range(2 * workers + 1):
        next(rounds)
    start, glimpses, count = time.perf_counter(), 0, 0
    # Batches of several workers arrive in bursts: fewer than a few of them would say little.
    while time.perf_counter() - start < seconds or count < 4 * workers:
        glimpses, count = glimpses + next(rounds), count + 1
    speed = glimpses / (time.perf_counter() - start)
    rounds.close()
    return speed


def _row(medians: dict[tuple[str, str, int], float], policy: str, n: int, device: str) -> dict[str, Any]:
    batch = max(_BATCHES, key=lambda size: medians["loader", policy, size])
    ours, theirs = medians["ours", policy, n], medians["loader", policy, batch]
    return {
        "policy": policy,
        "environments": n,
        "glimpses_per_second": ours,
        "baseline_glimpses_per_second": theirs,
        "baseline_batch": batch,
        "ratio": ours / theirs,
        "device": device,
    }


def _show(rows: list[dict[str, Any]], what: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"rollout on {rows[0]['device']}, one thread: {what}")
    for name in ("policy", "environments", "glimpses/s", f"DataLoader, {_WORKERS} workers", "its batch", "ratio"):
        table.add_column(name, justify="left" if name == "policy" else "right")
    for row in rows:
        label = "saliency + IoR" if row["policy"] == "saliency" else row["policy"]
        ours, theirs = row["glimpses_per_second"], row["baseline_glimpses_per_second"]
        cells = (f"{ours:,.0f}", f"{theirs:,.0f}", str(row["baseline_batch"]), f"{row['ratio']:.1f}")
        table.add_row(label, str(row["environments"]), *cells)
    Console().print(table)
