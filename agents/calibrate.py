"""A fair untrained baseline: batch normalisation that knows its inputs."""

import torch
from torch import nn

from gazeworld.envs.stream import Stream
from gazeworld.models.method import Method, Predicts


@torch.no_grad()
def calibrate(method: Method, stream: Stream, chunk: int = 256) -> Method:
    """Set the running statistics of the encoder's batch normalisation to those of the stream's views.

    An untrained network has none (mean 0, variance 1), and in eval mode its normalisation would do nothing. That is
    no property of its random weights, so a comparison in eval mode would be unfair to it. The same goes for a target
    network. Returns the method, in eval mode.
    """
    norms = [m for m in method.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average over all batches
    method.train()
    for part in stream.views.split(chunk):
        method.encode(part)
        if isinstance(method, Predicts):
            method.goal(part)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return method.eval()
