"""World models whose embedding is the pose, so that what planning should find is known, and places to plan in."""

import math

import torch
from torch import Tensor, nn

from fakes.images import ramp
from fakes.worlds import CountingWorld
from gazeworld.agents.policy import Memory
from gazeworld.envs.objects import rotations
from gazeworld.envs.rng import Draws
from gazeworld.envs.stream import Stream
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import Scene, World
from gazeworld.envs.worlds.rotation import RotationWorld
from gazeworld.envs.worlds.saccade import SaccadeWorld
from gazeworld.models.method import Method

SIDE, GLIMPSE = 24, 8
PLACES = SIDE - GLIMPSE + 1


def lift(pose: Tensor) -> Tensor:
    """Poses in [0, 1]² on half circles: the cosine falls with the distance on each axis."""
    return torch.cat([(math.pi * pose).cos(), (math.pi * pose).sin()], -1)


class Knows(Method):
    """Reads the pose from a glimpse of the ramp, and adds the action to it: a perfect world model.

    `kind` may spoil it: "nan", or "long" for predictions a hundred times as long as embeddings.
    """

    view_dim, aggregate_dim = 4, 4

    def __init__(self, kind: str = "perfect") -> None:
        super().__init__()
        self.kind, self.weight = kind, nn.Parameter(torch.ones(1))

    def encode(self, views: Tensor) -> Tensor:
        return lift((views[:, :, :2, 0, 0] / 10 + GLIMPSE / 2) / SIDE)

    def goal(self, views: Tensor) -> Tensor:
        return self.encode(views)

    def aggregate(self, encoded: Tensor, actions: Tensor) -> Tensor:
        return encoded[:, -1]

    def predict(self, aggregate: Tensor, action: Tensor) -> Tensor:
        pose = torch.atan2(aggregate[:, 2:], aggregate[:, :2]) / math.pi
        factor = {"perfect": 1.0, "long": 100.0, "nan": math.nan}[self.kind]
        return factor * lift(pose + action)

    def loss(self, stream: Stream) -> tuple[Tensor, dict[str, Tensor]]:
        raise NotImplementedError


class Turns(Method):
    """The same for `shapes.objects`: knows the rotation of every view by its number, and turns it by the action."""

    view_dim, aggregate_dim = 16, 16

    def __init__(self, world: RotationWorld) -> None:
        super().__init__()
        self.poses, self.weight = world.views.poses, nn.Parameter(torch.ones(1))

    def encode(self, views: Tensor) -> Tensor:
        q = self.poses[views[:, :, 0, 0, 0].long(), views[:, :, 1, 0, 0].long(), :4]
        return (q[..., :, None] * q[..., None, :]).flatten(-2)  # the same for q and -q

    def goal(self, views: Tensor) -> Tensor:
        return self.encode(views)

    def aggregate(self, encoded: Tensor, actions: Tensor) -> Tensor:
        return encoded[:, -1]

    def predict(self, aggregate: Tensor, action: Tensor) -> Tensor:
        square = aggregate.unflatten(1, (4, 4))
        largest = square.diagonal(dim1=1, dim2=2).argmax(1)
        q = torch.nn.functional.normalize(square[torch.arange(len(square)), largest], dim=1)
        q = rotations.multiply(q, action)
        return (q[..., :, None] * q[..., None, :]).flatten(-2)

    def loss(self, stream: Stream) -> tuple[Tensor, dict[str, Tensor]]:
        raise NotImplementedError


class Mute(Method):
    """A method that predicts nothing."""

    encode = aggregate = loss = lambda *_: None


class Short(SaccadeWorld):
    """Saccades of at most 7.2 pixels per axis: what is farther takes more than one."""

    action_bounds = (-0.3, 0.3)


def place(kind: type[SaccadeWorld] = SaccadeWorld, **options: object) -> SaccadeWorld:
    """A world over the ramp."""
    return kind(ramp(SIDE), glimpse=GLIMPSE, **options)


def at(world: SaccadeWorld, tops: Tensor) -> Tensor:
    """Legal poses of glimpses with these top left corners."""
    return world.snap(somewhere(tops), world.lattice.poses(tops))


def somewhere(tops: Tensor) -> Scene:
    index = torch.zeros(len(tops), dtype=torch.int64)
    return Scene(index, index - 1, torch.zeros(len(tops), 2))


def recall(world: World, poses: Tensor, scenes: Tensor | None = None) -> Memory:
    """The memory of having been at these poses, b t p."""
    b, t, _ = poses.shape
    scenes = torch.zeros(b, dtype=torch.int64) if scenes is None else scenes
    scene = Scene(scenes, torch.full((b,), -1), poses[:, 0])
    views = torch.stack([world.look(scene, poses[:, i].contiguous()) for i in range(t)], 1)
    actions = torch.zeros(b, t - 1, world.action_dim)
    for i in range(t - 1):
        actions[:, i] = world.difference(poses[:, i], poses[:, i + 1])
    return Memory(views, actions, poses, scenes)


def wander(world: World, b: int, t: int, seed: int = 4) -> Memory:
    """The memory of t random poses in each of b scenes."""
    scenes, rng = torch.arange(b) % world.size, Draws.rows(seed, b)
    scene = world.scene(scenes, rng)
    poses = torch.stack([world.random_pose(scene, rng.fold(i)) for i in range(t)], 1)
    return recall(world, poses, scenes)


def landed(world: SaccadeWorld, memory: Memory, action: Tensor) -> Tensor:
    """Top left corners to which actions lead."""
    scene = Scene(memory.scenes, torch.zeros_like(memory.scenes), memory.poses[:, -1])
    return world.lattice.places(world.move(scene, memory.poses[:, -1].contiguous(), action))


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
