"""Rewards: worked out by hand, the same in every autoreset mode, and refused where they cannot be."""

from typing import Any

import pytest
import torch
from fakes.images import noise
from fakes.methods import Reading, Seeing, counting
from fakes.worlds import CountingWorld
from gymnasium.vector import AutoresetMode, VectorEnv
from torch import Tensor, nn
from torch.nn import functional as F

from gazeworld.agents.policy import make_policy
from gazeworld.agents.rl.memory import Remember
from gazeworld.agents.rl.reward import REWARDS, make_reward, rewards_of
from gazeworld.agents.training.loop import collect
from gazeworld.envs import registry
from gazeworld.envs.rng import Draws
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.worlds.saccade import SaccadeWorld
from gazeworld.models.method import CheckpointError

MODES = [mode.value for mode in AutoresetMode]
N, STEPS = 5, 3
OPTIONS: dict[str, dict[str, Any]] = {"coverage": {"by": "poses"}}


def actions(episode: int, step: int, n: int = N) -> Tensor:
    """Whole numbers from -6 to 6, a function of episode and step."""
    generator = torch.Generator().manual_seed(100 * episode + step)
    return torch.randint(-6, 7, (n, 1), generator=generator).float()


def rewarded(name: str, mode: str = "SameStep", **options: Any) -> Any:
    return make_reward(name, Remember(counting(N, mode, STEPS), Reading()), **{**OPTIONS.get(name, {}), **options})


def episodes(env: VectorEnv, count: int = 3) -> Tensor:
    """Rewards of whole episodes in any mode, count STEPS n; a step that only resets must give nothing."""
    mode, found = AutoresetMode(env.metadata["autoreset_mode"]), []
    env.reset(seed=3)
    for episode in range(count):
        rows = []
        for step in range(STEPS):
            _, reward, _, _, _ = env.step(actions(episode, step))
            rows.append(reward)
        found.append(torch.stack(rows))
        if mode is AutoresetMode.NEXT_STEP:
            assert env.step(actions(9, 9))[1].tolist() == [0.0] * N
        elif mode is AutoresetMode.DISABLED:
            env.reset(options={"reset_mask": torch.ones(N, dtype=torch.bool)})
    return torch.stack(found)


def visits(count: int = 3) -> tuple[Tensor, Tensor]:
    """Scenes (count n) and places (count STEPS + 1 n) of the same episodes, from the bare environment."""
    env, scenes, places = counting(N, "Disabled", STEPS), [], []
    observation, info = env.reset(seed=3)
    for episode in range(count):
        scenes.append(info["scene"])
        seen = [observation["pose"][:, 0]]
        for step in range(STEPS):
            seen.append(env.step(actions(episode, step))[0]["pose"][:, 0])
        places.append(torch.stack(seen))
        observation, info = env.reset(options={"reset_mask": torch.ones(N, dtype=torch.bool)})
    return torch.stack(scenes), torch.stack(places)


def aggregates() -> Tensor:
    """What Reading makes of those episodes after each view, by its definition: count STEPS + 1 n 4."""
    scenes, places = visits()
    seen = torch.arange(1, STEPS + 2)[None, :, None]
    mean = places.cumsum(1) / seen
    return torch.stack((scenes[:, None].expand_as(mean).float(), mean, 1.0 + 0 * mean, places - places[:, :1]), -1) / 10


@pytest.mark.parametrize("mode", MODES)
def test_memory_is_what_happened_and_every_view_is_encoded_once(mode: str) -> None:
    method = Reading()
    env = Remember(counting(N, mode, STEPS), method)
    expected = aggregates()
    env.reset(seed=3)
    for episode in range(2):
        torch.testing.assert_close(env.now.aggregate, expected[episode, 0])
        for step in range(STEPS):
            env.step(actions(episode, step))
            change = env.change
            torch.testing.assert_close(change.before.aggregate, expected[episode, step])
            torch.testing.assert_close(change.after.aggregate, expected[episode, step + 1])
            assert change.after.steps.tolist() == [step + 1] * N
            assert change.moved.all()
        if mode == "NextStep":
            env.step(actions(9, 9))
            assert not env.change.moved.any()
            assert env.began.all()
        elif mode == "Disabled":
            env.reset(options={"reset_mask": torch.ones(N, dtype=torch.bool)})
    assert method.read == N * (2 * (STEPS + 1) + 1)
    assert method.training, "the model is left in the mode it was in"


