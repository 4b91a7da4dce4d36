"""The rules that every method of the registry keeps, found by walking it."""

import copy
import importlib
import inspect
import sys
from pathlib import Path

import pytest
import torch

from gazeworld.envs import registry
from gazeworld.envs.stream import Stream
from gazeworld.models.conformance import check_method
from gazeworld.models.method import METHODS, Method, Predicts, WorldSpec, make_method

NAMES = registry.names(METHODS)
WORLD = WorldSpec((1, 16, 16), 2, (0.4,), (0.2,))
SMALL = {
    "encoder": "small",
    "dim": 24,
    "width": 8,
    "action_width": 8,
    "predictor_hidden": 32,
    "head_hidden": 32,
    "projector_hidden": 32,
    "projector_out": 16,
    "transformer_width": 32,
    "pairs": 4,
    "context": 6,
}
"""Sizes by the names under which methods know them; each method gets those that it has."""


def make(name: str, seed: int = 0, **options: object) -> Method:
    known = inspect.signature(registry.concrete(METHODS, name, Method)).parameters
    torch.manual_seed(seed)
    return make_method(name, WORLD, **{k: v for k, v in SMALL.items() if k in known}, **options)


def stream_of(b: int, t: int, seed: int = 0) -> Stream:
    g = torch.Generator().manual_seed(seed)
    views = torch.randint(0, 256, (b, t, 16, 16, 1), generator=g, dtype=torch.uint8).permute(0, 1, 4, 2, 3)
    poses = torch.rand(b, t, 2, generator=g)
    return Stream(views, poses[:, 1:] - poses[:, :-1], poses, torch.zeros(b).long(), torch.arange(b))


def longest(method: Method) -> int:
    return min(method.most_views or 6, 6)


def fed(name: str) -> Method:
    """A method that has seen one batch, in eval mode."""
    method = make(name)
    with torch.no_grad():
        method.loss(stream_of(16, longest(method), seed=7))
    return method.eval()


def stepped(method: Method, stream: Stream, rate: float = 1e-3) -> torch.Tensor:
    """The loss before one step of the optimiser."""
    optimiser = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], rate)
    loss, _ = method.loss(stream)
    loss.backward()
    optimiser.step()
    return loss.detach()


def test_every_method_of_the_paper_is_there() -> None:
    paper = {"simclr", "byol", "vicreg", "vicreg-traj", "sen", "equimod", "sie", "conditional-byol", "conv-jepa"}
    assert paper | {"seq-jepa", "contextssl", "inverse-dynamics"} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_method_conforms(name: str) -> None:
    known = inspect.signature(registry.concrete(METHODS, name, Method)).parameters
    check_method(name, **{k: v for k, v in SMALL.items() if k in known})


@pytest.mark.parametrize("name", NAMES)
def test_lengths_that_are_allowed_work_and_others_do_not(name: str) -> None:
    method = make(name)
    allowed = range(method.least_views, longest(method) + 1)
    assert allowed
    for t in allowed:
        loss, terms = method.loss(stream_of(6, t))
        assert loss.shape == ()
        assert torch.isfinite(loss)
        assert all(torch.isfinite(v).all() and not v.requires_grad for v in terms.values())
    others = [method.least_views - 1] + ([method.most_views + 1] if method.most_views else [])
    for t in others:
        with pytest.raises(ValueError, match=f"of {t} view"):
            method.loss(stream_of(6, t))


@pytest.mark.parametrize("name", [n for n in NAMES if n != "seq-jepa"])
def test_a_batch_of_one_is_refused(name: str) -> None:
    method = make(name)
    with pytest.raises(ValueError, match="batch of 1 stream"):
        method.loss(stream_of(1, method.least_views))


@pytest.mark.parametrize("name", NAMES)
def test_gradient_reaches_everything_that_is_trained_and_no_target(name: str) -> None:
    method = make(name)
    method.loss(stream_of(8, longest(method)))[0].backward()
    encoder = [p for n, p in method.named_parameters() if n.startswith("encoder.")]
    assert encoder
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder)
    assert [n for n, p in method.named_parameters() if p.requires_grad and p.grad is None] == []  # as DDP demands
    targets = [p for n, p in method.named_parameters() if n.startswith("target")]
    assert all(not p.requires_grad and p.grad is None for p in targets)


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_gives_nearly_the_same_loss(name: str) -> None:
    method = make(name)
    stream = stream_of(16, longest(method))
    single, _ = copy.deepcopy(method).loss(stream)
    with torch.autocast("cpu", torch.bfloat16):
        half, _ = method.loss(stream)
    half.backward()
    torch.testing.assert_close(half.float(), single, rtol=0.05, atol=0.02)
    assert half != single
    assert all(torch.isfinite(p.grad).all() for p in method.parameters() if p.grad is not None)


