"""Which of K views shows another object? Odd-one-out detection, as reported beside seq-JEPA (arXiv 2505.03176).

The project page gives accuracies and no protocol. This is ours:

- A puzzle has K views: K − 1 different stored views of one object (the anchor), and at a place drawn uniformly one view
  of an object of another class, drawn uniformly among all such objects of the split; the order of the others is random.
  Anchors are spread evenly over the objects of a split. Rotation and hues of all views are whatever they are, the odd
  one's too, so that nothing but the object gives it away. Chance is 1 / K.
- The answer is the place, 0 … K − 1. Read-outs are trained on puzzles of the training split's objects and scored on
  puzzles of the test split's. Linear classifiers see the same puzzles in every epoch, fine-tuning new ones: a
  transformer learns a few thousand by heart. Everything drawn follows from the seed.
- Actions between views are what the model would be told of such a sequence: the world's `difference` of the poses of
  one view and the next, as if the object had been turned and the odd one slipped in.
- "encoder": a linear classifier on the concatenation of z_1 … z_K (oddness is a relation between views, which a linear
  map of them hardly sees). "aggregate": a linear classifier on z_AGG of all K views. "fine-tuned aggregate": from
  there, whatever makes z_AGG of given z_i (aggregator and action embedding) and the classifier learn on by AdamW with
  the training's learning-rate schedule, while the encoder stays as it is; the model itself is not changed. "cosine":
  without any training, the view whose z_i has the lowest mean cosine with the others.

An aggregator without positions sees a set of (view, action) pairs of which only the last is marked, having no action.
If it cannot order the others by their actions, then even somebody who knows which view is odd can name its place only
if that is the last, and guesses among K − 1 otherwise: 2 / K, in the result as "unordered". With planted embeddings of
objects, which make the odd one obvious, fine-tuning reached 0.68 for K = 3 and 0.49 for K = 4, and with
`positions=True` 0.98 and more for both. The page's 66.65 % for its fine-tuned aggregator is exactly 2 / 3, and its
baselines of 38 to 39 % are a little above 1 / 3; so K = 3 is the default.
"""

import copy
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from annotated_types import Interval
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from gazeworld.envs.rng import Draws
from gazeworld.envs.validation import Amount, MaybeEpochs, Natural, Options, PositiveAmount, Rows
from gazeworld.envs.world import World
from gazeworld.models.method import Method

from ..config import ProbeConfig, TrainConfig
from ..training.optimiser import make_optimiser, set_learning_rate
from .features import Tick, aggregates, quiet, spread_over
from .readouts import Budget, ReadOuts, accuracy, fit_classifier, require_labels
from .stored_views import Stored

ENCODER, AGGREGATE, TUNED, COSINE = "encoder", "aggregate", "fine-tuned aggregate", "cosine"


@dataclass(frozen=True)
class Puzzle(Options):
    """How puzzles are made and how the aggregator learns to solve them."""

    views: Annotated[int, Interval(ge=3, le=2**8)] = 3
    """K, the number of views; K − 1 of them show one object (not stated; see the module's docstring)"""
    train: Rows = 8192
    """puzzles of the training split; in each epoch of fine-tuning, other ones"""
    test: Rows = 2048
    """puzzles of the test split"""
    pool: Natural = 0
    """stored views of each object to make puzzles of (0: all)"""
    epochs: MaybeEpochs = 60
    """epochs of fine-tuning (0: leave it out)"""
    batch: Rows = 256
    """puzzles per step of fine-tuning"""
    lr: PositiveAmount = 4e-4
    """highest learning rate of fine-tuning: the training's (appendix A.2)"""
    weight_decay: Amount = 1e-3
    """AdamW's weight decay: the training's (appendix A.2)"""


@dataclass(frozen=True)
class Puzzles:
    """N puzzles: which object and view is at each of the K places, and at which place the odd one is."""

    objects: Int64[Tensor, "n k"]
    views: Int64[Tensor, "n k"]
    place: Int64[Tensor, " n"]


