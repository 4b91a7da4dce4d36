"""Trained models found again by the folder of their run, and policies that are given a model."""

import json
from pathlib import Path

import pytest
import torch
from fakes.worlds import CountingWorld

from gazeworld.agents.run_folder import read_config
from gazeworld.agents.training import checkpoint
from gazeworld.agents.training.checkpoint import load_method, made_for
from gazeworld.models.method import CheckpointError

METHOD = {"name": "seq-jepa", "encoder": "small", "dim": 8, "width": 4, "action_width": 8, "predictor_hidden": 16}


def run(folder: Path, world: CountingWorld) -> Path:
    torch.manual_seed(3)
    method = made_for(METHOD, world)
    optimiser = torch.optim.AdamW(method.parameters())
    (folder / "config.json").write_text(json.dumps({"scenario": "x", "config": {"method": METHOD}}))
    checkpoint.save(folder / "checkpoints", 7, method, optimiser, {"method": "SeqJEPA", "seed": 0, "steps": 9}, keep=0)
    return folder


def test_weights_and_step_come_back_in_eval_mode(tmp_path: Path) -> None:
    world = CountingWorld()
    method, step = load_method(run(tmp_path, world), world)
    torch.manual_seed(3)
    expected = made_for(METHOD, world).state_dict()
    assert step == 7
    assert not method.training
    assert all(torch.equal(value, expected[name]) for name, value in method.state_dict().items())


def test_a_folder_without_a_run_or_a_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"config\.json: no such file"):
        load_method(tmp_path, CountingWorld())
    (tmp_path / "config.json").write_text(json.dumps({"scenario": "x", "config": {"method": METHOD}}))
    with pytest.raises(CheckpointError, match="no checkpoint yet"):
        load_method(tmp_path, CountingWorld())
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match="not JSON"):
        read_config(tmp_path)


def test_a_model_for_other_actions_is_refused(tmp_path: Path) -> None:
    class Wider(CountingWorld):
        action_dim = 5

    with pytest.raises(CheckpointError, match="action_projection"):
        load_method(run(tmp_path, CountingWorld()), Wider())
