"""Geometry of saccades, by oracles: what a fixation shows, where a move leads, what is random and what is not."""

from pathlib import Path

import numpy as np
import pytest
import torch
from fakes.images import SOMEWHERE, draws, images, noise, ramp, scene
from torch import Tensor

from gazeworld.envs.images import Images
from gazeworld.envs.world import make_world, require_prior
from gazeworld.envs.worlds._crops import Crops
from gazeworld.envs.worlds.saccade import SaccadeWorld

SHAPES = [(24, 8, "inside"), (24, 7, "inside"), (24, 8, "zeros"), (23, 7, "zeros"), (24, 24, "inside"), (9, 1, "zeros")]


def legal(world: SaccadeWorld) -> Tensor:
    """Every legal coordinate."""
    tops = torch.arange(world.lattice.low, world.lattice.low + world.lattice.count)
    return ((tops.double() + world.glimpse / 2) / world.side).float()


def crop(source: Images, index: int, top: int, left: int, f: int) -> Tensor:
    """A crop pixel by pixel; c h w, 0 outside."""
    side = source.side
    out = torch.zeros(source.pixels.shape[3], f, f, dtype=torch.uint8)
    for i in range(f):
        for j in range(f):
            if 0 <= top + i < side and 0 <= left + j < side:
                out[:, i, j] = source.pixels[index, top + i, left + j]
    return out


def test_a_fixation_shows_the_pixels_around_it_rows_first() -> None:
    """The released code shows (column, row) instead; an asymmetric ramp tells."""
    world = SaccadeWorld(ramp(12), glimpse=4)
    pose = torch.tensor([[3.0 / 12, 8.0 / 12]])
    view = world.look(scene(1, torch.tensor([0])), pose)[0]
    assert view[0, :, 0].tolist() == [10, 20, 30, 40]  # rows 1 … 4, whose centre is 3.0
    assert view[1, 0].tolist() == [60, 70, 80, 90]  # columns 6 … 9, whose centre is 8.0
    assert (view[2] == 7).all()


def test_a_glimpse_as_large_as_the_image_is_the_image() -> None:
    source = noise()
    world = SaccadeWorld(source, glimpse=24)
    start = world.sample(20, draws(20))
    assert (start.pose == 0.5).all()
    assert torch.equal(world.look(start, start.pose), source.pixels[start.index].permute(0, 3, 1, 2))


