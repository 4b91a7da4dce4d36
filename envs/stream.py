"""The one record that every world yields and every method learns from."""

from dataclasses import dataclass

import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from .validation import OptionError


@dataclass(frozen=True)
class Stream:
    """A batch of observation-action sequences, as they happened.

    `views` are b c h w per view but lie channels-last in memory. `actions[:, i]` leads from view i to view i + 1 and
    is what the sensor was *told* (equal to what happened unless the world has motor noise). `poses` say where the
    sensor really was; they are for probes and figures, and methods never read them. `labels` are -1 where the source
    has none. `scenes` are indices in the source, so that any view can be traced.
    Raises OptionError for parts of another type or shape.
    """

    views: UInt8[Tensor, "b t c h w"]
    actions: Float32[Tensor, "b t-1 a"]
    poses: Float32[Tensor, "b t p"]
    labels: Int64[Tensor, " b"]
    scenes: Int64[Tensor, " b"]

    def __post_init__(self) -> None:
        found = self.views.shape[:2] if isinstance(self.views, Tensor) and self.views.ndim == 5 else ("b", "t")
        b, t = found
        steps = t - 1 if isinstance(t, int) else "t-1"
        self._require("views", "bytes", (b, t, "c", "h", "w"))
        self._require("actions", "floats", (b, steps, "a"))
        self._require("poses", "floats", (b, t, "p"))
        self._require("labels", "integers", (b,))
        self._require("scenes", "integers", (b,))

    def _require(self, name: str, kind: str, shape: tuple[int | str, ...]) -> None:
        """Types and shapes alone, so that no device is asked."""
        part = getattr(self, name)
        if isinstance(part, Tensor):
            kinds = {"bytes": part.dtype == torch.uint8, "floats": part.is_floating_point()}
            fits = kinds.get(kind, part.dtype == torch.int64) and part.ndim == len(shape)
            if fits and all(isinstance(size, str) or size == n for size, n in zip(shape, part.shape, strict=True)):
                return
            said = f"{part.dtype} of shape {tuple(part.shape)}"
        else:
            said = type(part).__name__
        kind = "bytes (uint8, 0 … 255)" if kind == "bytes" else kind
        wanted = f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"
        raise OptionError(f"{name} of a stream are {said}, expected {kind} of shape {wanted}")

    @property
    def length(self) -> int:
        """Number of views, t = M + 1."""
        return self.views.shape[1]

    def first(self, t: int) -> "Stream":
        """The same streams cut after their first t views."""
        return Stream(self.views[:, :t], self.actions[:, : t - 1], self.poses[:, :t], self.labels, self.scenes)
