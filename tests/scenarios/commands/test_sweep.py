"""`gazeworld sweep`: what it plans, what it refuses, what it skips and resumes, and that one failure costs one run."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from fakes.runs import leave, probes
from safetensors.torch import load_file

from gazeworld.agents.config import ProbeConfig
from gazeworld.agents.runs import swapping
from gazeworld.agents.runs import sweep as sweeps
from gazeworld.agents.runs.evaluate_run import Evaluated
from gazeworld.agents.runs.scenario import Run
from gazeworld.agents.runs.sweep import Plan, Work, left
from gazeworld.agents.training import loop
from gazeworld.agents.training.recorder import Recorder
from gazeworld.envs.world import World
from gazeworld.scenarios.commands import _catalogue, _runs
from gazeworld.scenarios.commands._main import main
from gazeworld.scenarios.commands.sweep import SweepArguments, plan_of

TINY = (
    "train.steps=2", "train.batch=4", "train.log_every=1", "train.save_every=1", "train.probe_every=2",
    "probe.online=0", "probe.scenes=30", "probe.repeats=1", "probe.epochs_linear=1", "probe.epochs_position=1",
    "probe.views=2", "probe.noise=0", "probe.path_scenes=10", "method.dim=8", "method.width=4",
)  # fmt: skip


def planned(*names: str, **options: Any) -> Plan:
    return plan_of(SweepArguments(names or ("saccade-digits",), **options))


def labels(made: Plan) -> list[str]:
    return [run.folder.name for run in made.runs]


def test_runs_are_named_as_train_names_them_and_by_what_differs() -> None:
    assert labels(planned(seeds="0,1")) == ["saccade-digits-0", "saccade-digits-1"]
    made = planned("saccade-digits:no-conditioning", methods="seq-jepa,byol", observed="")
    assert labels(made) == ["saccade-digits-no-conditioning-0", "saccade-digits-no-conditioning-byol-0"]
    assert labels(planned(observed="1,4", seeds="3")) == ["saccade-digits-m1-3", "saccade-digits-3"]
    assert planned(seeds="3").runs[0].scenario == _catalogue.load("saccade-digits").changed(seed=3)
    assert planned(runs=Path("there")).runs[0].folder == Path("there/saccade-digits-0")


def test_another_method_keeps_the_encoder_and_is_told() -> None:
    made = planned(methods="seq-jepa,byol,vicreg-traj")
    own = _catalogue.load("saccade-digits").method
    kept = {name: own[name] for name in ("encoder", "dim", "width")}
    assert [run.scenario.method for run in made.runs] == [own, {"name": "byol"} | kept, {"name": "vicreg-traj"} | kept]
    assert [run.scenario.train.observed for run in made.runs] == [4, 1, 2]
    assert "byol in place of seq-jepa keeps encoder, dim, width; has its own instead of action_width" in made.told[0]
    assert any("byol is trained on 2 views: train.observed 4 → 1" in text for text in made.told)


def test_settings_are_typed_and_may_be_for_one_method() -> None:
    changes = (
        "train.lr=1",
        "probe.regions=ood",
        "world.first=uniform",
        "byol:train.lr=0.5",
        "byol:method.predictor_hidden=7",
    )
    changes += ("world.source_options.size=9", "train.compile=true")
    first, second = planned(methods="seq-jepa,byol", changes=changes).runs
    assert (first.scenario.train.lr, second.scenario.train.lr) == (1.0, 0.5)
    assert type(first.scenario.train.lr) is float
    assert first.scenario.probe.regions == ("ood",)
    assert first.scenario.world["first"] == "uniform"
    assert first.scenario.world["source_options"] == {"size": 9}
    assert first.scenario.train.compile is True
    assert (first.scenario.method["predictor_hidden"], second.scenario.method["predictor_hidden"]) == (256, 7)
    assert _catalogue.load("saccade-digits").train.lr != 1.0


REFUSED = {
    "unknown scenario 'saccade-fingers'": {"scenarios": ("saccade-fingers",)},
    "no scenario was named": {"scenarios": ()},
    "unknown method 'seq-vae'": {"methods": "seq-vae"},
    "--seeds: '-1' is no whole number": {"seeds": "-1"},
    "--seeds is empty": {"seeds": ","},
    "--seeds: '1' stands there twice": {"seeds": "1,1"},
    "--observed: '0' is no whole number from 1 on": {"observed": "0"},
    "--set train.stepz=3: there is no 'stepz'": {"changes": ("train.stepz=3",)},
    "--set training.steps=3: a scenario has no 'training'": {"changes": ("training.steps=3",)},
    "--set train.steps=x: expected something like 6000, found 'x'": {"changes": ("train.steps=x",)},
    "--set train.steps=0: ": {"changes": ("train.steps=0",)},
    "--set train=3: 3 cannot stand for all its settings": {"changes": ("train=3",)},
    "--set train.steps: expected key=value": {"changes": ("train.steps",)},
    "--set seed=3: this is what --seeds is for": {"changes": ("seed=3",)},
    "--set byol:train.lr=1: 'byol' is no method of this sweep": {"changes": ("byol:train.lr=1",)},
    "two runs of the sweep would lie there": {"scenarios": ("saccade-digits", "saccade_digits")},
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_cannot_be_is_refused_with_its_reason(sentence: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011
        plan_of(SweepArguments(**{"scenarios": ("saccade-digits",), **REFUSED[sentence]}))
    assert sentence in str(error.value)


TOO_MANY = "byol-m3-0 cannot be trained: method 'byol' learns from 2 views, but train.observed=3 gives 4"
TRIED = {
    "saccade-digits-0 cannot be trained: glimpse of 57 px on images of 56 px": ["--set", "world.glimpse=57"],
    "saccade-digits-0 cannot be trained: method 'seq-jepa': ": ["--set", "method.dimm=3"],
    "saccade-digits-0 cannot be trained: unknown policy 'lucky'": ["--set", "policy.name=lucky"],
    TOO_MANY: ["--methods", "byol", "--observed", "1,3"],
}


@pytest.mark.parametrize("sentence", TRIED)
def test_worlds_and_methods_are_tried_before_anything_is_trained(
    sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "saccade-digits", "--runs", str(tmp_path / "runs"), *TRIED[sentence]]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def words(folder: Path, *more: str) -> list[str]:
    options = ["--runs", str(folder / "runs"), "--figures", str(folder / "figures"), "--device", "cpu"]
    return ["sweep", "saccade-digits", *more, *options, "--set", *TINY]


def test_a_sweep_trains_probes_compares_and_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(words(tmp_path, "--observed", "1,2", "--methods", "seq-jepa")) == 0
    out = capsys.readouterr().out
    assert "2 runs in " in out
    assert "[1/2] saccade-digits-m1-0: trained and probed" in out
    assert "[2/2] saccade-digits-m2-0: trained and probed; about 0:0" in out
    assert "untrained seq-jepa" in out
    assert "M_val = 2" in out
    (figure,) = (tmp_path / "figures").iterdir()
    assert figure.name == "heatmap-saccade-digits-seq-jepa-position.png"
    made_by = json.loads((tmp_path / "runs/saccade-digits-m1-0/config.json").read_text())["made_by"]
    assert made_by["command"].startswith("gazeworld sweep saccade-digits ")
    assert main(["report", str(tmp_path / "runs/saccade-digits-m2-0")]) == 0  # reads what probing writes today
    assert "path integration" in (tmp_path / "runs/saccade-digits-m2-0/report.html").read_text()
    for name in ("train_run", "evaluate_run"):  # nothing may be trained or probed again
        monkeypatch.setattr(sweeps, name, lambda *_, **__: pytest.fail("done already"))
    assert main(words(tmp_path, "--observed", "1,2", "--methods", "seq-jepa")) == 0
    assert "2 done already" in capsys.readouterr().out
    run = planned(observed="1,2", changes=TINY, runs=tmp_path / "runs").runs[0]
    assert left(run) is Work.NOTHING
    longer = planned(observed="1,2", changes=(*TINY, "train.steps=9"), runs=tmp_path / "runs").runs[0]
    with pytest.raises(ValueError, match=r"a run with train.steps=2 lies there, but the sweep asks for train.steps=9"):
        left(longer)
    other = planned(observed="1,2", changes=(*TINY, "probe.views=3"), runs=tmp_path / "runs").runs[0]
    assert left(other) is Work.PROBE
    (run.folder / "probes.json").write_text("{")
    assert left(run) is Work.PROBE


def test_ctrl_c_stops_the_sweep_and_the_same_command_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(monkeypatch)
    assert main([*words(tmp_path / "whole"), "train.steps=3"]) == 0
    capsys.readouterr()
    cut = [*words(tmp_path / "cut", "--seeds", "0,1"), "train.steps=3"]
    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "progress", lambda *_: signal.raise_signal(signal.SIGINT))
        assert main(cut) == 130
    out = capsys.readouterr().out
    assert "stopped; to go on: " in out
    assert "[2/2]" not in out
    run = planned(seeds="0,1", changes=(*TINY, "train.steps=3"), runs=tmp_path / "cut/runs").runs[0]
    assert left(run) is Work.RESUME
    with monkeypatch.context() as patch:
        patch.setattr(sweeps, "evaluate_run", interrupted)
        assert main(cut) == 130
    assert left(run) is Work.PROBE
    assert main(cut) == 0
    assert "[1/2] saccade-digits-0: trained, now probed" in capsys.readouterr().out
    weights = [
        load_file(tmp_path / name / "runs/saccade-digits-0/checkpoints/step-00000003/model.safetensors")
        for name in ("whole", "cut")
    ]
    assert all(bool((weights[0][key] == weights[1][key]).all()) for key in weights[0])


def test_ctrl_c_before_anything_is_recorded_is_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    update = loop.update

    def pressed(*given: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return update(*given)

    cut = [*words(tmp_path, "--seeds", "0,1"), "train.log_every=9"]
    with monkeypatch.context() as patch:
        patch.setattr(loop, "update", pressed)
        assert main(cut) == 130
    out = capsys.readouterr().out
    assert "stopped; to go on: " in out
    assert "failed" not in out
    assert "[2/2]" not in out
    quick(monkeypatch)
    assert main([*cut, "probe.scenes=20"]) == 0, "other probes are no other training"


def test_an_alternating_run_is_no_run_of_a_sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = leave(tmp_path / "runs/saccade-digits-0", "saccade-digits", _catalogue.load("saccade-digits"), None)
    data = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**data, "phases": {}}))
    assert main(["sweep", "saccade-digits", "--runs", str(tmp_path / "runs")]) == 2
    assert "a run of alternating phases, expected one of plain training" in capsys.readouterr().err


def interrupted(*_: object) -> int:
    raise KeyboardInterrupt


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another way of probing, which takes its time."""

    def probed(folder: Path, config: ProbeConfig, *_: object) -> Evaluated:
        found = probes((0.4, 0.6), {"relative position": 0.5}, step=3, config=config)
        (folder / "probes.json").write_text(json.dumps(found))
        return Evaluated.__new__(Evaluated)  # nothing is drawn of it

    monkeypatch.setattr(sweeps, "evaluate_run", probed)
    monkeypatch.setattr(_runs, "drawn", lambda *_: None)


