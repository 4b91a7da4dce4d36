"""A replay of recent streams: a ring buffer of what was seen, as bytes, on the host or on a device."""

import torch
from torch import Tensor

from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import Positive, validated
from gazeworld.models.method import CheckpointError

_FIELDS = ("views", "actions", "poses", "labels", "scenes")


class StreamReplay:
    """The last `capacity` streams, all of one length; views stay uint8, h w c in memory.

    `device` is where they lie ("cpu" keeps a GPU free); samples come back on the device of the streams that were added
    last. Nothing is allocated before the first streams come.
    Raises ValueError for a capacity below 1.
    """

    @validated
    def __init__(self, capacity: Positive, device: torch.device | str = "cpu") -> None:
        self.capacity, self.device = capacity, torch.device(device)
        self._parts: dict[str, Tensor] = {}
        self._added = 0
        self._home = self.device

    def __len__(self) -> int:
        return min(self._added, self.capacity)

    def add(self, stream: Stream) -> None:
        """Keep these streams; the oldest ones make way.

        Raises ValueError for more streams at once than fit, and for streams of another shape than those before.
        """
        n, self._home = len(stream.scenes), stream.views.device
        if n > self.capacity:
            raise ValueError(f"{n} streams at once for a replay of {self.capacity}")
        given = {name: getattr(stream, name) for name in _FIELDS}
        given["views"] = stream.views.permute(0, 1, 3, 4, 2)  # b t h w c
        if not self._parts:
            self._parts = {
                name: torch.zeros((self.capacity, *part.shape[1:]), dtype=part.dtype, device=self.device)
                for name, part in given.items()
            }
        places = (torch.arange(n, device=self.device) + self._added) % self.capacity
        for name, part in given.items():
            if part.shape[1:] != self._parts[name].shape[1:]:
                found, wanted = tuple(part.shape[1:]), tuple(self._parts[name].shape[1:])
                raise ValueError(f"the replay holds {name} of shape {wanted}, and these have {found}")
            self._parts[name][places] = part.to(self.device)
        self._added += n

    def sample(self, n: int, generator: torch.Generator) -> Stream:
        """`n` different streams, each as likely as any other; `generator` is one of the CPU.

        Raises ValueError if there are not so many.
        """
        if n > len(self):
            raise ValueError(f"{n} streams were asked for, and the replay holds {len(self)}")
        return self._take(torch.randperm(len(self), generator=generator)[:n])

    def newest(self, n: int) -> Stream:
        """The last `n` streams added, or as many as there are, oldest first."""
        n = min(n, len(self))
        if n < 1:
            raise ValueError("the replay is empty")
        return self._take((torch.arange(self._added - n, self._added)) % self.capacity)

    def state_dict(self) -> dict[str, Tensor]:
        """All streams it holds, on the CPU, and how many were ever added."""
        kept = {name: part[: len(self)].cpu().clone() for name, part in self._parts.items()}
        return {**kept, "added": torch.tensor(self._added)}

    def load_state_dict(self, state: dict[str, Tensor], home: torch.device | str = "cpu") -> None:
        """The inverse of `state_dict`; samples go to `home` until streams are added.

        Raises CheckpointError for a state that is not one of a replay of this capacity.
        """
        if state.keys() not in ({"added"}, {"added", *_FIELDS}):
            raise CheckpointError(f"the state of a replay holds {sorted(state)}, expected added, {', '.join(_FIELDS)}")
        added = int(state["added"])
        if any(len(state[name]) != min(added, self.capacity) for name in _FIELDS if name in state):
            raise CheckpointError(
                f"the state of a replay holds {len(state['scenes'])} of {added} streams, "
                f"expected those of a capacity of {self.capacity}"
            )
        self._added, self._home, self._parts = added, torch.device(home), {}
        for name in _FIELDS if added else ():
            shape, kind = (self.capacity, *state[name].shape[1:]), state[name].dtype
            self._parts[name] = torch.zeros(shape, dtype=kind, device=self.device)
            self._parts[name][: len(self)] = state[name].to(self.device)

    def _take(self, rows: Tensor) -> Stream:
        rows = rows.to(self.device)
        found = {name: part[rows].to(self._home) for name, part in self._parts.items()}
        return Stream(**{**found, "views": found["views"].permute(0, 1, 4, 2, 3)})  # b t c h w, channels-last in memory
