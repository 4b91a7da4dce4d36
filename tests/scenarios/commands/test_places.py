"""Names and places of a command line, looked at before anything is done; bounds as the help says them."""

import os
from pathlib import Path

import pytest

from gazeworld.agents.runs.scenario import Scenario
from gazeworld.scenarios.commands import _places
from gazeworld.scenarios.commands._arguments import parsed, spec
from gazeworld.scenarios.commands._main import main
from gazeworld.scenarios.commands.bench import RolloutArguments
from gazeworld.scenarios.commands.train import TrainArguments


@pytest.mark.parametrize("name", ["a/b", "/", ".", "..", "a\0b", "a\nb", "\x7f", "n" * 201, "é" * 101])
def test_a_name_is_that_of_one_folder(name: str) -> None:
    with pytest.raises(ValueError, match=r"^name is .*expected the name of one folder: at most 200 bytes"):
        _places.require_name("name", name)


@pytest.mark.parametrize("name", ["", "a", "a b", ".hidden", "-x", "n" * 200, "é", "\udcff", "…"])
def test_every_other_name_is_taken(name: str) -> None:
    _places.require_name("name", name)


def test_a_folder_that_cannot_be_is_told_and_none_is_made(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for bad in (file, file / "inside/deeper", Path("/proc/nowhere")):
        with pytest.raises(ValueError, match=f"^runs is '{bad}', expected a folder"):
            _places.require_folder("runs", bad)
    _places.require_folder("runs", tmp_path / "a/b/c")
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_is_written_over_a_file_or_into_a_folder_and_nowhere_else(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("kept")
    for good in (file, tmp_path, tmp_path / "new/page.html"):
        _places.require_file("out", good)
    with pytest.raises(ValueError, match=r"^out is '/dev/null', expected a file or a folder"):
        _places.require_file("out", Path("/dev/null"))
    with pytest.raises(ValueError, match=r"^out is '.*file/page', expected a folder"):
        _places.require_file("out", file / "page")
    assert file.read_text() == "kept"


@pytest.mark.parametrize("path", ["a\0b", "n" * 256, "n/" * 2100])
def test_a_path_that_no_file_system_takes_is_told(path: str) -> None:
    with pytest.raises(ValueError, match=r"^root is .*expected a path without NUL, of at most 4095 bytes"):
        _places.require_path("root", Path(path))


def test_homes_stand_for_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["table", "~/nothing"]) == 2
    found = parsed(TrainArguments, ["--runs=~/runs", "--world.name", "w", "--world.split", "s"], "x", _arguments())
    assert found.runs == tmp_path / "runs"
    with pytest.raises(ValueError, match=r"^runs is '~no-such-user/x', but no such home"):
        parsed(TrainArguments, ["--runs=~no-such-user/x"], "x", _arguments())


def _arguments() -> TrainArguments:
    return TrainArguments(Scenario(world={"name": "w", "split": "s"}, method={"name": "m"}))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fit-ensemble"], ["from 1 to 256; default: 5", "0 or more; default: 50"]),
        (["train", "saccade-digits"], ["from 0 to 4294967295; default: 0", "from 1 to 1024; default: 1"]),
        (["data", "render"], ["from 8 to 4096; default: 128", "from 1 to 100; default: 95"]),
        (["bench", "rollout"], ["more than 0 and at most 3600; default: 1.0"]),
    ],
)
def test_help_says_the_bounds(words: list[str], said: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*words, "--help"])
    assert not stop.value.code
    lines = (line.strip("│ ") for line in capsys.readouterr().out.splitlines())
    text = " ".join(" ".join(lines).split())
    for bounds in said:
        assert bounds in text


def test_a_value_out_of_bounds_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "rollout", "--seconds", "0"]) == 2
    assert capsys.readouterr().err == (
        "gazeworld: error: seconds is 0.0, expected a finite number of more than 0 and at most 3600\n"
    )
    with pytest.raises(ValueError, match=r"^seconds is nan, expected a finite number"):
        RolloutArguments(seconds=float("nan"))
    assert main(["fit-ensemble", "run", "--epochs", str(10**12)]) == 2
    assert "epochs is 1000000000000, expected an integer of 1 or more, at most 2147483647" in capsys.readouterr().err


def test_a_policy_has_one_name() -> None:
    assert spec("grid:side=2", "policy") == {"name": "grid", "side": 2}
    assert spec('sb3:path=a,sizes=[1,2],more={"x":[3,4]},y=[', "policy") == {
        "name": "sb3", "path": "a", "sizes": [1, 2], "more": {"x": [3, 4]}, "y": "["
    }  # fmt: skip
    with pytest.raises(ValueError, match="says the name twice"):
        spec("grid:name=uniform", "policy")
