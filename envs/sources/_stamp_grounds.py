"""What is behind photographic cut-outs: noise as natural images have it, or photographs of which each scene has a part.

Photographs are reduced once and kept on disk, so that thousands of them take no memory of the process's own. Those for
testing are others than those for training.
"""

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import scipy.fft
from jaxtyping import Complex64, Float32, UInt8
from PIL import Image, ImageOps

from ..cache import cached
from ..files import DataError, expanded, identity
from ..images import picture
from ..rng import Draws
from ..threads import every

VERSION = 1  # of photographs on disk
_SHARE = Path("/usr/share")
_PACKAGES = "lomiri-wallpapers-16.04 lomiri-wallpapers-20.04 mate-backgrounds palapeli-data plasma-workspace-wallpapers"
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
_FULL = (
    3  # short sides of reduced photographs in sides of a scene: the widest view shows all of it, three times reduced
)
_TURNS = 2**12  # phases that noise has
# Chosen by looking at all of them: photographs, none of which shows something large that is a class of stamps.
_KNOWN = (
    *(
        f"backgrounds/{name}.jpg"
        for name in (
            "Bridge_by_Sander_Klootwijk", "Dragonfly_by_Bolly", "Kleiber_by_Lukas_Baubkus", "Wine_by_Jakkub_Mede",
            "aitzgorri_by_Aitzol_Berasategi", "analogpattern_by_Peter_Nerlich", "greentock_by_Peter_Nerlich",
            "life_by_Aitzol_Berasategi", "picosdeeuropa_by_Aitzol_Berasategi", "seeding_by_Clements_Engelhardt",
            "sunset_by_Aitzol_Berasategi", "mate/nature/Aqua", "mate/nature/Blinds", "mate/nature/Dune",
            "mate/nature/GreenMeadow", "mate/nature/LadyBird", "mate/nature/RainDrops", "mate/nature/Storm",
            "mate/nature/Wood",
        )
    ),
    "palapeli/collection/castle-maintenon.jpg",
    "palapeli/collection/cincinnati-bridge.jpg",
    *(
        f"wallpapers/{name}/contents/images/1920x1080.jpg"
        for name in (
            "BytheWater", "ColdRipple", "DarkestHour", "EveningGlow", "FallenLeaf", "Grey", "Kite", "OneStandsOut",
            "Path", "summer_1am",
        )
    ),
    "wallpapers/ColorfulCups/contents/images/2560x1600.jpg",
)  # fmt: skip


class Ground(ABC):
    """What is behind the objects of a split; `digest` tells files that it was read from, and is empty without any."""

    digest: str = ""

    @abstractmethod
    def __call__(self, rng: Draws, side: int) -> UInt8[np.ndarray, "h w 3"]:
        """That of one scene, an array of its own; `rng` has one row."""


class Plain(Ground):
    """The same grey everywhere."""

    def __call__(self, rng: Draws, side: int) -> UInt8[np.ndarray, "h w 3"]:
        """Grey 128."""
        del rng
        return np.full((side, side, 3), 128, np.uint8)


@dataclass(frozen=True)
class Noise(Ground):
    """Coloured noise whose amplitude falls with frequency f as f^-slope.

    `contrast` is the standard deviation of its intensity, `colour` that of each opponent channel, `level` by how much
    the mean intensity of a scene differs from a half at most: all as shares of white.
    """

    slope: float
    contrast: float
    colour: float
    level: float

    def __call__(self, rng: Draws, side: int) -> UInt8[np.ndarray, "h w 3"]:
        """Three fields, mixed into colours."""
        words = rng.fold(0).bits(side * side // 2 + 1)[0].numpy().view(np.uint16)[: 2 * side * side]
        spectra = _phasors()[words & (_TURNS - 1)].reshape(2, side, side) * _amplitudes(side, self.slope)
        # Real and imaginary part of each are fields of their own: no symmetry is asked of the spectrum.
        fields = np.asarray(scipy.fft.ifft2(spectra, workers=1, overwrite_x=True))
        grey = self.contrast * fields[0].real + 0.5 + self.level * (2 * float(rng.fold(1).uniform(1)) - 1)
        warm, green = self.colour * fields[0].imag, self.colour * fields[1].real
        scene = np.stack((grey + warm, grey + green, grey - warm - green), -1)
        return np.clip(scene * 255 + 0.5, 0, 255).astype(np.uint8)


@lru_cache(maxsize=1)
def _phasors() -> Complex64[np.ndarray, " turns"]:
    return np.exp(2j * np.pi / _TURNS * np.arange(_TURNS)).astype(np.complex64)


@lru_cache(maxsize=4)
def _amplitudes(side: int, slope: float) -> Float32[np.ndarray, "h w"]:
    """Amplitude of every frequency; that of zero is zero, and each field's variance is 1."""
    at = scipy.fft.fftfreq(side)
    f = np.hypot(at[:, None], at)
    f[0, 0] = math.inf
    found = f**-slope if slope else np.isfinite(f).astype(float)
    return (found * side**2 / np.sqrt((found**2).sum() / 2)).astype(np.float32)


@dataclass(frozen=True)
class Photographs(Ground):
    """Photographs of one split, h w 3 each, reduced to `_FULL` sides of a scene; mapped from a file."""

    pixels: tuple[UInt8[np.ndarray, "h w 3"], ...]
    digest: str = ""

    def __call__(self, rng: Draws, side: int) -> UInt8[np.ndarray, "h w 3"]:
        """A part of one of them: between `side` pixels and all of its height or width, log-uniform, maybe mirrored."""
        which, zoom, row, col, mirror = rng.uniform(5)[0].tolist()
        whole = self.pixels[int(which * len(self.pixels))]
        h, w, _ = whole.shape
        short = min(h, w)
        edge = min(short, max(1, round(min(side, short) * (short / min(side, short)) ** zoom)))
        top, left = int(row * (h - edge + 1)), int(col * (w - edge + 1))
        part = np.ascontiguousarray(whole[top : top + edge, left : left + edge][:, :: -1 if mirror < 0.5 else 1])
        return np.array(Image.fromarray(part).resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0))


