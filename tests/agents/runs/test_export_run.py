"""A trained model for others: what its folder holds, that it loads anywhere, and what of a stranger's is refused."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes.hub import hub
from fakes.runs import DIGITS, probes, trained
from safetensors.torch import load_file, save_file

from gazeworld.agents import export, from_pretrained, load, push
from gazeworld.agents.run_folder import RunFolder, read_probes
from gazeworld.agents.runs.hub import HubError
from gazeworld.envs import downloads
from gazeworld.envs.downloads import DownloadError
from gazeworld.envs.files import DataError
from gazeworld.models.method import CheckpointError

IMAGES = np.random.default_rng(3).integers(0, 256, (3, 24, 24, 1), dtype=np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was trained on a folder of images, which is gone."""
    from PIL import Image

    tree = tmp_path_factory.mktemp("data") / "mine"
    for i, name in enumerate("abcd" * 4):
        (tree / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((30, 30, 3), 10 * i, np.uint8)).save(tree / name / f"{i}.png")
    world = {"name": "saccade", "source": "folder", "root": str(tree), "split": "train", "glimpse": 8}
    run = trained(tmp_path_factory.mktemp("runs") / "tiny", world={**world, "source_options": {"side": 24}})
    shutil.rmtree(tree)
    (run / "probes.json").write_text(json.dumps(probes([0.5, 0.75], {"relative position": 0.25}, step=2)))
    return run


