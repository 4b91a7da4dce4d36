"""seq-JEPA against the equations of section 2.2, its options, and the rules that every method keeps."""

import copy

import pytest
import torch
from torch.nn import functional as F

from gazeworld.envs.stream import Stream
from gazeworld.models.method import Method, WorldSpec, make_method

SMALL = {"encoder": "small", "dim": 24, "width": 8, "action_width": 8, "predictor_hidden": 32}
WORLD = WorldSpec((1, 16, 16), 2, (0.4,), (0.2,))


def stream_of(b: int = 6, t: int = 4, c: int = 1, seed: int = 0) -> Stream:
    g = torch.Generator().manual_seed(seed)
    views = torch.randint(0, 256, (b, t, 16, 16, c), generator=g, dtype=torch.uint8).permute(0, 1, 4, 2, 3)
    poses = torch.rand(b, t, 2, generator=g)
    return Stream(views, poses[:, 1:] - poses[:, :-1], poses, torch.zeros(b).long(), torch.arange(b))


@pytest.fixture
def method() -> Method:
    torch.manual_seed(0)
    return make_method("seq-jepa", WORLD, **SMALL)


@pytest.mark.parametrize("t", [2, 3, 4, 5, 6, 7])
def test_any_number_of_views(method: Method, t: int) -> None:
    loss, _ = method.loss(stream_of(t=t))
    assert loss.shape == ()
    assert torch.isfinite(loss)


