"""The optimiser of appendix A.2 and the one writer of its learning rate."""

import math

import torch
from torch import nn

from gazeworld.models.momentum import check_progress

from ..config import TrainConfig


def make_optimiser(method: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices and kernels only.

    Biases, norms and learnable tokens go without decay: pulling them towards zero regularises nothing (the released
    code excludes one-dimensional parameters too, but decays the aggregate token).
    """
    decayed, free = [], []
    for name, parameter in method.named_parameters():
        if parameter.requires_grad:
            (free if parameter.ndim <= 1 or name.endswith("token") else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    # Fused: one pass over all parameters; on the CPU a fifth of the time of the default.
    return torch.optim.AdamW(groups, lr=config.lr_start, fused=True)


def set_learning_rate(optimiser: torch.optim.Optimizer, progress: float, config: TrainConfig) -> float:
    """Write the scheduled rate into every group and return it."""
    rate = learning_rate(progress, peak=config.lr, start=config.lr_start, end=config.lr_end, warmup=config.warmup)
    for group in optimiser.param_groups:
        group["lr"] = rate
    return rate


def learning_rate(
    progress: float, *, peak: float = 4e-4, start: float = 1e-5, end: float = 1e-5, warmup: float = 0.01
) -> float:
    """Linear warm-up from `start` to `peak` over the fraction `warmup`, then a cosine down to `end`.

    Appendix A.2: 1e-5 → 4e-4 in 20 epochs (1 % of 2000, 2 % of 1000), back to 1e-5. Raises ValueError outside [0, 1].
    """
    check_progress(progress)
    if progress < warmup:
        return start + (peak - start) * progress / warmup
    if warmup >= 1:
        return peak
    fraction = (progress - warmup) / (1 - warmup)
    return end + (peak - end) * (1 + math.cos(math.pi * fraction)) / 2
