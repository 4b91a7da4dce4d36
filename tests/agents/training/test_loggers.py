"""Where numbers go beside metrics.jsonl, with modules in the place of the services that are not installed."""

import importlib
import json
import sys
from io import StringIO
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from gazeworld.agents.config import LoggerName
from gazeworld.agents.runs.resuming import RUN, writing
from gazeworld.agents.training.loggers import begin_logger, require_logger
from gazeworld.agents.training.recorder import Recorder
from gazeworld.scenarios.commands._main import main

TINY = [
    "--train.steps", "4", "--train.batch", "8", "--train.log-every", "2", "--train.save-every", "2",
    "--probe.online", "0", "--no-evaluate", "--device", "cpu",
]  # fmt: skip


class Service:
    """What wandb and trackio have in common: runs that are begun, or gone on with, and take numbers."""

    def __init__(self, name: LoggerName) -> None:
        self.name: LoggerName = name
        self.begun: list[dict[str, Any]] = []
        self.points: list[tuple[str, dict[str, float], int | None]] = []
        self.ended: list[str] = []
        self.axes: list[tuple[str, dict[str, Any]]] = []

    def init(self, **options: Any) -> SimpleNamespace:
        self.begun.append(options)
        name = options.get("id") or (f"id-of-{options['name']}" if "id" in options else options["name"])
        return SimpleNamespace(
            id=name,
            log=lambda values, step=None: self.points.append((name, values, step)),
            define_metric=lambda which, **how: self.axes.append((which, how)),
            finish=lambda: self.ended.append(name),
        )


@pytest.fixture
def service(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Service:
    """A module of the name that the test is given, whose runs are written down."""
    found = Service(request.param)
    module = ModuleType(request.param)
    vars(module).update(init=found.init, Settings=lambda **options: options)
    monkeypatch.setitem(sys.modules, request.param, module)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    return found


def record(folder: Path, logger: LoggerName, start: int, step: int) -> None:
    recorder = Recorder(folder, start=start, steps=9, console=Console(file=StringIO()), logger=logger)
    recorder.scalars(step, {"train/loss": float(step)})
    recorder.close()


@pytest.mark.parametrize("service", ["wandb"], indirect=True)
def test_a_resumed_run_is_the_same_run_of_weights_and_biases(service: Service, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"config": {"seed": 3}}')
    record(tmp_path, "wandb", 0, 1)
    first = service.begun[0]
    assert (first["id"], first["resume"]) == (None, None)
    assert (first["project"], first["name"], first["dir"]) == ("gazeworld", tmp_path.name, str(tmp_path))
    assert first["config"] == {"config": {"seed": 3}}
    assert first["settings"] == {"console": "off"}
    record(tmp_path, "wandb", 1, 2)
    name = f"id-of-{tmp_path.name}"
    assert (service.begun[1]["id"], service.begun[1]["resume"]) == (name, "allow")
    # The step is an axis of its own: the service's would drop what a resumed run records again.
    assert service.points == [(name, {"train/loss": float(i), "step": i}, None) for i in (1, 2)]
    assert ("*", {"step_metric": "step"}) in service.axes
    assert service.ended == [name, name]


@pytest.mark.parametrize("service", ["trackio"], indirect=True)
def test_a_resumed_run_is_the_same_run_of_trackio(service: Service, tmp_path: Path) -> None:
    record(tmp_path, "trackio", 0, 1)
    record(tmp_path, "trackio", 1, 2)
    names = {options["name"] for options in service.begun}
    assert len(names) == 1
    assert names.pop().startswith(f"{tmp_path.name}-")
    assert {(options["project"], options["resume"]) for options in service.begun} == {("gazeworld", "allow")}
    assert [(values, step) for _, values, step in service.points] == [({"train/loss": float(i)}, i) for i in (1, 2)]
    assert len(service.ended) == 2


@pytest.mark.parametrize("service", ["trackio"], indirect=True)
def test_runs_of_one_name_in_two_folders_are_two_runs(service: Service, tmp_path: Path) -> None:
    for place in ("here", "there"):
        record(tmp_path / place / "run", "trackio", 0, 1)
    assert len({options["name"] for options in service.begun}) == 2


@pytest.mark.parametrize("service", ["wandb"], indirect=True)
def test_a_session_with_another_logger_forgets_no_run(service: Service, tmp_path: Path) -> None:
    record(tmp_path, "wandb", 0, 1)
    record(tmp_path, "tensorboard", 1, 2)
    record(tmp_path, "none", 2, 3)
    assert (tmp_path / "tensorboard").is_dir()
    record(tmp_path, "wandb", 3, 4)
    assert service.begun[1]["id"] == f"id-of-{tmp_path.name}"
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 4


def test_without_a_logger_there_are_the_numbers_alone(tmp_path: Path) -> None:
    record(tmp_path, "none", 0, 1)
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.jsonl"]


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_what_is_not_installed_is_said_before_anything_is_done(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Missing:
        def find_spec(self, wanted: str, *rest: Any) -> None:
            if wanted == name:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    words = ["saccade-digits", "--runs", str(tmp_path), "--logger", name]
    sentence = f"logger is '{name}', which is not installed; `pip install {name}` helps"
    for command in (["train", *words], ["train-jointly", *words], ["sweep", *words]):
        assert main(command) == 2
        assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_folder_of_that_name_is_not_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trackio").mkdir()
    monkeypatch.delitem(sys.modules, "trackio", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    importlib.invalidate_caches()
    with pytest.raises(ValueError, match="logger is 'trackio', which is not installed"):
        require_logger("trackio")
    sys.modules.pop("trackio", None)


def test_what_is_no_logger_is_named() -> None:
    with pytest.raises(ValueError, match="logger is 'paper', expected one of tensorboard, wandb, trackio, none"):
        require_logger("paper")


@pytest.mark.parametrize("service", ["wandb", "trackio"], indirect=True)
def test_a_service_that_refuses_is_said_in_one_sentence(service: Service, tmp_path: Path) -> None:
    def refuse(**options: Any) -> None:
        raise RuntimeError("no account\nat all")

    name = service.name
    vars(sys.modules[name])["init"] = refuse
    with pytest.raises(ConnectionError, match=rf"logger '{name}' did not begin: no account\\nat all; "):
        begin_logger(name, tmp_path, start=0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("service", ["wandb"], indirect=True)
def test_the_command_trains_with_a_logger_and_goes_on_with_another(service: Service, tmp_path: Path) -> None:
    words = ["train", "saccade-digits", "--runs", str(tmp_path), "--name", "one", *TINY]
    assert main([*words, "--logger", "wandb"]) == 0
    assert [values["step"] for _, values, _ in service.points] == [2, 4]
    assert service.begun[0]["config"]["scenario"] == "saccade-digits"
    assert not (tmp_path / "one/tensorboard").exists()
    assert json.loads((tmp_path / "one/loggers.json").read_text()) == {"wandb": "id-of-one"}
    assert main([*words, "--resume", "--logger", "none"]) == 0
    assert len(service.begun) == 1


@pytest.mark.parametrize("service", ["wandb"], indirect=True)
def test_a_run_that_fails_before_it_saves_leaves_no_trace_of_its_logger(service: Service, tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        with writing(folder, RUN, resume=False):
            (folder / "wandb").mkdir()
            record(folder, "wandb", 0, 0)
            assert (folder / "loggers.json").is_file()
            raise RuntimeError("early")

    with pytest.raises(RuntimeError, match="early"):
        fail(tmp_path / "one")
    assert not (tmp_path / "one").exists()
