"""What is asked for brings its own options; a run goes on from its folder alone, longer and with other intervals."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gazeworld.agents.runs.scenario import Run, open_run
from gazeworld.agents.runs.train_run import train_run
from gazeworld.agents.training import checkpoint
from gazeworld.scenarios.commands import _catalogue
from gazeworld.scenarios.commands._arguments import parsed
from gazeworld.scenarios.commands._main import main
from gazeworld.scenarios.commands._named import named
from gazeworld.scenarios.commands._own_data import takes_data
from gazeworld.scenarios.commands.train import TrainArguments

TINY = [
    "--train.steps", "4", "--train.batch", "4", "--train.log-every", "2", "--train.save-every", "2",
    "--probe.online", "0", "--no-evaluate", "--device", "cpu", "--method.dim", "8", "--method.width", "4",
]  # fmt: skip


def asked(*words: str, scenario: str = "saccade-digits") -> Any:
    found = named([scenario, *words], "train")
    assert found is not None
    return parsed(TrainArguments, found.words, "gazeworld train", TrainArguments(found.scenario)).scenario


def test_nothing_said_is_the_scenario() -> None:
    for name in _catalogue.names():
        usual = _catalogue.load(name)
        words = ["--world.source", usual.world["source"]] if takes_data(name) else []  # they ask for --data otherwise
        assert asked(*words, scenario=name) == usual, name


def test_another_method_has_its_own_options() -> None:
    found = asked("--method.name", "byol", "--method.projector-hidden=64", "--method.projector", "transformer")
    assert found.method == {
        "name": "byol", "encoder": "small", "dim": 64, "width": 16, "projector_hidden": 64, "projector": "transformer",
    }  # fmt: skip
    assert asked("--method.layers", "2").method["layers"] == 2


def test_options_of_source_and_policy() -> None:
    found = asked("--world.source-options.clutter", "3", "--policy", "dwell:stay=0.25", "--policy.reach", "0.5")
    assert found.world["source_options"] == {"clutter": 3}
    assert found.policy == {"name": "dwell", "stay": 0.25, "reach": 0.5}
    assert asked("--policy.radius", "4").policy == {**_catalogue.load("saccade-digits").policy, "radius": 4.0}
    looked = asked("--world.observe", "saliency", "periphery").world["observe"]
    assert looked == ["saliency", "periphery"]
    warped = asked("--world.protocol", "scale=[0.5,1]", "grey=0", scenario="augment-digits").world["protocol"]
    assert warped == {"scale": [0.5, 1], "grey": 0}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--method.nam", "byol"], "unknown option --method.nam; did you mean --method.name?"),
        (["--glimpse", "8"], "unknown option --glimpse; did you mean --world.glimpse?"),
        (["--colour", "8"], "unknown option --colour; --help lists what there is"),
        (["digits"], "unexpected word 'digits'; expected options, which begin with --"),
        (
            ["--method.name", "byol", "--method.positions"],
            "unknown option --method.positions; --help lists what there is",
        ),
        (["--method.heads", "0"], "method.heads is 0, expected an integer from 1 to 256"),
        (["--world.source-options.side", "7"], "side is 7, expected an integer from 8 to 1024"),
        (["--policy", "salency"], "nor the folder of one; did you mean 'saliency'?"),
        (
            ["--world.name", "sacade"],
            "or MODULE:NAME of another package; did you mean 'saccade'?",
        ),
        (["--world.observe", "saliency", "--world.observe", "periphery"], "--world.observe is given twice"),
    ],
)
def test_what_does_not_fit_gets_one_sentence(
    words: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "saccade-digits", "--runs", str(tmp_path / "runs"), *words]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["fly"], "unknown command 'fly'; there are: bench, "),
        (["trian"], "did you mean 'train'?"),
        (["train", "sacade-digits:uniform"], "did you mean 'saccade-digits:uniform'?"),
        (["train", "saccade-digits:unifrm"], "there are: saccade-digits:demo, "),
        (["train", "runs/nothing", "--resume"], "'runs/nothing' is neither a scenario of `gazeworld list` nor the"),
    ],
)
def test_names_that_are_not_there(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert sentence in capsys.readouterr().err


def test_help_is_grouped_and_explains_without_torch() -> None:
    words = ["train", "saccade-digits", "--method.name", "byol", "--policy", "grid", "--help"]
    code = (
        "import sys, time\nfrom gazeworld.scenarios.commands._main import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit:\n    pass\nassert 'torch' not in sys.modules\n"
        "assert time.process_time() < 2, time.process_time()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    parts = ("─ world options", "─ policy options", "─ method options", "─ train options", "─ probe options")
    places = [done.stdout.index(part) for part in parts]
    assert places == sorted(places)
    text = " ".join(done.stdout.replace("│", " ").split())
    assert "byol: Encoder, projector and predictor" in text
    assert "--method.projector {mlp,transformer}" in text
    assert "the width of the predictor's hidden layer (from 1 to 32768; default: 512)" in text
    assert "--policy.side INT" in text
    assert "--method.positions" not in text


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished tiny run of BYOL, begun with a relative folder for its runs."""
    monkeypatch.chdir(tmp_path)
    words = ["--method.name", "byol", "--method.projector-hidden", "8", "--method.projector-out", "8", "--name", "tiny"]
    assert main(["train", "saccade-digits", *TINY, *words]) == 0
    return tmp_path / "runs/tiny"


