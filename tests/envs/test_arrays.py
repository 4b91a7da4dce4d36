""".npy files as NumPy writes them, and as nobody should: read right, or named."""

import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gazeworld.envs.arrays import map_npy, read_npy
from gazeworld.envs.files import DataError

WHAT = "some numbers"


def write(path: Path, header: str, data: bytes = bytes(28), version: bytes = b"\1\0") -> None:
    text = header.encode("latin1") + b"\n"
    length = struct.pack("<H" if version == b"\1\0" else "<I", len(text))
    path.write_bytes(b"\x93NUMPY" + version + length + text + data)


def both(path: Path) -> list[np.ndarray]:
    return [read_npy(path, WHAT), map_npy(path, WHAT), map_npy(path, WHAT, write=True)]


@pytest.mark.parametrize("dtype", ["f4", ">f8", "u1", "<i8", "?", "c8", "U5", ">U3", "S4", "f2", "u8"])
@pytest.mark.parametrize("shape", [(), (3,), (0,), (2, 0, 3), (3, 4), (1, 2, 3, 4)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_what_numpy_writes_is_read(tmp_path: Path, dtype: str, shape: tuple[int, ...], order: Any) -> None:
    array = np.asarray(np.arange(np.prod(shape, dtype=int)).reshape(shape) % 5, dtype, order=order)
    np.save(tmp_path / "x.npy", array)
    for found in both(tmp_path / "x.npy"):
        np.testing.assert_array_equal(found, array)
        assert found.dtype == array.dtype
        assert found.shape == shape


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_all_formats_are_read(tmp_path: Path, version: tuple[int, int]) -> None:
    with (tmp_path / "x.npy").open("wb") as file:
        np.lib.format.write_array(file, np.arange(6.0), version=version)
    for found in both(tmp_path / "x.npy"):
        assert found.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (7L,), }",  # Python 2
        '{"shape": (7,), "fortran_order": False, "descr": "<f4"}',
        "{'descr':'<f4','fortran_order':False,'shape':(7,)}   ",
    ],
)
def test_what_other_programs_write_is_read(tmp_path: Path, header: str) -> None:
    write(tmp_path / "x.npy", header)
    assert [found.tolist() for found in both(tmp_path / "x.npy")] == [[0.0] * 7] * 3


def test_only_private_copies_can_be_written_to(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(3))
    whole, mapped, private = both(tmp_path / "x.npy")
    whole[0], private[1] = 1, 1
    with pytest.raises(ValueError, match="read-only"):
        mapped[2] = 1
    assert np.load(tmp_path / "x.npy").tolist() == [0, 0, 0]


HEADERS = [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (8,), }",  # more than there is
    "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }",  # less than there is
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-7,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (7, }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1 7,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': 7, }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "9" * 5000 + ",), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1," * 40 + "7), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (0, " + "9" * 30 + "), }",
    "{'descr': '<U0', 'fortran_order': False, 'shape': (" + "9" * 15 + ",), }",
    "{'descr': '<f5', 'fortran_order': False, 'shape': (7,), }",
    "{'descr': '|a4', 'fortran_order': False, 'shape': (7,), }",
    "{'descr': 'f4,f4', 'fortran_order': False, 'shape': (7,), }",
    "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (7,), }",
    "{'descr': ('<f4', (7,)), 'fortran_order': False, 'shape': (), }",
    "{'descr': '<f4', 'fortran_order': 0, 'shape': (7,), }",
    "{'descr': '<f4', 'shape': (7,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (7,), 'more': 1}",
    "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (7,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (7,)} + 1",
    "(" * 5000,  # what NumPy meets with a MemoryError or worse
    "{'descr': '<f4\0', 'fortran_order': False, 'shape': (7,), }",
    "{[]: 1}",
    "\\N{",
    "",
]  # fmt: skip


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: header[:70])
def test_headers_that_are_wrong_are_named(tmp_path: Path, header: str) -> None:
    write(tmp_path / "x.npy", header, bytes(0) if "<U0" in header or "(0," in header else bytes(28))
    for read in (read_npy, map_npy):
        with pytest.raises(DataError, match=r"x.npy: .*, expected some numbers"):
            read(tmp_path / "x.npy", WHAT)


@pytest.mark.parametrize(
    "data", [b"", b"\x93NUM", b"\x93NUMPY\1\0", b"\x93NUMPY\1\0\xff\xff{}", b"\x93NUMPY\2\0\xff\xff\xff\xff"]
)
def test_files_that_break_off_are_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.npy").write_bytes(data)
    for read in (read_npy, map_npy):
        with pytest.raises(DataError, match=r"x.npy: not a whole .npy file"):
            read(tmp_path / "x.npy", WHAT)


def test_objects_text_and_what_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.array([{}]), allow_pickle=True)
    with pytest.raises(DataError, match=r"objects as a pickle, which could execute code"):
        read_npy(path, WHAT)
    path.write_bytes(bytes(path.read_bytes()).replace(b"|O", b"|V8"))
    with pytest.raises(DataError, match=r"x.npy: "):
        read_npy(path, WHAT)
    np.save(path, np.array(["abc"]))
    for point in (0xD800, 0x110000, 0xFFFFFFFF):
        path.write_bytes(path.read_bytes()[:-4] + struct.pack("<I", point))
        with pytest.raises(DataError, match=r"text that is no Unicode"):
            read_npy(path, WHAT)
    path.unlink()
    with pytest.raises(DataError, match=r"x.npy: not there, expected some numbers"):
        read_npy(path, WHAT)
    with pytest.raises(DataError, match=r"cannot be read .*directory"):
        read_npy(tmp_path, WHAT)
    os.mkfifo(path)
    for read in (read_npy, map_npy):
        with pytest.raises(DataError, match=r"x.npy: is a named pipe, expected some numbers in a regular file"):
            read(path, WHAT)
