"""The studio: views of a collection of objects, drawn to the folder layout of 3DIEBench.

Everything about a view follows from the seed and the object's key, so shards on several machines and restarts after a
kill give the files that one uninterrupted run would give. While the renderer draws an object, one thread loads and
checks the next ones and another encodes and writes the last one.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from ..files import DataError, digest
from ..meshes.mesh import Item, Mesh
from ..objects import splits, stage
from ..objects.renderer import Renderer
from ..objects.rotations import Region
from ..objects.stage import Shots
from ..threads import ahead
from . import tree_records, tree_summary
from .tree_records import Record

_AHEAD = 2  # objects loaded before they are drawn, and written after they are drawn: bounds the memory


@dataclass(frozen=True)
class StudioConfig:
    """What a rendered set is: everything but the shard must be the same for all runs that add to it.

    `size` in pixels, `views` per object, rotations from `region`, JPEG `quality`. `source` says where the objects come
    from. `shard` (i, n) draws the i-th of n parts of the collection.
    Raises ValueError naming what is out of range.
    """

    size: int = 128
    views: int = 50
    region: Region = field(default_factory=Region)
    seed: int = 0
    quality: int = 95
    source: str = ""
    shard: tuple[int, int] = (0, 1)

    def __post_init__(self) -> None:
        for name, low, high in (
            ("size", 8, 4096),
            ("views", 1, math.inf),
            ("seed", 0, math.inf),
            ("quality", 1, 100),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}, expected {low} … {high if math.isfinite(high) else 'any'}")
        i, n = self.shard
        if not 0 <= i < n:
            raise ValueError(f"shard is {i}/{n}, expected i/n with i from 0 to n - 1")

    def settings(self, renderer: Renderer) -> dict[str, Any]:
        """What identifies the set, with the renderer's name and sampling; JSON-able."""
        own = {name: value for name, value in asdict(self).items() if name != "shard"}
        return {**own, "renderer": renderer.name, "samples": renderer.samples}


@dataclass(frozen=True)
class Failure:
    """An object that could not be drawn, and why."""

    key: str
    reason: str


@dataclass(frozen=True)
class Report:
    """What a run of the studio has done so far with the `total` objects of its shard.

    `drawn` objects with `views` views in `seconds`; `kept` were there already; `last` is the object dealt with last.
    """

    total: int
    drawn: int = 0
    kept: int = 0
    views: int = 0
    seconds: float = 0.0
    failures: tuple[Failure, ...] = ()
    last: str = ""

    @property
    def done(self) -> int:
        """Objects dealt with."""
        return self.drawn + self.kept + len(self.failures)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.done == self.total


@dataclass(frozen=True)
class _Outcome:
    """An object on its way: loaded, then drawn, then written; or there already; or failed."""

    item: Item
    mesh: Mesh | None = None
    images: UInt8[np.ndarray, "v h w 3"] | None = None
    failed: str = ""


def render(
    items: Sequence[Item],
    out: Path,
    config: StudioConfig,
    renderer: Renderer,
    progress: Callable[[Report], bool] = lambda report: True,
) -> Report:
    """Draw the views of all items of a shard to `out`; what is there whole already is kept.

    `progress` is called after every object; where it returns False, the run ends between two objects, and the same
    call goes on later. An object that cannot be loaded or drawn is counted and named in the report and in report.json.
    Raises ValueError where `out` holds a set with other settings, and OSError with one sentence where the disk is full
    or cannot be written; nothing half-written is ever left in sight.
    """
    if renderer.size != config.size:
        raise ValueError(f"renderer {renderer.name} draws {renderer.size} px, expected the set's {config.size}")
    items = splits.select(items)
    settings = config.settings(renderer)
    with _disk(out):
        tree_summary.begin(out, settings, renderer.version)
    report = _Session(out, config, renderer, digest(**settings)).run(items, progress)
    with _disk(out):
        tree_summary.finish(out, [item.key for item in items])
    return report


class _Session:
    """One run over one shard."""

    def __init__(self, out: Path, config: StudioConfig, renderer: Renderer, identity: str) -> None:
        self.out, self.config, self.renderer, self.identity = out, config, renderer, identity
        self.report, self.started = Report(0), time.monotonic()

    def run(self, items: list[Item], progress: Callable[[Report], bool]) -> Report:
        """Deal with this shard's items until they are done or `progress` says no."""
        i, n = self.config.shard
        items = items[i::n]
        self.report = Report(len(items))
        pending: deque[Future[_Outcome]] = deque()
        with ThreadPoolExecutor(1) as writer, closing(ahead(self._load, items, 1, _AHEAD)) as loaded:
            for outcome in loaded:
                pending.append(writer.submit(self._write, self._draw(outcome)))
                go_on = True
                while pending and (len(pending) > _AHEAD or pending[0].done()):
                    self._count(pending.popleft().result())
                    go_on = progress(self.report) and go_on
                if not go_on:
                    break
            while pending:
                self._count(pending.popleft().result())
                progress(self.report)
        return self.report

    def _load(self, item: Item) -> _Outcome:
        """In the thread of the loader."""
        with _disk(self.out):
            if tree_records.whole(self.out, item.key, self.config.views, self.identity):
                return _Outcome(item)
            tree_records.discard(self.out, item.key)
        try:
            return _Outcome(item, mesh=item.load())
        except (DataError, OSError) as error:
            return _Outcome(item, failed=str(error))

    def _draw(self, outcome: _Outcome) -> _Outcome:
        """In the main thread, to which an OpenGL context belongs."""
        if outcome.mesh is None:
            return outcome
        shots = Shots.of_latents(self._latents(outcome.item))
        try:
            self.renderer.place([outcome.mesh])
            images = self.renderer.render(torch.zeros(self.config.views, dtype=torch.int64), shots)
        except DataError as error:
            return _Outcome(outcome.item, failed=str(error))
        return _Outcome(outcome.item, images=np.ascontiguousarray(images.cpu().numpy()))

    def _write(self, outcome: _Outcome) -> _Outcome:
        """In the thread of the writer."""
        key = outcome.item.key
        with _disk(self.out):
            if outcome.failed:
                tree_records.fail(self.out, key, outcome.failed)
            elif outcome.images is not None:
                record = Record(
                    key,
                    views=self.config.views,
                    config=self.identity,
                    renderer=self.renderer.version,
                    credit=outcome.item.credit,
                )
                numbers = self._latents(outcome.item).numpy()
                tree_records.save(self.out, record, outcome.images, numbers, self.config.quality)
        return outcome

    def _latents(self, item: Item) -> Float32[Tensor, "v 7"]:
        return stage.of_object(self.config.region, item.key, self.config.seed, self.config.views)

    def _count(self, outcome: _Outcome) -> None:
        report, key = self.report, outcome.item.key
        if outcome.failed:
            report = replace(report, failures=(*report.failures, Failure(key, outcome.failed)))
        elif outcome.images is not None:
            report = replace(report, drawn=report.drawn + 1, views=report.views + len(outcome.images))
        else:
            report = replace(report, kept=report.kept + 1)
        self.report = replace(report, last=key, seconds=time.monotonic() - self.started)


@contextmanager
def _disk(out: Path) -> Iterator[None]:
    """Errors of the disk say what to do."""
    try:
        yield
    except OSError as error:
        raise OSError(
            f"{out}: {error.strerror or error} while writing; the objects there are whole: make room or mend the "
            "folder, then run the same command again to go on"
        ) from error
