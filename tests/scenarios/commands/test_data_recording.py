"""`gazeworld data record` and `replay`, and learning from what was recorded, which is the training that was."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from gazeworld.scenarios.commands._main import main

pytest.importorskip("minari")
h5py = pytest.importorskip("h5py")

SMALL = ["--train.batch", "8", "--train.observed", "2"]
TINY = [
    *SMALL, "--train.steps", "3", "--train.log-every", "1", "--train.save-every", "1", "--train.threads", "1",
    "--probe.online", "16", "--no-evaluate", "--device", "cpu",
]  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of datasets with one in it, of three batches of a training."""
    folder = tmp_path_factory.mktemp("datasets")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAZEWORLD_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        words = ["--episodes", "24", "--out", str(folder), *SMALL, "--policy", "uniform", "--seed", "4"]
        assert main(["data", "record", "saccade-digits", *words]) == 0
    return folder


NAME = "gazeworld/saccade-digits/uniform-v0"


def test_a_dataset_is_looked_into_and_proved(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(root))
    for name in (str(root), NAME):
        assert main(["data", "replay", name]) == 0
        out = " ".join(capsys.readouterr().out.split())
        assert f"{NAME}: 24 episodes of 3 views of 16 × 16 × 1, " in out
        assert "environment: gazeworld/Saccade-v0, split train: 24 scenes, " in out
        assert "looked at by: uniform, seed 4" in out
        assert "of all 24 episodes are the same, bit for bit" in out


def test_what_is_not_the_same_fails(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Path(shutil.copytree(root, tmp_path / "d")) / NAME / "data"
    with h5py.File(place / "main_data.hdf5", "a") as file:
        file["episode_0/actions"][0, 0] *= -1
    assert main(["data", "replay", str(place)]) == 1
    assert f"{NAME}: poses of episode 0, view 1 are not those that the environment gives" in capsys.readouterr().err
    facts = json.loads((place / "metadata.json").read_text())
    (place / "metadata.json").write_text(
        json.dumps(facts).replace('\\"source\\": \\"digits\\"', '\\"source\\": \\"gone\\"')
    )
    assert main(["data", "replay", str(place)]) == 0
    assert "not replayed, its environment cannot be made here: " in " ".join(capsys.readouterr().out.split())


def test_learning_from_streams_is_the_training_that_was_recorded(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "saccade-digits", "--runs", str(tmp_path), "--policy", "uniform", "--seed", "4", *TINY]
    assert main([*words, "--name", "seen"]) == 0
    monkeypatch.chdir(root)
    assert main([*words, "--name", "read", "--train.streams", "gazeworld"]) == 0
    one, other = (tmp_path / name / "checkpoints/step-00000003" for name in ("seen", "read"))
    assert (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
    config = json.loads((tmp_path / "read/config.json").read_text())
    assert config["config"]["train"]["streams"] == str(root / NAME / "data")
    monkeypatch.chdir(tmp_path)
    for step in (2, 3):  # as if it had been interrupted after its first step
        shutil.rmtree(tmp_path / f"read/checkpoints/step-{step:08d}", ignore_errors=True)
    assert main([*words, "--name", "read", "--train.streams", str(root), "--resume"]) == 0
    assert (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
    capsys.readouterr()
    place = Path(shutil.copytree(root, tmp_path / "d")) / NAME / "data"
    with h5py.File(place / "main_data.hdf5", "a") as file:
        file["episode_0/observations/view"][0, 0, 0] ^= 1
    file = tmp_path / "read/config.json"
    file.write_text(file.read_text().replace(str(root / NAME / "data"), str(place)))
    assert main(["train", "saccade-digits", "--runs", str(tmp_path), "--name", "read", "--resume"]) == 2
    assert "read: trained on streams " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["train", "saccade-digits", "--train.streams", "ROOT", *TINY, "--train.batch", "32"],
            "expected train.batch = 32",
        ),
        (["train", "saccade-digits", "--train.streams", "nowhere-v0"], "neither a folder nor the id of a dataset in"),
        (["train-jointly", "saccade-digits", "--train.streams", "ROOT"], "learns from what that sees; expected none"),
        (["data", "replay", "nowhere-v0"], "neither a folder nor the id of a dataset in"),
        (["data", "record", "saccade-digits", "--out", "ROOT", "--policy", "uniform", *SMALL], "is there already"),
        (["data", "record", "saccade-digits", "--out", "ROOT", "--id", "no id"], "id is 'no id', expected one as"),
        (["data", "record", "saccade-digits", "--out", "ROOT", "--policy", "novelty"], "has no world model"),
        (["data", "record", "nothing"], "unknown scenario 'nothing'"),
        (["data", "records"], "there are: render, pack, saliency, check, download, record, replay"),
    ],
)
def test_mistakes_are_told_in_one_sentence(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    given = [str(root) if word == "ROOT" else word for word in words]
    given += ["--runs", str(tmp_path), "--name", "no"] if words[0].startswith("train") else []
    assert main(given) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "no").exists()
    assert [one.name for one in root.rglob("*-v*")] == ["uniform-v0"]


def test_ctrl_c_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    from gazeworld.agents.training import recording

    monkeypatch.setattr(recording, "_buffers", interrupted)
    assert main(["data", "record", "saccade-digits", "--out", str(tmp_path), "--episodes", "4", *SMALL]) == 130
    assert "stopped; nothing was written" in capsys.readouterr().out
    assert not list(tmp_path.rglob("*data*"))


def test_help_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "record"]) == 2
    assert "usage: gazeworld data record SCENARIO [OPTIONS]" in capsys.readouterr().out
    for words in (["data", "record", "saccade-digits", "--help"], ["data", "replay", "--help"]):
        with pytest.raises(SystemExit, match="0"):
            main(words)
    assert "--episodes" in capsys.readouterr().out


def test_own_data_are_recorded_under_their_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my cats").mkdir()
    for i in range(8):
        Image.new("RGB", (40, 30), (i, 0, 0)).save(tmp_path / "my cats" / f"{i}.png")
    words = ["data", "record", "saccade", "--data", str(tmp_path / "my cats"), "--policy", "uniform", *SMALL]
    assert main([*words, "--episodes", "4", "--out", str(tmp_path / "out")]) == 0
    assert "to learn from it: gazeworld train saccade --data" in " ".join(capsys.readouterr().out.split())
    assert main(["data", "replay", str(tmp_path / "out")]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "no labels" in out
    assert "of all 4 episodes are the same, bit for bit" in out
    assert [one.parent.name for one in (tmp_path / "out").rglob("uniform-v0")] == ["saccade-my-cats"]
