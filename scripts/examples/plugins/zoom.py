"""A world of a package of one's own: the eye stays in the middle and zooms; `make_world("zoom:ZoomWorld")`."""

from typing import Annotated, Any

import torch
from annotated_types import Interval
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from gazeworld.envs import Draws, OptionError, Scene, World, load_source

_STEPS = 32  # magnifications that there are: a pose is one of them, so that moves are exact


class ZoomWorld(World):
    """A square around the middle of an image is seen in `size` × `size` pixels, whatever it covers.

    Pose: the side of the square over that of the image, in [1/32, 1], a multiple of 1/32.
    Action: its change, in [-1, 1]. View: uint8. Reward and end of episode are the environment's.
    """

    pose_dim = action_dim = 1
    pose_bounds = (1 / _STEPS, 1.0)
    action_bounds = (-1.0, 1.0)
    middle = (1.0,)

    def __init__(
        self,
        source: str = "digits",
        split: str = "train",
        root: str = "",
        *,
        size: Annotated[int, Interval(ge=4, le=256)] = 36,
        device: str = "cpu",
        source_options: dict[str, Any] | None = None,
    ) -> None:
        found = load_source(source, split, root, **(source_options or {}))
        if found.pixels.shape[1] < size:
            raise OptionError(f"size is {size}, expected at most the side of the images, {found.pixels.shape[1]}")
        self.device = torch.device(device)
        self._pixels, self.labels = found.pixels.to(self.device), found.labels.to(self.device)
        self.view_shape = (found.pixels.shape[3], size, size)
        self.size, self.classes, self.split = len(found), found.classes, found.split
        self.mean, self.std, self.fingerprint = found.mean, found.std, found.fingerprint

    def scene(self, index: Int64[Tensor, " b"], rng: Draws) -> Scene:
        """These images, first seen through a square of any size."""
        return Scene(index, self.labels[index], self._random(rng.fold(1)))

    def look(self, scene: Scene, pose: Float32[Tensor, "b 1"]) -> UInt8[Tensor, "b c h w"]:
        """The nearest pixels of a raster over the square."""
        side, size = self._pixels.shape[1], self.view_shape[1]
        raster = (torch.arange(size, device=self.device) + 0.5) / size - 0.5
        places = ((0.5 + pose * raster) * side).long().clamp(0, side - 1)  # b size
        rows, columns = places[:, :, None], places[:, None, :]
        return self._pixels[scene.index[:, None, None], rows, columns].permute(0, 3, 1, 2)  # b h w c -> b c h w

    def snap(self, scene: Scene, pose: Float32[Tensor, "b 1"]) -> Float32[Tensor, "b 1"]:
        """The nearest magnification that there is."""
        return (pose * _STEPS).round().clamp(1, _STEPS) / _STEPS

    def move(
        self, scene: Scene, pose: Float32[Tensor, "b 1"], action: Float32[Tensor, "b 1"]
    ) -> Float32[Tensor, "b 1"]:
        """Zoom, as far as there is something to see."""
        return self.snap(scene, pose + action)

    def difference(self, pose: Float32[Tensor, "b 1"], next_pose: Float32[Tensor, "b 1"]) -> Float32[Tensor, "b 1"]:
        """The change of the side."""
        return next_pose - pose

    def random_pose(self, scene: Scene, rng: Draws) -> Float32[Tensor, "b 1"]:
        """Any magnification, each equally likely."""
        return self._random(rng)

    def frame(self, pose: Float32[Tensor, "b 1"]) -> Float32[Tensor, "b 4"]:
        """Edges of the square in units of the side; the reward `coverage` asks for them."""
        return torch.cat((0.5 - pose / 2, 0.5 - pose / 2, 0.5 + pose / 2, 0.5 + pose / 2), 1)

    def _random(self, rng: Draws) -> Float32[Tensor, "b 1"]:
        return (1 + rng.integers(_STEPS)).to(torch.float32) / _STEPS
