"""Checkpoints: whole or absent, exact, and clear about what does not fit."""

import json
import os
from pathlib import Path

import pytest
import torch
from torch import nn

from gazeworld.agents.training import checkpoint
from gazeworld.models.method import CheckpointError


def model(width: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width))


def stepped(module: nn.Module) -> torch.optim.Optimizer:
    optimiser = torch.optim.AdamW(module.parameters(), 1e-2)
    for _ in range(3):
        optimiser.zero_grad()
        module(torch.randn(8, 2)).square().sum().backward()
        optimiser.step()
    return optimiser


def test_model_and_optimiser_come_back_bit_for_bit(tmp_path: Path) -> None:
    module = model()
    optimiser = stepped(module)
    saved = checkpoint.save(tmp_path, 3, module, optimiser, {"seed": 7}, keep=2)
    other = model()
    fresh = torch.optim.AdamW(other.parameters(), 1e-2)
    checkpoint.load_model(saved, other)
    checkpoint.load_optimiser(saved, other, fresh)
    assert saved.step == 3
    assert saved.state() == {"step": 3, "seed": 7}
    for a, b in zip(module.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    x = torch.randn(8, 2)
    for m, o in ((module, optimiser), (other, fresh)):
        o.zero_grad()
        m(x).square().sum().backward()
        o.step()
    for a, b in zip(module.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("umask", [0o077, 0o022, 0o002])
def test_files_are_open_to_whom_the_umask_lets_in(tmp_path: Path, umask: int) -> None:
    module = model()
    before = os.umask(umask)
    try:
        saved = checkpoint.save(tmp_path / "made", 1, module, stepped(module), {}, keep=1)
    finally:
        os.umask(before)
    files = list(saved.path.iterdir())
    assert len(files) == 3
    assert {path.stat().st_mode & 0o777 for path in files} == {0o666 & ~umask}
    assert saved.path.stat().st_mode & 0o777 == 0o777 & ~umask


def test_only_the_newest_are_kept_and_drafts_do_not_count(tmp_path: Path) -> None:
    module = model()
    optimiser = stepped(module)
    (tmp_path / ".draft-00000009-1").mkdir(parents=True)
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, step, module, optimiser, {}, keep=2)
    assert [c.step for c in checkpoint.every(tmp_path)] == [2, 3]
    newest = checkpoint.latest(tmp_path)
    assert newest is not None
    assert newest.step == 3
    assert checkpoint.latest(tmp_path / "nowhere") is None


def test_a_failed_save_leaves_nothing(tmp_path: Path) -> None:
    module = model()
    with pytest.raises(TypeError):
        checkpoint.save(tmp_path, 1, module, stepped(module), {"not json": object()}, keep=1)
    assert list(tmp_path.iterdir()) == []


def test_another_model_is_refused_by_name(tmp_path: Path) -> None:
    module = model()
    saved = checkpoint.save(tmp_path, 1, module, stepped(module), {}, keep=1)
    with pytest.raises(CheckpointError, match=r"0\.weight has shape \(3, 2\), expected \(4, 2\)"):
        checkpoint.load_model(saved, model(4))
    with pytest.raises(CheckpointError, match="another method"):
        checkpoint.load_model(saved, nn.Linear(2, 3))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_named(tmp_path: Path, share: float) -> None:
    module = model()
    saved = checkpoint.save(tmp_path, 1, module, stepped(module), {}, keep=1)
    file = saved.path / "model.safetensors"
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises(CheckpointError, match=r"model\.safetensors: not a whole"):
        checkpoint.load_model(saved, module)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    module = model()
    saved = checkpoint.save(tmp_path, 1, module, stepped(module), {}, keep=1)
    (saved.path / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="no such file"):
        checkpoint.load_model(saved, module)


def test_state_is_plain_json(tmp_path: Path) -> None:
    module = model()
    saved = checkpoint.save(tmp_path, 12, module, stepped(module), {"method": "x"}, keep=1)
    assert json.loads((saved.path / "state.json").read_text()) == {"step": 12, "method": "x"}
