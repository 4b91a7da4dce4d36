"""Maps of a whole source: in three layouts, by several processes, killed and gone on with, to the same bytes."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes.images import noise
from fakes.map_sets import CutFiles
from fakes.priors import Brightness, Broken, Stored
from PIL import Image

from gazeworld.envs.files import DataError
from gazeworld.envs.image_datasets import compute_maps as computing
from gazeworld.envs.image_datasets import map_codes, open_maps
from gazeworld.envs.image_datasets.compute_maps import MapJob, Tally, compute_maps, merge_maps
from gazeworld.envs.images import Images, load_source

N = 23


class Stop(Exception):
    pass


@pytest.fixture(autouse=True)
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight images in a file, so that 23 make three."""
    monkeypatch.setattr(computing, "_LEAST", 8)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Images:
    """Noise, said to be the middle squares of files that are on disk."""
    root, images = tmp_path_factory.mktemp("pictures"), noise(N, 16)
    names, shapes = [f"train/c{i % 3}/{i}.png" for i in range(N)], [(16 + i % 3 * 4, 16 + i % 2 * 8) for i in range(N)]
    for i, (name, shape) in enumerate(zip(names, shapes, strict=True)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 256, (*shape, 3), np.uint8)
        Image.fromarray(pixels).save(root / name)
    return dataclasses.replace(images, files=CutFiles(root, names, shapes))


def job(images: Images, out: Path, layout: Any = "compact", **options: Any) -> MapJob:
    return MapJob(images, Brightness(3.0), "brightness", out, layout, **{"batch": 3, **options})


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def expected(images: Images) -> torch.Tensor:
    return Brightness(3.0).log_density(images.pixels, index=torch.arange(N)).exp()


def test_compact_maps_are_what_the_prior_says(pictures: Images, tmp_path: Path) -> None:
    assert compute_maps(job(pictures, tmp_path))
    names = {path.name for path in (tmp_path / "train").iterdir()}
    assert names == {"maps.json", *(f"maps_{i:05d}.npy" for i in range(3))}
    found = open_maps(tmp_path, pictures, "brightness")
    read = found.batch(torch.arange(N))
    assert (0.5 * (read - expected(pictures)).abs().sum((1, 2))).max() < map_codes.bound(16)


def test_an_array_is_what_the_prior_says(pictures: Images, tmp_path: Path) -> None:
    assert compute_maps(job(pictures, tmp_path, "stl10"))
    assert {path.name for path in (tmp_path / "train").iterdir()} == {"maps.json", "saliency_train.npy"}
    stored = np.load(tmp_path / "train/saliency_train.npy")
    assert (stored.shape, stored.dtype) == ((N, 1, 16, 16), np.float32)
    assert np.allclose(stored[:, 0], expected(pictures), atol=1e-8)
    assert open_maps(tmp_path, pictures, "brightness").kind == "brightness"


def test_single_files_have_the_size_of_their_image_and_its_whole_content(pictures: Images, tmp_path: Path) -> None:
    assert compute_maps(job(pictures, tmp_path, "imagenet"))
    assert len(list(tmp_path.rglob("*"))) == N + 5
    for i in range(N):
        stored = np.load(tmp_path / f"train/c{i % 3}/{i}_sal.npy")
        assert (stored.shape, stored.dtype) == ((16 + i % 3 * 4, 16 + i % 2 * 8), np.float32)
        assert stored.sum() == pytest.approx(1, abs=1e-5)
    with Image.open(pictures.files.root / "train/c0/0.png") as image:  # type: ignore[union-attr]
        same = torch.from_numpy(np.asarray(image).copy())[None]  # 16 x 16: nothing is squeezed
    density = Brightness(3.0).log_density(same, index=torch.tensor([0])).exp()
    assert np.allclose(np.load(tmp_path / "train/c0/0_sal.npy"), density[0], atol=1e-8)
    assert len(open_maps(tmp_path, pictures, "brightness")) == N


@pytest.mark.parametrize("lazy", ["always", "never"])
def test_single_files_of_a_folder_are_brought_to_its_squares(tmp_path: Path, lazy: str) -> None:
    """A bright spot is written at its place in the file, and read at its place in the image."""
    for i, (row, column) in enumerate([(8, 20), (16, 28), (24, 36)]):
        pixels = np.zeros((32, 48, 3), np.uint8)
        pixels[row : row + 4, column : column + 4] = 255
        path = tmp_path / f"photos/train/c/{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    images = load_source("folder", "train", str(tmp_path / "photos"), side=16, lazy=lazy)
    assert compute_maps(job(images, tmp_path / "maps", "imagenet"))
    found = open_maps(tmp_path / "maps", images).batch(torch.arange(3))
    # Squares are half as large as the middle of the file, which begins at its column 8.
    places = [divmod(int(one.argmax()), 16) for one in found.flatten(1)]
    assert all(
        row in (r, r + 1) and column in (c, c + 1)
        for (row, column), (r, c) in zip(places, [(4, 6), (8, 10), (12, 14)], strict=True)
    )


