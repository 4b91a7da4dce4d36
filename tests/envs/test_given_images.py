"""Images of a caller as bytes: colours and sizes are those of the file, and shapes tell which axis is which."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gazeworld.envs.given_images import exact, listed, squares
from gazeworld.envs.validation import OptionError


def of(image: Image.Image, channels: int = 3, side: int = 4) -> np.ndarray:
    return squares(listed(image, channels), channels, side, "crop").numpy()[0]


def test_pillows_images_have_their_own_colours() -> None:
    red = Image.new("RGB", (4, 4), (200, 0, 0))
    assert (of(red) == (200, 0, 0)).all()
    assert (of(red, 1) == 60).all(), "luma: 0.299 of red"
    assert (of(Image.new("L", (4, 4), 77)) == 77).all()
    assert (of(Image.new("1", (4, 4), 1)) == 255).all()
    assert (of(Image.new("P", (4, 4), 0)) == 0).all()
    assert of(red.convert("CMYK")).shape == (4, 4, 3)
    clear = red.convert("P")
    clear.info["transparency"] = 0
    for image in (red.convert("RGBA"), Image.new("LA", (4, 4)), clear):
        with pytest.raises(OptionError, match="image 0 has transparency"):
            of(image)
    with pytest.raises(OptionError, match="one of Pillow's images, expected an array of 2 channels"):
        of(red, 2)


def test_cameras_held_on_their_side_are_set_upright(tmp_path: Path) -> None:
    ramp = Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4))
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    ramp.save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as turned:
        assert (of(turned, 1)[..., 0].ravel() == np.arange(16)[::-1]).all()


def test_the_middle_square_is_cut_and_brought_to_the_side() -> None:
    wide = np.zeros((4, 8, 3), np.uint8)
    wide[:, 2:6] = 100
    assert (squares([wide], 3, 4, "crop") == 100).all()
    squeezed = squares([wide], 3, 4, "resize")[0, 0, :, 0]
    assert squeezed[0] < squeezed[1] == squeezed[2] > squeezed[3]
    assert squares([wide], 3, 2, "crop").shape == (1, 2, 2, 3)
    assert squares(listed(wide, 3), 3, 16, "crop")[:, :, 4:12].min() == 100
    with pytest.raises(OptionError, match="image 7 has 4 x 8 pixels and 5 channels, expected 4 x 4: only grey and"):
        squares([np.zeros((4, 8, 5), np.uint8)], 5, 4, "crop", first=7)
    assert squares([np.full((4, 4, 5), 9, np.uint8)], 5, 4, "crop").shape == (1, 4, 4, 5)


@pytest.mark.parametrize("channels", [1, 3])
def test_shapes_tell_which_axis_is_which(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 6, 5, channels), dtype=np.uint8)
    for given in (pixels, pixels.transpose(0, 3, 1, 2), torch.from_numpy(pixels), list(pixels)):
        assert np.array_equal(exact(given, (channels, 6, 5)).permute(0, 2, 3, 1), pixels)
    for given in (pixels[0], pixels[0].transpose(2, 0, 1)):
        assert np.array_equal(exact(given, (channels, 6, 5)).permute(0, 2, 3, 1), pixels[:1])
    with pytest.raises(OptionError, match=r"view 0 has 6 x 5 pixels, expected 5 x 6: views are taken as they are"):
        exact(pixels, (channels, 5, 6))


def test_what_is_given_is_left_as_it_was() -> None:
    pixels = np.zeros((2, 4, 4, 1), np.uint8)
    pixels.flags.writeable = False
    found = squares(listed(pixels, 1), 1, 4, "crop")
    found += 1
    assert not pixels.any()
