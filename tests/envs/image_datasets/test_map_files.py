"""Maps beside images: three layouts, opened; and what is wrong with them, in one sentence each."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes.images import noise
from fakes.map_sets import CutFiles, change, maps, shard, write_compact, write_manifest

from gazeworld.envs.files import DataError
from gazeworld.envs.image_datasets import map_codes, open_maps
from gazeworld.envs.image_datasets.map_manifest import MapShard
from gazeworld.envs.images import Images

ALL = torch.arange(7)


SHAPES = [(24, 30) if i % 2 else (30, 24) for i in range(7)]


def of_files() -> Images:
    names = [f"train/n0{i % 2}/img_{i}.JPEG" for i in range(7)]
    return dataclasses.replace(noise(), files=CutFiles(Path("nowhere"), names, SHAPES))


def write_files(folder: Path, ending: str = "_sal.npy") -> list[np.ndarray]:
    found = []
    for i, shape in enumerate(SHAPES):
        found.append(np.random.default_rng(i).random(shape, np.float32))
        path = folder / f"train/n0{i % 2}/img_{i}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, found[-1])
    return found


@pytest.mark.parametrize("inside", ["", "train"])
@pytest.mark.parametrize("shape", [(7, 1, 24, 24), (7, 24, 24)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_array_of_maps(tmp_path: Path, inside: str, shape: tuple[int, ...], dtype: Any) -> None:
    found = maps(7, 24)
    (tmp_path / inside).mkdir(exist_ok=True)
    np.save(tmp_path / inside / "saliency_train.npy", (5 * found).numpy().astype(dtype).reshape(shape))
    for place in (tmp_path, tmp_path / inside / "saliency_train.npy"):
        opened = open_maps(place, noise())
        assert (len(opened), opened.side, opened.kind) == (7, 24, "")
        assert torch.allclose(opened.batch(torch.tensor([6, 0])), found[[6, 0]], atol=1e-7)


def test_compact_maps(tmp_path: Path) -> None:
    found = maps(7, 24)
    write_compact(tmp_path / "train", noise(), found)
    opened = open_maps(tmp_path, noise(), "signature")
    assert (len(opened), opened.side, opened.kind) == (7, 24, "signature")
    read = opened.batch(ALL)
    assert (0.5 * (read - found).abs().sum((1, 2))).max() < map_codes.bound(24)
    some = torch.tensor([6, 2, 3, 2])
    assert torch.equal(opened.batch(some), read[some])
    assert opened.batch(some[:0]).shape == (0, 24, 24)
    with pytest.raises(IndexError, match="expected 0 … 6"):
        opened.batch(torch.tensor([7]))
    write_compact(tmp_path / "other/train", noise(), maps(7, 24, seed=1))
    assert open_maps(tmp_path / "other", noise()).fingerprint != opened.fingerprint


def test_compact_maps_of_larger_images_are_enlarged(tmp_path: Path) -> None:
    images = noise(2, 24)
    write_compact(tmp_path / "train", images, maps(2, 12))
    read = open_maps(tmp_path, images).batch(torch.arange(2))
    assert read.shape == (2, 24, 24)
    assert torch.allclose(read.sum((1, 2)), torch.ones(2), atol=1e-5)


@pytest.mark.parametrize("inside", ["", "train"])
@pytest.mark.parametrize("ending", ["_sal.npy", "-sal.npy"])
def test_a_file_for_each_image(tmp_path: Path, ending: str, inside: str) -> None:
    found = write_files(tmp_path, ending)
    opened = open_maps(tmp_path / inside, of_files())
    assert (len(opened), opened.side) == (7, 24)
    read = opened.batch(torch.tensor([2, 1]))
    for one, stored in ((read[0], found[2][3:27]), (read[1], found[1][:, 3:27])):  # what is cut from the image
        assert torch.allclose(one, torch.from_numpy(stored / stored.sum()), atol=1e-7)


def test_what_stands_beside_other_layouts_is_verified_too(tmp_path: Path) -> None:
    np.save(tmp_path / "saliency_train.npy", maps(7, 24).numpy())
    write_manifest(tmp_path, noise(), [MapShard("saliency_train.npy", 0, 7, "")], layout="stl10", kind="deepgaze1")
    for place in (tmp_path, tmp_path / "saliency_train.npy"):
        assert open_maps(place, noise(), "deepgaze1").kind == "deepgaze1"
        with pytest.raises(DataError, match="by the prior 'deepgaze1', expected 'signature'"):
            open_maps(place, noise(), "signature")
    write_files(tmp_path / "files")
    write_manifest(tmp_path / "files/train", of_files(), [], layout="imagenet", side=0)
    assert open_maps(tmp_path / "files", of_files()).kind == "signature"
    with pytest.raises(DataError, match="single image files, of which noise0 has none"):
        open_maps(tmp_path / "files", noise())


WRONG = {
    "no such place": ({"source": "stl10"}, "maps of stl10/train, expected those of noise0/train"),
    "another split": ({"split": "test"}, "maps of noise0/test, expected those of noise0/train"),
    "too few": ({"count": 6, "shards": [shard("maps_00000.npy", 0, 6)]}, "6 saliency maps, expected 7"),
    "another side": ({"image_side": 96}, "for images of 96 px, expected 24 px"),
    "another version": ({"fingerprint": "old"}, "another version of noise0/train .*compute them again"),
    "another prior": ({"kind": "centre"}, "by the prior 'centre', expected 'signature'"),
    "another format": ({"format": 2}, "format 2, expected 1"),
    "other codes": ({"codes": 9}, "codes of version 9"),
    "a gap": (
        {"shards": [shard("maps_00000.npy", 0, 3), shard("maps_00002.npy", 6, 1)]},
        "begins at map 6, expected 3",
    ),
    "an end missing": ({"shards": [shard("maps_00000.npy", 0, 3)]}, "files of 3 maps, expected 7: maps are missing"),
    "a field missing": ({"key": None}, "'key' is missing"),
    "a field of another kind": ({"count": "7"}, "'count' is \"7\""),
    "a file elsewhere": ({"shards": [shard("../maps.npy", 0, 7)]}, "expected file, first, count and checksum"),
    "another layout": ({"layout": "pngs"}, "layout 'pngs', expected one of compact, stl10, imagenet"),
}


@pytest.mark.parametrize(("facts", "sentence"), WRONG.values(), ids=WRONG)
def test_maps_of_something_else_are_refused(tmp_path: Path, facts: dict[str, Any], sentence: str) -> None:
    write_compact(tmp_path / "train", noise(), maps(7, 24))
    change(tmp_path / "train", **facts)
    with pytest.raises(DataError, match=sentence) as error:
        open_maps(tmp_path, noise(), "signature")
    assert str(tmp_path) in str(error.value)


def test_compact_files_that_are_not_whole_are_refused_when_opened(tmp_path: Path) -> None:
    write_compact(tmp_path / "train", noise(), maps(7, 24))
    file = tmp_path / "train/maps_00001.npy"
    data = file.read_bytes()
    file.write_bytes(data[:-1])
    with pytest.raises(DataError, match=r"maps_00001\.npy: not a whole \.npy file"):
        open_maps(tmp_path, noise())
    file.unlink()
    with pytest.raises(DataError, match=r"maps_00001\.npy: not there"):
        open_maps(tmp_path, noise())
    np.save(file, np.zeros((2, 580), np.uint8))
    with pytest.raises(DataError, match="shape \\(2, 580\\), expected uint8 of shape \\(3, 580\\)"):
        open_maps(tmp_path, noise())
    np.save(file, np.zeros((3, 580), np.uint8))
    with pytest.raises(DataError, match="no stored map"):
        open_maps(tmp_path, noise()).batch(ALL)


def test_arrays_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "saliency_train.npy"
    for array, sentence in (
        (np.ones((7, 24, 24), np.int64), "holds int64"),
        (np.ones((6, 24, 24), np.float32), "shape \\(6, 24, 24\\), expected \\(7, 1, 24, 24\\)"),
        (np.ones((7, 12, 12), np.float32), "shape \\(7, 12, 12\\)"),
    ):
        np.save(path, array)
        with pytest.raises(DataError, match=sentence):
            open_maps(tmp_path, noise())
    np.save(path, np.stack([np.full((24, 24), x, np.float32) for x in (1, 1, np.nan, 1, 0, 1, 1)]))
    opened = open_maps(tmp_path, noise())
    with pytest.raises(DataError, match="map of image 2 holds NaN"):
        opened.batch(ALL)
    with pytest.raises(DataError, match="map of image 4 is zero everywhere"):
        opened.batch(torch.tensor([4]))


def test_single_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    write_files(tmp_path)
    opened = open_maps(tmp_path, of_files())
    for bad, sentence in (
        (np.ones((24, 24), np.float32), "shape \\(24, 24\\), expected float32 of \\(24, 30\\)"),
        (np.full((24, 30), np.nan, np.float32), "NaN, infinite or negative"),
        (np.zeros((24, 30), np.float32), "map of image 1 is zero everywhere"),
        (np.ones((24, 30), np.uint8), "holds uint8"),
    ):
        np.save(tmp_path / "train/n01/img_1_sal.npy", bad)
        assert torch.isfinite(opened.batch(torch.tensor([0]))).all()
        with pytest.raises(DataError, match=sentence):
            opened.batch(ALL)
    (tmp_path / "train/n01/img_1_sal.npy").unlink()
    with pytest.raises(DataError, match=r"img_1_sal\.npy: not there, expected the saliency map of image 1"):
        opened.batch(ALL)
    with pytest.raises(DataError, match=r"img_1_sal\.npy: not there"):
        open_maps(tmp_path, of_files())


def test_a_place_without_maps(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not there, expected a folder of saliency maps"):
        open_maps(tmp_path / "none", noise())
    with pytest.raises(DataError, match=r"no saliency maps of split 'train' in it, expected train/maps\.json"):
        open_maps(tmp_path, noise())
    (tmp_path / "train").mkdir()
    (tmp_path / "train/maps_00000.npy.part").touch()
    with pytest.raises(DataError, match="only the beginning of some"):
        open_maps(tmp_path, noise())
