"""Hand-crafted augmentations of still images: a view is an image cropped, coloured and blurred."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from ..image_datasets.ring import image_store
from ..images import StillImages, load_source
from ..rng import Draws
from ..validation import SideOrOwn
from ..world import Quantity, Scene, World, device_of
from ._augment import BLUR, CROP, JITTER, POSE, Augmenter, Poses, make_protocol

ACTIONS = ("crop", "jitter", "blur", "all")


class AugmentationWorld(World):
    """An image is seen through random augmentations (seq-JEPA, section 2.3 and appendix A.1; EquiMod's protocol).

    Pose: 13 numbers in [0, 1]. 0-3 the crop's top, left, height and width in units of the image side, whole pixels;
    4-7 brightness, contrast, saturation and hue, as places in their ranges (0.5 changes nothing; for brightness,
    0 is a factor of 0.6 and 1 one of 1.4); 8 the blur's standard deviation in units of its largest (2 pixels of the
    view; 0: none); 9-11 flipped, grey, solarised (0 or 1); 12 the order of the colour operations, k / 23 for the k-th
    permutation of 4-7. A view is cropped, flipped, coloured, greyed, blurred and solarised, in this order.
    Action (`action`): the difference of the numbers of one group, "crop" (4), "jitter" (4), "blur" (1), or of "all"
    (9), each in [-1, 1]. Every other number is nuisance: `land` draws it anew at every step, so this world is noisy,
    though it never misses what it aims at.
    View: size × size pixels, uint8, as many channels as the image. Reward and end of episode are the environment's.
    Grey images have no saturation and no hue: for them jitter is brightness and contrast, and "all" is 7 numbers.
    Likewise, a colour operation whose strength in the protocol is 0 is no part of an action.
    A single look from the `middle` shows the whole image, as it is.

    Options: `source`, `split`, `root` and `source_options` say what is looked at (`source` may also be StillImages;
    then only specs do not serialise). `size` is the side of a view in pixels (0: the image's). `protocol`
    changes fields of `_augment_protocol.Protocol`. `kind`: with "observed", every view is blurred and none is
    solarised; with "predicted", one in ten is blurred and one in five solarised; "either" takes one of both for each
    view, at even chances.
    Raises ValueError for an option that makes no sense.

    Departures. The paper's released code makes observed views of the first kind and the predicted one of the second;
    a world does not know which view will be predicted, hence "either": marginally, both kinds are as frequent as in
    EquiMod's own two views. The released code divides each parameter by its norm over the views of a sequence; here
    units are fixed. Nothing is rounded to bytes between two operations.
    """

    pose_dim = POSE
    pose_bounds = (0.0, 1.0)
    action_bounds = (-1.0, 1.0)
    middle = (0.0, 0.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0)
    noisy = True

    def __init__(
        self,
        source: str | StillImages = "digits",
        split: str = "train",
        root: str | Path = "",
        *,
        action: Literal["crop", "jitter", "blur", "all"] = "all",
        size: SideOrOwn = 0,
        kind: Literal["either", "observed", "predicted"] = "either",
        protocol: Mapping[str, Any] | None = None,
        device: str | torch.device = "cpu",
        source_options: Mapping[str, Any] | None = None,
    ) -> None:
        settled = make_protocol(protocol or {})
        found = load_source(source, split, root, **(source_options or {})) if isinstance(source, str) else source
        side, channels = _shape(found)
        self._images, self.split = found, found.split
        size, self.device, self._kind, self._action = size or side, device_of(device), kind, action
        taps = settled.taps(size)
        if size <= taps // 2:
            raise ValueError(f"size is {size} pixels, expected more than half of the {taps} taps of the blur")
        self._poses = Poses(settled, side, channels, self.device)
        self._augment = Augmenter(side, size, self._poses.least, taps, self.device)
        self._groups = self._named_groups()
        named = [number for group in (ACTIONS[:3] if action == "all" else (action,)) for number in self._groups[group]]
        if not named:
            raise ValueError(f"action is {action!r}, but the protocol changes none of its parameters")
        self.action_dim = len(named)
        self._named = torch.tensor(named, device=self.device)
        self._is_named = torch.zeros(POSE, dtype=torch.bool, device=self.device).index_fill_(0, self._named, True)
        self._store = image_store(found, self.device)
        self.expects = self._store.reads
        self.labels = self.images.labels.to(self.device)
        self.size, self.classes = len(self.images), self.images.classes
        self.mean, self.std, self.fingerprint = self.images.mean, self.images.std, self.images.fingerprint
        self.view_shape = (channels, size, size)

    @property
    def images(self) -> StillImages:
        """What is augmented."""
        return self._images

    def scene(self, index: Int64[Tensor, " b"], rng: Draws) -> Scene:
        """The images at these indices, first seen through an augmentation drawn from the protocol."""
        return Scene(index, self.labels[index], self._poses.draw(rng.fold(1), self._kind))

    def look(self, scene: Scene, pose: Float32[Tensor, "b 13"]) -> UInt8[Tensor, "b c h w"]:
        """The images as the poses say; poses have to be legal.

        Raises DataError naming an image that has to be read and cannot be.
        """
        c, h, w = self.view_shape
        views = torch.empty((len(pose), h, w, c), dtype=torch.uint8, device=self.device)
        parameters = self._poses.parameters(pose)
        # In pieces, of which a cache holds more: 512 images of 64 pixels took 0.44 s of one core, 0.61 s at once.
        step = 128 if self.device.type == "cpu" else 4096
        for part, slots in self._store.held(scene.index):
            for start in range(part.start, part.stop, step):
                rows = slice(start, min(start + step, part.stop))
                images = self._store.pixels[slots[rows.start - part.start : rows.stop - part.start]]
                view = self._augment(images, parameters[rows])
                views[rows] = view.permute(0, 2, 3, 1)  # b c h w -> b h w c
        return views.permute(0, 3, 1, 2)  # b h w c -> b c h w

    def expect(self, index: Int64[Tensor, " b"]) -> None:
        """Begin to read the images at these indices, where they have to be read."""
        self._store.expect(index)

    def snap(self, scene: Scene, pose: Float32[Tensor, "b 13"]) -> Float32[Tensor, "b 13"]:
        """The nearest crop of whole pixels inside the image, and the nearest legal value of all other parameters.

        Crops have edges at least as long as the shortest that the protocol draws.
        """
        del scene
        return self._poses.snap(pose)

    def move(
        self, scene: Scene, pose: Float32[Tensor, "b 13"], action: Float32[Tensor, "b a"]
    ) -> Float32[Tensor, "b 13"]:
        """The legal pose nearest to pose + action, in what the action names; nothing else moves (see `land`)."""
        return self.snap(scene, pose.index_add(1, self._named, action))

    def difference(self, pose: Float32[Tensor, "b 13"], next_pose: Float32[Tensor, "b 13"]) -> Float32[Tensor, "b a"]:
        """The differences of the parameters that an action names."""
        return (next_pose - pose).index_select(1, self._named)

    def quantities(self) -> tuple[Quantity, ...]:
        """Crop, jitter and blur, whatever the actions are; the group that actions name comes first."""
        heads = {"crop": "mlp", "jitter": "mlp", "blur": "linear"}  # appendix A.2
        first = sorted(heads, key=lambda group: group != self._action)
        return tuple(self._quantity(group, heads[group]) for group in first if self._groups[group])

    def random_pose(self, scene: Scene, rng: Draws) -> Float32[Tensor, "b 13"]:
        """A pose drawn from the protocol, which is not uniform: four in five have their colours changed."""
        del scene
        return self._poses.draw(rng, self._kind)

    def land(self, scene: Scene, aim: Float32[Tensor, "b 13"], rng: Draws) -> Float32[Tensor, "b 13"]:
        """The aim in what an action names; all other parameters are drawn from the protocol."""
        del scene
        return torch.where(self._is_named, aim, self._poses.draw(rng, self._kind))

    def picture(self, scene: Scene, row: int) -> UInt8[Tensor, "H W 3"] | None:
        """The whole image of one row as it is, in colour."""
        return self._store.batch(scene.index[row : row + 1])[0].expand(-1, -1, 3)

    def frame(self, pose: Float32[Tensor, "b 13"]) -> Float32[Tensor, "b 4"] | None:
        """Edges of the crops in units of the side."""
        return torch.cat((pose[:, :2], pose[:, :2] + pose[:, 2:4]), 1)

    def _named_groups(self) -> dict[str, list[int]]:
        """The numbers of the pose that belong to each group and are not the same in all poses."""
        numbers = range(POSE)
        jitter = [number for number, varies in zip(numbers[JITTER], self._poses.varies, strict=True) if varies]
        return {"crop": list(numbers[CROP]), "jitter": jitter, "blur": list(numbers[BLUR])}

    def _quantity(self, group: str, head: Any) -> Quantity:
        columns = torch.tensor(self._groups[group], device=self.device)

        def of(pose: Float32[Tensor, "n 13"]) -> Float32[Tensor, "n o"]:
            return pose.index_select(1, columns.to(pose.device))

        return Quantity(group, of, lambda pose, after: of(after) - of(pose), head)


def _shape(found: Any) -> tuple[int, int]:
    """Side and channels of images that can be augmented."""
    if not isinstance(found, StillImages):
        raise ValueError(f"world 'augmentation' looks at images, and source {found.name!r} holds objects")
    channels = found.channels
    if channels not in (1, 3):
        raise ValueError(f"images of {channels} channels, expected 1 (grey) or 3 (red, green, blue)")
    return found.side, channels
