"""The adapter: what Stable-Baselines3 is told, and that its algorithms train as they are."""

import math
import re
from typing import Any

import numpy as np
import pytest
import torch
from fakes.images import noise
from fakes.methods import Reading, counting
from fakes.object_datasets import objects
from fakes.worlds import CountingWorld
from gymnasium.spaces import Discrete
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.vec_env import VecMonitor

from gazeworld.agents.rl.algorithms import make_agent, seeded
from gazeworld.agents.rl.discrete_actions import FixationGrid, make_discrete_actions
from gazeworld.agents.rl.memory import Remember, memory_of
from gazeworld.agents.rl.observations import Observe
from gazeworld.agents.rl.reward import make_reward
from gazeworld.agents.rl.vec_env import NonFiniteRewardError, SB3VecEnv
from gazeworld.agents.training.checkpoint import made_for
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.worlds.rotation import RotationWorld
from gazeworld.envs.worlds.saccade import SaccadeWorld

METHOD = {"name": "seq-jepa", "encoder": "small", "dim": 8, "width": 4, "action_width": 8, "predictor_hidden": 16}
GRID = {"name": "fixations", "side": 5}


def saccades(kind: str = "latent", n: int = 8, steps: int = 3, **adapter: Any) -> SB3VecEnv:
    """Coverage over noise of 24 px in glimpses of 8, seen through a tiny world model."""
    world = SaccadeWorld(noise(side=24), glimpse=8)
    torch.manual_seed(0)
    env = ActiveVisionVectorEnv(n, world, episode_steps=steps, tensors=True, autoreset_mode="SameStep")
    reward = make_reward("coverage", Remember(env, made_for(METHOD, world)), cells=24)
    return SB3VecEnv(Observe(reward, kind), **adapter)


def test_steps_are_those_of_the_environment() -> None:
    adapter, env = SB3VecEnv(counting(4, "SameStep", 3)), counting(4, "SameStep", 3)
    assert adapter.seed(7) == [7, 8, 9, 10]
    first, (expected, _) = adapter.reset(), env.reset(seed=7)
    assert np.array_equal(first["pose"], expected["pose"].numpy())
    assert first["view"].dtype == np.uint8
    for step in range(1, 7):
        action = np.full((4, 1), step - 3.0, dtype=np.float32)
        seen, reward, done, infos = adapter.step(action)
        expected, _, _, truncated, info = env.step(torch.from_numpy(action))
        assert np.array_equal(seen["view"], expected["view"].numpy())
        assert np.array_equal(done, truncated.numpy())
        assert reward.dtype == np.float32
        if step % 3:
            assert infos == [{}] * 4
            continue
        for row, found in enumerate(infos):
            assert np.array_equal(found["terminal_observation"]["pose"], info["final_obs"]["pose"][row].numpy())
            assert found["scene"] == info["final_info"]["scene"][row]
            assert found["label"] == info["final_info"]["label"][row]
            assert found["TimeLimit.truncated"] is False
            assert found["episode"]["l"] == 3
    again = adapter.reset()
    assert not np.array_equal(again["view"], first["view"]), "without a seed the rows go on"


def test_an_end_can_be_reported_as_a_time_limit() -> None:
    adapter = SB3VecEnv(counting(2, "SameStep", 1), truncate=True)
    adapter.reset()
    _, _, done, infos = adapter.step(np.zeros((2, 1), dtype=np.float32))
    assert done.all()
    assert [info["TimeLimit.truncated"] for info in infos] == [True, True]


def test_returns_add_up() -> None:
    adapter = saccades(steps=2)
    adapter.seed(0)
    adapter.reset()
    rng, total = np.random.default_rng(0), np.zeros(8)
    for _ in range(2):
        _, reward, _, infos = adapter.step(rng.uniform(-0.3, 0.3, (8, 2)).astype(np.float32))
        total += reward
    assert total.min() >= 0 < total.max()
    np.testing.assert_allclose([info["episode"]["r"] for info in infos], total, rtol=1e-6)


