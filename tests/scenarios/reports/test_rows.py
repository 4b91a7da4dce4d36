"""Rows, columns and texts of tables: nothing is invented, nothing merged that differs, every form says the same."""

import csv
import io
import json
import re
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.runs import leave, probes
from rich.console import Console

from gazeworld.agents.metric_lines import Point, read_numbers
from gazeworld.agents.run_folder import RunFolder, aggregate, read_probes, scores
from gazeworld.agents.runs.records import Record, training_seconds
from gazeworld.scenarios.commands import _catalogue
from gazeworld.scenarios.reports import heat_maps, table_files
from gazeworld.scenarios.reports.rows import Row, Score, rows, untrained

R2 = {"relative position": 0.5, "absolute position": 0.25}


def record(seed: int = 0, top1: tuple[float, ...] = (0.4, 0.6), **changes: Any) -> Record:
    """A probed run of a small scenario; `changes` are entries of its configuration with dotted names."""
    config: dict[str, Any] = {
        "world": {"name": "saccade"},
        "method": {"name": "seq-jepa", "dim": 64},
        "train": {"steps": 10, "observed": 2, "log_every": 5},
        "probe": {},
        "seed": seed,
    }
    own = {key: changes.pop(key) for key in ("scenario", "conditioning", "data", "probes", "seconds") if key in changes}
    for key, value in changes.items():
        part, _, name = key.partition("__")
        config[part][name] = value
    made = {"scenario": "some", "conditioning": "position", "data": "f00", "probes": probes(top1, R2)} | own
    return Record(folder=Path(f"runs/{own.get('scenario', 'some')}-{seed}-{changes}"), config=config, **made)


def test_seeds_are_one_row_with_mean_and_sample_deviation() -> None:
    top1 = (0.4, 0.5, 0.9)
    (row,) = rows([record(seed, (first, 0.6), seconds=60.0 * (1 + seed)) for seed, first in enumerate(top1)])
    assert row.seeds == (0, 1, 2)
    assert row.scores[aggregate(1)].mean == pytest.approx(60.0)
    assert row.scores[aggregate(1)].std == pytest.approx(100 * statistics.stdev(top1))
    assert row.scores[aggregate(2)] == Score(60.0, 0.0, 3)
    assert row.scores["z_1"].mean == pytest.approx(30.0)
    assert row.scores["relative position"].mean == pytest.approx(0.5)
    assert row.seconds == Score(120.0, 60.0, 3)
    assert (row.steps, row.observed, row.method) == (10, 2, "seq-jepa")
    assert row.settings == ""


def test_training_lengths_without_recognition_have_curves_alone(tmp_path: Path) -> None:
    found = {**probes((0.4,), R2), "left out": {"recognition": "the images have no labels"}}
    del found["recognition"], found["chance"]
    made = rows([record(probes=found, train__observed=m) for m in (1, 2)])
    (grid,) = heat_maps.grids(made)
    assert grid.views == []
    heat_maps.figure(grid).savefig(tmp_path / "grid.png")
    assert [axes.get_title() for axes in heat_maps.figure(grid).axes] == ["R² of read-outs from views"]


def test_one_seed_has_no_deviation() -> None:
    (row,) = rows([record()])
    assert row.scores["z_1"].std is None
    assert "±" not in table_files.markdown(table_files.sheet([row]))


@pytest.mark.parametrize(
    ("change", "settings"),
    [
        ({"method__dim": 32}, ["dim=64", "dim=32"]),
        ({"train__lr": 0.1}, ["", "train.lr=0.1"]),
        ({"train__observed": 4}, ["", ""]),
        ({"method__condition_predictor": False}, ["", ""]),
        ({"data": "b00"}, ["", ""]),
        ({"scenario": "some:other"}, ["", ""]),
        ({"probes": probes((0.4, 0.6), R2, step=20)}, ["", ""]),
    ],
)
def test_what_differs_in_more_than_the_seed_is_another_row(change: dict, settings: list[str]) -> None:
    made = rows([record(0), record(1, **change)])
    assert [row.seeds for row in made] == [(0,), (1,)]
    assert [row.settings for row in made] == settings


def test_housekeeping_does_not_separate_seeds() -> None:
    (row,) = rows([record(0), record(1, train__log_every=50, world__root="/elsewhere")])
    assert row.seeds == (0, 1)


def test_a_seed_twice_and_a_run_twice_are_refused() -> None:
    one = record()
    with pytest.raises(ValueError, match="the run is given twice"):
        rows([one, one])
    with pytest.raises(ValueError, match=r"some-0.* and elsewhere: both are some with the same settings and seed 0"):
        rows([one, replace(one, folder=Path("elsewhere"))])


def test_a_number_that_one_seed_lacks_is_no_number() -> None:
    with_both, with_one = record(0), record(1, probes=probes((0.4, 0.6), {"relative position": 0.5}))
    (row,) = rows([with_both, with_one])
    assert "absolute position" not in row.scores
    assert row.scores["relative position"].n == 2


