"""Images without labels, and of one class: everything runs, and what needs labels is left out and says so."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from gazeworld.agents.file_schemas import unrecognised
from gazeworld.agents.metric_lines import read_lines
from gazeworld.agents.run_folder import RunFolder, read_probes, scores
from gazeworld.agents.runs.scenario import Run
from gazeworld.agents.runs.train_run import train_run
from gazeworld.scenarios.commands import _catalogue
from gazeworld.scenarios.commands._main import main
from gazeworld.scenarios.commands._runs import probe


@pytest.fixture(scope="module", params=["pictures", "pictures/cats"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A trained and probed run on images of several sizes, and why nothing is recognised."""
    folder, random = tmp_path_factory.mktemp("own"), np.random.default_rng(0)
    (folder / request.param).mkdir(parents=True)
    for i in range(30):
        pixels = random.integers(0, 256, (20 + i, 48 - i, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / request.param / f"{i}.png")
    chosen = _catalogue.load("saccade-digits").changed(
        world={"source": "folder", "root": str(folder / "pictures"), "source_options": {"side": 40}},
        train={"steps": 2, "batch": 8, "threads": 1},
        probe={"online": 20, "repeats": 1, "views": 2, "epochs_linear": 1, "epochs_position": 1, "noise": 0.0},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAZEWORLD_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        place = folder / "run"
        place.mkdir()
        train_run(Run(place, "saccade-digits", chosen), "cpu")
        probe(place, chosen.probe, "cpu", Console(quiet=True))
    return place, "all images are of one class" if "/" in request.param else "the images have no labels"


def test_what_needs_no_labels_is_measured(run: tuple[Path, str]) -> None:
    folder, why = run
    found = read_probes(folder)
    assert found["left out"] == {"recognition": why}
    assert unrecognised(found) == why
    assert {"recognition", "chance"}.isdisjoint(found)
    assert scores(found, "trained").keys() == {"relative position", "absolute position"}
    recorded = read_lines(RunFolder(folder).metrics)[-1]
    assert "probe/position_r2" in recorded
    assert not any(name.endswith("top1") for name in recorded)
    assert not (RunFolder(folder).figures / "recognition.png").exists()


def test_tables_and_pages_say_what_is_left_out(run: tuple[Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    folder, why = run
    assert main(["table", str(folder), "--out", str(folder / "table.md")]) == 0
    assert main(["report", str(folder)]) == 0
    capsys.readouterr()
    text = (folder / "table.md").read_text()
    assert f"recognition is left out: {why} (saccade-digits)" in text
    assert "top-1 z_1" not in text
    assert "R² relative position" in text
    assert f"recognition is left out: {why}" in RunFolder(folder).report.read_text()


def test_what_needs_labels_altogether_is_refused_in_one_sentence(
    run: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, why = run
    assert main(["compare", str(folder)]) == 2
    assert f"fixation policies are compared by recognition, and {why}\n" in capsys.readouterr().err
    assert main(["train-policy", str(folder), "--steps", "8"]) == 2
    told = "are all of one class" if "one class" in why else "have no labels"
    said = capsys.readouterr().err
    assert f"reward 'recognition' needs scenes of two classes or more, and those of this world {told};" in said
    assert said.count("\n") == 1


def test_probes_without_recognition_say_why_or_are_refused(run: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = run
    found = json.loads(RunFolder(folder).probes.read_text())
    del found["left out"]
    RunFolder(tmp_path).probes.write_text(json.dumps(found))
    with pytest.raises(ValueError, match="another version: 'chance' is missing"):
        read_probes(tmp_path)
