"""What can be looked at: a sensor with a pose, a scene, and the geometry of the moves between poses."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import torch
from jaxtyping import Bool, Float32, Int64, UInt8
from torch import Tensor

from . import registry
from .fixations import Lattice
from .images import StillImages
from .rng import Draws
from .validation import OptionError, Validated, validated

if TYPE_CHECKING:
    from .fixation_prior import FixationPrior

Made = TypeVar("Made")


@dataclass(frozen=True)
class Scene:
    """A batch of scenes: which ones (index in the source), what they show (-1: unknown), where the sensor begins."""

    index: Int64[Tensor, " b"]
    label: Int64[Tensor, " b"]
    pose: Float32[Tensor, "b p"]


@dataclass(frozen=True)
class Quantity:
    """Something that a pose says and that probes read out of representations.

    `of` gives it from poses (n p), `between` its relative value from pairs of poses, both n o. `head` is the read-out
    that the paper trains for it (appendix A.2): a linear regressor, or an MLP. `angular` quantities are unit
    quaternions (x, y, z, w), whose errors are angles, too; q and -q are the same rotation.
    """

    name: str
    of: Callable[[Float32[Tensor, "n p"]], Float32[Tensor, "n o"]]
    between: Callable[[Float32[Tensor, "n p"], Float32[Tensor, "n p"]], Float32[Tensor, "n o"]]
    head: Literal["linear", "mlp"] = "linear"
    angular: bool = False


class World(Validated, ABC):
    """A batched, device-agnostic world made of pure functions; environments, probes and planners all call these.

    `pose_bounds` and `action_bounds` are (low, high) over all components; an action outside its bounds is refused by
    the environments. `size` is the number of scenes, `labels` says what they show (-1: unknown; on the world's
    device), `classes` the names of the labels, `split` which part of the data they are; `fingerprint` identifies the
    data, `mean` and `std` are the channel statistics that a method's encoder normalises with. `middle` is the pose
    from which a single look is the obvious one (the centre of an image), where there is such a thing. `noisy` says
    whether the sensor may land elsewhere than it aims (see `land`), `additive` whether actions compose as sums.
    """

    view_shape: tuple[int, int, int]  # c, h, w
    pose_dim: int
    action_dim: int
    pose_bounds: tuple[float, float]
    action_bounds: tuple[float, float]
    size: int
    labels: Int64[Tensor, " n"]
    classes: tuple[str, ...]
    split: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: str
    device: torch.device
    middle: tuple[float, ...] | None = None
    noisy: bool = False
    additive: bool = True
    expects: bool = False
    """Whether it wants to be told which scenes come next, see `expect`."""

    def sample(self, n: int, rng: Draws) -> Scene:
        """Scenes drawn uniformly with replacement, and their first poses."""
        if len(rng) != n:
            raise ValueError(f"{len(rng)} random streams for {n} scenes")
        return self.scene(self.drawn(rng), rng)

    def drawn(self, rng: Draws) -> Int64[Tensor, " n"]:
        """Which scenes `sample` draws, without drawing anything else of them."""
        return rng.fold(0).integers(self.size)[:, 0]

    @abstractmethod
    def scene(self, index: Int64[Tensor, " b"], rng: Draws) -> Scene:
        """The scenes at these indices of the source, with first poses drawn from `rng`."""

    @abstractmethod
    def look(self, scene: Scene, pose: Float32[Tensor, "b p"]) -> UInt8[Tensor, "b c h w"]:
        """What the sensor sees at each pose (channels-last in memory)."""

    @abstractmethod
    def snap(self, scene: Scene, pose: Float32[Tensor, "b p"]) -> Float32[Tensor, "b p"]:
        """The legal pose nearest to any pose; which poses are legal may depend on the scene."""

    def flaws(self, pose: Float32[Tensor, "b p"]) -> dict[str, Bool[Tensor, " b"]]:
        """What keeps poses within the bounds from being snapped, and which ones; most worlds can snap any."""
        del pose
        return {}

    @abstractmethod
    def move(
        self, scene: Scene, pose: Float32[Tensor, "b p"], action: Float32[Tensor, "b a"]
    ) -> Float32[Tensor, "b p"]:
        """Where an action leads: always a legal pose of the scene (clipped, snapped)."""

    @abstractmethod
    def difference(self, pose: Float32[Tensor, "b p"], next_pose: Float32[Tensor, "b p"]) -> Float32[Tensor, "b a"]:
        """The action that leads from one pose to another: the only producer of the actions that models see."""

    def compose(self, first: Float32[Tensor, "b a"], second: Float32[Tensor, "b a"]) -> Float32[Tensor, "b a"]:
        """The action that does what two actions do, one after the other; here their sum."""
        return first + second

    def quantities(self) -> tuple[Quantity, ...]:
        """What probes read out; the first one is what paths are integrated over."""
        return (Quantity("position", lambda pose: pose, self.difference),)

    @abstractmethod
    def random_pose(self, scene: Scene, rng: Draws) -> Float32[Tensor, "b p"]:
        """A legal pose drawn uniformly."""

    def land(self, scene: Scene, aim: Float32[Tensor, "b p"], rng: Draws) -> Float32[Tensor, "b p"]:
        """Where a sensor that aims at a legal pose really lands; environments ask only where the world is `noisy`."""
        del scene, rng
        return aim

    def observe(self, scene: Scene, pose: Float32[Tensor, "b p"]) -> dict[str, Tensor]:
        """What an observation holds beside view and pose; keys and shapes as `extra_spaces` says."""
        return {}

    def extra_spaces(self) -> dict[str, tuple[tuple[int, ...], float, float, type]]:
        """Shape, low, high and NumPy type of everything that `observe` returns."""
        return {}

    # What only some worlds can do is asked here, never of a concrete world: None says that this one cannot.

    @property
    def images(self) -> StillImages | None:
        """The still images that are looked at."""
        return None

    @property
    def lattice(self) -> Lattice | None:
        """The legal poses of a world of fixations."""
        return None

    @property
    def stored_poses(self) -> Float32[Tensor, "n v p"] | None:
        """The poses of each scene's views, where these are stored and finitely many."""
        return None

    @property
    def periphery_shape(self) -> tuple[int, int, int] | None:
        """Of one scene's periphery: h, w, c."""
        return None

    def periphery(self, index: Int64[Tensor, " b"]) -> UInt8[Tensor, "b h w c"] | None:
        """The whole scenes at these indices as the corner of an eye sees them."""
        del index
        return None

    def masks(self, index: Int64[Tensor, " b"]) -> Bool[Tensor, "b H W"] | None:
        """Which pixels of the scenes at these indices show what the label names, where that is known."""
        del index
        return None

    def expect(self, index: Int64[Tensor, " b"]) -> None:
        """Be told which scenes will be looked at next: worlds that read them from a disk begin to do so meanwhile."""
        del index

    def prior(self, kind: str, sigma: float = 0.0, options: Mapping[str, Any] | None = None) -> "FixationPrior | None":
        """Where to look next by one kind of map (`prior.make_prior`, with options of its own), brought to the lattice.

        It is multiplied by a centre Gaussian of `sigma` sides if that is not 0.
        """
        del kind, sigma, options
        return None

    def picture(self, scene: Scene, row: int) -> UInt8[Tensor, "H W 3"] | None:
        """The whole scene of one row for people to look at, or None where there is no such thing."""
        return None

    def frame(self, pose: Float32[Tensor, "b p"]) -> Float32[Tensor, "b 4"] | None:
        """Top, left, bottom, right of each view in the picture, in units of its side, or None."""
        return None


