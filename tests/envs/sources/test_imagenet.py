"""ImageNet's layouts in small: labels right whichever file tells them, damage named, pixels those of the files."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes.imagenet import WNIDS, devkit, imagenet, save

from gazeworld.envs.conformance import check_source
from gazeworld.envs.files import DataError
from gazeworld.envs.image_datasets.check_images import check_split
from gazeworld.envs.images import LazyImages, load_source
from gazeworld.envs.sources import imagenet as source
from gazeworld.envs.worlds.saccade import SaccadeWorld


def load(root: Path, split: str = "train", **options: object) -> LazyImages:
    return load_source("imagenet", split, str(root), **{"side": 16, **options})


def red(images: LazyImages) -> list[int]:
    """Tens of the red of each image's middle: what it was drawn with, see `fakes.imagenet`."""
    return (images.batch(torch.arange(len(images)))[:, 8, 8, 0].float() / 10).round().int().tolist()


def test_images_and_labels_are_those_of_the_folders(tmp_path: Path) -> None:
    imagenet(tmp_path)
    train, val = load(tmp_path), load(tmp_path, "val")
    assert train.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert red(train) == [5, 5, 10, 10, 15, 15]
    assert val.labels.tolist() == [0, 1, 2]
    assert red(val) == [5, 10, 15]
    assert train.classes == WNIDS == val.classes
    assert (train.split, val.split, load(tmp_path, "test").fingerprint) == ("train", "test", val.fingerprint)
    assert train.files is not None
    assert list(train.files.names)[:2] == ["train/n01/n01_0.JPEG", "train/n01/n01_1.JPEG"]
    assert train.mean == val.mean == source.MEAN
    assert load(tmp_path, side=17).fingerprint != train.fingerprint != load(tmp_path, fit="resize").fingerprint


@pytest.mark.parametrize("split", ["train", "test"])
def test_it_conforms(tmp_path: Path, split: str) -> None:
    imagenet(tmp_path)
    check_source("imagenet", root=str(tmp_path), split=split, side=16)


def flat(root: Path) -> None:
    """Validation images of the classes n03, n01, n02 in one folder."""
    shutil.rmtree(root / "val")
    for number, wnid in enumerate(("n03", "n01", "n02"), 1):
        save(root / f"val/ILSVRC2012_val_{number:08d}.JPEG", wnid)


@pytest.mark.parametrize("told", ["devkit", "synsets", "kaggle"])
@pytest.mark.parametrize("trained", [True, False])
def test_flat_validation_images_have_the_labels_that_a_file_tells(tmp_path: Path, told: str, trained: bool) -> None:
    imagenet(tmp_path)
    flat(tmp_path)
    if told == "devkit":
        devkit(tmp_path, ("n03", "n01", "n02"))
    elif told == "synsets":
        (tmp_path / "imagenet_2012_validation_synset_labels.txt").write_text("n03\nn01\nn02\n")
    else:
        rows = ("ILSVRC2012_val_00000002,n01 1 2 3 4 n01 5 6 7 8", "ILSVRC2012_val_00000001,n03 1 2 3 4",
                "ILSVRC2012_val_00000003,n02 1 2 3 4")  # fmt: skip
        (tmp_path / "LOC_val_solution.csv").write_text("ImageId,PredictionString\n" + "\n".join(rows) + "\n")
    if not trained:
        shutil.rmtree(tmp_path / "train")
        if told != "devkit":
            with pytest.raises(DataError, match=r"meta\.mat: not there"):
                load(tmp_path, "val")
            return
    found = load(tmp_path, "val")
    assert found.labels.tolist() == [2, 0, 1]
    assert red(found) == [15, 5, 10]
    words = ("great tench, tinca", "hen", "crane (n03)") if told == "devkit" else WNIDS
    assert found.classes[0] == words[0]


def test_words_of_one_name_are_told_apart(tmp_path: Path) -> None:
    imagenet(tmp_path)
    (tmp_path / "LOC_synset_mapping.txt").write_text("n01 crane\nn02 hen, biddy\nn03 crane\n")
    assert load(tmp_path).classes == ("crane (n01)", "hen, biddy", "crane (n03)")


