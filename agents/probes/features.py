"""Frozen features: what a method makes of a fixed set of streams, computed once and read by every probe."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn

from gazeworld.envs.rng import Draws
from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import EnvSeed, Natural, Positive, Views, validated
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import World
from gazeworld.models.method import Method, Predicts, frozen

from ..policy import Policy
from ..training.loop import POLICY, collect

Tick = Callable[[str, int, int], None]
"""Hears how far a long piece of work is: what, done, of how many."""

R = TypeVar("R", bound=Any)  # a dataclass
FULL, NO_ACTIONS, NO_VISION = "full", "actions_ablated", "vision_ablated"


def scored(seed: int) -> int:
    """The seed of streams that read-outs are scored on, from that of the streams they are trained on.

    With the same one, policies that do not mind the scene would look at the same places in both, and motor noise would
    be the same: heads could learn it by heart. Rows are keyed by seed + row, so the next seed would not do.
    """
    return seed + (1 << 40)


def quiet(what: str, done: int, total: int) -> None:
    """A Tick that nobody listens to."""


@validated
def rollouts(
    env: ActiveVisionVectorEnv,
    policy: Policy,
    length: Views,
    *,
    scenes: Natural = 0,
    repeats: Positive = 1,
    seed: EnvSeed = 0,
) -> Stream:
    """Every scene of the environment's world visited `repeats` times, in streams of `length` views.

    `scenes` > 0 takes that many, spread evenly over the source (sources are often sorted by class). Streams come
    repeat by repeat, so the first `scenes` of them are one visit to each. The result is a function of the arguments and
    of `env.num_envs`. Raises ValueError for negative `scenes`, `repeats` < 1 or more scenes than there are.
    """
    return _visit(env, policy, length, spread_over(env.world.size, scenes).repeat(repeats), seed)


@validated
def centred(env: ActiveVisionVectorEnv, policy: Policy, *, scenes: Natural = 0, seed: EnvSeed = 0) -> Stream:
    """One view of each scene from the middle of the pose space: the baseline that looks once, at the centre."""
    return _visit(env, policy, 1, spread_over(env.world.size, scenes), seed, middle=True)


def spread_over(size: int, scenes: int) -> Int64[Tensor, " n"]:
    """Indices of `scenes` of `size` scenes at even distances (0: all of them)."""
    if not 0 <= scenes <= size:
        raise ValueError(f"{scenes} scenes were asked for, expected 0 (all) to {size}")
    n = scenes or size
    return torch.arange(n) * size // n


def _visit(
    env: ActiveVisionVectorEnv,
    policy: Policy,
    length: int,
    order: Int64[Tensor, " n"],
    seed: int,
    middle: bool = False,
) -> Stream:
    """Streams of the scenes in `order`, in batches of as many as the environment has rows."""
    world, rows, total = env.world, env.num_envs, len(order)
    env.reset(seed=seed)
    # Environments fold their rows' keys by the episode's number; no episode has the number -1.
    rng = Draws.rows(seed, rows, device=world.device).fold(POLICY)
    options: dict[str, object] = {}
    if middle:
        if world.middle is None:
            raise ValueError(f"{type(world).__name__} has no middle to look from")
        options["pose"] = torch.tensor(world.middle, dtype=torch.float32, device=world.device)
    parts = []
    for i, start in enumerate(range(0, total, rows)):
        places = torch.arange(start, start + rows) % total  # the last batch is filled up from the beginning
        batch = {**options, "scene": order[places].to(world.device), "episode": i}
        if world.expects and start + rows < total:
            world.expect(order[(places + rows) % total].to(world.device))
        parts.append(_keep(collect(env, policy, length, rng.fold(i), batch), min(rows, total - start)))
    return joined(parts)


def joined(parts: Sequence[R], **dims: int) -> R:
    """Records of tensors, one after the other: along dimension 0, or that which `dims` gives for a field."""
    names = (field.name for field in fields(parts[0]))
    return replace(parts[0], **{x: torch.cat([getattr(part, x) for part in parts], dims.get(x, 0)) for x in names})


def _keep(stream: Stream, n: int) -> Stream:
    """The first n streams of a batch."""
    return Stream(stream.views[:n], stream.actions[:n], stream.poses[:n], stream.labels[:n], stream.scenes[:n])


@dataclass(frozen=True)
class Features:
    """What a frozen method makes of n streams, on the method's device.

    `encodings` are z_1 … z_m of the m observed views. `aggregates` maps `full` to z_AGG of the first 1, 2 … m views,
    and, where asked for, `actions_ablated` (all action embeddings zero) and `vision_ablated` (all z_i zero) to what
    it becomes then (paper, appendix B.9). `embeddings` are those of all s = t − 1 actions, which the method was told;
    `displacements[:, i]` is the true one from view 1 to view i + 2, and `reckoned[:, i]` what the actions up to there
    amount to. `relative` (from view 1 to view 2) and `absolute` (of view 1) hold the world's quantities by name.
    Labels are −1 where there are none.
    """

    encodings: Float[Tensor, "n m d"]
    aggregates: dict[str, Float[Tensor, "m n e"]]
    actions: Float32[Tensor, "n s a"]
    embeddings: Float[Tensor, "n s k"]
    displacements: Float32[Tensor, "n s a"]
    reckoned: Float32[Tensor, "n s a"]
    relative: dict[str, Float32[Tensor, "n _"]]
    absolute: dict[str, Float32[Tensor, "n _"]]
    labels: Int64[Tensor, " n"]

    def take(self, rows: Int64[Tensor, " k"]) -> "Features":
        """Those of some of the streams."""
        rows = rows.to(self.labels.device)
        return Features(
            self.encodings[rows],
            {name: value[:, rows] for name, value in self.aggregates.items()},
            self.actions[rows],
            self.embeddings[rows],
            self.displacements[rows],
            self.reckoned[rows],
            {name: value[rows] for name, value in self.relative.items()},
            {name: value[rows] for name, value in self.absolute.items()},
            self.labels[rows],
        )


def features(method: Method, stream: Stream, world: World, *, observed: int, tick: Tick = quiet) -> Features:
    """Encodings and aggregates of the first `observed` views of every stream, in eval mode and in chunks.

    `world` is where the streams were made: it knows what displacement leads from one pose to another. Raises
    ValueError when the streams are shorter than `observed`.
    """
    if not 1 <= observed <= stream.length:
        raise ValueError(f"{observed} observed views were asked for, expected 1 to the {stream.length} of the streams")
    device = next(method.parameters()).device
    n = len(stream.scenes)
    encodings = torch.empty(n, observed, method.view_dim, dtype=torch.float32, device=device)

    def encode(rows: slice) -> None:
        encodings[rows] = method.encode(stream.views[rows, :observed].to(device)).float()

    with frozen(method):
        in_chunks(encode, n, device, "encoding views", tick)
        embedded = method.embed(stream.actions.to(device)).float()
    embeddings = embedded.clone()  # outside inference mode: tensors made inside cannot meet autograd
    actions = stream.actions.to(device)
    first, second = stream.poses[:, 0], stream.poses[:, min(1, stream.length - 1)]
    return Features(
        encodings,
        {FULL: aggregates(method, encodings, actions, tick)},
        actions,
        embeddings,
        displacements(world, stream.poses).to(device),
        reckoned(world, stream.actions).to(device),
        {q.name: q.between(first, second).to(device) for q in world.quantities()},
        {q.name: q.of(first).to(device) for q in world.quantities()},
        stream.labels.to(device),
    )


def displacements(world: World, poses: Float32[Tensor, "n t p"]) -> Float32[Tensor, "n t-1 a"]:
    """The action that would lead directly from the first pose to each later one."""
    n, t, _ = poses.shape
    found = poses.new_empty(n, t - 1, world.action_dim)
    for i in range(t - 1):
        found[:, i] = world.difference(poses[:, 0], poses[:, i + 1])
    return found


def reckoned(world: World, actions: Float32[Tensor, "n k a"]) -> Float32[Tensor, "n k a"]:
    """What the first 1, 2 … k actions amount to: where one would be if each did exactly what it says."""
    found = actions.clone()
    for i in range(1, actions.shape[1]):
        found[:, i] = world.compose(found[:, i - 1], actions[:, i])
    return found


def ablated(method: Method, seen: Features, tick: Tick = quiet) -> Features:
    """The same features with the aggregates of both ablations beside the full one."""
    both = {
        NO_ACTIONS: aggregates(method, seen.encodings, torch.zeros_like(seen.actions), tick),
        NO_VISION: aggregates(method, torch.zeros_like(seen.encodings), seen.actions, tick),
    }
    return replace(seen, aggregates={**seen.aggregates, **both})


def aggregates(
    method: Method,
    encodings: Float[Tensor, "n m d"],
    actions: Float32[Tensor, "n k a"],
    tick: Tick = quiet,
) -> Float[Tensor, "m n e"]:
    """z_AGG of the first 1, 2 … m views with the actions between them, in eval mode and in chunks."""
    n, m, _ = encodings.shape
    found = torch.empty(m, n, method.aggregate_dim, dtype=torch.float32, device=encodings.device)

    def aggregate(rows: slice) -> None:
        for i in range(m):
            found[i, rows] = method.aggregate(encodings[rows, : i + 1], actions[rows, :i]).float()

    with frozen(method):
        in_chunks(aggregate, n, encodings.device, "aggregating", tick)
    return found


def in_chunks(work: Callable[[slice], None], n: int, device: torch.device, what: str, tick: Tick) -> None:
    """Do the work for n streams piece by piece: side by side on the CPU, in larger pieces on a GPU."""
    # 64 streams stay in a core's cache: 2.4 s of CPU for what took 5.3 s with 512 at once.
    size = 1024 if device.type == "cuda" else 64
    chunks = [slice(start, min(n, start + size)) for start in range(0, n, size)]

    def job(rows: slice) -> None:
        with torch.inference_mode():  # a thread does not inherit it
            work(rows)

    if device.type == "cuda":
        for i, rows in enumerate(chunks):
            job(rows)
            tick(what, i + 1, len(chunks))
    else:
        parallel([partial(job, rows) for rows in chunks], lambda done: tick(what, done, len(chunks)))


@torch.no_grad()
def calibrate(method: Method, stream: Stream, chunk: int = 256) -> Method:
    """Set the running statistics of the encoder's batch normalisation to those of the stream's views.

    An untrained network has none (mean 0, variance 1), and in eval mode its normalisation would do nothing. That is
    no property of its random weights, so a comparison in eval mode would be unfair to it. The same goes for a target
    network. Returns the method, in eval mode.
    """
    norms = [m for m in method.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average over all batches
    method.train()
    for part in stream.views.split(chunk):
        method.encode(part)
        if isinstance(method, Predicts):
            method.goal(part)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return method.eval()


T = TypeVar("T")


def parallel(jobs: Sequence[Callable[[], T]], done: Callable[[int], None] = lambda _: None) -> list[T]:
    """Results of all jobs, in their order; `done` hears, in this thread, how many have ended.

    Runs as many jobs at a time as torch has threads, and each in one thread. Small operations gain little from two
    threads and lose very much when the cores are busy with something else (measured: a factor of 10); torch lets go of
    the interpreter's lock inside its operations. What a job gives does not depend on the number of threads. Whoever
    works on a GPU has nothing to gain here.
    """
    threads = torch.get_num_threads()
    results = []
    torch.set_num_threads(1)  # new threads begin with the process's latest setting
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for result in pool.map(lambda job: job(), jobs):
                results.append(result)
                done(len(results))
    finally:
        torch.set_num_threads(threads)
    return results
