"""Numbers that are not finite end a training with one sentence, wherever they show first."""

import dataclasses
from pathlib import Path

import pytest
import torch
from fakes.looping import CONFIG, run, session
from fakes.worlds import CountingWorld
from torch import Tensor

from gazeworld.agents.config import TrainConfig
from gazeworld.agents.probes.online import Look, OnlineProbe
from gazeworld.agents.training import checkpoint, loop
from gazeworld.agents.training.collapse_monitor import NonFiniteEmbeddingsError, effective_rank, spread


def damaged(after: int, name: str = "encoder") -> loop.Session:
    """A session whose gradient is NaN at one step, while its loss is finite, as a faulty kernel's is."""
    s, calls = session(), [0]

    def poison(gradient: Tensor) -> Tensor:
        calls[0] += 1
        return gradient * float("nan") if calls[0] == after else gradient

    next(s.module.get_submodule(name).parameters()).register_hook(poison)
    return s


def clocks(log_every: int = 100, probe_every: int = 100, save_every: int = 100) -> TrainConfig:
    return TrainConfig(**{**vars(CONFIG), "log_every": log_every, "probe_every": probe_every, "save_every": save_every})


def test_embeddings_that_are_not_finite_are_named_by_the_monitor(tmp_path: Path) -> None:
    sentence = r"after step 4 6 of 6 embeddings are not finite; its scenes were \[.*checkpoint: .*step-00000003"
    with pytest.raises(loop.NonFiniteLossError, match=sentence):
        run(damaged(4), tmp_path, clocks(log_every=4, save_every=3))


def test_embeddings_that_are_not_finite_are_named_by_the_probe(tmp_path: Path) -> None:
    s = damaged(4)
    look = Look.at(s.env, s.policy, 4, 0)
    s = dataclasses.replace(s, guests=(OnlineProbe(look, look, len(CountingWorld.classes)),))
    sentence = r"at the probe of step 4 6 of 6 embeddings are not finite; last good checkpoint: .*step-00000003"
    with pytest.raises(loop.NonFiniteLossError, match=sentence):
        run(s, tmp_path, clocks(probe_every=4, save_every=3))


@pytest.mark.parametrize("part", ["encoder", "predictor"])
def test_weights_that_are_not_finite_are_not_saved(part: str, tmp_path: Path) -> None:
    with pytest.raises(loop.NonFiniteLossError, match=rf"after step 4 {part}\..* (is|are) not finite; .*none yet"):
        run(damaged(4, part), tmp_path, clocks(save_every=4))
    assert checkpoint.every(tmp_path / "checkpoints") == []


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_the_monitor_counts_what_is_not_finite(number: float) -> None:
    embeddings = torch.randn(10, 4)
    embeddings[3, 1] = embeddings[3, 2] = embeddings[7, 0] = number
    for measure in (effective_rank, spread):
        with pytest.raises(NonFiniteEmbeddingsError, match="2 of 10 embeddings are not finite"):
            measure(embeddings)
