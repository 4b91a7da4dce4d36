"""Looking where a network of one's own says: any model that was exported to an ONNX file."""

import hashlib
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from annotated_types import Interval
from jaxtyping import Float, Float32, Int64, UInt8
from torch import Tensor
from torch.nn import functional as F

from ..files import DataError, expanded
from ..prior import Prior, even, normalised
from ..validation import OptionError, PathText, Positive

_TYPES = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32, "tensor(float16)": np.float16}
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_SLACK = 0.05  # by how much logsumexp of what is said to be a log density may miss 0


class OnnxPrior(Prior):
    """The density that a network in an ONNX `file` gives, of one input, an image, and at least one output, a map.

    `layout` says how it takes images; `range` how their values are: from 0 to 255, from 0 to 1, or less ImageNet's mean
    and by its standard deviation. Input of uint8 is from 0 to 255. Where the network has a size of its own, images are
    brought to it, and densities back; where it takes any, `side` is what images are brought to (0: none). It is shown
    as many channels as it takes, 1 or 3. `output` says what its map is: a log density, non-negative masses, or logits,
    over which a softmax is taken. `name` is the output's ("": the first). At most `batch` images are shown at once.
    The network runs on the CPU, by ONNX Runtime (the extra `onnx`).
    Raises OptionError for a network of another input or output, DataError for a file that is none.
    """

    def __init__(
        self,
        file: PathText = "",
        layout: Literal["nchw", "nhwc"] = "nchw",
        range: Literal["0-255", "0-1", "imagenet"] = "0-255",
        output: Literal["log-density", "map", "logits"] = "map",
        *,
        name: str = "",
        side: Annotated[int, Interval(ge=0, le=8192)] = 0,
        batch: Positive = 8,
    ) -> None:
        if not file:
            raise OptionError("prior 'onnx' needs the option file: a network in an ONNX file")
        self._path = expanded(file, "file")
        self._session = _session(self._path)
        self._given = _input_of(self._session, self._path)
        self._layout, self._range, self._output = layout, range, output
        shape = self._given.shape
        size, self._channels = (shape[1:3], shape[3]) if layout == "nhwc" else (shape[2:], shape[1])
        self._size = _size(size, side, self._path)
        if isinstance(self._channels, int) and self._channels not in (1, 3):
            raise OptionError(
                f"{self._path}: takes images of shape {shape}, that is of {self._channels} channels; expected 1 or 3, "
                f"so the layout may not be {layout!r}"
            )
        if range != "0-255" and self._given.type == "tensor(uint8)":
            raise OptionError(f"{self._path}: takes images of uint8, and range is {range!r}; expected '0-255'")
        self._name = _output_of(self._session, name, self._path)
        self._side, self._batch = side, batch

    def log_density(
        self,
        images: UInt8[Tensor, "b h w c"],
        history: Float32[Tensor, "b k 2"] | None = None,
        *,
        index: Int64[Tensor, " b"] | None = None,
    ) -> Float32[Tensor, "b h w"]:
        """What the network gives, brought to the size of the images."""
        del history, index
        if images.shape[3] not in (1, 3):
            raise OptionError(f"prior 'onnx' takes images of 1 or 3 channels, and found {images.shape[3]}")
        if not len(images):
            return even(images)
        fixed = self._given.shape[0]
        step = fixed if isinstance(fixed, int) else self._batch
        return torch.cat([self._seen(part, step) for part in images.split(step)])

    def key(self) -> dict[str, Any]:
        """The file by its digest, and how images are shown to it."""
        digest = hashlib.sha256(self._path.read_bytes()).hexdigest()
        shown = {"layout": self._layout, "range": self._range, "output": self._output, "name": self._name}
        return {"prior": "onnx", "version": 1, "file": digest, **shown, "side": self._side}

    def _seen(self, images: UInt8[Tensor, "b h w c"], step: int) -> Float32[Tensor, "b h w"]:
        b, h, w, _ = images.shape
        shown = self._shown(images)
        if isinstance(self._given.shape[0], int):  # a network of so many images: the last one stands in for more
            shown = torch.cat((shown, shown[-1:].expand(step - b, -1, -1, -1)))
        fed = shown.movedim(1, 3) if self._layout == "nhwc" else shown
        kind = _TYPES[self._given.type]
        value = fed.round().numpy() if kind is np.uint8 else fed.numpy()
        try:
            (found,) = self._session.run([self._name], {self._given.name: np.ascontiguousarray(value.astype(kind))})
        except Exception as error:  # ONNX Runtime has errors of its own, one for each way to fail
            reason = str(error).partition("\n")[0]
            raise OptionError(f"{self._path}: does not take images of shape {tuple(value.shape)} ({reason})") from error
        maps = _as_maps(np.asarray(found), len(value), f"{self._path}: output {self._name!r}")[:b]
        return _resized(self._density(maps), h, w).to(images.device)

    def _shown(self, images: UInt8[Tensor, "b h w c"]) -> Float32[Tensor, "b channels height width"]:
        pixels = images.cpu().permute(0, 3, 1, 2).to(torch.float32)  # b c h w
        if self._channels == 1 and pixels.shape[1] == 3:
            pixels = pixels.mean(1, keepdim=True)
        elif self._channels != 1:
            pixels = pixels.expand(-1, 3, -1, -1)
        if self._size is not None and tuple(pixels.shape[2:]) != self._size:
            pixels = F.interpolate(pixels, self._size, mode="bilinear", antialias=True, align_corners=False)
        if self._range == "0-255":
            return pixels
        if self._range == "0-1":
            return pixels / 255
        mean, std = (torch.tensor(x[: pixels.shape[1]], dtype=torch.float32)[:, None, None] for x in (_MEAN, _STD))
        return (pixels / 255 - mean) / std

    def _density(self, maps: Float[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:
        """Log densities of the network's own size."""
        where = f"{self._path}: output {self._name!r}"
        if not bool(maps.isfinite().all()) and not (self._output != "map" and bool((maps < torch.inf).all())):
            raise DataError(f"{where} is not finite")
        if self._output == "map":
            if bool((maps < 0).any()):
                raise OptionError(f"{where} has negative values, so it is no 'map'; expected 'log-density' or 'logits'")
            if bool((maps.sum((1, 2)) <= 0).any()):
                raise DataError(f"{where} is zero everywhere for an image")
            maps = maps.log()
        elif self._output == "log-density":
            off = float(maps.logsumexp((1, 2)).abs().max())
            if not off <= _SLACK:
                raise OptionError(
                    f"{where} has a logsumexp {off:.3g} from 0, so it is no 'log-density'; expected 'map' or 'logits'"
                )
        return maps - maps.logsumexp((1, 2), keepdim=True)


def _session(path: Path) -> Any:
    """The network, ready to run. Raises OptionError without ONNX Runtime, DataError for a file that is no network."""
    try:
        runtime: Any = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise OptionError(f"prior 'onnx' needs ONNX Runtime ({error}); `pip install onnxruntime`") from error
    if not path.is_file():
        raise DataError(f"{path}: no such file, expected a network in an ONNX file")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # it has errors of its own, one for each way to fail
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path}: no network that ONNX Runtime reads ({reason})") from error


def _input_of(session: Any, path: Path) -> Any:
    given = session.get_inputs()
    if len(given) != 1:
        names = ", ".join(repr(one.name) for one in given) or "none"
        raise OptionError(f"{path}: a network of {len(given)} inputs ({names}), expected one: an image")
    (one,) = given
    if one.type not in _TYPES or len(one.shape) != 4:
        raise OptionError(
            f"{path}: input {one.name!r} is {one.type} of shape {one.shape}, expected images of four dimensions, of "
            "uint8, float or float16"
        )
    return one


def _output_of(session: Any, name: str, path: Path) -> str:
    names = [one.name for one in session.get_outputs()]
    if name and name not in names:
        raise OptionError(f"{path}: no output {name!r}; there are: {', '.join(names)}")
    return name or names[0]


def _size(size: Sequence[Any], side: int, path: Path) -> tuple[int, int] | None:
    """Height and width that images are brought to, None for their own."""
    fixed = [one if isinstance(one, int) else None for one in size]
    if side and any(one not in (None, side) for one in fixed):
        raise OptionError(f"{path}: takes images of {size[0]} x {size[1]} only, and side is {side}")
    height, width = (one or side for one in fixed)
    if bool(height) != bool(width):
        raise OptionError(f"{path}: takes images of {size[0]} x {size[1]}; expected the option side for the free one")
    return (height, width) if height and width else None


def _as_maps(found: np.ndarray, b: int, where: str) -> Float[Tensor, "b h w"]:
    """An output b h w, b 1 h w or b h w 1 as maps."""
    shape = found.shape
    if found.dtype.kind == "f" and shape[0] == b:
        if len(shape) == 4 and 1 in (shape[1], shape[3]):
            found = found[:, 0] if shape[1] == 1 else found[..., 0]
        if found.ndim == 3:
            return torch.from_numpy(found.astype(np.float64))
    raise OptionError(f"{where} is {found.dtype} of shape {shape} for {b} images, expected one map of floats for each")


def _resized(log_density: Float[Tensor, "b hh ww"], h: int, w: int) -> Float32[Tensor, "b h w"]:
    """Log densities of another size: probabilities are interpolated, not their logarithms."""
    if tuple(log_density.shape[1:]) == (h, w):
        return normalised(log_density)
    mass = (log_density - log_density.amax((1, 2), keepdim=True)).exp()[:, None]
    scaled = F.interpolate(mass, (h, w), mode="bilinear", antialias=True, align_corners=False)[:, 0]
    return normalised(scaled.clamp_min(0).log())