def photographs(split: str, folders: Sequence[str], side: int) -> Photographs:
    """The photographs of one split from folders, or, without any, those that Debian's packages have installed.

    The fifth with the smallest SHA-256 of their names is the test split. Raises DataError for folders that are not
    there or hold no images, for fewer than two photographs, and for a damaged one.
    """
    named = _in_folders(folders) if folders else _installed()
    ranked = sorted(named, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    if len(ranked) < 2:
        raise DataError(f"{named[ranked[0]]}: the only photograph, expected two or more: some are for testing alone")
    tested = max(1, round(len(ranked) / 5))
    paths = [named[name] for name in sorted(ranked[:tested] if split == "test" else ranked[tested:])]
    edge = _FULL * side
    sizes = every(lambda path: _size(path, edge), paths)
    ends = np.cumsum([w * h * 3 for w, h in sizes])
    key = {"what": "photographs behind stamps", "version": VERSION, "edge": edge, "files": list(map(identity, paths))}

    def fill(out: np.ndarray) -> None:
        def one(i: int) -> None:
            out[ends[i] - sizes[i][0] * sizes[i][1] * 3 : ends[i]] = _reduced(paths[i], sizes[i]).reshape(-1)

        every(one, range(len(paths)))

    flat = cached(key, (int(ends[-1]),), np.uint8, fill)
    parts = np.split(flat, ends[:-1])
    pixels = tuple(part.reshape(h, w, 3) for part, (w, h) in zip(parts, sizes, strict=True))
    return Photographs(pixels, hashlib.sha256(repr(key).encode()).hexdigest())


def _in_folders(folders: Sequence[str]) -> dict[str, Path]:
    """Images anywhere in folders, by folder and name."""
    found: dict[str, Path] = {}
    for number, text in enumerate(folders):
        folder = expanded(text, "backgrounds of source 'stamps'")
        if not folder.is_dir():
            raise DataError(
                f"{folder}: no folder, expected one with photographs (option backgrounds of source 'stamps')"
            )
        images = {p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES and p.is_file()}
        if not images:
            raise DataError(f"{folder}: no image found, expected photographs ({', '.join(_SUFFIXES)}) in it or below")
        found |= {f"{number}/{path.relative_to(folder).as_posix()}": path for path in images}
    return found


def _installed() -> dict[str, Path]:
    """Photographs that packages of wallpapers have put below /usr/share; one comes with scikit-learn."""
    found = {name: _SHARE / name for name in _KNOWN if (_SHARE / name).is_file()}
    if not found:
        raise DataError(
            f"no photographs found in {_SHARE / 'backgrounds'}; get some by `apt install {_PACKAGES}`, or name folders "
            "with photographs of your own: option backgrounds of source 'stamps'"
        )
    return found


def _size(path: Path, edge: int) -> tuple[int, int]:
    """Width and height of a photograph, upright, once its short side is reduced to `edge`."""
    with picture(path, "a photograph") as image:
        w, h = image.size
        if image.getexif().get(0x0112, 1) in (5, 6, 7, 8):  # orientations that lie on their side
            w, h = h, w
    scale = min(1.0, edge / min(w, h))
    return max(1, round(scale * w)), max(1, round(scale * h))


def _reduced(path: Path, size: tuple[int, int]) -> UInt8[np.ndarray, "h w 3"]:
    with picture(path, "a photograph") as image:
        image.draft("RGB", (2 * max(size), 2 * max(size)))
        upright = ImageOps.exif_transpose(image).convert("RGB")
        return np.asarray(upright.resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0))
