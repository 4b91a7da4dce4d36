"""`gazeworld compare`, `heads`, `reach` and `imagine` on tiny runs: what they leave, and one sentence for mistakes."""

import json
import re
import shutil
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from fakes.methods import Turns
from fakes.object_datasets import objects
from rich.console import Console

from gazeworld.agents.comparison import compare_runs, contest
from gazeworld.agents.config import AgentConfig
from gazeworld.agents.planning.ensemble import load_ensemble
from gazeworld.agents.rl.algorithms import agent_for
from gazeworld.agents.rl.saving import save_policy
from gazeworld.agents.runs import build, planning_measures, train_run
from gazeworld.agents.runs.scenario import Run, open_run
from gazeworld.agents.training.checkpoint import load_method
from gazeworld.envs.worlds.rotation import RotationWorld
from gazeworld.scenarios.commands import _catalogue
from gazeworld.scenarios.commands._main import main
from gazeworld.scenarios.reports.comparison_report import points

FEW = ["--views", "3", "--scenes", "60", "--test-scenes", "40", "--resamples", "50", "--device", "cpu"]
SOME = ["--policies", "uniform,disagreement,oracle"]


def tiny(folder: Path, seed: int = 0) -> Path:
    """A run whose world model was trained for two steps."""
    found = _catalogue.load("saccade-digits").changed(
        world={"source_options": {"variants": 1}},
        method={"dim": 8, "width": 4, "action_width": 4, "predictor_hidden": 16},
        train={"steps": 2, "batch": 8, "observed": 2, "save_every": 2, "probe_every": 2},
        probe={"online": 0, "views": 3, "epochs_linear": 2},
        seed=seed,
    )
    train_run.train_run(Run(folder, "saccade-digits", found), "cpu", resume=False, console=Console(file=StringIO()))
    return folder


def learnt(run: Path, folder: Path, **world: object) -> Path:
    """A policy that has learnt nothing, made for the world model of a run."""
    found = open_run(run).scenario.changed(world=world)
    there = build.world_of(found, "train", "cpu")
    method, _ = load_method(run, build.world_of(open_run(run).scenario, "train", "cpu"))
    config = AgentConfig(environments=2, episode_steps=2, discrete_actions={"name": "fixations", "side": 4}, rewards=())
    save_policy(agent_for(config, there, method), folder)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds, each with a learnt policy; the second one holds it in its checkpoint, too."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAZEWORLD_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        for seed in (0, 1):
            run = tiny(folder / f"r-{seed}", seed)
            learnt(run, run / "policies/p")
        learnt(folder / "r-1", folder / "other", glimpse=20)
    for name in ("policy.json", "policy.safetensors"):
        shutil.copy(folder / "r-1/policies/p" / name, folder / "r-1/checkpoints/step-00000002" / name)
    return folder


