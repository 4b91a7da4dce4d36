"""`gazeworld bench step`: where the time of one training step goes, and how near the device's matrix rate it comes."""

import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from gazeworld.agents.policy import Choice, Memory, Policy
from gazeworld.agents.runs import build
from gazeworld.agents.runs.scenario import Scenario
from gazeworld.agents.training.loop import POLICY, Session, collapse, collect, loss_of
from gazeworld.agents.training.optimiser import set_learning_rate
from gazeworld.agents.training.recorder import Recorder
from gazeworld.envs.rng import Draws
from gazeworld.envs.stream import Stream

PARTS = ("environment", "policy", "forward", "backward", "optimiser", "momentum", "logging")
MODEL_PARTS = ("forward", "backward", "optimiser", "momentum")


class Stopwatch:
    """Seconds per part; waits for the device at every boundary, so that work is booked where it was ordered."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.seconds: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Book the time of a block under a name."""
        synchronise(self._device)
        began = time.perf_counter()
        yield
        synchronise(self._device)
        self.seconds[name].append(time.perf_counter() - began)


class _Timed(Policy):
    """A policy whose every choice is booked; what is left of the collection is the environment's."""

    def __init__(self, policy: Policy, watch: Stopwatch) -> None:
        self._policy, self._watch = policy, watch

    def act(self, memory: Memory, rng: Draws) -> Choice:
        with self._watch.part("policy"):
            return self._policy.act(memory, rng)


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was asked."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def matrix_rate(device: torch.device, precision: str, size: int = 0) -> float:
    """Measured FLOP/s of a large matrix product in the training precision: the median of five."""
    size = size or (8192 if device.type == "cuda" else 1024)
    kind = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}[precision]
    a = torch.ones(size, size, device=device, dtype=kind)
    times = []
    for _ in range(6):
        synchronise(device)
        began = time.perf_counter()
        torch.mm(a, a)
        synchronise(device)
        times.append(time.perf_counter() - began)
    return 2 * size**3 / statistics.median(times[1:])


def step_bench(scenario: Scenario, steps: int, device: str, console: Console) -> dict[str, float]:
    """Time `steps` training steps part by part, print the table, and return milliseconds per part and the rates."""
    if steps < 1:
        raise ValueError(f"steps is {steps}, expected at least 1")
    scenario = scenario.changed(probe={"online": 0})
    if scenario.train.threads:
        torch.set_num_threads(scenario.train.threads)
    fabric = build.fabric_of(scenario, device)
    fabric.launch()
    world = build.world_of(scenario, scenario.world["split"], fabric.device)
    session = build.session_of(scenario, fabric, world)
    watch = Stopwatch(fabric.device)
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(Path(folder), start=0, steps=steps, console=Console(quiet=True))
        flops = _flops(session, scenario)
        for step in range(3):  # warm-up: compilers, allocators and cuDNN's search settle
            _step(session, scenario, watch, step)
        watch.seconds.clear()
        streams = [_step(session, scenario, watch, step) for step in range(3, 3 + steps)]
        with watch.part("logging"):
            recorder.scalars(steps, collapse(session.module, streams[-1]))
        recorder.close()
    ms = {part: 1000 * sum(watch.seconds[part]) / steps for part in PARTS}
    ms["environment"] -= ms["policy"]
    ms["logging"] *= steps / scenario.train.log_every  # booked once, due every log_every steps
    return _report(scenario, ms, flops, matrix_rate(fabric.device, scenario.train.precision), fabric.device, console)


def _step(session: Session, scenario: Scenario, watch: Stopwatch, step: int) -> Stream:
    rng = Draws.rows(session.seed, session.env.num_envs, device=session.env.world.device).fold(POLICY).fold(step)
    with watch.part("environment"):
        policy = _Timed(session.policy, watch)
        stream = collect(session.env, policy, scenario.train.observed + 1, rng, {"episode": step})
    with watch.part("forward"):
        loss = loss_of(session, stream)
    with watch.part("backward"):
        session.optimiser.zero_grad(set_to_none=True)
        session.fabric.backward(loss)
    with watch.part("optimiser"):
        set_learning_rate(session.optimiser, 0.5, scenario.train)
        session.optimiser.step()
    with watch.part("momentum"):
        session.module.after_step(0.5)
    return stream


def _flops(session: Session, scenario: Scenario) -> int:
    """FLOPs (two per multiply-add) of forward and backward, by torch's counter."""
    stream = _step(session, scenario, Stopwatch(session.fabric.device), 0)
    with FlopCounterMode(display=False) as counter:
        session.fabric.backward(loss_of(session, stream))
    return counter.get_total_flops()


def _report(
    scenario: Scenario, ms: dict[str, float], flops: int, rate: float, device: torch.device, console: Console
) -> dict[str, float]:
    total = sum(ms.values())
    outside = 100 * (1 - sum(ms[part] for part in MODEL_PARTS) / total)
    achieved = flops / ((ms["forward"] + ms["backward"]) / 1000)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    table = Table(
        "part",
        "ms / step",
        "share",
        title=f"{name}, {scenario.train.precision}, batch {scenario.train.batch}",
    )
    for part in PARTS:
        table.add_row(part, f"{ms[part]:.2f}", f"{100 * ms[part] / total:.1f} %")
    table.add_row("total", f"{total:.2f}", f"{1000 * scenario.train.batch / total:.0f} streams/s")
    console.print(table)
    console.print(
        f"outside the model: {outside:.1f} %\n{flops / 1e12:.3f} TFLOP per step, {achieved / 1e9:.0f} GFLOP/s in "
        f"forward and backward = {100 * achieved / rate:.0f} % of the measured matrix rate ({rate / 1e9:.0f} GFLOP/s)",
        highlight=False,
    )
    return {
        **ms,
        "total": total,
        "outside_percent": outside,
        "flops": float(flops),
        "achieved": achieved,
        "matrix": rate,
    }
