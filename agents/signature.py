"""What tells one set of weights from another, so that what was fitted for a model is not used with the next one."""

import hashlib

import torch
from torch import nn


def signature(module: nn.Module) -> str:
    """What tells one set of weights from another: 16 hexadecimal digits of the SHA-256 of all its tensors."""
    seen = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        seen.update(name.encode())
        seen.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return seen.hexdigest()[:16]