def config(run: Path) -> Any:
    return json.loads((run / "config.json").read_text())


def test_a_run_goes_on_from_its_folder_alone_from_anywhere(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert config(run)["config"]["train"]["observed"] == 1, "BYOL has two views"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["train", "../runs/tiny", "--resume", "--no-evaluate", "--device", "cpu"]) == 0
    for words, sentence in (
        ([], f"is the folder of a run: `gazeworld train {run} --resume` goes on with it"),
        (["--resume", "--runs", "x"], "--runs: the run's folder is named already"),
        (["--resume", "--train.lr", "1"], "train.lr=1.0 (written: 0.002)"),
        (["--resume", "--method.name", "sen"], "method.name=sen (written: byol)"),
    ):
        assert main(["train", str(run), *words, "--no-evaluate", "--device", "cpu"]) == 2
        assert sentence in capsys.readouterr().err
    assert "resumed" not in config(run), "nothing has changed"


def test_a_longer_run_notes_from_where(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (run / "metrics.jsonl").read_text()
    words = ["train", str(run), "--resume", "--no-evaluate", "--device", "cpu"]
    assert main([*words, "--train.steps", "6", "--train.log-every", "1"]) == 0
    assert (run / "metrics.jsonl").read_text().startswith(before), "what was recorded stays"
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()[before.count("\n") :]]
    assert [line["step"] for line in lines] == [5, 6]
    written = config(run)
    assert (written["config"]["train"]["steps"], written["config"]["train"]["log_every"]) == (6, 1)
    (noted,) = written["resumed"]
    assert (noted["step"], noted["changed"]) == (4, {"train.steps": [4, 6], "train.log_every": [2, 1]})
    newest = checkpoint.latest(run / "checkpoints")
    assert newest is not None
    assert newest.state()["resumed"][-1]["changed"] == noted["changed"]
    assert main([*words, "--train.steps", "5"]) == 2
    assert "begun with 6 steps, but 5 are asked for; a run that goes on can only become longer" in (
        capsys.readouterr().err
    )
    assert main(words) == 0
    assert len(config(run)["resumed"]) == 1


def test_settings_that_are_said_as_the_scenario_has_them_count_as_said(run: Path) -> None:
    usual = _catalogue.load("saccade-digits").train
    words = ["train", "saccade-digits", "--name", "tiny", "--resume", "--no-evaluate", "--device", "cpu"]
    assert main([*words, "--train.log-every", str(usual.log_every), "--train.threads", "2"]) == 0
    assert config(run)["config"]["train"]["log_every"] == usual.log_every
    assert config(run)["config"]["train"]["threads"] == 2


def test_the_same_in_python(run: Path) -> None:
    found = open_run(run)

    def again(**changes: Any) -> Run:
        return Run(run, found.name, found.scenario.changed(train=changes))

    with pytest.raises(ValueError, match=r"train\.lr=1\.0 \(written: 0\.002\)"):
        train_run(again(lr=1.0), "cpu", resume=True)
    done, finished = train_run(again(steps=5, keep=0), "cpu", resume=True)
    assert finished
    assert (done.scenario.train.steps, open_run(run).scenario.train.keep) == (5, 0)
