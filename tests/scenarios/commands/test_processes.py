"""Several processes that train one world model: they learn what one would, stop together, and none waits for ever."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from fakes import processes
from fakes.processes import Command
from torch import Tensor

from gazeworld.agents.config import TrainConfig
from gazeworld.agents.runs import build
from gazeworld.agents.training import checkpoint
from gazeworld.scenarios.commands import _catalogue
from gazeworld.scenarios.commands._main import main

WORDS = [
    "train", "saccade-digits", "--train.batch", "8", "--train.log-every", "1", "--train.threads", "1",
    "--train.observed", "2", "--probe.online", "0", "--no-evaluate", "--device", "cpu",
]  # fmt: skip
TWO = ["--processes", "2"]


def ran(runs: Path, name: str, *words: str) -> Command:
    """A training to its end, in processes of its own."""
    return processes.ran([*WORDS, "--runs", str(runs), "--name", name, *words], runs / "told", OMP_NUM_THREADS="1")


def losses(folder: Path) -> list[float]:
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["train/loss"] for line in lines]


def weights_of(folder: Path) -> dict[str, Tensor]:
    found = checkpoint.latest(folder / "checkpoints")
    assert found is not None
    return checkpoint.read(found.path / "model.safetensors")


def until(found: Callable[[], object], seconds: float = 120) -> None:
    """Wait for something that is certain to come."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end
        time.sleep(0.05)


def children(process: int) -> list[int]:
    text = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True, check=False)
    return [int(word) for word in text.stdout.split()]


ENDLESS = [*WORDS, *TWO, "--name", "a", "--train.steps", "1000000", "--train.save-every", "5"]


@contextmanager
def training(runs: Path) -> Iterator[Command]:
    """The first of two processes of an endless training that has made some steps; afterwards nothing is left of it."""
    with Command([*ENDLESS, "--runs", str(runs)], runs / "told") as first:
        first.until(lambda: checkpoint.latest(runs / "a/checkpoints") is not None)
        yield first


