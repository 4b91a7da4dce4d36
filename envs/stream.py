"""The one record that every world yields and every method learns from."""

from dataclasses import dataclass

from jaxtyping import Float32, Int64, UInt8
from torch import Tensor


@dataclass(frozen=True)
class Stream:
    """A batch of observation-action sequences, as they happened.

    `views` are b c h w per view but lie channels-last in memory. `actions[:, i]` leads from view i to view i + 1 and
    is what the sensor was *told* (equal to what happened unless the world has motor noise). `poses` say where the
    sensor really was; they are for probes and figures, and methods never read them. `labels` are -1 where the source
    has none. `scenes` are indices in the source, so that any view can be traced.
    """

    views: UInt8[Tensor, "b t c h w"]
    actions: Float32[Tensor, "b t-1 a"]
    poses: Float32[Tensor, "b t p"]
    labels: Int64[Tensor, " b"]
    scenes: Int64[Tensor, " b"]

    @property
    def length(self) -> int:
        """Number of views, t = M + 1."""
        return self.views.shape[1]

    def first(self, t: int) -> "Stream":
        """The same streams cut after their first t views."""
        return Stream(self.views[:, :t], self.actions[:, : t - 1], self.poses[:, :t], self.labels, self.scenes)