@dataclass(frozen=True)
class Pool:
    """The objects of a split that puzzles are made of, and how many views of each."""

    stored: Stored
    objects: Int64[Tensor, " p"]
    views: int

    @classmethod
    def of(cls, world: World, scenes: int, views: int) -> "Pool":
        """`scenes` objects of the world and `views` of each (0: all). Raises ValueError without labels or one class."""
        stored = Stored(world)
        objects = spread_over(world.size, min(scenes, world.size)).to(stored.poses.device)
        labels = stored.labels[objects]
        require_labels(labels, len(world.classes), f"{stored.split} puzzle")
        if len(labels.unique()) < 2:
            raise ValueError(f"the objects of split {stored.split!r} are of one class; an odd one has to be of another")
        return cls(stored, objects, min(views or stored.views, stored.views))

    def draw(self, count: int, k: int, rng: Draws) -> Puzzles:
        """Puzzles of K views; `rng` has a stream for each. Raises ValueError where an object has too few views."""
        if self.views < k - 1:
            raise ValueError(f"puzzles of {k} views need {k - 1} of one object, and there are {self.views}")
        anchor = torch.arange(count, device=self.objects.device) * len(self.objects) // count
        odd = _strangers(self.stored.labels[self.objects], anchor, rng.fold(0))[:, None]
        place = rng.fold(1).integers(k)  # n 1
        which = anchor[:, None].repeat(1, k).scatter(1, place, odd)
        views = F.pad(rng.fold(2).uniform64(self.views).argsort(1)[:, : k - 1], (0, 1))  # n k: the last one is empty
        last = torch.full_like(place, k - 1)
        views = views.scatter(1, last, views.gather(1, place)).scatter(1, place, rng.fold(3).integers(self.views))
        return Puzzles(self.objects[which], views, place[:, 0])


def _strangers(labels: Int64[Tensor, " p"], anchor: Int64[Tensor, " n"], rng: Draws) -> Int64[Tensor, " n"]:
    """For each of the anchors an object of another class, uniform among all of them; objects by their places."""
    members = labels.bincount()
    # Sorted by class, these objects are the ones before and the ones behind the block of the anchor's class.
    label = labels[anchor]
    start = members.cumsum(0)[label] - members[label]
    number = (rng.uniform64(1)[:, 0] * (len(labels) - members[label])).long()
    return labels.argsort(stable=True)[torch.where(number < start, number, number + members[label])]


def odd_one_out(
    methods: dict[str, Method],
    train: World,
    test: World,
    config: ProbeConfig,
    puzzle: Puzzle | None = None,
    tick: Tick = quiet,
) -> dict[str, Any]:
    """Accuracy of naming the odd one among K views, by all read-outs of the module's docstring, for every model.

    `train` and `test` are worlds of stored views of the two splits. `values` are scores on the test split, `training
    values` those on the puzzles that heads were trained on. No method is changed. Raises ValueError for worlds without
    stored views or labels, or with one class only.
    """
    puzzle = puzzle or Puzzle()
    k = puzzle.views
    pools = [Pool.of(world, config.scenes, puzzle.pool) for world in (train, test)]
    values, learnt = {}, {}
    for name, method in methods.items():
        tables = [_table(method, pool, tick) for pool in pools]
        values[name], learnt[name] = _solve(method, tables[0], tables[1], config, puzzle, tick)
    return {
        "tensor": "z_1 … z_K side by side (encoder, cosine), or z_AGG of all K views",
        "target": "place of the one view that shows an object of another class",
        "protocol": "linear classifiers on standardised features; fine-tuning of aggregator, action embedding and "
        "classifier by AdamW with the encoder frozen; cosine: the lowest mean cosine with the others, untrained",
        "budget": {"optimiser": "Adam, learning rate 1e-3", "epochs": config.epochs_linear, "batch": config.batch},
        "fine-tuning": {name: getattr(puzzle, name) for name in ("epochs", "batch", "lr", "weight_decay")},
        "seed": config.seed,
        "heads trained on": {"split": pools[0].stored.split, "puzzles": puzzle.train},
        "scored on": {"split": pools[1].stored.split, "puzzles": puzzle.test},
        "score": "top-1 accuracy",
        "views": k,
        "chance": 1 / k,
        "unordered": 2 / k,
        "values": values,
        "training values": learnt,
    }


@dataclass(frozen=True)
class _Seen:
    """What a method makes of puzzles."""

    z: Float[Tensor, "n k d"]
    actions: Float32[Tensor, "n k-1 a"]
    place: Int64[Tensor, " n"]


@dataclass(frozen=True)
class _Table:
    """The embeddings of all views that puzzles are made of, by scene (−1 in `row`: none of the pool) and view."""

    pool: Pool
    row: Int64[Tensor, " n"]
    z: Float[Tensor, "p v d"]

    def draw(self, count: int, k: int, seed: int, purpose: int) -> _Seen:
        """New puzzles and what is seen of them: a function of the arguments."""
        rng = Draws.rows(seed, count, device=self.pool.objects.device).fold(purpose)
        return self.see(self.pool.draw(count, k, rng))

    def see(self, drawn: Puzzles) -> _Seen:
        """Embeddings of the views, and the actions between them as a model would be told."""
        stored = self.pool.stored
        poses = stored.poses[drawn.objects, drawn.views]  # n k 6
        actions = stored.world.difference(poses[:, :-1].flatten(0, 1), poses[:, 1:].flatten(0, 1))
        device = self.z.device
        z = self.z[self.row[drawn.objects].to(device), drawn.views.to(device)]
        return _Seen(z, actions.unflatten(0, (len(poses), -1)).to(device), drawn.place.to(device))