@pytest.mark.parametrize("layout", ["compact", "stl10", "imagenet"])
def test_interruptions_and_shards_change_no_byte(pictures: Images, tmp_path: Path, layout: str) -> None:
    assert compute_maps(job(pictures, tmp_path / "whole", layout))
    made: list[int] = []

    def stop(tally: Tally) -> None:
        if tally.made >= 3:
            raise Stop

    def count(tally: Tally) -> None:
        made.append(tally.made)

    out, tries = tmp_path / "parts", 0
    for part in (1, 0):
        while True:
            tries += 1
            try:
                done = compute_maps(job(pictures, out, layout), (part, 2), stop)
                break
            except Stop:
                assert not (out / "train/maps.json").exists()
        assert done == (part == 0)
    assert tries > 7
    assert listing(out) == listing(tmp_path / "whole")
    assert compute_maps(job(pictures, out, layout), told=count)
    assert made == []


def test_gaps_are_refused(pictures: Images, tmp_path: Path) -> None:
    assert not compute_maps(job(pictures, tmp_path), (0, 3))
    assert not compute_maps(job(pictures, tmp_path), (2, 3))
    with pytest.raises(DataError, match=r"the maps of images 8 … 15 are missing \(1 of 3 parts\)"):
        merge_maps(job(pictures, tmp_path))
    with pytest.raises(DataError, match="no saliency maps of split 'train'"):
        open_maps(tmp_path, pictures)
    assert compute_maps(job(pictures, tmp_path), (1, 3))


def test_shards_computed_elsewhere_are_merged(pictures: Images, tmp_path: Path) -> None:
    compute_maps(job(pictures, tmp_path / "whole"))
    compute_maps(job(pictures, tmp_path / "here"), (0, 2))
    compute_maps(job(pictures, tmp_path / "there"), (1, 2))
    for path in (tmp_path / "there/train").iterdir():
        path.replace(tmp_path / "here/train" / path.name)
    assert merge_maps(job(pictures, tmp_path / "here"))
    assert listing(tmp_path / "here") == listing(tmp_path / "whole")


@pytest.mark.parametrize("finished", [True, False])
def test_other_maps_are_not_mixed_in(pictures: Images, tmp_path: Path, finished: bool) -> None:
    compute_maps(job(pictures, tmp_path), (0, 1) if finished else (0, 3))
    others = {
        "prior": MapJob(pictures, Brightness(2.0), "brightness", tmp_path),
        "images": job(dataclasses.replace(pictures, fingerprint="new"), tmp_path),
        "layout": job(pictures, tmp_path, "stl10"),
    }
    before = listing(tmp_path)
    for other in others.values():
        with pytest.raises(DataError, match="delete it or write to another folder"):
            compute_maps(other)
    assert listing(tmp_path) == before


def test_published_maps_are_not_written_over(pictures: Images, tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    np.save(tmp_path / "train/saliency_train.npy", np.zeros(3))
    with pytest.raises(DataError, match=r"saliency_train\.npy: there already"):
        compute_maps(job(pictures, tmp_path, "stl10"))


def test_what_cannot_be_computed_is_said(pictures: Images, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="prior 'broken' gives no density for image 5"):
        compute_maps(MapJob(pictures, Broken(), "broken", tmp_path))
    with pytest.raises(ValueError, match="reads maps that are stored already"):
        MapJob(pictures, Stored(), "stored", tmp_path)
    with pytest.raises(DataError, match="has no fingerprint"):
        job(dataclasses.replace(pictures, fingerprint=""), tmp_path)
    with pytest.raises(DataError, match="not read from a file for each image"):
        job(noise(N, 16), tmp_path, "imagenet")
    with pytest.raises(ValueError, match="shard is 2/2, expected I/N"):
        compute_maps(job(pictures, tmp_path), (2, 2))


def test_a_full_disk_is_told(pictures: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compute_maps(job(pictures, tmp_path), (0, 3))
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("", (), {"free": 10})())
    with pytest.raises(OSError, match=r"the disk is full .*kept: make room and run again"):
        compute_maps(job(pictures, tmp_path))
    monkeypatch.undo()
    monkeypatch.setattr(computing, "_LEAST", 8)
    assert compute_maps(job(pictures, tmp_path))
