"""The worked examples of things of another package: they conform, and a run is trained, probed and opened with them."""

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import pytest
import torch

from gazeworld.agents import check_policy, check_reward, make_sb3_env, open_run
from gazeworld.envs import (
    check_prior,
    check_renderer,
    check_source,
    check_world,
    make_prior,
    make_renderer,
    make_world,
    plugins,
)
from gazeworld.models import check_method
from gazeworld.scenarios.commands import _main

FOLDER = Path(__file__).parent.parent / "scripts/examples/plugins"
NAMES = {file.stem for file in FOLDER.glob("*.py")}
TINY = [
    *["--train.steps", "2", "--train.batch", "6", "--train.observed", "1", "--probe.online", "0"],
    *["--probe.scenes", "12", "--probe.path-scenes", "0", "--probe.views", "1", "--probe.repeats", "1"],
    *["--probe.epochs-linear", "1", "--probe.epochs-position", "1", "--device", "cpu"],
]


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Modules of the examples can be imported, and are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setattr(plugins, "_FOLDERS", [])
    yield
    for name in NAMES & sys.modules.keys():
        del sys.modules[name]


def test_every_example_conforms() -> None:
    assert {"contrast_gain", "edges", "forward", "march", "points", "stripes", "zoom"} == NAMES
    check_source("stripes:load", count=40)
    check_world(make_world("zoom:ZoomWorld", source="stripes:load", source_options={"count": 40}))
    check_method("forward:ForwardPixels", dim=16, width=8)
    world = make_world("saccade", source="stripes:load", source_options={"count": 40})
    check_policy("march:March", world, stride=0.1)
    check_reward("contrast_gain:ContrastReward", world)
    check_reward("contrast_gain:ContrastReward", world, only_gain=True)
    check_renderer(make_renderer("points:PointRenderer", 48))
    check_prior(make_prior("edges:EdgePrior", blur=5))
    check_policy("saliency", world, map="mismatched-edges:EdgePrior", map_options={"blur": 5})


def test_the_readme_s_words_are_those_of_the_files() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    code = ast.unparse(ast.parse(text.partition("```python\n")[2].partition("```")[0]))
    assert all(name in code for name in ("check_source", "check_world", "check_method", "check_policy", "check_reward"))
    for name in NAMES:
        said = (FOLDER / f"{name}.py").read_text(encoding="utf-8").partition("`")[2].partition("`")[0]
        assert f"`{said}`" in text


def train(folder: Path, *words: str) -> Path:
    assert _main.main(["train", "saccade-digits", *words, *TINY, "--runs", str(folder), "--name", "own"]) == 0
    return folder / "own"


def test_a_run_is_trained_and_opened_with_method_source_and_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--method.name", "forward:ForwardPixels", "--method.dim", "8", "--policy", "march:March:stride=0.2"]
    run = train(
        tmp_path, *asked, "--world.source", "stripes:load", "--world.source-options.count", "24", "--probe.noise", "0"
    )
    config = json.loads((run / "config.json").read_text())["config"]
    assert {**config["method"], "name": "forward:ForwardPixels", "dim": 8} == config["method"]
    assert config["policy"] == {"name": "march:March", "stride": 0.2}
    assert config["world"]["source"] == "stripes:load"
    assert open_run(run).scenario.method["name"] == "forward:ForwardPixels"
    assert _main.main(["evaluate", str(run), "--device", "cpu"]) == 0
    capsys.readouterr()
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(FOLDER)])
    del sys.modules["forward"]
    assert _main.main(["evaluate", str(run)]) == 2
    said = capsys.readouterr().err
    assert "config.json: config.method.name: method 'forward:ForwardPixels': there is no module 'forward'; ins" in said


def test_a_run_is_trained_in_a_world_of_one_s_own(tmp_path: Path) -> None:
    run = train(
        tmp_path, "--world.name", "zoom:ZoomWorld", "--policy", "uniform", "--method.name", "forward:ForwardPixels"
    )
    assert (run / "probes.json").is_file()


def test_environments_and_agents_take_them() -> None:
    small = {"source": "stripes:load", "source_options": {"count": 24}}
    env = gymnasium.make("gazeworld/SaccadeCoverage-v0", world="zoom:ZoomWorld", **small)
    assert env.reset(seed=0)[0] in env.observation_space
    assert env.step(env.action_space.sample())[0] in env.observation_space
    rewarded = make_sb3_env("zoom:ZoomWorld", 3, reward="contrast_gain:ContrastReward", **small)
    rewarded.reset()
    _, rewards, _, _ = rewarded.step(torch.full((3, 1), -0.5).numpy())
    assert rewards.shape == (3,)
    assert (rewards != 0).any()