def test_gradient_reaches_the_online_encoder_and_not_the_target(method: Method) -> None:
    method.loss(stream_of())[0].backward()
    reached = {n for n, p in method.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert {n for n, _ in method.named_parameters() if n.startswith("encoder.")} <= reached
    assert not [n for n in reached if n.startswith("target.")]


def test_represent_in_eval_mode_changes_nothing(method: Method) -> None:
    method.eval()
    before = copy.deepcopy(method.state_dict())
    stream = stream_of()
    first = method.represent(stream.views, stream.actions)
    again = method.represent(stream.views, stream.actions)
    assert torch.equal(first.aggregate, again.aggregate)
    assert all(torch.equal(v, before[k]) for k, v in method.state_dict().items())


def test_a_permuted_batch_gives_permuted_results(method: Method) -> None:
    method.eval()
    stream, order = stream_of(), torch.tensor([3, 0, 5, 1, 2, 4])
    straight = method.represent(stream.views, stream.actions)
    shuffled = method.represent(stream.views[order], stream.actions[order])
    torch.testing.assert_close(straight.views[order], shuffled.views)
    torch.testing.assert_close(straight.aggregate[order], shuffled.aggregate)


@torch.no_grad()
def test_the_loss_is_equation_five() -> None:
    torch.manual_seed(0)
    method = make_method("seq-jepa", WORLD, **SMALL).eval()
    stream = stream_of()
    loss, _ = method.loss(stream)
    naive = 0.0
    for b in range(6):
        tokens = []
        for i in range(3):
            x = (stream.views[b : b + 1, i].float() / 255 - 0.4) / 0.2
            z = method.encoder(x)[0]
            action = method.embed(stream.actions[b, i]) if i < 2 else torch.zeros(8)
            tokens.append(torch.cat([z, action]))
        aggregate = method.aggregator(torch.stack(tokens)[None])
        predicted = method.predictor(torch.cat([aggregate[0], method.embed(stream.actions[b, 2])])[None])[0]
        z_next = method.target((stream.views[b : b + 1, 3].float() / 255 - 0.4) / 0.2)[0]
        naive += float(1 - predicted @ z_next / (predicted.norm() * z_next.norm())) / 6
    assert float(loss) == pytest.approx(naive, abs=1e-5)


def test_the_last_view_carries_no_action_and_position_in_the_sequence_does_not_matter() -> None:
    torch.manual_seed(0)
    method = make_method("seq-jepa", WORLD, **SMALL).eval()
    encoded, actions = torch.randn(2, 3, 24), torch.randn(2, 2, 2)
    swapped = method.aggregate(encoded[:, [1, 0, 2]], actions[:, [1, 0]])
    torch.testing.assert_close(method.aggregate(encoded, actions), swapped)
    moved = method.aggregate(encoded[:, [0, 2, 1]], actions)
    assert not torch.allclose(method.aggregate(encoded, actions), moved)


@pytest.mark.parametrize("transformer", [True, False])
@pytest.mark.parametrize("predictor", [True, False])
def test_conditioning_is_switched_separately(transformer: bool, predictor: bool) -> None:
    method = make_method(
        "seq-jepa", WORLD, **SMALL, condition_transformer=transformer, condition_predictor=predictor
    ).eval()
    encoded, aggregate = torch.randn(3, 3, 24), torch.randn(3, method.aggregate_dim)
    one, other = torch.randn(3, 2, 2), torch.randn(3, 2, 2)
    same_aggregate = torch.allclose(method.aggregate(encoded, one), method.aggregate(encoded, other))
    same_prediction = torch.allclose(method.predict(aggregate, one[:, 0]), method.predict(aggregate, other[:, 0]))
    assert same_aggregate is not transformer
    assert same_prediction is not predictor
    assert method.aggregate_dim == 24 + 8 * transformer


def test_the_target_follows_parameters_and_keeps_its_own_batch_statistics() -> None:
    torch.manual_seed(0)
    method = make_method("seq-jepa", WORLD, **SMALL, momentum=0.9)
    with torch.no_grad():
        for p in method.encoder.parameters():
            p.add_(torch.randn_like(p))
    buffers = {k: v.clone() for k, v in method.target.named_buffers()}
    expected = [0.9 * s + 0.1 * f for s, f in zip(method.target.parameters(), method.encoder.parameters(), strict=True)]
    method.after_step(0.0)
    for now, then in zip(method.target.parameters(), expected, strict=True):
        torch.testing.assert_close(now, then)
    assert all(torch.equal(v, buffers[k]) for k, v in method.target.named_buffers())
    method.loss(stream_of())
    means = [k for k in buffers if k.endswith("running_mean")]
    assert any(not torch.equal(method.target.state_dict()[k], buffers[k]) for k in means)
    assert any(not torch.equal(method.target.state_dict()[k], method.encoder.state_dict()[k]) for k in means)


def test_batch_normalised_actions_gather_statistics_of_the_observed_then_of_the_last() -> None:
    torch.manual_seed(0)
    method = make_method("seq-jepa", WORLD, **SMALL, action_norm="batch")
    stream, running = stream_of(), torch.zeros(8)
    weight = method.action_projection.weight.detach()
    observed = torch.cat([stream.actions[:, :-1], torch.zeros(6, 1, 2)], 1)  # none follows the last observed view
    for actions in (observed.flatten(0, 1), stream.actions[:, -1]):
        running = 0.9 * running + 0.1 * (actions @ weight.T).mean(0)
    method.loss(stream)
    torch.testing.assert_close(method.action_norm.running_mean, running)
    tokens = []
    method.aggregator.register_forward_pre_hook(lambda _, inputs: tokens.append(inputs[0].detach()))
    method.loss(stream)
    projected = observed @ weight.T
    normal = (projected - projected.mean((0, 1))) / (projected.var((0, 1), unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(tokens[-1][:, :-1, 24:], normal[:, :-1])
    assert (tokens[-1][:, -1, 24:] == 0).all()
    norm = method.eval().action_norm
    straight = (stream.actions[0, 0] @ weight.T - norm.running_mean) / (norm.running_var + 1e-5).sqrt()
    torch.testing.assert_close(method.embed(stream.actions[0, 0]), straight)
    assert torch.isfinite(method.train().loss(stream_of(t=2))[0])


@torch.no_grad()
def test_the_ways_of_the_released_code_are_options() -> None:
    released = {"action_norm": "batch", "final_norm": True}
    torch.manual_seed(0)
    plain = make_method("seq-jepa", WORLD, **SMALL)
    torch.manual_seed(0)
    method = make_method("seq-jepa", WORLD, **SMALL, **released)
    state = method.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in plain.state_dict().items())
    assert not any(torch.equal(p, q) for p, q in pairs_of_weights(method))
    tokens = torch.randn(5, 3, 32)
    aggregate = method.eval().aggregator(tokens)
    method.aggregator.norm.weight.fill_(2.0)
    torch.testing.assert_close(method.aggregator(tokens), 2 * aggregate)
    torch.testing.assert_close(plain.eval().aggregator(tokens), aggregate, atol=1e-3, rtol=1e-3)  # just normalised
    alike = make_method("seq-jepa", WORLD, **SMALL, identical_layers=True)
    assert all(torch.equal(p, q) for p, q in pairs_of_weights(alike))
    assert not alike.aggregator.token.any()
    alike.aggregator.layers[0].linear1.weight.zero_()
    assert alike.aggregator.layers[1].linear1.weight.any()


def pairs_of_weights(method: Method) -> list[tuple[torch.Tensor, torch.Tensor]]:
    first, *others = ([p for p in layer.parameters() if p.ndim > 1] for layer in method.aggregator.layers)
    return [pair for other in others for pair in zip(first, other, strict=True)]


def test_a_model_without_actions_and_without_a_hidden_layer() -> None:
    bare = {"condition_transformer": False, "condition_predictor": False, "predictor_hidden": 0, "action_width": 0}
    method = make_method("seq-jepa", WORLD, **{**SMALL, **bare})
    assert [tuple(p.shape) for p in method.predictor.parameters()] == [(24, 24), (24,), (24,)]
    assert not [name for name in method.state_dict() if name.startswith("action")]
    stream = stream_of()
    assert torch.equal(method.embed(stream.actions), stream.actions)
    method.loss(stream)[0].backward()
    assert all(p.grad is not None for p in method.predictor.parameters())


def test_actions_of_another_size_are_refused() -> None:
    method = make_method("seq-jepa", WORLD, **SMALL).eval()
    with pytest.raises(ValueError, match=r"actions are .* of shape \(6, 3, 4\), expected .* of shape \(6, 3, 2\)"):
        method.represent(stream_of().views, torch.zeros(6, 3, 4))
    with pytest.raises(ValueError, match="actions of 4 numbers, but this model was made for 2"):
        method.embed(torch.zeros(6, 3, 4))


def test_one_batch_can_be_learnt_by_heart() -> None:
    torch.manual_seed(0)
    method = make_method("seq-jepa", WORLD, **SMALL)
    optimiser, stream = torch.optim.AdamW(method.parameters(), 3e-3), stream_of(32)
    first = float(method.loss(stream)[0].detach())
    for _ in range(60):
        optimiser.zero_grad()
        method.loss(stream)[0].backward()
        optimiser.step()
        method.after_step(0.0)
    assert float(method.loss(stream)[0].detach()) < first / 3


def test_the_paper_sizes() -> None:
    method = make_method("seq-jepa", WorldSpec((3, 32, 32), 2, (0.5,) * 3, (0.2,) * 3))
    assert (method.view_dim, method.aggregate_dim) == (512, 640)
    assert method.predictor[0].weight.shape == (1024, 768)
    assert len(method.aggregator.layers) == 3
    assert method.aggregator.layers[0].self_attn.num_heads == 4
    # The released model has 27.3 M trainable parameters, among them one more LayerNorm (1 280 numbers).
    trainable = sum(p.numel() for p in method.parameters() if p.requires_grad)
    assert trainable == pytest.approx(27.3e6, rel=0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": "vgg"}, "encoder is 'vgg', expected 'resnet18', 'cifar-resnet18', 'small' or 'small-grid'"),
        ({"predictor_norm": "layer"}, "predictor_norm is 'layer', expected 'batch' or 'none'"),
        ({"action_norm": "layer"}, "action_norm is 'layer', expected 'batch' or 'none'"),
        ({"action_width": 0}, "action_width is 0, expected at least 1"),
        ({"predictor_hidden": -1}, "predictor_hidden is -1"),
        ({"momentum": 1.5}, "momentum is 1.5"),
        ({"heads": 3}, "not divisible by 3 heads"),
        ({"colour": True}, "method 'seq-jepa'"),
    ],
)
def test_bad_options_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_method("seq-jepa", WORLD, **{**SMALL, **options})


def test_a_stream_of_one_view_is_refused() -> None:
    with pytest.raises(ValueError, match="M >= 1"):
        make_method("seq-jepa", WORLD, **SMALL).loss(stream_of(t=1))


def test_bytes_are_normalised_to_the_source_statistics() -> None:
    method = make_method("seq-jepa", WORLD, **SMALL)
    view = torch.full((1, 1, 2, 2), 102, dtype=torch.uint8)
    torch.testing.assert_close(method.normalise(view), torch.zeros(1, 1, 2, 2), atol=1e-6, rtol=0)
    assert F.relu(method.normalise(view + 51)).mean() == pytest.approx(1.0, abs=1e-5)
