"""`gazeworld train-jointly`: a run like any other, resuming bit for bit, and one sentence for every mistake."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch

from gazeworld.agents.rewards.recognition import RecognitionReward
from gazeworld.agents.rl import alternate as turns
from gazeworld.agents.runs import build, scenario
from gazeworld.agents.runs.scenario import open_run
from gazeworld.agents.training.checkpoint import load_method
from gazeworld.scenarios import saccade_digits
from gazeworld.scenarios.commands import _catalogue
from gazeworld.scenarios.commands import _runs as command
from gazeworld.scenarios.commands._main import main
from gazeworld.scenarios.commands.train_jointly import defaults

WORDS = [
    "--train.batch", "8", "--train.observed", "2", "--train.log-every", "2", "--probe.online", "0",
    "--phases.phases", "2", "--phases.model-steps", "2", "--phases.policy-steps", "48", "--phases.replay", "16",
    "--phases.prepare", "16", "--agent.environments", "8", "--agent.episode-steps", "2",
    "--agent.discrete-actions", "fixations:side=4", "--agent.rewards", "recognition:epochs=2",
    "--device", "cpu", "--no-evaluate", "--agent.options", "n_steps=3", "batch_size=24", "n_epochs=1",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)


def shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scenario with few scenes and a small network, by the command line's own way of loading it."""
    small = saccade_digits.scenario.changed(
        world={"source_options": {"variants": 1}},
        method={"dim": 8, "width": 4, "action_width": 4, "predictor_hidden": 16},
    )
    monkeypatch.setattr(saccade_digits, "scenario", small)


def instead(usual: list[str], given: tuple[str, ...] | list[str]) -> list[str]:
    """The usual words without the options that are given otherwise, which stand behind them."""
    kept, option = list[str](), ""
    for word in usual:
        option = word if word.startswith("--") else option
        kept += [] if option in given else [word]
    return [*kept, *given]


def alternate(folder: Path, *words: str) -> int:
    return main(["train-jointly", "saccade-digits", "--runs", str(folder), "--name", "run", *instead(WORDS, words)])


def test_a_run_is_left_that_the_other_commands_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert alternate(tmp_path) == 0
    run = tmp_path / "run"
    for file in ("metrics.jsonl", "figures/training.png", "checkpoints/step-00000004/policy.safetensors"):
        assert (run / file).stat().st_size > 0
    config = json.loads((run / "config.json").read_text())
    assert config["config"]["train"]["steps"] == 4
    assert config["phases"]["phases"] == 2
    assert config["agent"]["discrete_actions"] == {"name": "fixations", "side": 4}
    assert config["made_by"]["command"]
    assert "phase 2: " in capsys.readouterr().out
    opened = open_run(run)  # what evaluate, watch and compare begin with
    assert load_method(run, build.world_of(opened.scenario, "test", "cpu"))[1] == 4
    assert main(["watch", str(run), "--scenes", "1", "--policy", "learnt"]) == 0
    assert (run / "figures/scanpaths-learnt.png").is_file()


def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "save_curves", lambda *_: None)  # pictures take most of the time
    assert alternate(tmp_path / "whole") == 0
    policy_phase = turns._policy_phase

    def pressed(*given: object) -> dict[str, float]:
        os.kill(os.getpid(), signal.SIGINT)
        return policy_phase(*given)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(turns, "_policy_phase", pressed)
        assert alternate(tmp_path / "cut") == 130
    out = capsys.readouterr().out
    assert "stopped after phase 1 of 2; everything is saved" in out
    assert f"to go on: gazeworld train-jointly {tmp_path / 'cut/run'} --resume" in out
    words = ["--runs", str(tmp_path / "cut"), "--name", "run", "--resume", "--device", "cpu", "--no-evaluate"]
    assert main(["train-jointly", "saccade-digits", *words]) == 0
    last = "run/checkpoints/step-00000004"
    assert alternate(tmp_path / "cut", "--resume") == 0, "the same command line, and nothing left to do"
    for file in (tmp_path / "whole" / last).iterdir():
        assert file.read_bytes() == (tmp_path / "cut" / last / file.name).read_bytes(), file.name
    metrics = [(tmp_path / name / "run/metrics.jsonl").read_text() for name in ("whole", "cut")]
    assert metrics[0] == metrics[1]


def test_defaults_have_the_steps_of_the_scenario() -> None:
    found = _catalogue.load("saccade-digits")
    phases = defaults(found).phases
    assert phases.phases * phases.model_steps == found.train.steps