WORLDS = "gazeworld.envs.worlds"
LOOKED_AT = ("source", "split", "root", "source_options")
"""Options that say what a world looks at; all others say how."""


def require_lattice(world: World, who: str) -> Lattice:
    """The legal fixations of a world. Raises ValueError saying that `who` needs a world of fixations if it is none."""
    return _required(world.lattice, world, who)


def require_prior(
    world: World, who: str, kind: str, sigma: float = 0.0, options: Mapping[str, Any] | None = None
) -> "FixationPrior":
    """Its prior over fixations, see `World.prior`; the same errors, and ValueError for a map that cannot be had."""
    return _required(world.prior(kind, sigma, options), world, who)


def _required(found: Made | None, world: World, who: str) -> Made:
    if found is None:
        raise ValueError(f"{who} needs a world of fixations, and {type(world).__name__} is none")
    return found


def require_stored_poses(world: World, who: str) -> Float32[Tensor, "n v p"]:
    """The poses of a world's stored views. Raises ValueError saying that `who` needs such a world if it has none."""
    if world.stored_poses is None:
        raise ValueError(f"{who} needs a world of stored views, and {type(world).__name__} has none here")
    return world.stored_poses


def spread_poses(lattice: Lattice, side: int, device: torch.device) -> Float32[Tensor, "k 2"]:
    """The poses of `side` × `side` fixations, row by row, evenly spread over the legal ones; `count` gives them all."""
    # Computed on the CPU whatever the device is: a GPU divides differently.
    return lattice.poses(lattice.spread(side)).to(device)


def device_of(device: str | torch.device) -> torch.device:
    """The device of this name. Raises OptionError where it is no device, or this machine has none of the kind."""
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # what torch's back-ends raise
        reason = str(error).partition("\n")[0]
        raise OptionError(f"device is {str(device)!r}, expected cpu or a device of this machine: {reason}") from error
    if found.type == "meta":
        raise OptionError("device is 'meta', expected one that holds numbers")
    return found


@validated
def make_world(name: str, **options: Any) -> World:
    """The world called `name` in the registry, built from JSON-able options.

    Raises OptionError naming an option that the world does not have, or one of another type or out of its bounds.
    """
    kind = registry.concrete(WORLDS, name, World)
    return registry.built(f"world {name!r}", kind, **options)


def make_world_over(name: str, images: StillImages, **options: Any) -> World:
    """The world called `name` over images that are at hand; options that would name a source are left out.

    Raises OptionError as `make_world` does, also for a world that does not look at images.
    """
    return make_world(name, source=images, **{key: one for key, one in options.items() if key not in LOOKED_AT})
