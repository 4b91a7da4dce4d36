"""The vector environment: one step for all, in three autoreset modes, with rows that do not know of each other."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from fakes.worlds import CountingWorld, N, actions, make, rollout
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode

from gazeworld.envs.vector_env import ActiveVisionVectorEnv

MODES = list(AutoresetMode)
SMALL = {"split": "test", "source_options": {"variants": 1}}  # digits that are drawn in no time


def test_record_and_replay() -> None:
    """T + 1 observations for T actions, the first is the reset's, and the actions reproduce every view."""
    env = make(episode_steps=6, noise=0.0)
    moves = actions(env, 6)
    record = rollout(env, moves, seed=3)
    views = np.stack([r[0]["view"] for r in record])
    assert len(views) == len(moves) + 1
    assert record[-1][3].all()
    scenes, start = record[0][4]["scene"], record[0][0]["pose"]
    other = make(episode_steps=6)
    executed = [r[4]["executed"] for r in record[1:]]
    for replayed in (moves, executed):  # what was told, and what happened
        again = rollout(other, replayed, seed=99, options={"scene": scenes, "pose": start})
        assert np.array_equal(np.stack([r[0]["view"] for r in again]), views)
        assert all((r[4]["scene"] == scenes).all() for r in again)
        assert all(np.array_equal(a[0]["pose"], b[0]["pose"]) for a, b in zip(again, record, strict=True))


def test_what_is_executed_is_the_difference_of_poses() -> None:
    env = make(noise=0.1)
    record = rollout(env, actions(env, 3), seed=0)
    moved = [b[0]["pose"] - a[0]["pose"] for a, b in pairwise(record)]
    assert all(np.array_equal(r[4]["executed"], d) for r, d in zip(record[1:], moved, strict=True))
    assert not record[0][4]["executed"].any()
    assert not record[0][4]["commanded"].any()


def test_noise_separates_what_was_commanded_from_what_was_executed() -> None:
    moves = [np.full((N, 2), 0.1, np.float32)]
    start = {"pose": np.array([0.5, 0.5])}
    for sigma in (0.0, 0.1):
        info = rollout(make(noise=sigma, glimpse=4), moves, seed=1, options=start)[1][4]
        assert np.allclose(info["commanded"], 0.1, atol=0.5 / 24)  # snapped to whole pixels
        assert np.array_equal(info["commanded"], info["executed"]) == (sigma == 0)
    assert len({tuple(row) for row in info["executed"]}) == N  # every row has noise of its own


def test_a_clipped_saccade_is_recorded_as_it_happened() -> None:
    env = make(glimpse=8)
    env.reset(seed=0, options={"pose": np.array([0.5, 0.5])})
    info = env.step(np.full((N, 2), 0.9, np.float32))[4]
    assert np.array_equal(info["executed"], np.full((N, 2), np.float32(20 / 24) - np.float32(0.5)))
    assert np.array_equal(info["executed"], info["commanded"])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("noise_level", [0.0, 0.05])
def test_rows_do_not_depend_on_how_many_there_are(mode: AutoresetMode, noise_level: float) -> None:
    steps = 3 if mode is AutoresetMode.DISABLED else 9
    many = make(8, noise=noise_level, autoreset_mode=mode)
    moves = actions(many, steps)
    whole = rollout(many, moves, seed=5)
    part = rollout(make(3, noise=noise_level, autoreset_mode=mode, first_row=4), [m[4:7] for m in moves], seed=5)
    for one, other in zip(whole, part, strict=True):
        assert np.array_equal(one[0]["view"][4:7], other[0]["view"])
        assert np.array_equal(one[4]["executed"][4:7], other[4]["executed"])
        assert np.array_equal(one[4]["scene"][4:7], other[4]["scene"])
    assert len({v.tobytes() for v in whole[0][0]["view"]}) == 8


def test_next_step_shows_the_end_then_the_next_episode() -> None:
    env = make()
    record = rollout(env, actions(env, 8), seed=0)
    truncated = [r[3].all() for r in record[1:]]
    assert truncated == [False, False, True, False, False, False, True, False]
    second = make()
    second.reset(seed=0)
    observation, info = second.reset()
    assert np.array_equal(record[4][0]["view"], observation["view"])
    assert np.array_equal(record[4][4]["scene"], info["scene"])
    assert not record[4][4]["executed"].any()
    assert not np.array_equal(record[4][4]["scene"], record[3][4]["scene"])


