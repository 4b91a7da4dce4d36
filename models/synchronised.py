"""Batch normalisation over the batch of all processes that train together.

torch's SyncBatchNorm does it on CUDA devices only; here is the same for those that it refuses.
"""

from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm


def synchronise(module: nn.Module, device: torch.device) -> nn.Module:
    """The module with batch normalisation that shares its statistics; names, weights and buffers stay as they are.

    Only where a process group exists is there anything to share.
    """
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(module)
    if isinstance(module, _BatchNorm):
        return SharedBatchNorm.of(module)
    for name, child in module.named_children():
        shared = synchronise(child, device)
        if shared is not child:
            module.add_module(name, shared)
    return module


class SharedBatchNorm(_BatchNorm):
    """Batch normalisation whose mean and variance in training are those of all processes' rows together."""

    @classmethod
    def of(cls, norm: _BatchNorm) -> "SharedBatchNorm":
        """One that goes on with the parameters and buffers of another, themselves and not copies."""
        shared = cls(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        for name, parameter in norm.named_parameters(recurse=False):
            shared.register_parameter(name, parameter)
        for name, buffer in norm.named_buffers(recurse=False):
            shared.register_buffer(name, buffer)
        return shared.train(norm.training)

    def forward(self, input: Tensor) -> Tensor:
        """Rows b c … normalised for each of the c channels; in eval mode by the running statistics, as ever.

        Raises ValueError for fewer than two values per channel in all processes together.
        """
        if not self.training:
            return super().forward(input)
        x = input.double() if input.dtype == torch.float64 else input.float()
        others = [i for i in range(x.ndim) if i != 1]
        wide = [1, -1] + [1] * (x.ndim - 2)
        own = x.new_full((1,), x.numel() / x.shape[1])
        sums = _sum(torch.cat([x.sum(others), own]))
        count = float(sums[-1].detach())
        if count <= 1:
            raise ValueError(f"{count:.0f} value per channel in all processes, expected at least 2 to normalise")
        mean = sums[:-1] / count
        # Squares of what is centred: those of the values themselves would cancel.
        centred = x - mean.view(wide)
        variance = _sum((centred * centred).sum(others)) / count
        self._remember(mean.detach(), variance.detach() * (count / (count - 1)))
        found = centred * torch.rsqrt(variance + self.eps).view(wide)
        if self.affine:
            found = found * self.weight.view(wide) + self.bias.view(wide)
        return found.to(input.dtype)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"an input of {input.ndim} dimensions, expected rows b c …")

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(variance.to(self.running_var.dtype), share)


class _Sum(torch.autograd.Function):
    """The sum over all processes. Each of them has a loss that depends on it, so its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:
        whole = part.clone()
        distributed.all_reduce(whole)
        return whole

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        whole = gradients[0].clone()
        distributed.all_reduce(whole)
        return whole


def _sum(part: Tensor) -> Tensor:
    found = _Sum.apply(part)
    assert isinstance(found, Tensor)
    return found
