"""Encoders: one uint8 view in, one embedding out."""

import math
from itertools import pairwise
from typing import Any, Literal, cast, get_args

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torchvision.models import resnet18
from torchvision.models.resnet import BasicBlock

from gazeworld.envs.validation import Width, validated

from .method import ViewShape, WorldSpec

Encoder = Literal["resnet18", "cifar-resnet18", "small", "small-grid"]
ENCODERS: tuple[Encoder, ...] = get_args(Encoder)
_MAKES = (torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn)  # of the default's type


class SinglePrecision(TorchFunctionMode):
    """In its `with` block layers of other libraries get float32 weights, whatever torch's default is.

    The default belongs to the whole program: to set it, even for a moment, would meddle with other threads.
    """

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        """Call a function of torch; what makes new tensors is told their type."""
        kwargs = dict(kwargs or {})
        if func in _MAKES and kwargs.get("dtype") is None:
            kwargs["dtype"] = torch.float32
        return func(*args, **kwargs)


class Normalise(nn.Module):
    """uint8 views to floats with the source's channel mean and standard deviation (given in [0, 1])."""

    @validated
    def __init__(self, spec: WorldSpec) -> None:
        super().__init__()
        # Not persistent: they belong to the data, and a checkpoint names the data.
        middle, spread = torch.tensor((spec.mean, spec.std), dtype=torch.float32)[:, :, None, None]
        self.register_buffer("scale", 1 / (255 * spread), persistent=False)
        self.register_buffer("shift", -middle / spread, persistent=False)
        self.scale: Tensor
        self.shift: Tensor

    def forward(self, views: UInt8[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Zero mean and unit variance per channel over the training data."""
        return views.to(self.scale.dtype) * self.scale + self.shift


def _stride(side: int) -> int:
    """The stride of a convolution that halves what it sees, which is `side` places wide.

    One place alone is not halved: a 3 x 3 convolution (padding 1) of it gives the same number under either stride. With
    stride 2, under bfloat16 autocast, oneDNN fills the weight's gradient with uninitialised memory on processors that
    have bfloat16 units (AVX512-BF16, AMX); with stride 1 it does not.
    """
    return 1 if side == 1 else 2


class SmallEncoder(nn.Module):
    """A convolutional encoder for CPU work: stages of strided 3 x 3 convolutions, then one embedding of all places.

    `width` is the channel count of the first stage; it doubles at every stage but the last, whose width is `dim`.
    There are three stages for views of up to 32 pixels and one more for every doubling, so that a grid of 2 x 2 to
    4 x 4 places is left. The embedding is their mean, or with `grid` a linear map of them, which keeps what lies where:
    the pose of an object that fills the view is hard to tell from a mean of so few channels.

    The embedding is batch-normalised without gain or offset, and there is no ReLU before it. A ReLU leaves all
    embeddings in one orthant, nearly parallel: a predictor that always answers their mean then has a cosine loss of
    0.1 and little reason to look for content.
    """

    def __init__(self, channels: int, side: int, dim: int, width: int, *, grid: bool = False) -> None:
        super().__init__()
        stages = max(3, math.ceil(math.log2(side / 4)))
        widths = [channels, *(width * 2**i for i in range(stages - 1)), dim]
        layers: list[nn.Module] = []
        for i, (inputs, outputs) in enumerate(pairwise(widths)):
            stride = _stride(math.ceil(side / 2**i))
            convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False, dtype=torch.float32)
            nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
            layers += [convolution, nn.BatchNorm2d(outputs, dtype=torch.float32), nn.ReLU(inplace=True)]
        if grid:
            places = math.ceil(side / 2**stages) ** 2
            self.stages = nn.Sequential(
                *layers, nn.Flatten(), nn.Linear(places * dim, dim, bias=False, dtype=torch.float32)
            )
        else:
            self.stages = nn.Sequential(*layers[:-1], nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.norm = nn.BatchNorm1d(dim, affine=False, dtype=torch.float32)

    def forward(self, views: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        """The embedding of each view."""
        return self.norm(self.stages(views))


def _resnet(channels: int, side: int, cifar: bool) -> nn.Module:
    """torchvision's ResNet-18 without its classifier; the CIFAR variant keeps small glimpses from vanishing.

    CIFAR stem: a 3 x 3 convolution of stride 1 and no max pooling (paper, appendix A.2: used for 32-pixel patches).
    Weights have the same shapes for every `side` of the views.
    """
    with SinglePrecision():
        network = resnet18(weights=None)
    if cifar:
        network.conv1 = nn.Conv2d(channels, 64, 3, stride=1, padding=1, bias=False, dtype=torch.float32)
        network.maxpool = nn.Identity()  # type: ignore[assignment]
    else:
        if channels != 3:
            network.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False, dtype=torch.float32)
        network.conv1.stride = (_stride(side),) * 2
        side = math.ceil(side / 4)  # after the stem and the pooling
    for stage in (network.layer2, network.layer3, network.layer4):
        cast(BasicBlock, stage[0]).conv1.stride = (_stride(side),) * 2
        side = math.ceil(side / 2)
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    network.fc = nn.Identity()  # type: ignore[assignment]
    return network


@validated
def make_encoder(kind: Encoder, view_shape: ViewShape, *, dim: Width, width: Width) -> tuple[nn.Module, int]:
    """An encoder of normalised views (c, h, w) and the width of its embedding.

    `dim` and `width` are used by the small ones alone; a ResNet-18 always gives 512 numbers.
    Raises ValueError for an unknown kind and for sizes out of their bounds.
    """
    channels = view_shape[0]
    match kind:
        case "small":
            return SmallEncoder(channels, view_shape[1], dim, width), dim
        case "small-grid":
            return SmallEncoder(channels, view_shape[1], dim, width, grid=True), dim
        case "cifar-resnet18":
            return _resnet(channels, view_shape[1], cifar=True), 512
        case "resnet18":
            return _resnet(channels, view_shape[1], cifar=False), 512
