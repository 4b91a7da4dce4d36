"""One writer a folder: two trainings at once, a run in training that is resumed, and locks that a kill let go."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fakes.processes import Command

from gazeworld.agents.planning import ensemble
from gazeworld.agents.runs import lock, planning_measures
from gazeworld.agents.training import checkpoint, loop
from gazeworld.scenarios.commands._main import main

QUICK = [
    "--train.steps", "3", "--train.batch", "4", "--train.save-every", "2", "--probe.online", "0", "--no-evaluate",
    "--method.dim", "8", "--method.width", "4", "--device", "cpu",
]  # fmt: skip
HOLD = """
import sys, time
from pathlib import Path
from gazeworld.agents.runs import lock
with lock.held(Path(sys.argv[1]), "gazeworld train 'a b'"):
    print("held", flush=True)
    time.sleep(100)
"""


def train(folder: Path, *words: str) -> int:
    return main(["train", "saccade-digits", "--runs", str(folder), "--name", "a", *QUICK, *words])


@contextmanager
def another(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock of a folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_who_trains_is_named_to_whom_else_would(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(tmp_path) == 0
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    capsys.readouterr()
    with another(tmp_path / "a") as process:
        for words in ([], ["--resume"]):
            assert train(tmp_path, *words) == 2
            said = capsys.readouterr().err
            assert f"{tmp_path / 'a'}: being written by process {process.pid} on " in said
            assert "gazeworld train 'a b'; wait for it to end" in said
        assert main(["watch", str(tmp_path / "a"), "--scenes", "1", "--out", str(tmp_path / "seen")]) == 0
    assert {file: file.read_bytes() for file in before} == before
    assert train(tmp_path, "--resume") == 0, "the lock of a process that was killed is nobody's"
    assert not (tmp_path / "a" / lock.FILE).exists()


def test_a_new_folder_goes_to_one_of_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    update, codes = loop.update, list[int]()

    def meanwhile(*given: Any) -> Any:
        if not codes:
            codes.append(train(tmp_path, "--seed", "1"))
            codes.append(train(tmp_path, "--resume"))
        return update(*given)

    monkeypatch.setattr(loop, "update", meanwhile)
    assert train(tmp_path) == 0
    assert codes == [2, 2]
    assert capsys.readouterr().err.count(f"being written by process {os.getpid()} on ") == 2
    newest = checkpoint.latest(tmp_path / "a/checkpoints")
    assert newest is not None
    config = json.loads((tmp_path / "a/config.json").read_text())["config"]
    assert config["seed"] == newest.state()["seed"] == 0


def test_two_processes_that_begin_at_once_leave_one_run(tmp_path: Path) -> None:
    words = ["train", "saccade-digits", *QUICK, "--runs", str(tmp_path), "--name", "a", "--seed"]
    with Command([*words, "0"], tmp_path / "told-0") as first, Command([*words, "1"], tmp_path / "told-1") as second:
        codes = [one.wait().code for one in (first, second)]
        assert sorted(codes, key=str) == [0, 2], (first.err, second.err)
    seed = codes.index(0)
    newest = checkpoint.latest(tmp_path / "a/checkpoints")
    assert newest is not None
    assert newest.state()["seed"] == json.loads((tmp_path / "a/config.json").read_text())["config"]["seed"] == seed


def test_heads_wait_for_no_other_heads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert train(tmp_path, "--train.observed", "2") == 0
    save, codes = ensemble.save_ensemble, list[int]()
    words = ["fit-ensemble", str(tmp_path / "a"), "--scenes", "20", "--epochs", "1"]
    words += ["--label-epochs", "0", "--hidden", "4"]

    def meanwhile(*given: Any) -> None:
        codes.append(0)
        if len(codes) == 1:
            assert main([*words, "--device", "cpu"]) == 2
        save(*given)

    monkeypatch.setattr(planning_measures, "save_ensemble", meanwhile)
    (tmp_path / "a/.ensemble-draft-7").mkdir()
    assert main([*words, "--device", "cpu"]) == 0
    assert "being written by" in capsys.readouterr().err
    assert sorted(one.name for one in (tmp_path / "a/ensemble").iterdir()) == ["ensemble.json", "ensemble.safetensors"]
    assert not list((tmp_path / "a").glob(".*"))


def test_a_folder_made_for_a_lock_goes_with_it_if_nothing_came_of_it(tmp_path: Path) -> None:
    with lock.held(tmp_path / "a/b", "x"):
        assert json.loads((tmp_path / "a/b/.lock").read_text())["pid"] == os.getpid()
        with pytest.raises(lock.BusyError, match="being written by"), lock.held(tmp_path / "a/b", "y"):
            pass
    assert not (tmp_path / "a").exists()
    with lock.held(tmp_path / "a/b", "x"):
        (tmp_path / "a/b/file").touch()
    assert [one.name for one in (tmp_path / "a/b").iterdir()] == ["file"]


def test_a_note_decides_only_where_the_system_has_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    me = lock.Owner.me("x")
    notes = {
        "another process with the number of one that is gone": (vars(me) | {"started": "long ago"}, True),
        "a process that is gone": (vars(me) | {"pid": 2**22 + 1}, True),
        "this process": (vars(me), False),
        "a process of another machine": (vars(me) | {"host": "elsewhere"}, False),
        "no note": ("", True),
        "half a note": ('{"host": "el', True),
        "another note": ({"host": 1, "pid": None, "started": 2, "since": 3, "command": 4}, True),
        "a note nested too deep": ("[" * 100_000, True),
    }

    def none(handle: int, file: Path) -> bool:
        owner = lock.Owner.read(file)
        return owner is None or not owner.alive()

    for what, (note, free) in notes.items():
        (tmp_path / lock.FILE).write_text(note if isinstance(note, str) else json.dumps(note))
        with lock.held(tmp_path, "x"):  # the system's own lock, which nobody has
            pass
        (tmp_path / lock.FILE).write_text(note if isinstance(note, str) else json.dumps(note))
        with monkeypatch.context() as patch:
            patch.setattr(lock, "_lock", none)
            if free:
                with lock.held(tmp_path, "x"):
                    pass
            else:
                with pytest.raises(lock.BusyError, match=f"delete {tmp_path}|since"), lock.held(tmp_path, "x"):
                    pytest.fail(what)
                (tmp_path / lock.FILE).unlink()


def test_a_copy_of_the_owner_that_outlives_it_holds_nothing(tmp_path: Path) -> None:
    code = HOLD.replace(
        'print("held"', "import os\n    child = os.fork()\n    if not child: print(os.getpid()"
    ).replace("time.sleep(100)", "time.sleep(100 if child else 3)")
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    process.kill()
    process.wait()
    with lock.held(tmp_path, "x"):
        assert os.path.exists(f"/proc/{child}") or not os.path.exists("/proc")
    os.kill(child, signal.SIGKILL)
    process.communicate()
