"""What the priors of DeepGaze have in common: images as the networks take them, the centre bias, and densities back.

DeepGaze was trained on photographs of about 1024 pixels at 35 pixels a degree, with values from 0 to 255. Given values
from 0 to 1 it says the same of all images; a centre bias of another size silently sets the size of what it gives.
"""

import functools
import hashlib
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import Interval
from jaxtyping import Float, Float32, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from ..arrays import read_npy
from ..files import DataError, expanded
from ..prior import Prior, even, normalised
from ..validation import OptionError, PathText
from ._deepgaze_network import Model, network_of, weights_of

VERSION = 1  # raise it whenever the code here gives other densities
_BIAS_SIGMA = 0.25  # of the Gaussian that stands for a centre bias where there is none, in units of the side
_AT_ONCE = 8  # images that a network sees at once where that is of use


class DeepGazePrior(Prior):
    """The density of fixations that a DeepGaze network predicts.

    `weights` is the file of its weights ("": the one in torch.hub's cache), `repo` a checkout of
    https://github.com/matthias-k/DeepGaze ("": that of $GAZEWORLD_DEEPGAZE, or what is installed); nothing is
    downloaded. `centre_bias` is a .npy file with the log density of fixations on any picture, of any size, as the
    authors publish for MIT1003 (centerbias_mit1003.npy); "" stands for a round Gaussian of a quarter of the side, which
    is not what the network was trained with. Images whose shorter side is less than `size` pixels are enlarged to it
    (0: never), and the density is added up over each of their pixels. Grey images are shown in grey.
    `batch` images are seen at once, 0 for one on the CPU, where more are no faster, and 8 elsewhere: densities may
    differ in the last bits with the images that are seen beside.
    Raises OptionError saying how to get the package, DataError for missing, damaged or other weights or centre biases.
    """

    model: ClassVar[Model]

    def __init__(
        self,
        weights: PathText = "",
        repo: PathText = "",
        centre_bias: PathText = "",
        size: Annotated[int, Interval(ge=0, le=4096)] = 512,
        batch: Annotated[int, Interval(ge=0, le=4096)] = 0,
    ) -> None:
        self._weights = weights_of(self.model, weights)
        self._template = _template(centre_bias)
        self._size, self._batch = size, batch
        self._network = network_of(self.model, repo, self._weights)
        self._device = torch.device("cpu")
        self._biases: dict[tuple[int, int, torch.device], Float32[Tensor, "h w"]] = {}

    def log_density(
        self,
        images: UInt8[Tensor, "b h w c"],
        history: Float32[Tensor, "b k 2"] | None = None,
        *,
        index: Int64[Tensor, " b"] | None = None,
    ) -> Float32[Tensor, "b h w"]:
        """What the network predicts, brought to the size of the images."""
        del index
        self._require(images, history)
        if not len(images):
            return even(images)
        if images.device != self._device:  # thousands of tensors are asked whether they are there
            self._network.to(images.device)
            self._device = images.device
        step = self._batch or (1 if images.device.type == "cpu" else _AT_ONCE)
        with torch.no_grad():
            parts = [
                self._seen(images[start : start + step], None if history is None else history[start : start + step])
                for start in range(0, len(images), step)
            ]
        return torch.cat(parts)

    def key(self) -> dict[str, Any]:
        """The model, its weights by their digest, and how images are shown to it."""
        bias = "gaussian" if self._template is None else hashlib.sha256(self._template.numpy().tobytes()).hexdigest()
        facts = {"prior": self.model.prior, "version": VERSION, "weights": self._digest, "size": self._size}
        return {**facts, "centre_bias": bias}

    @functools.cached_property
    def _digest(self) -> str:
        seen = hashlib.sha256()
        with open(self._weights, "rb") as file:
            while block := file.read(1 << 20):
                seen.update(block)
        return seen.hexdigest()

    def extra(
        self, history: Float32[Tensor, "b k 2"] | None, count: int, height: int, width: int, device: torch.device
    ) -> tuple[Tensor, ...]:
        """What the network is told beside image and centre bias."""
        del history, count, height, width, device
        return ()

    def _require(self, images: Tensor, history: Tensor | None) -> None:
        who = f"prior {self.model.prior!r}"
        if images.dtype != torch.uint8:
            raise OptionError(f"{who} takes images of uint8, 0 … 255, and found {images.dtype}: it is not for 0 … 1")
        if images.shape[3] not in (1, 3):
            raise OptionError(f"{who} takes images of 1 or 3 channels, and found {images.shape[3]}")
        if history is not None and not bool(history.isfinite().all()):
            raise OptionError(f"{who}: the history holds places that are not finite, expected (row, col) in [0, 1]")

    def _seen(
        self, images: UInt8[Tensor, "b h w c"], history: Float32[Tensor, "b k 2"] | None
    ) -> Float32[Tensor, "b h w"]:
        b, h, w, _ = images.shape
        grown = max(1.0, self._size / min(h, w))
        height, width = round(h * grown), round(w * grown)
        shown = images.permute(0, 3, 1, 2).to(torch.float32).expand(-1, 3, -1, -1)  # b 3 h w
        if grown > 1:
            shown = F.interpolate(shown, (height, width), mode="bilinear", align_corners=False)
        bias = self._bias(height, width, images.device).expand(b, -1, -1)
        found = self._network(shown, bias, *self.extra(history, b, height, width, images.device))
        if tuple(found.shape) not in ((b, height, width), (b, 1, height, width)):
            raise OptionError(
                f"prior {self.model.prior!r}: the network gave {tuple(found.shape)} for {b} images, {height} x {width}"
            )
        if not bool(found.isfinite().all()):
            raise DataError(f"{self._weights}: the network with these weights gives densities that are not finite")
        return _shrunk(found.reshape(b, height, width), h, w)

    def _bias(self, height: int, width: int, device: torch.device) -> Float32[Tensor, "h w"]:
        """The centre bias of exactly this size: a log density whose logsumexp is 0."""
        wanted = height, width, device
        if wanted not in self._biases:
            raw = _gaussian(height, width) if self._template is None else _resized(self._template, height, width)
            self._biases = {wanted: normalised(raw[None].double())[0].to(device)}  # the last one: sizes seldom change
        return self._biases[wanted]


