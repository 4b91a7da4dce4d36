"""The JSON of COCO-Search18 and COCO-FreeView: read as it is published, or refused naming the record."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gazeworld.envs.files import DataError
from gazeworld.envs.gaze.coco_files import read_coco
from gazeworld.envs.gaze.recorded import COCO_SCREEN, Size, on_image

SEARCH: dict[str, Any] = {
    "name": "000000478726.jpg",
    "subject": 2,
    "task": "bottle",
    "condition": "present",
    "bbox": [1063, 68, 95, 334],
    "X": [848.2, 799.2, 1114.4],
    "Y": [517.2, 476.2, 271.1],
    "T": [73, 190, 290],
    "length": 3,
    "correct": 1,
    "RT": 1159,
    "split": "train",
}
VIEW: dict[str, Any] = {
    "name": "000000000042.jpg",
    "subject": 7,
    "X": [840.0, -12.5],
    "Y": [525.0, 300.25],
    "T": [180, 230],
    "length": 2,
    "split": "valid",
}


def written(folder: Path, records: Any) -> Path:
    file = folder / "fixations.json"
    file.write_text(records if isinstance(records, str) else json.dumps(records))
    return file


def test_both_kinds_of_records_are_read(tmp_path: Path) -> None:
    first, second = read_coco(written(tmp_path, [SEARCH, VIEW]))
    assert (first.image, first.subject, first.task, first.split) == ("000000478726.jpg", "2", "bottle", "train")
    np.testing.assert_array_equal(first.points, [[848.2, 517.2], [799.2, 476.2], [1114.4, 271.1]])
    np.testing.assert_array_equal(first.durations, [73, 190, 290])
    assert (second.task, second.split, second.where) == ("", "valid", "record 2")
    np.testing.assert_array_equal(second.points[1], [-12.5, 300.25])  # beyond the screen, as in the published files


def test_the_same_trial_with_and_without_target_are_two(tmp_path: Path) -> None:
    absent = {**SEARCH, "condition": "absent"}
    assert len(read_coco(written(tmp_path, [SEARCH, absent]))) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"X": None}, "record 2 .image '000000000042.jpg', subject '7'.: X is None, expected a list of finite numbers"),
        ({"Y": [1, "2"]}, r"record 2 .*Y is \[1, '2'\]"),
        ({"Y": [1, True]}, "record 2 .*Y is"),
        ({"Y": [1]}, "X, Y and T hold 2, 1 and 2 numbers, expected as many"),
        ({"T": [1, -1]}, "T holds -1.0, expected milliseconds"),
        ({"length": 3}, "length is 3, but X holds 2 numbers"),
        ({"subject": None}, "record 2: subject is None, expected text or a number"),
        ({"name": ""}, "record 2: name is '', expected text"),
        ({"X": [], "Y": [], "T": [], "length": 0}, "hold 0, 0 and 0 numbers"),
        ({"X": [1e300, 2]}, "X is"),
    ],
)
def test_what_is_wrong_is_told_with_its_record(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=rf"fixations\.json, .*{said}"):
        read_coco(written(tmp_path, [SEARCH, {**VIEW, **change}]))


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"record 3: image '000000000042.jpg', subject '7' stands in record 2, too"):
        read_coco(written(tmp_path, [SEARCH, VIEW, VIEW]))
    lacking = copy.deepcopy(VIEW)
    del lacking["Y"], lacking["subject"]
    with pytest.raises(DataError, match=r"record 1: has no Y, subject, expected X, Y, name, subject"):
        read_coco(written(tmp_path, [lacking]))
    for records, said in (
        ({"images": []}, "holds an object, expected fixations as COCO-Search18"),
        ([], "holds an empty list"),
        ([[1]], "record 1: is an empty list|record 1: is"),
        ("[{", "not a whole JSON file"),
        ('[{"name": "a", "subject": 1, "X": [NaN], "Y": [1]}]', "NaN is no number"),
    ):
        with pytest.raises(DataError, match=said):
            read_coco(written(tmp_path, records))


def test_pixels_of_the_screen_become_those_of_the_image() -> None:
    """640 x 480 is enlarged to 1400 x 1050 in the middle of 1680 x 1050: 140 columns of margin on either side."""
    corners = np.array([[140.0, 0], [1540, 1050], [840, 525], [0, 525]])
    np.testing.assert_allclose(on_image(corners, COCO_SCREEN, (640, 480)), [[0, 0], [640, 480], [320, 240], [-64, 240]])
    # 640 x 400 has the form of the screen, 800 x 400 is wider: 105 rows of margin above and below.
    np.testing.assert_allclose(on_image(corners, COCO_SCREEN, (640, 400))[2], [320, 200])
    np.testing.assert_allclose(
        on_image(np.array([[0.0, 105], [1680, 945]]), COCO_SCREEN, (800, 400)), [[0, 0], [800, 400]]
    )
    # The published images are the screen already.
    np.testing.assert_array_equal(on_image(corners, COCO_SCREEN, (1680, 1050)), corners)
    assert Size.parsed("800X600") == Size(800, 600)
    for text in ("", "800", "0x5", "ax5", "5x-1", "1x2x3", "²x3"):
        assert Size.parsed(text) is None
