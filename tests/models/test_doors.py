"""What methods refuse at their public doors: views that are no bytes, shapes that do not fit, sizes beyond memory."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jaxtyping
import pytest
import torch
from torch import Tensor

from gazeworld.envs import registry
from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import OptionError
from gazeworld.models.method import METHODS, Method, Predicts, WorldSpec, make_method

NAMES = registry.names(METHODS)
SIDE = 16
WORLD = WorldSpec((3, SIDE, SIDE), 2, (0.4,) * 3, (0.2,) * 3)


@pytest.fixture(autouse=True)
def _as_users_have_it() -> Iterator[None]:
    """Without the checks of annotations that the tests switch on, which would speak first."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def small(name: str, **options: Any) -> Method:
    return make_method(name, WORLD, **{"encoder": "small", "dim": 24, "width": 4, **options}).eval()


def views(b: int = 2, t: int = 2, c: int = 3, side: int = SIDE) -> Tensor:
    return torch.zeros(b, t, c, side, side, dtype=torch.uint8)


@pytest.mark.parametrize("name", NAMES)
def test_views_are_bytes_of_five_dimensions_with_the_channels_of_the_world(name: str) -> None:
    method, actions = small(name), torch.zeros(2, 1, 2)
    doors = [method.encode, lambda x: method.represent(x, actions)]
    doors += [method.goal] if isinstance(method, Predicts) else []
    for door in doors:
        door(views())
        for bad in (views().float() / 255, views().long(), views()[0], views()[None], views(c=1), views().numpy()):
            with pytest.raises(OptionError, match=r"views are .* expected a uint8 tensor of shape \(b, t, 3, h, w\)"):
                door(bad)


def test_a_grid_of_places_wants_the_side_that_it_was_made_for() -> None:
    small("seq-jepa").encode(views(side=20))
    with pytest.raises(OptionError, match=r"expected a uint8 tensor of shape \(b, t, 3, 16, 16\)"):
        small("seq-jepa", encoder="small-grid").encode(views(side=20))


@pytest.mark.parametrize(
    "actions",
    [torch.zeros(2, 2, 2), torch.zeros(2, 1, 3), torch.zeros(1, 2), torch.zeros(2, 1, 2, dtype=torch.long), [[[0.0]]]],
)
def test_actions_lead_from_view_to_view(actions: Any) -> None:
    with pytest.raises(OptionError, match=r"actions are .* shape \(2, 1, 2\) between 2 views"):
        small("byol").represent(views(), actions)


