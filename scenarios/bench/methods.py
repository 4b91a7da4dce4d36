"""`gazeworld bench methods`: how fast every method trains at an equal batch, and what it costs (Tables 5 and 6)."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from rich.console import Console
from torch.utils.flop_counter import FlopCounterMode

from gazeworld.agents.runs import build
from gazeworld.agents.runs.scenario import Scenario
from gazeworld.agents.runs.sweep import Plan, plan
from gazeworld.agents.training.loop import POLICY, Session, collect, loss_of, take_step
from gazeworld.envs import registry
from gazeworld.envs.rng import Draws
from gazeworld.envs.stream import Stream
from gazeworld.models.method import METHODS

from ..reports.tables import new_table, put
from .rollout import in_turns
from .step import synchronise

PAPER_HOURS = {("simclr", 1): 11.4, ("byol", 1): 11.1, ("sie", 1): 12.0, ("vicreg", 1): 10.9, ("equimod", 1): 11.8}
PAPER_HOURS |= {("seq-jepa", 1): 12.3, ("seq-jepa", 3): 15.1}
"""Table 5: hours of one A100 for 1000 epochs of 3DIEBench, ResNet-18, 128 px, batch 512; by method and M_tr."""

LENGTHS = (1, 2, 3, 4, 8)
"""Sequence lengths of Table 6."""

_STREAMS = 1000 * 42_000  # of Table 5: 1000 epochs of four fifths of 3DIEBench's 52 472 objects
_REPEATS = 3


@dataclass(frozen=True)
class Trainee:
    """A method that is ready to train, and one batch of streams for it."""

    scenario: Scenario
    session: Session
    stream: Stream

    def step(self) -> None:
        """One training step: loss, gradients, optimiser, what follows a step."""
        take_step(self.session, self.scenario.train, self.stream, 0, 0.5)


def methods_bench(
    name: str,
    scenario: Scenario,
    methods: Sequence[str] = (),
    *,
    batch: int = 64,
    seconds: float = 1.0,
    root: str = "",
    device: str = "auto",
    console: Console | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Measure, print two tables and return their rows, JSON-able. `name` is the scenario's; no `methods` are all.

    Every method has the scenario's encoder and its own defaults otherwise, and learns from as many views as it can of
    those that the scenario gives. Methods take turns; a figure is the median of three. Collecting streams is left out.
    "training": per method M_tr, trainable parameters, FLOPs of forward and backward per stream (two per multiply-add),
    streams per second. "inference": for the first of them and each sequence length, multiply-adds of
    `represent`, in the paper's unit, and of the encoder alone (length 0).
    """
    if not seconds > 0 or batch < 2:
        raise ValueError(f"seconds is {seconds} and batch {batch}, expected more than 0 and at least 2")
    console = console or Console()
    planned = plan([(name, scenario)], methods=methods or registry.names(METHODS), device=device)
    for text in planned.told:
        console.print(text, highlight=False)
    trainees = _trainees(planned, scenario, batch, root, device)
    rows = [_row(trainee) for trainee in trainees]
    for trainee in trainees:
        trainee.step()  # allocators and kernels settle
    speeds = in_turns(
        {i: partial(_speed, trainee, seconds) for i, trainee in enumerate(trainees)},
        _REPEATS,
        torch.get_num_threads(),
    )
    for i, row in enumerate(rows):
        row["streams_per_second"] = speeds[i]
    own = trainees[0]
    inference = [{"method": rows[0]["method"], "length": n, "gmac": _inference(own, n) / 1e9} for n in (0, *LENGTHS)]
    _show(rows, inference, own, console)
    return {"training": rows, "inference": inference}


def _trainees(planned: Plan, first: Scenario, batch: int, root: str, device: str) -> list[Trainee]:
    """The scenario's method and the others; one world serves them all."""
    fabric = build.fabric_of(first, device)
    world = build.world_of(first, first.world["split"], fabric.device, **({"root": root} if root else {}))
    trainees = []
    for run in planned.runs:
        one = run.scenario.changed(train={"batch": batch}, probe={"online": 0})
        session = build.session_of(one, fabric, world)
        rng = Draws.rows(0, batch, device=world.device).fold(POLICY)
        trainees.append(Trainee(one, session, collect(session.env, session.policy, one.train.observed + 1, rng)))
    return sorted(trainees, key=lambda trainee: trainee.scenario.method["name"] != first.method["name"])


def _row(trainee: Trainee) -> dict[str, Any]:
    module = trainee.session.module
    with FlopCounterMode(display=False) as counter:
        trainee.session.fabric.backward(loss_of(trainee.session, trainee.stream))
    return {
        "method": trainee.scenario.method["name"],
        "observed": trainee.scenario.train.observed,
        "parameters": sum(p.numel() for p in module.parameters() if p.requires_grad),
        "training_gflop": counter.get_total_flops() / 1e9 / len(trainee.stream.views),
    }


def _inference(trainee: Trainee, length: int) -> float:
    """Multiply-adds of representing a sequence of `length` views, or of encoding one view for length 0."""
    method, stream = trainee.session.module, trainee.stream
    views = stream.views[:1, :1].repeat(1, max(1, length), 1, 1, 1)
    actions = torch.zeros(1, max(1, length) - 1, stream.actions.shape[2], dtype=torch.float32, device=views.device)
    method.eval()
    try:
        with FlopCounterMode(display=False) as counter:  # with gradients: without, transformers hide their products
            _ = method.represent(views, actions) if length else method.encode(views)
    finally:
        method.train()
    return counter.get_total_flops() / 2


def _speed(trainee: Trainee, seconds: float) -> float:
    """Streams per second of training steps."""
    device = trainee.stream.views.device
    synchronise(device)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        trainee.step()
        synchronise(device)
        count += 1
    return count * len(trainee.stream.views) / (time.perf_counter() - start)


def _show(rows: list[dict[str, Any]], inference: list[dict[str, Any]], own: Trainee, console: Console) -> None:
    device, batch = own.stream.views.device, len(own.stream.views)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    shape = "×".join(map(str, own.stream.views.shape[3:]))
    training = new_table(
        f"Training at batch {batch}, views of {shape}: {name}, {own.scenario.train.precision}",
        "GFLOP: forward and backward of one stream, two per multiply-add; hours: for 42 million streams (1000 epochs "
        "of 3DIEBench); paper: Table 5, one A100, ResNet-18, 128 px, batch 512",
        ("method",),
        ["M_tr", "parameters", "GFLOP", "streams/s", "hours", "paper"],
    )
    for row in rows:
        hours = PAPER_HOURS.get((row["method"], row["observed"]))
        speed = row["streams_per_second"]
        training.add_row(
            row["method"],
            str(row["observed"]),
            f"{row['parameters'] / 1e6:.2f} M",
            f"{row['training_gflop']:.3g}",
            f"{speed:,.0f}",
            f"{_STREAMS / speed / 3600:,.1f}",
            "–" if hours is None else f"{hours:.1f}",
        )
    costs = new_table(
        f"Multiply-adds of {inference[0]['method']}, in 10⁹ (as Table 6)",
        "the encoder alone, then the aggregate of as many views",
        ("",),
        ["encoder", *(f"length {row['length']}" for row in inference[1:])],
    )
    costs.add_row("this scenario", *(f"{row['gmac']:.3g}" for row in inference))
    costs.add_row("paper, ResNet-18 at 128 px", "0.60", "0.63", "1.24", "1.85", "2.46", "4.9")
    put(console, training, costs)
