"""Files of earlier versions, read under the names of today."""

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes.worlds import CountingWorld

from gazeworld.agents.config import ProbeConfig
from gazeworld.agents.old_files import METHOD_OPTIONS, renamed
from gazeworld.agents.run_folder import read_config
from gazeworld.agents.training import checkpoint
from gazeworld.agents.training.checkpoint import load_method, made_for
from gazeworld.envs import registry
from gazeworld.models.method import METHODS, Method

OLD = {"name": "seq-jepa", "encoder": "small", "dim": 8, "width": 4, "action_width": 8, "hidden": 16, "decay": 0.99}
NEW = {**{k: v for k, v in OLD.items() if k not in ("hidden", "decay")}, "predictor_hidden": 16, "momentum": 0.99}


def test_a_run_of_old_names_opens_with_its_weights(tmp_path: Path) -> None:
    world = CountingWorld()
    method = made_for(NEW, world)
    (tmp_path / "config.json").write_text(json.dumps({"scenario": "x", "config": {"method": OLD, "train": {}}}))
    optimiser = torch.optim.AdamW(method.parameters())
    checkpoint.save(
        tmp_path / "checkpoints", 7, method, optimiser, {"method": "SeqJEPA", "seed": 0, "steps": 9}, keep=0
    )
    assert read_config(tmp_path)["config"] == {"method": NEW, "train": {}}
    found, _ = load_method(tmp_path, world)
    assert all(torch.equal(value, method.state_dict()[name]) for name, value in found.state_dict().items())
    assert found.momentum == 0.99


def of_run(method: Any) -> Any:
    return {"scenario": "x", "config": {"method": method}}


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (OLD, NEW),
        (NEW, NEW),
        ({"name": "conv_jepa", "hidden": 3}, {"name": "conv_jepa", "predictor_hidden": 3}),
        ({"name": "inverse-dynamics", "hidden": 3}, {"name": "inverse-dynamics", "head_hidden": 3}),
        ({"name": "simclr", "hidden": 3}, {"name": "simclr", "hidden": 3}),
        ({"name": "elsewhere:Method", "decay": 3}, {"name": "elsewhere:Method", "decay": 3}),
        ({"decay": 3}, {"decay": 3}),
        ({"name": 3, "decay": 3}, {"name": 3, "decay": 3}),
        ("seq-jepa", "seq-jepa"),
    ],
)
def test_options_of_methods_are_read_by_their_present_names(method: Any, expected: Any) -> None:
    assert renamed(of_run(method), "RunConfig") == of_run(expected)
    assert renamed(of_run(method), "PolicyFacts") == of_run(method)


def test_an_old_name_beside_its_present_one_is_refused() -> None:
    both = {**NEW, "decay": 0.5}
    assert renamed(of_run(both), "RunConfig") == of_run(both)
    with pytest.raises(ValueError, match="decay"):
        made_for(both, CountingWorld())


@pytest.mark.parametrize("name", METHOD_OPTIONS)
def test_present_names_are_those_of_the_methods(name: str) -> None:
    known = inspect.signature(registry.concrete(METHODS, name, Method)).parameters
    for path, present in METHOD_OPTIONS[name]:
        assert present in known
        assert path.rpartition(".")[2] not in known


def test_repeats_of_probes_are_read_by_their_present_name() -> None:
    old, new = {"views": 3, "rounds": 2}, {"views": 3, "repeats": 2}
    assert renamed({"config": {"probe": old}}, "RunConfig") == {"config": {"probe": new}}
    assert renamed({"step": 1, "config": old}, "Probes") == {"step": 1, "config": new}
    assert ProbeConfig(**new).repeats == 2
