"""Pickles that are read without unpickling: plain values and arrays as NumPy would restore them, and nothing else."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes.archives import pickled

from gazeworld.envs.pickles import PickleError, plain

VALUE = {"a": [1, -2, 2**40, -(2**70)], "b": ("x", b"y\xff", 1.5, None, True), 3: {"c": []}, "n": [["p"], ()]}


@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
def test_plain_values_come_back(protocol: int) -> None:
    value = VALUE if protocol > 2 else {**VALUE, "b": ("x", "y", 1.5, None, True)}  # bytes were no plain values then
    assert plain(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("dtype", ["u1", "i1", ">u2", "<i8", "f4", ">f8", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_arrays_come_back(dtype: str, order: Any, protocol: int, tmp_path: Path) -> None:
    array = np.asarray(np.arange(12).reshape(3, 4) % 7, dtype, order=order)
    if protocol == 2:
        if order == "F" or array.itemsize > 1:
            return  # what writes pickles of Python 2 here knows bytes in C order only
        pickled(tmp_path / "x", {"array": array})
        found = plain((tmp_path / "x").read_bytes())["array"]
    else:
        found = plain(pickle.dumps({"array": array}, protocol))["array"]
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype


class Asks:
    def __init__(self, *answer: Any) -> None:
        self.answer = answer

    def __reduce__(self) -> tuple[Any, ...]:
        return self.answer


def array(dtype: Any, shape: Any = (2, 2), data: Any = b"abcd", version: Any = 1) -> bytes:
    """A pickle of an array with this type and state, true or not."""
    rebuild = np.empty(0).__reduce__()[0]
    return pickle.dumps({"data": Asks(rebuild, (np.ndarray, (0,), b"b"), (version, shape, dtype, False, data))}, 4)


def kind(name: Any = "u1", state: Any = (3, "|", None, None, None, -1, -1, 0)) -> Asks:
    return Asks(np.dtype, (name, False, True), state)


HOSTILE = {
    "a state that is too short": (array(kind(state=(3, "|"))), "a state that numbers do not have"),
    "an empty state": (array(kind(state=())), "a state that numbers do not have"),
    "a state of fields": (array(kind("V8", (3, "|", None, ("f",), {"f": 1}, 8, 1, 0))), "none of numbers"),
    "a subtype": (array(kind(state=(3, "|", ("u1", (9,)), None, None, -1, -1, 0))), "a state that numbers do not have"),
    "objects": (array(kind("O8", (3, "|", None, None, None, -1, -1, 63))), "none of numbers"),
    "an order that is none": (array(kind(state=(3, "x", None, None, None, -1, -1, 0))), "no byte order"),
    "a type that is none": (array("u1"), "none of NumPy's"),
    "a shape that is too large": (array(kind(), (2, 3)), "4 bytes of data"),
    "a shape that is too small": (array(kind(), (1, 3)), "4 bytes of data"),
    "a shape that overflows": (array(kind(), (2**63, 2**63)), "no tuple of sizes"),
    "a shape below zero": (array(kind(), (-2, -2)), "no tuple of sizes"),
    "a shape that is none": (array(kind(), "ab"), "no tuple of sizes"),
    "data that are none": (array(kind(), data=[1]), "a list of data"),
    "another name": (pickle.dumps({"data": Asks(os.getcwd, ())}, 4), "getcwd, which could execute code"),
    "a name of numpy": (pickle.dumps({"data": Asks(np.load, ("x",))}, 4), "load, which could execute code"),
    "a type in place of an array": (pickle.dumps({"data": kind()}, 4), "a dtype in place of an array"),
    "a key that is a tuple": (pickle.dumps({(): 1}, 4), "a key is a tuple"),
    "a memo of gigabytes": (b"\x80\x02}r\xff\xff\xff\x7f.", "no error"),
    "a text of gigabytes": (b"\x80\x02T\xff\xff\xff\x7fabc.", "a text of 2147483647 bytes, of which 4"),
    "a text of less than none": (b"\x80\x02T\xff\xff\xff\xffabc.", "text of -1 bytes"),
    "an object": (b"\x80\x02(imodule\nName\n.", "it uses INST"),
    "a value from elsewhere": (b"\x80\x02Pname\n.", "it uses PERSID"),
    "too few values": (b"\x80\x02\x87.", "more values than there are"),
    "no value": (b"\x80\x02.", "it ends with 0 values"),
    "two values": (b"\x80\x02}}.", "it ends with 2 values"),
    "no end": (b"\x80\x02}", "ends too early"),
    "a call of a value": (b"\x80\x02K\x01)R.", "it calls a int"),
    "a state of a value": (b"\x80\x02})b.", "as if it were a _Made"),
    "adding to a tuple": (b"\x80\x02)K\x01a.", "as if it were a list"),
    "no mark": (b"\x80\x02]e.", "pop from empty list"),
    "texts as of Python 1": (b"S'\\u'\n.", "it uses STRING"),
    "no operation": (b"\x80\x02\xff.", "in place of an operation"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles_are_refused(name: str) -> None:
    data, says = HOSTILE[name]
    if name == "a memo of gigabytes":
        assert plain(data) == {}
        return
    with pytest.raises(PickleError, match=says):
        plain(data)


def test_damaged_pickles_are_read_or_refused(tmp_path: Path) -> None:
    pickled(tmp_path / "x", {"data": np.arange(12, dtype=np.uint8).reshape(3, 4), "labels": [1, 2, 3]})
    whole, rng = (tmp_path / "x").read_bytes(), np.random.default_rng(0)
    refused = 0
    for i in range(3000):
        data = bytearray(whole)
        at = int(rng.integers(len(data)))
        if i % 3 == 0:
            data[at] ^= 1 << int(rng.integers(8))
        elif i % 3 == 1:
            del data[at : at + int(rng.integers(1, 9))]
        else:
            data[at:at] = rng.bytes(int(rng.integers(1, 5)))
        try:
            plain(bytes(data))
        except PickleError:
            refused += 1
    assert refused > 1000