def test_observations_are_the_latent_state_or_pixels() -> None:
    latent, flat, plain = (saccades(kind) for kind in ("latent", "flat-pixels", "pixels"))
    for env in (latent, flat, plain):
        env.seed(1)
    a, b, c = latent.reset(), flat.reset(), plain.reset()
    assert a.shape == (8, 16 + 2 + 1)
    assert np.array_equal(b, np.concatenate((c["view"].reshape(8, -1) / np.float32(255), c["pose"], a[:, -1:]), 1))
    assert np.array_equal(a[:, -3:-1], c["pose"])
    for step in range(1, 4):
        action = np.full((8, 2), 0.1 * step, dtype=np.float32)
        a, _, _, infos = latent.step(action)
        c, _, _, pixel_infos = plain.step(action)
        assert latent.observation_space.contains(a[0])
        assert a[:, -1].tolist() == [np.float32(step % 3 / 3)] * 8
    last = infos[5]["terminal_observation"]
    assert last[-1] == 1.0
    assert np.array_equal(last[-3:-1], pixel_infos[5]["terminal_observation"]["pose"])
    memory = latent._memory or latent.env.memory
    assert np.array_equal(last[:-3], memory.change.after.aggregate[5].numpy())
    assert np.array_equal(a[:, :-3], memory.now.aggregate.numpy())


def test_the_corner_of_the_eye_sees_the_whole_image_reduced() -> None:
    """Of the scene of each row, in episodes, at their ends and after automatic resets."""
    latent, wide = (saccades(kind) for kind in ("latent", "latent+periphery"))
    world = wide.base.world
    assert isinstance(world, SaccadeWorld)
    for env in (latent, wide):
        env.seed(1)
    a, b = latent.reset(), wide.reset()
    memory = memory_of(wide.env, "this test")

    def expected(plain: np.ndarray, scenes: torch.Tensor) -> np.ndarray:
        means = world.images.pixels[scenes].float().unflatten(1, (2, -1)).unflatten(3, (2, -1)).mean((2, 4))
        return np.concatenate((plain, means.round().flatten(1).numpy() / np.float32(255)), 1)

    assert b.shape == (8, 16 + 2 + 1 + 2 * 2 * world.view_shape[0])
    assert wide.observation_space.contains(b[0])
    np.testing.assert_allclose(b, expected(a, memory.scenes), atol=1e-6)
    before = memory.scenes
    for _ in range(3):
        a, _, _, ends = latent.step(np.full((8, 2), 0.1, np.float32))
        b, _, _, infos = wide.step(np.full((8, 2), 0.1, np.float32))
        np.testing.assert_allclose(b, expected(a, memory.scenes), atol=1e-6)
    assert not torch.equal(before, memory.scenes)
    last, plain = (np.stack([info["terminal_observation"] for info in found]) for found in (infos, ends))
    np.testing.assert_allclose(last, expected(plain, before), atol=1e-6)