def _table(method: Method, pool: Pool, tick: Tick) -> _Table:
    v, device = pool.views, pool.objects.device
    row = torch.full((pool.stored.world.size,), -1, device=device)
    row[pool.objects] = torch.arange(len(pool.objects), device=device)
    views = torch.arange(v, device=device).repeat(len(pool.objects))
    z = pool.stored.encode(method, method.encode, pool.objects.repeat_interleave(v), views, tick)
    return _Table(pool, row, z.unflatten(0, (-1, v)))


_FIXED, _FRESH = 0, 1  # purposes of draws: puzzles for heads and scores, and (from here on) for epochs of fine-tuning


def _solve(
    method: Method, train: _Table, test: _Table, config: ProbeConfig, puzzle: Puzzle, tick: Tick
) -> tuple[dict[str, float], dict[str, float]]:
    """Accuracies by read-out on the test and on the training puzzles."""
    budget = Budget(config.epochs_linear, config.batch, config.seed)
    both = [
        table.draw(count, puzzle.views, config.seed, _FIXED)
        for table, count in ((test, puzzle.test), (train, puzzle.train))
    ]
    found: list[dict[str, float]] = [{COSINE: _by_cosine(seen)} for seen in both]

    def fit(x: Tensor) -> ReadOuts:
        return fit_classifier(x, both[1].place, puzzle.views, budget)

    tick("odd one out, from the encoder", 0, 1)
    side_by_side = fit(both[1].z.flatten(1)[None])
    tick("odd one out, from the aggregate", 0, 1)
    whole = [aggregates(method, seen.z, seen.actions)[-1:] for seen in both]  # 1 n e
    head = fit(whole[1])
    for scores, seen, aggregate in zip(found, both, whole, strict=True):
        scores[ENCODER] = float(accuracy(side_by_side, seen.z.flatten(1)[None], seen.place))
        scores[AGGREGATE] = float(accuracy(head, aggregate, seen.place))
    if puzzle.epochs:
        solver = _fine_tuned(method, head, train, config.seed, puzzle, tick)
        for scores, seen in zip(found, both, strict=True):
            scores[TUNED] = solver.accuracy(seen)
    return found[0], found[1]


def _by_cosine(seen: _Seen) -> float:
    z = F.normalize(seen.z, dim=-1)
    cosines = z @ z.transpose(1, 2)  # n k k
    others = cosines.sum(-1) - cosines.diagonal(dim1=1, dim2=2)
    return float((others.argmin(1) == seen.place).float().mean())


class _Solver(nn.Module):
    """A copy of a method whose aggregate is read by a linear classifier."""

    def __init__(self, method: Method, head: ReadOuts) -> None:
        super().__init__()
        self.method = copy.deepcopy(method).requires_grad_(True)
        weight, bias = head.layers[0][0][0] / head.inputs.std[0], head.layers[0][1][0, :, 0]
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(bias - weight @ head.inputs.mean[0, 0])

    def forward(self, z: Float[Tensor, "b k d"], actions: Float32[Tensor, "b j a"]) -> Float[Tensor, "b k"]:
        return F.linear(self.method.aggregate(z, actions), self.weight, self.bias)

    @torch.no_grad()
    def accuracy(self, seen: _Seen) -> float:
        self.eval()
        parts = zip(*(x.split(256) for x in (seen.z, seen.actions, seen.place)), strict=True)
        right = sum(int((self(z, actions).argmax(1) == place).sum()) for z, actions, place in parts)
        return right / len(seen.place)


def _fine_tuned(method: Method, head: ReadOuts, train: _Table, seed: int, puzzle: Puzzle, tick: Tick) -> _Solver:
    """Aggregator and head after AdamW; the encoder is not part of the loss, so nothing in it moves."""
    # No loop of `readouts`: what is trained reaches into the method, by the training's own optimiser and schedule.
    solver = _Solver(method, head)
    schedule = TrainConfig(lr=puzzle.lr, weight_decay=puzzle.weight_decay)
    optimiser = make_optimiser(solver, schedule)
    generator = torch.Generator().manual_seed(seed)
    device = train.z.device
    steps, step = puzzle.epochs * -(-puzzle.train // puzzle.batch), 0
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)  # dropout draws from torch's own generators
        solver.train()
        for epoch in range(puzzle.epochs):
            seen = train.draw(puzzle.train, puzzle.views, seed, _FRESH + epoch)
            for rows in torch.randperm(puzzle.train, generator=generator).to(device).split(puzzle.batch):
                set_learning_rate(optimiser, step / steps, schedule)
                loss = F.cross_entropy(solver(seen.z[rows], seen.actions[rows]), seen.place[rows])
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
                step += 1
            tick("odd one out, fine-tuning", epoch + 1, puzzle.epochs)
    return solver
