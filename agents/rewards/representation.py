"""Representation gain: how much nearer a glimpse brings the aggregate to that of the whole scene; needs no labels."""

import itertools
from typing import Annotated, Literal

import torch
from annotated_types import Interval
from gymnasium.vector import VectorEnv
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn import functional as F

from gazeworld.envs.rng import Draws
from gazeworld.envs.validation import Views
from gazeworld.envs.world import Scene

from ..rl.memory import Change, detached, model_of
from ..rl.reward import Reward

Target = Literal["glimpses", "whole"]


class RepresentationReward(Reward):
    """The decrease of the cosine distance between the aggregate and a target that knows the whole scene.

    Rewards of an episode add up to the distance at its first glimpse minus that at its end. `target` "glimpses" is
    the mean direction of the aggregates of `streams` sequences of random views of the scene, each as long as an
    episode, so that the aggregator reads as many views as it is used to; the views are drawn by (seed, scene), so a
    scene always has the same target. "whole" is the aggregate of one view: the picture, shrunk to a glimpse.
    Raises ValueError for another target, for "whole" in a world without pictures, and without a world model.
    """

    name = "representation"

    def __init__(
        self,
        env: VectorEnv,
        *,
        weight: float = 1.0,
        target: Target = "glimpses",
        streams: Views = 4,
        seed: Annotated[int, Interval(ge=0, lt=2**23)] = 0,
    ) -> None:
        super().__init__(env, weight=weight)
        self._method, self._world = model_of(self.memory, "reward 'representation'"), self.memory.base.world
        self._whole, self._streams, self._seed = target == "whole", streams, seed
        self._target = torch.zeros(
            env.num_envs, self._method.aggregate_dim, dtype=torch.float32, device=self._world.device
        )

    def begin(self, rows: Int64[Tensor, " k"]) -> None:
        """The targets of the new scenes."""
        scenes, labels = self.memory.scenes[rows], self.memory.labels[rows]
        # A row's target is renewed in place of the old one, which `change` no longer needs.
        self._target[rows] = self.target(Scene(scenes, labels, self.memory.now.pose[rows]))

    def reward(self, change: Change) -> Float[Tensor, " n"]:
        """The distance before minus the distance now, each in [0, 2]."""
        now, before = (F.cosine_similarity(m.aggregate, self._target) for m in (change.after, change.before))
        return now - before

    def target(self, scene: Scene) -> Float[Tensor, "k e"]:
        """What a perfect aggregate of these scenes would point at."""
        if self._whole:
            return self._aggregated(self._shrunk(scene)[:, None], [])
        rng = Draws.seeded(scene.index + (self._seed << 40)).fold(17)
        found = torch.zeros(
            len(scene.index), self._method.aggregate_dim, dtype=torch.float32, device=self._world.device
        )
        for i in range(self._streams):
            poses = [
                self._world.random_pose(scene, rng.fold(i).fold(step))
                for step in range(self.memory.base.episode_steps + 1)
            ]
            views = torch.stack([self._world.look(scene, pose) for pose in poses], 1)  # k t c h w
            told = [self._world.difference(a, b) for a, b in itertools.pairwise(poses)]
            found += F.normalize(self._aggregated(views, told), dim=1)
        return found / self._streams

    def _aggregated(self, views: UInt8[Tensor, "k t c h w"], told: list[Tensor]) -> Float[Tensor, "k e"]:
        method = self._method
        empty = torch.zeros(len(views), 0, self._world.action_dim, dtype=torch.float32, device=self._world.device)
        actions = torch.stack(told, 1) if told else empty
        return detached(method, lambda: method.represent(views, actions).aggregate.float())

    def _shrunk(self, scene: Scene) -> UInt8[Tensor, "k c h w"]:
        """The pictures at the size of a view, by averaging."""
        c, h, w = self._world.view_shape
        small = []
        for row in range(len(scene.index)):
            picture = self._world.picture(scene, row)
            if picture is None:
                raise ValueError(
                    f"reward 'representation' with target 'whole' needs pictures of whole scenes, and "
                    f"{type(self._world).__name__} has none; use target 'glimpses'"
                )
            floats = picture[..., :c].permute(2, 0, 1).float()[None]
            small.append(F.interpolate(floats, (h, w), mode="area").round().to(torch.uint8))
        return torch.cat(small)
