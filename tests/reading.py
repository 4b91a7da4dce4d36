"""A world model that can be checked by counting: it reads scene and place off the views of the counting world."""

import torch
from counting import CountingWorld
from torch import Tensor, nn

from gazeworld.envs.stream import Stream
from gazeworld.envs.vector import ActiveVisionVectorEnv
from gazeworld.models.method import Method


class Seeing(Method):
    """z = (scene, place, 1) / 10; the aggregate is the mean of the views and the sum of the actions / 10."""

    view_dim, aggregate_dim = 3, 4

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(1))
        self.read = 0  # views encoded so far

    def loss(self, stream: Stream) -> tuple[Tensor, dict[str, Tensor]]:
        raise NotImplementedError

    def encode(self, views: Tensor) -> Tensor:
        self.read += views.shape[0] * views.shape[1]
        scene, place = views[:, :, 0, 0, 0].float() / 20, views[:, :, 0, 1, 0].float() / 25
        return torch.stack((scene, place, torch.full_like(scene, 1.0)), -1) / 10 + self.shift

    def aggregate(self, encoded: Tensor, actions: Tensor) -> Tensor:
        return torch.cat((encoded.mean(1), actions.sum(1) / 10), 1)


class Reading(Seeing):
    """The same, and it foresees: places move as they are told."""

    def predict(self, aggregate: Tensor, action: Tensor) -> Tensor:
        return aggregate[:, :3] + torch.cat((torch.zeros_like(action), action / 10, torch.zeros_like(action)), 1)

    def goal(self, views: Tensor) -> Tensor:
        return self.encode(views)


def counting(n: int = 5, mode: str = "SameStep", steps: int = 3, size: int = 12) -> ActiveVisionVectorEnv:
    """The counting world with tensors."""
    return ActiveVisionVectorEnv(n, CountingWorld(size), episode_steps=steps, tensors=True, autoreset_mode=mode)