def test_some_rows_can_begin_again_alone() -> None:
    method = Reading()
    env = Remember(counting(N, "Disabled", STEPS), method)
    env.reset(seed=3)
    env.step(actions(0, 0))
    kept = env.now
    env.reset(options={"reset_mask": torch.tensor([True, False, False, True, False])})
    assert env.now.steps.tolist() == [0, 1, 1, 0, 1]
    assert torch.equal(env.now.aggregate[1], kept.aggregate[1])
    _, _, _, _, _ = env.step(actions(0, 1))
    seen = env.seen.tolist()
    assert seen[0] == [True, True, False, False]
    assert seen[1] == [True, True, True, False]
    for row in range(N):
        places = env.visited[row, : env.now.steps[row] + 1, 0]
        assert env.now.aggregate[row, 1] == pytest.approx(float(places.mean()) / 10)
        assert env.now.aggregate[row, 3] == pytest.approx(float(places[-1] - places[0]) / 10, abs=1e-6)


@pytest.mark.parametrize("name", registry.names(REWARDS))
def test_every_mode_gives_the_same_rewards(name: str) -> None:
    first, *others = [episodes(rewarded(name, mode)) for mode in MODES]
    assert first.abs().sum() > 0
    for other in others:
        torch.testing.assert_close(first, other)


@pytest.mark.parametrize("name", registry.names(REWARDS))
def test_a_state_comes_back_whole(name: str) -> None:
    trained = rewarded(name)
    episodes(trained, 4)
    state = trained.state_dict()
    fresh = rewarded(name, **({"seed": 5} if state else {}))
    fresh.load_state_dict(state)
    assert torch.equal(episodes(fresh), episodes(trained)), "weights and the moments of the optimiser"
    assert fresh.state_dict().keys() == state.keys()
    with pytest.raises(CheckpointError, match=f"reward '{name}'"):
        fresh.load_state_dict({**state, "strange": torch.zeros(1)})
    if state:
        with pytest.raises(CheckpointError, match="mean has shape"):
            fresh.load_state_dict({**state, "mean": torch.zeros(1)})


def test_recognition_is_the_gain_of_a_linear_probe() -> None:
    env = rewarded("recognition", learning=False)
    layer = env.head().layers[0]
    labels = (visits()[0] % 3)[:, None].expand(-1, STEPS + 1, -1)
    scores = F.linear(aggregates(), layer.weight.detach(), layer.bias.detach()).log_softmax(-1)
    known = scores.gather(-1, labels[..., None])[..., 0]
    before = env.state_dict()
    torch.testing.assert_close(episodes(env), known.diff(dim=1))
    assert all(torch.equal(value, before[name]) for name, value in env.state_dict().items())
    learning = rewarded("recognition", learning=True)
    assert not torch.allclose(episodes(learning), known.diff(dim=1))


@pytest.mark.parametrize("hidden", [0, 16])
def test_recognition_is_learnt_from_streams(hidden: int) -> None:
    env = Remember(counting(60, "SameStep", STEPS, size=3), Reading())
    reward = make_reward("recognition", env, lr=0.05, epochs=60, hidden=hidden)
    assert sum(isinstance(layer, nn.Linear) for layer in reward.head().modules()) == (2 if hidden else 1)
    source = counting(60, "Disabled", STEPS, size=3)
    source.reset(seed=0)
    values = reward.prepare(collect(source, make_policy("uniform", source.world), 4, Draws.rows(0, 60)))
    assert values["reward/recognition_top1"] > 0.95  # of three scenes the first number of z says the label
    assert values["reward/recognition_loss"] < 0.4


