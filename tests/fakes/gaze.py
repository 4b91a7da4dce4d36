"""Made-up observers: people who draw from densities that are known, and policies that are those densities."""

import numpy as np
import torch
from torch import Tensor

from gazeworld.agents.gaze.contenders import drawn
from gazeworld.agents.policy import Choice, Memory, Policy, begun, stepped
from gazeworld.envs.gaze import HumanGaze, ScanPath
from gazeworld.envs.rng import Draws
from gazeworld.envs.world import Scene
from gazeworld.envs.worlds.saccade import SaccadeWorld


def blobs(world: SaccadeWorld, width: float = 0.08, share: float = 0.9, seed: int = 0) -> Tensor:
    """A density over the legal fixations of each scene, n k k: a Gaussian somewhere, and a rest that is even."""
    lattice, rng = world.lattice, np.random.default_rng(seed)
    steps = lattice.poses(torch.arange(lattice.count)[:, None].expand(-1, 2) + lattice.low)[:, 0].double()
    low, high = float(steps[0]), float(steps[-1])
    centres = torch.from_numpy(rng.uniform(low, high, (world.size, 2)))
    bumps = torch.exp(-((steps - centres[..., None]) ** 2) / (2 * width**2))  # n 2 k
    maps = bumps[:, 0, :, None] * bumps[:, 1, None]
    return share * maps / maps.sum((1, 2), keepdim=True) + (1 - share) / lattice.count**2


class Known(Policy):
    """Draws from one density a scene, whatever was looked at; `shift` gives every scene that of another."""

    def __init__(self, world: SaccadeWorld, densities: Tensor, shift: int = 0) -> None:
        self.world, self.densities, self.shift = world, densities, shift

    def _of(self, memory: Memory) -> Tensor:
        return self.densities[(memory.scenes + self.shift) % len(self.densities)]

    def act(self, memory: Memory, rng: Draws) -> Choice:
        first = torch.zeros(len(memory.scenes), 2, dtype=torch.int64)
        places = drawn(self._of(memory), first, 1, rng)[:, 1]
        pose = self.world.lattice.poses(places + self.world.lattice.low)
        action = self.world.difference(memory.poses[:, -1], pose)
        return Choice(action, torch.full((len(action),), torch.nan))

    def log_density(self, memory: Memory) -> Tensor:
        return self._of(memory).log().float()


def people(policy: Policy, world: SaccadeWorld, observers: int, length: int, seed: int = 0) -> HumanGaze:
    """Observers who do what a policy does, from places of their own."""
    paths = []
    index = torch.arange(world.size)
    for subject in range(observers):
        rng = Draws.rows(seed + 1000 * subject, world.size)
        pose = world.random_pose(Scene(index, index, torch.zeros(world.size, 2)), rng.fold(-1))
        memory = begun(world, Scene(index, torch.full_like(index, -1), pose))
        for step in range(length - 1):
            memory = stepped(world, memory, policy.act(memory, rng.fold(step)).action)
        paths += [
            ScanPath(i, f"observer {subject}", memory.poses[i].double().numpy(), np.full(length, 200.0))
            for i in range(world.size)
        ]
    return HumanGaze(tuple(paths), {"fixations in the file": len(paths) * length})
