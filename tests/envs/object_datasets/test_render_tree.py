"""The studio: what it writes, what it says of objects that fail, and what it refuses."""

import colorsys
import errno
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes.renderer import CONFIG, Painter, broken, files, item, items, render, triangle
from PIL import Image

from gazeworld.envs.files import DataError
from gazeworld.envs.meshes.mesh import Item
from gazeworld.envs.object_datasets import contact_sheet, render_tree
from gazeworld.envs.object_datasets.render_tree import Report, StudioConfig
from gazeworld.envs.objects import rotations, splits, stage
from gazeworld.envs.objects.rotations import Region

N = 12  # objects of items()


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a run that nothing disturbed."""
    out = tmp_path_factory.mktemp("done") / "set"
    assert render(out).drawn == N
    return files(out)


def test_the_layout_is_that_of_3diebench(done: dict[str, bytes]) -> None:
    wanted = {f"{i.key}/{name}" for i in items() for k in range(5) for name in (f"image_{k}.jpg", f"latent_{k}.npy")}
    beside = {"render.json", "report.json", "split.json", "CREDITS"}
    beside |= {f"{split}_{what}.npy" for split in ("train", "val") for what in ("images", "labels")}
    assert done.keys() == wanted | beside


def test_an_image_shows_what_its_latents_say(tmp_path: Path) -> None:
    render(tmp_path / "set", things=items(1))
    folder = tmp_path / "set/chair/00"
    for i in range(5):
        numbers = np.load(folder / f"latent_{i}.npy")
        assert (numbers.shape, numbers.dtype) == ((7,), np.float32)
        with Image.open(folder / f"image_{i}.jpg") as image:
            assert (image.size, image.mode, image.format) == ((16, 16), "RGB", "JPEG")
            seen = np.asarray(image)[:8].reshape(-1, 3) / 255
        assert np.abs(seen - colorsys.hsv_to_rgb(numbers[3], 0.6, 0.8)).max() < 0.02


def test_latents_have_the_papers_ranges_and_belong_to_the_object() -> None:
    many = torch.cat([stage.of_object(Region("paper"), f"chair/{i}", 0, 50) for i in range(40)])
    low = torch.tensor([-math.pi / 2] * 3 + [0.0] * 4)
    high = torch.tensor([math.pi / 2] * 3 + [1, math.pi / 4, 2 * math.pi, 1])
    assert (many >= low - 1e-6).all()
    assert (many <= high + 1e-6).all()
    assert (many.amin(0) < low + 0.01 * (high - low)).all()
    assert (many.amax(0) > high - 0.01 * (high - low)).all()
    assert ((many.mean(0) - (low + high) / 2) / (high - low)).abs().max() < 0.03
    one = stage.of_object(Region("paper"), "chair/0", 0, 50)
    assert torch.equal(one[:7], stage.of_object(Region("paper"), "chair/0", 0, 7))
    for other in (("chair/1", 0), ("chair/0", 1)):
        assert not torch.equal(one, stage.of_object(Region("paper"), *other, 50))
    turned = stage.of_object(Region("held-out"), "chair/0", 0, 50)
    assert Region("held-out", radius=1.05).contains(rotations.from_euler(turned[:, :3])).all()


def test_splits_index_files_credits_and_report(done: dict[str, bytes], tmp_path: Path) -> None:
    for name, data in done.items():
        if "/" not in name:
            (tmp_path / name).write_bytes(data)
    split = json.loads((tmp_path / "split.json").read_text())
    assert set(split["test"]) == splits.tested(i.key for i in items())
    assert sorted(split["train"] + split["test"]) == sorted(i.key for i in items())
    for file, part in (("train", "train"), ("val", "test")):
        assert np.load(tmp_path / f"{file}_images.npy").tolist() == [f"/{key}/" for key in split[part]]
        labels = np.load(tmp_path / f"{file}_labels.npy")
        assert labels.dtype == np.int64
        assert labels.tolist() == [["chair", "table"].index(key.split("/")[0]) for key in split[part]]
    assert "chair/03: Wood & Sons, chair 3, CC0" in (tmp_path / "CREDITS").read_text()
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["objects"], report["views"], report["to do"], report["failed"]) == (N, 5 * N, 0, [])
    assert report["classes"]["chair"] == {"train": 5, "test": 1}
    assert report["renderers"] == {"painter 1": N}
    made = json.loads((tmp_path / "render.json").read_text())
    assert made["renderer"] == "painter 1"
    assert (made["settings"]["views"], made["settings"]["region"]["name"]) == (5, "paper")


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 50])
def test_one_object_of_five_is_for_the_test(count: int) -> None:
    keys = [f"chair/{i}" for i in range(count)] + [f"lamp/{i}" for i in range(20)]
    found = splits.tested(keys)
    assert sum(key.startswith("lamp") for key in found) == 4
    assert sum(key.startswith("chair") for key in found) == {1: 0, 2: 1, 3: 1, 7: 1, 8: 2, 50: 10}[count]
    assert splits.tested(reversed(keys)) == found


def test_progress_tells_of_every_object(tmp_path: Path) -> None:
    told: list[Report] = []
    render(tmp_path / "set", progress=lambda report: told.append(report) is None)
    assert [report.done for report in told] == list(range(1, N + 1))
    assert [report.last for report in told] == sorted(i.key for i in items())
    assert told[-1].views == 5 * N


def test_objects_that_fail_are_named_and_counted_and_tried_again(tmp_path: Path) -> None:
    out, good = tmp_path / "set", items(2)
    bad = [
        broken("chair/nan", DataError("chair/nan.obj: 3 vertices are not finite")),
        broken("table/gone", FileNotFoundError(errno.ENOENT, "No such file", "gone.obj")),
        item("table/black"),
    ]
    report = render(out, things=[*good, *bad])
    assert [failure.key for failure in report.failures] == ["chair/nan", "table/black", "table/gone"]
    assert (report.drawn, report.done) == (4, 7)
    written = json.loads((out / "report.json").read_text())
    reasons = {entry["object"]: entry["reason"] for entry in written["failed"]}
    assert reasons.keys() == {"chair/nan", "table/black", "table/gone"}
    assert "3 vertices are not finite" in reasons["chair/nan"]
    assert "too dark" in reasons["table/black"]
    assert "gone.obj" in reasons["table/gone"]
    assert (written["objects"], written["to do"]) == (4, 0)
    assert not (out / "chair/nan").exists()
    again = render(out, things=[*good, item("chair/nan"), *bad[1:]])
    assert (again.kept, again.drawn, len(again.failures)) == (4, 1, 2)
    assert (out / "chair/nan/image_4.jpg").is_file()
    assert len(json.loads((out / "report.json").read_text())["failed"]) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"views": 6}, "this set has views 5, asked for views 6"),
        ({"seed": 1}, "seed 0, asked for seed 1"),
        ({"region": Region("so3")}, "asked for region .*so3"),
        ({"source": "solids"}, "source"),
        ({"quality": 90}, "quality 95, asked for quality 90"),
    ],
)
def test_another_set_in_the_same_folder_is_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    out = tmp_path / "set"
    render(out, things=items(1))
    before = files(out)
    with pytest.raises(ValueError, match=rf"render\.json: .*{words}"):
        render(out, StudioConfig(**{"size": 16, "views": 5, **change}))
    assert files(out) == before


def test_a_renderer_with_other_samples_or_size_is_refused(tmp_path: Path) -> None:
    render(tmp_path / "set", things=items(1))
    with pytest.raises(ValueError, match="samples 4, asked for samples 2"):
        render_tree.render(items(1), tmp_path / "set", CONFIG, Painter(16, 2))
    with pytest.raises(ValueError, match="draws 32 px, expected the set's 16"):
        render_tree.render(items(1), tmp_path / "set", CONFIG, Painter(32))


def test_a_folder_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"not empty and without render\.json"):
        render(tmp_path)
    assert files(tmp_path) == {"notes.txt": b"mine"}
    (tmp_path / "set").mkdir()
    (tmp_path / "set/render.json").write_text("{")
    with pytest.raises(ValueError, match=r"render\.json: not a whole JSON file .*, expected what a render wrote"):
        render(tmp_path / "set")


@pytest.mark.parametrize(
    "key", ["chair", "chair/a/b", "../x", "chair/..", "chair/.hidden", "/chair/x", "chair/", "a\\b/c"]
)
def test_keys_that_would_leave_the_folder_are_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="expected a name of the form class/object"):
        render(tmp_path / "set", things=[Item(key.partition("/")[0], key, lambda: triangle(key))])
    assert not (tmp_path / "set").exists()


def test_two_objects_of_one_name_or_in_the_wrong_class_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"object 'chair/00' of class 'chair'"):
        render(tmp_path / "set", things=[item("chair/00"), item("chair/00")])
    with pytest.raises(ValueError, match=r"object 'chair/00' of class 'sofa'"):
        render(tmp_path / "set", things=[Item("sofa", "chair/00", lambda: triangle("x"))])


def test_selecting_classes_and_a_few_of_each() -> None:
    things = items(20, ("chair", "lamp", "table"))
    few = splits.select(things, limit=3)
    assert [i.category for i in few] == ["chair"] * 3 + ["lamp"] * 3 + ["table"] * 3
    more = splits.select(list(reversed(things)), limit=5)
    assert {i.key for i in few} < {i.key for i in more}
    assert {i.category for i in splits.select(things, ("lamp",))} == {"lamp"}
    assert len(splits.select(things)) == 60
    with pytest.raises(ValueError, match="no class 'boat'; there are: chair, lamp, table"):
        splits.select(things, ("lamp", "boat"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"views": 0}, "views is 0"),
        ({"size": 4}, "size is 4"),
        ({"seed": -1}, "seed is -1"),
        ({"quality": 101}, "quality is 101"),
        ({"shard": (4, 4)}, "shard is 4/4"),
        ({"shard": (-1, 4)}, "shard is -1/4"),
    ],
)
def test_impossible_settings_are_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        StudioConfig(**change)


def test_a_contact_sheet_shows_every_class(tmp_path: Path) -> None:
    render(tmp_path / "set", things=items(3, ("chair", "table", "window and door")))
    path = contact_sheet.contact_sheet(tmp_path / "set", tmp_path / "deep/sheet.png", objects=2, views=3, size=24)
    with Image.open(path) as image:
        page = np.asarray(image)
    assert page.shape[0] == 3 * 28 + 4
    step = 3 * 24 + 4
    left = page.shape[1] - 2 * step
    assert (page[:, :left].min(1) < 100).any()  # names
    for row, name in enumerate(("chair", "table", "window and door")):
        for column, key in enumerate(splits.ranked(f"{name}/{i:02d}" for i in range(3))[:2]):
            for view in range(3):
                hue = np.load(tmp_path / f"set/{key}/latent_{view}.npy")[3]
                middle = page[4 + row * 28 + 10, left + column * step + view * 24 + 12] / 255
                assert np.abs(middle - colorsys.hsv_to_rgb(hue, 0.6, 0.8)).max() < 0.03
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["sheet.png"]


def test_a_contact_sheet_of_nothing_or_of_damage(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone: no such folder"):
        contact_sheet.contact_sheet(tmp_path / "gone", tmp_path / "sheet.png")
    (tmp_path / "set").mkdir()
    with pytest.raises(DataError, match="no object found"):
        contact_sheet.contact_sheet(tmp_path / "set", tmp_path / "sheet.png")
    render(tmp_path / "two", things=items(1))
    (tmp_path / "two/table/00/image_2.jpg").write_bytes(b"half")
    with pytest.raises(DataError, match=r"table/00/image_2\.jpg: cannot be decoded"):
        contact_sheet.contact_sheet(tmp_path / "two", tmp_path / "sheet.png")
