"""Can a place be found whose embedding is given? Success of planners beside chance and beside what needs no model.

In a world of fixations the goal is the view from another place of the same scene; it is reached when a fixation lies
at most `within` pixels from that place. In a world of stored views it is one of the object's views that was not seen
yet, and that very view has to be chosen: the first choice is Hit@1 among unseen views, the others are replans.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Float32, Int64, UInt8
from torch import Tensor
from torch.nn import functional as F

from gazeworld.envs.fixations import Inhibition, Lattice
from gazeworld.envs.objects import rotations
from gazeworld.envs.rng import Draws
from gazeworld.envs.world import Scene, World, require_lattice, spread_poses
from gazeworld.models.method import Method

from ..config import ReachConfig
from ..policy import Choice, Memory, Policy, begun, make_policy, stepped
from ..probes.features import Tick, quiet, spread_over
from ..training.loop import POLICY
from .search import Ground, pick

_Z = 1.959964  # of the normal distribution: intervals hold 95 %
_SEEKING, _GOALS = 3, 4  # folds of the rows' streams; a world uses 0 and 1, an environment 2


@runtime_checkable
class Seeks(Protocol):
    """A policy that can be told what to look for."""

    def aim(self, views: UInt8[Tensor, "b c h w"]) -> None:
        """Look for these views from now on, one per episode."""
        ...


def seekers(
    methods: dict[str, Method],
    world: World,
    config: ReachConfig | None = None,
    goal: Mapping[str, Any] | None = None,
    saliency: str = "image-signature",
) -> dict[str, Policy]:
    """Policies to compare: planning with each model (`goal` holds options of policy 'goal'), and without any.

    Without a model there are, for fixations: uniform draws, draws from the map `saliency` with inhibition of return,
    and `PixelMatching`; for stored views: unseen views at random. Where fixations look for a goal, whatever lies within
    `within` pixels of a place that was tried is known not to be it, so that is the radius of their inhibition.
    """
    within = max((config or ReachConfig()).within, 0.5)  # places are whole pixels, and 0 is half a glimpse
    options = {"radius": within} if world.lattice is not None else {}
    found: dict[str, Policy] = {}
    for name, method in methods.items():
        found[f"{name} model"] = make_policy("goal", world, **{**options, **(goal or {})})
        found[f"{name} model"].attach(method)
    if world.stored_poses is not None:
        return found | {"unseen": make_policy("unseen", world)}
    found["uniform"] = make_policy("uniform", world)
    if world.lattice is not None:
        found["saliency"] = make_policy("saliency", world, map=saliency)
    return found | {"pixel matching": PixelMatching(world, Inhibition(radius=within))}


def reach(
    policies: Mapping[str, Policy], world: World, config: ReachConfig | None = None, tick: Tick = quiet
) -> dict[str, Any]:
    """How often each policy reaches the goal within 1, 2 … actions, from the same first views to the same goals.

    Policies that can be aimed (`Seeks`) are shown the view looked for; the others look as they always do. Goals are
    drawn uniformly from the legal places farther than `within` from everything seen, or from the views not yet seen.
    The result is JSON-able: `values` has for every policy `reached`, the share of scenes for 1 … `saccades` actions,
    with Wilson's `interval` of 95 %, and `nearest`, the mean over scenes of the smallest distance so far (pixels, or
    degrees between rotations). `chance` is exact: independent uniform fixations, or unseen views at random. There is
    no motor noise. Raises ValueError for other worlds, and where a scene has no place that could be a goal.
    """
    config = config or ReachConfig()
    if world.lattice is None and world.stored_poses is None:
        raise ValueError(f"reaching needs a world of fixations or of stored views, and {type(world).__name__} is none")
    index = spread_over(world.size, min(config.scenes, world.size)).to(world.device)
    chances, distances = [], {name: [] for name in policies}
    for i, part in enumerate(index.split(config.batch)):
        rng = Draws.rows(config.seed + i * config.batch, len(part), device=world.device)
        task = _task(world, part, config, rng)
        chances.append(task.chance)
        for name, policy in policies.items():
            tick(f"reaching ({name})", i * config.batch, len(index))
            distances[name].append(_seek(policy, world, task, config.saccades, rng))
    within = 0.0 if world.lattice is None else config.within
    found = {name: torch.cat(parts) for name, parts in distances.items()}
    return {
        "task": _words(world, config),
        "score": "share of scenes in which the goal was reached after so many actions, with a 95 % interval (Wilson); "
        "mean smallest distance so far",
        "unit": "pixels" if within or world.stored_poses is None else "degrees",
        "seed": config.seed,
        "scenes": len(index),
        "actions": list(range(1, config.saccades + 1)),
        "chance": torch.cat(chances).mean(0).tolist(),
        "values": {name: _scores(values, within) for name, values in found.items()},
    }


@dataclass(frozen=True)
class _Task:
    """Where a batch begins, what it looks for, and how likely chance is to reach it after 1, 2 … actions."""

    memory: Memory
    scene: Scene
    goal: Float32[Tensor, "b p"]
    chance: Float[Tensor, "b s"]


def _task(world: World, index: Tensor, config: ReachConfig, rng: Draws) -> _Task:
    scene = world.scene(index, rng)
    memory = begun(world, scene)
    before = make_policy("uniform" if world.stored_poses is None else "unseen", world)
    for i in range(config.seen - 1):
        memory = stepped(world, memory, before.act(memory, rng.fold(POLICY).fold(i)).action)
    legal = _legal(world, scene)  # b k p
    k = legal.shape[1]
    far = torch.stack([_apart(world, legal, at[:, None]) for at in memory.poses.unbind(1)]).amin(0)  # b k
    free = far > (0.0 if world.lattice is None else config.within)
    if not bool(free.any(1).all()):
        row = int((~free.any(1)).nonzero()[0, 0])
        raise ValueError(f"scene {int(index[row])} has no place that could be a goal after {config.seen} views")
    chosen = rng.fold(_GOALS).uniform64(k).masked_fill(~free, -1.0).argmax(1)
    goal = legal[torch.arange(len(index), device=legal.device), chosen]
    steps = torch.arange(1, config.saccades + 1, device=world.device)
    if world.stored_poses is not None:
        chance = (steps.float() / free.sum(1, keepdim=True)).clamp_max(1)
    else:
        share = (_apart(world, legal, goal[:, None]) <= config.within).double().mean(1, keepdim=True)
        chance = 1 - (1 - share) ** steps
    return _Task(memory, scene, goal, chance.double())


def _legal(world: World, scene: Scene) -> Float32[Tensor, "b k p"]:
    """All legal poses of every scene."""
    stored = world.stored_poses
    if stored is not None:
        return stored.index_select(0, scene.index)
    lattice = require_lattice(world, "reaching")
    return spread_poses(lattice, lattice.count, world.device).expand(len(scene.index), -1, -1)


def _apart(world: World, poses: Float32[Tensor, "b k p"], to: Float32[Tensor, "b #k p"]) -> Float[Tensor, "b k"]:
    """Pixels between fixations; degrees between the rotations of stored views, at least a hair between two views."""
    lattice = world.lattice
    if lattice is not None:
        return (lattice.places(poses) - lattice.places(to)).double().norm(dim=-1)
    degrees = torch.rad2deg(rotations.angle(poses[..., :4], to.expand_as(poses)[..., :4])).double()
    return torch.where((poses == to).all(-1), 0.0, degrees.clamp_min(1e-9))


def _seek(policy: Policy, world: World, task: _Task, saccades: int, rng: Draws) -> Float[Tensor, "b s"]:
    """Smallest distance from the goal after 1, 2 … actions."""
    if isinstance(policy, Seeks):
        policy.aim(world.look(task.scene, task.goal))
    memory, first = task.memory, task.memory.poses.shape[1]
    for i in range(saccades):
        memory = stepped(world, memory, policy.act(memory, rng.fold(POLICY).fold(_SEEKING).fold(i)).action)
    return _apart(world, memory.poses[:, first:], task.goal[:, None]).cummin(1).values


def _words(world: World, config: ReachConfig) -> str:
    views = "1 view" if config.seen == 1 else f"{config.seen} views"
    if world.lattice is None:
        return f"after {views} of an object, choose the unseen view whose embedding is given"
    return f"after {views}, come within {config.within:g} px of the place whose embedding is given"


def _scores(nearest: Float[Tensor, "n s"], within: float) -> dict[str, Any]:
    reached, n = (nearest <= within).double().mean(0), len(nearest)
    middle = (reached + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * (reached * (1 - reached) / n + (_Z / (2 * n)) ** 2).sqrt()
    interval = torch.stack([middle - half, middle + half], 1)
    return {"reached": reached.tolist(), "interval": interval.tolist(), "nearest": nearest.mean(0).tolist()}


def places_reached(found: dict[str, Any]) -> dict[str, Any]:
    """What `reach` found among fixations in a few numbers: shares after three actions (or fewer), and their ratio.

    `best` is the better of what looks without a model, `times` how many times its share the trained model reaches.
    """
    at = min(3, len(found["actions"])) - 1
    values = found["values"]
    shares = {name: one["reached"][at] for name, one in values.items()}
    plain = {name: share for name, share in shares.items() if not name.endswith(" model")}
    best = max(plain, key=lambda name: plain[name])
    return {
        "actions": at + 1,
        "trained model": {"reached": shares["trained model"], "interval": values["trained model"]["interval"][at]},
        "untrained model": {
            "reached": shares["untrained model"],
            "interval": values["untrained model"]["interval"][at],
        },
        "best without a model": {"name": best, "reached": plain[best], "interval": values[best]["interval"][at]},
        "times the best": shares["trained model"] / max(plain[best], 1e-9),
        "chance": found["chance"][at],
    }


def views_reached(found: dict[str, Any]) -> dict[str, Any]:
    """What `reach` found among stored views in a few numbers: at once, with replans, and by one shot among all views.

    `mrr` is over all tries; what is found by none of them counts 0.
    """
    tries = found["values"]["trained model"]["reached"]
    gains = [tries[0], *(b - a for a, b in pairwise(tries))]
    shot = found["one shot"]["values"]["trained"]["all views"]
    return {
        "hit@1": tries[0],
        "replans": min(3, len(tries) - 1),
        "with replans": tries[min(3, len(tries) - 1)],
        "tries": len(tries),
        "mrr": sum(gain / (i + 1) for i, gain in enumerate(gains)),
        "one shot": {score: shot[score][-1] for score in ("hit@1", "hit@5", "mrr")},
        "chance": found["chance"][0],
    }


class PixelMatching(Policy):
    """The baseline of goal reaching that knows geometry and pixels, but no objects.

    Everything seen is put together into one picture. For every legal place it is asked how far the glimpse there would
    be from the goal: squared differences where the picture is known, and their expectation under mean and variance of
    all pixels seen where it is not. It goes where that is least, with inhibition of return.
    Raises ValueError for a world without fixations, and in `act` without a goal.
    """

    def __init__(self, world: World, inhibition: Inhibition | None = None) -> None:
        self._lattice: Lattice = require_lattice(world, "matching pixels")
        self._ground = Ground(world, inhibition or Inhibition(), "pixel matching")
        self._poses = spread_poses(self._lattice, self._lattice.count, world.device)  # k 2
        self._views: Tensor | None = None

    def aim(self, views: UInt8[Tensor, "b c h w"]) -> None:
        """Look for these views from now on, one per episode."""
        self._views = views

    def act(self, memory: Memory, rng: Draws) -> Choice:
        """The action that leads to the most likely place."""
        if self._views is None:
            raise ValueError("pixel matching has no goal: call aim(views)")
        world, k = self._ground.world, len(self._poses)
        poses = world.snap(self._ground.scene(memory, k), self._poses.repeat(len(memory.scenes), 1))
        poses = poses.unflatten(0, (-1, k))  # b k 2
        apart = self._expected(memory, self._views.float() / 255)
        found = pick(apart.amax(1, keepdim=True) - apart, self._ground.kept(memory.poses, poses), rng)
        target = poses[torch.arange(len(poses), device=poses.device), found.index]
        return Choice(world.difference(memory.poses[:, -1], target), -found.ties.float().log())

    def _expected(self, memory: Memory, goal: Float32[Tensor, "b c h w"]) -> Float[Tensor, "b cells"]:
        """Expected squared difference between the goal and the glimpse at every place, summed over pixels."""
        seen = memory.views.float() / 255  # b t c h w
        variance, mean = torch.var_mean(seen, (1, 2, 3, 4), correction=0)
        known, picture = self._picture(seen, self._lattice.tops(memory.poses))
        # |picture - goal|² over known pixels, expanded, so that each term is one correlation.
        apart = _correlate(known * picture.square(), torch.ones_like(goal))
        apart = apart - 2 * _correlate(known * picture, goal) + _correlate(known, goal.square())
        guess = (goal - mean[:, None, None, None]).square() + variance[:, None, None, None]
        return (apart + _correlate(1 - known, guess)).flatten(1)

    def _picture(
        self, seen: Float32[Tensor, "b t c h w"], tops: Int64[Tensor, "b t 2"]
    ) -> tuple[Float32[Tensor, "b c H W"], Float32[Tensor, "b c H W"]]:
        """Which pixels are known (1 or 0) and what they are, in a frame that holds every legal glimpse."""
        b, t, c, size, _ = seen.shape
        side = self._lattice.count + size - 1
        picture, known = torch.zeros(2, b, side, side, c, dtype=torch.float32, device=seen.device).unbind(0)
        rows, steps = torch.arange(b, device=seen.device)[:, None, None], torch.arange(size, device=seen.device)
        for i in range(t):
            corner = tops[:, i] - self._lattice.low
            down, across = corner[:, :1] + steps, corner[:, 1:] + steps  # b h, b w
            picture[rows, down[:, :, None], across[:, None]] = seen[:, i].permute(0, 2, 3, 1)
            known[rows, down[:, :, None], across[:, None]] = 1.0
        return known.permute(0, 3, 1, 2), picture.permute(0, 3, 1, 2)


def _correlate(
    pictures: Float32[Tensor, "b c H W"], kernels: Float32[Tensor, "b c h w"]
) -> Float32[Tensor, "b places places"]:
    """Each picture with its own kernel, summed over channels, at every place."""
    return F.conv2d(pictures.reshape(1, -1, *pictures.shape[2:]), kernels, groups=len(pictures))[0]
