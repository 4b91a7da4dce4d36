"""The command line as a person meets it: one run from training to pictures, and one sentence for every mistake."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fakes.processes import Command, ran
from rich.console import Console

from gazeworld.agents.runs import evaluate_run, train_run
from gazeworld.agents.runs.scenario import Run
from gazeworld.agents.training import loop
from gazeworld.scenarios.commands import _catalogue
from gazeworld.scenarios.commands._main import main
from gazeworld.scenarios.commands.data import PackArguments
from gazeworld.scenarios.commands.sweep import SweepArguments
from gazeworld.scenarios.commands.train import TrainArguments

TINY = [
    "--train.steps", "4", "--train.batch", "8", "--train.log-every", "2", "--train.save-every", "2",
    "--train.probe-every", "4", "--probe.online", "40", "--probe.scenes", "60", "--probe.repeats", "1",
    "--probe.epochs-linear", "3", "--probe.epochs-position", "3", "--probe.views", "2", "--device", "cpu",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished tiny run, with its probes and figures."""
    folder = tmp_path_factory.mktemp("runs")
    os.environ["GAZEWORLD_CACHE"] = str(tmp_path_factory.getbasetemp() / "cache")
    assert main(["train", "saccade-digits", "--runs", str(folder), "--name", "tiny", *TINY]) == 0
    return folder / "tiny"


def test_training_leaves_everything_that_made_it_and_what_came_of_it(run: Path) -> None:
    for file in ("config.json", "metrics.jsonl", "probes.json", "checkpoints/step-00000004/model.safetensors"):
        assert (run / file).stat().st_size > 0
    for figure in ("training", "recognition", "path_integration"):
        assert (run / f"figures/{figure}.png").read_bytes().startswith(b"\x89PNG")
    probes = json.loads((run / "probes.json").read_text())
    assert {"recognition", "position", "path_integration", "chance", "step"} <= probes.keys()
    config = json.loads((run / "config.json").read_text())
    assert config["config"]["train"]["steps"] == 4
    assert not list(run.rglob("*.draft"))


def test_another_policy_than_the_scenarios_looks_in_training_and_probing(tmp_path: Path) -> None:
    words = ["train", "saccade-digits", "--runs", str(tmp_path), "--name", "grid", *TINY]
    assert main([*words, "--policy", "grid:side=2", "--probe.noise", "0"]) == 0
    config = json.loads((tmp_path / "grid/config.json").read_text())
    assert config["config"]["policy"] == {"name": "grid", "side": 2}
    probes = json.loads((tmp_path / "grid/probes.json").read_text())
    assert probes["recognition"]["policy"]["fixations"] == {"name": "grid", "side": 2}


def test_evaluate_again_with_another_protocol(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), "--probe.views", "3", "--probe.noise", "0", "--device", "cpu"]) == 0
    assert "M = 3" in capsys.readouterr().out
    assert json.loads((run / "probes.json").read_text())["config"]["views"] == 3


def test_watch_a_run_and_a_scenario(run: Path, tmp_path: Path) -> None:
    assert main(["watch", str(run), "--scenes", "2"]) == 0
    assert (run / "figures/scanpath.gif").read_bytes().startswith(b"GIF")
    assert main(["watch", "saccade-digits", "--scenes", "2", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "scanpaths.png").is_file()


def test_a_run_is_not_overwritten(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (run / "metrics.jsonl").read_bytes()
    assert main(["train", "saccade-digits", "--runs", str(run.parent), "--name", "tiny", *TINY]) == 2
    assert "there is a run already" in capsys.readouterr().err
    assert (run / "metrics.jsonl").read_bytes() == before


def test_list_names_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("saccade-stl10", "seq-jepa", "fashion-mnist", "uniform"))


def test_bench_methods_costs_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["saccade-digits", "--methods", "simclr,seq-jepa", "--batch", "4", "--seconds", "0.01", "--device", "cpu"]
    assert main(["bench", "methods", *words]) == 0
    text = capsys.readouterr().out
    assert "simclr is trained on 2 views: train.observed 4 → 1" in " ".join(text.split())
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}
    assert (rows["seq-jepa"][1], rows["simclr"][1]) == ("4", "1")
    assert rows["simclr"][-1] == "11.4"  # the paper's hours, of the same number of views
    assert rows["seq-jepa"][-1] == "–"


