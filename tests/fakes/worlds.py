"""A world that can be checked by counting: the pose is a place on a line, the view shows scene and place as bytes."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from fakes.images import noise
from gazeworld.envs.rng import Draws
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import Scene, World


class CountingWorld(World):
    """Pose (p,) in 0 … 9, action (a,) in -9 … 9; view 1 × 4 × 4: the first row is the scene, the others the place.

    The label is the scene modulo 3. Poses move by whole numbers and stop at the ends.
    """

    view_shape = (1, 4, 4)
    pose_dim = 1
    action_dim = 1
    pose_bounds = (0.0, 9.0)
    middle = (4.5,)
    action_bounds = (-9.0, 9.0)
    classes = ("zero", "one", "two")
    mean = (0.5,)
    std = (0.25,)
    fingerprint = "counting"

    def __init__(self, size: int = 12, split: str = "train", device: str = "cpu", noise: float = 0.0) -> None:
        self.size, self.device, self.noise, self.split = size, torch.device(device), noise, split
        self.noisy = noise > 0
        self.labels = torch.arange(size, device=self.device) % 3

    def scene(self, index: Tensor, rng: Draws) -> Scene:
        return Scene(index, index % 3, self._random(rng))

    def look(self, scene: Scene, pose: Tensor) -> Tensor:
        view = torch.empty(len(pose), 4, 4, 1, dtype=torch.uint8, device=pose.device)
        view[:, 0] = (scene.index * 20 % 256).to(torch.uint8)[:, None, None]
        view[:, 1:] = (pose * 25).to(torch.uint8)[:, :, None, None]
        return view.permute(0, 3, 1, 2)

    def snap(self, scene: Scene, pose: Tensor) -> Tensor:
        return pose.round().clamp(*self.pose_bounds)

    def move(self, scene: Scene, pose: Tensor, action: Tensor) -> Tensor:
        return self.snap(scene, pose + action)

    def difference(self, pose: Tensor, next_pose: Tensor) -> Tensor:
        return next_pose - pose

    def random_pose(self, scene: Scene, rng: Draws) -> Tensor:
        return self._random(rng)

    def land(self, scene: Scene, aim: Tensor, rng: Draws) -> Tensor:
        return self.snap(scene, aim + self.noise * rng.normal(1)) if self.noise else aim

    def _random(self, rng: Draws) -> Tensor:
        return rng.fold(7).integers(10).to(torch.float32)


N = 5


def make(n: int = N, **options: Any) -> ActiveVisionVectorEnv:
    return ActiveVisionVectorEnv(n, **{"source": noise(n=50, side=24), "episode_steps": 3, **options})


def actions(env: ActiveVisionVectorEnv, count: int, seed: int = 0) -> list[np.ndarray]:
    env.action_space.seed(seed)
    return [env.action_space.sample() for _ in range(count)]


def rollout(env: ActiveVisionVectorEnv, moves: list[np.ndarray], **reset: Any) -> list[tuple]:
    """What reset and steps return, with the reset's shaped like a step's."""
    observation, info = env.reset(**reset)
    return [(observation, None, None, None, info), *(env.step(move) for move in moves)]