@pytest.mark.parametrize("f", [5, 6])
def test_a_bright_pixel_that_is_looked_at_lands_in_the_middle(f: int) -> None:
    pixels = torch.zeros(1, 20, 20, 1, dtype=torch.uint8)
    pixels[0, 13, 6] = 255
    world = SaccadeWorld(images(pixels), glimpse=f)
    centre = torch.tensor([[13, 6]]) + (0.5 if f % 2 else 0.0)  # of an even glimpse: the edge between two pixels
    view = world.look(scene(1, torch.tensor([0])), centre.float() / 20)
    assert view[0, 0].nonzero().tolist() == [[f // 2, f // 2]]


@pytest.mark.parametrize(("side", "f", "padding"), SHAPES)
def test_views_are_crops_and_read_zero_outside(side: int, f: int, padding: str) -> None:
    source = noise(side=side)
    world = SaccadeWorld(source, glimpse=f, padding=padding)
    places = legal(world)[torch.tensor([0, -1, world.lattice.count // 2, world.lattice.count // 3])]
    pose = torch.cartesian_prod(places, places)
    index = torch.arange(len(pose)) % len(source)
    views = world.look(scene(world.size, index), pose)
    for view, i, place in zip(views, index.tolist(), pose.double(), strict=True):
        top, left = (place * side - f / 2).round().long().tolist()
        assert torch.equal(view, crop(source, i, top, left, f))
    assert (views == 0).any() == (padding == "zeros" and f > 1)
    assert views.shape == (len(pose), *world.view_shape)
    assert views.permute(0, 2, 3, 1).is_contiguous()


@pytest.mark.parametrize(("side", "f", "padding"), SHAPES)
def test_move_and_difference_are_exact_inverses(side: int, f: int, padding: str) -> None:
    world = SaccadeWorld(noise(side=side), glimpse=f, padding=padding)
    places = legal(world)
    p, q = torch.cartesian_prod(places, places).unbind(1)
    rows, columns = torch.stack((p, q.flip(0)), 1), torch.stack((q, p.flip(0)), 1)
    assert torch.equal(world.move(SOMEWHERE, rows, world.difference(rows, columns)), columns)
    low, high = world.pose_bounds
    assert places.min() >= low
    assert places.max() <= high


def test_move_snaps_to_whole_pixels_and_stops_at_the_border() -> None:
    world = SaccadeWorld(noise(side=24), glimpse=8)
    pose = torch.tensor([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]])
    action = torch.tensor([[0.4 / 24, -0.6 / 24], [1.0, -1.0], [2.2 / 24, 0.0]])
    expected = torch.tensor([[12.0, 11.0], [20.0, 4.0], [14.0, 12.0]]) / 24
    assert torch.equal(world.move(SOMEWHERE, pose, action), expected)


def test_a_batch_equals_its_rows_one_by_one() -> None:
    for options in (
        {},
        {"padding": "zeros"},
        {"observe": ["periphery", "saliency"]},
        {"first": "saliency", "noise": 0.1},
    ):
        world = SaccadeWorld(noise(side=24), **options)
        rng = draws(9)
        whole = world.sample(9, rng)
        action = rng.fold(9).uniform(2) - 0.5
        landed = world.land(whole, world.move(whole, whole.pose, action), rng.fold(8))
        views, extra = world.look(whole, landed), world.observe(whole, landed)
        for i in range(9):
            row = torch.tensor([i])
            one = world.sample(1, rng[row])
            assert torch.equal(one.index, whole.index[row])
            assert torch.equal(one.label, world.images.labels[one.index])
            assert torch.equal(one.pose, whole.pose[row])
            assert torch.equal(world.land(one, world.move(one, one.pose, action[row]), rng[row].fold(8)), landed[row])
            assert torch.equal(world.look(one, landed[row]), views[row])
            for key, value in world.observe(one, landed[row]).items():
                assert torch.equal(value, extra[key][row])


def test_first_fixations() -> None:
    source, n = noise(side=24), 4000
    assert (SaccadeWorld(source, first="centre").sample(n, draws(n)).pose == 0.5).all()
    world = SaccadeWorld(source, glimpse=22)
    poses = world.sample(n, draws(n)).pose
    places, counts = poses.unique(dim=0, return_counts=True)
    assert set(places.flatten().tolist()) == set(legal(world).tolist())
    assert len(counts) == 9  # 3 x 3 crops, equally likely
    assert (counts - n / 9).abs().max() < 5 * (n / 9) ** 0.5
    pixels = torch.zeros(2, 24, 24, 1, dtype=torch.uint8)
    pixels[0, 3:6, 16:19], pixels[1, 16:19, 3:6] = 255, 255
    world = SaccadeWorld(images(pixels), glimpse=6, first="saliency")
    start = world.sample(n, draws(n))
    first, second = (start.pose[start.index == i].mean(0) for i in (0, 1))
    assert first[0] < 0.45 < 0.55 < first[1]  # above and to the right
    assert second[1] < 0.45 < 0.55 < second[0]


def test_motor_noise_has_the_spread_it_says_and_moves_without_it_do_not() -> None:
    source, n = noise(side=200, n=1), 3000
    world = SaccadeWorld(source, glimpse=20, noise=0.05)
    pose, action = torch.full((n, 2), 0.5), torch.full((n, 2), 0.1)
    aim = world.move(SOMEWHERE, pose, action)
    error = world.difference(aim, world.land(SOMEWHERE, aim, draws(n)))
    assert (error.mean(0).abs() < 5 * 0.05 / n**0.5).all()
    assert (error.std(0) - 0.05).abs().max() < 5 * 0.05 / (2 * n) ** 0.5
    assert abs(float((error[:, 0] * error[:, 1]).mean())) < 5 * 0.05**2 / n**0.5
    still = SaccadeWorld(source, glimpse=20)
    assert still.land(SOMEWHERE, aim, draws(n)) is aim
    assert world.noisy
    assert not still.noisy


def test_images_in_the_order_of_stl10_are_looked_at_in_place(tmp_path: Path) -> None:
    """A memory-mapped file of n channel column row: equal views, and nothing is copied."""
    stored = np.random.default_rng(0).integers(1, 256, (5, 3, 16, 16), dtype=np.uint8)
    stored.tofile(tmp_path / "x.bin")
    mapped = np.memmap(tmp_path / "x.bin", np.uint8, mode="c", shape=stored.shape)
    strided = torch.from_numpy(mapped).permute(0, 3, 2, 1)
    assert not strided.is_contiguous()
    for padding in ("inside", "zeros"):
        here = SaccadeWorld(images(strided), glimpse=5, padding=padding)
        there = SaccadeWorld(images(strided.contiguous()), glimpse=5, padding=padding)
        start = there.sample(50, draws(50))
        views = here.look(start, start.pose)
        assert torch.equal(views, there.look(start, start.pose))
        assert views.permute(0, 2, 3, 1).is_contiguous()
    assert here._store.pixels.data_ptr() == mapped.ctypes.data


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 3, 1, 2), (0, 3, 2, 1), (0, 2, 1, 3), (0, 1, 3, 2)])
@pytest.mark.parametrize("c", [1, 3])
def test_crops_do_not_depend_on_the_order_of_storage(order: tuple[int, ...], c: int) -> None:
    pixels = noise(side=11, c=c).pixels
    other = pixels.permute(order).contiguous().permute(*np.argsort(order).tolist())
    assert torch.equal(pixels, other)
    index, tops = draws(40).integers(7)[:, 0], draws(40, 1).integers(11 - 4 + 1, 2)
    assert torch.equal(Crops(other, 4)(index, tops), Crops(pixels, 4)(index, tops))
    assert torch.equal(Crops(pixels[2:, 1:, 2:10], 4)(index[:1] * 0, tops[:1] * 0)[0], pixels[2, 1:5, 2:6])


def test_saliency_and_periphery_are_observed() -> None:
    pixels = torch.zeros(2, 24, 24, 3, dtype=torch.uint8)
    pixels[0, 4:8, 16:20], pixels[1, :12] = 200, 100
    world = SaccadeWorld(images(pixels), glimpse=8, observe=["saliency", "periphery"])
    start = scene(2, torch.tensor([0, 1]))
    seen = world.observe(start, start.pose)
    spaces = world.extra_spaces()
    for key, value in seen.items():
        assert value.shape[1:] == spaces[key][0]
        assert value.dtype == torch.uint8
    assert seen["saliency"].flatten(1).amax(1).tolist() == [255, 255]
    peak = divmod(int(seen["saliency"][0].argmax()), 24)
    assert 2 <= peak[0] <= 9
    assert 14 <= peak[1] <= 21
    assert seen["periphery"].shape == (2, 2, 2, 3)
    assert seen["periphery"][1, :, :, 0].tolist() == [[100, 100], [0, 0]]


def test_pictures_and_frames_for_people() -> None:
    grey = SaccadeWorld(noise(c=1), glimpse=8, padding="zeros")
    start = scene(7, torch.tensor([3, 1]))
    picture = grey.picture(start, 1)
    assert picture is not None
    assert torch.equal(picture, grey.images.pixels[1].expand(24, 24, 3))
    frame = grey.frame(torch.tensor([[0.5, 0.25]]))
    assert frame is not None
    torch.testing.assert_close(frame * 24, torch.tensor([[8.0, 2.0, 16.0, 10.0]]))


def test_priors_are_made_once_and_on_the_lattice_of_the_world() -> None:
    world = SaccadeWorld(noise(), glimpse=8)
    assert require_prior(world, "this test", "centre") is world.prior("centre")
    assert world.prior("centre", 0.0) is world.prior("centre")
    assert world.prior("centre", 0.1) is not world.prior("centre")
    poses = require_prior(world, "this test", "image-signature").sample(torch.arange(7), draws(7))
    assert torch.equal(world.snap(SOMEWHERE, poses), poses)


def test_the_default_glimpse_is_a_third_of_the_side() -> None:
    assert SaccadeWorld(noise(side=96, n=1)).glimpse == 32  # appendix A.1
    assert SaccadeWorld(noise(side=2, n=1)).glimpse == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"glimpse": 25}, "glimpse of 25 px on images of 24 px"),
        ({"glimpse": -1}, "glimpse is -1, expected an integer from 0"),
        ({"padding": "mirror"}, "padding is 'mirror'"),
        ({"noise": -0.1}, "noise is -0.1"),
        ({"noise": float("nan")}, "noise is nan"),
        ({"first": "left"}, "first is 'left'"),
        ({"observe": ["depth"]}, r"observe is .'depth'., expected a list, each 'saliency' or 'periphery'"),
        ({"first": "saliency", "saliency": "deep"}, "unknown prior 'deep'; there are: centre"),
        ({"observe": ["saliency"], "saliency": "precomputed"}, "no saliency maps came with the images"),
        ({"sauce": 1}, "world 'saccade'.*sauce"),
        ({"source": "nowhere"}, "unknown source 'nowhere'; there are: .*digits"),
        ({"source": "folder", "root": "/no/such/place"}, "/no/such/place"),
    ],
)
def test_impossible_options_are_refused_in_one_sentence(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_world("saccade", **{"source": noise(side=24), **options})


def test_unknown_worlds_are_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown world 'sacade'; there are: .*saccade"):
        make_world("sacade")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("padding", ["inside", "zeros"])
def test_a_gpu_shows_the_same(padding: str) -> None:
    source = noise(side=24)
    here, there = (SaccadeWorld(source, padding=padding, noise=0.05, device=d) for d in ("cpu", "cuda"))
    rng = draws(300)
    on = type(rng)(rng.keys.cuda())
    one, other = here.sample(300, rng), there.sample(300, on)
    assert torch.equal(one.pose, other.pose.cpu())
    assert torch.equal(here.look(one, one.pose), there.look(other, other.pose).cpu())
    action = rng.uniform(2) - 0.5
    assert torch.equal(here.move(one, one.pose, action), there.move(other, other.pose, action.cuda()).cpu())