def test_time_is_known_of_all_seeds_or_of_none() -> None:
    (row,) = rows([record(0, seconds=60.0), record(1)])
    assert row.seconds is None


def test_the_untrained_baseline_is_one_row_for_runs_that_differ_in_training_alone() -> None:
    runs = [record(seed, train__observed=m) for m in (1, 2) for seed in (0, 1)]
    (row,) = untrained(runs)
    assert (row.kind, row.seeds, row.steps, row.seconds) == ("untrained", (0, 1), 0, None)
    assert row.scores[aggregate(2)].mean == pytest.approx(10.0)
    assert row.scores["relative position"].mean == pytest.approx(-0.5)


def test_methods_on_one_encoder_share_their_untrained_baseline() -> None:
    runs = [record(0), record(1), record(0, method__name="byol"), record(1, method__name="byol")]
    (row,) = untrained(runs)
    assert row.method == "seq-jepa, byol"
    other = record(0, method__name="sie", probes=probes((0.4, 0.6), R2, untrained=0.2))
    assert [row.method for row in untrained([*runs, other])] == ["seq-jepa, byol", "sie"]


def test_ridge_reads_the_other_read_out() -> None:
    (plain,), (ridge,) = rows([record()]), rows([record()], ridge=True)
    assert plain.scores["relative position"].mean == pytest.approx(0.5)
    assert ridge.scores["relative position"].mean == pytest.approx(0.75)


def a_sheet(**options: Any) -> table_files.Sheet:
    """Two scenarios, baselines and a row of the paper."""
    turned = probes((0.1, 0.2, 0.3), {"relative rotation": -0.7, "absolute rotation": 0.1})
    runs = [record(0), record(1, (0.5, 0.7)), record(0, scenario="turn_&_co:m3", conditioning="rot", probes=turned)]
    paper = Row("some", "position", "seq-jepa", "paper", scores={aggregate(2): Score(87.41, 0.5, 3)}, table="4")
    return table_files.sheet([*rows(runs), *untrained(runs), paper], **options)


def test_scenarios_share_a_table_and_what_one_did_not_measure_is_a_dash() -> None:
    made = a_sheet()
    heads = [column.heading for column in made.columns]
    assert heads[:6] == ["scenario", "variant", "conditioning", "method", "M_tr", "top-1 z_1"]
    lines = [dict(zip(heads, line, strict=True)) for line in made.lines]
    assert [line["method"] for line in lines] == [
        "seq-jepa", "untrained seq-jepa", "seq-jepa (paper, Table 4)", "seq-jepa", "untrained seq-jepa",
    ]  # fmt: skip
    assert lines[0]["top-1 z_AGG, M = 1"] == "45.0 ± 7.1"
    assert lines[0]["top-1 z_AGG, M = 3"] == "–"
    assert lines[0]["R² relative rotation"] == "–"
    assert lines[2]["top-1 z_AGG, M = 2"] == "87.41 ± 0.5"
    assert [lines[2][name] for name in ("steps", "time (min)", "seeds", "M_tr")] == ["–"] * 4
    assert lines[3]["R² relative rotation"] == "-0.700"
    assert lines[3]["variant"] == "m3"
    assert heads.index("R² relative position") < heads.index("R² individual position")


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("1", ["R² relative rotation", "R² individual rotation"]),
        ("2", ["R² relative crop", "R² relative jitter", "R² relative blur"]),
        ("3", ["R² relative position"]),
        ("4", ["R² relative rotation"]),
        ("12", []),
    ],
)
def test_columns_are_those_of_the_papers_tables(table: str, columns: list[str]) -> None:
    heads = [column.heading for column in a_sheet(table=table).columns]
    assert [head for head in heads if head.startswith("R²")] == columns
    with pytest.raises(ValueError, match="unknown table '5'; there are: all, 1, 2"):
        a_sheet(table="5")


def test_views_are_chosen() -> None:
    heads = [column.heading for column in a_sheet(views=(2, 7)).columns]
    assert [head for head in heads if "M = " in head] == ["top-1 z_AGG, M = 2", "top-1 z_AGG, M = 7"]
    assert {line[heads.index("top-1 z_AGG, M = 7")] for line in a_sheet(views=(2, 7)).lines} == {"–"}


def test_csv_has_every_digit_and_empty_cells_for_what_is_not_there() -> None:
    made = list(csv.DictReader(io.StringIO(table_files.comma_separated(a_sheet()))))
    assert float(made[0]["top-1 z_AGG, M = 1"]) == pytest.approx(45.0)
    assert float(made[0]["top-1 z_AGG, M = 1 std"]) == pytest.approx(statistics.stdev([40, 50]))
    assert made[0]["R² relative rotation"] == ""
    assert (made[0]["n"], made[0]["seeds"], made[0]["kind"]) == ("2", "0 1", "run")
    assert made[2]["kind"] == "paper"
    assert made[2]["steps"] == ""