def test_opening_validation_images_reads_no_file_of_the_training_images(tmp_path: Path) -> None:
    imagenet(tmp_path)
    for path in (tmp_path / "train").rglob("*.JPEG"):
        path.write_bytes(b"no image")
    val = load(tmp_path, "test")
    assert red(val) == [5, 10, 15]
    train = load(tmp_path)  # nothing is decoded before it is looked at
    with pytest.raises(DataError, match=r"n02_0\.JPEG: cannot be decoded"):
        train.batch(torch.tensor([2]))
    shutil.rmtree(tmp_path / "train")
    assert red(load(tmp_path, "test")) == [5, 10, 15]


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no root given, expected the folder that holds train and val"):
        load_source("imagenet")
    with pytest.raises(ValueError, match="unknown split 'tets'; there are: train, test, val"):
        load(tmp_path, "tets")
    with pytest.raises(DataError, match=r"train: no such folder, expected one with a folder for each class"):
        load(tmp_path)
    imagenet(tmp_path)
    save(tmp_path / "val/n09/a.JPEG", "n01")
    with pytest.raises(DataError, match=r"val/n09: no such class in .*train, expected one of its 3"):
        load(tmp_path, "val")
    (tmp_path / "train/n04").mkdir()
    with pytest.raises(DataError, match=r"train/n04: no image in it"):
        load(tmp_path)


def test_flat_validation_images_without_the_right_labels_are_refused(tmp_path: Path) -> None:
    imagenet(tmp_path)
    flat(tmp_path)
    with pytest.raises(DataError, match=r"val: images in no folders of classes, expected beside it ILSVRC2012_devkit"):
        load(tmp_path, "val")
    devkit(tmp_path, ("n03", "n01"))
    with pytest.raises(DataError, match=r"ground_truth\.txt: labels of 2 images, expected 3, as many as .*val holds"):
        load(tmp_path, "val")
    data = tmp_path / "ILSVRC2012_devkit_t12/data"
    (data / "ILSVRC2012_validation_ground_truth.txt").write_text("1\n2\n9\n")
    with pytest.raises(DataError, match=r"has '9' in a line, expected the number of a class"):
        load(tmp_path, "val")
    (data / "meta.mat").write_bytes(b"not a file of MATLAB")
    with pytest.raises(DataError, match=r"meta\.mat: cannot be read"):
        load(tmp_path, "val")
    shutil.rmtree(tmp_path / "ILSVRC2012_devkit_t12")
    (tmp_path / "imagenet_2012_validation_synset_labels.txt").write_text("n03\nn01\nn77\n")
    with pytest.raises(DataError, match=r"names the class n77, expected one of the 3 of"):
        load(tmp_path, "val")
    save(tmp_path / "val/one.JPEG", "n01")
    (tmp_path / "imagenet_2012_validation_synset_labels.txt").write_text("n03\nn01\nn02\nn02\n")
    with pytest.raises(DataError, match=r"one\.JPEG: has no number"):
        load(tmp_path, "val")


def test_maps_beside_the_images_come_with_them(tmp_path: Path) -> None:
    imagenet(tmp_path)
    assert load(tmp_path).maps is None
    for path in (tmp_path / "train").rglob("*.JPEG"):
        maps = np.ones((20, 30), np.float32)  # of the file's size
        maps[:, :15] = 3
        np.save(path.with_name(f"{path.stem}_sal.npy"), maps)
    found = load(tmp_path)
    assert found.maps is not None
    one = found.maps.batch(torch.tensor([4]))[0]
    assert one.sum().item() == pytest.approx(1)
    assert (one[:, 0] / one[:, -1]).mean().item() == pytest.approx(3, abs=0.01)


def test_a_file_that_is_gone_after_it_was_indexed_is_named_when_it_is_looked_at(tmp_path: Path) -> None:
    imagenet(tmp_path)
    world = SaccadeWorld(load(tmp_path))
    (tmp_path / "train/n02/n02_1.JPEG").unlink()
    with pytest.raises(DataError, match=r"n02_1\.JPEG: not there, expected a whole image"):
        world.periphery(torch.tensor([0, 3]))
    assert len(load(tmp_path)) == 5  # opened again, the change is seen


def test_files_written_over_in_place_are_found_by_a_full_look(tmp_path: Path) -> None:
    imagenet(tmp_path)
    found = load(tmp_path)
    assert found.files is not None
    assert found.files.differences() == []
    path = tmp_path / "train/n02/n02_1.JPEG"
    path.write_bytes(path.read_bytes() + b"more")
    (size,) = found.files.differences()
    assert size.startswith(f"{path}: has ")
    checked = check_split(found)
    assert (checked.faults.count, checked.faults.named) == (1, [size])
    path.unlink()
    assert [said.partition(": ")[2][:17] for said in found.files.differences()] == [
        "cannot be reached",
        "files were added ",
    ]
