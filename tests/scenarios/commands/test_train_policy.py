"""`train-policy` and `watch --policy`: what they leave, resuming bit for bit, and one sentence for every mistake."""

import dataclasses
import json
import os
import shutil
import signal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file
from torch.distributions import Distribution

from gazeworld.agents.config import PolicyPlan
from gazeworld.agents.policy import make_policy
from gazeworld.agents.rewards.recognition import RecognitionReward
from gazeworld.agents.rl import train_policy as training
from gazeworld.agents.rl.algorithms import agent_config, agent_for
from gazeworld.agents.runs import build, train_run
from gazeworld.agents.runs.policy_run import PolicyChoices, train_policy_in_run
from gazeworld.agents.runs.scenario import Run, open_run
from gazeworld.agents.training import checkpoint
from gazeworld.agents.training.checkpoint import load_method
from gazeworld.scenarios.commands import _catalogue
from gazeworld.scenarios.commands._arguments import pairs, spec
from gazeworld.scenarios.commands._main import main

SMALL = [
    "--agent.environments", "8", "--agent.episode-steps", "2", "--agent.discrete-actions", "fixations:side=4",
    "--prepare", "60", "--agent.rewards", "recognition:epochs=2", "--every", "48", "--device", "cpu",
    "--agent.options", "n_steps=3", "batch_size=24", "n_epochs=2",
]  # fmt: skip
OFF = [*SMALL[:-4], "--agent.algorithm", "sac", "--agent.discrete-actions", "none"]
OFF += ["--agent.options", "learning_starts=24", "buffer_size=400", "batch_size=8", "gradient_steps=1"]


def tiny(folder: Path, **world: object) -> Path:
    """A run whose world model was trained for two steps."""
    found = _catalogue.load("saccade-digits").changed(
        world={"source_options": {"variants": 1}, **world},
        method={"dim": 8, "width": 4, "action_width": 4, "predictor_hidden": 16},
        train={"steps": 2, "batch": 8, "observed": 2, "save_every": 2, "probe_every": 2},
        probe={"online": 0, "views": 3},
    )
    train_run.train_run(Run(folder, "saccade-digits", found), "cpu", resume=False, console=Console(file=StringIO()))
    return folder