def test_markdown_and_latex_are_well_formed() -> None:
    made = a_sheet()
    text = table_files.markdown(made)
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert len(table) == len(made.rows) + 2
    tex = table_files.latex(made)
    body = [line for line in tex.splitlines() if line.endswith(r"\\")]
    assert {line.count("&") - line.count(r"\&") for line in body} == {len(made.columns) - 1}
    assert r"turn\_\&\_co" in tex
    assert r"87.41 $\pm$ 0.5" in tex
    assert r"$R^2$ relative rotation" in tex
    assert "$-$0.700" in tex
    assert not re.search(r"[²±–]", "".join(body))


def test_a_narrow_terminal_gets_parts_and_no_number_is_cut() -> None:
    made = a_sheet()
    console = Console(width=90, record=True, file=io.StringIO())
    for part in table_files.panels(made, "Runs", 90):
        console.print(part)
    text = console.export_text()
    assert max(len(line) for line in text.splitlines()) <= 90
    for line in made.lines:
        assert all(cell in text for cell in line)
    assert text.count("…") == 0


def test_each_scenario_can_stand_by_itself_with_its_own_columns() -> None:
    made = a_sheet()
    first, second = table_files.by_scenario(made)
    assert (*first.rows, *second.rows) == made.rows
    heads = [{column.heading for column in part.columns} for part in (first, second)]
    assert "R² relative rotation" in heads[1] - heads[0]
    assert "R² relative position" in heads[0] - heads[1]
    assert all("scenario" not in names and "top-1 z_AGG, M = 1" in names for names in heads)
    assert table_files.by_scenario(first) == [first]


def test_probes_that_are_missing_cut_or_old_name_the_command(tmp_path: Path) -> None:
    file, cure = tmp_path / "probes.json", f"`gazeworld evaluate {tmp_path}` makes it"
    with pytest.raises(ValueError, match=f"has not been probed; {re.escape(cure)}"):
        read_probes(tmp_path)
    whole = json.dumps(probes((0.4, 0.6), R2))
    file.write_text(whole)
    assert scores(read_probes(tmp_path), "trained")["z_1"] == pytest.approx(20.0)
    file.write_text(whole[:-20])
    with pytest.raises(ValueError, match=f"not whole: .*{re.escape(cure)} anew"):
        read_probes(tmp_path)
    for old in (whole.replace("relative position", "relative"), "[]", "{}", whole.replace('"heads"', '"head"')):
        file.write_text(old)
        with pytest.raises(ValueError, match=f"of another version|by another version: .*{re.escape(cure)} anew"):
            read_probes(tmp_path)


def test_time_is_the_sum_of_all_sessions(tmp_path: Path) -> None:
    folder = leave(tmp_path / "run", "saccade-digits", _catalogue.load("saccade-digits"), None, minutes=3.0)
    assert training_seconds(folder) == pytest.approx(180, abs=2)
    again = leave(tmp_path / "again", "saccade-digits", _catalogue.load("saccade-digits"), None, minutes=4.0)
    (file,) = (again / "tensorboard").iterdir()
    file.rename(folder / "tensorboard" / f"{file.name}.1")
    assert training_seconds(folder) == pytest.approx(420, abs=4)
    assert training_seconds(tmp_path) is None


def test_metrics_are_read_and_a_damaged_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    assert read_numbers(RunFolder(tmp_path).metrics) == {}
    file.write_text('{"step": 1, "a": 2, "b": null}\n{"step": 2, "a": 3}\n{"step": 3, "a"')
    assert read_numbers(RunFolder(tmp_path).metrics) == {"a": [Point(1, 2.0), Point(2, 3.0)]}
    file.write_text('{"a": 2}\n{"step": 2, "a": 3}\n')
    with pytest.raises(ValueError, match=r"metrics.jsonl, line 1: not a record"):
        read_numbers(RunFolder(tmp_path).metrics)


def test_heat_maps_are_of_runs_that_differ_in_training_length_alone(tmp_path: Path) -> None:
    lengths = {1: "some:m1", 2: "some", 5: "some"}  # a variant may be what sets the length
    runs = [
        record(seed, (0.1 * m, 0.15 * m), scenario=name, train__observed=m)
        for m, name in lengths.items()
        for seed in (0, 1)
    ]
    (grid,) = heat_maps.grids(
        rows([*runs, record(0, method__dim=32), record(0, method__name="byol", train__observed=1)])
    )
    assert (grid.observed, grid.views) == ([1, 2, 5], [1, 2])
    assert grid.quantities == ["relative position", "absolute position"]
    console = Console(width=150, record=True, file=io.StringIO())
    console.print(heat_maps.table(grid))
    assert "75.0 ± 0.0" in console.export_text()
    figure = heat_maps.figure(grid)
    figure.savefig(tmp_path / "map.png")
    assert {"75.0\n± 0.0", "10.0\n± 0.0"} <= {text.get_text() for text in figure.axes[0].texts}
    assert figure.axes[0].get_position().width > 0.3
    assert heat_maps.grids(rows(runs[:2])) == []
