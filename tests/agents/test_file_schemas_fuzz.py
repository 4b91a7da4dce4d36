"""Damaged files of runs, policies and heads: whoever reads one gives the value or one error that names the file."""

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes.runs import leave, probes
from fakes.worlds import CountingWorld

from gazeworld.agents.config import EnsembleConfig
from gazeworld.agents.metric_lines import keep_until, read_lines, read_numbers
from gazeworld.agents.planning import ensemble
from gazeworld.agents.planning.ensemble import Ensemble, Sizes
from gazeworld.agents.rl.saving import AGENT, POLICY, read
from gazeworld.agents.run_folder import RunFolder
from gazeworld.agents.runs.model_facts import ModelFacts, to_json
from gazeworld.agents.runs.pretrained import from_pretrained, load
from gazeworld.agents.runs.records import record_of
from gazeworld.agents.runs.scenario import open_run
from gazeworld.agents.training import checkpoint
from gazeworld.agents.training.checkpoint import load_method, made_for, signature
from gazeworld.models.method import WorldSpec
from gazeworld.scenarios.commands import _catalogue

TRIES = int(os.environ.get("GAZEWORLD_FUZZ", "25"))
METHOD = {"name": "seq-jepa", "encoder": "small", "dim": 8, "width": 4, "action_width": 8, "predictor_hidden": 16}
ODD: tuple[Any, ...] = (None, True, -1, 1.5, 10**30, 1e308, "", "x", "\udcff", [], {}, [[]], {"a": 1}, "9" * 5000)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was probed, with a checkpoint, heads and what says what a policy is."""
    folder = tmp_path_factory.mktemp("fuzz") / "run"
    world, chosen = CountingWorld(), _catalogue.load("saccade-digits").changed(method={"dim": 8})
    leave(folder, "saccade-digits", chosen, probes([0.1, 0.2], {"relative position": 0.5}))
    data = json.loads((folder / "config.json").read_text())
    method = made_for(METHOD, world)
    optimiser = torch.optim.AdamW(method.parameters())
    for parameter in method.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    facts = to_json(
        ModelFacts(
            METHOD, WorldSpec.of(world), {"name": "saccade"}, 0, "crop", True, ("a",), {"name": "centre"}, 3, 0, "f"
        )
    )
    state = {"method": "SeqJEPA", "seed": 0, "steps": 9, "precision": {}, "model": facts}
    checkpoint.save(folder / "checkpoints", 7, method, optimiser, state, keep=0)
    model = folder / "model"
    model.mkdir()
    (model / "config.json").write_text(json.dumps({**data, "config": {**data["config"], "method": METHOD}}))
    shutil.copytree(folder / "checkpoints", model / "checkpoints")
    exported = folder / "exported"
    exported.mkdir()
    (exported / "config.json").write_text(json.dumps({**data, "step": 7, "model": facts}))
    shutil.copyfile(folder / STEP / "model.safetensors", exported / "model.safetensors")
    loaded = load_method(model, world)[0]
    sizes = Sizes(loaded.aggregate_dim, 8, loaded.view_dim, 0)
    ensemble.save_ensemble(Ensemble(sizes, EnsembleConfig(heads=2, hidden=4), signature(loaded)), folder / "ensemble")
    policy = {
        "format": 1, "algorithm": "ppo", "policy": {}, "observation": "latent", "aggregate_dim": 8,
        "episode_steps": 3, "discrete_actions": None, "world": {"pose_dim": 1}, "steps": 8,
    }  # fmt: skip
    agent = {"parameters": {"pairs": []}, "counters": {"num_timesteps": 8}, "replay": None}
    for stem, facts in ((POLICY, policy), (AGENT, agent)):
        (folder / f"{stem}.json").write_text(json.dumps(facts))
        checkpoint.put({"a": torch.ones(3)}, folder / f"{stem}.safetensors")
    return folder


def resumed(folder: Path) -> None:
    """What resuming reads of a checkpoint."""
    found = checkpoint.latest(folder / "checkpoints")
    assert found is not None
    method = made_for(METHOD, CountingWorld())
    optimiser = torch.optim.AdamW(method.parameters())
    found.state()
    load(found.path, "cpu")
    checkpoint.load_model(found, method)
    checkpoint.load_optimiser(found, method, optimiser)


STEP = "checkpoints/step-00000007"
DOORS: dict[str, Callable[[Path], Any]] = {
    "config.json": lambda folder: (open_run(folder), record_of(folder)),
    "probes.json": record_of,
    "metrics.jsonl": lambda folder: (read_numbers(RunFolder(folder).metrics), read_lines(folder / "metrics.jsonl")),
    "model/config.json": lambda folder: load_method(folder / "model", CountingWorld()),
    f"{STEP}/state.json": resumed,
    f"{STEP}/model.safetensors": resumed,
    f"{STEP}/optimizer.safetensors": resumed,
    "exported/config.json": lambda folder: from_pretrained(folder / "exported", device="cpu"),
    "exported/model.safetensors": lambda folder: from_pretrained(folder / "exported", device="cpu"),
    "ensemble/ensemble.json": lambda folder: _heads(folder),
    "ensemble/ensemble.safetensors": lambda folder: _heads(folder),
    "policy.json": lambda folder: read(folder, POLICY),
    "policy.safetensors": lambda folder: read(folder, POLICY),
    "agent.json": lambda folder: read(folder, AGENT),
}


def _heads(folder: Path) -> Ensemble:
    return ensemble.load_ensemble(folder / "ensemble", load_method(folder / "model", CountingWorld())[0])


def damaged(data: bytes, name: str, draw: random.Random) -> bytes:
    """The bytes with bits turned, a part cut out, another file's rest or, of JSON, a field deleted or swapped."""
    kind = draw.choice(("bits", "cut", "hole", "field", "field", "swap", "swap", "deep"))
    if kind in ("field", "swap", "deep") and ".json" in name:
        lines = data.decode().splitlines() if name.endswith("l") else [data.decode()]
        number = draw.randrange(len(lines))
        tree = [json.loads(lines[number])]
        places = list(_places(tree))
        at, key = draw.choice(places[1:])
        if kind == "field":
            del at[key]
        else:
            at[key] = draw.choice(ODD) if kind == "swap" else "DEEP"
        lines[number] = json.dumps(tree[0] if tree else None)
        text = "\n".join(lines) + ("\n" if name.endswith("l") else "")
        return text.replace('"DEEP"', "[" * 3000 + "]" * 3000).encode()
    changed, place = bytearray(data), draw.randrange(len(data))
    if kind == "cut":
        return bytes(changed[:place])
    if kind == "hole":
        del changed[place : place + draw.randrange(1, 200)]
        return bytes(changed)
    for _ in range(draw.choice((1, 1, 3, 20))):
        # Headers are small and decide everything: half of all bits are turned there.
        place = draw.randrange(min(len(changed), 400) if draw.random() < 0.5 else len(changed))
        changed[place] ^= 1 << draw.randrange(8)
    return bytes(changed)


