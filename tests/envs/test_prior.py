"""Names of priors and their controls, and whose map the control of another label shows."""

import pytest
import torch
from torch import Tensor

from gazeworld.envs.files import DataError
from gazeworld.envs.plugins import UnknownNameError
from gazeworld.envs.prior import log_of, make_prior, normalised, parsed, partners, require_name
from gazeworld.envs.validation import OptionError


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([0, 1, 2, 0, 1, 2], [1, 2, 0, 4, 5, 3]),  # in their order 0 3 1 4 2 5, rotated by two
        ([7, 7, 3, 3], [2, 3, 0, 1]),
        ([0, 0, 0, 1], [3, 3, 3, 2]),  # more than half in one class: its others are given several times
        ([0, 0, 0, 1, 2], [3, 4, 3, 1, 2]),
        ([-1, -1, -1, -1], [2, 3, 0, 1]),
        ([-1, -1, -1], [1, 2, 0]),
        ([-1, 0, -1, 1], [2, 3, 0, 1]),
        ([0, 1, -1], [1, 0, 0]),
    ],
)
def test_partners_by_hand(labels: list[int], expected: list[int]) -> None:
    assert partners(torch.tensor(labels), "here").tolist() == expected


def test_partners_have_another_label_and_are_all_different_where_they_can_be() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        n, classes = (int(torch.randint(2, high, (), generator=generator)) for high in (40, 8))
        labels = torch.randint(0, classes, (n,), generator=generator)
        if len(labels.unique()) == 1:
            continue
        other = partners(labels, "here")
        assert (labels[other] != labels).all()
        if 2 * int(labels.bincount().max()) <= n:
            assert sorted(other.tolist()) == list(range(n))


@pytest.mark.parametrize(("labels", "said"), [([0], "here: .*only 1"), ([2, 2, 2], "here: .*all have one")])
def test_where_there_is_no_other_label_it_is_said(labels: list[int], said: str) -> None:
    with pytest.raises(DataError, match=said):
        partners(torch.tensor(labels), "here")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("contrast", ("", "contrast")),
        ("image_signature", ("", "image-signature")),
        ("mismatched", ("mismatched", "image-signature")),
        ("mismatched-precomputed", ("mismatched", "precomputed")),
        ("transposed_image_signature", ("transposed", "image-signature")),
        ("transposed-lab:MyPrior", ("transposed", "lab:MyPrior")),
        ("lab:MyPrior", ("", "lab:MyPrior")),
    ],
)
def test_names_say_what_a_control_is_made_of(name: str, found: tuple[str, str]) -> None:
    assert parsed(name) == found


def test_names_of_nothing_are_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown prior 'contrasts'; there are: centre, contrast.*mean 'contr"):
        make_prior("contrasts")
    with pytest.raises(UnknownNameError, match="unknown prior 'nothing'"):
        make_prior("mismatched-nothing")
    with pytest.raises(UnknownNameError, match="unknown prior 'nothing'"):
        require_name("transposed-nothing")
    with pytest.raises(OptionError, match="'transposed-mismatched-contrast' is a control of a control"):
        make_prior("transposed-mismatched-contrast")
    with pytest.raises(OptionError, match=r"prior 'centre': .*width"):
        make_prior("centre", width=3)
    with pytest.raises(OptionError, match=r"prior 'mismatched-centre': .*sigma is -1"):
        make_prior("mismatched-centre", sigma=-1)


def test_log_densities_have_logsumexp_zero() -> None:
    maps: Tensor = torch.rand(3, 5, 7)
    maps[1, 2:, 3:] = 0
    for found in (log_of(maps), normalised(maps.double().log() + 40)):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.logsumexp((1, 2)), torch.zeros(3), atol=1e-6, rtol=0)
        torch.testing.assert_close(found.exp(), maps / maps.sum((1, 2), keepdim=True))
