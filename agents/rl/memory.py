"""What an agent remembers of the episodes it is in: every view encoded once, and the aggregate after each action."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from jaxtyping import Bool, Float, Float32, Int64, UInt8
from torch import Tensor

from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.models.method import Method, frozen

from ..policy import Memory


@dataclass(frozen=True)
class Moment:
    """Where all rows are in their episodes: what they look at, and what the world model makes of what was seen so far.

    `steps` counts the actions taken. Without a world model `encoded` and `aggregate` have no columns.
    """

    view: UInt8[Tensor, "n c h w"]
    pose: Float32[Tensor, "n p"]
    encoded: Float[Tensor, "n d"]
    aggregate: Float[Tensor, "n e"]
    steps: np.ndarray


@dataclass(frozen=True)
class Change:
    """What one step did to every row.

    `after` is where the action led, before any automatic reset; `action` is what the sensor was told. Rows where
    `moved` is False took no action: a NEXT_STEP reset showed them the first view of an episode instead. `labels` and
    `scenes` are those of the episode that the action belongs to, and so are the poses `visited`: places 0 … steps of
    `after` are filled.
    """

    before: Moment
    after: Moment
    action: Float32[Tensor, "n a"]
    moved: Bool[Tensor, " n"]
    labels: Int64[Tensor, " n"]
    scenes: Int64[Tensor, " n"]
    visited: Float32[Tensor, "n t p"]


class Remember(VectorWrapper):
    """The memory that rewards and observations share; observations and rewards pass through as they are.

    It is the innermost wrapper, over an ActiveVisionVectorEnv that gives tensors. `now` is where all rows are, `change`
    what the last step did (None after a reset), `began` which rows show the first view of an episode since the last
    call. All autoreset modes are served. The world model is used in eval mode and never changed; what it encoded is
    kept until the episode ends, so reset all rows after the model has learnt.
    Raises ValueError for an environment without tensors.
    """

    def __init__(self, env: ActiveVisionVectorEnv, method: Method | None = None) -> None:
        if not (isinstance(env, ActiveVisionVectorEnv) and env.tensors):
            raise ValueError(
                f"Remember needs an ActiveVisionVectorEnv with tensors=True directly beneath it, found {env}"
            )
        super().__init__(env)
        self.base, self.method, world = env, method, env.world
        self.mode = AutoresetMode(env.metadata["autoreset_mode"])
        n, m, on = env.num_envs, env.episode_steps, world.device
        d, e = (0, 0) if method is None else (method.view_dim, method.aggregate_dim)
        self._encoded = torch.zeros(n, m + 1, d, dtype=torch.float32, device=on)
        self._told = torch.zeros(n, m, world.action_dim, dtype=torch.float32, device=on)
        self._poses = torch.zeros(n, m + 1, world.pose_dim, dtype=torch.float32, device=on)
        self._nothing = torch.zeros(n, e, dtype=torch.float32, device=on)
        self._now: Moment | None = None
        self.change: Change | None = None
        self.began = np.zeros(n, dtype=bool)
        self.labels = torch.full((n,), -1, dtype=torch.int64, device=on)
        self.scenes = torch.zeros(n, dtype=torch.int64, device=on)

    @property
    def now(self) -> Moment:
        """Where all rows are. Raises ValueError before the first reset."""
        if self._now is None:
            raise ValueError("nothing is remembered before the first reset")
        return self._now

    @property
    def visited(self) -> Float32[Tensor, "n t p"]:
        """Poses of the present episodes; `seen` says which of them are filled."""
        return self._poses

    @property
    def seen(self) -> Bool[Tensor, "n t"]:
        """Which places of `visited` the rows have come to."""
        steps = torch.as_tensor(self.now.steps, device=self._poses.device)
        return torch.arange(self._poses.shape[1], device=steps.device) <= steps[:, None]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin episodes, in all rows or in those of `options["reset_mask"]`."""
        observation, info = self.env.reset(seed=seed, options=options)
        self.began, self.change = info["_scene"].cpu().numpy(), None
        self._begin(observation, self.began)
        self.labels, self.scenes = info["label"], info["scene"]
        return observation, info

    def step(self, actions: Any) -> tuple[dict[str, Any], Any, Any, Any, dict[str, Any]]:
        """Move all sensors, and remember what they see."""
        observation, reward, terminated, truncated, info = self.env.step(actions)
        before, most = self.now, self.base.episode_steps
        renewed = (before.steps >= most) & (self.mode is AutoresetMode.NEXT_STEP)
        arrived, told = observation, info["commanded"]
        if "final_obs" in info:  # SAME_STEP: what the action led to stands here, for all rows
            arrived, told = info["final_obs"], info["final_info"]["commanded"]
        steps = np.where(renewed, 0, before.steps + 1)
        self._keep(arrived, told, steps, ~renewed)
        everyone = np.ones(self.num_envs, dtype=bool)
        after = self._moment(arrived, steps, everyone)
        moved = torch.as_tensor(~renewed, device=self._told.device)
        self.change = Change(before, after, told, moved, self.labels, self.scenes, self._poses.clone())
        self._now, self.began = after, renewed
        if "final_obs" in info:
            self.began = steps >= most
            self._begin(observation, self.began)
        self.labels, self.scenes = info["label"], info["scene"]
        return observation, reward, terminated, truncated, info

    def _begin(self, observation: dict[str, Any], rows: np.ndarray) -> None:
        """First views of these rows; the others stay as they are."""
        steps = np.zeros(self.num_envs, dtype=np.int64) if self._now is None else np.where(rows, 0, self._now.steps)
        which = torch.as_tensor(np.flatnonzero(rows), device=self._told.device)
        self._encoded[which, 0] = self._encode(_pictures(observation)[which])
        self._poses[which, 0] = observation["pose"][which]
        self._now = self._moment(observation, steps, rows)

    def _keep(self, observation: dict[str, Any], told: Tensor, steps: np.ndarray, moved: np.ndarray) -> None:
        """Write what was just seen into the places that the rows' clocks say."""
        rows = torch.arange(self.num_envs, device=self._told.device)
        places = torch.as_tensor(steps, device=rows.device)
        self._encoded[rows, places] = self._encode(_pictures(observation))
        self._poses[rows, places] = observation["pose"]
        if moved.all():
            self._told[rows, places - 1] = told
        else:
            which = torch.as_tensor(np.flatnonzero(moved), device=rows.device)
            self._told[which, places[which] - 1] = told[which]

    def _moment(self, observation: dict[str, Any], steps: np.ndarray, rows: np.ndarray) -> Moment:
        """All rows as they are now; aggregates are computed for `rows` alone, the others keep theirs."""
        at = torch.arange(self.num_envs, device=self._told.device)
        encoded = self._encoded[at, torch.as_tensor(steps, device=at.device)]
        aggregate = self._nothing if self._now is None or rows.all() else self._now.aggregate
        if self.method is not None:
            aggregate = aggregate.clone()
            for t in np.unique(steps[rows]).tolist():  # rows are usually all at the same step
                which = torch.as_tensor(np.flatnonzero(rows & (steps == t)), device=at.device)
                aggregate[which] = self._aggregate(which, t)
        return Moment(_pictures(observation), observation["pose"], encoded, aggregate, steps)

    def _encode(self, views: UInt8[Tensor, "k c h w"]) -> Float[Tensor, "k d"]:
        method = self.method
        if method is None:
            return self._encoded.new_zeros(len(views), 0)
        return detached(method, lambda: method.encode(views[:, None])[:, 0].float())

    def _aggregate(self, rows: Int64[Tensor, " k"], t: int) -> Float[Tensor, "k e"]:
        method = self.method
        assert method is not None
        encoded, told = self._encoded[rows, : t + 1], self._told[rows, :t]
        return detached(method, lambda: method.aggregate(encoded, told).float())


