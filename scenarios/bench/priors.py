"""What a map costs: milliseconds of one core for an image, by every prior of fixations that there is; and how it looks.

CPU time of the process is measured, not the clock's: what else the machine does counts little, and several threads
count as what they use together.
"""

import contextlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor

from gazeworld.envs import registry
from gazeworld.envs.files import DataError, expanded, whole_file
from gazeworld.envs.images import Images, picture, squared
from gazeworld.envs.prior import PRIORS, Prior, make_prior
from gazeworld.envs.priors import _deepgaze_network as deepgaze
from gazeworld.envs.validation import OptionError

_OF_OTHERS = ("precomputed", "mismatched", "transposed")  # what they cost is what they are made of
_ENDS = (".jpg", ".jpeg", ".png")
_MOST = 12  # photographs on a sheet
_SIDE = 224  # of a photograph there


@dataclass(frozen=True)
class Measured:
    """What one prior took for images of one side; `why` says why it was not measured."""

    prior: str
    side: int
    milliseconds: float = 0.0
    why: str = ""


def priors_bench(
    sides: Sequence[int] = (96, 224),
    batch: int = 16,
    seconds: float = 1.0,
    *,
    repo: str = "",
    onnx: str = "",
    pictures: str = "",
    sheet: str = "",
) -> list[Measured]:
    """Milliseconds of one core for an image of each side, by every prior; at least `seconds` for each are measured.

    Images are noise, `batch` in a call. DeepGaze is measured where `repo` is a checkout of it, with random weights, for
    which the time is the same; a network of one's own where `onnx` is its file. With `sheet`, the maps of up to twelve
    photographs of the folder `pictures` are drawn to that file. Prints a table and returns its rows.
    Raises OptionError for a folder without photographs.
    """
    console, found = Console(), list[Measured]()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for name in registry.names(PRIORS):
            if name in _OF_OTHERS:
                continue
            with _ready(name, repo, onnx) as prior:
                found += [
                    Measured(name, side, why=prior)
                    if isinstance(prior, str)
                    else Measured(name, side, _cost(prior, side, batch, seconds))
                    for side in sides
                ]
    finally:
        torch.set_num_threads(before)
    _show(found, sides, batch, console)
    if sheet:
        names = draw_sheet(expanded(pictures, "pictures"), expanded(sheet, "sheet"))
        console.print(f"{sheet}: {', '.join(names)}")
    return found


@contextlib.contextmanager
def _ready(name: str, repo: str, onnx: str) -> Iterator[Prior | str]:
    """A prior, or in one sentence why there is none."""
    kind: Any = registry.concrete(PRIORS, name, Prior)
    with tempfile.TemporaryDirectory() as folder:
        try:
            if name.startswith("deepgaze") and repo:
                file = Path(folder) / kind.model.file
                torch.save(deepgaze.built(kind.model, repo).state_dict(), file)
                prior = make_prior(name, weights=str(file), repo=repo)
            else:
                prior = make_prior(name, **({"file": onnx} if name == "onnx" else {}))
        except (DataError, OptionError) as error:
            yield str(error)
            return
        yield prior


def _cost(prior: Prior, side: int, batch: int, seconds: float) -> float:
    """Milliseconds of CPU time for an image."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (batch, side, side, 3), generator=generator, dtype=torch.uint8)
    past = torch.rand(batch, 3, 2, generator=generator, dtype=torch.float32)
    prior.log_density(images[:1], past[:1])  # what is made ready once
    # One image alone says whether a batch would take minutes.
    start = time.process_time()
    prior.log_density(images[:1], past[:1])
    alone = time.process_time() - start
    many = max(1, min(batch, int(seconds / max(alone, 1e-6))))
    start, count = time.process_time(), 0
    while time.process_time() - start < seconds:
        prior.log_density(images[:many], past[:many])
        count += many
    return 1000 * (time.process_time() - start) / count


def _show(found: Sequence[Measured], sides: Sequence[int], batch: int, console: Console) -> None:
    table = Table(title=f"milliseconds of one core for an image, {batch} in a call")
    table.add_column("prior")
    for side in sides:
        table.add_column(f"{side} px", justify="right")
    for name in dict.fromkeys(one.prior for one in found):
        cells = [f"{one.milliseconds:.3g}" if not one.why else "–" for one in found if one.prior == name]
        table.add_row(name, *cells)
    console.print(table)
    for name, why in {one.prior: one.why for one in found if one.why}.items():
        console.print(f"{name}: {why}", soft_wrap=True)


def draw_sheet(folder: Path, file: Path) -> list[str]:
    """Draw photographs and their maps by all priors that can be had without options; returns the photographs' names.

    The controls are the image signature's: of the next photograph but `n // 2`, and transposed. A map is shown relative
    to its largest value, as hot as it is dense. Raises OptionError for a folder without photographs.
    """
    files = sorted(one for one in folder.iterdir() if one.suffix.lower() in _ENDS) if folder.is_dir() else []
    if not files:
        raise OptionError(f"pictures is {str(folder)!r}, expected a folder with photographs ({', '.join(_ENDS)})")
    step = max(1, len(files) // _MOST)
    files = files[::step][:_MOST]
    pixels = torch.from_numpy(np.stack([_read(one) for one in files]))
    # Without labels: then another photograph's map is that of the one half of them further on.
    images = Images("photographs", "all", pixels, torch.full((len(pixels),), -1), (), (0.5,) * 3, (0.25,) * 3, "")
    maps: dict[str, Tensor] = {}
    for name in registry.names(PRIORS):
        with contextlib.suppress(DataError, OptionError):  # what cannot be had is not on the sheet
            prior = make_prior(name).bind(images)
            maps[name] = prior.log_density(pixels, index=torch.arange(len(pixels))).exp()
    _draw(pixels, maps, file)
    return [one.name for one in files]


def _read(file: Path) -> UInt8[np.ndarray, "h w 3"]:
    with picture(file, "a photograph") as image:
        return np.asarray(squared(image.convert("RGB"), _SIDE, "crop"))


def _draw(pixels: UInt8[Tensor, "n h w 3"], maps: dict[str, Float32[Tensor, "n h w"]], file: Path) -> None:
    """A row for each photograph, a column for each prior."""
    from matplotlib import colormaps

    gap, head = 4, 18
    rows, columns, side = len(pixels), 1 + len(maps), _SIDE // 2
    width, height = columns * (side + gap) - gap, head + rows * (side + gap) - gap
    sheet = Image.new("RGB", (width, height), "white")
    for j, (name, found) in enumerate([("", None), *maps.items()]):
        left = j * (side + gap)
        sheet.paste(_label(name or "photograph", side, head), (left, 0))
        for i, photo in enumerate(pixels):
            if found is None:
                tile = Image.fromarray(photo.numpy())
            else:
                heat = (found[i] / found[i].max()).numpy()
                tile = Image.fromarray(np.uint8(255 * colormaps["magma"](heat)[..., :3]))
            sheet.paste(tile.resize((side, side), Image.Resampling.BOX), (left, head + i * (side + gap)))
    with whole_file(file) as draft:
        sheet.save(draft, "JPEG" if file.suffix.lower() in (".jpg", ".jpeg") else "PNG", quality=85)


def _label(text: str, width: int, height: int) -> Image.Image:
    from PIL import ImageDraw

    label = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(label).text((2, 3), text, fill="black")
    return label
