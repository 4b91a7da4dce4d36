"""The vector environment as Gymnasium's own tools meet it: specs, frames, wrappers."""

import json
import pickle
import sys
from pathlib import Path
from types import ModuleType

import gymnasium
import numpy as np
import pytest
from fakes.worlds import N, actions, make
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics, RecordVideo

from gazeworld.envs import render
from gazeworld.envs.vector_env import ActiveVisionVectorEnv

MODES = list(AutoresetMode)
SMALL = {"split": "test", "source_options": {"variants": 1}}  # digits that are drawn in no time


@pytest.mark.parametrize("mode", MODES)
def test_specs_pickle_and_serialise(mode: AutoresetMode) -> None:
    env = gymnasium.make_vec("gazeworld/Saccade-v0", num_envs=2, autoreset_mode=mode.value, glimpse=16, **SMALL)
    assert isinstance(env, ActiveVisionVectorEnv)
    assert env.spec is not None
    assert env.metadata["autoreset_mode"] is mode
    view = env.reset(seed=1)[0]["view"]
    for spec in (
        pickle.loads(pickle.dumps(env.spec)),
        gymnasium.envs.registration.EnvSpec.from_json(env.spec.to_json()),
    ):
        assert json.loads(spec.to_json())["kwargs"]["glimpse"] == 16
        again = gymnasium.make_vec(spec)
        assert again.num_envs == 2
        assert again.metadata["autoreset_mode"] is mode
        assert np.array_equal(again.reset(seed=1)[0]["view"], view)


def test_frames_show_where_the_sensor_looks() -> None:
    env = make(3, render_mode="rgb_array")
    env.reset(seed=0)
    first = env.render()
    env.step(actions(env, 1)[0])
    second = env.render()
    assert first is not None
    assert second is not None
    assert len(first) == 3
    for frame in (*first, *second):
        assert frame.dtype == np.uint8
        assert frame.shape == first[0].shape
        assert frame.ndim == 3
    assert not np.array_equal(first[0], second[0])
    assert not np.array_equal(second[0], second[1])
    still = make(3)
    still.reset(seed=0)
    with pytest.warns(UserWarning, match="without render_mode"):
        assert still.render() is None


@pytest.mark.parametrize("steps", [143, 144, 441, 2000])
def test_frames_of_long_episodes_show_the_last_views(steps: int) -> None:
    """However long an episode is, every view of which there is a tile can be seen in it."""
    views = np.zeros((steps + 1, 8, 8, 3), np.uint8)
    sizes = {render.draw(None, None, views[:count], steps + 1).shape for count in (1, 2, 150, steps + 1)}
    assert len(sizes) == 1
    without = render.draw(None, None, views, steps + 1)[render.SIDE // 2 :]
    views[-1] = 255
    difference = render.draw(None, None, views, steps + 1)[render.SIDE // 2 :] != without
    assert difference.any()
    views[-1], views[-30] = 0, 255
    assert (render.draw(None, None, views, steps + 1)[render.SIDE // 2 :] != without).any()


def test_a_long_episode_is_rendered() -> None:
    env = make(1, render_mode="rgb_array", episode_steps=441)
    env.reset(seed=0)
    frames = env.render()
    assert frames is not None
    assert frames[0].any()


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_gymnasium_records_videos(mode: AutoresetMode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MoviePy, which only writes the file, is replaced: what counts are the frames that reach it."""
    films: list[list[np.ndarray]] = []

    class Clip:
        def __init__(self, frames: list[np.ndarray], fps: int) -> None:
            films.append(frames)

        def write_videofile(self, path: str, logger: str | None) -> None:
            del path, logger

    for name in ("moviepy", "moviepy.video", "moviepy.video.io", "moviepy.video.io.ImageSequenceClip"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(sys.modules["moviepy.video.io.ImageSequenceClip"], "ImageSequenceClip", Clip, raising=False)
    env = make(4, render_mode="rgb_array", autoreset_mode=mode)
    moves = actions(env, 5)
    film = RecordVideo(env, str(tmp_path / "film"), episode_trigger=lambda _: True)
    film.reset(seed=0)
    for move in moves[:3]:
        film.step(move)
    if mode is AutoresetMode.DISABLED:
        film.reset(options={"reset_mask": np.ones(4, bool)})
    film.step(moves[3])
    film.close()
    assert len(films[0]) == 4  # reset and three steps
    assert len(films) == 2
    assert all(frame.shape == films[0][0].shape for frame in films[0] + films[1])
    assert any(not np.array_equal(films[0][0], frame) for frame in films[0][1:])


@pytest.mark.parametrize("mode", MODES)
def test_gymnasium_counts_episodes(mode: AutoresetMode) -> None:
    env = RecordEpisodeStatistics(make(autoreset_mode=mode))
    env.reset(seed=0)
    for move in actions(env.unwrapped, 3):
        info = env.step(move)[4]
    assert info["_episode"].all()
    assert info["episode"]["l"].tolist() == [3] * N
    if mode is AutoresetMode.DISABLED:
        env.reset(options={"reset_mask": np.arange(N) < 2})
        assert env.episode_lengths.tolist() == [0, 0, 3, 3, 3]
