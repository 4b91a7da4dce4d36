"""Plans of several steps: the cross-entropy method (CEM) and model predictive path integrals (MPPI).

Both draw sequences of actions from a Gaussian per episode, step and component, let the world make them legal (clipped,
snapped to its poses), ask what each is worth, and fit the Gaussian to the better ones, again and again. CEM fits it to
the best few equally (Rubinstein 1999) and answers with the best sequence it has met; MPPI weighs all of them by
exp(worth / temperature) and answers with the weighted mean (Williams et al. 2017).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Interval
from jaxtyping import Float, Float32
from torch import Tensor

from gazeworld.envs.rng import Draws
from gazeworld.envs.validation import OptionError, Options, Positive, PositiveAmount
from gazeworld.envs.world import Scene

from ..policy import Memory
from .search import Ground

SequenceWorth = Callable[[Float32[Tensor, "b n s a"]], Float[Tensor, "b n"]]
"""What it is worth to take each of n sequences of s actions, 0 or more; on any device."""

KINDS = ("cem", "mppi")
_LEAST = 0.0025  # smallest standard deviation, in units of the range of actions: a quarter of a pixel of 100


@dataclass(frozen=True)
class PlanConfig(Options, owner="plan"):
    """How sequences are searched for. Raises ValueError for numbers that make no sense.

    The sizes are between those of the planners of TD-MPC2 (512 samples, 6 iterations, 64 elites) and what one CPU core
    does for a few hundred episodes at once.
    """

    horizon: Annotated[int, Interval(ge=1, le=2**6)] = 2
    """actions in a sequence"""
    samples: Annotated[int, Interval(ge=1, le=2**14)] = 128
    """sequences drawn per episode and iteration"""
    iterations: Annotated[int, Interval(ge=1, le=2**10)] = 6
    """times that the Gaussian is fitted"""
    elites: Positive = 16
    """sequences that CEM fits it to"""
    temperature: PositiveAmount = 0.05
    """what worth is divided by before MPPI's softmax"""
    spread: PositiveAmount = 0.25
    """first standard deviation, in units of the range of actions"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.elites > self.samples:
            raise OptionError(f"plan.elites is {self.elites}, expected at most the {self.samples} samples")


@dataclass(frozen=True)
class Paths:
    """N sequences per episode as they would really happen: the actions, and the poses that they lead to."""

    actions: Float32[Tensor, "b n s a"]
    poses: Float32[Tensor, "b n s p"]


def follow(ground: Ground, memory: Memory, actions: Float32[Tensor, "b n s a"]) -> Paths:
    """Sequences of actions from where the episodes are now, made legal step by step."""
    b, n, s, _ = actions.shape
    world, scene = ground.world, ground.scene(memory, n)
    low, high = world.action_bounds
    told = actions.clamp(low, high).flatten(0, 1)  # bn s a
    here, done, poses = scene.pose, [], []
    for i in range(s):
        there = world.move(Scene(scene.index, scene.label, here), here, told[:, i])
        done.append(world.difference(here, there))
        poses.append(there)
        here = there
    return Paths(torch.stack(done, 1).unflatten(0, (b, n)), torch.stack(poses, 1).unflatten(0, (b, n)))


def plan(
    kind: str, ground: Ground, memory: Memory, worth: SequenceWorth, config: PlanConfig, rng: Draws
) -> Float32[Tensor, "b s a"]:
    """The best legal sequence of actions of every episode, as `cem` or `mppi` finds it.

    A sequence keeps as much of its worth as the most inhibited of its poses; where all sequences keep nothing,
    inhibition is ignored. Raises ValueError for an unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown planner {kind!r}; there are: {', '.join(KINDS)}")
    b, shape = len(rng), (config.samples, config.horizon, ground.world.action_dim)
    low, high = ground.world.action_bounds
    mean = torch.zeros(b, 1, *shape[1:], dtype=torch.float32, device=rng.keys.device)
    spread, best = torch.full_like(mean, config.spread * (high - low)), mean
    rows = torch.arange(b, device=mean.device)
    for i in range(config.iterations):
        drawn = mean + spread * rng.fold(i).normal(shape[0] * shape[1] * shape[2]).unflatten(1, shape)
        if i:
            drawn[:, 0] = best[:, 0]  # the best so far stays among the candidates
        paths = follow(ground, memory, drawn)
        value = _value(ground, memory, paths, worth)
        best = paths.actions[rows, value.argmax(1)][:, None]
        share = _shares(kind, value, config)[:, :, None, None]
        mean = (share * paths.actions).sum(1, keepdim=True)
        variance = (share * (paths.actions - mean).square()).sum(1, keepdim=True)
        spread = variance.sqrt().clamp_min(_LEAST * (high - low))
    return best[:, 0] if kind == "cem" else follow(ground, memory, mean).actions[:, 0]


def _value(ground: Ground, memory: Memory, paths: Paths, worth: SequenceWorth) -> Float[Tensor, "b n"]:
    """Worth after inhibition; -inf for sequences that keep nothing while others do."""
    n, s = paths.poses.shape[1:3]
    values = worth(paths.actions).to(paths.poses.device)
    ground.require_finite(values)
    kept = ground.kept(memory.poses, paths.poses.flatten(1, 2)).unflatten(1, (n, s)).amin(2)
    free = (kept > 0).any(1, keepdim=True)
    return torch.where(free, torch.where(kept > 0, values * kept, -torch.inf), values)


def _shares(kind: str, value: Float[Tensor, "b n"], config: PlanConfig) -> Float[Tensor, "b n"]:
    """How much each sequence counts for the next Gaussian; they sum to 1."""
    if kind == "mppi":
        return (value / config.temperature).softmax(1)
    elite = torch.zeros_like(value).scatter(1, value.topk(config.elites, 1).indices, 1.0)
    elite = elite * torch.isfinite(value)
    return elite / elite.sum(1, keepdim=True)
