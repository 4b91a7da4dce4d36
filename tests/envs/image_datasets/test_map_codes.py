"""Maps in one byte a pixel: what is lost has a bound, and it is kept by maps of all kinds."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from gazeworld.envs.files import DataError
from gazeworld.envs.image_datasets import map_codes
from gazeworld.envs.saliency import centre_gaussian


def distance(first: Tensor, second: Tensor) -> Tensor:
    """Total variation distance of maps (n h w)."""
    return 0.5 * (first - second).abs().sum((1, 2))


def there_and_back(maps: Tensor) -> Tensor:
    side = maps.shape[1]
    return map_codes.decode(map_codes.encode(maps.log(), side), side)


def test_a_row_by_hand() -> None:
    maps = torch.tensor([[[0.0, 1.0], [math.e**-1, math.e**-2]]])
    rows = map_codes.encode(maps.log(), 2)
    assert rows.shape == (1, 8)
    assert rows[0, :4].view("<f4")[0] == pytest.approx(2)  # nats from the largest value to the smallest above zero
    assert rows[0, 4:].tolist() == [0, 255, 128, 1]
    total = 1 + math.e**-1 + math.e**-2
    expected = torch.tensor([[[0.0, 1.0], [math.e**-1, math.e**-2]]]) / total
    assert torch.allclose(map_codes.decode(rows, 2), expected, atol=1e-6)


@pytest.mark.parametrize("sharpness", [0.01, 0.5, 2.0, 5.0, 12.0])
@pytest.mark.parametrize("side", [3, 40, 224])
def test_the_error_keeps_its_bound(sharpness: float, side: int) -> None:
    generator = torch.Generator().manual_seed(side)
    logs = torch.randn(4, side, side, generator=generator) * sharpness
    maps = torch.softmax(logs.flatten(1), 1).view(4, side, side)
    maps[0][torch.rand(side, side, generator=generator) < 0.3] = 0
    maps[0, 0, 0] = 0.5
    maps /= maps.sum((1, 2), keepdim=True)
    found = there_and_back(maps)
    spans = [float(np.ptp(np.log(m[m > 0]))) for m in maps.numpy()]
    for error, span in zip(distance(found, maps), spans, strict=True):
        assert error <= map_codes.bound(side, min(span, map_codes.MOST)) + 1e-5
    assert map_codes.bound(224) < 0.0191
    assert torch.equal(found == 0, maps == 0)
    assert torch.allclose(found.sum((1, 2)), torch.ones(4), atol=1e-5)


def test_log_densities_are_off_by_at_most_a_step() -> None:
    centre = centre_gaussian(96)[None]
    found = there_and_back(centre)
    span = float((centre.max() / centre.min()).log())
    assert (found.log() - centre.log()).abs().max() <= span / 254
    assert distance(found, centre)[0] < 0.003


def test_a_uniform_map_and_a_single_pixel_come_back_as_they_were() -> None:
    uniform, point = torch.full((1, 5, 5), 0.04), torch.zeros(1, 5, 5)
    point[0, 1, 3] = 1
    assert torch.allclose(there_and_back(uniform), uniform)
    assert torch.equal(there_and_back(point), point)


def test_larger_maps_are_averaged_and_come_back_at_their_side() -> None:
    maps = torch.softmax(torch.arange(16.0), 0).view(1, 4, 4)
    small = map_codes.decode(map_codes.encode(maps.log(), 2), 2)
    expected = torch.stack([part.sum() for rows in maps[0].split(2) for part in rows.split(2, 1)]).view(1, 2, 2)
    assert distance(small, expected)[0] < map_codes.bound(2)
    large = map_codes.enlarged(small, 4)
    assert large.shape == (1, 4, 4)
    assert large.sum() == pytest.approx(1)
    assert [map_codes.stored_side(side) for side in (500, 96)] == [224, 96]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_no_density_is_refused(bad: float) -> None:
    logs = torch.zeros(2, 3, 3)
    logs[1, 2, 2] = bad
    with pytest.raises(ValueError, match="NaN or \\+inf"):
        map_codes.encode(logs, 3)
    with pytest.raises(ValueError, match="-inf everywhere"):
        map_codes.encode(torch.full((1, 3, 3), -math.inf), 3)


def test_a_row_of_noise_is_no_map() -> None:
    rows = np.zeros((1, 13), np.uint8)
    with pytest.raises(DataError, match="no stored map"):
        map_codes.decode(rows, 3)
    rows[:, :4] = np.array([99.0], "<f4").view(np.uint8)
    rows[:, 4:] = 255
    with pytest.raises(DataError, match="no stored map"):
        map_codes.decode(rows, 3)
