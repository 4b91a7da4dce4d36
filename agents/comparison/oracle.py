"""The greedy oracle: of many fixations the one after which a probe is surest of the true label. An upper bound.

It is no policy that could be had: it knows the label, and it has looked everywhere before it looks.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from gazeworld.envs.fixations import Inhibition
from gazeworld.envs.rng import Draws
from gazeworld.envs.world import World, require_lattice, spread_poses
from gazeworld.models.method import Method, frozen

from ..planning.search import Ground, pick
from ..policy import Choice, Memory, Policy
from ..probes.readouts import ReadOuts
from .streams import encoded_at

_ROWS = 512  # sequences that a transformer reads at once: on a CPU more of them leave the cache and take longer
_ROWS_CUDA = 1 << 15


@dataclass(frozen=True)
class Readers:
    """One linear classifier for every number of views 1 … m: logits of the aggregate."""

    weight: Float[Tensor, "m y e"]
    bias: Float[Tensor, "m y"]

    @classmethod
    def of(cls, heads: ReadOuts) -> "Readers":
        """Probes with their standardisation folded in."""
        weight, bias = heads.layers[0]
        weight = weight / heads.inputs.std  # m y e
        return cls(weight, bias[..., 0] - (weight * heads.inputs.mean).sum(-1))

    def log_p(self, aggregates: Float[Tensor, "n e"], views: int) -> Float[Tensor, "n y"]:
        """Log-probabilities of the classes after so many views."""
        return (aggregates @ self.weight[views - 1].T + self.bias[views - 1]).log_softmax(-1)


class GreedyOracle(Policy):
    """Goes to the place, of `grid` × `grid` spread over the legal ones, that makes the true label likeliest.

    The label's log-probability is that under `readers` of the aggregate with the true view from there. Inhibition of
    return applies. `labels` are those of the world's scenes. Raises ValueError for a world without fixations.
    """

    def __init__(
        self,
        world: World,
        method: Method,
        readers: Readers,
        labels: Int64[Tensor, " n"],
        *,
        grid: int = 9,
        inhibition: Inhibition | None = None,
    ) -> None:
        lattice = require_lattice(world, "the oracle")
        self._ground = Ground(world, inhibition or Inhibition(), "oracle")
        self._world, self._method, self._readers, self._labels = world, method, readers, labels
        self.places: Float32[Tensor, "k 2"] = spread_poses(lattice, min(grid, lattice.count), world.device)
        self._scenes: Tensor | None = None
        self._encoded: Tensor | None = None

    def act(self, memory: Memory, rng: Draws) -> Choice:
        """The action that leads to the best place."""
        worth = self._worth(memory)
        poses = self.places.expand(len(memory.scenes), -1, -1)
        self._ground.require_finite(worth)
        worth = worth - worth.amin(1, keepdim=True)  # log-probabilities are negative, and worth is not
        found = pick(worth, self._ground.kept(memory.poses, poses), rng)
        target = poses[torch.arange(len(poses), device=poses.device), found.index]
        return Choice(self._world.difference(memory.poses[:, -1], target), -found.ties.float().log())

    def _worth(self, memory: Memory) -> Float[Tensor, "b k"]:
        device, (b, t), k = next(self._method.parameters()).device, memory.poses.shape[:2], len(self.places)
        labels = self._labels.to(memory.scenes.device)[memory.scenes].to(device)
        actions = self._ground.actions(memory.poses[:, -1], self.places.expand(b, -1, -1)).to(device)
        there, told = self._everywhere(memory.scenes), memory.actions.to(device)
        size = max(1, (_ROWS_CUDA if device.type == "cuda" else _ROWS) // k)
        found = []
        with frozen(self._method):
            seen = self._method.encode(memory.views.to(device)).float()
            for rows in torch.arange(b, device=device).split(size):
                z = seen[rows].repeat_interleave(k, 0)
                z = torch.cat([z, there[rows].flatten(0, 1)[:, None]], 1)
                a = torch.cat([told[rows].repeat_interleave(k, 0), actions[rows].flatten(0, 1)[:, None]], 1)
                log_p = self._readers.log_p(self._method.aggregate(z, a).float(), t + 1)
                true = labels[rows].repeat_interleave(k)[:, None]
                found.append(log_p.gather(1, true).unflatten(0, (-1, k))[..., 0])
        return torch.cat(found).to(memory.poses.device).clone()

    def _everywhere(self, scenes: Int64[Tensor, " b"]) -> Float[Tensor, "b k d"]:
        """The views from all places, encoded; kept while the scenes stay the same."""
        if self._scenes is not None and self._encoded is not None and torch.equal(self._scenes, scenes):
            return self._encoded
        with frozen(self._method):
            some = scenes.split(max(1, _ROWS // len(self.places)))
            parts = [encoded_at(self._method, self._world, part, self.places) for part in some]
        self._scenes, self._encoded = scenes.clone(), torch.cat(parts)
        return self._encoded
