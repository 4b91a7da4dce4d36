"""Maps: densities that show where something is, computed once, and refused when they are bad."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gazeworld.envs import saliency
from gazeworld.envs.files import DataError
from gazeworld.envs.images import Images
from gazeworld.envs.saliency import KINDS, centre_gaussian, image_signature, local_contrast, saliency_maps

SIDE = 48


def pictures(n: int = 4, channels: int = 3, side: int = SIDE) -> Tensor:
    """A plain background with a small blob at another place in every image; returns n h w c."""
    pixels = torch.full((n, side, side, channels), 90, dtype=torch.uint8)
    for i, (r, c) in enumerate(blobs(n, side)):
        pixels[i, r - 3 : r + 3, c - 3 : c + 3] = torch.tensor([230, 40, 60][:channels], dtype=torch.uint8)
    return pixels


def blobs(n: int, side: int = SIDE) -> list[tuple[int, int]]:
    return [(8 + 7 * i % (side - 16), side - 10 - 5 * i % (side - 16)) for i in range(n)]


def source(pixels: Tensor, maps: Tensor | None = None, fingerprint: str = "f") -> Images:
    n, c = len(pixels), pixels.shape[3]
    labels = torch.arange(n) % 3
    return Images("blobs", "train", pixels, labels, ("blob", "bleb", "blub"), (0.5,) * c, (0.2,) * c, fingerprint, maps)


def bad_maps(kind: str) -> Tensor:
    maps = torch.rand(4, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    if kind == "zero":
        maps[2] = 0
    else:
        maps[2, 5, 6] = {"nan": torch.nan, "inf": torch.inf, "negative": -0.1}[kind]
    return maps


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAZEWORLD_CACHE", str(tmp_path))


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("side", [30, 48, 96])
def test_the_signature_finds_a_blob(channels: int, side: int) -> None:
    channels_of = pictures(4, min(channels, 3), side)
    pixels = channels_of if channels < 4 else torch.cat((channels_of, channels_of[..., :1]), 3)
    maps = image_signature(pixels)
    assert maps.shape == (4, side, side)
    torch.testing.assert_close(maps.sum((1, 2)), torch.ones(4))
    assert maps.min() >= 0
    reach = side // 6
    for m, (r, c) in zip(maps, blobs(4, side), strict=True):
        near = m[max(0, r - reach) : r + reach, max(0, c - reach) : c + reach]
        peak = int(m.argmax())
        assert max(abs(peak // side - r), abs(peak % side - c)) <= 3 + 0.03 * side
        # A ninth of the image at most lies that near; the blob draws several times as much.
        assert near.sum() > 4 * near.numel() / m.numel()


def test_contrast_finds_a_blob_and_nothing_in_a_blank_image() -> None:
    maps = local_contrast(pictures(4))
    torch.testing.assert_close(maps.sum((1, 2)), torch.ones(4))
    for m, (r, c) in zip(maps, blobs(4), strict=True):
        assert m[r - 8 : r + 8, max(0, c - 8) : c + 8].sum() > 0.8
    blank = torch.full((2, SIDE, SIDE, 3), 77, dtype=torch.uint8)
    torch.testing.assert_close(local_contrast(blank), torch.full((2, SIDE, SIDE), 1 / SIDE**2))


def test_maps_of_different_images_differ() -> None:
    maps = image_signature(pictures(2)).flatten(1)
    assert torch.corrcoef(maps)[0, 1] < 0.5


def test_the_signature_is_that_of_a_naive_transform() -> None:
    from scipy.fft import dctn, idctn
    from scipy.ndimage import gaussian_filter

    noise = torch.randint(0, 256, (1, 64, 64, 1), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    image = noise[0, :, :, 0].double().numpy()
    spectrum = dctn(image - image.mean(), norm="ortho")
    picture = idctn(np.sign(spectrum) * (abs(spectrum) > 0.02), norm="ortho")
    blurred = gaussian_filter(picture**2, 3.0, mode="nearest", truncate=8)
    ours = image_signature(noise)[0].double().numpy()
    inner = (slice(16, 48),) * 2  # the border is blurred in another way
    np.testing.assert_allclose(ours[inner] / ours[inner].sum(), blurred[inner] / blurred[inner].sum(), rtol=1e-3)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (13, 200, 77)])
def test_a_blank_image_has_the_uniform_map(colour: tuple[int, ...]) -> None:
    blank = torch.tensor(colour, dtype=torch.uint8).expand(2, SIDE, SIDE, 3)
    torch.testing.assert_close(image_signature(blank), torch.full((2, SIDE, SIDE), 1 / SIDE**2))


def test_a_grey_picture_in_colour_has_the_map_of_the_grey_one() -> None:
    grey = pictures(4, 1)
    torch.testing.assert_close(image_signature(grey.expand(-1, -1, -1, 3)), image_signature(grey), atol=1e-7, rtol=1e-4)


def test_the_centre_gaussian_has_its_width_and_place() -> None:
    density = centre_gaussian(101, 0.1)
    place = (torch.arange(101) + 0.5) / 101
    assert int(density.argmax()) == 50 * 101 + 50
    torch.testing.assert_close(density.sum(), torch.tensor(1.0))
    spread = (density.sum(1) * (place - 0.5) ** 2).sum().sqrt()
    assert abs(spread - 0.1) < 1e-3
    with pytest.raises(ValueError, match="expected more than 0"):
        centre_gaussian(10, 0.0)


@pytest.mark.parametrize("sigma", [0.0, 0.2])
@pytest.mark.parametrize("kind", KINDS)
def test_all_maps_are_densities(kind: str, sigma: float) -> None:
    images = source(pictures(5), torch.rand(5, SIDE, SIDE) + 0.1)
    maps = saliency_maps(images, kind, sigma)
    assert len(maps) == (1 if kind in ("uniform", "centre") else 5)
    assert maps.dtype == torch.float32
    assert maps.min() >= 0
    torch.testing.assert_close(maps.sum((1, 2)), torch.ones(len(maps)))


def test_sigma_weights_the_map_by_a_centre_gaussian() -> None:
    images = source(pictures(3))
    weighted = saliency_maps(images, "image-signature") * centre_gaussian(SIDE, 0.2)
    torch.testing.assert_close(
        saliency_maps(images, "image-signature", 0.2), weighted / weighted.sum((1, 2), keepdim=True)
    )
    torch.testing.assert_close(saliency_maps(images, "uniform", 0.2), saliency_maps(images, "centre", 0.2))


def test_mismatched_maps_are_those_of_an_image_of_another_label() -> None:
    images = source(pictures(5), torch.rand(5, SIDE, SIDE))
    # Labels 0 1 2 0 1: in their order the images are 0 3 1 4 2, and two further on 1 4 2 0 3.
    other = torch.tensor([1, 2, 3, 4, 0])
    assert (images.labels[other] != images.labels).all()
    for kind, base in (
        ("mismatched", "image-signature"),
        ("mismatched-image-signature", "image-signature"),
        ("mismatched-contrast", "contrast"),
        ("mismatched-precomputed", "precomputed"),
    ):
        torch.testing.assert_close(saliency_maps(images, kind), saliency_maps(images, base)[other])
    with pytest.raises(DataError, match=r"blobs/train.*only 1"):
        saliency_maps(source(pictures(1)), "mismatched")
    with pytest.raises(DataError, match=r"blobs/train.*another label, but all have one"):
        saliency_maps(replace(images, labels=torch.ones(5, dtype=torch.int64)), "mismatched-contrast")


def test_other_labels_give_other_mismatched_maps() -> None:
    images = source(pictures(4))
    first = saliency_maps(images, "mismatched")
    assert not torch.equal(saliency_maps(replace(images, labels=torch.tensor([0, 0, 1, 1])), "mismatched"), first)


def test_transposed_maps_have_rows_and_columns_exchanged() -> None:
    images = source(pictures(3), torch.rand(3, SIDE, SIDE))
    for base in ("image-signature", "contrast", "precomputed"):
        for sigma in (0.0, 0.3):
            own = saliency_maps(images, base, sigma)
            torch.testing.assert_close(saliency_maps(images, f"transposed-{base}", sigma), own.transpose(1, 2))
    assert torch.equal(saliency_maps(images, "transposed"), saliency_maps(images, "transposed-image-signature"))
    for kind in ("transposed-centre", "mismatched-centre"):
        assert torch.equal(saliency_maps(images, kind), saliency_maps(images, "centre"))


def test_maps_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = image_signature
    monkeypatch.setattr(saliency, "image_signature", lambda pixels: (calls.append(len(pixels)), real(pixels))[1])
    images = source(pictures(300))
    first = saliency_maps(images, "image-signature")
    assert sum(calls) == 300
    assert len(calls) > 1, "the test should go through several chunks"
    torch.testing.assert_close(first, real(images.pixels))
    for again in (saliency_maps(images, "image-signature"), saliency_maps(source(pictures(300)), "image-signature")):
        torch.testing.assert_close(again, first)
    saliency_maps(images, "mismatched")
    saliency_maps(images, "image-signature", 0.3)
    assert sum(calls) == 300
    saliency_maps(replace(images, fingerprint="another"), "image-signature")
    saliency_maps(replace(images, split="test"), "image-signature")
    assert sum(calls) == 900
    monkeypatch.setattr(saliency, "VERSION", saliency.VERSION + 1)
    saliency_maps(images, "image-signature")
    assert sum(calls) == 1200


def test_kinds_and_widths_do_not_share_a_file() -> None:
    images = source(pictures(4), torch.rand(4, SIDE, SIDE))
    kinds = ("image-signature", "precomputed", "mismatched", "mismatched-precomputed")
    maps = [saliency_maps(images, kind, sigma) for kind in kinds for sigma in (0.0, 0.2, 0.3)]
    for i, one in enumerate(maps):
        for other in maps[:i]:
            assert not torch.allclose(one, other)


def test_precomputed_maps_are_used_where_they_lie_if_they_are_densities() -> None:
    maps = torch.rand(4, SIDE, SIDE)
    maps /= maps.sum((1, 2), keepdim=True)
    assert saliency_maps(source(pictures(), maps), "precomputed").data_ptr() == maps.data_ptr()
    torch.testing.assert_close(saliency_maps(source(pictures(), maps.double() * 3), "precomputed"), maps)


def test_other_precomputed_maps_with_the_same_images_are_not_confused() -> None:
    first, second = torch.rand(4, SIDE, SIDE), torch.rand(4, SIDE, SIDE)
    assert not torch.allclose(
        saliency_maps(source(pictures(), first), "precomputed"),
        saliency_maps(source(pictures(), second), "precomputed"),
    )


@pytest.mark.parametrize("kind", ["precomputed", "mismatched-precomputed"])
@pytest.mark.parametrize("bad", ["nan", "inf", "negative", "zero"])
def test_bad_maps_are_refused_with_source_and_image(kind: str, bad: str, tmp_path: Path) -> None:
    images = source(pictures(), bad_maps(bad))
    said = {"nan": "NaN", "inf": "infinite", "negative": "negative", "zero": "zero"}[bad]
    for sigma in (0.0, 0.2):
        with pytest.raises(DataError, match=rf"blobs/train.*image 2 .*{said}"):
            saliency_maps(images, kind, sigma)
    assert list(tmp_path.iterdir()) == []


def test_missing_and_miscounted_maps_are_refused() -> None:
    with pytest.raises(DataError, match="blobs/train: no saliency maps"):
        saliency_maps(source(pictures()), "precomputed")
    images = source(pictures(4), torch.rand(4, SIDE, SIDE))
    # The constructor refuses this too, but while tests run the shape checker is faster.
    object.__setattr__(images, "maps", torch.rand(3, SIDE, SIDE))
    with pytest.raises(DataError, match=r"blobs/train: saliency maps of shape \(3, 48, 48\), expected \(4, 48, 48\)"):
        saliency_maps(images, "precomputed")


def test_unknown_kinds_and_widths_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown saliency map 'deepgaze'; there are: uniform, centre"):
        saliency_maps(source(pictures()), "deepgaze")
    for sigma in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="sigma of the centre Gaussian"):
            saliency_maps(source(pictures()), "centre", sigma)