@contextmanager
def begun(runs: Path) -> Iterator[subprocess.Popen[str]]:
    """The same from the command line, and its errors as long as any of its processes could tell one."""
    command = [sys.executable, "-m", "gazeworld.scenarios.commands._main", *ENDLESS, "--runs", str(runs)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            until(lambda: process.poll() is not None or checkpoint.latest(runs / "a/checkpoints") is not None)
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six steps in one process."""
    runs = tmp_path_factory.mktemp("one")
    os.environ["GAZEWORLD_CACHE"] = str(tmp_path_factory.getbasetemp() / "cache")
    assert main([*WORDS, "--runs", str(runs), "--name", "a", "--train.steps", "6"]) == 0
    return runs / "a"


def test_shared_statistics_make_two_processes_learn_what_one_does(one: Path, tmp_path: Path) -> None:
    done = ran(tmp_path, "shared", *TWO, "--train.steps", "6", "--train.sync-batch-norm")
    assert (done.code, done.err) == (0, "")
    assert losses(tmp_path / "shared") == pytest.approx(losses(one), abs=2e-5)
    made = json.loads((tmp_path / "shared/config.json").read_text(encoding="utf-8"))
    assert made["made_by"]["processes"] == 2
    assert made["config"]["train"]["sync_batch_norm"] is True
    weights = [weights_of(folder) for folder in (one, tmp_path / "shared")]
    for name, tensor in weights[0].items():
        if "running" in name or "batches" in name:
            assert tensor.tolist() == pytest.approx(weights[1][name].tolist(), rel=1e-2, abs=2e-3), name


def test_a_run_goes_on_with_another_number_of_processes_and_says_so(
    one: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = ran(tmp_path, "b", *TWO, "--train.steps", "6", "--train.save-every", "3")
    assert (done.code, done.err) == (0, "")
    plain = losses(tmp_path / "b")
    assert plain != pytest.approx(losses(one), abs=2e-5)  # each process normalises by its own rows
    folder = tmp_path / "b/checkpoints"
    newest = checkpoint.latest(folder)
    assert newest is not None
    assert newest.state()["resumed"] == []
    for file in newest.path.iterdir():
        file.unlink()
    newest.path.rmdir()
    assert main([*WORDS, "--runs", str(tmp_path), "--name", "b", "--resume"]) == 0
    assert "processes so far: 2, now: 1; from here on numbers differ" in capsys.readouterr().out
    assert losses(tmp_path / "b")[:3] == plain[:3]
    newest = checkpoint.latest(folder)
    assert newest is not None
    (resumed,) = newest.state()["resumed"]
    assert (newest.step, resumed["step"], resumed["processes"], resumed["device"]) == (6, 3, 1, "cpu")
    config = json.loads((tmp_path / "b/config.json").read_text(encoding="utf-8"))
    assert config["made_by"]["processes"] == 2


@pytest.mark.parametrize(("number", "which"), [("SIGTERM", 0), ("SIGINT", 1)])
def test_whoever_is_asked_to_stop_all_stop_and_save(number: str, which: int, tmp_path: Path) -> None:
    with training(tmp_path) as first:
        (other,) = children(first.pid)
        os.kill((first.pid, other)[which], signal.Signals[number])
        first.wait(60)
    assert (first.code, first.err) == (130, "")
    found = checkpoint.latest(tmp_path / "a/checkpoints")
    assert found is not None
    assert losses(tmp_path / "a")[found.step - 1 :] == losses(tmp_path / "a")[-1:]  # saved at its last step


def test_a_process_that_is_killed_ends_the_training_with_one_sentence(tmp_path: Path) -> None:
    with training(tmp_path) as first:
        (other,) = children(first.pid)
        os.kill(other, signal.SIGKILL)
        first.wait(60)
    assert first.code == 1
    assert first.err.count("\n") == 1
    assert first.err.startswith("gazeworld: error: process 2 of 2 was ended by SIGKILL; last good checkpoint: ")


def test_where_the_first_process_is_killed_the_other_says_so_and_ends(tmp_path: Path) -> None:
    with begun(tmp_path) as first:
        assert first.stderr is not None
        os.kill(first.pid, signal.SIGKILL)
        told = first.stderr.read()  # ends when the last process that holds it has ended
    assert told.count("\n") == 1
    assert told.startswith("gazeworld: error: the first of 2 processes is gone; last good checkpoint: ")


def test_what_fails_in_another_process_is_said_by_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os\n"
        "if os.environ.get('LOCAL_RANK') == '1':\n"
        "    import torch, gazeworld.agents.training.loop as loop\n"
        "    real = loop.update\n"
        "    def update(session, stream, step):\n"
        "        loss = real(session, stream, step)\n"
        "        return loss * float('nan') if step == 3 else loss\n"
        "    loop.update = update\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = ran(tmp_path, "c", *TWO, "--train.steps", "50", "--train.log-every", "1000")
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert done.err.startswith("gazeworld: error: process 2 of 2: the loss of step 3 is nan; its scenes were [")


REFUSED = {
    "train.batch is 8, not divisible by 3 processes": ["--processes", "3"],
    "one stream for each of 8 processes": ["--processes", "8"],
    "processes is 0, expected an integer from 1": ["--processes", "0"],
    "unknown source 'nowhere'": [*TWO, "--world.source", "nowhere"],
    "unknown method 'none'": [*TWO, "--method.name", "none"],
    "device 'cpu:7' cannot be used: there is cpu": ["--device", "cpu:7"],
    "device 'cuda:99' cannot be used: there is cpu": ["--device", "cuda:99"],
    "device 'tpu' cannot be used: there is cpu": ["--device", "tpu"],
    "device '' cannot be used: there is cpu": ["--device", ""],
    "device 'cuda:٣' cannot be used: there is cpu": ["--device", "cuda:٣"],
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_cannot_be_shared_out_is_refused_before_anything_is_started(
    sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin(*words: object, **options: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr("gazeworld.agents.runs.processes.subprocess.Popen", begin)
    words = [*WORDS, "--runs", str(tmp_path), "--name", "a", "--train.steps", "2", *REFUSED[sentence]]
    assert main(words) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1
    assert checkpoint.every(tmp_path / "a/checkpoints") == []
    assert "LOCAL_RANK" not in os.environ


@pytest.mark.parametrize("device", ["cuda:99", "tpu", "mars"])
def test_a_sweep_is_refused_once(device: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sweep", "saccade-digits", "--seeds", "0,1", "--runs", str(tmp_path), "--device", device]
    assert main(words) == 2
    told = capsys.readouterr()
    assert (told.out, told.err.count("cannot be used")) == ("", 1)
    assert list(tmp_path.iterdir()) == []


def test_one_stream_for_each_process_is_enough_where_statistics_are_shared() -> None:
    asked = _catalogue.load("saccade-digits").changed(train={"batch": 4, "sync_batch_norm": True})
    assert build.share_of(asked, 4) == 1
    with pytest.raises(ValueError, match="one stream for each of 4 processes"):
        build.share_of(asked.changed(train={"sync_batch_norm": False}), 4)
    assert not TrainConfig().sync_batch_norm
