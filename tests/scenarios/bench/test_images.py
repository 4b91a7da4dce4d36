"""The bench of images: its tree is ImageNet's in small, and both ways see the same pixels."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from gazeworld.envs.sources import imagenet
from gazeworld.scenarios.bench import images


def test_both_ways_see_the_same_square_of_each_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "DIFFERENT", 3)
    images.make_tree(tmp_path, 2, 3)
    ours = imagenet.load("train", str(tmp_path), 64)
    square = v2.Compose([images.middle, v2.Resize((64, 64)), v2.PILToTensor()])
    theirs = ImageFolder(str(tmp_path / "train"), square)
    assert [label for _, label in theirs.samples] == ours.labels.tolist() == [0, 0, 0, 1, 1, 1]
    for i in (0, 4):
        apart = ours.batch(torch.tensor([i]))[0].float() - theirs[i][0].permute(1, 2, 0)
        assert apart.abs().mean() < 1
    sizes = [path.stat().st_size for path in (tmp_path / "train").rglob("*.JPEG")]
    assert len(sizes) == 6
    assert 60_000 < np.mean(sizes) < 160_000


def test_the_bench_gives_what_it_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("GAZEWORLD_CACHE", str(tmp_path / "cache"))
    for name, value in (("DIFFERENT", 2), ("_BATCH", 4), ("_REPEATS", 1), ("_WORKERS", 0)):
        monkeypatch.setattr(images, name, value)
    found = images.images_bench(side=16, seconds=0.01, classes=2, per_class=6)
    assert found["images"] == 12
    assert found["ratio"] == pytest.approx(found["images_per_second"] / found["baseline_images_per_second"])
    assert all(found[name] >= 0 for name in ("first_index", "second_open", "memory_before", "memory_all"))
    assert "second open, s" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"seconds is 0\.0, expected more than 0"):
        images.images_bench(seconds=0.0)
