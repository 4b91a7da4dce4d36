"""Films are what their names say, whole, and what cannot be written is said before it is drawn."""

import sys
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
import torch

from gazeworld.scenarios.reports import films, fixation_density

FRAMES = [np.full((31, 45, 3), 60 * i, np.uint8) for i in range(4)]


def test_a_gif_has_every_picture(tmp_path: Path) -> None:
    films.write(FRAMES, tmp_path / "a/film.gif", seconds=0.25)
    seen = iio.imread(tmp_path / "a/film.gif")
    assert [int(picture.mean()) for picture in seen] == [0, 60, 120, 180]
    assert iio.immeta(tmp_path / "a/film.gif")["duration"] == 250


def test_an_mp4_shows_every_picture_for_its_time(tmp_path: Path) -> None:
    av: Any = pytest.importorskip("av")
    films.write(FRAMES, tmp_path / "film.mp4", seconds=0.3)
    with av.open(str(tmp_path / "film.mp4")) as film:
        stream = film.streams.video[0]
        assert (stream.width, stream.height) == (46, 32)  # even
        seen = [float(picture.to_ndarray(format="rgb24").mean()) for picture in film.decode(stream)]
    assert seen == pytest.approx([60.0 * i for i in range(4) for _ in range(3)], abs=3)


def test_without_pyav_one_sentence_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    for path in (tmp_path / "film.mp4", tmp_path / "film.MP4"):
        with pytest.raises(ValueError, match=r"PyAV, which is not installed; pip install 'gazeworld\[report\]'"):
            films.write(FRAMES, path)
    films.require_writer(tmp_path / "film.gif")
    with pytest.raises(ValueError, match=r"written as \.gif or \.mp4, found 'no ending'"):
        films.write(FRAMES, tmp_path / "film")
    assert not list(tmp_path.iterdir())


def test_the_density_is_high_where_one_looks_and_one_on_the_average(tmp_path: Path) -> None:
    centres = torch.tensor([[[0.25, 0.75], [0.5, 0.5]]], dtype=torch.float64).repeat(9, 1, 1)
    found = fixation_density.density(centres[:, :1])
    assert found.mean() == pytest.approx(1)
    row, col = np.unravel_index(found.argmax(), found.shape)
    assert (row, col) == pytest.approx((len(found) / 4, 3 * len(found) / 4), abs=1)
    figure = fixation_density.heat_map(centres, "a run")
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["all 2 fixations", "fixation 1", "fixation 2"]
    fixation_density.animate(centres, "a run", tmp_path / "film.gif")
    assert len(iio.imread(tmp_path / "film.gif")) == 2
