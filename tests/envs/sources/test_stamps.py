"""Cut-outs before something else: a scene is a function of its number, its mask is exact, splits share no object."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes.stamps import FEW, colour, draw_photographs, draw_stamps, stamp
from PIL import Image

from gazeworld.envs.conformance import check_source
from gazeworld.envs.files import DataError
from gazeworld.envs.images import LazyImages, load_source
from gazeworld.envs.rng import Draws
from gazeworld.envs.sources._stamp_grounds import Noise, photographs
from gazeworld.envs.sources._stamp_objects import CLASSES, listing
from gazeworld.envs.validation import OptionError
from gazeworld.envs.world import Scene
from gazeworld.envs.worlds.saccade import SaccadeWorld

SMALL = {"side": 32, "scenes": 600}
ALL = torch.arange(300)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_stamps(tmp_path_factory.mktemp("stamps"))


def load(root: Path, split: str = "train", **options: Any) -> LazyImages:
    return load_source("stamps", split, root, **{**SMALL, **options})


def test_every_class_has_a_fifth_of_its_objects_in_the_test_split(root: Path) -> None:
    rows = listing(root)
    assert len(rows) == FEW * len(CLASSES)
    for label in range(len(CLASSES)):
        assert sum(tested for _, one, tested in rows if one == label) == round(FEW / 5)


def test_photographs_of_one_object_stay_together_and_drawings_are_left_out(tmp_path: Path) -> None:
    draw_stamps(tmp_path)
    for name in (
        "animals/birds/thinga_mirror", "animals/birds/alone_left", "animals/birds/cartoon/tux",
        "animals/mammals/bears/toys/teddy", "animals/mammals/echidna", "animals/mammals/pig_golden",
        "animals/mammals/pig_golden2", "animals/mammals/aquatic/otter", "plants/trees/oak", "military/tank",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        stamp((9, 9, 9), 10, 10).save(tmp_path / f"{name}.png")
    rows = {name: (CLASSES[label], tested) for name, label, tested in listing(tmp_path)}
    assert "animals/birds/thinga_mirror.png" not in rows, "its original is there"
    assert rows["animals/birds/alone_left.png"][0] == "bird"
    assert not [name for name in rows if "cartoon" in name or "toys" in name or "echidna" in name]
    assert rows["animals/mammals/pig_golden.png"] == rows["animals/mammals/pig_golden2.png"]
    assert rows["animals/mammals/pig_golden.png"][0] == "hoofed mammal", "a file named alone goes before its folder"
    assert rows["animals/mammals/aquatic/otter.png"][0] == "furred mammal"
    assert rows["plants/trees/oak.png"][0] == "plant"
    assert "military/tank.png" not in rows


@pytest.mark.parametrize("behind", ["plain", "noise"])
def test_a_scene_is_a_function_of_its_number_split_and_seed(root: Path, behind: str) -> None:
    images = load(root, behind=behind)
    some = torch.tensor([5, 3, 599, 5])
    batch = images.batch(some)
    assert (batch.shape, batch.dtype) == ((4, 32, 32, 3), torch.uint8)
    assert all(np.array_equal(images.read(int(i)), batch[k].numpy()) for k, i in enumerate(some))
    again = load(root, behind=behind)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(again.read, range(40)))
    assert np.array_equal(np.stack(found), images.batch(torch.arange(40)).numpy())
    assert again.fingerprint == images.fingerprint
    for others in (load(root, "test", behind=behind), load(root, behind=behind, seed=1)):
        assert not torch.equal(others.batch(some), batch)
        assert others.fingerprint != images.fingerprint


def test_the_first_scenes_stay_the_same_however_many_there_are(root: Path) -> None:
    few, many = load(root), load(root, scenes=2**18)
    assert len(many) == 2**18
    assert torch.equal(many.labels[:600], few.labels)
    assert torch.equal(many.batch(ALL[:5]), few.batch(ALL[:5]))


def test_labels_say_what_is_shown_and_classes_are_equally_frequent(root: Path) -> None:
    images = load(root, behind="plain", light=0.0)
    pixels, masks = images.batch(ALL).float(), images.masks(ALL)
    assert masks.flatten(1).any(1).all()
    seen = torch.stack([one[mask].mean(0) for one, mask in zip(pixels, masks, strict=True)])
    known = torch.tensor([colour(label) for label in range(len(CLASSES))]).float()
    assert torch.equal(torch.cdist(seen, known).argmin(1), images.labels[:300])
    assert images.labels.bincount(minlength=len(CLASSES)).min() > 25  # 50 each, give or take 7


def test_the_mask_is_where_the_object_is(root: Path) -> None:
    images = load(root, behind="plain", light=0.0)
    there = (images.batch(ALL) != 128).any(-1)
    assert torch.equal(images.masks(ALL), there), "rectangles have no soft rim"
    rows, columns = there.any(2), there.any(1)
    longest = torch.maximum(rows.sum(1), columns.sum(1))
    assert longest.min() >= round(0.4 * 32) - 1
    assert longest.max() <= round(0.62 * 32) + 1
    assert longest.unique().numel() > 5
    at = torch.arange(32.0)
    middle = (rows * at).sum(1) / rows.sum(1)
    assert middle.min() < 9
    assert middle.max() > 22
    assert abs(float(middle.mean()) - 15.5) < 1


def test_light_and_mirror_change_the_object_alone(tmp_path: Path) -> None:
    draw_stamps(tmp_path)
    for path in tmp_path.rglob("*.png"):  # left half dark, right half bright
        pixels = np.full((20, 20, 4), 255, np.uint8)
        pixels[:, :10, :3], pixels[:, 10:, :3] = 20, 100
        Image.fromarray(pixels).save(path)
    images = load(tmp_path, behind="plain", light=0.5)
    pixels, masks = images.batch(ALL)[..., 0].float(), images.masks(ALL)
    assert bool((pixels[~masks] == 128).all())
    at = torch.arange(32.0)
    leans = torch.stack([(one * mask * at).sum() / (one * mask).sum() - (mask * at).sum() / mask.sum()
                         for one, mask in zip(pixels, masks, strict=True)])  # fmt: skip
    assert 0.4 < float((leans > 0).float().mean()) < 0.6, "half of them are mirrored"
    brightest = torch.stack([one[mask].max() for one, mask in zip(pixels, masks, strict=True)])
    assert brightest.min() < 60
    assert brightest.max() > 140
    still = load(tmp_path, behind="plain", light=0.0, mirror=False)
    pixels, masks = still.batch(ALL[:50])[..., 0].float(), still.masks(ALL[:50])
    assert {int(one[mask].max()) for one, mask in zip(pixels, masks, strict=True)} == {100}
    assert all(one[mask][0] < one[mask][-1] for one, mask in zip(pixels, masks, strict=True))


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0])
def test_noise_falls_with_frequency_as_asked(slope: float) -> None:
    noise = Noise(slope, 0.1, 0.03, 0.0)
    scenes = np.stack([noise(Draws.rows(i, 1), 64) for i in range(40)]) / 255.0
    grey = scenes.mean(-1)
    power = (np.abs(np.fft.fft2(grey - 0.5)) ** 2).mean(0)
    f = np.hypot(*np.meshgrid(np.fft.fftfreq(64), np.fft.fftfreq(64)))
    used = (f > 0) & (f < 0.3)
    found = -0.5 * np.polyfit(np.log(f[used]), np.log(power[used]), 1)[0]
    assert found == pytest.approx(slope, abs=0.1)
    assert grey.std() == pytest.approx(0.1, rel=0.1)
    assert grey.mean() == pytest.approx(0.5, abs=0.01)
    warm = scenes[..., 0] - grey
    assert warm.std() == pytest.approx(0.03, rel=0.15)
    assert abs(np.corrcoef(warm.ravel(), grey.ravel())[0, 1]) < 0.1


def test_photographs_for_testing_are_others(root: Path, tmp_path: Path) -> None:
    folder = draw_photographs(tmp_path / "mine", 10)
    seen = {}
    for split, count in (("train", 8), ("test", 2)):
        images = load(root, split, behind="photos", backgrounds=[str(folder)])
        pixels, masks = images.batch(ALL[:150]), images.masks(ALL[:150])
        seen[split] = set(pixels[~masks][:, 0].tolist())
        assert len(seen[split]) == count
    assert seen["train"] | seen["test"] == {10 + 20 * i for i in range(10)}


def test_parts_of_photographs_are_upright_and_of_many_sizes(tmp_path: Path) -> None:
    ramp = np.zeros((90, 300, 3), np.uint8)  # rows in red, columns in green, blue says which is which
    ramp[..., 0] = np.arange(90)[:, None] * 2
    ramp[..., 1] = np.arange(300)[None] * 0.8
    ramp[..., 2] = 200
    for name in "ab":
        Image.fromarray(ramp).save(tmp_path / f"{name}.png")
    found = photographs("train", [str(tmp_path)], 30)
    parts = np.stack([found(Draws.rows(i, 1), 30) for i in range(200)]).astype(float)
    assert np.array_equal(parts[..., 2], np.full((200, 30, 30), 200.0))
    down, right = parts[:, -1, :, 0] - parts[:, 0, :, 0], parts[:, :, -1, 1] - parts[:, :, 0, 1]
    assert bool((down > 0).all())
    assert 60 < (right[:, 0] < 0).sum() < 140, "half of them are mirrored"
    heights = down.mean(1)
    assert heights.min() < 70
    assert heights.max() > 160
    assert np.allclose(np.abs(right).mean(1) / 0.8, heights / 2, atol=6), "as wide as high"
    lying = Image.fromarray(ramp)
    exif = lying.getexif()
    exif[0x0112] = 6
    for name in "ab":
        lying.save(tmp_path / f"{name}.png", exif=exif)
    assert all(whole.shape == (300, 90, 3) for whole in photographs("train", [str(tmp_path)], 30).pixels)


def damage(root: Path, how: str) -> None:
    bird = root / "animals/birds/thingb.png"
    match how:
        case "truncated":
            bird.write_bytes(bird.read_bytes()[:60])
        case "no png":
            Image.new("RGB", (8, 8)).save(bird, "JPEG")
        case "no alpha":
            Image.new("RGB", (8, 8)).save(bird)
        case "empty":
            Image.new("RGBA", (8, 8), (9, 9, 9, 100)).save(bird)
        case "few":
            for name in "abc":
                (root / f"animals/birds/thing{name}.png").unlink()
        case _:
            raise ValueError(how)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("truncated", r"thingb\.png: cannot be decoded \(.*\), expected a PNG with an alpha channel"),
        ("no png", r"thingb\.png: cannot be decoded \(in no format .*\), expected a PNG with an alpha channel"),
        ("no alpha", r"thingb\.png: RGB without transparency, expected a PNG with an alpha channel: a cut-out"),
        ("empty", r"thingb\.png: opaque nowhere, expected a PNG"),
        ("few", r"3 photographs for class 'bird' in animals/birds, expected 5 or more, as `apt install tuxpaint-"),
    ],
)
def test_damaged_stamps_are_named(tmp_path: Path, how: str, said: str) -> None:
    draw_stamps(tmp_path)
    damage(tmp_path, how)
    with pytest.raises(DataError, match=said):
        load(tmp_path)


def test_what_is_missing_is_said_with_the_way_to_get_it(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere is no folder, .* `apt install tuxpaint-stamps-default`, or say with"):
        load(tmp_path / "nowhere")
    for name, said in (("nowhere", "no folder, expected one with photographs"), ("", "no image found, expected photo")):
        with pytest.raises(DataError, match=said):
            load(root, behind="photos", backgrounds=[str(tmp_path / name)])
    draw_photographs(tmp_path, 1)
    with pytest.raises(DataError, match=r"photo0\.png: the only photograph, expected two or more"):
        load(root, behind="photos", backgrounds=[str(tmp_path)])
    draw_photographs(tmp_path, 2)
    (tmp_path / "photo1.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"photo1\.png: cannot be decoded"):
        load(root, "test", behind="photos", backgrounds=[str(tmp_path)])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"smallest": 0.7}, r"smallest=0\.7 is more than largest=0\.62"),
        ({"backgrounds": ["x"]}, r"backgrounds are named, and behind is 'noise'; expected 'photos'"),
        ({"behind": "grey"}, r"stamps\.behind is 'grey', expected 'plain', 'noise' or 'photos'"),
        ({"scenes": 0}, r"stamps\.scenes is 0, expected an integer from 1 to 67108864"),
        ({"side": 4}, r"stamps\.side is 4"),
    ],
)
def test_impossible_options_are_refused(root: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        load(root, **options)
    with pytest.raises(ValueError, match=r"source 'stamps': unknown split 'valid'; there are: test, train"):
        load(root, "valid")


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_source_conforms(root: Path, split: str) -> None:
    assert len(check_source("stamps", split=split, root=str(root), **SMALL)) == 600


def test_a_world_looks_at_scenes_and_says_where_the_object_is(root: Path) -> None:
    world = SaccadeWorld("stamps", "test", root, glimpse=12, source_options={**SMALL, "behind": "plain", "light": 0.0})
    index = torch.arange(40)
    masks = world.masks(index)
    assert masks is not None
    poses = torch.full((40, 2), 0.5)
    seen = world.look(Scene(index, world.labels[index], poses), world.snap(Scene(index, index, poses), poses))
    assert torch.equal((seen != 128).any(1), masks[:, 10:22, 10:22])
