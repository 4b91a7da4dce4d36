"""Every prior keeps the contract, and says what those say that it is made of."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from gazeworld.envs import check_prior, make_prior, registry
from gazeworld.envs.conformance import ConformanceError
from gazeworld.envs.files import DataError
from gazeworld.envs.fixations import Lattice
from gazeworld.envs.images import Images
from gazeworld.envs.prior import PRIORS, Prior, log_of
from gazeworld.envs.saliency import centre_gaussian, image_signature, local_contrast
from gazeworld.envs.scene_priors import fixation_prior_of
from gazeworld.envs.validation import OptionError

ELSEWHERE = {"deepgaze1", "deepgaze2e", "deepgaze3", "onnx"}  # test_deepgaze.py, test_onnx.py
OPENCV = {"spectral-residual": "StaticSaliencySpectralResidual", "fine-grained": "StaticSaliencyFineGrained"}
PLAIN = ["uniform", "centre", "image-signature", "contrast", "precomputed"]


def maps(n: int = 5, side: int = 40) -> Tensor:
    return torch.rand(n, side, side, generator=torch.Generator().manual_seed(3)) + 0.01


class Maps(ModuleType):
    """What a contrib wheel adds: algorithms that find the difference from the mean of all channels."""

    def __init__(self) -> None:
        super().__init__("saliency")
        self.seen: list[np.ndarray] = []
        for name in OPENCV.values():
            setattr(self, f"{name}_create", lambda: SimpleNamespace(computeSaliency=self._compute))

    def _compute(self, image: np.ndarray) -> tuple[bool, np.ndarray]:
        self.seen.append(image)
        return True, np.abs(image.astype(np.float32).mean(2) - image.mean()).astype(np.float32)


@pytest.fixture
def contrib(monkeypatch: pytest.MonkeyPatch) -> Maps:
    found = Maps()
    monkeypatch.setattr(cv2, "saliency", found, raising=False)
    return found


def test_every_prior_of_the_registry_is_tested() -> None:
    assert {*PLAIN, *OPENCV, "mismatched", "transposed"} | ELSEWHERE == set(registry.own_names(PRIORS))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("control", ["", "mismatched-", "transposed-"])
@pytest.mark.parametrize("name", PLAIN)
def test_every_prior_conforms(name: str, control: str, channels: int) -> None:
    check_prior(make_prior(f"{control}{name}"), channels=channels, maps=maps())


@pytest.mark.parametrize("name", OPENCV)
def test_priors_of_opencv_conform_where_it_has_them(name: str, contrib: Maps) -> None:
    for channels in (1, 3):
        check_prior(make_prior(name), channels=channels)
    pixels = torch.randint(0, 256, (1, 8, 8, 3), dtype=torch.uint8)
    contrib.seen.clear()
    make_prior(name).log_density(pixels)
    assert np.array_equal(contrib.seen[0], pixels[0].numpy()[..., ::-1]), "OpenCV's images are blue, green, red"
    blank = torch.full((2, 8, 8, 3), 77, dtype=torch.uint8)
    torch.testing.assert_close(make_prior(name).log_density(blank).exp(), torch.full((2, 8, 8), 1 / 64))
    assert make_prior(name).log_density(blank[:0]).shape == (0, 8, 8)
    with pytest.raises(OptionError, match="1 or 3 channels, and found 2"):
        make_prior(name).log_density(blank[..., :2])


@pytest.mark.parametrize("name", OPENCV)
def test_it_is_said_how_to_get_what_opencv_lacks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "saliency", raising=False)
    with pytest.raises(OptionError, match=rf"prior '{name}' needs cv2.saliency, .*opencv-contrib-python-headless"):
        make_prior(name)
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(OptionError, match=rf"prior '{name}' needs OpenCV .*`pip install"):
        make_prior(name)


@pytest.mark.skipif("saliency" not in vars(cv2), reason="needs a contrib wheel of OpenCV")
@pytest.mark.parametrize("name", OPENCV)
def test_the_algorithms_of_opencv_find_a_patch(name: str) -> None:
    pixels = torch.full((1, 64, 64, 3), 90, dtype=torch.uint8)
    pixels[0, 10:20, 40:50] = torch.tensor([250, 30, 60], dtype=torch.uint8)
    found = make_prior(name).log_density(pixels)[0].exp()
    assert found[5:25, 35:55].sum() > 3 * 20 * 20 / 64**2


def test_densities_are_the_maps_of_saliency() -> None:
    pixels = torch.randint(0, 256, (3, 40, 40, 3), dtype=torch.uint8)
    for name, expected in (
        ("uniform", torch.full((3, 40, 40), 1 / 1600)),
        ("centre", centre_gaussian(40).expand(3, -1, -1)),
        ("image-signature", image_signature(pixels)),
        ("contrast", local_contrast(pixels)),
    ):
        torch.testing.assert_close(make_prior(name).log_density(pixels).exp(), expected)
    with pytest.raises(OptionError, match="square images, and found 40 x 30"):
        make_prior("contrast").log_density(pixels[:, :, :30])


def test_a_control_that_remembers_is_told_the_past_as_it_has_to_be() -> None:
    class Last(Prior):
        """All mass at the last fixation, and a little everywhere."""

        remembers = True

        def log_density(self, images, history=None, *, index=None):
            found = torch.full(images.shape[:3], 1e-6)
            if history is not None and history.shape[1]:
                place = (history[:, -1] * images.shape[1]).long()
                found[torch.arange(len(found)), place[:, 0], place[:, 1]] = 1
            return log_of(found)

        def key(self) -> dict[str, Any]:
            return {"prior": "last"}

    pixels = torch.zeros(2, 10, 10, 1, dtype=torch.uint8)
    labels = torch.tensor([0, 1])
    images = Images("two", "train", pixels, labels, ("a", "b"), (0.5,), (0.5,), "two")
    past, index = torch.tensor([[[0.25, 0.75]], [[0.95, 0.05]]]), torch.arange(2)
    for control in ("mismatched", "transposed"):
        prior = make_prior(control)
        prior._base = Last()  # type: ignore[attr-defined]
        found = prior.bind(images).log_density(pixels, past, index=index)
        assert [divmod(int(one.argmax()), 10) for one in found] == [(2, 7), (9, 0)]


def test_precomputed_maps_of_another_size_or_none_are_refused() -> None:
    pixels = torch.zeros(2, 10, 10, 1, dtype=torch.uint8)
    images = Images("two", "train", pixels, torch.tensor([0, 1]), ("a", "b"), (0.5,), (0.5,), "two", maps(2, 10))
    prior = make_prior("precomputed")
    with pytest.raises(OptionError, match=r"'precomputed' needs a split of images to be bound to"):
        prior.log_density(pixels)
    with pytest.raises(OptionError, match=r"maps of 10 px, and was asked for images of 12 x 12"):
        prior.bind(images).log_density(torch.zeros(2, 12, 12, 1, dtype=torch.uint8), index=torch.arange(2))


def test_maps_lie_wherever_it_is_said(tmp_path: Path) -> None:
    pixels = torch.randint(0, 256, (4, 10, 10, 1), dtype=torch.uint8)
    images = Images("four", "train", pixels, torch.arange(4) % 2, ("a", "b"), (0.5,), (0.5,), "four")
    found = maps(4, 10)
    np.save(tmp_path / "saliency_train.npy", found.numpy())
    index = torch.arange(4)
    prior = make_prior("precomputed", maps=str(tmp_path)).bind(images)
    expected = found / found.sum((1, 2), keepdim=True)
    torch.testing.assert_close(prior.log_density(pixels, index=index).exp(), expected)
    lattice, options = Lattice(10, 3), {"maps": str(tmp_path)}
    for kind, order in (("precomputed", [0, 1, 2, 3]), ("mismatched-precomputed", [1, 0, 3, 2])):
        drawn = fixation_prior_of(images, kind, lattice, options=options).probabilities(index).flatten(1)
        window = lattice.window(expected[order])
        torch.testing.assert_close(drawn, window / window.sum(1, keepdim=True), atol=1e-5, rtol=0)
    np.save(tmp_path / "saliency_train.npy", found[:3].numpy())
    with pytest.raises(DataError, match=r"saliency_train.npy: "):
        fixation_prior_of(images, "precomputed", lattice, options=options)
    with pytest.raises(DataError, match=r"nowhere: not there"):
        make_prior("precomputed", maps=str(tmp_path / "nowhere")).bind(images)


class Faulty(Prior):
    """Breaks one rule."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.remembers, self.looks = fault == "remembers", fault != "looks"
        self.calls = 0

    def log_density(self, images, history=None, *, index=None):
        self.calls += 1
        found = images.float().mean(3) + 1
        if self.fault == "batch":
            found = found + 50 * len(found)
        if self.fault == "past" and history is not None:
            found = found + 100 * history.sum((1, 2))[:, None, None] * torch.arange(found.shape[1])[:, None]
        if self.fault == "writes":
            images += 1
        if self.fault == "again":
            found[:, 0] += 100 * self.calls
        result = log_of(found)
        return {"sum": result + 1, "shape": result[:, :-1], "type": result.double(), "nan": result * torch.nan}.get(
            self.fault, result
        )

    def key(self) -> dict[str, Any]:
        return {} if self.fault == "key" else {"prior": "faulty"}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("sum", "logsumexp 1 away from 0"),
        ("nan", "logsumexp nan away from 0"),
        ("shape", "of shape .5, 39, 40."),
        ("type", "float64 of shape"),
        ("batch", "depends on those beside it"),
        ("past", "remembers is False, but densities depend on the past"),
        ("remembers", "remembers is True, but two pasts have one density"),
        ("looks", "looks is False, but two images differ"),
        ("writes", "changes the images"),
        ("again", "something else when it is asked again"),
        ("key", "expected what its maps depend on"),
    ],
)
def test_faults_are_found(fault: str, said: str) -> None:
    check_prior(Faulty(""))
    with pytest.raises(ConformanceError, match=said):
        check_prior(Faulty(fault))


def test_what_is_no_prior_is_told() -> None:
    with pytest.raises(ConformanceError, match="is no Prior"):
        check_prior("contrast")
