"""Augmented views: reported parameters are applied parameters, actions lead where they say, the rest is chance."""

import itertools
import math
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from fakes.images import SOMEWHERE, draws, images, noise, scene
from fakes.object_datasets import objects
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from PIL import Image
from stable_baselines3.common.env_checker import check_env as check_env_of_sb3
from torch import Tensor
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from torchvision.transforms import functional as F

from gazeworld.envs.conformance import check_vector_env
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import make_world
from gazeworld.envs.worlds import augmentation
from gazeworld.envs.worlds._augment import Protocol
from gazeworld.envs.worlds.augmentation import ACTIONS, AugmentationWorld

PERMUTATIONS = list(itertools.permutations(range(4)))
STRENGTHS = (0.4, 0.4, 0.2, 0.1)
TAPS = {32: 3, 48: 5, 64: 7, 24: 3, 20: 3}
CUBIC = InterpolationMode.BICUBIC
SMOOTH = 40  # side of pictures that are smooth enough to compare with what is rounded on the way


def reapplied(image: Any, pose: Tensor, side: int, size: int) -> Any:
    """One image under the parameters that a pose reports: torchvision's functions, one after the other."""
    top, left, height, width = (pose[:4].double() * side).round().long().tolist()
    image = F.resized_crop(image, top, left, height, width, [size, size], CUBIC, antialias=True)
    image = image.clamp(0, 1) if isinstance(image, Tensor) else image
    image = F.hflip(image) if pose[9] == 1 else image
    turns = [s * (2 * p - 1) for s, p in zip(STRENGTHS, pose[4:8].double().tolist(), strict=True)]
    for operation in PERMUTATIONS[round(float(pose[12]) * 23)]:
        if operation == 3:
            image = F.adjust_hue(image, turns[3])
        else:
            adjust = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation)[operation]
            image = adjust(image, 1 + turns[operation])
    coloured = not isinstance(image, Tensor) or len(image) == 3
    image = F.rgb_to_grayscale(image, 3) if pose[10] == 1 and coloured else image
    if pose[8] > 0:
        image = F.gaussian_blur(image, [TAPS[size]] * 2, [2 * float(pose[8])] * 2)
    if pose[11] == 1:
        image = F.solarize(image, 128 / 255 if isinstance(image, Tensor) else 128)
    return image


def varied(world: AugmentationWorld, n: int) -> Tensor:
    """Poses of the protocol; the first fifty are random numbers made legal: strong, and with every flag set."""
    anything = world.snap(SOMEWHERE, draws(50, 3).uniform(13))
    return torch.cat((anything, world.random_pose(SOMEWHERE, draws(n - 50))))


@pytest.mark.parametrize(("side", "size", "c"), [(32, 32, 3), (24, 48, 3), (48, 24, 3), (32, 32, 1), (20, 20, 3)])
def test_the_parameters_reported_are_those_applied(side: int, size: int, c: int) -> None:
    source = noise(n=9, side=side, c=c)
    world = AugmentationWorld(source, size=size)
    poses = varied(world, 200)
    index = torch.arange(200) % 9
    views = world.look(scene(9, index), poses)
    assert views.permute(0, 2, 3, 1).is_contiguous()
    for view, i, pose in zip(views, index, poses, strict=True):
        image = source.pixels[i].permute(2, 0, 1).float() / 255
        expected = reapplied(image, pose, side, size) * 255
        # Half a level is rounded at the end, and torchvision's grey is 0.01 % darker than Pillow's; solarising turns
        # that into one level where it decides.
        assert (view.float() - expected).abs().max() < (1.06 if pose[11] else 0.56)


def test_pillow_gives_nearly_the_same() -> None:
    """EquiMod's own pipeline rounds to bytes after each operation and has 256 hues; smooth pictures, in the mean."""
    coarse = noise(n=9, side=4).pixels.permute(0, 3, 1, 2).float()
    smooth = torch.nn.functional.interpolate(coarse, size=(SMOOTH, SMOOTH), mode="bilinear").round().to(torch.uint8)
    source = images(smooth.permute(0, 2, 3, 1).contiguous())
    world = AugmentationWorld(source, size=32)
    poses = world.random_pose(SOMEWHERE, draws(90))
    index = torch.arange(90) % 9
    for view, i, pose in zip(world.look(scene(9, index), poses), index, poses, strict=True):
        picture = reapplied(Image.fromarray(source.pixels[i].numpy()), pose, SMOOTH, 32)
        apart = np.abs(np.asarray(picture, float) - view.permute(1, 2, 0).numpy())
        assert apart.mean() < 3


