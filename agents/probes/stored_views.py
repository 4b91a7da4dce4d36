"""Stored views by their numbers: what retrieval, neighbours and odd ones out choose from."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Float32, Int64, UInt8
from torch import Tensor

from gazeworld.envs.world import Scene, World, require_stored_poses
from gazeworld.models.method import Method, frozen

from .features import Tick, in_chunks, quiet

Reader = Callable[[UInt8[Tensor, "b t c h w"]], Float[Tensor, "b t d"]]
"""Turns views into embeddings: a method's `encode` or `goal`."""


class Stored:
    """The v views that a world holds of each of its n objects.

    `poses` (n v p) and `labels` (n; -1: unknown) lie on the world's device. Raises ValueError for a world that draws
    its views or looks at images.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.poses: Float32[Tensor, "n v p"] = require_stored_poses(world, "this")
        self.labels: Int64[Tensor, " n"] = world.labels

    @property
    def views(self) -> int:
        """V, the number of views of each object."""
        return self.poses.shape[1]

    @property
    def split(self) -> str:
        """The name of the split that the objects are."""
        return self.world.split

    def look(self, objects: Int64[Tensor, " b"], views: Int64[Tensor, " b"]) -> UInt8[Tensor, "b c h w"]:
        """What view `views[i]` of object `objects[i]` shows."""
        pose = self.poses[objects, views]
        return self.world.look(Scene(objects, self.labels[objects], pose), pose)

    def number(self, objects: Int64[Tensor, " b"], poses: Float32[Tensor, "b t p"]) -> Int64[Tensor, "b t"]:
        """Which of the object's views was taken from each pose. Raises ValueError where none was."""
        same = (self.poses[objects][:, None] == poses[:, :, None]).all(-1)  # b t v
        if not bool(same.any(-1).all()):
            row = int((~same.any(-1)).any(1).nonzero()[0, 0])
            raise ValueError(f"stream {row} shows object {int(objects[row])} from a pose that none of its views has")
        return same.to(torch.uint8).argmax(-1)

    def encode(
        self,
        method: Method,
        reader: Reader,
        objects: Int64[Tensor, " b"],
        views: Int64[Tensor, " b"],
        tick: Tick = quiet,
    ) -> Float[Tensor, "b d"]:
        """Embeddings of views by a method in eval mode, on its device; `reader` is its `encode` or `goal`."""
        device = next(method.parameters()).device

        def read(rows: slice) -> Float[Tensor, "r d"]:
            seen = self.look(objects[rows], views[rows]).to(device)
            return reader(seen[:, None])[:, 0].float()

        def fill(rows: slice) -> None:
            found[rows] = read(rows)

        with frozen(method):
            # A goal need not be as wide as an embedding: some methods foresee projections.
            found = torch.empty(len(objects), read(slice(1)).shape[1], dtype=torch.float32, device=device)
            in_chunks(fill, len(objects), device, "encoding stored views", tick)
        return found
