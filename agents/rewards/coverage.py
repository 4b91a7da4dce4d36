"""Coverage: how much of the scene a glimpse shows that no earlier one has shown."""

from typing import Annotated, Literal

import torch
from annotated_types import Interval
from gymnasium.vector import VectorEnv
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

from gazeworld.envs.validation import Amount

from ..rl.memory import Change
from ..rl.reward import Reward

Kind = Literal["auto", "area", "poses"]


class CoverageReward(Reward):
    """The newly seen part of the scene; needs no world model.

    `by` "area": the share of the picture that lies in the new view and in none before, measured on a raster of
    `cells` × `cells` points; an episode earns at most 1 minus what its first view covers. `by` "poses", for worlds
    without a picture: 1 for a pose of which every earlier one differs by more than `tolerance` in some component
    (units of the pose), else 0. "auto" is "area" where there is a picture and "poses" elsewhere.
    Raises ValueError for another kind, and for "area" in a world whose views are no part of a picture.
    """

    name = "coverage"

    def __init__(
        self,
        env: VectorEnv,
        *,
        weight: float = 1.0,
        by: Kind = "auto",
        cells: Annotated[int, Interval(ge=1, le=2**10)] = 48,
        tolerance: Amount = 1e-4,
    ) -> None:
        super().__init__(env, weight=weight)
        self._world, self._tolerance = self.memory.base.world, tolerance
        on, p = self._world.device, self._world.pose_dim
        pictured = self._world.frame(torch.zeros(1, p, dtype=torch.float32, device=on)) is not None
        self._by = ("area" if pictured else "poses") if by == "auto" else by
        if by == "area" and not pictured:
            name = type(self._world).__name__
            raise ValueError(f"reward 'coverage' by area: views of {name} are no part of a picture; use by='poses'")
        self._points = (torch.arange(cells, dtype=torch.float32, device=on) + 0.5) / cells  # middles of the cells
        self._seen = torch.zeros(env.num_envs, cells, cells, dtype=torch.bool, device=on)

    def begin(self, rows: Int64[Tensor, " k"]) -> None:
        """What the first views cover counts as seen."""
        if self._by == "area":
            self._seen[rows] = self._covers(self.memory.now.pose[rows])

    def reward(self, change: Change) -> Float[Tensor, " n"]:
        """The newly covered share, or 1 for a new pose."""
        if self._by == "poses":
            return self._is_new(change)
        new = self._covers(change.after.pose) & ~self._seen
        self._seen |= new & change.moved[:, None, None]
        return new.float().mean((1, 2))

    def _covers(self, pose: Float32[Tensor, "k p"]) -> Bool[Tensor, "k r r"]:
        frame = self._world.frame(pose)
        assert frame is not None
        top, left, bottom, right = (edge[:, None] for edge in frame.unbind(1))
        rows = (self._points >= top) & (self._points < bottom)  # k r
        columns = (self._points >= left) & (self._points < right)
        return rows[:, :, None] & columns[:, None, :]

    def _is_new(self, change: Change) -> Float[Tensor, " n"]:
        """Compare with the poses of the episode before this step."""
        steps = torch.as_tensor(change.after.steps, device=change.visited.device)
        earlier = torch.arange(change.visited.shape[1], device=steps.device) < steps[:, None]  # n t
        same = ((change.visited - change.after.pose[:, None]).abs() <= self._tolerance).all(-1)
        return (~(same & earlier).any(1)).float()
