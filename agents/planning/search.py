"""Choosing where to look next by what a world model foresees: candidates, what is legal, and the best of them.

All candidates of all episodes go through the predictor in one call, in eval mode (parts only where memory ends). What
a policy wants is its *worth*, a number that is never negative; inhibition of return multiplies it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from annotated_types import Interval
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

from gazeworld.envs.fixations import Inhibition, Lattice
from gazeworld.envs.rng import Draws
from gazeworld.envs.validation import validated
from gazeworld.envs.world import Scene, World, require_lattice, spread_poses

from ..policy import Choice, Memory

_SLACK = 1e-4  # of a pixel, for rounding
_TIE = 1e-6  # worth (cosines, nats) that differs by no more is the same: that much is rounding

Grid = Annotated[int, Interval(ge=2, le=2**8)]
"""Places per axis among which is searched."""
Worth = Callable[[Float32[Tensor, "b k a"]], Float[Tensor, "b k"]]
"""What it is worth to take each of k actions, 0 or more; on any device."""


@dataclass(frozen=True)
class Ground:
    """What an agent may do in a world: legal moves, and where inhibition of return keeps it from going back.

    Fixations are inhibited as `Inhibition` says. In any other world `radius` must be 0, and a pose is inhibited if it
    is exactly one of the last `memory` poses (0: of all); `strength` is the same everywhere. None inhibits nothing.
    `policy` stands in error messages.
    """

    world: World
    inhibition: Inhibition | None
    policy: str

    def __post_init__(self) -> None:
        if self.inhibition is not None and self.inhibition.radius and self.world.lattice is None:
            raise ValueError(
                f"policy {self.policy!r}: an inhibition radius of {self.inhibition.radius} px needs a world of "
                f"fixations, and {type(self.world).__name__} is none; expected 0 (the pose itself)"
            )

    def scene(self, memory: Memory, k: int = 1) -> Scene:
        """The scenes of the episodes where they are now, each k times."""
        index = memory.scenes.repeat_interleave(k)
        return Scene(index, torch.full_like(index, -1), memory.poses[:, -1].repeat_interleave(k, 0))

    def actions(self, here: Float32[Tensor, "b p"], poses: Float32[Tensor, "b k p"]) -> Float32[Tensor, "b k a"]:
        """The actions that lead from where one is to each of k poses."""
        k = poses.shape[1]
        return self.world.difference(here.repeat_interleave(k, 0), poses.flatten(0, 1)).unflatten(0, (-1, k))

    def kept(self, visited: Float32[Tensor, "b t p"], poses: Float32[Tensor, "b k p"]) -> Float32[Tensor, "b k"]:
        """The share of its worth, 0 … 1, that each pose keeps."""
        if self.inhibition is None:
            return poses.new_ones(poses.shape[:2])
        visited = visited[:, -self.inhibition.memory :]
        lattice = self.world.lattice
        if lattice is None:
            near = (poses[:, :, None] == visited[:, None]).all(-1)  # b k t
        else:
            offset = lattice.places(poses)[:, :, None] - lattice.places(visited)[:, None]  # b k t 2
            near = self.inhibition.near(offset, lattice.glimpse)
        hit = near.any(-1)
        return torch.ones_like(hit, dtype=torch.float32).masked_fill(hit, 1.0 - self.inhibition.strength)

    def require_finite(self, worth: Float[Tensor, "b k"]) -> None:
        """Raise ValueError naming the first episode for which the model foresees NaN or infinite numbers."""
        bad = ~torch.isfinite(worth).all(1)
        if bool(bad.any()):
            row = int(bad.nonzero()[0, 0])
            raise ValueError(f"policy {self.policy!r}: what the world model foresees for row {row} is not finite")


@dataclass(frozen=True)
class Picked:
    """Which candidate of every row is the best, and how many are as good as it (the choice is one of those)."""

    index: Int64[Tensor, " b"]
    ties: Int64[Tensor, " b"]


def pick(
    worth: Float[Tensor, "b k"],
    kept: Float32[Tensor, "b k"],
    rng: Draws,
    legal: Bool[Tensor, "b k"] | None = None,
) -> Picked:
    """The legal candidate of every row that is worth the most after inhibition; equally good ones are equally likely.

    What keeps nothing is no candidate; where no legal one keeps anything, inhibition is ignored.
    """
    value = inhibited(worth, kept, torch.ones_like(kept, dtype=torch.bool) if legal is None else legal)
    best = value >= value.amax(1, keepdim=True) - _TIE
    return Picked(rng.uniform64(worth.shape[1]).masked_fill(~best, -1.0).argmax(1), best.sum(1))


def inhibited(
    worth: Float[Tensor, "b k"], kept: Float32[Tensor, "b k"], legal: Bool[Tensor, "b k"]
) -> Float[Tensor, "b k"]:
    """Worth after inhibition, -inf for what is no candidate."""
    free = legal & (kept > 0)
    left = torch.where(free, worth.clamp_min(0) * kept, -torch.inf)
    return torch.where(free.any(1, keepdim=True), left, torch.where(legal, worth, -torch.inf))


def tents(knots: Int64[Tensor, "b s"], n: int) -> Float32[Tensor, "b n s"]:
    """Weights by which values at ascending knots are interpolated linearly at 0 … n - 1; constant beyond the knots."""
    at = torch.arange(n, device=knots.device).expand(len(knots), -1).contiguous()
    right = torch.searchsorted(knots.contiguous(), at).clamp(min(1, knots.shape[1] - 1), knots.shape[1] - 1)
    left = (right - 1).clamp_min(0)
    low, high = knots.gather(1, left), knots.gather(1, right)
    share = ((at - low) / (high - low).clamp_min(1)).clamp(0, 1).float()  # b n
    found = torch.zeros(*at.shape, knots.shape[1], dtype=torch.float32, device=knots.device)
    found.scatter_add_(2, left[..., None], (1 - share)[..., None])
    return found.scatter_add_(2, right[..., None], share[..., None])


class Search:
    """The best next pose of every episode, by worth and inhibition of return; one step ahead.

    Candidates are, in a world of fixations, a grid of `grid` × `grid` places over all that one action can reach, and
    with `refine` 3 × 3 places around the best of them at half the distance, again and again down to one pixel. In a
    world of stored views they are the object's views; in any other one `grid`² poses drawn by `World.random_pose`.
    Where inhibition leaves no candidate, it is ignored. Equally good candidates are drawn from with `rng`, and
    `log_prob` says how likely that draw was; it is NaN where a refined place came about through ties.
    Raises ValueError for a grid of less than 2 × 2.
    """

    @validated
    def __init__(self, ground: Ground, *, grid: Grid = 9, refine: bool = True) -> None:
        self._ground, self._grid, self._refine = ground, grid, refine

    def best(self, memory: Memory, worth: Worth, rng: Draws) -> Choice:
        """The action that leads to the best candidate."""
        lattice, stored = self._ground.world.lattice, self._ground.world.stored_poses
        if lattice is not None:
            return self._best_place(memory, worth, rng, lattice)
        poses = self._random(memory, rng) if stored is None else stored.index_select(0, memory.scenes)
        found = self._pick(memory, poses, worth, rng)
        rows = torch.arange(len(poses), device=poses.device)
        action = self._ground.world.difference(memory.poses[:, -1], poses[rows, found.index])
        return Choice(action, -found.ties.float().log())

    def log_density(self, memory: Memory, worth: Worth) -> Float32[Tensor, "b n n"]:
        """A softmax, at temperature 1, over what all legal fixations are worth that one action can reach.

        Worth is asked at the candidates of the grid, as `best` does first, and interpolated bilinearly between them;
        inhibition of return holds for every place of the lattice. Rounds of `refine` are left aside. -inf stands where
        no action leads and where inhibition keeps nothing; where it keeps nothing anywhere, it is ignored.
        Raises ValueError outside worlds of fixations.
        """
        world, here = self._ground.world, memory.poses[:, -1]
        lattice = require_lattice(world, f"the density of policy {self._ground.policy!r}")
        first, last = self._window(here, lattice).unbind(1)
        shares = torch.linspace(0, 1, min(self._grid, lattice.count), dtype=torch.float32, device=here.device)
        along = first[:, None] + (shares[:, None] * (last - first)[:, None]).round().long()  # b s 2
        places = torch.stack(torch.broadcast_tensors(along[:, :, None, 0], along[:, None, :, 1]), -1).flatten(1, 2)
        values = worth(self._ground.actions(here, lattice.poses(places + lattice.low))).to(here.device)
        self._ground.require_finite(values)
        rows, columns = (tents(along[..., i], lattice.count) for i in (0, 1))  # b n s
        whole = rows @ values.float().unflatten(1, (len(shares), -1)) @ columns.transpose(1, 2)  # b n n
        steps = torch.arange(lattice.count, device=here.device)
        each = torch.cartesian_prod(steps, steps)
        legal = ((each >= first[:, None]) & (each <= last[:, None])).all(-1)  # b nn
        poses = spread_poses(lattice, lattice.count, here.device).expand(len(here), -1, -1)
        value = inhibited(whole.flatten(1), self._ground.kept(memory.poses, poses), legal)
        return value.log_softmax(1).unflatten(1, (lattice.count, -1))

    def _pick(
        self,
        memory: Memory,
        poses: Float32[Tensor, "b k p"],
        worth: Worth,
        rng: Draws,
        legal: Bool[Tensor, "b k"] | None = None,
    ) -> Picked:
        values = worth(self._ground.actions(memory.poses[:, -1], poses)).to(poses.device)
        self._ground.require_finite(values)
        return pick(values, self._ground.kept(memory.poses, poses), rng, legal)

    def _best_place(self, memory: Memory, worth: Worth, rng: Draws, lattice: Lattice) -> Choice:
        world, here = self._ground.world, memory.poses[:, -1]
        window = self._window(here, lattice)
        first, last = window.unbind(1)
        steps = torch.linspace(0, 1, min(self._grid, lattice.count), dtype=torch.float32, device=here.device)
        shares = torch.cartesian_prod(steps, steps)  # k 2
        places = first[:, None] + (shares * (last - first)[:, None]).round().long()  # b k 2
        chosen, ties = self._among(memory, places, window, worth, rng)
        log_prob = -ties.float().log()
        # As many rounds as the whole lattice would need, so that no device has to be asked.
        spacing = -(-(lattice.count - 1) // max(1, len(steps) - 1))
        around = torch.cartesian_prod(*[torch.arange(-1, 2, device=here.device)] * 2)  # 9 2
        while self._refine and spacing > 1:
            spacing = -(-spacing // 2)
            places = chosen[:, None] + spacing * around
            chosen, ties = self._among(memory, places, window, worth, rng.fold(spacing))
            log_prob = log_prob.masked_fill(ties > 1, torch.nan)
        if self._refine:
            log_prob = log_prob.masked_fill(log_prob != 0, torch.nan)
        target = world.snap(self._ground.scene(memory), lattice.poses(chosen + lattice.low))
        return Choice(world.difference(here, target), log_prob)

    def _among(
        self,
        memory: Memory,
        places: Int64[Tensor, "b k 2"],
        window: Int64[Tensor, "b 2 2"],
        worth: Worth,
        rng: Draws,
    ) -> tuple[Int64[Tensor, "b 2"], Int64[Tensor, " b"]]:
        """The best of these places of the lattice that lie within the window, and how many were as good."""
        lattice, k = self._ground.world.lattice, places.shape[1]
        assert lattice is not None
        first, last = window[:, None].unbind(2)
        legal = ((places >= first) & (places <= last)).all(-1)
        places = torch.maximum(torch.minimum(places, last), first)
        poses = lattice.poses(places + lattice.low).flatten(0, 1)
        poses = self._ground.world.snap(self._ground.scene(memory, k), poses).unflatten(0, (-1, k))
        found = self._pick(memory, poses, worth, rng, legal)
        rows = torch.arange(len(places), device=places.device)
        return places[rows, found.index], found.ties

    def _window(self, here: Float32[Tensor, "b 2"], lattice: Lattice) -> Int64[Tensor, "b 2 2"]:
        """The first and the last place (b, in this order, row and column) to which one action can lead."""
        low, high = (bound * lattice.side for bound in self._ground.world.action_bounds)
        low, high = math.ceil(low - _SLACK), math.floor(high + _SLACK)
        now = lattice.places(here)
        return torch.stack((now + low, now + high), 1).clamp(0, lattice.count - 1)

    def _random(self, memory: Memory, rng: Draws) -> Float32[Tensor, "b k p"]:
        k = self._grid**2
        numbers = torch.arange(k, device=rng.keys.device).repeat(len(rng))
        streams = Draws(rng.fold(1).keys.repeat_interleave(k)).fold(numbers)
        return self._ground.world.random_pose(self._ground.scene(memory, k), streams).unflatten(0, (-1, k))


def search_of(
    policy: str, world: World, *, grid: Grid, refine: bool, ior: bool, inhibition: Mapping[str, Any]
) -> Search:
    """The search of a policy with these options; `ior` switches inhibition. Raises ValueError for bad ones."""
    settings = Inhibition(**inhibition)
    return Search(Ground(world, settings if ior else None, policy), grid=grid, refine=refine)
