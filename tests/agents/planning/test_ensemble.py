"""Ensemble on a frozen model: what they measure by hand, where they disagree, and that they stay with their model."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fakes.images import noise
from fakes.methods import Knows, Mute, place
from gymnasium.vector import AutoresetMode
from torch import Tensor
from torch.nn import functional as F

from gazeworld.agents.config import EnsembleConfig
from gazeworld.agents.file_schemas import RunConfig, read_fields
from gazeworld.agents.planning.ensemble import (
    Ensemble,
    Sizes,
    fit_ensemble,
    load_ensemble,
    save_ensemble,
)
from gazeworld.agents.policy import make_policy
from gazeworld.agents.probes.features import rollouts
from gazeworld.agents.run_folder import RunFolder
from gazeworld.agents.training.checkpoint import signature
from gazeworld.envs.stream import Stream
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.worlds.saccade import SaccadeWorld
from gazeworld.models.method import CheckpointError, Method, WorldSpec, make_method

SMALL = EnsembleConfig(heads=3, hidden=32, epochs=30, label_epochs=60, batch=64, lr=1e-2, seed=2)


def streams(world: SaccadeWorld, n: int = 300, length: int = 3) -> Stream:
    env = ActiveVisionVectorEnv(50, world, episode_steps=4, tensors=True, autoreset_mode=AutoresetMode.DISABLED)
    return rollouts(env, make_policy("uniform", world), length, repeats=n // world.size)


def tiny(world: SaccadeWorld) -> Method:
    torch.manual_seed(0)
    options = {"encoder": "small", "dim": 16, "width": 4, "action_width": 8, "predictor_hidden": 24}
    return make_method("seq-jepa", WorldSpec.of(world), **options)


def unit(*vectors: list[float]) -> Tensor:
    return F.normalize(torch.tensor(vectors), dim=-1)


def labelling(classes: int = 2) -> Ensemble:
    """Ensemble that take the first component of the embedding for the label: sure of 0 at +1, of 1 at −1."""
    heads = Ensemble(Sizes(aggregate=3, action=2, embedding=2, classes=classes), SMALL, "none")
    heads.label[0, 3], heads.label[1, 3] = 50.0, -50.0
    return heads


def test_disagreement_is_the_variance_of_directions() -> None:
    same = unit([1.0, 0], [1.0, 0])[:, None, None]
    square = unit([1.0, 0], [0.0, 1])[:, None, None]
    opposite = unit([1.0, 0], [-1.0, 0])[:, None, None]
    foreseen = torch.cat([same, square, opposite], 2)  # j 1 k d
    torch.testing.assert_close(Ensemble.disagreement(foreseen), torch.tensor([[0.0, 0.5, 1.0]]))
    torch.testing.assert_close(Ensemble.disagreement(foreseen), foreseen.var(0, correction=0).sum(-1))


def test_information_is_what_the_label_would_lose_in_doubt() -> None:
    heads, z = labelling(), torch.zeros(1, 3)
    certain = unit([1.0, 0], [-1.0, 0])[:, None, None]  # sure of different labels
    same = unit([-1.0, 0], [-1.0, 0])[:, None, None]
    doubting = unit([0.0, 1], [0.0, 1])[:, None, None]  # as unsure after the view as before: nothing to be learnt
    found = heads.information(z, torch.cat([certain, same, doubting], 2))
    torch.testing.assert_close(found, torch.tensor([[math.log(2), 0.0, 0.0]]))
    assert heads.information(z, certain[:1]).abs().max() < 1e-6, "a single head has no doubts about itself"
    known = labelling()
    known.label[0, 0] = 500.0  # the aggregate already says it
    assert known.information(torch.ones(1, 3), certain).abs().max() < 1e-6


def test_information_needs_a_label_head() -> None:
    heads = Ensemble(Sizes(aggregate=3, action=2, embedding=2, classes=0), SMALL, "none")
    with pytest.raises(ValueError, match="no label head; expected heads fitted on labelled streams"):
        heads.information(torch.zeros(1, 3), torch.zeros(2, 1, 1, 2))


def test_heads_learn_what_the_model_does_and_leave_it_alone() -> None:
    world, method = place(), Knows()
    stream, before = streams(world, 200), method.weight.clone()
    heads, other = fit_ensemble(method, stream, world, SMALL), fit_ensemble(method, stream, world, SMALL)
    assert all(torch.equal(a, b) for a, b in zip(heads.parameters(), other.parameters(), strict=True))
    assert torch.equal(method.weight, before)
    assert method.training
    assert method.weight.grad is None
    aggregate, true = method.encode(stream.views[:, :1])[:, 0], F.normalize(method.goal(stream.views[:, 1:2]), dim=-1)
    found = heads.foresee(method, aggregate, stream.actions[:, :1])
    assert found.shape == (3, len(aggregate), 1, 4)
    error = 1 - (found[:, :, 0] * true[:, 0]).sum(-1).mean(1)
    fresh = Ensemble(heads.sizes, SMALL, "x").foresee(method, aggregate, stream.actions[:, :1])
    assert (error < 0.02).all()
    assert (error < 0.1 * (1 - (fresh[:, :, 0] * true[:, 0]).sum(-1).mean(1))).all()
    assert (heads.first[0] - heads.first[1]).abs().max() > 0.01


def test_heads_disagree_where_they_saw_nothing() -> None:
    world, method = place(), Knows()
    every = streams(world, 600, 2)
    length = every.actions[:, 0].norm(dim=1)
    near, far = length < 0.25, length > 0.5
    heads = fit_ensemble(
        method, Stream(*(value[near] for value in vars(every).values())), world, replace(SMALL, epochs=80)
    )
    aggregate = method.encode(every.views[:, :1])[:, 0]
    found = heads.disagreement(heads.foresee(method, aggregate, every.actions[:, :1]))[:, 0]
    assert found[far].mean() > 2 * found[near].mean()


def test_real_models_are_not_moved_and_their_heads_have_their_shape() -> None:
    world = SaccadeWorld(noise(n=20, side=24), glimpse=8)
    method = tiny(world)
    before = {name: value.clone() for name, value in method.state_dict().items()}
    heads = fit_ensemble(method, streams(world, 60), world, SMALL)
    assert method.training
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())
    assert heads.sizes == Sizes(method.aggregate_dim, 8, 16, 3)
    foreseen = heads.foresee(method, torch.randn(4, method.aggregate_dim), torch.rand(4, 7, 2))
    assert foreseen.shape == (3, 4, 7, 16)
    torch.testing.assert_close(foreseen.norm(dim=-1), torch.ones(3, 4, 7))
    assert heads.information(torch.randn(4, method.aggregate_dim), foreseen).shape == (4, 7)


def test_the_label_head_reads_the_next_view() -> None:
    world, method, longer = place(), Knows(), replace(SMALL, epochs=1, label_epochs=250)
    stream = streams(world, 200, 2)
    labels = (stream.poses[:, 1, 0] > 0.5).long()
    heads = fit_ensemble(
        method, Stream(stream.views, stream.actions, stream.poses, labels, stream.scenes), world, longer
    )
    goal = F.normalize(method.goal(stream.views[:, 1:]), dim=-1)[:, 0]
    inputs = torch.cat([method.encode(stream.views[:, :1])[:, 0], goal], 1)
    scores = inputs @ heads.label.T + heads.label_bias
    assert (scores.argmax(1) == labels).float().mean() > 0.9
    unlabelled = Stream(stream.views, stream.actions, stream.poses, labels - 3, stream.scenes)
    assert fit_ensemble(method, unlabelled, world, SMALL).sizes.classes == 0


def test_targets_may_have_a_width_of_their_own() -> None:
    class Projects(Knows):
        def goal(self, views: Tensor) -> Tensor:
            return torch.cat([super().goal(views), torch.ones(*views.shape[:2], 3)], -1)

    world = place()
    heads = fit_ensemble(Projects(), streams(world, 50), world, SMALL)
    assert heads.sizes == Sizes(aggregate=4, action=2, embedding=7, classes=3)


def test_heads_come_back_and_only_for_their_model(tmp_path: Path) -> None:
    world, method = place(), Knows()
    heads = fit_ensemble(method, streams(world, 50), world, SMALL)
    for _ in range(2):  # writing again replaces
        save_ensemble(heads, tmp_path / "run" / "ensemble")
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["ensemble"], "no draft is left"
    again = load_ensemble(tmp_path / "run" / "ensemble", method)
    assert (again.sizes, again.config, again.model) == (heads.sizes, heads.config, signature(method))
    assert all(torch.equal(value, heads.state_dict()[name]) for name, value in again.state_dict().items())
    other = Knows()
    other.weight.data += 1
    with pytest.raises(
        CheckpointError, match=r"ensemble\.json: this ensemble was fitted for the model \w{16}, and this"
    ):
        load_ensemble(tmp_path / "run" / "ensemble", other)


def test_an_ensemble_of_an_earlier_version_is_found_by_its_old_names(tmp_path: Path) -> None:
    world, method = place(), Knows()
    made = fit_ensemble(method, streams(world, 50), world, SMALL)
    save_ensemble(made, tmp_path / "heads")
    for suffix in (".json", ".safetensors"):
        (tmp_path / "heads" / f"ensemble{suffix}").rename(tmp_path / "heads" / f"heads{suffix}")
    again = load_ensemble(RunFolder(tmp_path).ensemble_found, method)
    assert all(torch.equal(value, made.state_dict()[name]) for name, value in again.state_dict().items())
    save_ensemble(made, tmp_path / "ensemble")
    assert RunFolder(tmp_path).ensemble_found == tmp_path / "ensemble", "what was written since counts"
    (tmp_path / "config.json").write_text(
        json.dumps({"scenario": "x", "config": {"method": {"name": "x"}, "policy": {"name": "y", "heads": "z"}}})
    )
    assert read_fields(tmp_path / "config.json", RunConfig)["config"]["policy"] == {"name": "y", "ensemble": "z"}


def test_damaged_heads_are_named(tmp_path: Path) -> None:
    method = Knows()
    with pytest.raises(CheckpointError, match=r"ensemble\.json: no such file"):
        load_ensemble(tmp_path / "ensemble", method)
    save_ensemble(Ensemble(Sizes(4, 2, 4, 0), SMALL, signature(method)), tmp_path / "ensemble")
    facts = json.loads((tmp_path / "ensemble" / "ensemble.json").read_text())
    (tmp_path / "ensemble" / "ensemble.json").write_text(
        json.dumps({**facts, "sizes": {**facts["sizes"], "action": 3}})
    )
    with pytest.raises(CheckpointError, match=r"ensemble\.safetensors: not the ensemble that ensemble\.json describes"):
        load_ensemble(tmp_path / "ensemble", method)
    (tmp_path / "ensemble" / "ensemble.json").write_text("[]")
    with pytest.raises(CheckpointError, match="keys model, sizes and config"):
        load_ensemble(tmp_path / "ensemble", method)
    (tmp_path / "ensemble" / "ensemble.json").write_text("{")
    with pytest.raises(CheckpointError, match="not JSON"):
        load_ensemble(tmp_path / "ensemble", method)
    (tmp_path / "ensemble" / "ensemble.json").write_text(json.dumps(facts))
    (tmp_path / "ensemble" / "ensemble.safetensors").write_bytes(b"short")
    with pytest.raises(CheckpointError, match="not the ensemble"):
        load_ensemble(tmp_path / "ensemble", method)


@pytest.mark.parametrize("options", [{"heads": 0}, {"epochs": 0}, {"lr": 0.0}, {"label_epochs": -1}])
def test_bad_settings_are_refused(options: dict) -> None:
    with pytest.raises(ValueError, match=rf"ensemble\.{next(iter(options))} is"):
        EnsembleConfig(**options)


def test_what_cannot_be_fitted_is_refused() -> None:
    world = place()
    stream = streams(world, 50)
    with pytest.raises(ValueError, match="an ensemble of heads needs a world model that predicts views, and Mute"):
        fit_ensemble(Mute(), stream, world)
    with pytest.raises(ValueError, match="streams of 1 view; heads need at least 2"):
        fit_ensemble(Knows(), stream.first(1), world)

    class Broken(Knows):
        def goal(self, views: Tensor) -> Tensor:
            return super().goal(views) * math.nan

    with pytest.raises(ValueError, match="targets that heads are to be fitted to are not finite"):
        fit_ensemble(Broken(), stream, world)
