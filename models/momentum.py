"""Momentum targets: a slow copy of a network that follows it by an exponential moving average."""

import copy
import math
from typing import TypeVar

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

N = TypeVar("N", bound=nn.Module)


def target_of(network: N) -> N:
    """A copy of the network that no gradient reaches."""
    return copy.deepcopy(network).requires_grad_(False)


@torch.no_grad()
def follow(target: nn.Module, online: nn.Module, momentum: float) -> None:
    """target ← momentum · target + (1 − momentum) · online, over parameters only.

    Buffers (BatchNorm's running statistics) are left alone: the target runs in train mode, normalises with the
    statistics of its own batch and gathers running ones of its own, as in BYOL and in the authors' released code.
    """
    average = get_ema_multi_avg_fn(momentum)  # torch's fused form: a kernel per group of parameters
    average(tuple(target.parameters()), tuple(online.parameters()), 0)


def momentum_schedule(progress: float, *, base: float = 0.996) -> float:
    """Its momentum in BYOL: 1 − (1 − base) · (cos(π · progress) + 1) / 2, rising from `base` to 1 (appendix A.3)."""
    check_progress(progress)
    return 1 - (1 - base) * (math.cos(math.pi * progress) + 1) / 2


def check_progress(progress: float) -> None:
    """Raise ValueError unless training's progress is from 0 to 1."""
    if not 0 <= progress <= 1:
        raise ValueError(f"progress is {progress}, expected a number from 0 to 1")
