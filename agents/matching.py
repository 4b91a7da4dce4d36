"""Looking for a given view without a world model: pixels that were seen are compared with the pixels looked for."""

import torch
from jaxtyping import Float, Float32, Int64, UInt8
from torch import Tensor
from torch.nn import functional as F

from gazeworld.envs.draws import Draws
from gazeworld.envs.fixations import Inhibition, Lattice
from gazeworld.envs.world import World

from .planning import Ground, pick, require_lattice, spread_poses
from .policy import Choice, Memory, Policy


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