def test_the_middle_is_the_image_itself() -> None:
    source = noise(side=24)
    world = AugmentationWorld(source)
    pose = torch.tensor(world.middle).expand(7, 13)
    assert torch.equal(world.snap(SOMEWHERE, pose), pose)
    assert torch.equal(world.look(scene(7, torch.arange(7)), pose), source.pixels.permute(0, 3, 1, 2))


def test_a_crop_shows_its_part_and_a_flip_turns_it_round() -> None:
    pixels = torch.zeros(1, 40, 40, 1, dtype=torch.uint8)
    pixels[0, 4:24, 16:36] = 200  # a square, bright above its diagonal
    pixels[0, 4:24, 16:36, 0] += torch.ones(20, 20, dtype=torch.uint8).triu() * 50
    world = AugmentationWorld(images(pixels), size=20)
    pose = torch.tensor([world.middle])
    pose[0, :4] = torch.tensor([4.0, 16.0, 20.0, 20.0]) / 40
    view = world.look(scene(1, torch.tensor([0])), pose)[0, 0]
    assert torch.equal(view, pixels[0, 4:24, 16:36, 0])
    pose[0, 9] = 1
    assert torch.equal(world.look(scene(1, torch.tensor([0])), pose)[0, 0], view.flip(1))
    assert torch.equal(world.frame(pose), torch.tensor([[0.1, 0.4, 0.6, 0.9]]))
    picture = world.picture(scene(1, torch.tensor([0])), 0)
    assert picture is not None
    assert torch.equal(picture, pixels[0].expand(40, 40, 3))


@pytest.mark.parametrize("c", [1, 3])
@pytest.mark.parametrize("action", ACTIONS)
def test_moves_lead_where_differences_say(action: str, c: int) -> None:
    """Exactly, in what the action names; everything else stays until `land` draws it anew."""
    world = AugmentationWorld(noise(side=23, c=c), action=action)
    p, q = (world.random_pose(SOMEWHERE, draws(500, seed)) for seed in (0, 1))
    step = world.difference(p, q)
    assert step.shape == (500, world.action_dim)
    assert float(step.abs().max()) <= 1
    assert (step.std(0) > 0.05).all()  # nothing is named that cannot vary
    there = world.move(SOMEWHERE, p, step)
    named = {"crop": range(4), "jitter": range(4, 8), "blur": [8], "all": range(9)}[action]
    for number in range(13):
        assert torch.equal(there[:, number], (q if number in named else p)[:, number]), number
    landed = world.land(SOMEWHERE, there, draws(500, 2))
    assert torch.equal(world.difference(p, landed), step)
    for number in (n for n in range(13) if n not in named):
        if c == 3 or number not in (6, 7, 10):
            assert (landed[:, number] != there[:, number]).any(), number
    assert torch.equal(world.snap(SOMEWHERE, landed), landed)


def test_the_sizes_of_actions() -> None:
    coloured, grey = noise(), noise(c=1)
    sizes = {(c, a): AugmentationWorld(s, action=a).action_dim for c, s in ((3, coloured), (1, grey)) for a in ACTIONS}
    assert [sizes[3, a] for a in ACTIONS] == [4, 4, 1, 9]
    assert [sizes[1, a] for a in ACTIONS] == [4, 2, 1, 7]  # a grey image has neither saturation nor hue
    assert AugmentationWorld(coloured, action="jitter", protocol={"hue": 0.0}).action_dim == 3


def test_moves_stop_at_the_border_and_crops_stay_as_large_as_the_protocol_s() -> None:
    world = AugmentationWorld(noise(side=40), action="crop")
    whole = torch.tensor([world.middle] * 3)
    step = torch.tensor([[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, -1.0, -0.5], [0.3, 0.0, 0.004, -0.1]])
    least = round(40 * math.sqrt(0.2 * 0.75))
    expected = torch.tensor([[0, 0, 40, 40], [40 - least, 20, least, 20], [0, 0, 40, 36]]) / 40
    assert torch.equal(world.move(SOMEWHERE, whole, step)[:, :4], expected)


def test_a_batch_equals_its_rows_one_by_one() -> None:
    for options in ({}, {"size": 40}, {"action": "jitter"}):
        for c in (1, 3):
            world = AugmentationWorld(noise(side=24, c=c), **options)
            rng = draws(140)  # more than are looked at together
            whole = world.sample(140, rng)
            action = 2 * rng.fold(9).uniform(world.action_dim) - 1
            landed = world.land(whole, world.move(whole, whole.pose, action), rng.fold(8))
            views = world.look(whole, landed)
            for i in range(0, 140, 17):
                row = torch.tensor([i])
                one = world.sample(1, rng[row])
                assert torch.equal(one.pose, whole.pose[row])
                assert torch.equal(one.label, world.images.labels[one.index])
                aim = world.move(one, one.pose, action[row])
                assert torch.equal(world.land(one, aim, rng[row].fold(8)), landed[row])
                assert torch.equal(world.look(one, landed[row]), views[row])