@pytest.fixture(scope="module")
def exported(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(run, tmp_path_factory.mktemp("exports") / "model").folder


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    return shutil.copytree(exported, tmp_path / "copy")


def colour(n: int = 3) -> np.ndarray:
    return np.repeat(IMAGES[:n], 3, 3)


def test_a_folder_holds_the_model_and_what_made_it(run: Path, exported: Path, tmp_path: Path) -> None:
    files = sorted(file.name for file in exported.iterdir())
    assert files == ["README.md", "config.json", "model.safetensors", "probes.json"]
    assert read_probes(exported) == read_probes(run)
    config = json.loads((exported / "config.json").read_text())
    assert config["made_by"]["fingerprint"] == config["model"]["fingerprint"]
    assert "root" not in config["config"]["world"]
    assert config["config"]["train"]["steps"] == config["step"] == 2
    assert str(run) not in (exported / "config.json").read_text()
    weights, whole = (load_file(one / "model.safetensors") for one in (exported, run / "checkpoints" / "step-00000002"))
    assert weights.keys() == whole.keys() == load(run).method.state_dict().keys()
    model = from_pretrained(exported)
    assert (model.name, model.step, model.classes) == ("model", 2, ("a", "b", "c", "d"))
    assert torch.equal(model.embed(colour()), load(run).embed(colour()))
    assert load(exported).facts == load(run).facts
    done = export(run / "checkpoints" / "step-00000002", tmp_path / "again")
    assert done.probed
    assert done.size == sum(file.stat().st_size for file in done.folder.iterdir())
    assert str(done).startswith(f"{tmp_path}/again: README.md, config.json, model.safetensors, probes.json, 0.")


def test_the_card_says_what_the_hub_reads_and_what_was_measured(exported: Path) -> None:
    text = (exported / "README.md").read_text()
    _, head, body = text.split("---\n", 2)
    fields = {key: json.loads(value) for key, value in (line.split(": ", 1) for line in head.splitlines())}
    assert fields["library_name"] == "gazeworld"
    assert fields["license"] == "unknown"
    assert {"gazeworld", "seq-jepa", "saccade"} <= set(fields["tags"])
    assert "| top-1, z_1 | 25.0 % | 10.0 % |" in body
    assert "| top-1, z_AGG 2 | 75.0 % | 10.0 % |" in body
    assert "| R², relative position | 0.250 | -0.500 |" in body
    for said in ("scenario | `tiny`", "seed | `0`", "optimiser steps | `2`", "licence of the data | `unknown`"):
        assert said in body
    config = json.loads((exported / "config.json").read_text())
    assert f"| fingerprint of the data | `{config['model']['fingerprint']}` |" in body
    assert f"| command | `{config['made_by']['command']}` |" in body
    assert f"torch {torch.__version__.partition('+')[0]}" in body


def test_the_lines_of_the_card_run_anywhere_without_the_data(
    run: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = re.search(r"```python\n(.*?)```", (exported / "README.md").read_text(), re.DOTALL)
    assert code is not None
    monkeypatch.chdir(tmp_path)
    made: dict[str, Any] = {}
    exec(code[1], made)
    wanted = load(run, "cpu").embed(np.random.default_rng(0).integers(0, 256, (4, 24, 24, 3), dtype=np.uint8))
    torch.testing.assert_close(made["model"].embed(made["images"]), wanted)
    torch.testing.assert_close(made["seen"].aggregate, wanted)


def test_licences_are_those_of_the_source_or_as_told(tmp_path: Path) -> None:
    run = trained(tmp_path / "tiny", world=DIGITS)
    for i, (licence, said) in enumerate({"": "cc-by-4.0", "Apache-2.0": "apache-2.0"}.items()):
        text = (export(run, tmp_path / f"{i}", licence=licence).folder / "README.md").read_text()
        assert f'license: "{said}"' in text
        assert "Not probed at step 2." in text, "the run has no probes.json"


def test_homes_stay_at_home(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    own = shutil.copytree(run, tmp_path / "runs" / "tiny")
    config = json.loads((own / "config.json").read_text())
    config["made_by"]["command"] = f"gazeworld train x --runs {tmp_path}/runs"
    config["made_by"]["versions"] = {"a`|\n": "1"}
    (own / "config.json").write_text(json.dumps(config))
    folder = export(own, "~/out").folder
    text = (folder / "README.md").read_text()
    assert str(tmp_path) not in text + (folder / "config.json").read_text()
    assert 'from_pretrained("~/out")' in text
    assert "--runs ~/runs" in text
    assert "a    1" in text, "no name breaks out of a table"
    assert from_pretrained("~/out").step == 2


def test_probes_of_another_step_are_not_those_of_the_model(run: Path, tmp_path: Path) -> None:
    own = shutil.copytree(run, tmp_path / "tiny")
    (own / "probes.json").write_text(json.dumps(probes([0.5], {}, step=1)))
    done = export(own, tmp_path / "out")
    assert not done.probed
    assert not (done.folder / "probes.json").exists()
    assert "Not probed at step 2." in (done.folder / "README.md").read_text()


def test_a_model_of_images_without_labels_says_what_was_not_measured(run: Path, tmp_path: Path) -> None:
    own = shutil.copytree(run, tmp_path / "tiny")
    found = probes([0.5], {"relative position": 0.25}, step=2)
    del found["recognition"], found["chance"]
    (own / "probes.json").write_text(json.dumps({**found, "left out": {"recognition": "the images have no labels"}}))
    text = (export(own, tmp_path / "out").folder / "README.md").read_text()
    assert "Recognition was not measured: the images have no labels." in text
    assert "| R², relative position | 0.250 | -0.500 |" in text
    assert "top-1" not in text


def test_folders_that_are_not_empty_are_left_alone(run: Path, exported: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"{exported}: is not empty, expected a new or an empty folder"):
        export(run, exported)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match=r"file: is not empty"):
        export(run, tmp_path / "file")
    (tmp_path / "empty").mkdir()
    assert export(run, tmp_path / "empty").probed
    alone = shutil.copytree(run / "checkpoints" / "step-00000002", tmp_path / "step-00000002")
    with pytest.raises(DataError, match=r"a checkpoint without its run, whose config.json says what made it"):
        export(alone, tmp_path / "out")
    with pytest.raises(DataError, match=r"no such folder"):
        export(tmp_path / "nothing", tmp_path / "out")
    with pytest.raises(ValueError, match=r"is exported already, expected a run; copy the folder, or push it as it is"):
        export(exported, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_much_is_neither_written_nor_uploaded_in_silence(
    run: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "LARGE", 1000)
    asked: list[str] = []

    def no(question: str) -> bool:
        asked.append(question)
        return False

    with pytest.raises(DownloadError, match=r"out to write: 0\.\d MB, and nobody agreed to that; expected at most"):
        export(run, tmp_path / "out")
    for model in (run, exported):
        with pytest.raises(DownloadError, match=r"nobody agreed"):
            push(model, "me/model", agree=no)
    assert [re.sub(r"0\.\d", "0.1", one) for one in asked] == [f"{one} to upload: 0.1 MB" for one in (run, exported)]
    assert not (tmp_path / "out").exists()
    assert export(run, tmp_path / "out", agree=lambda _: True).size > 1000


def edited(file: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    found = json.loads(file.read_text())
    change(found)
    file.write_text(json.dumps(found))


def odd(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda found: found["model"]["method"].update(name=name)


WRONG: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda x: x["model"].update(format=7), "config.json: model.format is 7, expected 1: another version of gazeworld"),
    (lambda x: x["model"].pop("format"), "config.json: model.format is None, expected 1"),
    (lambda x: x.pop("scenario"), "config.json: 'scenario' is missing"),
    (lambda x: x.pop("model"), "config.json: is of no exported model, expected what gazeworld export writes"),
    (lambda x: x.update(step="2"), "config.json: step is '2', expected integer"),
    (lambda x: x["model"].update(world={"name": "saccade", "glimpse": -1}), "glimpse is -1"),
    (lambda x: x["model"].update(image_side=10**9), "image_side is 1000000000, expected an integer from 0 to 8192"),
    (odd("antigravity:Flight"), "name is 'antigravity:Flight', of a package that is not imported; import antigravity"),
    (lambda x: x["model"].update(policy={"name": "this:Zen"}), "model.policy.name is 'this:Zen', of a package"),
    (lambda x: x["model"]["method"].update(name="simclr"), "cannot be built: method 'simclr': .* 'action_width'"),
    (lambda x: x["model"]["method"].update(final_norm=True), "this checkpoint is of another method or configuration"),
]


@pytest.mark.parametrize(("change", "said"), WRONG, ids=[said[:40] for _, said in WRONG])
def test_what_a_stranger_says_is_checked(change: Callable[[dict[str, Any]], Any], said: str, copy: Path) -> None:
    edited(copy / "config.json", change)
    with pytest.raises(ValueError, match=said):
        from_pretrained(copy).embed(colour())
    assert not {"antigravity", "this"} & sys.modules.keys()


def test_parts_that_are_missing_or_damaged_are_named(run: Path, copy: Path, tmp_path: Path) -> None:
    weights = copy / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-9])
    with pytest.raises(CheckpointError, match=rf"{weights}: not a whole safetensors file"):
        from_pretrained(copy)
    bad = load_file(shutil.copyfile(run / "checkpoints" / "step-00000002" / "model.safetensors", tmp_path / "w"))
    bad["encoder.norm.running_mean"][0] = torch.nan
    save_file(bad, weights)
    with pytest.raises(CheckpointError, match=r"running_mean holds 1 of 8 numbers that are NaN or infinite"):
        from_pretrained(copy)
    weights.unlink()
    with pytest.raises(CheckpointError, match=rf"{weights}: no such file, expected the weights of the model that"):
        from_pretrained(copy)
    weights.write_bytes(whole)
    (copy / "config.json").write_text("{")
    with pytest.raises(DataError, match=r"config.json: is of no exported model|config.json: not JSON"):
        from_pretrained(copy)
    (copy / "config.json").unlink()
    for opened in (load, from_pretrained):
        with pytest.raises(DataError, match=r"config.json: no such file, expected what gazeworld export writes beside"):
            opened(copy)
    with pytest.raises(DataError, match=r"is of no exported model, .* \(load opens runs\)"):
        from_pretrained(run)
    with pytest.raises(DataError, match=r"no such folder, and 'a/b/c' is no model of the hub, whose names are like"):
        from_pretrained("a/b/c")
    with pytest.raises(DataError, match=r"a folder, which has no revisions"):
        from_pretrained(run, revision="main")


def test_a_learnt_policy_travels_with_its_model(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("sb3_contrib", reason="extra rl is not installed")
    from gazeworld.agents import PolicyPlan, agent_config, train_policy

    model = load(run, "cpu")
    own, world = shutil.copytree(run, tmp_path / "tiny"), model.world(colour())
    options = {"n_steps": 4, "batch_size": 8, "n_epochs": 1}
    agent = agent_config(world, 12, environments=2, episode_steps=2, rewards=({"name": "coverage"},), options=options)
    plan = PolicyPlan(agent, steps=8, every=8, prepare=0)
    folder = RunFolder(own).policies / "mine"
    training = train_policy(world, model.method, plan, folder, tell=lambda _: None)
    wanted = load(folder, "cpu").scan(colour(), seed=5)
    out = export(folder, tmp_path / "out").folder
    shutil.rmtree(own)
    there = from_pretrained(out, device="cpu")
    seen = there.scan(colour(), seed=5)
    assert torch.equal(seen.poses, wanted.poses)
    assert torch.equal(seen.aggregate, wanted.aggregate)
    again = there.scan(colour(), policy={"name": "sb3", "path": str(out / "policy")}, seed=5)
    assert torch.equal(again.poses, seen.poses)
    assert not torch.equal(there.scan(colour(), policy="uniform", seed=5).poses, seen.poses)
    text = (out / "README.md").read_text()
    assert f"a policy that learnt where to look in the frozen model (`{training.plan.agent.algorithm}`)" in text
    assert "# tiny/mine\n" in text
    assert "chosen by the policy `uniform`." in text, "the model did not learn by what was learnt in it"
    assert "by the policy `saliency`, not by the one that comes with the model." in text
    assert "| steps and seed of the policy | `8, 0` |" in text
    assert '"reinforcement-learning"' in text
    assert not list(out.rglob("*.zip")) + list(out.rglob("*.pkl")) + list(out.rglob("optimizer*"))
    (out / "policy" / "policy.safetensors").unlink()
    with pytest.raises(ValueError, match=r"own policy cannot look here; .*policy.safetensors: no such file"):
        from_pretrained(out).scan(colour())


def test_a_policy_of_another_model_is_refused(run: Path, tmp_path: Path) -> None:
    own = shutil.copytree(run, tmp_path / "tiny")
    policy = own / "policies" / "other"
    policy.mkdir(parents=True)
    facts = {"format": 1, "algorithm": "ppo", "policy": {}, "observation": "pixels", "aggregate_dim": 0}
    rest = {"episode_steps": 2, "discrete_actions": None, "world": {}, "steps": 8}
    (policy / "policy.json").write_text(json.dumps(facts | rest))
    (policy / "config.json").write_text(json.dumps({"train_policy": {"model": "0" * 16}, "run": str(run)}))
    with pytest.raises(CheckpointError, match=r"other: learnt in the world model 0000000000000000, and that of .* is"):
        export(policy, tmp_path / "out")
    (policy / "config.json").write_text(json.dumps({"train_policy": {"model": ""}}))
    with pytest.raises(CheckpointError, match=r"policy.safetensors: no such file"):
        export(policy, tmp_path / "out")
    away = shutil.move(policy, tmp_path / "away" / "policies" / "other")
    (Path(away) / "config.json").unlink()
    with pytest.raises(DataError, match=r"a policy without the run of its world model, expected RUN/policies/other"):
        load(away)


ROUND_TRIP = """
import sys
import numpy as np
from gazeworld.agents import from_pretrained, load, push
from gazeworld.envs import downloads
run, exported = sys.argv[1:]
def said(call):
    try:
        print("no error:", call())
    except ValueError as error:
        print(f"{type(error).__name__}: {error}")
print(push(run, "me/model"))
print(push(exported, "me/other", private=True))
images = np.full((2, 24, 24, 3), 99, np.uint8)
model = from_pretrained("me/model")
print(model.name, bool((model.embed(images) == load(run).embed(images)).all()))
said(lambda: from_pretrained("me/nothing"))
said(lambda: from_pretrained("me/model", "v9"))
said(lambda: from_pretrained("somebody/bert"))
said(lambda: from_pretrained("somebody/half"))
downloads.LARGE = 1000
said(lambda: from_pretrained("me/other"))
print(from_pretrained("me/model").name)
print(from_pretrained("me/other", agree=lambda question: print(question) is None).name)
downloads.LARGE = 10**9
print("online", flush=True)
input()
print(from_pretrained("me/model").name)
said(lambda: from_pretrained("me/unseen"))
said(lambda: push(exported, "me/model"))
"""


def test_models_go_to_the_hub_and_come_back_in_another_process(run: Path, exported: Path, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub", reason="extra hub is not installed")
    own = {"HF_HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": "hf_x", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    command = [sys.executable, "-c", ROUND_TRIP, str(run), str(exported)]
    with hub() as server:
        address = server.address
        server.models["somebody/bert"] = {"config.json": b'{"model_type": "bert"}', "model.safetensors": b"x" * 10}
        server.models["somebody/half"] = {"config.json": b"{}", "README.md": b"# Half"}
        env = os.environ | own | {"HF_ENDPOINT": address}
        started = subprocess.Popen(
            command, cwd=tmp_path, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert started.stdin is not None
        assert started.stdout is not None
        lines = list(iter(lambda: started.stdout.readline().rstrip("\n"), "online")) if started.poll() is None else []
        models, asked = server.models, server.asked
    rest = started.communicate("\n")[0].splitlines()
    assert lines[:3] == [f"{address}/me/model", f"{address}/me/other", "me/model True"]
    assert lines[3].startswith("HubError: me/nothing on the hub cannot be fetched: 404")
    assert lines[4].startswith("HubError: me/model on the hub at v9 cannot be fetched: 404")
    assert "config.json: is of no exported model, expected what gazeworld export writes" in lines[5]
    assert lines[6].startswith(
        "HubError: somebody/half on the hub: holds no model.safetensors, expected what gazeworld"
    )
    assert lines[7].startswith(
        "DownloadError: me/other on the hub to fetch: 0.1 MB, and nobody agreed to that; expected"
    )
    assert lines[8:] == ["me/model", "me/other on the hub to fetch: 0.1 MB", "me/other"]
    assert not [one for one in asked if "bert" in one and "model.safetensors" in one], "fetched for nothing"
    assert sorted(models["me/model"]) == ["README.md", "config.json", "model.safetensors", "probes.json"]
    for name in ("me/model", "me/other"):
        assert f'from_pretrained("{name}")'.encode() in models[name]["README.md"]
    assert str(exported).encode() not in models["me/other"]["README.md"]
    assert rest[0] == "me/model", "what was fetched serves without a network"
    assert rest[1].startswith("HubError: me/unseen on the hub cannot be fetched, and is not in the cache: ")
    assert rest[2].startswith("HubError: me/model on the hub cannot be written: ")


def test_names_that_no_hub_has_are_refused(exported: Path) -> None:
    for name in ("model", "a/b/c", "../x", "me/", "me/mo del"):
        with pytest.raises(HubError, match=r"cannot be the name of a model on the hub, expected one like user/name"):
            push(exported, name)
    with pytest.raises(ValueError, match=r"licence is 'mit', but .* is exported, and its card says one"):
        push(exported, "me/model", licence="mit")


def test_the_extra_is_asked_for_where_it_is_missing(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ValueError, match=r"me/model on the hub is reached through .* pip install 'gazeworld\[hub\]'"):
        from_pretrained("me/model")
    with pytest.raises(ValueError, match=r"pip install 'gazeworld\[hub\]'"):
        push(exported, "me/model")
