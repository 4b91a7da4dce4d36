"""The single-file examples run as a newcomer runs them, at a smaller size."""

import copy
import os
import re
import runpy
import sys
from pathlib import Path

import gymnasium
import pytest
import torch

from gazeworld.agents.gaze.observed import observed
from gazeworld.agents.policy import make_policy
from gazeworld.agents.run_folder import write_json
from gazeworld.agents.runs import build, scenario
from gazeworld.agents.training import checkpoint
from gazeworld.agents.training.optimiser import make_optimiser
from gazeworld.envs import make_world
from gazeworld.envs.gaze import human_gaze
from gazeworld.scenarios.commands import _catalogue

EXAMPLES = Path(__file__).parent.parent / "scripts/examples"


def run(name: str, *words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [name, *words])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def test_every_example_is_tested() -> None:
    own = {"train_ppo.py", "ppo_from_scratch.py", "scan_path.py", "plan_to_target.py", "made_up_people.py"}
    assert {file.name for file in EXAMPLES.glob("*.py")} == own


def test_train_ppo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run("train_ppo.py", "1024", str(tmp_path / "ppo"), monkeypatch=monkeypatch)
    found = re.search(r"1024 steps: 8 saccades show another (\d+)% of the scene", capsys.readouterr().out)
    assert found
    assert 10 < int(found[1]) < 66  # eight glimpses of 16 px in scenes of 56 px are 65 % of it at most
    world = make_world("saccade", source="digits", glimpse=16)
    assert make_policy("sb3", world, path=str(tmp_path / "ppo"))


def test_ppo_from_scratch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    id = "gazeworld/SaccadeCoverage-v0"
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)  # the other tests have theirs
    monkeypatch.setitem(gymnasium.registry, id, copy.deepcopy(gymnasium.spec(id)))
    gymnasium.registry[id].kwargs |= {"split": "test", "source_options": {"variants": 1}}  # quicker to draw
    run("ppo_from_scratch.py", id, "2048", monkeypatch=monkeypatch)
    found = re.search(r"2048 steps: return (0\.\d+)", capsys.readouterr().out)
    assert found
    assert float(found[1]) > 0.01


def test_made_up_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "people.csv"
    run("made_up_people.py", str(file), "grid", "{}", "2", "3", "4", monkeypatch=monkeypatch)
    assert "2 people, 3 images, 4 fixations each, as grid {} looks" in capsys.readouterr().out
    world = make_world("saccade", source="digits", split="test", glimpse=16)
    assert world.images is not None
    gaze = human_gaze(file, world.images)
    assert [len(path.poses) for path in gaze.paths] == [4] * 6
    seen = observed(gaze, world)
    assert seen.moved == 0
    assert (seen.places[:, 0] == 20).all()  # the middle of 41 places


def test_scan_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "path.png"
    run("scan_path.py", str(file), monkeypatch=monkeypatch)
    assert file.read_bytes().startswith(b"\x89PNG")
    assert "4 scenes, 6 fixations each" in capsys.readouterr().out


def test_plan_to_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = _catalogue.load("saccade-digits").changed(
        method={"dim": 8, "width": 4, "action_width": 4, "predictor_hidden": 16}
    )
    world = make_world("saccade", source="digits", split="test", glimpse=16)
    method = build.method_of(found, world)
    folder = tmp_path / "run"
    folder.mkdir()
    write_json(folder / "config.json", {"scenario": "saccade-digits", "config": scenario.to_json(found)})
    optimiser = make_optimiser(method, found.train)
    checkpoint.save(folder / "checkpoints", 0, method, optimiser, {}, keep=0)
    with torch.no_grad():
        run("plan_to_target.py", str(folder), str(tmp_path / "plan.png"), monkeypatch=monkeypatch)
    assert (tmp_path / "plan.png").read_bytes().startswith(b"\x89PNG")
    assert re.search(r"within 8 px of the target in \d+% of 64 scenes", capsys.readouterr().out)
    assert os.listdir(folder / "checkpoints") == ["step-00000000"]
