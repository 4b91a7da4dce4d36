"""`gazeworld watch`: what it writes follows from the ending, and what it cannot write is said at once."""

import json
import sys
from pathlib import Path

import pytest

from gazeworld.agents.runs.watching import COLUMNS
from gazeworld.scenarios.commands._main import main

WATCH = ["watch", "saccade-digits", "--scenes", "2"]
BEGINS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF", "gif": b"GIF8", "csv": b"path,scene,label,class,index,"}


@pytest.mark.parametrize("ending", [*BEGINS, "json"])
def test_the_ending_says_what_is_written(ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / f"new/looks.{ending}"
    assert main([*WATCH, "--out", str(out), "--policy", "grid:side=2"]) == 0
    assert capsys.readouterr().out.split() == ["written:", str(out)]
    assert [file.name for file in out.parent.iterdir()] == [out.name]
    if ending == "json":
        told = json.loads(out.read_text())
        assert told["policy"] == {"name": "grid", "side": 2}
        assert {row["path"] for row in told["fixations"]} == {0, 1}
    else:
        assert out.read_bytes().startswith(BEGINS[ending])


def test_the_map_lies_under_the_path(tmp_path: Path) -> None:
    plain, washed = tmp_path / "plain.png", tmp_path / "washed.png"
    assert main([*WATCH, "--out", str(plain)]) == 0
    assert main([*WATCH, "--out", str(washed), "--saliency"]) == 0
    assert plain.read_bytes() != washed.read_bytes()


def test_a_heat_map_is_drawn_of_many_scenes(tmp_path: Path) -> None:
    words = ["watch", "saccade-digits", "--heatmap", "--policy", "uniform"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    assert (tmp_path / "fixations-uniform.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "fixations-uniform.gif").read_bytes().startswith(b"GIF8")
    assert main([*words, "--out", str(tmp_path / "all.csv")]) == 0
    lines = (tmp_path / "all.csv").read_text().splitlines()
    assert len(lines) == 1 + 1000 * 5
    assert lines[0] == ",".join(COLUMNS)


def test_mistakes_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    mistakes = {
        "expected a file that ends in .png, .svg, .pdf, .gif, .mp4, .csv or .json, or a folder": ["--out", "a.webm"],
        "a.mp4: films are written as .mp4 by PyAV, which is not installed": ["--out", "a.mp4"],
        "--saliency lies under scan paths, and --heatmap has none": ["--saliency", "--heatmap"],
        "scenes is 99999, but the test split has": ["--scenes", "99999"],
    }
    monkeypatch.chdir(tmp_path)
    for sentence, words in mistakes.items():
        assert main(["watch", "saccade-digits", *words]) == 2
        assert sentence in capsys.readouterr().err
    assert main(["watch", "nowhere"]) == 2
    assert "neither the folder of a run nor a scenario" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