def test_same_step_shows_the_next_episode_and_keeps_the_end() -> None:
    slow, quick = make(noise=0.1), make(noise=0.1, autoreset_mode="SameStep")
    moves = actions(quick, 6)
    ends = rollout(slow, moves[:3], seed=0)
    record = rollout(quick, moves, seed=0)
    last, info = record[3], record[3][4]
    assert last[3].all()
    assert info["_final_obs"].all()
    for i in range(N):
        assert np.array_equal(info["final_obs"][i]["view"], ends[3][0]["view"][i])
    for key in ("executed", "commanded", "label", "scene"):
        assert np.array_equal(info["final_info"][key], ends[3][4][key])
        assert info["final_info"][f"_{key}"].all()
    assert not info["executed"].any()
    assert np.array_equal(last[0]["view"], slow.step(moves[0])[0]["view"])
    assert record[6][3].all()
    assert all("final_obs" not in r[4] for r in (record[1], record[2], record[4]))


def test_disabled_resets_only_what_it_is_told() -> None:
    env = make(autoreset_mode=AutoresetMode.DISABLED)
    moves = actions(env, 9)
    before = rollout(env, moves[:2], seed=0)[2]
    mask = np.array([True, False, False, True, False])
    options = {"reset_mask": mask}
    observation, info = env.reset(options=options)
    assert set(options) == {"reset_mask"}  # RecordEpisodeStatistics reads it afterwards
    assert np.array_equal(observation["view"][~mask], before[0]["view"][~mask])
    assert not np.array_equal(observation["view"][mask], before[0]["view"][mask])
    assert all((info[key] == mask).all() for key in info if key.startswith("_"))
    assert env.episodes.tolist() == [1, 0, 0, 1, 0]
    assert env.step(moves[2])[3].tolist() == (~mask).tolist()
    with pytest.raises(ResetNeeded, match=r"rows \[1, 2, 4\]"):
        env.step(moves[3])
    env.reset(options={"reset_mask": ~mask})
    assert env.step(moves[3])[3].tolist() == [False] * N
    assert env.step(moves[4])[3].tolist() == mask.tolist()


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_rows_out_of_step_with_each_other_are_reset_one_by_one(mode: AutoresetMode) -> None:
    env = make(autoreset_mode=mode, noise=0.1)
    moves = actions(env, 7)
    env.reset(seed=0)
    env.step(moves[0])
    mask = np.arange(N) == 2
    env.reset(options={"reset_mask": mask})
    ends = np.stack([env.step(move)[3] for move in moves[1:]])
    alone = make(1, first_row=2, autoreset_mode=mode, noise=0.1)
    alone.reset(seed=0)
    alone.reset()
    lone = [alone.step(move[2:3]) for move in moves[1:]]
    assert np.array_equal(ends[:, 2], [r[3][0] for r in lone])
    period = 4 if mode is AutoresetMode.NEXT_STEP else 3
    assert ends[:, 0].nonzero()[0].tolist() == [1, 1 + period]
    assert ends[:, 2].nonzero()[0].tolist() == [2, 2 + period][: 2 if period == 3 else 1]
    assert env.episodes.tolist() == ([1, 1, 2, 1, 1] if period == 4 else [2, 2, 3, 2, 2])


def test_same_step_masks_when_only_some_rows_end() -> None:
    env = make(autoreset_mode="SameStep")
    moves = actions(env, 3)
    env.reset(seed=0)
    env.step(moves[0])
    mask = np.arange(N) == 2
    env.reset(options={"reset_mask": mask})
    env.step(moves[1])
    info = env.step(moves[2])[4]
    assert info["_final_obs"].tolist() == (~mask).tolist()
    assert info["_final_info"].tolist() == (~mask).tolist()
    assert info["final_info"]["_scene"].tolist() == (~mask).tolist()
    assert [found is None for found in info["final_obs"]] == mask.tolist()
    assert info["_scene"].all()
    assert info["executed"][mask].any()
    assert not info["executed"][~mask].any()


def test_any_episode_is_regenerated_from_three_integers() -> None:
    env = make(noise=0.1)
    moves = actions(env, 3)
    for episode in range(4):
        record = rollout(env, moves, seed=7) if episode == 0 else rollout(env, moves)
    again = rollout(make(1, noise=0.1, first_row=3), [m[3:4] for m in moves], seed=7, options={"episode": 3})
    for one, other in zip(record, again, strict=True):
        assert np.array_equal(one[0]["view"][3:4], other[0]["view"])
    assert make(2).reset(seed=0, options={"episode": np.array([4, 2])})[1]["scene"].shape == (2,)


