"""`gazeworld controls`: one command trains, probes and writes the page; killed, it goes on."""

import json
from pathlib import Path

import pytest
from fakes.killing import killed

from gazeworld.agents.runs import sweep as sweeps
from gazeworld.scenarios.commands import _runs
from gazeworld.scenarios.commands._main import main

TINY = (
    "train.log_every=1", "train.save_every=1", "probe.epochs_linear=1", "probe.epochs_position=1", "probe.views=2",
    "probe.path_scenes=10", "method.dim=8", "method.width=4", "world.source_options.variants=1",
)  # fmt: skip


def words(folder: Path) -> list[str]:
    sizes = ["--steps", "2", "--batch", "4", "--scenes", "30", "--map-scenes", "20", "--seeds", "0", "--device", "cpu"]
    places = ["--runs", str(folder / "runs"), "--out", str(folder / "out")]
    return ["controls", "saccade-digits", "--conditions", "uniform,own-ior", *sizes, *places, "--set", *TINY]


def test_one_command_goes_on_after_a_kill_and_writes_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert killed("probes.json", words(tmp_path), tmp_path / "told") == -9
    assert not (tmp_path / "out/controls.json").exists()
    assert main(words(tmp_path)) == 0
    out = capsys.readouterr().out
    assert "[1/2] saccade-digits-uniform-0: trained, now probed" in out
    assert "[2/2] saccade-digits-own-ior-0: trained and probed" in out
    found = json.loads((tmp_path / "out/controls.json").read_text())
    conditions = found["scenarios"]["saccade-digits"]["conditions"]
    assert list(conditions) == ["uniform map", "own map, IoR"]
    assert len(conditions["own map, IoR"]["object: centre"]["mean"]) == 3, "as many glimpses as were looked at"
    assert found["maps"]["saccade-digits"]["uniform"]["auc"] == pytest.approx(0.5)
    page = (tmp_path / "out/controls.md").read_text()
    assert "| own map, IoR |" in page
    assert "| transposed |" in page
    assert (tmp_path / "out/controls-saccade-digits.png").read_bytes().startswith(b"\x89PNG")
    for name in ("train_run", "evaluate_run"):  # nothing may be trained or probed again
        monkeypatch.setattr(sweeps, name, lambda *_, **__: pytest.fail("done already"))
    monkeypatch.setattr(_runs, "drawn", lambda *_: None)
    assert main(words(tmp_path)) == 0
    assert "2 done already" in capsys.readouterr().out


def test_what_cannot_be_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["controls", "rotation-solids", "--runs", str(tmp_path / "runs"), "--device", "cpu"]) == 2
    assert "rotation-solids: policy 'unseen', expected 'saliency' with a map" in capsys.readouterr().err
    assert main(["controls", "saccade-digits", "--seeds", "x"]) == 2
    assert "--seeds: 'x' is no whole number" in capsys.readouterr().err
    assert main(["controls", "saccade-digits", "--conditions", "own-oir"]) == 2
    assert "unknown condition 'own-oir'; there are: uniform, centre, other, own, transposed" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
