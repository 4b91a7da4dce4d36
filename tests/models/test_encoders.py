"""Encoders of every kind, for views of every size: gradients in half precision, and the numbers they always gave."""

import pytest
import torch
from torch import Tensor, nn

from gazeworld.envs.stream import Stream
from gazeworld.models.encoders import ENCODERS, make_encoder
from gazeworld.models.method import WorldSpec, make_method

SIDES = range(1, 41)
RESNET_SIDES = {"resnet18": (1, 2, 3, 4, 5, 8, 9, 16, 17, 32, 33), "cifar-resnet18": (1, 2, 3, 4, 5, 8, 9, 17)}
"""Where the places of a stage become one, and around; every size of a ResNet would take minutes."""


def encoder_of(kind: str, side: int, channels: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return make_encoder(kind, (channels, side, side), dim=24, width=8)[0]


class Watch:
    """What a convolution saw, and the gradient that came back to it."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        self.convolution = convolution
        self.seen, self.back = torch.empty(0), torch.empty(0)
        convolution.register_forward_hook(self._forward)

    def _forward(self, _: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self.seen = inputs[0].detach()
        output.register_hook(lambda gradient: setattr(self, "back", gradient))

    def check(self) -> None:
        """The weight's gradient is the one that single precision gives for the same numbers, to bfloat16's rounding."""
        weight, stride, padding = self.convolution.weight, self.convolution.stride, self.convolution.padding
        seen = self.seen.bfloat16().float()
        expected = torch.nn.grad.conv2d_weight(seen, weight.shape, self.back.float(), stride, padding)
        assert weight.grad is not None
        largest = expected.abs().max().item()
        torch.testing.assert_close(weight.grad, expected, rtol=0, atol=largest * 2**-7)


def poison(network: nn.Module) -> None:
    """Memory that is about to be given out again holds NaN, so that what is never written shows."""
    junk = [torch.full_like(p, float("nan"), dtype=t) for p in network.parameters() for t in (None, torch.bfloat16)]
    del junk


def stepped(network: nn.Module, side: int) -> Tensor:
    """The embedding of eight views after one backward pass under autocast."""
    views = torch.randn(8, 3, side, side, generator=torch.Generator().manual_seed(side))
    with torch.autocast("cpu", torch.bfloat16):
        embedding = network(views)
    poison(network)
    ramp = torch.linspace(-1, 1, embedding.numel()).reshape(embedding.shape)
    (embedding.float() * ramp.sin()).sum().backward()
    return embedding


@pytest.mark.parametrize("kind", ENCODERS)
def test_gradients_in_half_precision_are_right_for_every_size_of_view(kind: str) -> None:
    for side in RESNET_SIDES.get(kind, SIDES):
        network = encoder_of(kind, side)
        watched = [Watch(part) for part in network.modules() if isinstance(part, nn.Conv2d)]
        assert torch.isfinite(stepped(network, side)).all(), side
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, (side, name)
            assert torch.isfinite(parameter.grad).all(), (side, name)
            assert parameter.grad.any(), (side, name)
        for watch in watched:
            watch.check()


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("side", SIDES)
def test_no_convolution_strides_over_one_place(kind: str, side: int) -> None:
    """Stated by itself, since only some processors show what comes of it."""
    network = encoder_of(kind, side, channels=1).eval()
    watched = [Watch(part) for part in network.modules() if isinstance(part, nn.Conv2d)]
    network(torch.zeros(1, 1, side, side))
    for watch in watched:
        narrow = watch.seen.shape[-1] == 1 and watch.convolution.kernel_size != (1, 1)
        assert not narrow or watch.convolution.stride == (1, 1), side


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("side", [1, 2, 4, 16, 18, 32])
def test_embeddings_and_weights_are_those_of_strides_of_two_everywhere(kind: str, side: int) -> None:
    """Checkpoints from before keep their meaning: one place gives the same numbers under either stride."""
    network, before = encoder_of(kind, side), encoder_of(kind, side)
    cifar = kind == "cifar-resnet18"
    for name, part in before.named_modules():
        first = name.endswith("0.conv1") and not name.startswith("layer1")
        if isinstance(part, nn.Conv2d) and (kind.startswith("small") or first or (name == "conv1" and not cifar)):
            part.stride = (2, 2)
    views = torch.randn(8, 3, side, side, generator=torch.Generator().manual_seed(1))
    for left, right in zip(network.state_dict().values(), before.state_dict().values(), strict=True):
        assert torch.equal(left, right)
    assert torch.equal(network(views), before(views))
    assert torch.equal(network.eval()(views), before.eval()(views))


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_method_learns_from_views_of_one_pixel(kind: str) -> None:
    torch.manual_seed(0)
    spec = WorldSpec((1, 1, 1), 2, (0.4,), (0.2,))
    method = make_method("seq-jepa", spec, encoder=kind, dim=24, width=8)
    views = torch.randint(0, 256, (8, 4, 1, 1, 1), dtype=torch.uint8)
    poses, none = torch.rand(8, 4, 2), torch.zeros(8).long()
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = method.loss(Stream(views, poses[:, 1:] - poses[:, :-1], poses, none, none))
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in method.parameters() if p.grad is not None)
