"""Saccades over still images: a square glimpse that is moved over a larger picture."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64, UInt8
from torch import Tensor

from ..alias_tables import pick
from ..fixations import Lattice
from ..image_datasets.map_files import open_maps
from ..image_datasets.ring import image_store
from ..images import StillImages, load_source, with_maps
from ..rng import Draws
from ..validation import Amount, SideOrOwn
from ..world import Scene, World, device_of
from ._crops import Crops

if TYPE_CHECKING:
    from ..fixation_prior import FixationPrior


class SaccadeWorld(World):
    """A glimpse of f × f pixels jumps over an image of H × H pixels (seq-JEPA, section 3.1 and appendix A.1).

    Pose: (row, col) of the patch centre in units of the image side, in [0, 1]; always a whole-pixel crop.
    Action: displacement (row, col) of the centre in units of the side, each in [-1, 1]; clipped at the border.
    View: f × f pixels, uint8, c channels. Reward and end of episode are the environment's.
    With `observe`: `saliency`, uint8 (H, H, 1), the scene's map scaled so that its maximum is 255; `periphery`, uint8
    (k, k, c), the whole image reduced by averaging to k = max(2, f // 4) pixels.

    Options: `source`, `split`, `root` and `source_options` say what is looked at (`source` may also be StillImages;
    then only specs do not serialise). `glimpse` is f in pixels, 0 for a third of the side (an area of one
    ninth: 32 px of 96, appendix A.1). `padding` "inside" keeps glimpses within the image; with "zeros" every pixel can
    be a centre and what is outside reads 0. `noise` is the standard deviation, in units of the side, of the normal
    deviate by which `land` misses its aim per axis. `first` is where an episode begins: "uniform", "centre" or drawn
    from the map `saliency` (a prior of `envs.prior.make_prior`, whose own options are `map_options`), times a centre
    Gaussian of `centre_sigma` if that is not 0. `maps` is where the maps lie that `precomputed` ones are read from
    (`image_datasets.open_maps`); empty, those that came with the source.
    Raises ValueError for an option that makes no sense.
    """

    pose_dim = 2
    action_dim = 2
    pose_bounds = (0.0, 1.0)
    action_bounds = (-1.0, 1.0)
    middle = (0.5, 0.5)

    def __init__(
        self,
        source: str | StillImages = "digits",
        split: str = "train",
        root: str | Path = "",
        *,
        glimpse: SideOrOwn = 0,
        padding: Literal["inside", "zeros"] = "inside",
        noise: Amount = 0.0,
        first: Literal["uniform", "centre", "saliency"] = "uniform",
        saliency: str = "image-signature",
        centre_sigma: Amount = 0.0,
        map_options: Mapping[str, Any] | None = None,
        observe: tuple[Literal["saliency", "periphery"], ...] = (),
        device: str | torch.device = "cpu",
        source_options: Mapping[str, Any] | None = None,
        maps: str | Path = "",
    ) -> None:
        self.device = device_of(device)
        found = load_source(source, split, root, **(source_options or {})) if isinstance(source, str) else source
        if not isinstance(found, StillImages):
            raise ValueError(f"world 'saccade' looks at images, and source {source!r} holds objects")
        found = with_maps(found, open_maps(maps, found)) if maps else found
        self._images, self.side, self.split = found, found.side, found.split
        # Integers only, so that 0 can mean one thing and a glimpse of zero pixels cannot arise from a tiny image.
        self._lattice = Lattice(self.side, glimpse or max(1, self.side // 3), padding)
        self.glimpse = self.lattice.glimpse
        self._noise, self._first, self._observe = float(noise), first, tuple(observe)
        self.noisy = noise > 0
        self._map, self._sigma, self._map_options = saliency, float(centre_sigma), map_options
        self._priors: dict[tuple[str, float, str], FixationPrior] = {}
        self._store = image_store(found, self.device)
        self.expects = self._store.reads
        self._crops = Crops(self._store.pixels, self.glimpse)
        self.labels = found.labels.to(self.device)
        # Poses are looked up, so that the CPU and the GPU give the same bits (they divide differently).
        steps = torch.arange(self.lattice.low, self.lattice.low + self.lattice.count)
        self._places = self.lattice.poses(torch.stack((steps, steps), 1))[:, 0].contiguous().to(self.device)
        self.size, self.classes = len(self.images), self.images.classes
        self.mean, self.std, self.fingerprint = self.images.mean, self.images.std, self.images.fingerprint
        self.view_shape = (found.channels, self.glimpse, self.glimpse)
        if first == "saliency":
            self.prior(saliency, centre_sigma, map_options)  # a wrong map is told now, not at the first episode
        self._shown = self._load_maps() if "saliency" in observe else None

    @property
    def images(self) -> StillImages:
        """What is looked at."""
        return self._images

    def masks(self, index: Int64[Tensor, " b"]) -> Bool[Tensor, "b H W"] | None:
        """Which pixels of these images show what the label names, where the source knows."""
        return None if self.images.masks is None else self.images.masks(index.cpu()).to(self.device)

    @property
    def lattice(self) -> Lattice:
        """The legal fixations: whole-pixel crops."""
        return self._lattice

    def scene(self, index: Int64[Tensor, " b"], rng: Draws) -> Scene:
        """The images at these indices; the first fixation is drawn as the option `first` says."""
        scene = Scene(
            index, self.labels[index], torch.full((len(index), 2), 0.5, dtype=torch.float32, device=self.device)
        )
        rng = rng.fold(1)
        if self._first == "uniform":
            pose = self.random_pose(scene, rng)
        elif self._first == "saliency":
            pose = self.snap(scene, self.prior(self._map, self._sigma, self._map_options).sample(index, rng))
        else:
            pose = self.snap(scene, scene.pose)
        return Scene(index, scene.label, pose)

    def look(self, scene: Scene, pose: Float32[Tensor, "b 2"]) -> UInt8[Tensor, "b c h w"]:
        """The glimpse around each pose; one gather for all of them, from the images where they lie.

        Raises DataError naming an image that has to be read and cannot be.
        """
        tops = self.lattice.tops(pose)
        inner = tops if self.lattice.padding == "inside" else tops.clamp(0, self.side - self.glimpse)
        crops = self._store.through(scene.index, lambda rows, slots: self._crops(slots, inner[rows]))
        if self.lattice.padding == "inside":
            return crops.permute(0, 3, 1, 2)  # b h w c -> b c h w
        # The nearest crop inside, moved within a frame of zeros: nothing is padded but the glimpses.
        rim = self.glimpse // 2
        framed = torch.nn.functional.pad(crops, (0, 0, rim, rim, rim, rim))
        rows = torch.arange(len(pose), device=self.device)
        return Crops(framed, self.glimpse)(rows, tops - inner + rim).permute(0, 3, 1, 2)

    def snap(self, scene: Scene, pose: Float32[Tensor, "b 2"]) -> Float32[Tensor, "b 2"]:
        """The legal whole-pixel crop nearest to a pose."""
        del scene
        return pick(self._places, self.lattice.places(pose))

    def move(
        self, scene: Scene, pose: Float32[Tensor, "b 2"], action: Float32[Tensor, "b 2"]
    ) -> Float32[Tensor, "b 2"]:
        """The whole-pixel crop nearest to pose + action, clipped to the legal ones."""
        return self.snap(scene, pose + action)

    def difference(self, pose: Float32[Tensor, "b 2"], next_pose: Float32[Tensor, "b 2"]) -> Float32[Tensor, "b 2"]:
        """Displacement of the patch centre, in units of the image side."""
        return next_pose - pose

    def random_pose(self, scene: Scene, rng: Draws) -> Float32[Tensor, "b 2"]:
        """Each legal crop equally likely."""
        del scene
        return pick(self._places, rng.integers(self.lattice.count, 2))

    def land(self, scene: Scene, aim: Float32[Tensor, "b 2"], rng: Draws) -> Float32[Tensor, "b 2"]:
        """With motor noise, the crop nearest to `aim` plus a normal deviate of standard deviation `noise` per axis."""
        return self.snap(scene, aim + self._noise * rng.normal(2)) if self._noise else aim

    def prior(self, kind: str, sigma: float = 0.0, options: Mapping[str, Any] | None = None) -> "FixationPrior":
        """Where to look next by one kind of map, with options of its own, times a centre Gaussian if `sigma` > 0."""
        from ..scene_priors import fixation_prior_of, options_key

        wanted = kind, sigma, options_key(options)
        if wanted not in self._priors:
            self._priors[wanted] = fixation_prior_of(
                *(self.images, kind, self.lattice),
                sigma=sigma,
                options=options,
                device=self.device,
                read=self._whole,
            )
        return self._priors[wanted]

    def _whole(self, index: Int64[Tensor, " b"]) -> UInt8[Tensor, "b h w c"]:
        """The whole images at these indices."""
        return self._store.batch(index)

    def observe(self, scene: Scene, pose: Float32[Tensor, "b 2"]) -> dict[str, Tensor]:
        """`saliency` and `periphery`, h w c, where they were asked for."""
        del pose
        extra: dict[str, Tensor] = {}
        if self._shown is not None:
            extra["saliency"] = self._shown(scene.index)[..., None]  # b h w 1
        if "periphery" in self._observe:
            extra["periphery"] = self.periphery(scene.index)
        return extra

    def periphery(self, index: Int64[Tensor, " b"]) -> UInt8[Tensor, "b k k c"]:
        """The whole images at these indices, each reduced by averaging to k = max(2, f // 4) pixels a side."""

        def small(_: slice, slots: Int64[Tensor, " part"]) -> UInt8[Tensor, "part k k c"]:
            whole = self._store.pixels[slots].permute(0, 3, 1, 2).to(torch.float32)
            pooled = torch.nn.functional.adaptive_avg_pool2d(whole, self.periphery_shape[0])
            return pooled.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()

        return self._store.through(index, small)

    def expect(self, index: Int64[Tensor, " b"]) -> None:
        """Begin to read the images at these indices, where they have to be read."""
        self._store.expect(index)

    @property
    def periphery_shape(self) -> tuple[int, int, int]:
        """Of one image's periphery: k, k, c."""
        k = max(2, self.glimpse // 4)
        return k, k, self.view_shape[0]

    def extra_spaces(self) -> dict[str, tuple[tuple[int, ...], float, float, type]]:
        """Spaces of what `observe` returns; images of uint8, as Stable-Baselines3 wants them."""
        shapes = {
            "saliency": (self.side, self.side, 1),
            "periphery": self.periphery_shape,
        }
        return {name: (shapes[name], 0.0, 255.0, np.uint8) for name in self._observe}

    def picture(self, scene: Scene, row: int) -> UInt8[Tensor, "H W 3"] | None:
        """The whole image of one row, in colour."""
        return self._store.batch(scene.index[row : row + 1])[0, ..., :3].expand(-1, -1, 3)

    def frame(self, pose: Float32[Tensor, "b 2"]) -> Float32[Tensor, "b 4"] | None:
        """Edges of the glimpses in units of the side; beyond [0, 1] where they reach over the border."""
        half = self.glimpse / (2 * self.side)
        return torch.cat((pose - half, pose + half), 1)

    def _load_maps(self) -> "Callable[[Int64[Tensor, ' b']], UInt8[Tensor, 'b h w']]":
        from ..scene_priors import shown_maps

        place = self.lattice, self._whole, self.device
        return shown_maps(self.images, self._map, *place, sigma=self._sigma, options=self._map_options)