def test_recognition_refuses_scenes_without_labels() -> None:
    class Unlabelled(CountingWorld):
        def scene(self, index, rng):
            found = super().scene(index, rng)
            return type(found)(found.index, torch.full_like(found.label, -1), found.pose)

    env = ActiveVisionVectorEnv(2, Unlabelled(), episode_steps=2, tensors=True)
    reward = make_reward("recognition", Remember(env, Reading()))
    with pytest.raises(ValueError, match=r"needs labels 0 … 2, and scene .* of row 0 has the label -1"):
        reward.reset(seed=0)


def test_representation_is_the_way_towards_the_target() -> None:
    env = rewarded("representation", streams=2, seed=4)
    found = episodes(env)
    again = rewarded("representation", streams=2, seed=4)
    again.reset(seed=3)
    state = again.memory
    scene = CountingWorld().scene(state.scenes, Draws.rows(0, N))
    target = again.target(scene)
    assert torch.equal(target, again.target(scene)), "a scene always has the same target"
    expected = F.cosine_similarity(aggregates()[0], target[None], dim=-1)
    torch.testing.assert_close(found[0], expected.diff(dim=0))
    with pytest.raises(ValueError, match=r"target 'whole' needs pictures .* CountingWorld has none"):
        rewarded("representation", target="whole").reset(seed=0)


def test_the_whole_picture_as_target_is_one_shrunken_view() -> None:
    class Bright(Reading):
        """z is the mean brightness; the aggregate a direction that says it."""

        view_dim, aggregate_dim = 1, 2

        def encode(self, views: Tensor) -> Tensor:
            return views.float().mean((2, 3, 4))[..., None] / 255

        def aggregate(self, encoded: Tensor, actions: Tensor) -> Tensor:
            z = encoded[:, :, 0].mean(1)
            return torch.stack((z.cos(), z.sin()), 1)

    world = SaccadeWorld(noise(side=24), glimpse=8)
    env = ActiveVisionVectorEnv(7, world, episode_steps=2, tensors=True, autoreset_mode="SameStep")
    reward = make_reward("representation", Remember(env, Bright()), target="whole")
    reward.reset(seed=0, options={"scene": torch.arange(7)})
    mean = world.images.pixels.float().mean((1, 2, 3)) / 255
    before = reward.memory.now.aggregate
    gained = reward.step(torch.full((7, 2), 0.1))[1]
    seen = torch.stack((mean.cos(), mean.sin()), 1)
    after = reward.memory.change.after.aggregate
    expected = F.cosine_similarity(after, seen) - F.cosine_similarity(before, seen)
    torch.testing.assert_close(gained, expected, atol=1e-4, rtol=0)


def test_prediction_error_compares_what_was_foreseen_with_what_was_seen() -> None:
    scenes, places = visits()
    told = places.diff(dim=1)
    before = aggregates()[:, :-1]
    step = torch.stack((torch.zeros_like(told), told, torch.zeros_like(told)), -1) / 10
    seen = torch.stack((scenes[:, None].expand_as(told).float(), places[:, 1:], 1 + 0 * told), -1) / 10
    expected = 1 - F.cosine_similarity(before[..., :3] + step, seen, dim=-1)
    torch.testing.assert_close(episodes(rewarded("prediction-error")), expected, atol=1e-5, rtol=0)


def test_inverse_dynamics_knows_a_movement_that_shows() -> None:
    env = rewarded("inverse-dynamics", learning=False, hidden=2)
    first, _, last = env.head().layers
    with torch.no_grad():  # max(0, x) - max(0, -x) = x, the difference of the places in tens
        first.weight.copy_(torch.tensor([[0, -1.0, 0, 0, 1, 0], [0, 1, 0, 0, -1, 0]]))
        first.bias.zero_()
        last.weight.copy_(torch.tensor([[10 / 9, -10 / 9]]))
        last.bias.zero_()
    torch.testing.assert_close(episodes(env), torch.zeros(3, STEPS, N), atol=1e-6, rtol=0)
    with torch.no_grad():
        last.weight.zero_()
    torch.testing.assert_close(episodes(env), -(visits()[1].diff(dim=1) / 9).square())


