"""Kills and full disks: whatever lies there afterwards goes on or is begun again, and what was saved is whole."""

import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from fakes.killing import killed
from rich.console import Console
from safetensors.torch import load_file
from torch import nn

from gazeworld.agents.training import checkpoint
from gazeworld.agents.training.recorder import Recorder
from gazeworld.scenarios.commands._main import main
from gazeworld.scenarios.reports.tables import write

QUICK = [
    "--train.steps", "4", "--train.batch", "4", "--train.save-every", "2", "--train.log-every", "1", "--train.keep",
    "1", "--probe.online", "0", "--no-evaluate", "--method.dim", "8", "--method.width", "4", "--train.observed", "2",
    "--device", "cpu",
]  # fmt: skip


def words(folder: Path, name: str) -> list[str]:
    return ["train", "saccade-digits", "--runs", str(folder), "--name", name, *QUICK]


@contextmanager
def full_after(size: int) -> Iterator[None]:
    """No file grows beyond so many bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody killed."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAZEWORLD_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        assert main(words(folder, "run")) == 0
    return folder / "run"


@pytest.mark.parametrize(
    ("moment", "resume"),
    [(".draft", False), ("metrics.jsonl", True), ("step-00000002", True), ("figures", True)],
)
def test_a_run_that_was_killed_ends_as_if_nothing_had_happened(
    moment: str, resume: bool, whole: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "run"
    assert killed(moment, words(tmp_path, "run"), tmp_path / "told") == -9
    assert (cut / ".lock").is_file() or moment == "figures"
    assert main(words(tmp_path, "run")) == (2 if resume else 0)
    assert not resume or main([*words(tmp_path, "run"), "--resume"]) == 0
    names = [sorted(str(file.relative_to(one)) for file in one.rglob("*.json*")) for one in (whole, cut)]
    assert names[0] == names[1]
    assert not list(cut.rglob(".*")), "no draft and no lock stays"
    assert (whole / "metrics.jsonl").read_text() == (cut / "metrics.jsonl").read_text()
    both = [load_file(one / "checkpoints/step-00000004/model.safetensors") for one in (whole, cut)]
    assert all(torch.equal(value, both[1][name]) for name, value in both[0].items())


@pytest.mark.parametrize("left", ["", "{", "null", '{"scenario": "saccade-digits", "con', "draft"])
def test_a_folder_without_a_whole_configuration_and_a_checkpoint_is_no_run(
    left: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "a"
    (folder / "checkpoints/.draft-00000002-7").mkdir(parents=True)
    (folder / "tensorboard").mkdir()
    (folder / "metrics.jsonl").write_text('{"step": 3, "train/lo')
    (folder / (".config.json.12.draft" if left == "draft" else "config.json")).write_text(left)
    assert main([*words(tmp_path, "a"), "--resume"]) == 2
    assert "there is no run to go on with: begin it without --resume" in capsys.readouterr().err
    assert main(words(tmp_path, "a")) == 0
    assert [one.name for one in (folder / "checkpoints").iterdir()] == ["step-00000004"]
    assert not list(folder.rglob(".*"))


def test_what_is_not_ours_is_never_cleared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    for name, text in (("notes.txt", "mine"), ("config.json", '{"editor": "mine"}')):
        (folder / name).write_text(text)
        assert main(words(tmp_path, "a")) == 2
        assert f"{folder}: holds {name} and no run" in capsys.readouterr().err
        assert [one.name for one in folder.iterdir()] == [name]
        assert (folder / name).read_text() == text
        (folder / name).unlink()


def test_a_run_that_fails_before_its_first_step_leaves_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise ValueError("no step for you")

    with monkeypatch.context() as patch:
        patch.setattr("gazeworld.agents.training.loop.update", failing)
        assert main(words(tmp_path / "runs", "a")) == 2
    assert "no step for you" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_a_full_disk_costs_the_present_checkpoint_alone(tmp_path: Path) -> None:
    module = nn.Linear(40, 40)
    optimiser = torch.optim.AdamW(module.parameters())
    saved = checkpoint.save(tmp_path, 1, module, optimiser, {}, keep=1)
    with (
        full_after(1000),
        pytest.raises(OSError, match=r"step-00000002/model\.safetensors: cannot be written: File too"),
    ):
        checkpoint.save(tmp_path, 2, module, optimiser, {}, keep=1)
    assert [one.name for one in tmp_path.iterdir()] == ["step-00000001"]
    checkpoint.load_model(saved, module)


def test_a_full_disk_is_named_by_whatever_is_written(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, start=0, steps=9, console=Console(quiet=True))
    recorder.scalars(1, {"a": 1.0})
    with full_after((tmp_path / "metrics.jsonl").stat().st_size + 5):
        with pytest.raises(OSError, match=r"File too large: '.*metrics\.jsonl'"):
            recorder.scalars(2, {"a": 2.0})
        recorder.close()
    again = Recorder(tmp_path, start=1, steps=9, console=Console(quiet=True))
    again.close()
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1, "a": 1.0}\n'
    write({"a": 1}, tmp_path / "probes.json")
    with full_after(5), pytest.raises(OSError, match=r"File too large: '.*probes\.json'"):
        write({"a": [2] * 99}, tmp_path / "probes.json")
    assert (tmp_path / "probes.json").read_text() == '{\n "a": 1\n}\n'
    assert not list(tmp_path.glob(".*"))


def test_half_deleted_checkpoints_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = nn.Linear(2, 2)
    optimiser = torch.optim.AdamW(module.parameters())
    checkpoint.save(tmp_path, 1, module, optimiser, {}, keep=0)

    def killed(path: Path, **_: object) -> None:
        next(one for one in path.rglob("*") if one.is_file()).unlink() if path.exists() and "old" in path.name else None
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda path, ignore_errors=False: ignore_errors or killed(path))
        with pytest.raises(KeyboardInterrupt):
            checkpoint.save(tmp_path, 2, module, optimiser, {}, keep=1)
    assert [one.step for one in checkpoint.every(tmp_path)] == [2]
    checkpoint.sweep(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["step-00000002"]
