"""Every policy and reward keeps its contract, and the checks say in one sentence what breaks it."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes.images import noise
from fakes.methods import Reading, Seeing
from fakes.worlds import CountingWorld
from torch import Tensor

from gazeworld.agents.conformance import check_policy, check_reward
from gazeworld.agents.policies.uniform import UniformPolicy
from gazeworld.agents.policy import Choice, Memory
from gazeworld.agents.rl.memory import Change
from gazeworld.agents.rl.reward import REWARDS, Reward
from gazeworld.envs import make_world, registry
from gazeworld.envs.conformance import ConformanceError
from gazeworld.envs.rng import Draws
from gazeworld.envs.stream import Stream
from gazeworld.envs.world import World


@pytest.mark.parametrize("name", ["uniform", "centre", "grid", "saliency", "dwell"])
def test_policies_of_fixations_conform(name: str) -> None:
    check_policy(name, make_world("saccade", source=noise(), glimpse=8, noise=0.05))


def test_policies_conform_in_other_worlds() -> None:
    check_policy("uniform", CountingWorld(noise=0.2))
    check_policy("unseen", make_world("rotation", source_options={"per_family": 2, "size": 16, "views": 5}))
    check_policy("novelty", CountingWorld(), method=Reading())


@pytest.mark.parametrize("name", registry.own_names(REWARDS))
def test_every_reward_conforms(name: str) -> None:
    check_reward(name, CountingWorld(), method=Reading(), weight=0.5)


class Far(UniformPolicy):
    def act(self, memory: Memory, rng: Draws) -> Choice:
        choice = super().act(memory, rng)
        return Choice(choice.action + 100, choice.log_prob)


class Dicing(UniformPolicy):
    def act(self, memory: Memory, rng: Draws) -> Choice:
        torch.rand(1)
        return super().act(memory, rng)


class Moody(UniformPolicy):
    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.times = 0

    def act(self, memory: Memory, rng: Draws) -> Choice:
        self.times += 1
        return super().act(memory, rng.fold(self.times))


class Meddling(UniformPolicy):
    def act(self, memory: Memory, rng: Draws) -> Choice:
        choice = super().act(memory, rng)
        memory.views.zero_()
        return choice


class Following(UniformPolicy):
    def act(self, memory: Memory, rng: Draws) -> Choice:
        choice = super().act(memory, rng)
        return Choice(choice.action[:1].expand_as(choice.action).clone(), choice.log_prob)


class Chatty(UniformPolicy):
    def learn(self, episode: Stream) -> Any:
        return ["learnt"]


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (Far, r"Far.act gives actions outside of the world's action_bounds, \[-9.0, 9.0\]"),
        (Dicing, "Dicing.act draws from global generators"),
        (Moody, "Moody.act gives another action for the same memory and the same `rng`"),
        (Meddling, "Meddling.act changes the memory that it is given"),
        (Following, "Following.act chooses something else for a row when other rows are beside it"),
        (Chatty, r"Chatty.learn\(\) gave \['learnt'\], expected a dictionary of names to numbers"),
        (lambda world: Path(), "expected a class derived from gazeworld.agents.Policy"),
    ],
)
def test_what_a_policy_breaks_is_one_sentence(policy: Any, said: str) -> None:
    with pytest.raises(ConformanceError, match=said) as told:
        check_policy(policy, CountingWorld())
    assert "\n" not in str(told.value)


class Distance(Reward):
    """How far the sensor moved."""

    name = "far"

    def reward(self, change: Change) -> Tensor:
        return (change.after.pose - change.before.pose).norm(dim=1)


class Nan(Distance):
    def reward(self, change: Change) -> Tensor:
        return super().reward(change) / 0


class Weightless(Distance):
    def __init__(self, env: Any, *, weight: float = 1.0) -> None:
        super().__init__(env, weight=1.0)


class Remembering(Distance):
    """Pays less and less, and has no state."""

    def __init__(self, env: Any, *, weight: float = 1.0) -> None:
        super().__init__(env, weight=weight)
        self.times = 0

    def learn(self, change: Change) -> None:
        self.times += 1

    def reward(self, change: Change) -> Tensor:
        return super().reward(change) / (1 + self.times)


class Telling(Distance):
    def prepare(self, streams: Stream) -> Any:
        return {"learnt": "much"}


@pytest.mark.parametrize(
    ("reward", "said"),
    [
        (Nan, "the reward of Nan holds numbers that are not finite"),
        (Weightless, "Weightless does not pay twice as much with twice the weight"),
        (Remembering, "the same state dict pays something else, so the state is not whole"),
        (Telling, r"Telling.prepare\(\) gave \{'learnt': 'much'\}, expected a dictionary of names to numbers"),
        (lambda env: env, "made Remember, expected a class derived from gazeworld.agents.Reward"),
    ],
)
def test_what_a_reward_breaks_is_one_sentence(reward: Any, said: str) -> None:
    check_reward(Distance, CountingWorld())
    with pytest.raises(ConformanceError, match=said) as told:
        check_reward(reward, CountingWorld())
    assert "\n" not in str(told.value)


def test_what_needs_a_model_says_so() -> None:
    with pytest.raises(ValueError, match="reward 'recognition' needs a world model"):
        check_reward("recognition", CountingWorld())
    with pytest.raises(ValueError, match="predicts"):
        check_reward("prediction-error", CountingWorld(), method=Seeing())


class Overconfident(UniformPolicy):
    """Looks anywhere, and says that it never leaves one corner; or says what is no distribution."""

    def __init__(self, world, total=1.0):
        super().__init__(world)
        self.total = total

    def log_density(self, memory):
        found = torch.full_like(super().log_density(memory), -torch.inf)
        found[:, 0, 0] = math.log(self.total)
        return found


def test_a_density_that_is_none_is_told() -> None:
    world = make_world("saccade", source=noise(), glimpse=8)
    with pytest.raises(ConformanceError, match=r"Overconfident\.log_density says that what Overconfident\.act does is"):
        check_policy(Overconfident, world)
    with pytest.raises(ConformanceError, match=r"Overconfident\.log_density gives no log-probabilities whose expon"):
        check_policy(Overconfident, world, total=2.0)
