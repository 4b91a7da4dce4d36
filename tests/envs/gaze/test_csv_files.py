"""Tables of fixations: read whatever parts their columns, or refused in one sentence that names the line."""

import contextlib
from pathlib import Path

import numpy as np
import pytest

from gazeworld.envs.files import DataError
from gazeworld.envs.gaze.csv_files import read_csv

HEAD = "image,subject,order,x,y"


def table(folder: Path, text: str | bytes) -> Path:
    file = folder / "fixations.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_columns_and_lines_in_any_order(tmp_path: Path, delimiter: str, end: str) -> None:
    lines = [
        "Y,x,subject,image,order,colour,duration",
        "20.5,10,7,a.png,1,red,250",
        "",
        "2,1,7,b.png,0,red,",
        "5,6e0,anna,a.png,0,blue,80.5",
        "40,30,7,a.png,2.0,red,100",
        "22,12,7,a.png,3,red,1",
    ]
    file = table(tmp_path, end.join(lines).replace(",", delimiter))
    first, second, third = read_csv(file)
    assert (first.image, first.subject, first.task, first.where) == ("a.png", "7", "", "line 2")
    np.testing.assert_array_equal(first.points, [[10, 20.5], [30, 40], [12, 22]])
    np.testing.assert_array_equal(first.durations, [250, 100, 1])
    assert (second.image, second.where) == ("b.png", "line 4")
    assert np.isnan(second.durations).all()
    assert third.subject == "anna"
    np.testing.assert_array_equal(third.points, [[6, 5]])


def test_a_byte_order_mark_quotes_and_tasks(tmp_path: Path) -> None:
    text = '\ufeff"image","subject","order","x","y","task"\n"a, b.png",1,0,1,2,cup\n"a, b.png",1,0,3,4,fork\n'
    first, second = read_csv(table(tmp_path, text))
    assert (first.image, first.task, second.task) == ("a, b.png", "cup", "fork")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: no column image, subject, order, x, y, found ''; expected the columns image"),
        ("image,subject,x,y\na,1,2,3", "line 1: no column order, found 'image,subject,x,y'"),
        ("image|subject|order|x|y\n", "line 1: no column image"),
        (HEAD, "no fixation in it"),
        (f"{HEAD},x\na,1,0,1,2,3", "line 1: two columns are called 'x', expected one"),
        (f"{HEAD}\na,1,0,1", "line 2: 4 columns, expected 5 as in line 1, parted by commas"),
        (f"{HEAD}\na,1,0,1,2\n\na,1,1,1,z", "line 4: y is 'z', expected a finite number$"),
        (f"{HEAD}\na,1,0,nan,2", "line 2: x is 'nan', expected a finite number"),
        (f"{HEAD}\na,1,0,1_0,2", "line 2: x is '1_0', expected a finite number"),
        (f"{HEAD}\na,1,0,,2", "line 2: x is empty, expected a finite number"),
        (f"{HEAD}\na,1,0,inf,2", "line 2: x is 'inf'"),
        (f"{HEAD.replace(',', ';')}\na;1;0;1,5;2", r"line 2: x is '1,5', expected a finite number \(with a decimal"),
        (f"{HEAD}\na,1,0.5,1,2", "line 2: order is '0.5', expected a whole number"),
        (f"{HEAD}\na,,0,1,2", "line 2: subject is empty"),
        (f"{HEAD},duration\na,1,0,1,2,-3", "line 2: duration is '-3', expected milliseconds, 0 or more"),
        (f"{HEAD}\na,1,2,1,2", "line 2: image 'a', subject '1': order begins with 2, expected 0 or 1"),
        (f"{HEAD}\na,1,0,1,2\na,1,3,1,2", "line 3: image 'a', subject '1': order 3 follows 0, expected 1"),
        (f"{HEAD}\na,1,1,1,2\nb,1,1,1,2\na,1,1,9,9", "line 4: image 'a', subject '1': order 1 stands in line 2, too"),
        (f"{HEAD}\na,1,0,1,2\n\xe9,1,0,1,2".encode("latin-1"), "line 3: is not text in UTF-8"),
        (f'{HEAD}\n"a,1,0,1,2', "line 2: is no table"),
        (f"{HEAD}\n" + "a,1,0,1\x002,2", "line 2: (is no table|x is)"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(DataError, match=rf"fixations\.csv(:|,) {said}") as caught:
        read_csv(table(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_any_bytes_are_read_or_refused(tmp_path: Path) -> None:
    whole = f"{HEAD},duration\n".encode() + b"".join(
        b"a,%d,%d,3.5,%d,9\n" % (s, o, o) for s in (1, 2) for o in range(4)
    )
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(rng.integers(1, 5)):
            at = int(rng.integers(len(damaged)))
            damaged[at : at + int(rng.integers(3))] = rng.integers(0, 256, int(rng.integers(3)), np.uint8).tobytes()
        with contextlib.suppress(DataError):
            found = read_csv(table(tmp_path, bytes(damaged)))
            assert all(np.isfinite(one.points).all() for one in found)
