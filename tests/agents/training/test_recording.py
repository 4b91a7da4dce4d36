"""Streams go into a Minari dataset and come back bit for bit; its own readers understand it; what is wrong is named."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from gazeworld.agents.policy import Choice, Memory, Policy, make_policy
from gazeworld.agents.training import recording
from gazeworld.agents.training.loop import POLICY, collect
from gazeworld.agents.training.recorded_streams import Recorded, StreamSource, open_recorded, settled
from gazeworld.agents.training.recording import DiffersError, Recording, record, replay
from gazeworld.envs.files import DataError, left_behind
from gazeworld.envs.rng import Draws
from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import OptionError
from gazeworld.envs.vector_env import ActiveVisionVectorEnv

minari = pytest.importorskip("minari")
h5py = pytest.importorskip("h5py")

ROWS, STEPS, EPISODES = 6, 3, 16
NAME = "gazeworld/digits/uniform-v0"
FIELDS = ("views", "actions", "poses", "labels", "scenes")


def env(**options: Any) -> ActiveVisionVectorEnv:
    """Eyes with motor noise, whose glimpses are so large that Minari takes them for images."""
    found = gymnasium.make_vec(
        "gazeworld/Saccade-v0",
        num_envs=ROWS,
        **{"source": "digits", "glimpse": 33, "noise": 0.02, "episode_steps": STEPS, "tensors": True, **options},
    )
    assert isinstance(found, ActiveVisionVectorEnv)
    return found


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of datasets with one in it."""
    made = env()
    folder, policy = tmp_path_factory.mktemp("datasets"), make_policy("uniform", made.world)
    record(made, policy, folder / NAME, Recording(EPISODES, NAME, {"name": "uniform"}, seed=5))
    return folder


@pytest.fixture
def copied(root: Path, tmp_path: Path) -> Path:
    """The same, to be damaged."""
    return Path(shutil.copytree(root, tmp_path / "datasets"))


def collected(k: int) -> Stream:
    """What training sees in its step k."""
    made = env()
    made.reset(seed=5)
    rng = Draws.rows(5, ROWS).fold(POLICY).fold(k)
    return collect(made, make_policy("uniform", made.world), STEPS + 1, rng, {"episode": k})


def same(one: Stream, other: Stream) -> bool:
    """Bit for bit, and in the same order in memory."""
    pairs = [(getattr(one, name), getattr(other, name)) for name in FIELDS]
    return all(torch.equal(a, b) and a.stride() == b.stride() and a.dtype == b.dtype for a, b in pairs)


def test_streams_come_back_bit_for_bit(root: Path) -> None:
    found = open_recorded(root)
    assert len(found) == EPISODES
    batches = list(found.batches(ROWS))
    assert [len(batch.scenes) for batch in batches] == [6, 6, 4]
    for k, batch in enumerate(batches[:2]):
        assert same(batch, collected(k))
    last = collected(2)
    assert torch.equal(batches[2].views, last.views[:4])
    assert found.about["policy"] == {"name": "uniform"}
    assert found.about["classes"] == [str(digit) for digit in range(10)]


def test_minaris_own_readers_understand_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(root))
    assert list(minari.list_local_datasets()) == [NAME]
    found = minari.load_dataset(NAME)
    assert (found.total_episodes, found.total_steps) == (EPISODES, EPISODES * STEPS)
    single = found.recover_environment()
    assert single.observation_space == found.observation_space
    metas = list(found.storage.get_episode_metadata(range(EPISODES)))
    for number, episode in enumerate(found.iterate_episodes()):
        views, infos = episode.observations["view"], episode.infos
        assert views.shape == (STEPS + 1, 33, 33, 1)
        assert episode.rewards.tolist() == [0.0] * STEPS
        assert episode.terminations.tolist() == [False] * STEPS
        assert episode.truncations.tolist() == [False, False, True]
        assert all(len(values) == STEPS + 1 and np.isfinite(values).all() for values in infos.values())
        if number % 7 == 0:
            seen, info = single.reset(seed=metas[number]["seed"], options=metas[number]["options"])
            for step, action in enumerate(episode.actions):
                assert np.array_equal(seen["view"], views[step])
                assert info["scene"] == infos["scene"][step]
                seen, _, terminated, truncated, info = single.step(action)
                assert np.array_equal(info["executed"], infos["executed"][step + 1])
                assert (terminated, truncated) == (False, step == STEPS - 1)
            assert np.array_equal(seen["view"], views[-1])
            assert np.array_equal(seen["pose"], episode.observations["pose"][-1])


