"""`gazeworld table` on folders of runs: what is printed and written, the paper's numbers, one sentence for mistakes."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fakes.runs import leave, probes

from gazeworld.agents.run_folder import aggregate
from gazeworld.agents.runs.records import NONE, conditioning, folders_of
from gazeworld.scenarios.commands import _catalogue
from gazeworld.scenarios.commands._main import main
from gazeworld.scenarios.reports import paper_numbers

R2 = {"relative position": 0.5, "absolute position": 0.25}


def run(folder: Path, name: str = "saccade-digits", *, top1: tuple[float, ...] = (0.4, 0.6), **parts: Any) -> Path:
    """A finished run of a scenario with some parts changed."""
    return leave(folder, name, _catalogue.load(name).changed(**parts), probes(top1, R2))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two seeds of a scenario and one of its variant, beside a folder that is no run."""
    folder = tmp_path / "runs"
    run(folder / "a-0", top1=(0.4, 0.6))
    run(folder / "a-1", top1=(0.5, 0.6), seed=1)
    run(folder / "b-0", "saccade-digits:no-conditioning", top1=(0.2, 0.3))
    (folder / "figures").mkdir()
    return folder


def test_a_folder_of_runs_is_printed(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", str(runs)]) == 0
    out = capsys.readouterr().out
    assert "45.0 ± 7.1" in out
    assert "no-conditioning" in out
    assert "2.0 ± 0.0" in out  # minutes
    assert "untrained seq-jepa" in out
    assert "chance 10.0 %" in " ".join(out.split())


def test_runs_that_are_not_probed_yet_are_named_and_left_out(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "a-1/probes.json").unlink()
    assert main(["table", str(runs)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "± " not in out
    assert f"left out, not probed yet: {runs / 'a-1'} (`gazeworld evaluate" in out
    assert main(["table", str(runs / "a-1")]) == 2
    assert "a-1/probes.json: no such file: the run has not been probed" in capsys.readouterr().err


def test_it_is_written_in_three_forms_or_one(runs: Path, tmp_path: Path) -> None:
    assert main(["table", str(runs), "--out", str(tmp_path / "compare")]) == 0
    assert {p.name for p in tmp_path.glob("compare*")} == {"compare.md", "compare.csv", "compare.tex"}
    assert main(["table", str(runs / "a-0"), str(runs / "b-0"), "--out", str(tmp_path / "one.md"), "--ridge"]) == 0
    assert [p.name for p in tmp_path.glob("one*")] == ["one.md"]
    assert "| 0.750 |" in (tmp_path / "one.md").read_text()
    (tmp_path / "there").mkdir()
    assert main(["table", str(runs), "--out", str(tmp_path / "there")]) == 0
    assert (tmp_path / "there/table.tex").read_text().startswith("%")


def test_the_papers_numbers_stand_beside_runs_of_a_scenario_that_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from gazeworld.scenarios import saccade_digits

    run(tmp_path / "a-0")
    out = tmp_path / "table.md"
    assert main(["table", str(tmp_path / "a-0"), "--out", str(out)]) == 0
    assert "(paper" not in out.read_text()
    monkeypatch.setattr(saccade_digits, "paper", "stl10", raising=False)
    assert main(["table", str(tmp_path / "a-0"), "--out", str(out)]) == 0
    text = out.read_text()
    assert "seq-jepa (paper, Table 3)" in text
    assert "83.44" in text
    assert "conv-jepa" not in text  # no run of it
    assert main(["table", str(tmp_path / "a-0"), "--out", str(out), "--columns", "12"]) == 0
    assert "Table 3" not in out.read_text()
    assert main(["table", str(tmp_path / "a-0"), "--out", str(out), "--paper", "all"]) == 0
    assert "conv-jepa (paper, Table 3)" in out.read_text()
    assert main(["table", str(tmp_path / "a-0"), "--out", str(out), "--paper", "none"]) == 0
    assert "(paper" not in out.read_text()
    monkeypatch.setattr(saccade_digits, "paper", "stl11")
    capsys.readouterr()
    assert main(["table", str(tmp_path / "a-0")]) == 2
    assert "no numbers of the paper on 'stl11'; there are: 3diebench, stl10" in capsys.readouterr().err


def test_the_papers_tables_are_all_there() -> None:
    counts = {"3diebench": {"1": 12, "4": 7, "7": 5, "12": 4}, "stl10": {"3": 6, "12": 4}}
    counts |= {name: {"2": 27, "12": 7} for name in ("cifar100", "tiny-imagenet")}
    for name, tables in counts.items():
        found = paper_numbers.rows_of(name, "some")
        assert {table: sum(row.table == table for row in found) for table in tables} == tables
        assert len(found) == sum(tables.values())
        for row in found:
            assert all(0 < s.mean < 100 if key.startswith("z") else -1 < s.mean < 1 for key, s in row.scores.items())
    (row,) = [
        r
        for r in paper_numbers.rows_of("3diebench", "some")
        if r.table == "1" and r.observed == 3 and r.conditioning == "rot"
    ]
    assert {name: score.mean for name, score in row.scores.items()} == {
        aggregate(3): 86.14, aggregate(5): 87.41, "relative rotation": 0.71, "absolute rotation": 0.74,
    }  # fmt: skip


@pytest.mark.parametrize("name", _catalogue.names())
def test_the_data_set_that_a_scenario_names_is_one_of_the_papers(name: str) -> None:
    base = name.partition(":")[0]
    data = _catalogue.paper_data(base)
    for row in paper_numbers.rows_of(data, base) if data else ():
        assert row.kind == "paper"
        assert row.base == base


def test_conditioning_is_what_the_method_sees_of_actions() -> None:
    assert conditioning(_catalogue.load("saccade-digits")) == "position"
    assert conditioning(_catalogue.load("saccade-digits:no-conditioning")) == NONE
    half = _catalogue.load("saccade-digits").changed(method={"condition_predictor": False})
    assert conditioning(half) == "position (transformer only)"
    assert conditioning(_catalogue.load("rotation-solids:rotcolor")) == "rotcolor"
    plain = _catalogue.load("rotation-solids")
    del plain.world["action"]
    assert conditioning(plain) == "rot"  # the world's own default


def test_mistakes_are_named(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = leave(tmp_path / "bare", "saccade-digits", _catalogue.load("saccade-digits"), None)
    mistakes = {
        "no run was named": [],
        f"{runs / 'figures'}/config.json: no such file": [str(runs / "figures")],
        f"`gazeworld evaluate {bare}` makes it": [str(bare)],
        "the run is given twice": [str(runs / "a-0"), f"{runs}/../runs/a-0"],
        "with the same settings and seed 0": [str(runs / "a-0"), str(run(tmp_path / "copy"))],
    }
    for sentence, words in mistakes.items():
        assert main(["table", *words]) == 2
        assert sentence in capsys.readouterr().err


def test_folders_of_runs_are_opened_and_others_refused(runs: Path) -> None:
    assert folders_of([runs]) == [runs / "a-0", runs / "a-1", runs / "b-0"]
    assert folders_of([runs / "b-0", runs / "a-0"]) == [runs / "b-0", runs / "a-0"]


def test_help_needs_no_torch() -> None:
    code = "import sys\nfrom gazeworld.scenarios.commands._main import main\n"
    for command in ("table", "report", "sweep"):
        code += f"try:\n    main(['{command}', '--help'])\nexcept SystemExit as stop:\n    assert not stop.code\n"
    code += "assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("usage") == 3
