"""Fixations on the images of a source: found by name or number, moved as the image was, dropped and counted."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from fakes.images import noise

from gazeworld.envs.files import DataError
from gazeworld.envs.gaze import FixationOptions, human_gaze
from gazeworld.envs.image_files import ImageFiles, Named, squared_places
from gazeworld.envs.images import Images

HEAD = "image,subject,order,x,y\n"


class Photographs(ImageFiles):
    """Files of 60 x 40 pixels, whose middle square became the image."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def size(self, index: int) -> tuple[int, int]:
        return (60, 40)

    def places(self, index: int, points: np.ndarray) -> np.ndarray:
        return squared_places(points, (60, 40), "crop")


NAMES = ("cat/a.jpg", "cat/b.jpg", "dog/a.jpg", "dog/d.jpg")


def photographs() -> Images:
    return dataclasses.replace(noise(4, 20), files=Photographs(NAMES))


def file_of(folder: Path, text: str, ending: str = ".csv") -> Path:
    file = folder / f"gaze{ending}"
    file.write_text(text)
    return file


def test_points_of_a_file_are_moved_as_its_image_was(tmp_path: Path) -> None:
    # The square reaches from column 10 to 50: (10, 0) is its corner, (30, 20) its middle, (9, 20) and (50, 20) outside.
    lines = ["b.jpg,1,0,30,20", "b.jpg,1,1,9,20", "b.jpg,1,2,10,0", "b.jpg,1,3,50,20", "b.jpg,1,4,49.6,30"]
    lines += ["cat/a.jpg,1,0,30,20", "cat/a.jpg,1,1,1,1"]
    found = human_gaze(file_of(tmp_path, HEAD + "\n".join(lines)), photographs())
    (path,) = found.paths
    assert (path.image, path.subject) == (1, "1")
    np.testing.assert_allclose(path.poses, [[0.5, 0.5], [0, 0], [0.75, 0.99]])
    assert found.counts == {
        "fixations in the file": 7,
        "paths in the file": 2,
        "outside the image": 3,
        "paths of less than two fixations": 1,
    }
    assert (found.images, found.subjects) == ((1,), ("1",))


def test_the_first_fixation_can_be_dropped_and_pixels_counted_from_one(tmp_path: Path) -> None:
    text = HEAD + "d.jpg,x,1,31,21\nd.jpg,x,2,21,11\nd.jpg,x,3,11,1"
    found = human_gaze(file_of(tmp_path, text), photographs(), FixationOptions(initial="drop", first_pixel=1))
    np.testing.assert_allclose(found.paths[0].poses, [[0.25, 0.25], [0, 0]])
    assert found.counts["initial fixations dropped"] == 1


def test_images_without_names_go_by_numbers(tmp_path: Path) -> None:
    images = noise(3, 20)
    found = human_gaze(file_of(tmp_path, HEAD + "2,1,0,5,10\n2,1,1,19.9,0\n2,1,2,20,3\n2,1,3,3,-1"), images)
    np.testing.assert_allclose(found.paths[0].poses, [[0.5, 0.25], [0, 0.995]])
    assert found.paths[0].image == 2
    assert found.counts["outside the image"] == 2
    for name in ("3", "-1", "x.png", "1.0", "٣"):
        with pytest.raises(
            DataError, match=r"line 2: fixations of 1 unknown images .*; expected numbers from 0 to 2: the"
        ):
            human_gaze(file_of(tmp_path, f"{HEAD}{name},1,0,5,10\n{name},1,1,5,10"), images)