def test_a_grid_of_fixations_goes_where_it_says_and_masks_what_was_seen() -> None:
    adapter = saccades(discrete_actions={"name": "fixations", "side": 5, "radius": 5.0})
    assert isinstance(adapter.action_space, Discrete)
    adapter.seed(2)
    adapter.reset()
    memory, lattice = adapter._memory, adapter.base.world.lattice
    for step in range(3):
        masks = adapter.env_method("action_masks")
        assert len(masks) == 8
        choice = np.array([np.flatnonzero(mask)[step] for mask in masks])
        for row, mask in enumerate(masks):
            tops = lattice.tops(memory.visited[row, : step + 1]).tolist()
            for number in range(25):
                top, left = number // 5 * 4, number % 5 * 4  # 17 places an axis
                near = any((top - y) ** 2 + (left - x) ** 2 <= 25 for y, x in tops)
                assert mask[number] == (not near)
        adapter.step(choice)
        landed = lattice.tops(memory.change.after.pose)
        assert landed.tolist() == [[number // 5 * 4, number % 5 * 4] for number in choice.tolist()]
    assert np.array_equal(adapter.env_method("action_masks", indices=[3])[0], adapter.action_masks()[3])
    with pytest.raises(ValueError, match=r"choices 0 … 25, expected 0 … 24"):
        adapter.step(np.array([0, 1, 2, 3, 4, 5, 6, 25]))


def test_inhibition_has_shapes_a_memory_and_an_end() -> None:
    world = SaccadeWorld(noise(side=24), glimpse=8)
    visited = world.lattice.poses(torch.tensor([[[0, 0], [16, 16], [3, 3]]]))
    seen, scenes = torch.tensor([[True, True, False]]), torch.zeros(1, dtype=torch.int64)
    free = FixationGrid(world, side=17).free(scenes, visited, seen)[0].view(17, 17)
    assert free[0].nonzero()[0].item() == 5, "half a glimpse of 8 px"
    assert (~free).sum() == 2 * 17, "a quarter of a disc of 4 px in two corners; the third visit does not count"
    square = FixationGrid(world, side=17, shape="square", memory=1).free(scenes, visited, seen)[0].view(17, 17)
    assert square[0, 0]
    assert (~square).sum() == 25
    assert FixationGrid(world, side=2, ior=False).free(scenes, visited, seen).all()
    with pytest.raises(
        ValueError, match="row 0 has none of 9 choices left after 2 views; inhibition of return forbids"
    ):
        FixationGrid(world, side=3, radius=20.0).masks(scenes, visited, seen)
    padded = SaccadeWorld(noise(side=24), glimpse=8, padding="zeros")
    tops = padded.lattice.tops(FixationGrid(padded, side=3).targets(scenes))[0]
    assert tops[[0, 8]].tolist() == [[-4, -4], [19, 19]]


def test_stored_views_are_chosen_by_number_and_once() -> None:
    world = RotationWorld(objects(n=3, v=4))
    env = ActiveVisionVectorEnv(6, world, episode_steps=3, tensors=True, autoreset_mode="SameStep")
    adapter = SB3VecEnv(Remember(env), discrete_actions={"name": "views"})
    adapter.seed(0)
    seen = [adapter.reset()["view"][:, 0, 0, 1]]
    for step in range(1, 4):
        masks = np.stack(adapter.env_method("action_masks"))
        assert (masks.sum(1) == 4 - step).all()
        choice = masks.argmax(1)
        observation, _, _, infos = adapter.step(choice)
        views = observation["view"] if step < 3 else np.stack([i["terminal_observation"]["view"] for i in infos])
        assert np.array_equal(views[:, 0, 0, 1], choice)
        seen.append(views[:, 0, 0, 1])
    assert (np.sort(np.stack(seen), 0) == np.arange(4)[:, None]).all()
    over = ActiveVisionVectorEnv(6, world, episode_steps=4, tensors=True, autoreset_mode="SameStep")
    adapter = SB3VecEnv(Remember(over), discrete_actions={"name": "views"})
    adapter.reset()
    for _ in range(3):
        adapter.step(np.stack(adapter.env_method("action_masks")).argmax(1))
    with pytest.raises(ValueError, match="none of 4 choices left after 4 views; all views of the object"):
        adapter.env_method("action_masks")


def test_what_stable_baselines_asks_of_an_environment() -> None:
    adapter = SB3VecEnv(Remember(counting(3)))
    assert adapter.get_attr("episode_steps") == [3, 3, 3]
    assert adapter.get_attr("render_mode", indices=1) == [None]
    assert not adapter.has_attr("action_masks")
    assert saccades(discrete_actions=GRID).has_attr("action_masks")
    adapter.set_attr("render_mode", "rgb_array")
    assert adapter.env.unwrapped.render_mode == "rgb_array"
    with pytest.raises(ValueError, match="for all 3 rows only"):
        adapter.set_attr("render_mode", None, indices=[1])
    with pytest.raises(AttributeError, match="no layer of the environment has an attribute 'colour'"):
        adapter.get_attr("colour")
    with pytest.raises(AttributeError, match="rows have no method 'jump'"):
        adapter.env_method("jump")
    assert adapter.env_is_wrapped(Remember, indices=[0, 2]) == [True, True]
    assert adapter.env_is_wrapped(Observe) == [False] * 3
    adapter.set_options({"scene": 5})
    monitored = VecMonitor(adapter)
    assert (monitored.reset()["view"][:, 0, 0, 0] == 100).all()
    assert (adapter.reset()["view"][:, 0, 0, 0] != 100).any(), "options are for one reset"
    adapter.set_options([{"scene": 1}, {"scene": 2}, {}])
    with pytest.raises(ValueError, match="reset options differ between rows"):
        adapter.reset()
    adapter.close()


def test_what_does_not_fit_is_refused() -> None:
    for mode in ("NextStep", "Disabled"):
        with pytest.raises(ValueError, match=rf"SAME_STEP, as Stable-Baselines3 does; found .*{mode.upper()[:4]}"):
            SB3VecEnv(counting(mode=mode))
    with pytest.raises(ValueError, match="with tensors=True"):
        SB3VecEnv(ActiveVisionVectorEnv(2, CountingWorld(), autoreset_mode=AutoresetMode.SAME_STEP))
    with pytest.raises(ValueError, match="a set of discrete actions needs to know"):
        SB3VecEnv(
            ActiveVisionVectorEnv(2, SaccadeWorld(noise()), tensors=True, autoreset_mode="SameStep"),
            discrete_actions=GRID,
        )
    world = SaccadeWorld(noise(side=24), glimpse=20)
    for options, said in (
        ({"name": "fixations"}, "9 x 9 fixations, expected 1 … 5 places"),
        ({"name": "views"}, "needs a world of stored views, and SaccadeWorld has none here"),
        ({"name": "card"}, "unknown discrete actions 'card'; there are: fixations, views"),
        ({"name": "fixations", "colour": 1}, "discrete actions 'fixations'.*colour"),
    ):
        with pytest.raises(ValueError, match=said):
            make_discrete_actions(world, options)
    with pytest.raises(ValueError, match="needs a world of fixations, and CountingWorld is none"):
        make_discrete_actions(CountingWorld(), {"name": "fixations"})
    with pytest.raises(ValueError, match="unknown observation 'smell'"):
        Observe(Remember(counting(), Reading()), "smell")
    with pytest.raises(ValueError, match=r"'latent\+periphery' needs a world with a periphery, and CountingWorld has"):
        Observe(Remember(counting(), Reading()), "latent+periphery")
    with pytest.raises(ValueError, match="observation 'latent' needs a world model"):
        Observe(Remember(counting()))
    adapter = SB3VecEnv(counting(2))
    adapter.reset()
    with pytest.raises(ValueError, match=r"action of row 1 is \[nan\]"):
        adapter.step(np.array([[0.0], [np.nan]], dtype=np.float32))


def test_a_reward_that_is_not_finite_is_an_error() -> None:
    method = Reading()
    adapter = SB3VecEnv(make_reward("prediction-error", Remember(counting(2), method)))
    adapter.reset()
    method.shift.data.fill_(float("nan"))
    with pytest.raises(NonFiniteRewardError, match="the reward of row 0 is nan"):
        adapter.step(np.ones((2, 1), dtype=np.float32))


ON_POLICY = {"n_steps": 12, "batch_size": 48, "n_epochs": 2}
OFF_POLICY = {"learning_starts": 48, "buffer_size": 400, "batch_size": 16}
TINY = {"net_arch": [16]}


@pytest.mark.parametrize(
    ("algorithm", "kind", "discrete", "options"),
    [
        ("ppo", "latent", None, ON_POLICY),
        ("ppo", "pixels", GRID, ON_POLICY),
        ("recurrent-ppo", "latent", GRID, ON_POLICY),
        ("maskable-ppo", "latent", GRID, ON_POLICY),
        ("maskable-ppo", "pixels", GRID, ON_POLICY),
        ("sac", "latent", None, OFF_POLICY),
        ("sac", "pixels", None, OFF_POLICY),
        ("crossq", "latent", None, OFF_POLICY),
        ("crossq", "flat-pixels", None, OFF_POLICY),
    ],
)
def test_algorithms_train_as_they_are(algorithm: str, kind: str, discrete: Any, options: dict[str, Any]) -> None:
    policy = {**TINY, **({"lstm_hidden_size": 8} if algorithm == "recurrent-ppo" else {})}
    agent = make_agent(algorithm, saccades(kind, discrete_actions=discrete), seed=3, policy=policy, **options)
    before = {name: value.clone() for name, value in agent.policy.state_dict().items()}
    agent.learn(288)
    moved = [name for name, value in agent.policy.state_dict().items() if not torch.equal(value, before[name])]
    assert moved
    assert all(torch.isfinite(value).all() for value in agent.policy.state_dict().values())
    assert agent.num_timesteps == 288
    assert len(agent.ep_info_buffer) > 0
    assert all(0 <= episode["r"] < 1 and episode["l"] == 3 for episode in agent.ep_info_buffer)


def test_an_agent_learns_where_to_look() -> None:
    """From the middle of the picture one action is left: a corner shows 112 new pixels of 576, the mean place 78."""
    world = SaccadeWorld(noise(side=24), glimpse=16, first="centre")
    torch.manual_seed(0)
    env = ActiveVisionVectorEnv(64, world, episode_steps=1, tensors=True, autoreset_mode="SameStep")
    reward = make_reward("coverage", Remember(env, made_for(METHOD, world)), cells=24)
    adapter = SB3VecEnv(Observe(reward), discrete_actions={"name": "fixations", "side": 3, "ior": False})
    agent = make_agent("ppo", adapter, policy=TINY, n_steps=8, batch_size=128, learning_rate=2e-2, n_epochs=5)
    agent.learn(6 * 512)
    assert np.mean([episode["r"] for episode in agent.ep_info_buffer]) > 105 / 576


def test_agents_that_cannot_be_are_refused() -> None:
    world = SaccadeWorld(noise(), glimpse=3)
    small = ActiveVisionVectorEnv(2, world, tensors=True, autoreset_mode="SameStep")
    for arguments, said in (
        (("dqn", saccades()), "algorithm is 'dqn', expected 'ppo', 'recurrent-ppo'"),
        (("maskable-ppo", saccades()), "maskable-ppo takes discrete actions only"),
        (("sac", saccades(discrete_actions=GRID)), "sac takes continuous actions only"),
        (("ppo", SB3VecEnv(small)), r"observation 'view' has the shape \(3, 3, 3\)"),
        (("crossq", saccades("pixels")), "crossq has no MultiInputPolicy for dictionary observations"),
    ):
        with pytest.raises(ValueError, match=said):
            make_agent(*arguments)
    with pytest.raises(ValueError, match="activation_fn is 'step', expected one of: relu"):
        make_agent("ppo", saccades(), policy={"activation_fn": "step"})
    with pytest.raises(ValueError, match="use_sde"):
        make_agent("ppo", saccades(), use_sde=True)


WRONG = {
    "ppo has no option 'nonsense'; there are: learning_rate, n_steps, ": {"nonsense": 1},
    "ppo has no option '_init_setup_model'": {"_init_setup_model": False},
    "option 'n_steps' of ppo is 'abc', expected an integer from 1 to 1048576": {"n_steps": "abc"},
    "option 'gamma' of ppo is [0.5], expected a finite number from 0 to 1": {"gamma": [0.5]},
    "option 'batch_size' of ppo is 0, expected an integer from 1 to 1048576": {"batch_size": 0},
    "unexpected keyword argument 'colour'": {"policy": {"colour": 1}},
    "policy option 'net_arch' of ppo is 'wide', expected a list, each an integer from 1 to 32768": {
        "policy": {"net_arch": "wide"}
    },
    "option 'gamma' of ppo is 5, expected a finite number from 0 to 1": {"gamma": 5},
    "option 'learning_rate' of ppo is nan, expected a finite number of more than 0": {"learning_rate": math.nan},
    "option 'normalize_advantage' of ppo is 'no', expected True or False": {"normalize_advantage": "no"},
    "policy option 'net_arch' of ppo is [1000000000], expected a list": {"policy": {"net_arch": [10**9]}},
    "policy option 'ortho_init' of ppo is 'yes', expected True or False": {"policy": {"ortho_init": "yes"}},
    "activation_fn is [], expected one of: relu": {"policy": {"activation_fn": []}},
    "seed is 18446744073709551616, expected an integer": {"seed": 2**64},
}


@pytest.mark.parametrize("sentence", WRONG)
def test_options_that_an_algorithm_cannot_take_are_refused(sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        make_agent("ppo", saccades(), **WRONG[sentence])
    with pytest.raises(
        ValueError, match=r"option 'buffer_size' is 2000000000: so many observations of .* expected few"
    ):
        make_agent("sac", saccades(), buffer_size=2 * 10**9)


def test_borrowed_generators_come_back_as_they_were() -> None:
    import random

    def state() -> tuple[Any, ...]:
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002

    env = saccades()
    before = state()
    make_agent("ppo", env, seed=1, n_steps=4, batch_size=8)
    with seeded(5, torch.device("cpu")):
        first = torch.rand(2), np.random.rand(), random.random()  # noqa: NPY002
    assert state() == before
    with seeded(5, torch.device("cpu")):
        assert torch.equal(first[0], torch.rand(2))
        assert first[1:] == (np.random.rand(), random.random())  # noqa: NPY002