def test_no_weight_waits_for_a_gradient_without_actions() -> None:
    method = make("seq-jepa", condition_transformer=False, condition_predictor=False)
    method.loss(stream_of(8, longest(method)))[0].backward()
    assert [n for n, p in method.named_parameters() if p.requires_grad and p.grad is None] == []


@pytest.mark.parametrize("name", NAMES)
def test_targets_follow_and_everything_else_stays(name: str) -> None:
    method = make(name)
    stepped(method, stream_of(8, longest(method)), rate=0.1)
    before = {n: p.clone() for n, p in method.named_parameters()}
    method.after_step(0.0)
    for n, p in method.named_parameters():
        if n.startswith("target"):
            online = n.replace("target_projector", "projector").replace("target.", "encoder.")
            torch.testing.assert_close(p, 0.996 * before[n] + 0.004 * before[online])
            assert not torch.equal(p, before[n])
        else:
            assert torch.equal(p, before[n])


@pytest.mark.parametrize("name", NAMES)
def test_predictions_live_where_goals_do_and_mind_the_action(name: str) -> None:
    method = fed(name)
    if not isinstance(method, Predicts):
        assert name in ("simclr", "byol", "vicreg", "vicreg-traj", "contextssl", "inverse-dynamics")
        return
    stream = stream_of(6, 2)
    aggregate = method.represent(stream.views[:, :1], stream.actions[:, :0]).aggregate
    predicted = method.predict(aggregate, stream.actions[:, 0])
    goal = method.goal(stream.views)
    assert predicted.shape == goal[:, 1].shape
    assert not goal.requires_grad
    assert not torch.allclose(predicted, method.predict(aggregate, -stream.actions[:, 0]))


TWO_PROJECTORS = [
    n for n in NAMES if "projector" in inspect.signature(registry.concrete(METHODS, n, Method)).parameters
]


def test_the_methods_of_table_8_have_a_transformer_projector() -> None:
    assert {"simclr", "byol", "vicreg", "vicreg-traj", "sen", "conditional-byol"} <= set(TWO_PROJECTORS)


@pytest.mark.parametrize("name", TWO_PROJECTORS)
def test_a_transformer_projector_trains_too(name: str) -> None:
    method = make(name, projector="transformer")
    stream = stream_of(16, longest(method))
    before = stepped(method, stream)
    assert method.loss(stream)[0] < before
    with pytest.raises(ValueError, match="projector is 'tree', expected 'mlp' or 'transformer'"):
        make(name, projector="tree")


NEW = '''
"""A method for a test: embeddings of views shall be small."""

from torch import nn

from gazeworld.models.method import Method


class Shrink(Method):
    """One linear layer."""

    def __init__(self, spec, *, dim=3):
        super().__init__()
        c, h, w = spec.view_shape
        self.encoder = nn.Linear(c * h * w, dim)
        self.view_dim = self.aggregate_dim = dim

    def loss(self, stream):
        """Mean square."""
        return self.encode(stream.views).square().mean(), {}

    def encode(self, views):
        """Linear."""
        return self.encoder(views.flatten(2) / 255)

    def aggregate(self, encoded, actions):
        """Mean."""
        return encoded.mean(1)
'''


def test_a_file_of_the_registry_is_a_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shrink_it.py").write_text(NEW)
    package = importlib.import_module(METHODS)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    try:
        assert registry.names(METHODS) == sorted([*NAMES, "shrink-it"])
        method, stream = make_method("shrink-it", WORLD, dim=5), stream_of(4, 3)
        assert method.represent(stream.views, stream.actions).aggregate.shape == (4, 5)
        before = stepped(method, stream)
        assert method.loss(stream)[0] < before
        with pytest.raises(ValueError, match="method 'shrink-it'"):
            make_method("shrink-it", WORLD, colour=True)
    finally:
        sys.modules.pop(f"{METHODS}.shrink_it", None)
        vars(package).pop("shrink_it", None)
