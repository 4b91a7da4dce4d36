"""What a run leaves in TensorBoard's files when it is stopped and resumed, whatever the clock of the machine does."""

import time
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from gazeworld.agents.runs.records import training_seconds
from gazeworld.agents.training.event_files import event_files, seconds
from gazeworld.agents.training.recorder import Recorder


def recorded(folder: Path, start: int, values: dict[int, float], monkeypatch: pytest.MonkeyPatch, at: float) -> None:
    """A session that begins at a step and records these values, while the clock says that it is so late."""
    monkeypatch.setattr(time, "time", lambda: at)
    recorder = Recorder(folder, start=start, steps=100, console=Console(file=StringIO()))
    for step, value in values.items():
        recorder.scalars(step, {"train/loss": value})
    recorder.close()


def shown(folder: Path) -> dict[int, float]:
    """The curve as TensorBoard draws it."""
    accumulator = EventAccumulator(str(folder / "tensorboard")).Reload()
    return {event.step: event.value for event in accumulator.Scalars("train/loss")}


NOW = 1_900_000_000.0


@pytest.mark.parametrize("later", [3600.0, 0.0, 0.5, -3600.0, -1e9])
def test_the_point_that_a_run_goes_on_from_stays_and_what_a_kill_took_away_goes(
    later: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(tmp_path, 0, {0: 8.0, 5: 7.0, 10: 6.0, 15: 5.0, 20: 4.5}, monkeypatch, NOW)
    recorded(tmp_path, 10, {15: 3.0}, monkeypatch, NOW + later)
    assert shown(tmp_path) == {0: 8.0, 5: 7.0, 10: 6.0, 15: 3.0}
    recorded(tmp_path, 15, {20: 2.0}, monkeypatch, NOW + 2 * later)
    assert shown(tmp_path) == {0: 8.0, 5: 7.0, 10: 6.0, 15: 3.0, 20: 2.0}


def test_where_nothing_was_saved_everything_is_drawn_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(tmp_path, 0, {0: 9.0, 5: 9.0, 10: 9.0}, monkeypatch, NOW)
    recorded(tmp_path, 0, {0: 1.0, 5: 2.0}, monkeypatch, NOW + 1)
    assert shown(tmp_path) == {0: 1.0, 5: 2.0}


def test_times_go_forward_whatever_the_clock_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(tmp_path, start=0, steps=100, console=Console(file=StringIO()))
    steady = time.monotonic()
    for step in range(4):
        monkeypatch.setattr(time, "monotonic", lambda step=step: steady + 60 * step)
        monkeypatch.setattr(time, "time", lambda step=step: NOW - 1000 * step)
        recorder.scalars(step, {"train/loss": 1.0})
    recorder.close()
    assert training_seconds(tmp_path) == pytest.approx(180, abs=5)
    recorded(tmp_path, 3, {4: 1.0}, monkeypatch, NOW - 1e6)
    accumulator = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    times = [event.wall_time for event in accumulator.Scalars("train/loss")]
    assert times == sorted(times)


def test_time_is_never_negative_in_what_older_versions_left(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path / "tensorboard"), purge_step=1) as events:
        now = time.time()
        for step, at in enumerate((10.0, 70.0, -5000.0, -4940.0)):
            events.add_scalar("train/loss", 1.0, step, walltime=now + at)
    found = training_seconds(tmp_path)
    assert found is not None
    assert 120 <= found < 140


def test_a_session_that_came_to_nothing_took_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(tmp_path, 0, {}, monkeypatch, NOW)
    assert training_seconds(tmp_path) is None


def test_damaged_events_are_named_and_cut_ones_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(tmp_path, 0, {1: 1.0, 2: 2.0}, monkeypatch, NOW)
    (file,) = event_files(tmp_path / "tensorboard")
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        seconds(file)
    for place in range(0, len(whole), 7):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        with pytest.raises(ValueError, match=r"events\.out\.tfevents.*(damaged|not an event)"):
            seconds(file)


def test_two_sessions_of_one_second_have_two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)
    for _ in range(3):
        Recorder(tmp_path, start=0, steps=1, console=Console(file=StringIO())).close()
    assert len(event_files(tmp_path / "tensorboard")) == 3