MISTAKES = {
    "unknown algorithm": (["--agent.algorithm", "dqn"], "'dqn'"),
    "unknown reward": (["--agent.rewards", "applause"], "unknown reward 'applause'"),
    "other steps": (["--train.steps", "5"], "train.steps is 5 and train.epochs 0, but 2 phases of 2 steps make 4"),
    "no phase": (["--phases.phases", "0"], "phases.phases is 0"),
    "nothing to resume": (["--resume"], "run/config.json: no such file"),
    "nothing left to look at": (["--agent.discrete-actions", "fixations:side=2,radius=90.0"], "none of 4 choices left"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_sentence_and_leaves_nothing(
    mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, sentence = MISTAKES[mistake]
    try:
        code = alternate(tmp_path / "runs", *words)
    except SystemExit as stop:  # tyro ends the process itself
        code = int(stop.code or 0)
    assert code == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_no_run_is_overwritten_and_a_plain_one_not_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.json").write_text(
        json.dumps({"scenario": "saccade-digits", "config": scenario.to_json(_catalogue.load("saccade-digits"))})
    )
    assert alternate(tmp_path) == 2
    assert "there is a run already" in capsys.readouterr().err
    assert alternate(tmp_path, "--resume") == 2
    assert "not the configuration of alternating phases" in capsys.readouterr().err


@pytest.fixture(scope="module")
def alternated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run whose phases are done."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAZEWORLD_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        shrink(patch)
        folder = tmp_path_factory.mktemp("alternated")
        assert alternate(folder) == 0
    return folder


def contents(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_plain_training_refuses_an_alternating_run_and_leaves_it_as_it_was(
    alternated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(alternated)
    words = ["train", "saccade-digits", "--name", "run", "--resume", "--device", "cpu", "--no-evaluate"]
    assert main([*words, "--runs", str(alternated)]) == 2
    assert "a run of alternating phases, expected one of plain training" in capsys.readouterr().err
    assert contents(alternated) == before
    shutil.copytree(alternated, tmp_path / "copy")
    config = json.loads((tmp_path / "copy/run/config.json").read_text())
    (tmp_path / "copy/run/config.json").write_text(json.dumps({k: v for k, v in config.items() if k != "phases"}))
    assert main([*words, "--runs", str(tmp_path / "copy")]) == 2, "its checkpoints say it, too"
    assert "a run of alternating phases" in capsys.readouterr().err


OTHERS = {
    "agent.options.n_steps=6 (written: 3)": ["--agent.options", "n_steps=6"],
    "agent.discrete_actions.side=5 (written: 4)": ["--agent.discrete-actions", "fixations:side=5"],
    "agent.algorithm=sac (written: maskable-ppo)": ["--agent.algorithm", "sac"],
    "phases.replay=32 (written: 16)": ["--phases.replay", "32"],
    "train.lr=0.5 (written: ": ["--train.lr", "0.5"],
}


@pytest.mark.parametrize("sentence", OTHERS)
def test_other_settings_than_written_are_refused_in_resuming(
    sentence: str, alternated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(alternated)
    assert alternate(alternated, "--resume", *OTHERS[sentence]) == 2
    assert sentence in capsys.readouterr().err
    assert contents(alternated) == before


def test_a_run_of_another_scenario_is_not_resumed(alternated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--runs", str(alternated), "--name", "run", "--resume", "--device", "cpu"]
    assert main(["train-jointly", "saccade-search", *words]) == 2
    assert "a run of scenario 'saccade-digits', but 'saccade-search' is asked for" in capsys.readouterr().err


def test_what_is_not_finite_ends_it_with_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy_phase = turns._policy_phase

    def spoils(pair: turns.JointTraining, *given: object) -> dict[str, float]:
        values = policy_phase(pair, *given)  # type: ignore[arg-type]
        pair.agent.policy.action_net.bias.data.fill_(torch.nan)
        return values

    with monkeypatch.context() as patch:
        patch.setattr(turns, "_policy_phase", spoils)
        assert alternate(tmp_path / "policy") == 1
    said = capsys.readouterr().err
    assert "the policy's weights (action_net.bias …) are not finite after phase 1" in said
    assert said.count("last good") == 1
    with monkeypatch.context() as patch:
        patch.setattr(RecognitionReward, "reward", lambda self, change: change.after.pose[:, 0] * float("nan"))
        assert alternate(tmp_path / "reward") == 1
    assert "is nan, expected a finite number" in capsys.readouterr().err
    assert not (tmp_path / "reward").exists()
    wild = ["--train.lr", "1e30", "--train.lr-start", "1e30", "--train.log-every", "9", "--phases.model-steps", "4"]
    assert alternate(tmp_path / "model", *wild) == 1
    assert "the loss of step" in capsys.readouterr().err
