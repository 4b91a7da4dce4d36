"""Files become the right pixels or an error that names them: odd kinds, rotations, damage; points go with pixels."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from gazeworld.envs.files import DataError
from gazeworld.envs.image_datasets.decoding import SquaredFiles, decode, size_of
from gazeworld.envs.image_datasets.geometry import Geometry

SMOOTH = np.indices((30, 48)).astype(np.uint8)
PICTURE = np.stack((SMOOTH[0] * 8, SMOOTH[1] * 5, np.full((30, 48), 60, np.uint8)), 2)  # red grows down, green right


def save(path: Path, pixels: np.ndarray = PICTURE, kind: str = "JPEG", mode: str = "RGB", orientation: int = 1) -> Path:
    exif = Image.Exif()
    exif[0x0112] = orientation
    more = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    if orientation != 1:
        more["exif"] = exif
    Image.fromarray(pixels).convert(mode).save(path, kind, **more)
    return path


def by_pillow(path: Path, side: int) -> np.ndarray:
    """The middle square, in whole pixels, by Pillow alone."""
    with Image.open(path) as file:
        image = ImageOps.exif_transpose(file).convert("RGB")
    edge = min(image.size)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    box = (left, top, left + edge, top + edge)
    return np.asarray(image.crop(box).resize((side, side), Image.Resampling.BILINEAR)).astype(int)


@pytest.mark.parametrize("side", [10, 30, 45])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_are_those_of_pillow_however_the_file_is_turned(tmp_path: Path, side: int, orientation: int) -> None:
    path = save(tmp_path / "a.JPEG", PICTURE[:, :47], orientation=orientation)
    found = decode(path, Geometry(side))
    assert found.shape == (side, side, 3)
    assert np.abs(found.astype(int) - by_pillow(path, side)).max() <= 3
    assert size_of(path) == ((30, 47) if orientation > 4 else (47, 30))


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "L"), ("PNG", "P"), ("GIF", "P"), ("JPEG", "L"), ("JPEG", "CMYK"),
     ("WEBP", "RGB"), ("TIFF", "RGB"), ("BMP", "RGB"), ("PNG", "1")],
)  # fmt: skip
def test_any_kind_of_file_decodes_whatever_its_name_ends_in(tmp_path: Path, kind: str, mode: str) -> None:
    path = save(tmp_path / "a.JPEG", kind=kind, mode=mode)
    expected = by_pillow(path, 20)
    assert np.abs(decode(path, Geometry(20)).astype(int) - expected).max() <= 3
    if mode == "L":
        assert (np.ptp(decode(path, Geometry(20)), 2) == 0).all()


def test_progressive_files_and_bytes_after_the_end_are_whole(tmp_path: Path) -> None:
    Image.fromarray(PICTURE).save(tmp_path / "a.jpg", "JPEG", progressive=True)
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes() + bytes(100))
    assert np.abs(decode(tmp_path / "a.jpg", Geometry(20)).astype(int) - by_pillow(tmp_path / "a.jpg", 20)).max() <= 3


def test_squeezing_keeps_everything(tmp_path: Path) -> None:
    found = decode(save(tmp_path / "a.png", kind="PNG"), Geometry(48, "resize"))
    assert found[:, 0, 1].max() <= 2
    assert found[:, -1, 1].min() >= 233
    assert found[-1, :, 0].min() >= 230


def test_damaged_files_are_named(tmp_path: Path) -> None:
    whole = save(tmp_path / "whole.jpg", np.tile(PICTURE, (8, 8, 1))).read_bytes()
    thumbnail = io.BytesIO()
    Image.fromarray(PICTURE).save(thumbnail, "JPEG")  # a whole JPEG inside of a file's head has an end marker, too
    comment = b"\xff\xfe" + (len(thumbnail.getvalue()) + 2).to_bytes(2, "big") + thumbnail.getvalue()
    for name, data, said in (
        ("half", whole[: len(whole) // 2], r"breaks off after \d+ bytes"),
        ("almost", whole[:-2], "its end marker is missing"),
        ("commented", whole[:2] + comment + whole[2:-20], "its end marker is missing"),
        ("head", whole[:100], "cannot be decoded"),
        ("empty", b"", "in no format that Pillow knows"),
        ("text", b"no image at all", "in no format that Pillow knows"),
    ):
        path = tmp_path / f"{name}.jpg"
        path.write_bytes(data)
        with pytest.raises(DataError, match=rf"{name}\.jpg: .*{said}"):
            decode(path, Geometry(8))
    with pytest.raises(DataError, match=r"gone\.jpg: not there"):
        decode(tmp_path / "gone.jpg", Geometry(8))
    Image.fromarray(SMOOTH[0].astype(np.uint16) * 1000).save(tmp_path / "deep.png")
    with pytest.raises(DataError, match=r"deep\.png: Pillow's mode I;16, expected at most 8 bits"):
        decode(tmp_path / "deep.png", Geometry(8))


def test_no_damage_passes_for_anything_but_an_image_or_an_error(tmp_path: Path) -> None:
    whole, rng = save(tmp_path / "a.jpg").read_bytes(), np.random.default_rng(0)
    for i in range(150):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), 3):
            data[at] = rng.integers(256)
        path = tmp_path / "b.jpg"
        path.write_bytes(data[: rng.integers(len(data))] if i % 3 == 0 else data)
        try:
            found = decode(path, Geometry(8))
        except DataError:
            continue
        assert found.shape == (8, 8, 3)


@pytest.mark.parametrize(("fit", "orientation"), [("crop", 1), ("crop", 6), ("resize", 1), ("resize", 8)])
def test_a_point_goes_where_its_pixel_goes(tmp_path: Path, fit: str, orientation: int) -> None:
    dark = np.zeros((40, 61, 3), np.uint8)
    dark[20:24, 32:36] = 255
    path = save(tmp_path / "a.png", dark, "PNG", orientation=orientation)
    turned = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    row, column = (np.argwhere(turned[..., 0] > 0) + 0.5).mean(0)
    files = SquaredFiles(tmp_path, ["a.png"], Geometry(40, fit))
    place = files.places(0, np.array([[column, row]]))[0]
    seen = decode(path, files.geometry)[..., 0].astype(float)
    centre = [(seen.sum(1 - axis) * (np.arange(40) + 0.5)).sum() / seen.sum() / 40 for axis in (0, 1)]
    assert np.abs(place - centre).max() < 0.004
    w, h = files.size(0)
    assert (h, w) == turned.shape[:2]
    cut = files.places(0, np.array([[0.0, h / 2], [w, h / 2]] if w > h else [[w / 2, 0.0], [w / 2, h]]))
    assert (bool((cut < 0).any()), bool((cut > 1).any())) == ((fit == "crop"),) * 2
