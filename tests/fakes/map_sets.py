"""Small sets of saliency maps on disk, and files that images were decoded from."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gazeworld.envs.image_datasets import map_codes
from gazeworld.envs.image_datasets.map_manifest import MapManifest, MapShard
from gazeworld.envs.image_files import ImageFiles, squared_places
from gazeworld.envs.images import StillImages
from gazeworld.envs.resumable import checksum_of


def maps(n: int, side: int, seed: int = 0) -> Tensor:
    """Densities without any symmetry: n h w, each summing to 1."""
    generator = torch.Generator().manual_seed(seed)
    return torch.softmax(3 * torch.randn(n, side * side, generator=generator), 1).view(n, side, side)


def write_compact(folder: Path, images: StillImages, found: Tensor, kind: str = "signature", per: int = 3) -> None:
    """Maps in the compact form, `per` maps a file, laid out by hand."""
    folder.mkdir(parents=True)
    rows = map_codes.encode(found.log(), found.shape[1])
    shards = []
    for first in range(0, len(rows), per):
        name = f"maps_{len(shards):05d}.npy"
        np.save(folder / name, rows[first : first + per])
        shards.append(MapShard(name, first, len(rows[first : first + per]), checksum_of(folder / name)))
    write_manifest(folder, images, tuple(shards), layout="compact", side=found.shape[1], kind=kind)


def write_manifest(folder: Path, images: StillImages, shards: Sequence[MapShard], **facts: Any) -> None:
    """What stands beside maps; the facts are those that are not the images' own."""
    own = {"source": images.name, "split": images.split, "fingerprint": images.fingerprint, "count": len(images)}
    usual: dict[str, Any] = {"layout": "compact", "kind": "signature", "key": {"version": 1}, "side": images.side}
    usual |= own | {"image_side": images.side, "codes": map_codes.VERSION, "shards": tuple(shards)} | facts
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "maps.json").write_text(MapManifest(**usual).text())


def change(folder: Path, **facts: Any) -> None:
    """Put other facts into what stands beside maps; None takes one away."""
    file = folder / "maps.json"
    found = json.loads(file.read_text()) | facts
    file.write_text(json.dumps({name: value for name, value in found.items() if value is not None}))


def shard(file: str, first: int, count: int) -> dict[str, Any]:
    """What a manifest says of a file."""
    return asdict(MapShard(file, first, count, "0" * 16))


class CutFiles(ImageFiles):
    """Files that images were made of: shown as their middle squares, of which each is as large as its shape says."""

    def __init__(self, root: Path, names: Sequence[str], shapes: Sequence[tuple[int, int]]) -> None:
        self.root, self.names, self.shapes = root, tuple(names), tuple(shapes)

    def size(self, index: int) -> tuple[int, int]:
        h, w = self.shapes[index]
        return w, h

    def places(self, index: int, points: np.ndarray) -> np.ndarray:
        return squared_places(points, self.size(index), "crop")
