"""The loop on a world that can be checked by counting."""

import json
import math
import re
import shutil
from pathlib import Path

import pytest
import torch
from fakes.images import SOMEWHERE
from fakes.looping import CONFIG, run, session
from fakes.worlds import CountingWorld
from gymnasium.vector import AutoresetMode
from torch import nn

from gazeworld.agents.config import ProbeConfig, TrainConfig
from gazeworld.agents.policy import make_policy
from gazeworld.agents.training import checkpoint, loop
from gazeworld.agents.training.optimiser import make_optimiser
from gazeworld.envs.rng import Draws
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.models.method import Method


def test_collected_streams_tell_what_happened() -> None:
    s = session()
    stream = loop.collect(s.env, s.policy, 4, Draws.rows(0, 6), {"episode": 3})
    assert stream.views.shape == (6, 4, 1, 4, 4)
    assert torch.equal(stream.views[:, :, 0, 0, 0], (stream.scenes * 20).to(torch.uint8)[:, None].expand(-1, 4))
    assert torch.equal(stream.views[:, :, 0, 1, 0].float(), stream.poses[..., 0] * 25)
    assert torch.equal(stream.poses[:, :-1] + stream.actions, stream.poses[:, 1:])
    assert torch.equal(stream.labels, stream.scenes % 3)
    again = loop.collect(s.env, s.policy, 4, Draws.rows(0, 6), {"episode": 3})
    assert torch.equal(stream.views, again.views)


def test_a_row_does_not_depend_on_the_rows_beside_it() -> None:
    many, few = session(6), session(2, first_row=4)
    big = loop.collect(many.env, many.policy, 4, Draws.rows(0, 6), {"episode": 1})
    small = loop.collect(few.env, few.policy, 4, Draws.rows(0, 2, first=4), {"episode": 1})
    assert torch.equal(big.views[4:], small.views)
    assert torch.equal(big.actions[4:], small.actions)


def test_noise_is_in_the_poses_and_not_in_the_actions() -> None:
    env = ActiveVisionVectorEnv(
        num_envs=64,
        world=CountingWorld(noise=2.0),
        episode_steps=3,
        tensors=True,
        autoreset_mode=AutoresetMode.DISABLED,
    )
    env.reset(seed=0)
    stream = loop.collect(env, make_policy("uniform", env.world), 4, Draws.rows(0, 64))
    moved = stream.poses[:, 1:] - stream.poses[:, :-1]
    assert not torch.equal(moved, stream.actions)
    told = env.world.move(SOMEWHERE, stream.poses[:, :-1].flatten(0, 1), stream.actions.flatten(0, 1))
    assert torch.equal(told - stream.poses[:, :-1].flatten(0, 1), stream.actions.flatten(0, 1))


@pytest.mark.parametrize(("length", "message"), [(0, "at least 1"), (9, "episode has 5")])
def test_lengths_that_cannot_be(length: int, message: str) -> None:
    s = session()
    with pytest.raises(ValueError, match=message):
        loop.collect(s.env, s.policy, length, Draws.rows(0, 6))


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_resuming_gives_the_same_run_bit_for_bit(precision: str, tmp_path: Path) -> None:
    whole = session(precision=precision)
    assert run(whole, tmp_path / "whole") == 8
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut/checkpoints/step-00000008")
    with (tmp_path / "cut/metrics.jsonl").open("a") as file:
        file.write('{"step": 8, "half a li')
    torch.manual_seed(123)  # whatever state torch's generator is in must not matter
    cut = session(precision=precision)
    found = checkpoint.latest(tmp_path / "cut/checkpoints")
    assert found is not None
    assert found.step == 4
    loop.restore(cut, found)
    assert run(cut, tmp_path / "cut", start=4) == 8
    for (name, a), b in zip(whole.module.state_dict().items(), cut.module.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    for file in ("metrics.jsonl", *(f"checkpoints/step-00000008/{f}" for f in ("optimizer.safetensors", "state.json"))):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "cut" / file).read_bytes()


@pytest.mark.parametrize(
    ("precision", "kind"), [("32-true", torch.float32), ("bf16-mixed", torch.bfloat16), ("16-mixed", torch.float16)]
)
def test_the_model_computes_in_the_precision_asked_for(precision: str, kind: torch.dtype) -> None:
    s, seen = session(precision=precision), list[torch.dtype]()
    layer = next(m for m in s.module.modules() if isinstance(m, nn.Conv2d))
    layer.register_forward_hook(lambda _layer, _inputs, made: seen.append(made.dtype))
    loss = loop.update(s, loop.collect(s.env, s.policy, 4, Draws.rows(0, 6)), 0)
    assert seen == [kind]
    assert loss.dtype == torch.float32
    assert {p.dtype for p in s.module.parameters()} == {torch.float32}


