"""Who is scored: whatever says where somebody will look next, and looks itself."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from gazeworld.envs.rng import Draws
from gazeworld.envs.world import World, require_lattice

from ..policy import Policy, stepped
from .observed import Observed, Rows, history, recalled


class Contender(ABC):
    """Something that is compared with people; `name` is short, `label` says more.

    `fitted`: its temperature (of one that is `tempered`) and lapse are fitted when it is scored; baselines were fitted
    when they were made.
    """

    name: str
    label: str
    fitted: bool = False
    tempered: bool = False

    @abstractmethod
    def log_density(self, rows: Rows) -> Float32[Tensor, "b k k"]:
        """How likely each legal fixation is to be the next one of these people, given what they looked at; on the CPU.

        NaN where nothing can be said of a row.
        """

    @abstractmethod
    def walk(self, paths: Int64[Tensor, " b"], steps: int, rng: Draws) -> Int64[Tensor, "b m 2"]:
        """Scan paths of its own on the images of these paths, `steps` fixations after the person's first one."""

    @property
    def says(self) -> bool:
        """Whether it says any distribution."""
        return True

    @property
    def parameters(self) -> list[dict[str, float]]:
        """What was fitted for each fold before it was scored."""
        return []


class PolicyContender(Contender):
    """A policy at work in a world, told of each person's own history."""

    fitted = True

    def __init__(self, name: str, label: str, policy: Policy, world: World, seen: Observed) -> None:
        self.name, self.label, self.tempered = name, label, policy.tempered
        self._policy, self._world, self._seen = policy, world, seen

    def log_density(self, rows: Rows) -> Float32[Tensor, "b k k"]:
        """What the policy says of the next fixation."""
        return self._policy.log_density(history(self._world, self._seen, rows)).cpu()

    def walk(self, paths: Int64[Tensor, " b"], steps: int, rng: Draws) -> Int64[Tensor, "b m 2"]:
        """The policy's own episodes, which begin where people did."""
        lattice = require_lattice(self._world, "people's gaze")
        memory = recalled(self._world, self._seen.scenes[paths], self._seen.places[paths, :1])
        rng = Draws(rng.keys.to(self._world.device))
        for step in range(steps):
            memory = stepped(self._world, memory, self._policy.act(memory, rng.fold(step)).action)
        return lattice.places(memory.poses).cpu()

    @property
    def says(self) -> bool:
        """Whether the policy says any distribution."""
        return type(self._policy).log_density is not Policy.log_density


def drawn(
    densities: Float64[Tensor, "b k k"], first: Int64[Tensor, "b 2"], steps: int, rng: Draws
) -> Int64[Tensor, "b m 2"]:
    """The first places, and as many as there are steps drawn from densities, independently of each other."""
    side, running = densities.shape[2], densities.flatten(1).cumsum(1)
    aim = rng.uniform64(steps) * running[:, -1:]
    cells = torch.searchsorted(running, aim, right=True).clamp_max(side**2 - 1)  # b m
    return torch.cat((first[:, None], torch.stack((cells // side, cells % side), -1)), 1)