def share(values: Tensor) -> float:
    return float(values.double().mean())


@pytest.mark.parametrize(
    ("kind", "blurred", "solarised"), [("observed", 1, 0), ("predicted", 0.1, 0.2), ("either", 0.55, 0.1)]
)
def test_poses_have_the_protocol_s_probabilities(kind: str, blurred: float, solarised: float) -> None:
    n = 6000
    world = AugmentationWorld(noise(side=32), kind=kind)
    pose = world.random_pose(SOMEWHERE, draws(n))
    still = (pose[:, 4:8] == 0.5).all(1)
    for found, wanted in (
        (~still, 0.8),
        (pose[:, 8] > 0, blurred),
        (pose[:, 9], 0.5),
        (pose[:, 10], 0.2),
        (pose[:, 11], solarised),
        (pose[~still, 12] == 0, 1 / 24),
    ):
        assert abs(share(found) - wanted) <= 5 * math.sqrt(wanted * (1 - wanted) / n)
    assert (pose[still, 12] == 0).all()
    moving = pose[~still]
    assert set((moving[:, 12] * 23).round().long().tolist()) == set(range(24))
    assert (moving[:, 4:8].mean(0) - 0.5).abs().max() < 5 * math.sqrt(1 / 12 / len(moving))
    assert (moving[:, 4:8].std(0) - math.sqrt(1 / 12)).abs().max() < 0.02
    assert moving[:, 4:8].min() < 0.01
    assert moving[:, 4:8].max() > 0.99
    sigma = 2 * pose[pose[:, 8] > 0, 8]
    assert sigma.min() >= 0.1
    assert sigma.max() <= 2
    assert abs(share(sigma) - 1.05) < 5 * 1.9 / math.sqrt(12 * len(sigma))
    if kind == "either":  # a view is of one kind, whole
        assert abs(share(pose[:, 8][pose[:, 11] == 1] > 0) - 0.1) < 5 * math.sqrt(0.09 / (0.1 * n))


@pytest.mark.parametrize("changes", [{}, {"scale": [0.9, 1.0], "ratio": [0.5, 2.0]}])
def test_crops_are_distributed_as_torchvision_s(changes: dict) -> None:
    """The second protocol misses often and falls back to the whole image now and then."""
    n, side, protocol = 4000, 32, Protocol(**{k: tuple(v) for k, v in changes.items()})
    world = AugmentationWorld(noise(side=side), protocol=changes)
    ours = world.random_pose(SOMEWHERE, draws(n))[:, :4].double() * side
    torch.manual_seed(0)
    blank = torch.zeros(1, side, side)
    drawn = [RandomResizedCrop.get_params(blank, list(protocol.scale), list(protocol.ratio)) for _ in range(n)]
    theirs = torch.tensor(drawn, dtype=torch.float64)
    for ours_i, theirs_i in zip(ours.T, theirs.T, strict=True):
        values = torch.arange(side + 1)
        apart = [(x[:, None] <= values + 0.5).double().mean(0) for x in (ours_i, theirs_i)]
        assert (apart[0] - apart[1]).abs().max() < 2.2 * math.sqrt(2 / n)  # Kolmogorov and Smirnov: p = 1e-4
    assert ((ours[:, 2:] == side).all(1)).double().mean() - ((theirs[:, 2:] == side).all(1)).double().mean() < 0.03


def test_quantities_are_the_groups_and_what_actions_name_comes_first() -> None:
    heads = {"crop": "mlp", "jitter": "mlp", "blur": "linear"}
    for action in ACTIONS:
        world = AugmentationWorld(noise(), action=action)
        found = world.quantities()
        assert {q.name: q.head for q in found} == heads
        assert found[0].name == ("crop" if action == "all" else action)
        p, q = (world.random_pose(SOMEWHERE, draws(5, seed)) for seed in (0, 1))
        for quantity, columns in zip(world.quantities(), found, strict=True):
            places = {"crop": slice(0, 4), "jitter": slice(4, 8), "blur": slice(8, 9)}[columns.name]
            assert torch.equal(quantity.of(p), p[:, places])
            assert torch.equal(quantity.between(p, q), q[:, places] - p[:, places])
    jitter = AugmentationWorld(noise(c=1), action="jitter").quantities()[0]
    assert jitter.of(torch.zeros(2, 13)).shape == (2, 2)