def _shrunk(log_density: Float[Tensor, "b height width"], h: int, w: int) -> Float32[Tensor, "b h w"]:
    """A log density over the pixels of smaller images: probabilities are added up, not their logarithms."""
    exact = log_density.double()
    if tuple(exact.shape[1:]) == (h, w):
        return normalised(exact)
    mass = (exact - exact.amax((1, 2), keepdim=True)).exp()
    # The tiniest double stands for what rounding took away: no pixel that the network allows becomes impossible.
    small = F.interpolate(mass[:, None], (h, w), mode="area")[:, 0].clamp_min(torch.finfo(torch.float64).tiny)
    return normalised(small.log())


def _gaussian(height: int, width: int) -> Float[Tensor, "h w"]:
    rows, columns = (
        (((torch.arange(n, dtype=torch.float64) + 0.5) / n - 0.5) / _BIAS_SIGMA).square() for n in (height, width)
    )
    return -0.5 * (rows[:, None] + columns[None, :])


def _resized(template: Float[Tensor, "th tw"], height: int, width: int) -> Float[Tensor, "h w"]:
    """The value of the nearest place, as the authors resize their template."""
    return F.interpolate(template[None, None], (height, width), mode="nearest-exact")[0, 0]


def _template(file: str) -> Float[Tensor, "h w"] | None:
    """The centre bias in a file, or None. Raises DataError for one that is no log density."""
    if not file:
        return None
    path: Path = expanded(file, "centre_bias")
    found = read_npy(path, "a centre bias, h w")
    if found.ndim != 2 or found.dtype.kind != "f" or found.size == 0:
        raise DataError(f"{path}: {found.dtype} of shape {found.shape}, expected a log density h w")
    template = torch.from_numpy(found.astype("float64"))
    if not bool(template.isfinite().all()):
        raise DataError(f"{path}: holds NaN or infinite values, expected a finite log density h w")
    if bool((template >= 0).all()) and bool((template > 0).any()):
        raise DataError(f"{path}: holds no negative number, so it is no log density; expected logarithms")
    return template


def require_included(network: nn.Module, model: Model) -> None:
    """Raise OptionError unless a network wants the last four fixations, the newest first."""
    found = list(vars(network).get("included_fixations", []))
    if found != [-1, -2, -3, -4]:
        raise OptionError(f"prior {model.prior!r}: the network includes fixations {found}, expected [-1, -2, -3, -4]")