def test_a_comparison_leaves_numbers_and_figures_and_is_not_made_twice(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare_runs, "ENSEMBLE_SCENES", 30)
    words = ["compare", str(made / "r-0"), *FEW, *SOME, "--learned", "p", "--out", str(tmp_path)]
    assert main(words) == 0
    out = capsys.readouterr().out
    found = json.loads((tmp_path / "compare.json").read_text())
    assert list(found["policies"]) == ["uniform", "saliency", "disagreement", "p", "oracle"]
    assert found["policies"]["p"]["kind"] == "learned"
    assert found["shared probe"] == {"trained on": ["uniform", "saliency"], "streams of each": 60}
    assert list(found["glimpses"]["shared"]) == ["uniform", "saliency", "disagreement", "p", "oracle"]
    assert found["path integration"]["change of R²"] is None
    assert found["config"]["epochs"] == 2, "the run's own budget"
    assert found["runs"][0]["trained with"] == "saliency + IoR"
    said = " ".join(out.split())
    gain = found["difference to saliency"]["retrained"]["disagreement"]
    assert f"planned: disagreement: gain over saliency {points(gain['mean'][1])} points" in said
    assert "learnt: p: gain over saliency" in said
    assert "glimpses for 95 % of the whole image's" in said
    assert "runs trained otherwise are set beside them by --versus" in said
    assert not re.search(r"\bT[1-4]\b|not met", said)
    for name in ("curves", "heat_maps", "saccades", "overlap"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert not (made / "r-0/ensemble").exists(), "heads that were not asked for stay in OUT"
    monkeypatch.setattr(contest, "visit", lambda *_: pytest.fail("looked again"))
    monkeypatch.setattr("gazeworld.scenarios.reports.comparison_report.drawn", lambda _: {})
    assert main(words) == 0
    assert json.loads((tmp_path / "compare.json").read_text()) == found


def test_seeds_are_averaged_and_crossed_with_another_training(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compare", str(made / "r-0"), *FEW, "--policies", "grid", "--out", str(tmp_path)]
    assert main([*words, "--versus", str(made / "r-1"), "--no-deterministic"]) == 0
    found = json.loads((tmp_path / "compare.json").read_text())
    cells = found["two by two"]
    assert cells["trained with"] == ["saliency + IoR", "a learnt policy"]
    assert cells["tested with"] == ["saliency + IoR", "a learnt policy"]
    assert found["policies"]["theirs"]["options"]["model"] == str(made / "r-1")
    assert len(cells["retrained"]["differences"]) == 5
    assert len(found["path integration"]["change of R²"]) == 3
    assert (tmp_path / "two_by_two.png").is_file()
    both = ["compare", str(made / "r-0"), str(made / "r-1"), *FEW, "--policies", "grid", "--out", str(tmp_path / "b")]
    assert main(both) == 2
    assert "cannot be averaged: one of them has no own" in capsys.readouterr().err
    with pytest.MonkeyPatch.context() as patch:  # a run that holds a policy has one contestant more
        patch.setattr(compare_runs, "policy_folder", lambda _: None)
        patch.setattr("gazeworld.scenarios.reports.comparison_report.drawn", lambda _: {})
        assert main([*both, "--learned", "p"]) == 0
    averaged = json.loads((tmp_path / "b/compare.json").read_text())
    assert [run["seed"] for run in averaged["runs"]] == [0, 1]
    one = averaged["accuracy"]["retrained"]["p"]
    assert one["mean"][2] == pytest.approx((one["runs"][0][2] + one["runs"][1][2]) / 2)
    assert averaged["policies"]["p"]["options"]["path"] == str(made / "r-0/policies/p")


def test_mistakes_in_a_comparison_are_one_sentence(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(*words: str) -> str:
        assert main(["compare", *FEW, *words, "--out", str(tmp_path)]) == 2
        sentence = capsys.readouterr().err.strip()
        assert "\n" not in sentence
        return sentence

    run = str(made / "r-0")
    assert "unknown policies rumour; there are: uniform" in said(run, "--policies", "rumour")
    assert "nothing: no learnt policy; expected a folder with policy.json" in said(run, "--learned", "nothing")
    assert "was trained for view shape [1, 20, 20], and SaccadeWorld has [1, 16, 16]" in said(
        run, "--learned", str(made / "other")
    )
    assert "2 runs after --versus for 1 runs" in said(run, "--versus", run, str(made / "r-1"))
    foreign = tmp_path / "foreign"
    shutil.copytree(made / "r-0/policies/p", foreign)
    (foreign / "config.json").write_text(json.dumps({"train_policy": {"model": "0123456789abcdef"}}))
    assert "trained to look with the world model 0123456789abcdef" in said(run, "--learned", str(foreign))
    assert "two policies are called 'p'" in said(run, "--learned", "p", str(made / "r-1/policies/p"))
    assert "scenes is -1, expected an integer of 0 or more" in said(run, "--scenes", "-1")
    assert "config.json: no such file" in said(str(tmp_path / "none"))
    monkeypatch.setattr(build, "world_of", lambda *_: RotationWorld(objects(n=4, v=3)))
    assert "comparing fixation policies needs a world of fixations, and RotationWorld is none" in said(run)


def test_runs_of_other_scenarios_are_not_averaged(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(made / "r-1", other)
    data = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(data | {"scenario": "saccade-digits:uniform"}))
    assert main(["compare", str(made / "r-0"), str(other), *FEW]) == 2
    assert "runs are averaged only over seeds" in capsys.readouterr().err
    data["config"]["world"]["source_options"] = {"variants": 2}
    (other / "config.json").write_text(json.dumps(data))
    assert main(["compare", str(made / "r-0"), "--versus", str(other), *FEW]) == 2
    assert "looks at other images" in capsys.readouterr().err


def test_the_gaze_of_a_scenario() -> None:
    digits = Run(Path("x"), "saccade-digits", _catalogue.load("saccade-digits"))
    assert (compare_runs.gaze_of(digits).map, compare_runs.gaze_of(digits).inhibition.radius) == ("contrast", 8.0)
    uniform = replace(digits, scenario=_catalogue.load("saccade-digits:uniform"))
    assert compare_runs.gaze_of(uniform).map == "contrast", "the world's own where the policy has none of the scene"
    plain = replace(digits, scenario=replace(digits.scenario, policy={"name": "uniform"}))
    assert (compare_runs.gaze_of(plain).map, compare_runs.gaze_of(plain).inhibition.radius) == ("contrast", 0.0)


def test_heads_are_fitted_and_found_by_policies(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    shutil.copytree(made / "r-0", run)
    words = ["fit-ensemble", str(run), "--heads", "2", "--epochs", "1", "--label-epochs", "1", "--scenes", "30"]
    assert main([*words, "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "cosine of the model's own predictor" in out
    assert "top-1 of the label head" in out
    world = build.world_of(open_run(run).scenario, "test", "cpu")
    found = load_ensemble(run / "ensemble", load_method(run, world)[0])
    assert (found.config.heads, found.config.hidden, found.sizes.classes) == (2, 16, 10)
    assert main([*words, "--epochs", "0", "--device", "cpu"]) == 2
    assert "epochs is 0, expected an integer of 1 or more" in capsys.readouterr().err


def test_reaching_and_imagining_leave_numbers_and_a_figure(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = str(made / "r-0"), ["--out", str(tmp_path), "--scenes", "16", "--device", "cpu"]
    assert main(["goal-reaching", run, *out]) == 0
    found = json.loads((tmp_path / "goal_reaching.json").read_text())
    assert found["actions"] == [1, 2, 3]
    assert "within 4.67 px" in found["task"], "a twelfth of 56"
    assert list(found["values"]) == ["trained model", "untrained model", "uniform", "saliency", "pixel matching"]
    trained = found["values"]["trained model"]
    assert found["summary"]["trained model"] == {name: trained[name][2] for name in ("reached", "interval")}
    assert found["summary"]["times the best"] < 3
    assert main(["rollout-error", run, *out, "--horizon", "2"]) == 0
    imagined = json.loads((tmp_path / "rollout_error.json").read_text())
    assert (imagined["seen"], imagined["horizon"]) == (2, [1, 2])
    assert imagined["agreement"]["untrained"] > 0.99, "one network, the same statistics"
    for name in ("goal_reaching", "rollout_error"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    capsys.readouterr()
    assert main(["rollout-error", run, *out, "--horizon", "0"]) == 2
    assert "horizon is 0, expected an integer from 1 to 4096" in capsys.readouterr().err


def test_views_of_objects_are_reached_with_replans(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = RotationWorld(objects(n=12, v=8))
    place = planning_measures.Opened(open_run(made / "r-0"), world, Turns(world), 7)
    monkeypatch.setattr(planning_measures, "opened", lambda *_: place)
    monkeypatch.setattr(planning_measures, "untrained", lambda _: Turns(world))
    assert main(["goal-reaching", str(made / "r-0"), "--out", str(tmp_path), "--device", "cpu"]) == 0
    found = json.loads((tmp_path / "goal_reaching.json").read_text())
    assert found["actions"] == [1, 2, 3, 4, 5]
    assert found["unit"] == "degrees"
    assert found["summary"]["mrr"] == pytest.approx(1.0), "a perfect model is right at once"
    assert found["summary"]["with replans"] == found["summary"]["hit@1"] == 1, "which replans cannot double"
    assert "one shot among all views: Hit@1 1.000" in " ".join(capsys.readouterr().out.split())
