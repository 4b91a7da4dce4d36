"""Where somebody may look next in an image: the contract of fixation priors, and the registry of them.

A prior gives a log density over the pixels of an image, which may depend on where one has looked so far, as
pysaliency's models do. What an agent draws from is the prior brought to its legal fixations, with inhibition of return:
`fixation_prior`.
"""

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Float, Float32, Int64, UInt8
from torch import Tensor

from . import registry
from .files import DataError
from .images import StillImages
from .validation import OptionError, Validated, validated

PRIORS = "gazeworld.envs.priors"
CONTROLS = ("mismatched", "transposed")
"""Priors made of another one: the map of an image of another label, and the map with rows and columns exchanged."""
BASE = "image-signature"
"""What a control is made of where its name does not say: `mismatched` is `mismatched-image-signature`."""


class Prior(Validated, ABC):
    """A distribution over the pixels of images, built from JSON-able options.

    `looks` says whether it depends on the image, `remembers` whether on the fixations so far. A `stored` one goes by
    the images' numbers (`index`) alone: it has to be bound to their split, and looks at no pixels that it is given.
    """

    looks: bool = True
    remembers: bool = False
    stored: bool = False

    def bind(self, images: StillImages) -> "Prior":
        """The prior for the images of a split, whose numbers it will be told. Raises DataError where it cannot be."""
        del images
        return self

    @abstractmethod
    def log_density(
        self,
        images: UInt8[Tensor, "b h w c"],
        history: Float32[Tensor, "b k 2"] | None = None,
        *,
        index: Int64[Tensor, " b"] | None = None,
    ) -> Float32[Tensor, "b h w"]:
        """Log-probability of each pixel to be looked at next; of each image logsumexp is 0. On the images' device.

        `history` holds the fixations so far, the oldest first: (row, col) in units of the image side. `index` are the
        images' numbers in their split. Raises OptionError for images it cannot take, DataError for bad maps.
        """

    @abstractmethod
    def key(self) -> dict[str, Any]:
        """What its maps depend on, JSON-able: its version, options, and digests of weights, never their place."""


@validated
def make_prior(name: str, **options: Any) -> Prior:
    """The prior called `name` in the registry (or MODULE:CLASS), built from JSON-able options.

    `mismatched-NAME` and `transposed-NAME` are the controls made of another one, whose options are passed on.
    Raises UnknownNameError for one that is not there, OptionError naming an option that it does not have or one out of
    its bounds, or what has to be installed, and DataError that says how to get a file it needs.
    """
    control, base = parsed(name)
    if control:
        options = {"base": base, **options}
    kind = registry.concrete(PRIORS, control or base, Prior)
    return registry.built(f"prior {name!r}", kind, **options)


def parsed(name: str) -> tuple[str, str]:
    """The control and the prior that it is made of, as `name` says; the control is "" for any other prior."""
    plain = registry.plain(name)
    for control in CONTROLS:
        rest = plain.removeprefix(f"{control}-")
        if plain == control:
            return control, BASE
        if rest != plain and plain not in registry.names(PRIORS):
            if rest.partition("-")[0] in CONTROLS:
                raise OptionError(f"prior {name!r} is a control of a control; expected {control}-PRIOR")
            return control, rest
    return "", plain


def require_name(name: str) -> None:
    """Raise UnknownNameError, naming what was asked for and what there is, unless there is such a prior."""
    control, base = parsed(name)
    registry.require(PRIORS, base)
    if control:
        registry.require(PRIORS, control)


def partners(labels: Int64[Tensor, " n"], where: str) -> Int64[Tensor, " n"]:
    """For each image the number of another one, of another label: whose map the control `mismatched` shows.

    The images in the order of their labels are rotated by the size of the largest class, which gives every image to
    one other; where a class holds more than half of them, those of the others are given several times. Unlabelled
    images (-1) get the one half of the unlabelled ones further on. On the CPU.
    Raises DataError, which begins with `where`, for a single image, and where all have one label.
    """
    labels = labels.cpu()
    found = torch.empty_like(labels)
    unknown, known = (labels < 0).nonzero()[:, 0], (labels >= 0).nonzero()[:, 0]
    if len(labels) < 2:
        raise DataError(f"{where}: a mismatched map is that of another image, but there is only {len(labels)}")
    if len(known) and bool((labels[known] == labels[known[0]]).all()):
        raise DataError(f"{where}: a mismatched map is that of an image of another label, but all have one")
    found[unknown] = unknown.roll(-(len(unknown) // 2)) if len(unknown) > 1 else known[:1].expand(len(unknown))
    if len(known):
        order = known[labels[known].argsort(stable=True)]
        _, group, size = labels[order].unique_consecutive(return_inverse=True, return_counts=True)
        first = (size.cumsum(0) - size)[group]  # where each image's class begins
        place, own, largest, n = torch.arange(len(order)), size[group], int(size.max()), len(order)
        # Counted from the end of the image's own class, around the others and back to its beginning.
        beyond = (place - first + largest - own) % (n - own)
        found[order] = order[(first + own + beyond) % n]
    return found


def normalised(log_density: Float[Tensor, "b h w"]) -> Float32[Tensor, "b h w"]:
    """Log densities brought to logsumexp 0, of any scale before."""
    return (log_density - log_density.logsumexp((1, 2), keepdim=True)).to(torch.float32)


def even(images: UInt8[Tensor, "b h w c"]) -> Float32[Tensor, "b h w"]:
    """The log density that prefers no pixel."""
    b, h, w, _ = images.shape
    return torch.full((b, h, w), -math.log(h * w), dtype=torch.float32, device=images.device)


def require_square(images: UInt8[Tensor, "b h w c"], who: str) -> None:
    """Raise OptionError unless images are square."""
    if images.shape[1] != images.shape[2]:
        raise OptionError(f"{who} takes square images, and found {images.shape[1]} x {images.shape[2]}")


def log_of(maps: Float[Tensor, "b h w"]) -> Float32[Tensor, "b h w"]:
    """Log densities of maps of non-negative masses, each with some; -inf where a map is zero."""
    flat = maps.flatten(1).to(torch.float32)
    return (flat / flat.sum(1, keepdim=True)).log().view(maps.shape)
