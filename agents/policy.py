"""What can act: a policy looks at what the agent remembers of its episodes and chooses the next actions."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from gazeworld.envs import registry
from gazeworld.envs.rng import Draws
from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import Validated
from gazeworld.envs.world import Scene, World
from gazeworld.models.method import Method


@dataclass(frozen=True)
class Memory:
    """What happened so far in a batch of episodes: t views, the t - 1 actions between them, the poses, the scenes."""

    views: UInt8[Tensor, "b t c h w"]
    actions: Float32[Tensor, "b t-1 a"]
    poses: Float32[Tensor, "b t p"]
    scenes: Int64[Tensor, " b"]


def begun(world: World, scene: Scene) -> Memory:
    """Episodes in these scenes after their first views."""
    none = torch.zeros(len(scene.index), 0, world.action_dim, dtype=torch.float32, device=world.device)
    return Memory(world.look(scene, scene.pose)[:, None], none, scene.pose[:, None], scene.index)


def stepped(world: World, memory: Memory, action: Float32[Tensor, "b a"], rng: Draws | None = None) -> Memory:
    """The same episodes after one more action, which does what the world makes of it.

    With `rng`, sensors of noisy worlds land beside what they aim at, and actions are what they were told.
    """
    here = memory.poses[:, -1]
    scene = Scene(memory.scenes, torch.full_like(memory.scenes, -1), here)
    aim = world.move(scene, here, action)
    there = aim if rng is None or not world.noisy else world.land(scene, aim, rng)
    return Memory(
        torch.cat([memory.views, world.look(scene, there)[:, None]], 1),
        torch.cat([memory.actions, world.difference(here, aim)[:, None]], 1),
        torch.cat([memory.poses, there[:, None]], 1),
        memory.scenes,
    )


@dataclass(frozen=True)
class Choice:
    """The next action of every episode and its log-probability under the policy (0 where it is deterministic)."""

    action: Float32[Tensor, "b a"]
    log_prob: Float32[Tensor, " b"]


class Policy(Validated, ABC):
    """A batched policy, built for one world: `Policy(world, **options)` with JSON-able options."""

    @abstractmethod
    def act(self, memory: Memory, rng: Draws) -> Choice:
        """The next action of every episode; all randomness comes from `rng`, one stream per episode."""

    tempered: ClassVar[bool] = False
    """Whether `log_density` is a softmax over what places are worth, so that any power of it is as good a choice."""

    def log_density(self, memory: Memory) -> Float32[Tensor, "b k k"]:
        """How likely each legal fixation of a world of fixations is to be the next one: logarithms over its lattice.

        It is what `act` draws from, given the same memory: logsumexp is 0, and -inf stands where the policy never
        looks. A policy that draws nothing but always takes the same place has all mass there; one that takes the best
        of many by what a model foresees has a softmax over what they are worth, at temperature 1, and is `tempered`:
        `log_softmax(log_density / temperature)` is the same at another temperature. Nothing is drawn or changed.
        Raises ValueError for a policy that says no distribution, which is the default, and outside worlds of fixations.
        """
        del memory
        raise ValueError(f"{type(self).__name__} says no distribution over the next fixation")

    def attach(self, method: Method) -> None:
        """Be given the world model that is being trained or probed; policies that need none ignore it."""
        del method

    def learn(self, episode: Stream) -> dict[str, float]:
        """Learn from finished episodes; policies that do not learn return nothing."""
        del episode
        return {}


POLICIES = "gazeworld.agents.policies"


def make_policy(name: str, world: World, **options: Any) -> Policy:
    """The policy called `name` in the registry, for a world.

    Raises ValueError naming an option that the policy does not have, or one of another type or out of its bounds.
    """
    kind = registry.concrete(POLICIES, name, Policy)
    return registry.built(f"policy {name!r}", kind, world, **options)