class MomentCache:
    """The same of a policy's Memory: a Moment after each view, which is encoded once while episodes grow.

    Encodings are used again only if the method is the same with the same weights, and the earlier views are equal.
    """

    def __init__(self) -> None:
        self._known: tuple[Method, int] | None = None
        self._views: Tensor | None = None
        self._encoded: Tensor | None = None

    def moments(self, method: Method | None, memory: Memory, first: int = 0) -> list[Moment]:
        """The moments from the view numbered `first` on; without a method they have no encodings."""
        n, t = memory.views.shape[:2]
        encoded = memory.poses.new_zeros(n, t, 0) if method is None else self._encodings(method, memory)
        found = []
        for i in range(first, t):
            aggregate = memory.poses.new_zeros(n, 0)
            if method is not None:
                with frozen(method):
                    aggregate = method.aggregate(encoded[:, : i + 1], memory.actions[:, :i]).float()
            steps = np.full(n, i, dtype=np.int64)
            found.append(Moment(memory.views[:, i], memory.poses[:, i], encoded[:, i], aggregate.clone(), steps))
        return found

    def _encodings(self, method: Method, memory: Memory) -> Tensor:
        # Versions count in-place changes, of which loading consists, and training but for fused optimisers: so nothing
        # is kept beyond an episode, which begins with one view.
        now = (method, sum(x._version for x in (*method.parameters(), *method.buffers())))
        t, kept = memory.views.shape[1], 0
        if t > 1 and self._known == now and self._views is not None and self._encoded is not None:
            s = self._views.shape[1]
            if s <= t and torch.equal(self._views, memory.views[:, :s]):
                kept = s
        with frozen(method):
            fresh = method.encode(memory.views[:, kept:]).float() if kept < t else None
        parts = [] if self._encoded is None or not kept else [self._encoded]
        encoded = torch.cat([*parts, fresh.clone()], 1) if fresh is not None else parts[0]
        self._known, self._views, self._encoded = now, memory.views.clone(), encoded
        return encoded


def detached(method: Method, work: Callable[[], Tensor]) -> Tensor:
    """What `work` computes with the method in eval mode, as an ordinary tensor that may meet autograd."""
    with frozen(method):
        found = work()
    return found.clone()


def layers(env: VectorEnv) -> list[VectorEnv]:
    """An environment and everything beneath its wrappers, outermost first."""
    found = [env]
    while isinstance(found[-1], VectorWrapper):
        found.append(found[-1].env)
    return found


def memory_of(env: VectorEnv, who: str) -> Remember:
    """The Remember beneath `env`. Raises ValueError naming who asks if there is none."""
    for layer in layers(env):
        if isinstance(layer, Remember):
            return layer
    raise ValueError(f"{who} needs to know what happened in its episodes: wrap the environment in Remember first")


def model_of(memory: Remember, who: str) -> Method:
    """The world model of a memory. Raises ValueError naming who asks if it has none."""
    if memory.method is None:
        raise ValueError(f"{who} needs a world model, and Remember was made without one: Remember(env, method)")
    return memory.method


def _pictures(observation: dict[str, Any]) -> UInt8[Tensor, "n c h w"]:
    return observation["view"].permute(0, 3, 1, 2)