def test_resets_without_a_seed_go_on_and_environments_never_seeded_differ() -> None:
    env = make()
    first, second = env.reset(seed=1)[1]["scene"], env.reset()[1]["scene"]
    assert not np.array_equal(first, second)
    assert np.array_equal(env.reset(seed=1)[1]["scene"], first)
    assert np.array_equal(env.reset()[1]["scene"], second)
    assert not np.array_equal(make(20).reset()[1]["scene"], make(20).reset()[1]["scene"])


def test_a_partial_reset_with_a_seed_seeds_its_rows_only() -> None:
    env = make()
    start = env.reset(seed=4)[0]["view"]
    env.step(actions(env, 1)[0])
    env.reset(seed=4, options={"reset_mask": np.arange(N) < 2})
    assert np.array_equal(env._observe()["view"][:2], start[:2])
    assert env.episodes.tolist() == [0] * N


def test_scene_and_pose_can_be_forced() -> None:
    env = make(glimpse=8)
    observation, info = env.reset(seed=0, options={"scene": 7, "pose": (0.4, 0.6)})
    assert info["scene"].tolist() == [7] * N
    assert (info["label"] == 7 % 3).all()
    assert np.allclose(observation["pose"] * 24, [[10, 14]])  # snapped to whole pixels
    assert env.reset(options={"scene": np.arange(N)})[1]["scene"].tolist() == list(range(N))
    mask = np.arange(N) == 1
    assert env.reset(options={"scene": 9, "reset_mask": mask})[1]["scene"].tolist() == [0, 9, 2, 3, 4]


@pytest.mark.parametrize("mode", MODES)
def test_tensors_are_the_other_face_of_the_same_step(mode: AutoresetMode) -> None:
    arrays = make(autoreset_mode=mode, noise=0.1)
    tensors = make(autoreset_mode=mode, noise=0.1, tensors=True)
    moves = actions(arrays, 3)
    one, other = rollout(arrays, moves, seed=0), rollout(tensors, [torch.from_numpy(m) for m in moves], seed=0)
    for a, b in zip(one, other, strict=True):
        assert b[0]["view"].dtype == torch.uint8
        for key in ("view", "pose"):
            assert np.array_equal(a[0][key], b[0][key].numpy())
        for key in ("executed", "commanded", "label", "scene", "_label"):
            assert isinstance(b[4][key], torch.Tensor)
            assert np.array_equal(a[4][key], b[4][key].numpy())
        for i in (1, 2, 3):
            assert a[i] is None or np.array_equal(a[i], b[i].numpy())
    if mode is AutoresetMode.SAME_STEP:
        batch, singles = other[-1][4]["final_obs"], one[-1][4]["final_obs"]
        assert np.array_equal(batch["view"].numpy(), np.stack([o["view"] for o in singles]))
    view = other[0][0]["view"].permute(0, 3, 1, 2)
    assert view.is_contiguous(memory_format=torch.channels_last)


def test_nothing_that_was_returned_is_touched_again() -> None:
    for tensors in (False, True):
        env = make(tensors=tensors)
        observation, info = env.reset(seed=0)
        kept = [np.asarray(value).copy() for value in (*observation.values(), *info.values())]
        for move in actions(env, 5):
            env.step(torch.from_numpy(move))
        assert all(map(np.array_equal, kept, (*observation.values(), *info.values())))
        for value in (*observation.values(), *info.values()):
            value[:] = 0  # nor does the user's hand reach inside
        assert env.step(move)[0]["view"].any()


def test_other_worlds_fit_without_a_word() -> None:
    env = ActiveVisionVectorEnv(3, CountingWorld(), render_mode="rgb_array")
    observation, _ = env.reset(seed=0)
    assert observation in env.observation_space
    assert env.action_space.low.min() == -9
    env.step(np.full((3, 1), 2.0, np.float32))
    frames = env.render()
    assert frames is not None
    assert frames[0].shape[2] == 3


def test_the_step_is_the_same_number_of_operations_for_any_number_of_rows() -> None:
    """No loop over environments: torch runs as many operations for one row as for two hundred."""
    counts = []
    for n in (1, 200):
        env = make(n, noise=0.1, tensors=True)
        env.reset(seed=0)
        move = torch.zeros(n, 2)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            for _ in range(4):
                env.step(move)
        counts.append(sum(e.count for e in profile.key_averages() if e.key.startswith("aten::")))
    assert counts[0] == counts[1]


BAD_ACTIONS = [
    (np.full((N, 2), np.nan), r"the action of row 0 is \[nan, nan\]"),
    (np.where(np.arange(N)[:, None] == 3, np.inf, np.zeros((N, 2))), "the action of row 3 is .inf"),
    (np.where(np.arange(N)[:, None] == 2, -1.01, np.zeros((N, 2))), r"row 2 .* in \[-1.0, 1.0\]"),
    (np.full((N, 2), 1e300), r"the action of row 0 is \[inf, inf\]"),
    (np.zeros((N, 3)), r"shape \(5, 3\), expected \(5, 2\)"),
    (np.zeros(2), r"shape \(2,\), expected \(5, 2\)"),
]


