"""Types and bounds of options: what is taken, what is refused, and in which words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from annotated_types import Gt, Le, Lt

from gazeworld.envs.validation import (
    Amount,
    Natural,
    OptionError,
    Options,
    PositiveAmount,
    Rows,
    Share,
    Validated,
    expectation,
    from_mapping,
    limits,
    shown,
    validated,
)


@validated
def options(
    rows: Rows = 1,
    share: Share = 0.5,
    *,
    fit: Literal["crop", "resize"] = "crop",
    names: tuple[str, ...] = (),
    scale: Annotated[float, Gt(0), Le(3)] = 1.0,
    most: int | None = None,
    flag: bool = False,
    more: Mapping[str, Any] | None = None,
    **others: Any,
) -> dict[str, Any]:
    return {**locals()}


def test_what_fits_is_taken_as_what_it_stands_for() -> None:
    found = options(np.int64(3), 1, names=["a", "b"], scale=np.float32(0.5), flag=np.bool_(True), most=None, other=2)
    assert found["rows"] == 3
    assert type(found["rows"]) is int
    assert found["share"] == 1.0
    assert type(found["share"]) is float
    assert found["names"] == ("a", "b")
    assert found["scale"] == 0.5
    assert found["flag"] is True
    assert found["others"] == {"other": 2}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("rows", 0, "rows is 0, expected an integer from 1 to 1048576"),
        ("rows", 10**12, "expected an integer from 1 to 1048576"),
        ("rows", 1.0, "rows is 1.0, expected an integer"),
        ("rows", True, "rows is True, expected an integer"),
        ("rows", "3", "rows is '3', expected an integer"),
        ("rows", np.zeros(2), "expected an integer"),
        ("share", 1.01, "share is 1.01, expected a finite number from 0 to 1"),
        ("share", float("nan"), "share is nan, expected a finite number"),
        ("share", False, "share is False, expected a finite number"),
        ("scale", 0, "expected a finite number of more than 0 and at most 3"),
        ("scale", float("inf"), "scale is inf"),
        ("fit", "stretch", "fit is 'stretch', expected 'crop' or 'resize'"),
        ("names", "abc", "names is 'abc', expected a list, each text"),
        ("names", [1], "expected a list, each text"),
        ("most", 1.5, "most is 1.5, expected an integer or None"),
        ("flag", 1, "flag is 1, expected True or False"),
        ("more", [1], "expected a mapping of names to values or None"),
    ],
)
def test_what_does_not_fit_is_named(name: str, value: Any, words: str) -> None:
    with pytest.raises(OptionError) as caught:
        options(**{name: value})
    assert words in str(caught.value)


def test_unknown_keywords_are_told_in_the_usual_words_and_both_as_type_and_value_errors() -> None:
    @validated
    def strict(side: int = 1) -> None: ...

    for kind in (TypeError, ValueError):
        with pytest.raises(kind, match="got an unexpected keyword argument 'sides'; did you mean 'side'"):
            strict(sides=2)
    with pytest.raises(TypeError, match="unexpected keyword argument 'frameskip'; there are: side"):
        strict(frameskip=2)


def test_subclasses_of_a_contract_check_their_constructors() -> None:
    class Thing(Validated):
        def __init__(self, size: Natural) -> None:
            self.size = size

    assert Thing(2).size == 2
    with pytest.raises(OptionError, match="size is -1, expected an integer of 0 or more"):
        Thing(-1)


@dataclass(frozen=True)
class _Inner(Options, owner="inner"):
    lr: PositiveAmount
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Outer(Options):
    inner: _Inner
    noise: Amount = 0.0
    extra: dict[str, Any] = field(default_factory=dict)


def test_a_mapping_becomes_a_dataclass_with_those_within() -> None:
    found = from_mapping(_Outer, {"inner": {"lr": 1, "names": ["a"]}, "extra": {"b": None}}, "x.json")
    assert found == _Outer(_Inner(1.0, ("a",)), 0.0, {"b": None})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (None, "x.json is None, expected the fields of _Outer"),
        ([], "x.json is [], expected the fields of _Outer"),
        ({}, "x.json: no field 'inner'"),
        ({"inner": None}, "x.json: inner is None, expected the fields of _Inner"),
        ({"inner": {}}, "x.json: inner: no field 'lr', expected a finite number of more than 0"),
        ({"inner": {"lr": 0}}, "x.json: inner: inner.lr is 0, expected a finite number of more than 0"),
        ({"inner": {"lr": 1}, "nois": 1}, "x.json: unknown field 'nois'; there are: inner, noise, extra"),
        ({"inner": {"lr": 1}, "noise": "1"}, "x.json: noise is '1', expected a finite number of 0 or more"),
        ({"inner": {"lr": 1}, "extra": 1}, "x.json: extra is 1, expected a mapping of names to values"),
    ],
)
def test_a_mapping_that_does_not_fit_names_the_file_and_the_field(values: Any, words: str) -> None:
    with pytest.raises(OptionError) as caught:
        from_mapping(_Outer, values, "x.json")
    assert words in str(caught.value)


def test_limits_are_words_for_help_texts() -> None:
    assert limits(Share) == "from 0 to 1"
    assert limits(Natural) == "0 or more"
    assert limits(PositiveAmount) == "more than 0"
    assert limits(int) == ""
    assert expectation(Annotated[int, Lt(5)]) == "an integer of at most 4"


def test_values_are_shown_short_and_printable() -> None:
    class Bad:
        def __repr__(self) -> str:
            raise RuntimeError

    assert shown(Bad()) == "an object of type Bad"
    assert shown("x" * 200).endswith(" …")
    assert len(shown("x" * 200)) == 80
    assert shown("caf\udce9").isascii()


def test_arrays_and_their_scalars_are_lists_of_numbers_and_lists_are_tuples_where_those_are_meant() -> None:
    @validated
    def taken(
        means: tuple[float, ...], more: tuple[int, ...] | None = None, pairs: list[tuple[int, int]] | None = None
    ):
        return means, more, pairs

    assert taken(np.array([0.5, 0.25]))[0] == (0.5, 0.25)
    assert taken([np.float32(0.5)], [np.int64(3)])[:2] == ((0.5,), (3,))
    assert taken([], None, [(1, 2)])[2] == [(1, 2)]
    with pytest.raises(OptionError, match="means is array"):
        taken(np.zeros((2, 2)))
    with pytest.raises(OptionError, match="means is array"):
        taken(np.array(["a"]))


def test_a_bound_that_is_not_reached_is_said_of_integers_and_of_numbers() -> None:
    assert expectation(Annotated[float, Lt(5)]) == "a finite number of less than 5"
    assert expectation(Annotated[int, Lt(5)]) == "an integer of at most 4"
