"""What joint-embedding methods are made of, and what sets each of them apart."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gazeworld.envs.stream import Stream
from gazeworld.models import losses
from gazeworld.models.joint_embedding import Hypernetwork, TransformerProjector, make_projector, mlp
from gazeworld.models.method import Method, Predicts, WorldSpec, make_method

WORLD = WorldSpec((1, 16, 16), 2, (0.4,), (0.2,))
SMALL = {"encoder": "small", "dim": 24, "width": 8}
HEADS = {"projector_hidden": 32, "projector_out": 16}


def make(name: str, **options: object) -> Method:
    torch.manual_seed(0)
    return make_method(name, WORLD, **SMALL, **options)


def stream_of(b: int = 6, t: int = 2, seed: int = 0) -> Stream:
    g = torch.Generator().manual_seed(seed)
    views = torch.randint(0, 256, (b, t, 16, 16, 1), generator=g, dtype=torch.uint8).permute(0, 1, 4, 2, 3)
    poses = torch.rand(b, t, 2, generator=g)
    return Stream(views, poses[:, 1:] - poses[:, :-1], poses, torch.zeros(b).long(), torch.arange(b))


@pytest.mark.parametrize("bias", [False, True])
def test_the_hypernetwork_builds_a_matrix_for_every_action(bias: bool) -> None:
    torch.manual_seed(0)
    net = Hypernetwork(5, 3, bias=bias)
    rows, action = torch.randn(4, 5), torch.randn(4, 3)
    found = net(rows, action)
    for b in range(4):
        matrix = sum(action[b, k] * net.weight[k] for k in range(3)) + (torch.eye(5) if bias else 0)
        torch.testing.assert_close(found[b], matrix @ rows[b])
    neutral = net(rows, torch.zeros(4, 3))
    torch.testing.assert_close(neutral, rows if bias else torch.zeros_like(rows))


def test_a_unit_action_keeps_the_size_of_what_it_acts_on() -> None:
    torch.manual_seed(0)
    rows, action = torch.randn(64, 128), F.normalize(torch.randn(64, 4), dim=-1)
    assert float(Hypernetwork(128, 4)(rows, action).detach().std()) == pytest.approx(1, rel=0.1)


def test_projectors_have_the_layers_they_are_said_to_have() -> None:
    kinds = [type(layer) for layer in mlp((4, 6, 5), norm_last=True)]
    assert kinds == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear, nn.BatchNorm1d]
    last = mlp((4, 6, 5), norm_last=False)[-1]
    assert isinstance(last, nn.Linear)
    assert last.bias is not None
    network, out = make_projector("transformer", 12, 99, 98, norm_last=True)
    assert isinstance(network, TransformerProjector)
    assert out == 12
    assert len(network.aggregator.layers) == 3
    row = torch.randn(3, 12)
    torch.testing.assert_close(network(row), network.aggregator(row[:, None]))
    with pytest.raises(ValueError, match="not divisible by 4 heads"):
        make_projector("transformer", 10, 1, 1, norm_last=True)


PAPER = {
    "simclr": {"projector": [(2048, 512), (2048, 2048), (2048, 2048)]},
    "vicreg": {"projector": [(2048, 512), (2048, 2048), (2048, 2048)]},
    "vicreg-traj": {"projector": [(2048, 512), (2048, 2048), (2048, 2048)]},
    "sen": {"projector": [(2048, 512), (2048, 2048), (2048, 2048)], "predictor": [(2048, 2176)]},
    "byol": {"projector": [(2048, 512), (2048, 2048), (2048, 2048)], "predictor": [(512, 2048), (2048, 512)]},
    "conditional-byol": {"action_projection": [(128, 4)], "predictor": [(512, 2176), (2048, 512)]},
    "equimod": {"invariant": [(1024, 512), (1024, 1024), (128, 1024)], "predictor": [(128, 256)]},
    "sie": {"equivariant": [(1024, 256), (1024, 1024), (1024, 1024)]},
    "conv-jepa": {"action_projection": [(128, 4)], "predictor": [(1024, 640), (512, 1024)]},
}


@pytest.mark.parametrize("name", PAPER)
def test_default_sizes_are_those_of_appendix_a3(name: str) -> None:
    with torch.device("meta"):
        method = make_method(name, WorldSpec((3, 32, 32), 4, (0.5,) * 3, (0.2,) * 3))
    for part, shapes in PAPER[name].items():
        layers = [m for m in getattr(method, part).modules() if isinstance(m, nn.Linear)]
        assert [tuple(layer.weight.shape) for layer in layers] == shapes, part


def test_default_weights_are_those_of_appendix_a3() -> None:
    assert make("vicreg").weights == {"invariance": 10, "variance": 10, "covariance": 1}
    assert make("vicreg-traj").weights == {"invariance": 10, "variance": 10, "covariance": 1, "trajectory": 0.01}
    assert make("sie").weights == {"invariance": 10, "equivariance": 4.5, "variance": 10, "covariance": 1}
    assert make("equimod").weights == {"invariance": 1, "equivariance": 1}
    assert [make(name).temperature for name in ("simclr", "sen", "equimod")] == [0.5, 0.5, 0.1]
    assert [make(name).momentum for name in ("byol", "conditional-byol", "conv-jepa")] == [0.996] * 3


def pair(method: Method, stream: Stream) -> tuple[torch.Tensor, torch.Tensor]:
    """A prediction from the first view and the goal that it shall meet."""
    assert isinstance(method, Predicts)
    predicted = method.predict(method.encode(stream.views[:, :1])[:, 0], stream.actions[:, 0])
    return predicted, method.goal(stream.views[:, 1:])[:, 0]


@torch.no_grad()
def test_predictions_and_goals_are_what_the_losses_compare() -> None:
    stream = stream_of()
    for name, term, expected in (
        ("sen", "contrast", lambda p, g: losses.nt_xent(p, g, 0.5)),
        ("equimod", "equivariance", lambda p, g: losses.nt_xent(p, g, 0.1)),
        ("sie", "equivariance", losses.invariance),
        ("conditional-byol", "forth", losses.byol),
        ("conv-jepa", "pair", losses.cosine),
    ):
        method = make(name, **HEADS).eval()
        torch.testing.assert_close(method.loss(stream)[1][term], expected(*pair(method, stream)), msg=name)


def test_inverse_dynamics_learns_to_tell_the_action_from_the_views_beside_it() -> None:
    torch.manual_seed(0)
    method, g = make("inverse-dynamics"), torch.Generator().manual_seed(0)
    places = torch.randint(0, 15, (32, 3, 2), generator=g)
    views = torch.zeros(32, 3, 1, 16, 16, dtype=torch.uint8)
    for i, j in torch.cartesian_prod(torch.arange(32), torch.arange(3)).tolist():
        row, col = places[i, j].tolist()
        views[i, j, 0, row : row + 2, col : col + 2] = 255
    poses = places / 16
    stream = Stream(views, poses.diff(dim=1), poses, torch.zeros(32).long(), torch.arange(32))
    optimiser = torch.optim.Adam(method.parameters(), 3e-3)
    found = []
    for _ in range(60):
        loss, terms = method.loss(stream)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        found.append(float(terms["action"]))
    assert found[-1] < 0.1 * float(stream.actions.var())
    shuffled = Stream(views, stream.actions.flip(0), poses, stream.labels, stream.scenes)
    assert float(method.loss(shuffled)[1]["action"]) > float(stream.actions.var())


@torch.no_grad()
@pytest.mark.parametrize("out", [0, 16])
def test_conv_jepa_foretells_the_last_view_from_each_other(out: int) -> None:
    method, stream = make("conv-jepa", projector_hidden=32, projector_out=out).eval(), stream_of(t=4)
    goal = method.goal(stream.views[:, 3:])[:, 0]
    expected = 0.0
    for i in range(3):
        z = method.encode(stream.views[:, i : i + 1])[:, 0]
        way = stream.poses[:, 3] - stream.poses[:, i]
        expected += float(1 - F.cosine_similarity(method.predict(z, way), goal).mean())
    assert float(method.loss(stream)[0]) == pytest.approx(expected, rel=1e-4)
    method.reduction = "mean"
    assert float(method.loss(stream)[0]) == pytest.approx(expected / 3, rel=1e-4)


@torch.no_grad()
def test_byol_goes_both_ways_and_its_target_is_another_network() -> None:
    method, stream = make("byol", **HEADS, predictor_hidden=32).eval(), stream_of()
    for p in (*method.encoder.parameters(), *method.projector.parameters()):
        p.add_(0.05 * torch.randn_like(p))
    z, t = method.encode(stream.views), method.through(method.target, stream.views)
    forth = losses.byol(method.predictor(method.projector(z[:, 0])), method.target_projector(t[:, 1]))
    back = losses.byol(method.predictor(method.projector(z[:, 1])), method.target_projector(t[:, 0]))
    assert float(method.loss(stream)[0]) == pytest.approx(float(forth + back), rel=1e-5)
    assert not torch.allclose(z, t)


@torch.no_grad()
def test_paths_are_measured_where_they_are_asked_for() -> None:
    stream = stream_of(t=3)
    for where in ("embedding", "projection"):
        method = make("vicreg-traj", **HEADS, trajectory_on=where).eval()
        z = method.encode(stream.views)
        path = z if where == "embedding" else method.projector(z.flatten(0, 1)).unflatten(0, (6, 3))
        found = method.loss(stream)[1]["trajectory"]
        torch.testing.assert_close(found, losses.trajectory(*path.unbind(1)))


@torch.no_grad()
def test_sie_steers_the_second_half_alone() -> None:
    method, action = make("sie", **HEADS).eval(), torch.randn(3, 2)
    z, other = torch.randn(3, 24), torch.randn(3, 24)
    same_half = torch.cat([other[:, :12], z[:, 12:]], dim=1)
    torch.testing.assert_close(method.predict(z, action), method.predict(same_half, action))
    assert not torch.allclose(method.predict(z, action), method.predict(other, action))


CONTEXT = {"transformer_width": 32, "head_hidden": 32, "pairs": 4, "context": 6}


def test_contextssl_reads_probes_after_the_pairs_it_saw_last() -> None:
    method, seen, asked = make("contextssl", **CONTEXT), stream_of(4), stream_of(3, 2, seed=5)
    with torch.no_grad():
        before = method.eval().encode(asked.views)
        method.train().loss(seen)
        method.eval()
        assert int(method.context_pairs) == 3
        assert torch.equal(method.context_views, seen.views[:3])
        assert not torch.allclose(method.encode(asked.views), before)
        # As in training: the second view of a fourth pair, whose first view it does not see.
        for b, t in ((0, 0), (2, 1)):
            last = torch.stack([torch.zeros_like(asked.views[b, t]), asked.views[b, t]])
            views = torch.cat([seen.views[:3], last[None]])
            actions = torch.cat([seen.actions[:3], torch.randn(1, 1, 2)])
            read = []
            handle = method.read_out.register_forward_hook(lambda _, __, output, read=read: read.append(output))
            method.loss(Stream(views, actions, torch.zeros(4, 2, 2), seen.labels[:4], seen.scenes[:4]))
            handle.remove()
            torch.testing.assert_close(method.encode(asked.views)[b, t], read[0][0, 7], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_contextssl_does_not_let_a_view_see_its_partner_or_what_follows() -> None:
    method, stream = make("contextssl", **CONTEXT).eval(), stream_of(6)
    read: list[torch.Tensor] = []
    method.read_out.register_forward_hook(lambda _, __, output: read.append(output.flatten(0, 1)))
    changed = stream.views.clone()
    changed[2, 0] = 255 - changed[2, 0]  # token 4: the first view of the third pair
    for views in (stream.views, changed):
        method.loss(Stream(views, stream.actions, stream.poses, stream.labels, stream.scenes))
    moved = (read[0] - read[1]).abs().amax(-1) > 1e-5
    # Eight tokens a row; what pads the second row is never looked at.
    assert moved[:12].tolist() == [False] * 4 + [True, False, True, True] + [False] * 4


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("byol", {"momentum": 1.5}, "momentum is 1.5"),
        ("conv-jepa", {"reduction": "max"}, "reduction is 'max', expected 'sum' or 'mean'"),
        ("vicreg-traj", {"trajectory_on": "moon"}, "trajectory_on is 'moon', expected 'embedding' or 'projection'"),
        ("sie", {"dim": 23}, "embedding of 23 numbers"),
        ("contextssl", {"context": 7}, "context is 7 views"),
        ("contextssl", {"pairs": 2, "context": 4}, "even number below 4"),
        ("contextssl", {"transformer_width": 30}, "not divisible by 4 heads"),
    ],
)
def test_bad_options_are_named(name: str, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_method(name, WORLD, **{**SMALL, **options})