class Far(Policy):
    """Looks further than the image goes."""

    def act(self, memory: Memory, rng: Draws) -> Choice:
        action = torch.full((len(memory.scenes), 2), 0.75)
        return Choice(action, action[:, 0])


def test_actions_are_as_they_were_given_and_whatever_is_observed_is_kept(tmp_path: Path) -> None:
    made = env(glimpse=16, observe=["periphery"])
    record(made, Far(), tmp_path / "x", Recording(ROWS))
    episode = next(iter(minari.MinariDataset(str(tmp_path / "x/data"))))
    made.reset(seed=0)
    seen, _ = made.reset(options={"episode": 0})
    assert np.array_equal(episode.observations["periphery"][0], seen["periphery"][0].numpy())
    found = open_recorded(tmp_path)
    assert (found.moves == 0.75).all()
    assert (found.streams.actions[:, 1:] < 0.75).all(), "what was commanded ends at the border"
    assert replay(found) == ROWS


def test_training_goes_through_a_dataset_and_begins_again(root: Path) -> None:
    found = open_recorded(root)
    source = StreamSource(found, ROWS, STEPS, 3, torch.device("cpu"))
    assert same(source(1), collected(1).first(STEPS)) or torch.equal(source(1).views, collected(1).views[:, :STEPS])
    later = [source(step) for step in (2, 3, 4, 5)]
    for turn in (later[:2], later[2:]):
        seen = torch.cat([part.poses.flatten(1) for part in turn])
        assert len(seen.unique(dim=0)) == 2 * ROWS, "no stream twice in a pass"
    assert not torch.equal(later[0].poses, later[2].poses)
    assert torch.equal(StreamSource(found, ROWS, STEPS, 3, torch.device("cpu"))(5).views, later[3].views)
    assert not torch.equal(StreamSource(found, ROWS, STEPS, 4, torch.device("cpu"))(5).views, later[3].views)
    parts = [StreamSource(found, ROWS, STEPS, 3, torch.device("cpu"), first, 3)(4) for first in (0, 3)]
    assert torch.equal(torch.cat([part.views for part in parts]), later[2].views)


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({}, {"glimpse": 16}, r"views of \(1, 33, 33\) numbers, but those of the scenario have \(1, 16, 16\)"),
        ({"length": 9}, {}, "streams of 4 views, expected 9"),
        ({"size": 17}, {}, r"16 streams, expected train.batch = 17 or more"),
    ],
)
def test_streams_that_do_not_fit_are_refused(
    root: Path, changes: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    whole = {"size": ROWS, "length": STEPS, "seed": 0, "device": torch.device("cpu"), **changes}
    with pytest.raises(ValueError, match=f"{NAME}: {message}"):
        StreamSource(open_recorded(root), **whole).require_fitting(env(**options).world)


class Stops(Policy):
    """Is interrupted in its second batch."""

    def __init__(self, inner: Policy) -> None:
        self._inner, self._asked = inner, 0

    def act(self, memory: Memory, rng: Draws) -> Choice:
        self._asked += 1
        if self._asked > STEPS:
            raise KeyboardInterrupt
        return self._inner.act(memory, rng)


def test_an_interrupted_recording_leaves_nothing(tmp_path: Path) -> None:
    made = env()
    with pytest.raises(KeyboardInterrupt):
        record(made, Stops(make_policy("uniform", made.world)), tmp_path / "x", Recording(EPISODES))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".x.0123456789abcdef.draft").mkdir()  # what a kill leaves
    assert left_behind(tmp_path, "x")
    record(made, make_policy("uniform", made.world), tmp_path / "x", Recording(2))
    assert [one.name for one in tmp_path.iterdir()] == ["x"]
    with pytest.raises(ValueError, match=r"x: is there already, expected a new folder"):
        record(made, make_policy("uniform", made.world), tmp_path / "x", Recording(2))


def test_environments_that_cannot_be_recorded_are_refused(tmp_path: Path) -> None:
    for options in ({"tensors": False}, {"autoreset_mode": AutoresetMode.SAME_STEP}):
        made = env(**options)
        with pytest.raises(OptionError, match="expected tensors=True and NextStep or Disabled"):
            record(made, make_policy("uniform", made.world), tmp_path / "x", Recording(2))
    with pytest.raises(OptionError, match=r"id is 'no version', expected one as Minari has them"):
        Recording(1, "no version")