def test_a_failure_is_reported_and_loses_no_other_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trains = sweeps.train_run

    def fails_once(run: Run, *words: Any, **options: Any) -> tuple[Run, bool]:
        if run.scenario.seed == 0:
            raise RuntimeError("out of memory")
        return trains(run, *words, **options)

    monkeypatch.setattr(sweeps, "train_run", fails_once)
    quick(monkeypatch)
    assert main(words(tmp_path, "--seeds", "0,1")) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "[1/2] saccade-digits-0 failed: RuntimeError: out of memory" in out
    assert f"failed: {tmp_path}/runs/saccade-digits-0: RuntimeError: out of memory" in out
    assert "1 of 2 runs failed" in out
    assert (tmp_path / "runs/saccade-digits-1/probes.json").is_file()


def test_a_method_that_adds_actions_is_fitted_where_they_do_not_add(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swapping, "world_once", lambda asked, worlds: World)
    made = planned("saccade-digits", methods="conv-jepa")
    assert [run.scenario.train.observed for run in made.runs] == [4]
    monkeypatch.setattr(World, "additive", False)
    made = planned("saccade-digits", methods="conv-jepa")
    assert [run.scenario.train.observed for run in made.runs] == [1]
    assert any("conv-jepa is trained on 2 views: train.observed 4 → 1" in text for text in made.told)
