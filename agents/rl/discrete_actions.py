"""Discrete actions: numbered poses of a scene to look at next, with a mask of those that may be chosen."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from gazeworld.envs import registry
from gazeworld.envs.fixations import Inhibition
from gazeworld.envs.validation import Amount, Natural, OptionError, Side, Validated, shown
from gazeworld.envs.world import World, require_lattice, require_stored_poses


class DiscreteActions(Validated, ABC):
    """`size` numbered poses per scene; an action is the number of the one to go to next."""

    size: int
    world: World

    @abstractmethod
    def targets(self, scenes: Int64[Tensor, " b"]) -> Float32[Tensor, "b k p"]:
        """The poses that can be chosen in each scene."""

    @abstractmethod
    def free(
        self, scenes: Int64[Tensor, " b"], visited: Float32[Tensor, "b t p"], seen: Bool[Tensor, "b t"]
    ) -> Bool[Tensor, "b k"]:
        """Which of them may be chosen after the visits that `seen` marks, the first of which is the oldest."""

    @abstractmethod
    def exhausted(self) -> str:
        """What to do when nothing may be chosen any more, for an error message."""

    def masks(
        self, scenes: Int64[Tensor, " b"], visited: Float32[Tensor, "b t p"], seen: Bool[Tensor, "b t"]
    ) -> Bool[Tensor, "b k"]:
        """The same as `free`. Raises ValueError naming the first row that has nothing left to choose."""
        free = self.free(scenes, visited, seen)
        none = ~free.any(1)
        if bool(none.any()):
            row = int(none.nonzero()[0, 0])
            raise ValueError(
                f"row {row} has none of {self.size} choices left after {int(seen[row].sum())} views; {self.exhausted()}"
            )
        return free

    def action(
        self, scenes: Int64[Tensor, " b"], pose: Float32[Tensor, "b p"], choice: Int64[Tensor, " b"]
    ) -> Float32[Tensor, "b a"]:
        """The action that leads from a pose to the one chosen. Raises ValueError for a number that there is not."""
        lowest, highest = choice.aminmax()
        if int(lowest) < 0 or int(highest) >= self.size:
            raise ValueError(f"choices {int(lowest)} … {int(highest)}, expected 0 … {self.size - 1}")
        rows = torch.arange(len(choice), device=choice.device)
        return self.world.difference(pose, self.targets(scenes)[rows, choice])


class FixationGrid(DiscreteActions):
    """A grid of `side` × `side` fixations, evenly spread over the legal ones, with inhibition of return as its mask.

    Numbers run row by row. A place may not be chosen if it lies within `radius` px (0: half a glimpse) of one of the
    last `memory` fixations (0: all): circle or square, as in `gazeworld.envs.fixations.Inhibition`. Without `ior`
    everything may be chosen. A grid of 9 × 9 is GFNet's order of size and the first build that the plan names.
    Raises ValueError for a world that is not one of fixations or has fewer places than the grid.
    """

    def __init__(
        self,
        world: World,
        side: Side = 9,
        ior: bool = True,
        radius: Amount = 0.0,
        shape: Literal["circle", "square"] = "circle",
        memory: Natural = 0,
    ) -> None:
        lattice = require_lattice(world, "a grid of fixations")
        if side > lattice.count:
            raise OptionError(
                f"side is {side}: a grid of {side} x {side} fixations, expected 1 … {lattice.count} places per axis"
            )
        self.world, self.side, self.size, self._lattice = world, side, side * side, lattice
        self._inhibition = Inhibition(radius, shape, memory) if ior else None
        tops = lattice.spread(side)  # k 2
        # Computed on the CPU whatever the device is: a GPU divides differently.
        self._poses, self._tops = lattice.poses(tops).to(world.device), tops.to(world.device)

    def targets(self, scenes: Int64[Tensor, " b"]) -> Float32[Tensor, "b k 2"]:
        """The grid, the same in every scene."""
        return self._poses.expand(len(scenes), -1, -1)

    def free(
        self, scenes: Int64[Tensor, " b"], visited: Float32[Tensor, "b t 2"], seen: Bool[Tensor, "b t"]
    ) -> Bool[Tensor, "b k"]:
        """Places that no remembered fixation inhibits."""
        settings = self._inhibition
        if settings is None:
            return torch.ones(len(scenes), self.size, dtype=torch.bool, device=visited.device)
        remembered = seen & (seen.flip(1).cumsum(1).flip(1) <= settings.memory) if settings.memory else seen
        offset = self._tops - self._lattice.tops(visited)[:, :, None]  # b t k 2
        return ~(settings.near(offset, self._lattice.glimpse) & remembered[:, :, None]).any(1)

    def exhausted(self) -> str:
        """What can be changed."""
        return (
            f"inhibition of return forbids the whole {self.side} x {self.side} grid: take a finer grid, "
            "a smaller radius, a shorter memory or shorter episodes"
        )


class ViewList(DiscreteActions):
    """The stored views of each object, with those seen already masked unless `repeat`.

    Raises ValueError for a world without stored views.
    """

    def __init__(self, world: World, repeat: bool = False) -> None:
        self._poses = require_stored_poses(world, "a list of views")  # n v p
        self.world, self._repeat, self.size = world, repeat, self._poses.shape[1]

    def targets(self, scenes: Int64[Tensor, " b"]) -> Float32[Tensor, "b k p"]:
        """The poses of the objects' views."""
        return self._poses.index_select(0, scenes)

    def free(
        self, scenes: Int64[Tensor, " b"], visited: Float32[Tensor, "b t p"], seen: Bool[Tensor, "b t"]
    ) -> Bool[Tensor, "b k"]:
        """Views that have not been seen."""
        same = (self.targets(scenes)[:, :, None] == visited[:, None]).all(-1) & seen[:, None]  # b k t
        return ~same.any(-1) | self._repeat

    def exhausted(self) -> str:
        """What can be changed."""
        return "all views of the object have been seen: take shorter episodes or repeat=True"


DISCRETE_ACTIONS: dict[str, Callable[..., DiscreteActions]] = {"fixations": FixationGrid, "views": ViewList}


def make_discrete_actions(world: World, options: dict[str, Any] | None) -> DiscreteActions | None:
    """What JSON-able options (`name` and its own) describe, or None (continuous actions) for None.

    Raises ValueError for a kind or an option that there is not.
    """
    if options is None:
        return None
    rest = dict(options)
    name = rest.pop("name", None)
    if not isinstance(name, str) or name not in DISCRETE_ACTIONS:
        raise OptionError(f"unknown discrete actions {shown(name)}; there are: {', '.join(sorted(DISCRETE_ACTIONS))}")
    return registry.built(f"discrete actions {name!r}", DISCRETE_ACTIONS[name], world, **rest)