def test_inverse_dynamics_is_learnt_from_steps_and_from_streams() -> None:
    env = rewarded("inverse-dynamics", lr=0.01, hidden=32)
    found = episodes(env, 25)
    assert found[-5:].mean() > 0.3 * found[:5].mean()
    fresh = rewarded("inverse-dynamics", lr=0.01, hidden=32, epochs=200)
    source = counting(60, "Disabled", STEPS)
    source.reset(seed=0)
    stream = collect(source, make_policy("uniform", source.world), 4, Draws.rows(0, 60))
    assert fresh.prepare(stream)["reward/inverse_dynamics_error"] < 0.01


def test_coverage_counts_new_pixels() -> None:
    world = SaccadeWorld(noise(n=3, side=12), glimpse=4)
    env = ActiveVisionVectorEnv(6, world, episode_steps=4, tensors=True, autoreset_mode="SameStep")
    reward = make_reward("coverage", Remember(env), cells=12)
    observation, _ = reward.reset(seed=0)
    for _ in range(2):
        seen = torch.zeros(6, 12, 12, dtype=torch.bool)
        for step in range(5):
            pose = observation["pose"]
            if step:
                generator = torch.Generator().manual_seed(step)
                moved = torch.rand(6, 2, generator=generator) * 0.8 - 0.4
                observation, found, _, _, info = reward.step(moved)
                pose = info.get("final_obs", observation)["pose"]
            before = seen.sum((1, 2))
            for row, (top, left) in enumerate(world.lattice.tops(pose).tolist()):
                seen[row, top : top + 4, left : left + 4] = True
            if step:
                torch.testing.assert_close(found, (seen.sum((1, 2)) - before) / 144)


def test_coverage_counts_new_places() -> None:
    _, places = visits()
    expected = torch.zeros(3, STEPS, N)
    for episode in range(3):
        for step in range(STEPS):
            earlier, now = places[episode, : step + 1], places[episode, step + 1]
            expected[episode, step] = (earlier != now).all(0).float()
    assert 0 < expected.mean() < 1
    torch.testing.assert_close(episodes(rewarded("coverage")), expected)


def test_rewards_stack_with_their_weights() -> None:
    inner = make_reward("coverage", Remember(counting(N, "SameStep", STEPS), Reading()), by="poses", weight=2.0)
    outer = make_reward("prediction-error", inner, weight=-0.5)
    both = episodes(outer)
    expected = 2 * episodes(rewarded("coverage")) - 0.5 * episodes(rewarded("prediction-error"))
    torch.testing.assert_close(both, expected)
    assert [reward.name for reward in rewards_of(outer)] == ["coverage", "prediction-error"]
    outer.reset(seed=3)
    info = outer.step(actions(0, 0))[4]
    assert {"reward/coverage", "_reward/coverage", "reward/prediction-error"} <= info.keys()


@pytest.mark.parametrize("name", sorted(set(registry.names(REWARDS)) - {"coverage"}))
def test_a_reward_without_its_model_says_so(name: str) -> None:
    with pytest.raises(ValueError, match=f"reward '{name}' needs a world model, and Remember was made without one"):
        make_reward(name, Remember(counting()))


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"reward 'coverage' needs to know .* wrap the environment in Remember"):
        make_reward("coverage", counting())
    with pytest.raises(ValueError, match="coverage' by area: views of CountingWorld are no part of a picture"):
        make_reward("coverage", Remember(counting()), by="area")
    with pytest.raises(ValueError, match=r"reward 'coverage'.*colour"):
        make_reward("coverage", Remember(counting()), colour=1)
    with pytest.raises(ValueError, match=r"tensors=True directly beneath it, found ActiveVisionVectorEnv"):
        Remember(ActiveVisionVectorEnv(2, CountingWorld()))
    with pytest.raises(ValueError, match="nothing is remembered before the first reset"):
        _ = Remember(counting()).now

    with pytest.raises(ValueError, match="needs a world model that predicts views, and Seeing does not"):
        make_reward("prediction-error", Remember(counting(), Seeing()))
