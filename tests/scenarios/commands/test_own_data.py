"""Somebody's own data by `--data`: defaults that suit them, runs called after them that open from anywhere."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gazeworld.agents.runs.own_data import OwnData
from gazeworld.scenarios import _own_data, augmentation, rotation, saccade
from gazeworld.scenarios._own_data import Given
from gazeworld.scenarios.commands._main import main
from gazeworld.scenarios.commands._own_data import OwnDataArguments, fitted

TINY = [
    "--train.steps", "2", "--train.batch", "8", "--probe.online", "16", "--probe.epochs-linear", "2",
    "--probe.epochs-position", "2", "--probe.views", "2", "--probe.noise", "0", "--device", "cpu",
]  # fmt: skip


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of 60 JPEGs of 4 classes and of several sizes, below the present folder."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for i in range(60):
        place = tmp_path / "photos" / "abcd"[i % 4] / f"{i}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        low = rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)
        Image.fromarray(low).resize((60 + i % 7, 48 + i % 5)).save(place)
    return tmp_path / "photos"


def config(run: Path) -> Any:
    return json.loads((run / "config.json").read_text())


def test_photographs_train_and_open_from_anywhere(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "saccade", "--data", "photos", *TINY, "--no-evaluate"]) == 0
    run = tmp_path / "runs/saccade-photos-0"
    written = config(run)
    assert written["scenario"] == "saccade-photos"
    world = written["config"]["world"]
    assert (world["source"], world["root"], world["source_options"]) == ("folder", str(photos), {"side": 50})
    assert (world["glimpse"], written["config"]["policy"]["radius"]) == (16, 8.0)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["evaluate", str(run), "--device", "cpu", "--probe.epochs-linear", "1"]) == 0
    assert main(["watch", str(run), "--scenes", "2"]) == 0
    capsys.readouterr()
    assert main(["table", str(run)]) == 0
    assert "(saccade-photos)" in " ".join(capsys.readouterr().out.split())
    assert main(["train", str(run), "--resume", "--train.steps", "3", "--no-evaluate", "--device", "cpu"]) == 0


def test_a_sweep_over_photographs(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = [word.removeprefix("--").replace("-", "_") for word in TINY[:-2]]
    changes = [f"{key}={value}" for key, value in zip(settings[::2], settings[1::2], strict=True)]
    words = ["sweep", "saccade", "--data", str(photos), "--side", "24", "--methods", "inverse-dynamics"]
    assert main([*words, "--set", *changes, "--device", "cpu"]) == 0
    assert config(tmp_path / "runs/saccade-photos-inverse-dynamics-0")["config"]["world"]["glimpse"] == 8
    assert "inverse-dynamics in place of seq-jepa keeps encoder, dim, width" in " ".join(
        capsys.readouterr().out.split()
    )


def test_what_is_said_beside_data(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "augmentation:crop", "--data", "photos", "--side", "40", *TINY, "--no-evaluate"]
    assert main([*words, "--world.size", "36"]) == 0
    run = tmp_path / "runs/augmentation-photos-crop-0"
    written = config(run)["config"]["world"]
    assert (written["action"], written["size"], written["source_options"]) == ("crop", 36, {"side": 40})
    for given, sentence in (
        (["saccade"], "saccade learns from your own data: say --data DIR"),
        (["saccade", "--data", "nowhere"], "data is 'nowhere', and there is no such folder"),
        (["saccade", "--data", "photos", "--size", "huge"], "size is 'huge', expected 'small' or 'resnet18'"),
        (["rotation", "--data", "photos"], "at which world 'rotation' does not look; augmentation or saccade can"),
        (
            ["saccade-digits", "--data", "photos"],
            "saccade-digits has data of its own and takes no --data; augmentation,",
        ),
        (["augmentation:crop", "--data", "photos/a", "--name", run.name, "--resume"], "'augmentation-a:crop' is asked"),
        (
            ["augmentation:crop", "--data", "photos", "--resume", "--side", "40"],
            "--side: runs/augmentation-photos-crop",
        ),
    ):
        assert main(["train", *given, "--device", "cpu"]) == 2
        assert sentence in capsys.readouterr().err
    assert main(["train", "augmentation:crop", "--data", str(photos), "--resume", "--no-evaluate"]) == 0


def test_a_name_that_a_scenario_has_is_not_taken(photos: Path) -> None:
    photos.rename("digits")
    assert fitted("saccade", OwnDataArguments("digits")).name == "saccade-own-digits"
    assert fitted("saccade:uniform", OwnDataArguments("digits/a")).name == "saccade-a:uniform"


def given(scenes: int, pixels: int, views: int = 0, *, drawn: bool = False, **asked: Any) -> Given:
    source = "meshes" if drawn else "packed" if views else "folder"
    return Given(OwnData("x", source, "/x", scenes, pixels, views), **asked)


def test_defaults_grow_with_the_data() -> None:
    few, many = (saccade.fitted(saccade.scenario, given(n, 500)).train for n in (300, 100_000))
    assert (few.steps, few.batch, few.save_every) == (1000, 128, 100)
    assert (many.steps, many.batch, many.save_every) == (6000, 128, 600)
    assert saccade.fitted(saccade.scenario, given(5, 500)).train.batch == 4
    large = saccade.fitted(saccade.scenario, given(100_000, 500, size="resnet18"))
    assert (large.train.epochs, large.train.batch, large.train.lr) == (2000, 512, 4e-4)
    assert large.method["encoder"] == "cifar-resnet18"
    assert {"dim", "width", "positions"}.isdisjoint(large.method)
    assert (large.world["saliency"], large.policy["map"]) == ("image-signature", "image-signature")


def test_variants_and_views_are_fitted_too() -> None:
    blind = saccade.fitted(saccade.variants["no-conditioning"], given(300, 500))
    assert blind.method["condition_predictor"] is False
    assert augmentation.fitted(augmentation.scenario, given(300, 20)).world["size"] == 20
    short = rotation.fitted(rotation.scenario, given(30, 32, 4))
    assert (short.train.observed, short.probe.views, "source_options" in short.world) == (2, 3, False)
    drawn = rotation.fitted(rotation.scenario, given(30, 0, drawn=True, side=32))
    assert drawn.world["source_options"] == {"size": 32, "views": 20, "region": "turntable"}
    with pytest.raises(ValueError, match="side is 64, but source 'packed' has images of 32 pixels and no other"):
        rotation.fitted(rotation.scenario, given(30, 32, 4, side=64))
    assert _own_data.batch_for(1, 128) == 2
