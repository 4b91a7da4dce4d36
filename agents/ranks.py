"""What processes that train together must agree on: when to stop."""

import torch
from lightning_fabric import Fabric
from torch import distributed


class Agreement:
    """A vote of all processes; in one process it costs nothing.

    It goes over gloo and memory of the CPU, also where gradients go over NCCL: then no GPU is waited for.
    """

    def __init__(self, fabric: Fabric) -> None:
        self._group: distributed.ProcessGroup | None = None
        if fabric.world_size > 1:
            same = distributed.get_backend() == "gloo"
            self._group = distributed.group.WORLD if same else distributed.new_group(backend="gloo")

    def any(self, wish: bool) -> bool:
        """Whether one of the processes wishes it; the same answer in all of them."""
        if self._group is None:
            return wish
        vote = torch.tensor(int(wish))
        distributed.all_reduce(vote, op=distributed.ReduceOp.MAX, group=self._group)
        return bool(vote)
