"""`gazeworld data render|pack`: views of 3-D models drawn to disk, and packed into one file."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from annotated_types import Interval
from rich.console import Console

from gazeworld.envs.validation import Options, Seed

from ._arguments import Size, parsed
from ._console import fail
from ._places import Folder

Angle = Annotated[float, Interval(ge=-2 * math.pi, le=2 * math.pi)]
"""Radians, within a whole turn to either side."""


@dataclass(frozen=True)
class RenderArguments(Options):
    """Draw views of 3-D models to 3DIEBench's folder layout; run again to go on after an interruption."""

    out: Folder
    """folder of the set: OUT/class/object/image_0.jpg, latent_0.npy …"""
    source: str = "furniture"
    """furniture (Sweet Home 3D's, as installed), solids (generated), or a folder of meshes or of .sh3f archives"""
    up: Literal["", "y", "z"] = ""
    """axis that points upwards in a folder's meshes (empty: y in OBJ and glTF files, z in others)"""
    size: Size = 128
    """pixels per side (3DIEBench: 256, reduced to 128 for experiments)"""
    views: Annotated[int, Interval(ge=1, le=2**16)] = 50
    """views per object"""
    region: Literal["paper", "ood", "turntable", "behind", "so3", "held-out", "without-held-out"] = "paper"
    """rotations: each angle in ±pi/2; the paper's other box; about the vertical alone, within ±pi/2 or beyond; all;
    those near CENTRE; all others"""
    centre: tuple[Angle, Angle, Angle] = (0.0, 0.0, math.pi / 2)
    """middle of the region that is held out: yaw, pitch, roll in radians"""
    radius: Annotated[float, Interval(gt=0, lt=math.pi)] = math.pi / 3
    """geodesic radius of the region that is held out, in radians"""
    renderer: str = "auto"
    """auto (opengl where it works, else embree), opengl, embree or blender"""
    samples: Annotated[int, Interval(ge=0, le=2**12)] = 0
    """samples per pixel (0: the renderer's own choice, 4, of blender 64)"""
    seed: Seed = 0
    """views are a function of the seed and the object's name, solids of the seed and their number"""
    quality: Annotated[int, Interval(ge=1, le=100)] = 95
    """JPEG quality"""
    shard: str = "0/1"
    """I/N draws the I-th of N parts, counted from 0; all parts write to the same OUT"""
    limit: Annotated[int, Interval(ge=0, le=2**16)] = 0
    """objects per class at most (0: all; of solids: 50)"""
    classes: tuple[str, ...] = ()
    """only these classes"""
    sheet: bool = True
    """write OUT/contact_sheet.png at the end"""


@dataclass(frozen=True)
class PackArguments(Options):
    """Pack a tree in 3DIEBench's layout into one memory-mapped file; run again to go on after an interruption."""

    root: Annotated[Path, tyro.conf.Positional]
    """folder of the tree"""
    out: Folder
    """folder of the packed store"""
    size: Annotated[int, Interval(ge=1, le=2**12)] = 128
    """pixels per side"""
    index: str = ""
    """folder of the authors' index files, or none to ignore those in ROOT (empty: ROOT's, where it has any)"""
    check: bool = False
    """then read the store again and compare all checksums"""


def run(words: list[str]) -> int:
    """Carry the command out; returns the exit code."""
    kind = words[0] if words else "--help"
    if kind == "render":
        chosen = parsed(RenderArguments, words[1:], "gazeworld data render")
        from ._data import render

        return render(chosen, Console())
    if kind == "pack":
        packed = parsed(PackArguments, words[1:], "gazeworld data pack")
        from ._data import pack

        return pack(packed, Console())
    if kind in ("-h", "--help"):
        print("usage: gazeworld data render [OPTIONS]\n       gazeworld data pack ROOT [OPTIONS]")
        return 0 if words else 2
    return fail(f"unknown data command {kind!r}; there are: render, pack")
