"""Defaults that suit somebody's own data: sizes, batches, steps and how often something is saved.

Two sizes of model: "small", for a few CPU cores, is what scenarios of this package were measured with; "resnet18" is
the paper's, for a GPU. Small data are seen more often, but not for as long as large ones.
"""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from gazeworld.agents.config import TrainConfig
from gazeworld.agents.runs.scenario import Scenario
from gazeworld.agents.runs.swapping import SOURCES
from gazeworld.envs.signatures import readable

from ._presets import NO_CONDITIONING, SHORT, SMALL

if TYPE_CHECKING:  # reads the data, and imports torch for it
    from gazeworld.agents.runs.own_data import OwnData

Size = Literal["small", "resnet18"]
SIZES: tuple[Size, ...] = get_args(Size)

RESNET18: dict[str, Any] = {
    "name": "seq-jepa",
    "encoder": "resnet18",
    "action_width": 128,
    "predictor_hidden": 1024,
    "momentum": 0.996,
}
"""The paper's seq-JEPA (section 3.2 and appendix A.3)."""
CIFAR_RESNET18 = {**RESNET18, "encoder": "cifar-resnet18"}
"""The same for small views: appendix A.2 has this variant for patches of 32 pixels."""

_PASSES = 400  # over small data: 300 images are seen in 1000 steps of 128 as often as digits in 6000
_LEAST, _MOST = 1000, 6000  # steps of the small model; those of `SHORT` are the most


@dataclass(frozen=True)
class Given:
    """The data and what was asked of them: a `side` or a `glimpse` of 0 leaves the choice to the scenario."""

    data: "OwnData"
    size: Size = "small"
    side: int = 0
    glimpse: int = 0

    def side_of(self, most: int) -> int:
        """Pixels along the side: what was asked for, else what the data have, but at most so many."""
        return self.side or min(self.data.side or most, most)


def over(usual: Scenario, given: Given, **options: Any) -> Scenario:
    """The scenario over the data, with those of these options that their source has.

    Raises ValueError where another side is asked for than the source can give.
    """
    data, has = given.data, readable(SOURCES, given.data.source).options
    if given.side and not {"side", "size"} & {*has} and given.side != data.side:
        raise ValueError(
            f"side is {given.side}, but source {data.source!r} has images of {data.side} pixels and no other"
        )
    kept = {name: value for name, value in options.items() if name in has}
    world = {key: value for key, value in usual.world.items() if key != "source_options"}
    world |= {"source": data.source, "root": data.root, **({"source_options": kept} if kept else {})}
    return dataclasses.replace(usual, world=world)


def with_method(usual: Scenario, chosen: dict[str, Any]) -> Scenario:
    """The scenario with this method, which sees of actions what the scenario's own does."""
    ablated = {key: value for key, value in usual.method.items() if key in NO_CONDITIONING}
    return dataclasses.replace(usual, method={**chosen, **ablated})


def batch_for(scenes: int, most: int) -> int:
    """The largest power of two up to `most` that is no more than the number of scenes; at least 2."""
    return max(2, min(most, 2 ** (max(scenes, 2).bit_length() - 1)))


def schedule(given: Given, observed: int, epochs: int) -> TrainConfig:
    """Training of either size; `epochs` are the paper's. Ten checkpoints and probes, ten times as many lines."""
    if given.size == "resnet18":
        batch = batch_for(given.data.scenes, 512)
        steps = epochs * given.data.scenes // batch
        return TrainConfig(epochs=epochs, batch=batch, observed=observed, warmup=20 / epochs, **_intervals(steps))
    batch = batch_for(given.data.scenes, SHORT.batch)
    steps = min(_MOST, max(_LEAST, _PASSES * given.data.scenes // batch))
    return TrainConfig(
        steps=steps,
        batch=batch,
        observed=observed,
        lr=SHORT.lr,
        warmup=SHORT.warmup,
        threads=SHORT.threads,
        **_intervals(steps),
    )


def _intervals(steps: int) -> dict[str, Any]:
    every = min(1000, max(50, steps // 10))
    return {"log_every": max(10, every // 10), "probe_every": every, "save_every": every}


def method(given: Given, *, pixels: int, grid: bool = False) -> dict[str, Any]:
    """seq-JEPA of either size for views of so many pixels; with `grid` the small one keeps what lies where."""
    if given.size == "resnet18":
        return CIFAR_RESNET18 if pixels <= 64 and not grid else RESNET18
    return {**SMALL, "encoder": "small-grid", "dim": 128, "action_width": 32} if grid else SMALL