@pytest.mark.parametrize("name", [name for name in NAMES if isinstance(small(name), Predicts)])
def test_predictions_are_of_rows(name: str) -> None:
    method = small(name)
    assert isinstance(method, Predicts)
    rows, actions = torch.zeros(4, method.aggregate_dim), torch.zeros(4, 2)
    assert len(method.predict(rows, action=actions)) == 4
    for aggregate in (rows[0], rows[None], rows[:, 1:], rows.long()):
        with pytest.raises(OptionError, match="aggregate is"):
            method.predict(aggregate, actions)
    for action in (actions[:3], actions[:, :1], actions[None], actions.long()):
        with pytest.raises(OptionError, match=r"action is .* expected a float tensor of shape \(4, 2\)"):
            method.predict(rows, action)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("seq-jepa", {"dim": 2**15}, "method 'seq-jepa' with encoder='small', dim=32768, width=4 would hold"),
        ("contextssl", {"transformer_width": 2**15}, "transformer_width=32768 would hold"),
        ("sie", {"projector_out": 2**15}, "projector_out=32768 would hold"),
        ("byol", {"width": 2**15}, "width=32768 would hold"),
    ],
)
def test_what_would_not_fit_into_memory_is_refused_before_it_is_taken(name: str, options: dict, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        small(name, **options)


def test_counting_first_changes_no_weights() -> None:
    torch.manual_seed(3)
    method = small("seq-jepa")
    torch.manual_seed(3)
    options = {"encoder": "small", "dim": 24, "width": 4}
    same = registry.concrete(METHODS, "seq-jepa", Method)(WORLD, **options)
    assert all(torch.equal(x, y) for x, y in zip(method.parameters(), same.parameters(), strict=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mean": (0.4,)}, "mean is .0.4,., expected a number for each of 3 channels"),
        ({"std": (0.2, 0.2, 0.0)}, "std is"),
        ({"view_shape": (3, 16)}, "view_shape is .3, 16., expected 3 values"),
        ({"view_shape": (3, 16.0, 16)}, "view_shape is"),
        ({"action_dim": 0}, "action_dim is 0"),
        ({"dim": 24.0}, "dim is 24.0, expected an integer from 1 to 32768"),
        ({"dim": 10**9}, "dim is 1000000000, expected an integer from 1 to 32768"),
        ({"width": True}, "width is True, expected an integer"),
        ({"heads": 0}, "heads is 0, expected an integer from 1 to 256"),
        ({"layers": 10**6}, "layers is 1000000, expected an integer from 1 to 256"),
        ({"dropout": 1.0}, "dropout is 1.0, expected a finite number of 0 or more and less than 1"),
        ({"momentum": float("nan")}, "momentum is nan, expected a finite number from 0 to 1"),
        ({"positions": "no"}, "positions is 'no', expected True or False"),
    ],
)
def test_options_of_the_world_model_have_bounds(options: dict, message: str) -> None:
    dictated = {name: options[name] for name in options if name in vars(WORLD)}
    own = {name: options[name] for name in options if name not in dictated}
    with pytest.raises(OptionError, match=message):
        make_method("seq-jepa", replace(WORLD, **dictated), **{"encoder": "small", "dim": 24, "width": 4, **own})


@pytest.mark.parametrize(
    ("name", "option"), [("simclr", "temperature"), ("sen", "temperature"), ("equimod", "temperature")]
)
def test_a_temperature_is_above_zero(name: str, option: str) -> None:
    with pytest.raises(OptionError, match=f"{option} is 0, expected a finite number of more than 0"):
        small(name, **{option: 0})


def test_weights_of_losses_are_not_negative() -> None:
    for name, option in (("vicreg", "variance"), ("sie", "equivariance"), ("contextssl", "action_weight")):
        with pytest.raises(OptionError, match=f"{option} is -1.0, expected a finite number of 0 or more"):
            small(name, **{option: -1.0})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"views": torch.zeros(2, 3, 1, 4, 4)},
            "views of a stream are torch.float32 of shape .2, 3, 1, 4, 4., expected",
        ),
        ({"views": torch.zeros(2, 3, 4, 4, dtype=torch.uint8)}, "views of a stream are"),
        ({"actions": torch.zeros(2, 3, 2)}, "actions of a stream are .* expected floats of shape .2, 2, a."),
        ({"poses": torch.zeros(2, 3, 2, dtype=torch.long)}, "poses of a stream are"),
        ({"labels": torch.zeros(2)}, "labels of a stream are torch.float32 .* expected integers of shape .2,."),
        ({"scenes": torch.zeros(3, dtype=torch.long)}, "scenes of a stream are"),
        ({"views": None}, "views of a stream are NoneType"),
    ],
)
def test_streams_hold_what_they_say(change: dict, message: str) -> None:
    parts = {
        "views": torch.zeros(2, 3, 1, 4, 4, dtype=torch.uint8),
        "actions": torch.zeros(2, 2, 2),
        "poses": torch.zeros(2, 3, 2),
        "labels": torch.zeros(2, dtype=torch.long),
        "scenes": torch.zeros(2, dtype=torch.long),
    }
    assert Stream(**parts).length == 3
    with pytest.raises(OptionError, match=message):
        Stream(**{**parts, **change})
