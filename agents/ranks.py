"""What processes that train together must agree on: when to stop."""

from typing import Any

import torch
from lightning_fabric import Fabric
from torch import distributed


class Agreement:
    """A vote of all processes; in one process it costs nothing.

    It goes over gloo and memory of the CPU, also where gradients go over NCCL: then no GPU is waited for.
    """

    def __init__(self, fabric: Fabric) -> None:
        self._several = fabric.world_size > 1
        apart = self._several and distributed.get_backend() != "gloo"
        self._group: Any = distributed.new_group(backend="gloo") if apart else None  # None: the group of all

    def any(self, wish: bool) -> bool:
        """Whether one of the processes wishes it; the same answer in all of them."""
        if not self._several:
            return wish
        vote = torch.tensor(int(wish))
        distributed.all_reduce(vote, op=distributed.ReduceOp.MAX, group=self._group)
        return bool(vote)
