"""What maps cost and how they look: every prior is measured or it is said why not; a sheet has a tile for each."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes.deepgaze import checkout
from PIL import Image

from gazeworld.envs import registry
from gazeworld.envs.prior import PRIORS, Prior, make_prior
from gazeworld.scenarios.bench import priors
from gazeworld.scenarios.commands import _main


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(3):
        pixels = rng.integers(0, 90, (50, 70, 3), dtype=np.uint8)
        pixels[5 + 10 * i : 15 + 10 * i, 30:40] = 250
        Image.fromarray(pixels).save(folder / f"{i}.png")
    (folder / "notes.txt").write_text("no photograph")
    return folder


def test_every_prior_is_measured_or_it_is_said_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def small(name: str, **options: Any) -> Prior:
        return make_prior(name, **options, **({"size": 32} if "weights" in options else {}))

    monkeypatch.setattr(priors, "make_prior", small)
    repo = checkout(tmp_path / "checkout")
    try:
        found = priors.priors_bench([24], 2, 0.001, repo=str(repo))
    finally:
        del sys.modules["deepgaze_pytorch"]
    assert {one.prior for one in found} == set(registry.names(PRIORS)) - {"precomputed", "mismatched", "transposed"}
    assert all((one.milliseconds > 0) != bool(one.why) for one in found)
    measured = {one.prior for one in found if not one.why}
    assert measured >= {"uniform", "centre", "image-signature", "contrast", "deepgaze1", "deepgaze2e", "deepgaze3"}
    assert "needs the option file" in capsys.readouterr().out


def test_a_sheet_shows_photographs_and_maps(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(priors, "priors_bench", lambda *given, **options: None)
    assert _main.main(["bench", "priors", "--sides", "24,32", "--seconds", "0.01"]) == 0
    names = priors.draw_sheet(photographs, tmp_path / "sheet.png")
    assert names == ["0.png", "1.png", "2.png"]
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    tile, gap, head = 112, 4, 18
    assert sheet.shape[0] == head + 3 * (tile + gap) - gap
    assert (sheet.shape[1] + gap) % (tile + gap) == 0
    for i in range(3):
        photograph = sheet[head + i * (tile + gap) :][:tile, :tile].mean(2)
        top = np.unravel_index(photograph.argmax(), photograph.shape)[0]
        assert abs(top / tile - (5 + 10 * i) / 50) < 0.3
    assert not list(tmp_path.glob("*draft*"))


def test_bad_options_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="expected a folder with photographs"):
        priors.draw_sheet(tmp_path, tmp_path / "sheet.png")
    for sides in ("0", "abc", "24,-3"):
        assert _main.main(["bench", "priors", "--sides", sides]) == 2
        assert "sides is" in capsys.readouterr().err