def test_bench_step_adds_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "step", "saccade-digits", "--timed", "2", "--train.batch", "8", "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert all(part in out for part in ("environment", "backward", "momentum", "TFLOP", "matrix rate"))


MISTAKES = {
    "unknown command": (["fly"], "unknown command 'fly'"),
    "an empty word": (["report", ""], "an empty word follows 'report', expected a name or a path"),
    "unknown scenario": (["train", "saccade-fingers"], "unknown scenario 'saccade-fingers'; there are: "),
    "unknown source": (["--world.source", "stl11"], "unknown source 'stl11'; there are: 3diebench, cifar100, digits"),
    "unknown policy": (["sweep", "saccade-digits", "--set", "policy.name=lucky"], "unknown policy 'lucky'"),
    "who looks": (["--policy", "luck"], "'luck' is neither a policy of the registry ("),
    "unknown method": (["--method.name", "seq-vae"], "unknown method 'seq-vae'"),
    "unknown map": (["--policy", "saliency:map=moon"], "unknown prior 'moon'"),
    "no observed view": (["--train.observed", "0"], "observed"),
    "glimpse too large": (["--world.glimpse", "57"], "glimpse of 57 px on images of 56 px"),
    "one stream": (["--train.batch", "1"], "train.batch is 1"),
    "no such device": (["--device", "cuda:99"], "device 'cuda:99' cannot be used"),
    "no such split": (["--world.split", "validation"], "unknown split 'validation'"),
    "precomputed maps that are not there": (
        ["--policy", "saliency:map=precomputed"],
        "no saliency maps came with the images",
    ),
    "negative seed": (["--seed", "-1"], "seed is -1, expected an integer from 0 to 4294967295"),
    "a seed too large": (["--seed", "4294967296"], "seed is 4294967296, expected an integer from 0 to 4294967295"),
    "negative seed of probes": (["--probe.seed", "-1"], "probe.seed is -1, expected an integer from 0 to 4294967295"),
    "who watches": (
        ["watch", "saccade-digits", "--seed", "-1"],
        "seed is -1, expected an integer from 0 to 4294967295",
    ),
    "whose heads": (
        ["fit-ensemble", "runs/none", "--seed", "-1"],
        "seed is -1, expected an integer from 0 to 4294967295",
    ),
    "fewer than no checkpoints": (["--train.keep", "-1"], "train.keep is -1, expected an integer of 0 or more"),
    "fewer than no epochs": (["--train.epochs", "-1"], "train.epochs is -1, expected an integer of 0 or more"),
    "no learning": (["--train.lr", "0"], "train.lr is 0.0, expected a finite number of more than 0"),
    "regions without rotations": (
        ["--probe.regions", "ood"],
        "probe.regions is ood, but world 'saccade' has no stored",
    ),
    "values in two places": (
        ["--probe.regions", "ood", "--probe.regions=so3"],
        "--probe.regions is given twice; give all its values after one",
    ),
    "settings in two places": (["sweep", "saccade-digits", "--set", "a=1", "--set", "b=2"], "--set is given twice"),
    "paths in two places": (["compare", "r", "--versus", "a", "--learned", "c", "--versus", "b"], "--versus is given"),
    "classes in two places": (["data", "render", "--classes", "a", "--classes", "b"], "--classes is given twice"),
    "negative noise": (["--world.noise", "-1"], "noise is -1.0"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_sentence_and_leaves_nothing(
    mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, sentence = MISTAKES[mistake]
    if words[0].startswith("--"):
        words = ["train", "saccade-digits", "--runs", str(tmp_path / "runs"), *TINY, *words]
    assert exit_code(words) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def exit_code(words: list[str]) -> int:
    try:
        return main(words)
    except SystemExit as stop:  # tyro ends the process itself
        return int(stop.code or 0)


def test_an_unknown_override_is_refused(tmp_path: Path) -> None:
    assert exit_code(["train", "saccade-digits", "--world.glimps", "3", "--runs", str(tmp_path / "runs")]) == 2
    assert not (tmp_path / "runs").exists()


def test_paths_that_do_not_exist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(tmp_path / "nothing")]) == 2
    assert "nothing/config.json: no such file" in capsys.readouterr().err
    assert main(["watch", str(tmp_path / "nothing")]) == 2
    assert "neither the folder of a run nor a scenario" in capsys.readouterr().err
    gone = ["train", "saccade-stl10", "--world.root", str(tmp_path / "gone"), "--runs", str(tmp_path / "runs")]
    assert main([*gone, "--device", "cpu"]) == 2
    assert "gone" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_checkpoints_that_do_not_fit(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(run, broken)
    weights = broken / "checkpoints/step-00000004/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert main(["evaluate", str(broken), "--device", "cpu"]) == 2
    assert "not a whole safetensors file" in capsys.readouterr().err
    other = tmp_path / "other"
    shutil.copytree(run, other)
    config = json.loads((other / "config.json").read_text())
    config["config"]["method"]["dim"] = 32
    (other / "config.json").write_text(json.dumps(config))
    assert main(["evaluate", str(other), "--device", "cpu"]) == 2
    assert "has shape" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", [[], ["train"], ["evaluate"], ["watch"], ["bench"], ["bench", "rollout"], ["bench", "methods"], ["list"]]
)
def test_help_needs_no_torch(command: list[str]) -> None:
    code = (
        "import sys\nfrom gazeworld.scenarios.commands._main import main\n"
        f"try:\n    main({[*command, '--help']!r})\nexcept SystemExit as stop:\n    assert not stop.code\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout


def test_help_and_version_are_quick(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"gazeworld \d+\.\d+\.\d+\n", capsys.readouterr().out)
    assert main(["--help"]) == 0
    usage = capsys.readouterr().out
    assert all(f"  {name} " in usage for name in _catalogue.commands())
    code = (
        "import sys, time\nfrom gazeworld.scenarios.commands._main import main\n"
        "try:\n    main(['train-policy', '--help'])\nexcept SystemExit:\n    pass\n"
        "assert time.process_time() < 2, time.process_time()\n"
        "found = [name for name in sys.modules if name.startswith('gazeworld.scenarios.commands.')]\n"
        "own = {name.rpartition('.')[2] for name in found if not name.rpartition('.')[2].startswith('_')}\n"
        "assert own == {'train_policy'}, own"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("command", "kind"),
    [(["train", "saccade-digits"], TrainArguments), (["sweep"], SweepArguments), (["data", "pack"], PackArguments)],
)
def test_help_begins_with_what_the_command_is_for(
    command: list[str], kind: type, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*command, "--help"])
    assert kind.__doc__
    said = " ".join(capsys.readouterr().out.split())  # however wide the terminal is
    assert kind.__doc__.partition("\n")[0] in said


def test_ctrl_c_saves_says_how_to_go_on_and_resuming_finishes(tmp_path: Path) -> None:
    words = ["train", "saccade-digits", "--runs", str(tmp_path), "--name", "cut", *TINY, "--train.steps", "100000"]
    words += ["--train.save-every", "50000", "--no-evaluate"]
    metrics = tmp_path / "cut/metrics.jsonl"
    with Command(words, tmp_path / "told") as process:
        process.until(lambda: metrics.is_file() and metrics.read_text().count("\n") > 3)
        process.send(signal.SIGINT)
        assert process.wait().code == 130, process.err
    assert f"gazeworld train {tmp_path / 'cut'} --resume" in process.out
    saved = [p.name for p in (tmp_path / "cut/checkpoints").iterdir()]
    assert len(saved) == 1
    step = int(saved[0].removeprefix("step-"))
    config = json.loads((tmp_path / "cut/config.json").read_text())
    config["config"]["train"]["steps"] = step + 2
    (tmp_path / "cut/config.json").write_text(json.dumps(config))
    again = ["train", "saccade-digits", "--runs", str(tmp_path), "--name", "cut", "--resume", "--no-evaluate"]
    assert main([*again, "--device", "cpu"]) == 0
    steps = [json.loads(line)["step"] for line in metrics.read_text().splitlines()]
    assert steps == sorted(steps)
    assert steps[-1] == step + 2


def test_ctrl_c_before_anything_is_recorded_saves_and_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    update = loop.update

    def pressed(*given: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return update(*given)

    monkeypatch.setattr(loop, "update", pressed)
    words = ["train", "saccade-digits", "--runs", str(tmp_path), "--name", "early", *TINY, "--probe.online", "0"]
    assert main(words) == 130
    said = capsys.readouterr()
    assert f"gazeworld train {tmp_path / 'early'} --resume" in said.out
    assert not said.err
    assert [path.name for path in (tmp_path / "early/checkpoints").iterdir()] == ["step-00000001"]


def test_a_run_goes_on_with_what_it_was_begun_with(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--runs", str(run.parent), "--name", "tiny", "--resume", "--no-evaluate"]
    assert main(["train", "saccade-digits", *words, "--device", "cpu"]) == 0
    assert main(["train", "saccade_digits", *TINY, *words]) == 0
    capsys.readouterr()
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file()}
    for name, given, sentence in (
        ("saccade-search", [], "a run of scenario 'saccade-digits', but 'saccade-search' is asked for"),
        ("saccade-digits:demo", [], "a run of scenario 'saccade-digits', but 'saccade-digits:demo' is asked for"),
        ("saccade-digits", ["--train.lr", "9"], "train.lr=9.0 (written: 0.002)"),
        ("saccade-digits", ["--train.steps", "3"], "begun with 4 steps, but 3 are asked for"),
        ("saccade-digits", ["--method.dim", "7", "--seed", "3"], "seed=3 (written: 0)"),
        (
            "saccade-digits",
            ["--policy", "grid:side=2"],
            "policy.name=grid (written: saliency), policy.side=2 (written: ",
        ),
    ):
        assert main(["train", name, *words, *given, "--device", "cpu"]) == 2
        assert sentence in capsys.readouterr().err
    assert {file: file.read_bytes() for file in run.rglob("*") if file.is_file()} == before


def test_regions_are_looked_for_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"source_options": {"per_family": 2, "size": 16, "views": 4, "renderer": "embree"}}
    settings = {"steps": 1, "batch": 4, "observed": 2}
    found = _catalogue.load("rotation-solids").changed(world=small, train=settings, probe={"online": 0})
    found = dataclasses.replace(
        found, method={**found.method, "dim": 8, "width": 4, "action_width": 4, "predictor_hidden": 16}
    )
    run = Run(tmp_path / "run", "rotation-solids", found)
    train_run.train_run(run, "cpu", resume=False, console=Console(quiet=True))
    monkeypatch.setattr(evaluate_run, "evaluate", None)
    stored = tmp_path / "stored"
    stored.mkdir()
    for region, sentence in (
        ("behnd", "probe.regions holds 'behnd', expected NAME=ROOT or one of: paper, ood"),
        ("far=nowhere", "probe.regions holds 'far=nowhere', but 'nowhere' is no folder"),
        (f"far={stored}", str(stored)),
    ):
        assert main(["evaluate", str(run.folder), "--probe.regions", "ood", region, "--device", "cpu"]) == 2
        assert sentence in capsys.readouterr().err


def test_two_processes_share_a_batch(tmp_path: Path) -> None:
    """In half precision, and with parameters that no loss reaches; test_processes trains two as they usually do."""
    words = ["train", "saccade-digits:no-conditioning", *TINY, "--train.precision", "bf16-mixed"]
    words += ["--runs", str(tmp_path), "--name", "two", "--processes", "2", "--no-evaluate"]
    done = ran(words, tmp_path / "told")
    assert done.code == 0, done.err
    config = json.loads((tmp_path / "two/config.json").read_text())
    assert config["made_by"]["processes"] == 2
    steps = [json.loads(line)["step"] for line in (tmp_path / "two/metrics.jsonl").read_text().splitlines()]
    assert steps == [0, 2, 4, 4]  # one process writes
    assert main([*words, "--device", "cpu", "--train.batch", "9"]) == 2
