"""What tells one set of weights from another, so that what was fitted for a model is not used with the next one."""

import hashlib

import torch

from gazeworld.models.method import Method


def signature(method: Method) -> str:
    """What tells one set of weights from another: 16 hexadecimal digits of the SHA-256 of all tensors of a method."""
    seen = hashlib.sha256()
    for name, tensor in sorted(method.state_dict().items()):
        seen.update(name.encode())
        seen.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return seen.hexdigest()[:16]
