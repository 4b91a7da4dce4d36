"""`gazeworld data` over images, as a person meets it: killed and gone on with, and one sentence for mistakes."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gazeworld.agents.runs.own_data import own_data
from gazeworld.envs.files import DataError
from gazeworld.scenarios.commands._main import main

TESTS = str(Path(__file__).parents[2])
PRIOR = "fakes.priors:Brightness"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of thirty small JPEGs in two classes."""
    root = tmp_path_factory.mktemp("data") / "photos"
    for split, n in (("train", 24), ("test", 6)):
        for i in range(n):
            file = root / split / ("cat", "dog")[i % 2] / f"{i}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(i).integers(0, 256, (6, 8, 3), np.uint8)
            Image.fromarray(pixels).resize((40, 32)).save(file)
    return root


def sums(folder: Path) -> dict[str, str]:
    """Every file below a folder, by the SHA-256 of its bytes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def killed(module: str, function: str, at: int, words: list[str]) -> int:
    """Exit code of `gazeworld data WORDS`, killed at the call of a function of a module that has the number `at`."""
    code = (
        f"import os, signal, sys; sys.path.insert(0, {TESTS!r})\n"
        f"import {module} as module\n"
        "from gazeworld.scenarios.commands._main import main\n"
        f"usual, calls = module.{function}, iter(range(10**6))\n"
        "def watched(*given, **options):\n"
        f"    if next(calls) == {at}: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return usual(*given, **options)\n"
        f"module.{function} = watched\n"
        f"sys.exit(main(['data', *{words!r}]))"
    )
    return subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode


Say = Callable[..., tuple[int, str]]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Say:
    """`gazeworld data WORDS`: its exit code and what it said."""
    monkeypatch.setenv("COLUMNS", "400")

    def run(*words: str | Path) -> tuple[int, str]:
        code = main(["data", *map(str, words)])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


@pytest.mark.parametrize("layout", ["compact", "stl10"])
def test_maps_are_computed_and_stay(photos: Path, tmp_path: Path, say: Say, layout: str) -> None:
    words = (
        "saliency",
        photos,
        "--side",
        "16",
        "--out",
        tmp_path,
        "--model",
        PRIOR,
        "--batch",
        "5",
        "--format",
        layout,
    )
    code, said = say(*words)
    assert (code, "24 maps computed in" in said, "maps/s" in said) == (0, True, True)
    assert f"written: {tmp_path / 'train'}: 24 maps by {PRIOR}" in said
    before = sums(tmp_path)
    assert say(*words)[1].startswith("0 maps computed")
    assert sums(tmp_path) == before


def test_kills_and_restarts_of_saliency_give_the_same_bytes(photos: Path, tmp_path: Path, say: Say) -> None:
    words = ["saliency", str(photos), "--side", "16", "--model", PRIOR, "--batch", "5", "--out"]
    assert say(*words, tmp_path / "whole")[0] == 0
    module, out = "gazeworld.envs.resumable", tmp_path / "out"
    for at in (3, 5):  # the log begins with its plan; then each batch is written, and said to be there
        assert killed(module, "append", at, [*words, str(out)]) == -9
        assert not (out / "train/maps.json").exists()
    code, said = say(*words, out)
    assert (code, said.partition(" maps")[0]) == (0, "9")  # of 24, three batches of five were whole
    assert sums(out) == sums(tmp_path / "whole")


MISTAKES = {
    "no such model": (["--model", "nowhere"], "unknown prior 'nowhere'"),
    "no such option": (["--model", f"{PRIOR}:strength=2"], "strength"),
    "no such split": (["--model", PRIOR, "--split", "val"], "no split 'val'"),
    "no such device": (["--model", PRIOR, "--device", "toaster"], "toaster"),
    "a shard of another form": (["--model", PRIOR, "--shard", "4"], "shard is '4', expected a form like 0/4"),
    "a shard beyond": (["--model", PRIOR, "--shard", "4/4"], "shard is 4/4"),
    "gaps": (["--model", PRIOR, "--merge"], "the maps of images 0 … 23 are missing (1 of 1 parts)"),
}


@pytest.mark.parametrize(("words", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_told_in_one_sentence(
    photos: Path, tmp_path: Path, say: Say, words: list[str], sentence: str
) -> None:
    code, said = say("saliency", photos, "--side", "16", "--out", tmp_path, *words)
    assert code == 2
    assert said.count("\n") == 1
    assert sentence in said


def test_maps_of_objects_are_refused(tmp_path: Path, say: Say) -> None:
    code, said = say("saliency", "solids", "--out", tmp_path, "--model", PRIOR)
    assert (code, "'solids'" in said) == (2, True)


@pytest.mark.parametrize("form", ["jpeg", "raw"])
def test_images_are_packed_killed_and_read(
    photos: Path, tmp_path: Path, say: Say, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    words = ["pack", str(photos), "--side", "16", "--format", form, "--out"]
    code, said = say(*words, tmp_path / "whole", "--check")
    assert code == 0
    assert "24 train, 6 test images at 16 px" in said
    assert "checksums compared" in said
    out = tmp_path / "out"
    for module, function, at in (
        ("gazeworld.envs.resumable", "append", 2),
        ("gazeworld.envs.image_datasets.pack_images", "write_bytes", 1),
        ("gazeworld.envs.image_datasets.pack_images", "_tidy", 0),
    ):
        assert killed(module, function, at, [*words, str(out)]) == -9
    assert say(*words, out)[0] == 0
    assert sums(out) == sums(tmp_path / "whole")
    assert say("saliency", out, "--out", tmp_path / "maps", "--model", PRIOR)[0] == 0
    monkeypatch.setattr("gazeworld.envs.image_datasets.packed_images.FORMAT", 2)
    assert "format 1, expected 2; pack again" in say(*words, out)[1]


def test_a_world_of_objects_does_not_take_packed_images(photos: Path, tmp_path: Path, say: Say) -> None:
    assert say("pack", photos, "--side", "16", "--out", tmp_path)[0] == 0
    found = own_data(str(tmp_path), "saccade")
    assert (found.source, found.scenes, found.side, found.views) == ("packed", 24, 16, 0)
    with pytest.raises(DataError, match=r"holds images .*at which world 'rotation' does not look"):
        own_data(str(tmp_path), "rotation")


def test_a_source_and_its_maps_are_checked(photos: Path, tmp_path: Path, say: Say) -> None:
    for split in ("train", "test"):
        words = ("--side", "16", "--out", tmp_path / "maps", "--model", PRIOR, "--split", split)
        assert say("saliency", photos, *words)[0] == 0
    code, said = say("check", photos, "--side", "16", "--maps", tmp_path / "maps")
    assert code == 0
    assert "train: 24 images of 16 px, 2 classes, 24 saliency maps, of different images correlated by 0." in said
    assert "test: 6 images of 16 px" in said
    assert "no fault found" in said
    file = tmp_path / "maps/train/maps_00000.npy"
    file.write_bytes(file.read_bytes()[:-3] + b"abc")
    code, said = say("check", photos, "--side", "16", "--maps", tmp_path / "maps")
    assert code == 1
    assert f"train: {file}: checksum" in said
    assert "no fault found" not in said
    code, said = say("check", photos, "--side", "24", "--maps", tmp_path / "maps")
    assert (code, "for images of 16 px, expected 24 px" in said) == (1, True)


def test_a_packed_store_is_checked(photos: Path, tmp_path: Path, say: Say) -> None:
    assert say("pack", photos, "--side", "16", "--out", tmp_path)[0] == 0
    assert say("check", tmp_path)[0] == 0
    file = tmp_path / "test_00000.jpegs"
    data = bytearray(file.read_bytes())
    data[:3] = b"abc"
    file.write_bytes(data)
    code, said = say("check", tmp_path)
    assert code == 1
    assert f"{file}: checksum" in said
    assert "test_00000.jpegs: image 0 cannot be decoded" in said
    assert "2 faults" in said