def test_unknown_images_are_refused_or_counted(tmp_path: Path) -> None:
    lines = "z.jpg,1,0,30,20\nz.jpg,1,1,30,20\nb.jpg,1,0,30,20\nb.jpg,1,1,30,20"
    file = file_of(tmp_path, HEAD + lines)
    said = (
        r"gaze.csv, line 2: fixations of 1 unknown images \('z.jpg'\); expected names of the 4 images of .*'cat/a.jpg'"
    )
    with pytest.raises(DataError, match=said):
        human_gaze(file, photographs())
    found = human_gaze(file, photographs(), FixationOptions(unknown="drop"))
    assert len(found.paths) == 1
    assert found.counts["on unknown images"] == 2
    with pytest.raises(DataError, match=r"fixations of 1 unknown images"):  # nothing would be left
        human_gaze(file_of(tmp_path, HEAD + lines[:32]), photographs(), FixationOptions(unknown="drop"))
    with pytest.raises(DataError, match=r"line 2: 'a.jpg' is the name of 2 images \(cat/a.jpg, dog/a.jpg\), expected"):
        human_gaze(file_of(tmp_path, HEAD + "a.jpg,1,0,30,20\na.jpg,1,1,30,20"), photographs())


def test_names_are_whole_paths_or_their_ends() -> None:
    named = Named((*NAMES, "stop sign/a.jpg"))
    assert [named.find(name) for name in ("cat/a.jpg", "./dog/d.jpg", "d.jpg", "dog\\a.jpg")] == [0, 3, 3, 2]
    assert named.find("a.jpg", "dog") == 2
    assert named.find("a.jpg", "stop_sign") == 4
    assert [named.find(name) for name in ("t/a.jpg", "g/d.jpg", "", "dog")] == [None] * 4


def test_screens_of_coco_and_others(tmp_path: Path) -> None:
    # 60 x 40 on 1680 x 1050 is 1575 x 1050 with 52.5 columns of margin; on 120 x 100 it is 120 x 80 with 10 rows.
    record = {"name": "b.jpg", "subject": 1, "X": [840, 840], "Y": [525, 262.5], "T": [1, 2], "length": 2}
    coco = file_of(
        tmp_path, json.dumps([record | {"split": "train"}, record | {"subject": 2, "split": "valid"}]), ".json"
    )
    found = human_gaze(coco, photographs(), FixationOptions(part="valid"))
    assert [path.subject for path in found.paths] == ["2"]
    np.testing.assert_allclose(found.paths[0].poses, [[0.5, 0.5], [0.25, 0.5]])
    table = file_of(tmp_path, HEAD + "b.jpg,1,0,60,50\nb.jpg,1,1,60,30")
    np.testing.assert_allclose(
        human_gaze(table, photographs(), FixationOptions(screen="120x100")).paths[0].poses, [[0.5, 0.5], [0.25, 0.5]]
    )
    with pytest.raises(DataError, match=r"no path with two fixations or more within the images .*outside the image: 4"):
        human_gaze(coco, photographs(), FixationOptions(screen="image"))
    with pytest.raises(DataError, match=r"no fixations of split 'test'; there are: train, valid"):
        human_gaze(coco, photographs(), FixationOptions(part="test"))
    with pytest.raises(DataError, match=r"no fixations of task 'cup'; there are: none with a task"):
        human_gaze(coco, photographs(), FixationOptions(task="cup"))


def test_impossible_options_and_endings(tmp_path: Path) -> None:
    for screen in ("big", "10", "0x4"):
        with pytest.raises(ValueError, match=f"screen is '{screen}', expected image or pixels as in 1680x1050"):
            FixationOptions(screen=screen)
    with pytest.raises(DataError, match=r"gaze\.mat: ends in '\.mat', expected a table ending in \.csv"):
        human_gaze(file_of(tmp_path, "", ".mat"), photographs())
    with pytest.raises(DataError, match=r"nowhere\.csv: not there"):
        human_gaze(tmp_path / "nowhere.csv", photographs())


def test_squeezed_images() -> None:
    points = np.array([[0.0, 0], [30, 10], [60, 40]])
    np.testing.assert_allclose(squared_places(points, (60, 40), "resize"), [[0, 0], [0.25, 0.5], [1, 1]])
    np.testing.assert_allclose(squared_places(points, (60, 40), "crop"), [[0, -0.25], [0.25, 0.5], [1, 1.25]])