def _places(tree: Any) -> Any:
    for key in list(tree) if isinstance(tree, dict) else range(len(tree)):
        yield tree, key
        if isinstance(tree[key], dict | list):
            yield from _places(tree[key])


@pytest.mark.parametrize("name", DOORS)
def test_a_damaged_file_is_read_or_named(name: str, whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    door, file, data = DOORS[name], folder / name, (whole / name).read_bytes()
    door(folder)
    for seed in range(TRIES):
        file.write_bytes(damaged(data, name, random.Random(f"{name} {seed}")))
        try:
            door(folder)
        except (ValueError, OSError) as error:
            said = str(error)
            assert str(folder) in said or "method 'seq-jepa'" in said, (seed, said)
            assert "\n" not in said, (seed, said)
            said.encode()


def test_resuming_a_damaged_record_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    file.write_text('{"step": 1}\nnull\n{"step": 2}\n')
    with pytest.raises(ValueError, match=r"metrics\.jsonl, line 2: not a record of metrics with a step: holds None"):
        keep_until(file, 2)
    file.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"st')
    keep_until(file, 2)
    assert file.read_text() == '{"step": 1}\n{"step": 2}\n'


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(number: float, whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    for name, door in (
        ("ensemble/ensemble.safetensors", _heads),
        (f"{STEP}/optimizer.safetensors", resumed),
        (f"{STEP}/model.safetensors", resumed),
        (f"model/{STEP}/model.safetensors", lambda folder: load_method(folder / "model", CountingWorld())),
    ):
        tensors = checkpoint.read(tmp_path / name)
        key = next(key for key, value in tensors.items() if value.is_floating_point() and value.numel() > 1)
        tensors[key].view(-1)[1] = number
        checkpoint.put(tensors, tmp_path / name)
        with pytest.raises(checkpoint.NonFiniteWeightsError, match=rf"{name}: .* holds 1 of \d+ numbers that are NaN"):
            door(tmp_path)
