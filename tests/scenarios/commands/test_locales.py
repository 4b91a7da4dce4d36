"""Output as the world has it: terminals that know few signs, readers that leave early, disks that are full."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gazeworld.agents.training import checkpoint
from gazeworld.agents.training.interrupt import hang_up, interruptible, listen

WORDS = [sys.executable, "-m", "gazeworld.scenarios.commands._main"]
TRAIN = [
    "train", "saccade-digits", "--train.batch", "8", "--train.log-every", "1", "--train.threads", "1",
    "--probe.online", "0", "--no-evaluate", "--device", "cpu",
]  # fmt: skip
POOR = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "latin-1": {"PYTHONIOENCODING": "iso-8859-1"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}


def ran(words: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A command in a process of its own, in an environment that says nothing of encodings but what is given."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHONIO", "PYTHONUTF8"))}
    return subprocess.run(
        [*WORDS, *words], cwd=folder, env=plain | environment, capture_output=True, check=False, timeout=120
    )


@pytest.mark.parametrize("poor", POOR)
@pytest.mark.parametrize("words", [["--help"], ["list"], ["data", "render", "--help"]], ids=" ".join)
def test_what_is_printed_has_a_form_everywhere(words: list[str], poor: str, tmp_path: Path) -> None:
    done = ran(words, tmp_path, **POOR[poor])
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii() or poor in ("cp1252", "latin-1")
    assert b"\\u" not in done.stdout
    assert b"?" not in done.stdout


def test_a_run_whose_name_is_no_text_in_the_locale(tmp_path: Path) -> None:
    name = "é→"
    done = ran([*TRAIN, "--train.steps", "2", "--runs", str(tmp_path), "--name", name], tmp_path, **POOR["C"])
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"0 -> 2" in done.stdout
    assert rb"\xc3\xa9\xe2\x86\x92/figures" in done.stdout  # every byte of the name can be told
    assert checkpoint.latest(tmp_path / name / "checkpoints") is not None
    assert ran(["report", str(tmp_path / name), "--out", "page.html"], tmp_path, **POOR["C"]).returncode == 0


def test_views_are_drawn_in_a_poor_locale(tmp_path: Path) -> None:
    words = ["--source", "solids", "--size", "16", "--views", "1", "--limit", "1", "--renderer", "embree"]
    done = ran(["data", "render", "--out", str(tmp_path / "solids"), *words], tmp_path, **POOR["C"])
    assert (done.returncode, done.stderr) == (0, b"")


def headed(words: list[str], folder: Path, lines: int) -> tuple[int, bytes]:
    """Exit code and standard error of a command whose reader leaves after so many lines."""
    with subprocess.Popen([*WORDS, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in range(lines):
            assert process.stdout.readline()
        process.stdout.close()
        told = process.stderr.read()
    return process.returncode, told


@pytest.mark.parametrize("words", [["--help"], ["list"], ["train", "saccade-digits", "--help"]], ids=" ".join)
def test_a_reader_that_leaves_early_is_no_error(words: list[str], tmp_path: Path) -> None:
    assert headed(words, tmp_path, 0) == (0, b"")
    assert headed(words, tmp_path, 1) == (0, b"")


def test_training_saves_and_stops_where_nobody_reads(tmp_path: Path) -> None:
    words = [*TRAIN, "--train.steps", "100000", "--train.save-every", "100000"]
    assert headed([*words, "--runs", str(tmp_path), "--name", "a"], tmp_path, 2) == (130, b"")
    found = checkpoint.latest(tmp_path / "a/checkpoints")
    assert found is not None
    assert 0 < found.step < 100000


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full disk to write to")
@pytest.mark.parametrize("words", [["--help"], ["data", "render", "--help"]], ids=" ".join)
def test_a_full_disk_under_the_output_is_told(words: list[str], tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*WORDS, *words], stdout=full, stderr=subprocess.PIPE, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == b"gazeworld: error: standard output: No space left on device\n"


def test_output_that_was_closed_before_is_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        f"exec {' '.join(WORDS)} list >&-", shell=True, capture_output=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_lost_terminal_asks_as_often_as_it_likes() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a test run under nohup ignores it, and so does what it runs
    try:
        _lose_the_terminal()
    finally:
        signal.signal(signal.SIGHUP, before)


def _lose_the_terminal() -> None:
    with interruptible() as stop:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGHUP)
        assert stop.is_set()
        os.kill(os.getpid(), signal.SIGTERM)  # the first that somebody sends
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)


def test_what_is_told_to_ignore_a_lost_terminal_ignores_it() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop.is_set()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_work_that_nobody_hears_of_stops_wherever_it_is() -> None:
    try:
        with interruptible() as outer, interruptible() as inner:
            hang_up()
            assert outer.is_set()
            assert inner.is_set()
        with interruptible() as later:
            assert later.is_set()
    finally:
        listen()
    with interruptible() as again:
        assert not again.is_set()
