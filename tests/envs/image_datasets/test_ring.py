"""Images that are read when looked at: the same pixels whatever was looked at before, each read once, none too many."""

import copy
import os
import pickle
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from fakes.images import draws, noise
from fakes.lazy_images import Reads, lazy

from gazeworld.envs.conformance import ConformanceError, check_images, check_world
from gazeworld.envs.files import DataError
from gazeworld.envs.image_datasets.ring import Resident, Ring, image_store
from gazeworld.envs.worlds.augmentation import AugmentationWorld
from gazeworld.envs.worlds.saccade import SaccadeWorld

ONE = 24 * 24 * 3  # bytes of an image of `noise`


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    end = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.001)
    assert threading.active_count() == before


def settle(reads: Reads, count: int) -> None:
    """Wait until so many images were read."""
    end = time.monotonic() + 10
    while len(reads.read) < count and time.monotonic() < end:
        time.sleep(0.001)


def test_images_at_hand_stay_where_they_are() -> None:
    images = noise()
    store = image_store(images)
    index = torch.tensor([3, 1, 3])
    assert isinstance(store, Resident)
    assert store.pixels is images.pixels
    assert store.hold(index) is index
    assert store.capacity == 7
    assert torch.equal(store.batch(index), images.pixels[index])


@pytest.mark.parametrize("world", [SaccadeWorld, AugmentationWorld])
@pytest.mark.parametrize("budget", [3 * ONE, 100 * ONE])
def test_a_world_of_read_images_is_that_of_the_same_images_in_memory(
    world: Any, budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{world.__module__}.image_store", lambda images, device: image_store(images, device, budget))
    images, reads = lazy(noise(n=40))
    read, plain = world(images), world(noise(n=40))
    for step in range(4):
        rng = draws(30, step)
        one, other = read.sample(30, rng), plain.sample(30, rng)
        read.expect(read.sample(30, draws(30, step + 1)).index)
        assert torch.equal(read.look(one, one.pose), plain.look(other, other.pose))
        assert torch.equal(read.picture(one, 7), plain.picture(other, 7))
        if one.pose.shape[1] == 2:
            assert torch.equal(read.periphery(one.index), plain.periphery(other.index))
    assert set(reads.read) <= set(range(40))


@pytest.mark.parametrize("padding", ["inside", "zeros"])
def test_a_world_of_read_images_conforms(padding: str) -> None:
    images, _ = lazy(noise(n=12))
    check_images(images)
    check_world(SaccadeWorld(images, padding=padding, observe=("periphery",)), rows=4)


def test_an_image_is_read_once_through_all_looks_of_an_episode() -> None:
    images, reads = lazy(noise(n=20))
    world = SaccadeWorld(images)
    scene = world.scene(torch.tensor([5, 5, 9, 0]), draws(4))
    for _ in range(5):
        world.look(scene, scene.pose)
    world.periphery(scene.index)
    assert sorted(reads.read) == [0, 5, 9]


def test_what_was_looked_at_longest_ago_makes_room() -> None:
    images, reads = lazy(noise(n=20))
    ring = Ring(images, budget=6 * ONE)
    assert ring.capacity == 4
    for image in (0, 1, 2, 3, 0, 4, 0, 1):  # 4 takes the place of 1, which is read again
        ring.hold(torch.tensor([image]))
    assert reads.read == [0, 1, 2, 3, 4, 1]
    assert ring.pixels.shape == (4, 24, 24, 3)


def test_more_images_than_there_is_room_for_are_looked_at_part_by_part() -> None:
    source = noise(n=20)
    images, _ = lazy(source)
    ring = Ring(images, budget=6 * ONE)
    index = torch.tensor([3, 7, 7, 19, 0, 1, 3, 5, 8, 9, 11])
    assert torch.equal(ring.batch(index), source.pixels[index])
    with pytest.raises(ValueError, match="more than 4 different images at once"):
        ring.hold(torch.arange(5))
    assert torch.equal(ring.batch(torch.zeros(0, dtype=torch.int64)), source.pixels[:0])
    for bad in (-1, 20):
        with pytest.raises(IndexError, match=r"images 0? ?…? ?.*expected 0 … 19"):
            ring.hold(torch.tensor([0, bad]))


def test_expected_images_are_read_meanwhile_and_nothing_held_makes_room() -> None:
    images, reads = lazy(noise(n=20))
    ring = Ring(images, budget=12 * ONE)
    held = ring.hold(torch.arange(4))
    kept = ring.pixels[held].clone()
    ring.expect(torch.tensor([2, 8, 9, 8]))
    settle(reads, 6)
    assert sorted(reads.read) == [0, 1, 2, 3, 8, 9]
    assert torch.equal(ring.pixels[held], kept)
    ring.hold(torch.tensor([9, 8, 2]))
    assert len(reads.read) == 6


def test_no_more_than_the_budget_is_expected() -> None:
    images, reads = lazy(noise(n=40))
    reads.gate.clear()
    ring = Ring(images, budget=12 * ONE)  # 8 slots, 4 expected
    ring.expect(torch.arange(30))
    reads.gate.set()
    settle(reads, 4)
    ring.hold(torch.tensor([26, 27, 28, 29]))
    assert set(reads.read) >= {26, 27, 28, 29}
    assert len(reads.read) < 30


def test_a_bad_image_is_told_when_it_is_looked_at_and_again_then() -> None:
    images, reads = lazy(noise(n=20), bad={6})
    world = SaccadeWorld(images)
    index = torch.tensor([1, 6, 2])
    world.expect(index)
    settle(reads, 3)
    for _ in range(2):
        with pytest.raises(DataError, match="image 6 is bad"):
            world.periphery(index)
    assert torch.equal(world.periphery(index[::2]), SaccadeWorld(noise(n=20)).periphery(index[::2]))


def test_images_of_another_shape_are_told() -> None:
    images, _ = lazy(noise(n=20, side=25), size=24)
    with pytest.raises(
        DataError, match=r"noise0/train: image 3 is uint8 of shape \(25, 25, 3\), expected uint8 of \(24"
    ):
        Ring(images).hold(torch.tensor([3]))


def test_ctrl_c_leaves_a_ring_that_goes_on() -> None:
    images, reads = lazy(noise(n=20))
    ring = Ring(images)

    def interrupted(_: int) -> np.ndarray:
        raise KeyboardInterrupt

    read, ring._ahead._read = ring._ahead._read, interrupted
    with pytest.raises(KeyboardInterrupt):
        ring.hold(torch.arange(9))
    ring._ahead._read = read
    assert torch.equal(ring.batch(torch.arange(9)), noise(n=20).pixels[:9])
    assert len(reads.read) >= 9


def test_a_ring_is_copied_and_pickled_empty_and_survives_a_fork() -> None:
    images, _ = lazy(noise(n=20))
    world = SaccadeWorld(images)
    scene = world.sample(8, draws(8))
    world.expect(torch.arange(20))
    seen = world.look(scene, scene.pose)
    for other in (copy.deepcopy(world), pickle.loads(pickle.dumps(world))):
        assert torch.equal(other.look(scene, scene.pose), seen)
    ring = Ring(images)
    ring.expect(torch.arange(20))
    child = os.fork()
    if child == 0:  # without torch's own threads, which do not survive a fork
        seen = ring.pixels.numpy()[ring.hold(torch.arange(20)).numpy()]
        os._exit(0 if np.array_equal(seen, ring._images.read.images.pixels.numpy()) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert torch.equal(ring.batch(torch.arange(20)), noise(n=20).pixels)


def test_many_threads_may_look() -> None:
    source = noise(n=40)
    images, _ = lazy(source)
    ring, wrong = Ring(images, budget=6 * ONE), []

    def look(seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for _ in range(20):
            index = torch.randint(40, (6,), generator=generator)
            if not torch.equal(ring.batch(index), source.pixels[index]):
                wrong.append(index)

    threads = [threading.Thread(target=look, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_images_that_change_do_not_conform() -> None:
    images, reads = lazy(noise(n=20))
    reads.restless = True
    with pytest.raises(ConformanceError, match="is another one when it is looked at again"):
        check_images(images)