def instead(usual: list[str], given: tuple[str, ...] | list[str]) -> list[str]:
    """The usual words without the options that are given otherwise, which stand behind them."""
    kept, option = list[str](), ""
    for word in usual:
        option = word if word.startswith("--") else option
        kept += [] if option in given else [word]
    return [*kept, *given]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAZEWORLD_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        return tiny(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def run(fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a trained policy."""
    copy = tmp_path_factory.mktemp("steered") / "run"
    shutil.copytree(fresh, copy)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAZEWORLD_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        assert main(["train-policy", str(copy), "--name", "p", "--steps", "96", *SMALL]) == 0
    return copy


@pytest.fixture
def copied(fresh: Path, tmp_path: Path) -> Path:
    shutil.copytree(fresh, tmp_path / "run")
    return tmp_path / "run"


def test_a_policy_is_left_with_all_that_made_it(run: Path) -> None:
    folder = run / "policies/p"
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert [line["step"] for line in history] == [48, 96]
    assert all(isinstance(line["return"], float) for line in history)
    config = json.loads((folder / "config.json").read_text())
    assert config["train_policy"]["steps"] == 96
    assert config["train_policy"]["agent"]["rewards"] == [{"name": "recognition", "epochs": 2}]
    assert {"command", "versions", "fingerprint", "device"} <= config["made_by"].keys()
    assert (folder / "return.png").read_bytes().startswith(b"\x89PNG")
    assert not [file for file in folder.rglob("*") if "draft" in file.name]
    assert not list(folder.rglob("*.zip"))


def test_the_folder_serves_as_a_policy_and_does_what_was_learnt(run: Path) -> None:
    world = build.world_of(open_run(run).scenario, "test", "cpu")
    assert make_policy("sb3", world, path=str(run / "policies/p"))
    last = checkpoint.latest(run / "policies/p/checkpoints")
    assert last is not None
    assert last.step == 96
    mine, theirs = (load_file(at / "policy.safetensors") for at in (run / "policies/p", last.path))
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_the_same_policy_comes_of_the_same_calls_in_python(run: Path, copied: Path) -> None:
    """One call for a run's folder; or one for a world and a world model, wherever they come from."""
    wanted, quiet = load_file(run / "policies/p/policy.safetensors"), list[str]().append
    agent = {
        "environments": 8,
        "episode_steps": 2,
        "discrete_actions": {"name": "fixations", "side": 4},
        "rewards": ({"name": "recognition", "epochs": 2},),
        "options": {"n_steps": 3, "batch_size": 24, "n_epochs": 2},
    }
    choices = PolicyChoices(agent, steps=96, every=48, prepare=60)
    in_run = train_policy_in_run(copied, choices, name="p", device="cpu", tell=quiet)
    found = open_run(run).scenario
    world = build.world_of(found, found.probe_split, "cpu")
    method, _ = load_method(run, world)
    plan = PolicyPlan(agent_config(world, method.aggregate_dim, **agent), steps=96, every=48, prepare=60)
    threads = torch.get_num_threads()
    torch.set_num_threads(found.train.threads)  # as many as the run has: last bits depend on it
    alone = training.train_policy(world, method, plan, own_policy=found.policy, tell=quiet)
    torch.set_num_threads(threads)
    history = [json.loads(line) for line in (run / "policies/p/history.jsonl").read_text().splitlines()]
    for trained in (in_run, alone):
        assert trained.history == history
        state = trained.agent.policy.state_dict()
        assert state.keys() == wanted.keys()
        assert all(torch.equal(state[name], wanted[name]) for name in wanted)
    configs = [json.loads((at / "policies/p/config.json").read_text()) for at in (run, copied)]
    assert configs[0]["train_policy"] == configs[1]["train_policy"]


@pytest.mark.parametrize("algorithm", ["maskable-ppo", "sac"])
def test_resuming_gives_the_same_policy_bit_for_bit(algorithm: str, copied: Path) -> None:
    words = OFF if algorithm == "sac" else SMALL
    assert main(["train-policy", str(copied), "--name", "whole", "--steps", "96", *words]) == 0
    assert main(["train-policy", str(copied), "--name", "cut", "--steps", "48", *words]) == 0
    assert main(["train-policy", str(copied), "--name", "cut", "--steps", "96", "--resume", "--device", "cpu"]) == 0
    whole, cut = (copied / f"policies/{name}" for name in ("whole", "cut"))
    names = sorted(str(file.relative_to(whole)) for file in whole.rglob("*") if file.is_file())
    assert names == sorted(str(file.relative_to(cut)) for file in cut.rglob("*") if file.is_file())
    for name in names:
        if name not in ("config.json", "return.png"):
            assert (whole / name).read_bytes() == (cut / name).read_bytes(), name


def test_ctrl_c_saves_and_says_how_to_go_on(
    copied: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stretches = []
    train = training.stretch

    def once(live: training.PolicyTraining, steps: int, *bar: Any) -> dict[str, float]:
        stretches.append(steps)
        os.kill(os.getpid(), signal.SIGINT)
        return train(live, steps, *bar)

    monkeypatch.setattr(training, "stretch", once)
    assert main(["train-policy", str(copied), "--name", "p", "--steps", "480", *SMALL]) == 130
    out = capsys.readouterr().out
    assert stretches == [48]
    assert "stopped after step 48 of 480; everything is saved" in out
    assert f"gazeworld train-policy {copied} --name p --resume" in out
    assert (copied / "policies/p/policy.safetensors").is_file()


def test_the_first_layer_standardises_what_is_observed(fresh: Path) -> None:
    world = build.world_of(open_run(fresh).scenario, "train", "cpu")
    method, _ = load_method(fresh, world)
    config = agent_config(world, method.aggregate_dim, environments=8, episode_steps=2)
    wide = method.aggregate_dim + 3
    config = dataclasses.replace(config, policy={"net_arch": [wide, wide]})
    agent = agent_for(config, world, method)
    second = agent.policy.mlp_extractor.policy_net[2].weight.clone()
    seen = training.rehearse(agent, 3)
    assert seen is not None
    assert seen.shape[1] == method.aggregate_dim + 3
    before = agent.policy.mlp_extractor.policy_net[0].weight.clone()
    training.standardise(agent, seen)
    for network in (agent.policy.mlp_extractor.policy_net, agent.policy.mlp_extractor.value_net):
        out = network[0](torch.as_tensor(seen)).detach()
        torch.testing.assert_close(out.mean(0), torch.zeros(out.shape[1]), atol=1e-3, rtol=0)
        varying = seen.std(0) > 1e-3
        torch.testing.assert_close(out.std(0)[varying], torch.full_like(out.std(0)[varying], 0.5), atol=5e-3, rtol=0)
    assert not torch.equal(before, agent.policy.mlp_extractor.policy_net[0].weight)
    assert torch.equal(second, agent.policy.mlp_extractor.policy_net[2].weight)


def test_rewards_add_up(copied: Path) -> None:
    words, rewards = list(SMALL), ["coverage:weight=0.5", "prediction-error", "representation:target=glimpses"]
    at = words.index("recognition:epochs=2")
    assert (
        main(["train-policy", str(copied), "--name", "p", "--steps", "48", *words[:at], *rewards, *words[at + 1 :]])
        == 0
    )
    kept = json.loads((copied / "policies/p/config.json").read_text())["train_policy"]["agent"]["rewards"]
    assert kept == [spec(reward, "") for reward in rewards]


MISTAKES = {
    "unknown algorithm": (["--agent.algorithm", "dqn"], "'dqn'"),
    "unknown reward": (["--agent.rewards", "applause"], "unknown reward 'applause'; there are: coverage"),
    "unknown option of a reward": (["--agent.rewards", "coverage:cell=3"], "reward 'coverage'"),
    "unknown discrete actions": (
        ["--agent.discrete-actions", "soup"],
        "unknown discrete actions 'soup'; there are: fixations, views",
    ),
    "no key": (["--agent.options", "gamma"], "agent.options holds 'gamma', expected KEY=VALUE"),
    "unknown option of the algorithm": (["--agent.options", "nonsense=1"], "maskable-ppo has no option 'nonsense'; "),
    "no number": (["--agent.options", "n_steps=abc"], "'n_steps' of maskable-ppo is 'abc', expected an integer"),
    "an option of ours": (["--agent.options", "seed=1"], "agent.options holds 'seed', which is set elsewhere"),
    "unknown option of the network": (["--agent.policy", "nonsense=1"], "unexpected keyword argument 'nonsense'"),
    "options in two places": (
        ["--agent.options", "n_steps=3", "--agent.options", "n_epochs=1"],
        "--agent.options is given twice; give all its values after one",
    ),
    "negative seed": (["--seed", "-1"], "seed is -1, expected an integer from 0 to 4294967295"),
    "no steps": (["--steps", "0"], "steps is 0"),
    "nothing left to look at": (
        ["--agent.discrete-actions", "fixations:side=2,radius=90.0"],
        "none of 4 choices left after 1 views; inhibition of return forbids the whole 2 x 2 grid",
    ),
    "continuous, masked": (["--agent.discrete-actions", "none"], "maskable-ppo takes discrete actions only"),
    "nothing to resume": (["--resume"], "policies/p/config.json: no such file"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_sentence_and_leaves_nothing(
    mistake: str, fresh: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, sentence = MISTAKES[mistake]
    try:
        code = main(["train-policy", str(fresh), "--name", "p", "--steps", "48", *instead(SMALL, words)])
    except SystemExit as stop:  # tyro ends the process itself
        code = int(stop.code or 0)
    assert code == 2
    assert sentence in capsys.readouterr().err
    assert not (fresh / "policies").exists()


def test_a_policy_is_not_overwritten_nor_resumed_in_another_world_model(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train-policy", str(run), "--name", "p", "--steps", "48", *SMALL]) == 2
    assert "there is a policy already" in capsys.readouterr().err
    shutil.copytree(run, tmp_path / "run")
    weights = next((tmp_path / "run/checkpoints").glob("step-*")) / "model.safetensors"
    save_file({name: value * 2 for name, value in load_file(weights).items()}, weights)
    assert main(["train-policy", str(tmp_path / "run"), "--name", "p", "--resume", "--device", "cpu"]) == 2
    assert "trained in the world model" in capsys.readouterr().err


def test_other_settings_than_written_are_refused_in_resuming(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train-policy", str(run), "--name", "p", "--resume"]
    assert main([*words, *SMALL]) == 0, "what it was begun with, and nothing left to do"
    capsys.readouterr()
    for given, sentence in (
        (["--every", "24"], "every=24 (written: 48)"),
        (["--prepare-policies", "centre"], "prepare_on=[{'name': 'centre'}] (written: [])"),
        (["--agent.algorithm", "ppo"], "agent.algorithm=ppo (written: maskable-ppo)"),
        (["--agent.options", "n_steps=6"], "agent.options.n_steps=6 (written: 3)"),
    ):
        assert main([*words, *given, "--device", "cpu"]) == 2
        assert sentence in capsys.readouterr().err


def test_a_world_model_learns_from_what_a_learnt_policy_looks_at(run: Path, tmp_path: Path) -> None:
    learnt = run / "policies/p"
    words = ["train", "saccade-digits", "--runs", str(tmp_path), "--world.source", "digits", "--device", "cpu"]
    words += ["--train.steps", "2", "--train.batch", "8", "--probe.online", "0", "--no-evaluate"]
    assert main([*words, "--name", "a", "--policy", str(learnt)]) == 2, "the world model is wider than the policy's"
    assert not (tmp_path / "a").exists()
    words += [
        "--method.dim",
        "8",
        "--method.width",
        "4",
        "--method.action-width",
        "4",
        "--method.predictor-hidden",
        "16",
    ]
    assert main([*words, "--name", "a", "--policy", str(learnt)]) == 0
    assert main([*words, "--name", "b", "--policy", f"sb3:path={learnt},model={run},deterministic=true"]) == 0
    asked = {name: json.loads((tmp_path / name / "config.json").read_text())["config"]["policy"] for name in "ab"}
    assert asked["a"] == {"name": "sb3", "path": str(learnt)}
    assert asked["b"] == {"name": "sb3", "path": str(learnt), "model": str(run), "deterministic": True}


def test_rewards_learn_from_the_policies_asked_for(
    copied: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = []
    monkeypatch.setattr(RecognitionReward, "prepare", lambda self, streams: shown.append(streams) or {})
    words = ["train-policy", str(copied), "--steps", "48", *SMALL]
    assert main([*words, "--name", "p", "--prepare-policies", "centre"]) == 0
    assert main([*words, "--name", "q", "--prepare-policies", "grid:side=3", "centre"]) == 0
    alone, both = (streams.poses[:, 1:] for streams in shown)  # where episodes begin is the world's affair
    assert (alone == 0.5).all()
    assert (both[len(both) // 2 :] == 0.5).all()
    assert len(both[: len(both) // 2].flatten(0, 1).unique(dim=0)) == 9
    capsys.readouterr()
    assert main([*words, "--name", "r", "--prepare-policies", "luck"]) == 2
    assert "'luck'" in capsys.readouterr().err
    assert not (copied / "policies/r").exists()


def test_a_reward_that_is_not_finite(
    copied: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    learn = RecognitionReward.prepare

    def spoilt(self: RecognitionReward, streams: object) -> dict[str, float]:
        found = learn(self, streams)  # type: ignore[arg-type]
        with torch.no_grad():
            next(self.head().layers.parameters()).fill_(torch.nan)
        return found

    monkeypatch.setattr(RecognitionReward, "prepare", spoilt)
    assert main(["train-policy", str(copied), "--name", "p", "--steps", "48", *SMALL]) == 1
    assert "the reward of row 0 is nan, expected a finite number" in capsys.readouterr().err
    assert not (copied / "policies").exists()


@pytest.mark.parametrize("checks", [True, False])
def test_a_policy_that_is_not_finite(
    checks: bool, copied: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another library told torch's distributions to check nothing, too."""
    monkeypatch.setattr(Distribution, "_validate_args", checks)
    words = [*SMALL, "learning_rate=1e30"]
    assert main(["train-policy", str(copied), "--name", "p", "--steps", "480", *words]) == 1
    said = capsys.readouterr().err
    assert "the policy" in said
    assert "last good policy: none yet" in said
    assert said.count("\n") == 1
    assert Distribution._validate_args is checks


def test_watch_with_other_policies(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for policy, name in (("p", "p"), ("saliency:map=centre", "saliency")):
        out = tmp_path / policy.replace("/", "_")
        assert main(["watch", str(run), "--scenes", "2", "--policy", policy, "--out", str(out)]) == 0
        assert (out / f"scanpaths-{name}.png").is_file()
        assert (out / f"scanpath-{name}.gif").is_file()
    assert main(["watch", str(run), "--scenes", "2", "--policy", "luck"]) == 2
    assert "'luck' is neither a policy of the registry" in capsys.readouterr().err
    assert main(["watch", str(run), "--scenes", "2", "--policy", "uniform:luck=1"]) == 2
    assert "policy 'uniform'" in capsys.readouterr().err


def test_watch_refuses_a_policy_of_another_glimpse_or_action_space(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tiny(tmp_path / "other", glimpse=12)
    assert main(["watch", str(other), "--scenes", "2", "--policy", str(run / "policies/p")]) == 2
    assert "was trained for view shape [1, 16, 16], and SaccadeWorld has [1, 12, 12]" in capsys.readouterr().err
    changed = tmp_path / "p"
    shutil.copytree(run / "policies/p", changed)
    data = json.loads((changed / "policy.json").read_text())
    for key, value, sentence in (
        ("action_dim", 7, "was trained for action dim 7, and SaccadeWorld has 2"),
        ("world", "RotationWorld", "was trained for world RotationWorld, and SaccadeWorld has SaccadeWorld"),
    ):
        (changed / "policy.json").write_text(json.dumps({**data, "world": {**data["world"], key: value}}))
        assert main(["watch", str(run), "--scenes", "2", "--policy", str(changed)]) == 2
        assert sentence in capsys.readouterr().err


def test_watch_refuses_a_policy_that_gives_nan(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(run / "policies/p", tmp_path / "p")
    file = tmp_path / "p/policy.safetensors"
    save_file({name: torch.full_like(value, torch.nan) for name, value in load_file(file).items()}, file)
    assert main(["watch", str(run), "--scenes", "2", "--policy", str(tmp_path / "p")]) == 2
    assert "gives NaN" in capsys.readouterr().err


def test_specs_and_pairs() -> None:
    assert spec("recognition", "") == {"name": "recognition"}
    assert spec("a:b=1,c=x,d=true", "") == {"name": "a", "b": 1, "c": "x", "d": True}
    assert pairs(("net_arch=[8,8]", "x="), "") == {"net_arch": [8, 8], "x": ""}
    for wrong in (":a=1", "a:b"):
        with pytest.raises(ValueError, match="expected"):
            spec(wrong, "it")