@pytest.mark.parametrize(("move", "message"), BAD_ACTIONS)
@pytest.mark.parametrize("tensors", [False, True])
def test_impossible_actions_are_refused_and_change_nothing(move: np.ndarray, message: str, tensors: bool) -> None:
    env = make(tensors=tensors)
    start, _ = env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.step(torch.from_numpy(move) if tensors else move)
    assert (env._observe()["pose"] == start["pose"]).all()
    assert not env._steps.any()


def test_rounding_is_forgiven() -> None:
    env = make()
    env.reset(seed=0)
    env.step(np.full((N, 2), 1 + 5e-7))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"reset_mask": [True] * N}, TypeError, "must be a boolean array"),
        ({"reset_mask": np.ones(N)}, TypeError, "must be a boolean array"),
        ({"reset_mask": np.ones(2, bool)}, ValueError, r"shape \(2,\), expected \(5,\)"),
        ({"reset_mask": np.zeros(N, bool)}, ValueError, "at least one row"),
        ({"scene": 50}, ValueError, r"'scene'\] of row 0 is 50, expected 0 … 49"),
        ({"scene": np.array([0, 1, -2, 3, 4])}, ValueError, "row 2 is -2"),
        ({"scene": 1.5}, ValueError, "must be an integer"),
        ({"scene": [1, 2]}, ValueError, "or 5 of them"),
        ({"pose": (0.5, np.nan)}, ValueError, "row 0 is .0.5, nan"),
        ({"pose": np.linspace(0, 1.25, 10).reshape(N, 2)}, ValueError, "row 4"),
        ({"pose": 0.5}, ValueError, "must be 2 numbers or 5 x 2"),
        ({"episode": -1}, ValueError, "'episode'. of row 0 is -1"),
        ({"sceen": 1}, ValueError, r"unknown reset options \['sceen'\]"),
    ],
)
def test_impossible_reset_options_are_refused_and_change_nothing(options: dict, error: type, message: str) -> None:
    env = make()
    start, _ = env.reset(seed=0)
    with pytest.raises(error, match=message):
        env.reset(options=options)
    assert np.array_equal(env._observe()["view"], start["view"])
    assert not env.episodes.any()


def test_options_of_rows_that_are_not_reset_may_be_anything() -> None:
    env, mask = make(3), np.array([True, False, False])
    start, _ = env.reset(seed=0)
    poses = np.array([[0.5, 0.5], [np.nan, 9], [-1, 0]])
    options = {"reset_mask": mask, "scene": np.array([1, -1, 99]), "pose": poses, "episode": np.array([4, -1, -2])}
    observation, info = env.reset(options=options)
    assert info["scene"][0] == 1
    assert np.allclose(observation["pose"][0], 0.5)
    assert np.array_equal(observation["pose"][1:], start["pose"][1:])
    assert env.episodes.tolist() == [4, 0, 0]
    with pytest.raises(ValueError, match=r"'scene'\] of row 2 is 99"):
        env.reset(options={**options, "reset_mask": ~mask & [True, False, True]})


def test_calls_out_of_order_are_refused() -> None:
    env = make(render_mode="rgb_array")
    for call in (lambda: env.step(np.zeros((N, 2))), env.render):
        with pytest.raises(ResetNeeded, match="before reset"):
            call()
    with pytest.raises(ResetNeeded, match="first reset"):
        env.reset(options={"reset_mask": np.arange(N) < 2})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_envs": 0}, "num_envs is 0"),
        ({"episode_steps": 0}, "episode_steps is 0, expected an integer from 1 to 4096"),
        ({"render_mode": "human"}, "render_mode is 'human'"),
        ({"autoreset_mode": "Never"}, "Never"),
        ({"world": "moon"}, "unknown world 'moon'"),
        ({"world": CountingWorld(), "glimpse": 3}, "already built"),
        ({"glimps": 3}, "glimps"),
    ],
)
def test_impossible_environments_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ActiveVisionVectorEnv(**options)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_runs_the_same_episode() -> None:
    here, there = make(noise=0.1), make(noise=0.1, tensors=True, device="cuda")
    moves = actions(here, 6)
    for a, b in zip(rollout(here, moves, seed=0), rollout(there, moves, seed=0), strict=True):
        assert b[0]["view"].is_cuda
        assert np.array_equal(a[0]["view"], b[0]["view"].cpu().numpy())