def test_replaying_proves_every_bit(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_MOST", 4)
    told: list[int] = []
    assert replay(copied, lambda what, done, total: told.append(done)) == EPISODES
    assert told == [4, 6, 10, 12, 16]
    with h5py.File(copied / NAME / "data/main_data.hdf5", "a") as file:
        file["episode_9/observations/view"][2, 0, 0, 0] ^= 1
    with pytest.raises(DiffersError, match=rf"{NAME}: views of episode 9, view 2 are not those .*\(1 of"):
        replay(copied)


def changed(root: Path, **facts: Any) -> None:
    """Other metadata."""
    file = root / NAME / "data/metadata.json"
    found = {**json.loads(file.read_text()), **facts}
    file.write_text(json.dumps({key: value for key, value in found.items() if value is not None}))


def test_other_data_and_unknown_environments_are_told_apart(copied: Path) -> None:
    about = json.loads((copied / NAME / "data/metadata.json").read_text())["gazeworld"]
    changed(copied, gazeworld={**about, "fingerprint": "f00"})
    with pytest.raises(DiffersError, match="recorded on data f00, but the source now is"):
        replay(copied)
    changed(copied, env_spec=None)
    assert len(open_recorded(copied)) == EPISODES, "an environment that Gymnasium cannot make still gave streams"
    with pytest.raises(ValueError, match="does not say how to make its environment"):
        replay(copied)
    changed(copied, gazeworld=None)
    with pytest.raises(DataError, match=r"a dataset that names no environment, expected one of gazeworld/…"):
        open_recorded(copied)


def test_datasets_of_other_environments_are_refused(tmp_path: Path) -> None:
    from minari.data_collector import EpisodeBuffer
    from minari.dataset.minari_storage import MinariStorage

    (tmp_path / "cart").mkdir()
    storage = MinariStorage.new(tmp_path / "cart/data", env_spec=gymnasium.spec("CartPole-v1"))
    storage.update_metadata({"dataset_id": "cart/pole-v0", "minari_version": minari.__version__})
    steps = {"rewards": [1.0], "terminations": [True], "truncations": [False]}
    storage.update_episodes([EpisodeBuffer(observations=np.zeros((2, 4), np.float32), actions=[0], **steps)])
    with pytest.raises(DataError, match=r"^cart/pole-v0: a dataset of the environment 'CartPole-v1', expected one of"):
        open_recorded(tmp_path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("cut", "cannot be read as a Minari dataset"),
        ("metadata", "not a whole JSON file"),
        ("infos", "episode 3 has no commanded, expected what `gazeworld data record` writes"),
        ("length", "of episode 3 is of shape .*, expected episodes alike"),
        ("nan", "pose holds float32 or numbers that are not finite"),
    ],
)
def test_damaged_datasets_are_named(copied: Path, damage: str, message: str) -> None:
    file = copied / NAME / "data/main_data.hdf5"
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:2000])
    elif damage == "metadata":
        (file.parent / "metadata.json").write_text("{")
    else:
        with h5py.File(file, "a") as opened:
            episode = opened["episode_3"]
            if damage == "infos":
                del episode["infos/commanded"]
            elif damage == "length":
                del episode["actions"]
                episode["actions"] = np.zeros((2, 2), np.float32)
            else:
                episode["observations/pose"][1, 0] = np.nan
    with pytest.raises(DataError, match=message):
        open_recorded(copied)


def test_datasets_are_found_by_id_and_by_folder(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = root / NAME / "data"
    for name in (root, root / "gazeworld", root / NAME, place):
        assert open_recorded(name).path == place
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(root))
    assert open_recorded(NAME).fingerprint == open_recorded(root).fingerprint
    with pytest.raises(DataError, match=rf"cart-v0: neither a folder nor the id of a dataset in .*; there are: {NAME}"):
        open_recorded("cart-v0")
    with pytest.raises(DataError, match=r"no Minari dataset in it, expected data/metadata\.json"):
        open_recorded(tmp_path)
    shutil.copytree(root / NAME, root / "gazeworld/other-v0")
    try:
        with pytest.raises(DataError, match=r"2 datasets in it, expected one of them: .*uniform-v0, .*other-v0"):
            open_recorded(root)
    finally:
        shutil.rmtree(root / "gazeworld/other-v0")
    monkeypatch.chdir(root)
    assert settled("gazeworld") == str(place)
    assert settled(NAME + "0") == NAME + "0"
    assert settled("") == ""


def test_without_minari_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ValueError, match=r"h5py is not installed; pip install 'gazeworld\[minari\]'"):
        open_recorded(tmp_path)
    assert issubclass(Recorded, object)