def make(n: int, mode: AutoresetMode, **options: Any) -> ActiveVisionVectorEnv:
    source = noise(n=50, side=24, c=options.pop("c", 3))
    return ActiveVisionVectorEnv(
        n, "augmentation", source=source, episode_steps=3, autoreset_mode=mode, render_mode="rgb_array", **options
    )


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("options", [{}, {"action": "blur", "c": 1}, {"action": "crop", "size": 36}])
def test_vector_environments_conform(mode: AutoresetMode, options: dict) -> None:
    factory = partial(make, mode=mode, **options)
    check_vector_env(factory(3), factory=factory)


def test_gymnasium_and_stable_baselines3_find_no_fault() -> None:
    small = {"split": "test", "source_options": {"variants": 1}}
    env = gymnasium.make("gazeworld.envs:gazeworld/Augmentation-v0", render_mode="rgb_array", **small)
    check_env(env.unwrapped)
    check_env_of_sb3(gymnasium.make("gazeworld/Augmentation-v0", action="crop", **small).unwrapped, warn=True)
    many = gymnasium.make_vec("gazeworld/Augmentation-v0", 2, vectorization_mode="vector_entry_point", **small)
    assert many.single_action_space.shape == (7,)  # digits are grey
    many.reset(seed=0)
    many.step(many.action_space.sample())


def test_nuisance_changes_at_every_step_and_what_is_commanded_is_executed() -> None:
    env = make(4, AutoresetMode.NEXT_STEP, action="crop")
    before, _ = env.reset(seed=0)
    for _ in range(3):
        action = np.full((4, 4), 0.0, np.float32)
        after, _, _, _, info = env.step(action)
        assert np.array_equal(after["pose"][:, :4], before["pose"][:, :4])
        assert (after["pose"][:, 4:] != before["pose"][:, 4:]).any(1).all()
        assert not info["executed"].any()
        assert not info["commanded"].any()
        before = after
    frames = env.render()
    assert frames is not None
    assert len({frame.tobytes() for frame in frames}) == 4


def test_a_reset_can_ask_for_any_augmentation() -> None:
    env = make(2, AutoresetMode.NEXT_STEP)
    world = env.world
    assert isinstance(world, AugmentationWorld)
    seen, info = env.reset(seed=0, options={"pose": np.array(world.middle, np.float32), "scene": 7})
    assert np.array_equal(seen["view"][0], world.images.pixels[7].numpy())
    assert info["scene"].tolist() == [7, 7]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"action": "flip"}, "action is 'flip', expected 'crop', 'jitter', 'blur' or 'all'"),
        ({"kind": "last"}, "kind is 'last', expected 'either', 'observed' or 'predicted'"),
        ({"size": 1}, "size is 1 pixels, expected more than half of the 3 taps"),
        ({"protocol": {"colour": 1}}, r"unknown field 'colour'; there are: scale"),
        ({"protocol": {"scale": [0.5, 0.2]}}, r"scale is \(0.5, 0.2\)"),
        ({"protocol": {"scale": 0.5}}, "scale is 0.5, expected 2 values"),
        ({"protocol": {"ratio": [1.5, 2]}}, "ratio is"),
        ({"protocol": {"hue": 0.6}}, "hue is 0.6, expected a finite number from 0 to 0.5"),
        (
            {"protocol": {"blur": [0.5, 1.5]}},
            r"blur is .0.5, 1.5., expected 2 values, each a finite number from 0 to 1",
        ),
        ({"protocol": {"kernel": 4}}, "kernel is 4"),
        (
            {"action": "jitter", "protocol": {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}},
            "changes none of its parameters",
        ),
        ({"source": noise(c=2)}, "images of 2 channels, expected 1"),
        ({"sauce": 1}, "world 'augmentation'.*sauce"),
    ],
)
def test_impossible_options_are_refused_in_one_sentence(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_world("augmentation", **{"source": noise(side=24), **options})


def test_objects_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augmentation, "load_source", lambda *_: objects())
    with pytest.raises(ValueError, match="looks at images, and source 'shapes' holds objects"):
        AugmentationWorld("shapes")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("c", [1, 3])
def test_a_gpu_shows_the_same(c: int) -> None:
    """To one grey level: a GPU rounds functions such as exp differently."""
    here, there = (AugmentationWorld(noise(side=24, c=c), device=d) for d in ("cpu", "cuda"))
    rng = draws(300)
    on = type(rng)(rng.keys.cuda())
    one, other = here.sample(300, rng), there.sample(300, on)
    torch.testing.assert_close(one.pose, other.pose.cpu(), rtol=0, atol=2.0**-15)
    apart = here.look(one, one.pose).int() - there.look(one, one.pose.cuda()).cpu().int()
    assert apart.abs().max() <= 1
