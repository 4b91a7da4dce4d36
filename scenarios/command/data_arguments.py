"""Arguments of `gazeworld data`, typed; tyro makes the options and their help of them. Imports no torch."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro


@dataclass(frozen=True)
class RenderArguments:
    """Draw views of 3-D models to 3DIEBench's folder layout; run again to go on after an interruption."""

    out: Path
    """folder of the set: OUT/class/object/image_0.jpg, latent_0.npy …"""
    source: str = "furniture"
    """furniture (Sweet Home 3D's, as installed), solids (generated), or a folder of meshes or of .sh3f archives"""
    up: Literal["", "y", "z"] = ""
    """axis that points upwards in a folder's meshes (empty: y in OBJ and glTF files, z in others)"""
    size: int = 128
    """pixels per side (3DIEBench: 256, reduced to 128 for experiments)"""
    views: int = 50
    """views per object"""
    region: Literal["paper", "ood", "turntable", "behind", "so3", "held-out", "without-held-out"] = "paper"
    """rotations: each angle in ±pi/2; the paper's other box; about the vertical alone, within ±pi/2 or beyond; all;
    those near CENTRE; all others"""
    centre: tuple[float, float, float] = (0.0, 0.0, math.pi / 2)
    """middle of the region that is held out: yaw, pitch, roll in radians"""
    radius: float = math.pi / 3
    """geodesic radius of the region that is held out, in radians"""
    renderer: str = "auto"
    """auto (opengl where it works, else embree), opengl, embree or blender"""
    samples: int = 0
    """samples per pixel (0: the renderer's own choice, 4, of blender 64)"""
    seed: int = 0
    """views are a function of the seed and the object's name, solids of the seed and their number"""
    quality: int = 95
    """JPEG quality"""
    shard: str = "0/1"
    """I/N draws the I-th of N parts, counted from 0; all parts write to the same OUT"""
    limit: int = 0
    """objects per class at most (0: all; of solids: 50)"""
    classes: tuple[str, ...] = ()
    """only these classes"""
    sheet: bool = True
    """write OUT/contact_sheet.png at the end"""


@dataclass(frozen=True)
class PackArguments:
    """Pack a tree in 3DIEBench's layout into one memory-mapped file; run again to go on after an interruption."""

    root: Annotated[Path, tyro.conf.Positional]
    """folder of the tree"""
    out: Path
    """folder of the packed store"""
    size: int = 128
    """pixels per side"""
    index: str = ""
    """folder of the authors' index files, or none to ignore those in ROOT (empty: ROOT's, where it has any)"""
    check: bool = False
    """then read the store again and compare all checksums"""