def test_guests_leave_no_trace(tmp_path: Path) -> None:
    visits = []

    def guest(method: Method) -> dict[str, float]:
        assert not method.training
        assert torch.is_inference_mode_enabled()
        torch.rand(5)
        visits.append(method.represent(torch.zeros(2, 2, 1, 4, 4, dtype=torch.uint8), torch.zeros(2, 1, 1)))
        return {"probe/x": 1.0}

    alone, visited = session(), session()
    run(alone, tmp_path / "alone")
    visited = loop.Session(**{**vars(visited), "guests": (guest,)})
    run(visited, tmp_path / "visited")
    assert len(visits) == 3  # before the first step, at 4 and at 8
    for a, b in zip(alone.module.state_dict().values(), visited.module.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_metrics_are_complete_json_lines(tmp_path: Path) -> None:
    run(session(), tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6, 8]
    assert {"train/loss", "train/learning_rate", "collapse/view_rank", "collapse/aggregate_spread"} <= lines[0].keys()
    assert list((tmp_path / "tensorboard").iterdir())


@pytest.mark.parametrize("part", ["predictor", "encoder"])  # without embeddings there is nothing to log, either
def test_a_loss_that_is_not_finite_stops_with_the_facts(part: str, tmp_path: Path) -> None:
    s = session()

    def poison(method: Method) -> dict[str, float]:
        for parameter in method.get_submodule(part).parameters():
            parameter.fill_(float("nan"))
        return {}

    s = loop.Session(**{**vars(s), "guests": (poison,)})
    config = TrainConfig(**{**vars(CONFIG), "probe_every": 6, "save_every": 4})
    start = s.guests
    s = loop.Session(**{**vars(s), "guests": ()})
    run(s, tmp_path, TrainConfig(**{**vars(config), "steps": 4}))
    s = loop.Session(**{**vars(s), "guests": start})
    with pytest.raises(loop.NonFiniteLossError, match=r"step 6 is nan; its scenes were \[.*step-00000004"):
        run(s, tmp_path, config, start=4)
    assert [c.step for c in checkpoint.every(tmp_path / "checkpoints")] == [4]


def test_an_interrupt_saves_and_the_run_goes_on(tmp_path: Path) -> None:
    import os
    import signal

    def interrupt(method: Method) -> dict[str, float]:
        os.kill(os.getpid(), signal.SIGINT)
        return {}

    s = loop.Session(**{**vars(session()), "guests": (interrupt,)})
    config = TrainConfig(**{**vars(CONFIG), "probe_every": 3, "save_every": 100})
    assert run(s, tmp_path, config, start=1) == 3
    found = checkpoint.latest(tmp_path / "checkpoints")
    assert found is not None
    assert found.step == 3


def test_the_optimiser_spares_biases_norms_and_the_token() -> None:
    module = session().module
    optimiser = make_optimiser(module, CONFIG)
    names = {p: n for n, p in module.named_parameters()}
    free = {names[p] for p in optimiser.param_groups[1]["params"]}
    assert "aggregator.token" in free
    assert all(n.endswith(("bias", "token")) or module.get_parameter(n).ndim == 1 for n in free)
    assert optimiser.param_groups[1]["weight_decay"] == 0
    everything = {n for g in optimiser.param_groups for n in (names[p] for p in g["params"])}
    assert everything == {n for n, p in module.named_parameters() if p.requires_grad}
    assert isinstance(module.encoder, nn.Module)


def test_collapse_is_seen() -> None:
    from gazeworld.agents.training.collapse_monitor import effective_rank, spread

    torch.manual_seed(0)
    assert effective_rank(torch.ones(50, 8)) == 0.0
    assert effective_rank(torch.randn(50, 1) * torch.ones(1, 8)) == pytest.approx(1.0, abs=1e-3)
    assert 7.5 < effective_rank(torch.randn(2000, 8)) <= 8
    assert spread(torch.ones(50, 8)) == pytest.approx(0.0, abs=1e-6)
    assert spread(torch.randn(2000, 8)) == pytest.approx(1.0, abs=0.05)


NONSENSE = {
    "train.steps is -1, expected an integer of 0 or more": {"steps": -1, "epochs": 1},
    "train.epochs is -1, expected an integer of 0 or more": {"epochs": -1},
    "expected one of them >= 1": {"steps": 0},
    "train.keep is -1, expected an integer of 0 or more": {"keep": -1},
    "train.lr is 0.0, expected a finite number of more than 0": {"lr": 0.0},
    "train.lr is -0.1, expected a finite number of more than 0": {"lr": -0.1},
    "train.lr is inf, expected a finite number of more than 0": {"lr": math.inf},
    "train.lr_start is -1.0, expected a finite number of 0 or more": {"lr_start": -1.0},
    "train.lr_end is nan, expected a finite number of 0 or more": {"lr_end": math.nan},
    "train.warmup is 1.1, expected a finite number from 0 to 1": {"warmup": 1.1},
    "train.warmup is -0.1, expected a finite number from 0 to 1": {"warmup": -0.1},
    "train.weight_decay is -1.0, expected a finite number of 0 or more": {"weight_decay": -1.0},
    "train.threads is -1, expected an integer from 0 to": {"threads": -1},
}


@pytest.mark.parametrize("sentence", NONSENSE)
def test_training_without_sense_is_refused(sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        TrainConfig(**NONSENSE[sentence])


@pytest.mark.parametrize("given", [{"noise": math.nan}, {"scenes": -1}, {"seed": -1}, {"seed": 2**32}])
def test_probing_without_sense_is_refused(given: dict[str, float]) -> None:
    ((name, value),) = given.items()
    with pytest.raises(
        ValueError, match=rf"probe\.{name} is {value}, expected (an integer|a finite number) (of 0 or more|from 0 to)"
    ):
        ProbeConfig(**given)
