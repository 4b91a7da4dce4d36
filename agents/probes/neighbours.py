"""The nearest representations of a view: are they of its class, and do they keep its rotation? (Figure 4.)

The paper shows the three nearest encoder representations in the validation set and does not say by which distance, nor
whether other views of the query's own object may be among them. Here the distance is the cosine, which the training
loss uses, and both readings are measured: "all views" (everything but the query itself) and "other objects" (no view
of the query's object, so that nothing but class and rotation can be what the two have in common).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from gazeworld.envs.objects import rotations
from gazeworld.envs.validation import Natural, Options, Rows
from gazeworld.envs.world import World
from gazeworld.models.method import Method

from ..config import ProbeConfig
from .features import Tick, quiet, spread_over
from .measures import nothing_to_recognise
from .stored_views import Stored

ALL, OTHERS = "all views", "other objects"
KINDS = (ALL, OTHERS)
_QUERIES = 32  # whose distances to everything are held at once


@dataclass(frozen=True)
class Search(Options):
    """How neighbours are looked for."""

    k: Rows = 3
    """neighbours of each query (the paper's figure has three)"""
    queries: Rows = 512
    """views whose neighbours are looked for, drawn without replacement (or all, where there are fewer)"""
    views: Natural = 0
    """views of each object to search among (0: all)"""
    examples: Natural = 6
    """queries that are kept to be drawn, as far as possible of different classes"""


def neighbours(
    methods: dict[str, Method],
    world: World,
    config: ProbeConfig,
    search: Search | None = None,
    tick: Tick = quiet,
) -> dict[str, Any]:
    """Class and rotation of the k nearest views of queries, for every model and beside what chance would give.

    Searched are the stored views of `config.scenes` objects (0: all) of `world`, which should hold the test split.
    Under each kind of candidates: `same class` and `same object`, shares of neighbours; `degrees`, geodesic angle
    between the rotations of query and neighbour, and `by place` its mean for the nearest, the second nearest …;
    `random` has the same for a candidate drawn uniformly, and `closest` the angle of the k candidates whose
    rotations are nearest to the query's: nobody can do better. Where an object has no label, or all are of one
    class, there is no `same class`. Raises ValueError for a world without stored views, and for fewer than k
    candidates.
    """
    search = search or Search()
    pool = _pool(Stored(world), search, config)
    entry = {
        "tensor": "z of one view",
        "target": f"its {search.k} nearest neighbours by cosine among the z of the split",
        "protocol": "no head is trained; geodesic angles between rotations in degrees",
        "seed": config.seed,
        "scored on": pool.said(),
        "score": ("same class, " if pool.classed else "")
        + "same object: shares of neighbours; degrees: mean and median over all neighbours",
        "random": {kind: _random(pool, kind) for kind in KINDS},
        "closest": {kind: _closest(pool, kind, search.k) for kind in KINDS},
        "values": {},
        "examples": {},
    }
    shown = _examples(pool, search.examples)
    for name, method in methods.items():
        z = F.normalize(pool.stored.encode(method, method.encode, pool.objects, pool.views, tick), dim=1)
        found = {kind: _nearest(pool, z, kind, search.k) for kind in KINDS}
        entry["values"][name] = {kind: _scores(pool, near) for kind, near in found.items()}
        entry["examples"][name] = {kind: _told(pool, near, shown) for kind, near in found.items()}
    return entry


@dataclass(frozen=True)
class _Pool:
    """The views that are searched, and which of them are queries."""

    stored: Stored
    objects: Int64[Tensor, " p"]
    views: Int64[Tensor, " p"]
    queries: Int64[Tensor, " q"]

    @property
    def labels(self) -> Int64[Tensor, " p"]:
        return self.stored.labels[self.objects]

    @cached_property
    def classed(self) -> bool:
        """Whether neighbours of a view's own class say anything."""
        return not nothing_to_recognise(self.labels, self.labels)

    def said(self) -> dict[str, Any]:
        """What was searched, in numbers."""
        objects, views, queries = len(self.objects.unique()), len(self.objects), len(self.queries)
        return {"split": self.stored.split, "objects": objects, "views": views, "queries": queries}

    @cached_property
    def turns(self) -> Float[Tensor, "p 4"]:
        return self.stored.poses[self.objects, self.views, :4]

    def degrees(self, rows: Int64[Tensor, " r"], others: Int64[Tensor, "r k"]) -> Float[Tensor, "r k"]:
        """Angles between views of the pool."""
        return torch.rad2deg(rotations.angle(self.turns[rows][:, None], self.turns[others]))

    def all_degrees(self, rows: Int64[Tensor, " r"]) -> Float[Tensor, "r p"]:
        """Angles between some views and all: by one product, whose digits suffice in float64."""
        cosines = rotations.unit(self.turns[rows].double()) @ rotations.unit(self.turns.double()).T
        return torch.rad2deg(2 * cosines.abs().clamp_max(1).acos())

    def barred(self, rows: Int64[Tensor, " r"], kind: str) -> Bool[Tensor, "r p"]:
        """Which views are no candidates for these queries."""
        if kind == OTHERS:
            return self.objects[rows][:, None] == self.objects
        return rows[:, None] == torch.arange(len(self.objects), device=rows.device)


def _pool(stored: Stored, search: Search, config: ProbeConfig) -> _Pool:
    size, device = stored.world.size, stored.poses.device
    objects = spread_over(size, min(config.scenes, size)).to(device)
    each = min(search.views or stored.views, stored.views)
    views = torch.arange(each, device=device).repeat(len(objects))
    objects = objects.repeat_interleave(each)
    generator = torch.Generator().manual_seed(config.seed)
    queries = torch.randperm(len(objects), generator=generator)[: search.queries].to(device)
    pool = _Pool(stored, objects, views, queries)
    least = len(objects) - each  # candidates of other objects
    if least < search.k:
        raise ValueError(f"{search.k} neighbours among {least} views of other objects; more objects are needed")
    return pool


def _nearest(pool: _Pool, z: Float[Tensor, "p d"], kind: str, k: int) -> Int64[Tensor, "q k"]:
    """Numbers in the pool of each query's nearest candidates, the nearest first."""
    found = []
    for rows in pool.queries.split(_QUERIES):
        there = rows.to(z.device)
        cosines = (z[there] @ z.T).masked_fill(pool.barred(rows, kind).to(z.device), -torch.inf)
        found.append(cosines.topk(k).indices.to(rows.device))
    return torch.cat(found)


def _scores(pool: _Pool, near: Int64[Tensor, "q k"]) -> dict[str, Any]:
    degrees = pool.degrees(pool.queries, near)
    same = pool.labels[near] == pool.labels[pool.queries][:, None]
    own = pool.objects[near] == pool.objects[pool.queries][:, None]
    classes = {"same class": float(same.double().mean())} if pool.classed else {}
    return {
        **classes,
        "same object": float(own.double().mean()),
        "degrees": {"mean": float(degrees.mean()), "median": float(degrees.median())},
        "by place": degrees.mean(0).tolist(),
    }


def _random(pool: _Pool, kind: str) -> dict[str, Any]:
    """Expected scores of a candidate drawn uniformly for each query."""
    sums = torch.zeros(3, dtype=torch.float64)
    for rows in pool.queries.split(_QUERIES):
        fit = (~pool.barred(rows, kind)).double()  # r p
        same = pool.labels[rows][:, None] == pool.labels
        own = pool.objects[rows][:, None] == pool.objects
        for i, value in enumerate((same, own, pool.all_degrees(rows))):
            sums[i] += ((value * fit).sum(1) / fit.sum(1)).sum().cpu()
    same_class, same_object, degrees = (sums / len(pool.queries)).tolist()
    classes = {"same class": same_class} if pool.classed else {}
    return {**classes, "same object": same_object, "degrees": {"mean": degrees}}


def _closest(pool: _Pool, kind: str, k: int) -> dict[str, Any]:
    found = []
    for rows in pool.queries.split(_QUERIES):
        apart = pool.all_degrees(rows).masked_fill(pool.barred(rows, kind), torch.inf)
        found.append(apart.topk(k, largest=False).values)
    degrees = torch.cat(found)
    return {"degrees": {"mean": float(degrees.mean()), "median": float(degrees.median())}}


def _examples(pool: _Pool, most: int) -> list[int]:
    """Places in `queries` of some of them: first one of every class, in their order, then others."""
    first: dict[int, int] = {}
    for place, label in enumerate(pool.labels[pool.queries].tolist()):
        first.setdefault(label, place)
    chosen = list(first.values())
    return (chosen + [place for place in range(len(pool.queries)) if place not in chosen])[:most]


def _told(pool: _Pool, near: Int64[Tensor, "q k"], shown: list[int]) -> list[dict[str, Any]]:
    """Queries and their neighbours by the numbers of object and view, so that they can be looked at again."""
    told = []
    for place in shown:
        row = pool.queries[place : place + 1]
        angles = pool.degrees(row, near[place : place + 1])[0].tolist()
        found = [_one(pool, int(i)) | {"degrees": angle} for i, angle in zip(near[place], angles, strict=True)]
        told.append({"query": _one(pool, int(row)), "neighbours": found})
    return told


def _one(pool: _Pool, number: int) -> dict[str, Any]:
    label = int(pool.labels[number])
    return {
        "object": int(pool.objects[number]),
        "view": int(pool.views[number]),
        "class": pool.stored.world.classes[label] if label >= 0 else "",
    }
