"""Galleries give the views that were asked for, wherever these are stored."""

import itertools
import pickle
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes.object_datasets import colours, write_tree
from PIL import Image

from gazeworld.envs.files import DataError
from gazeworld.envs.objects import gallery as module
from gazeworld.envs.objects.gallery import ArrayGallery, FolderGallery, Gallery, Objects, ReadAhead, decoded, statistics

N, V, SIDE = 14, 5, 16


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    write_tree(root, {"a": 14}, views=V, side=32)
    return root


def folder(root: Path, size: int = SIDE) -> FolderGallery:
    return FolderGallery(root, tuple(f"/a/aobject{i}/" for i in range(N)), V, size)


def noise(shape: tuple[int, ...] = (N, V, SIDE, SIDE, 3)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def mapped(path: Path, data: np.ndarray) -> np.ndarray:
    np.save(path, data)
    return np.load(path, mmap_mode="r")


@pytest.mark.parametrize("kind", ["array", "tensor", "mapped", "strided", "part"])
def test_a_gather_is_the_views_one_by_one(tmp_path: Path, kind: str) -> None:
    data = noise()
    pixels = {
        "array": lambda: data,
        "tensor": lambda: torch.from_numpy(data),
        "mapped": lambda: mapped(tmp_path / "views.npy", data),
        "strided": lambda: torch.from_numpy(data).permute(0, 1, 4, 3, 2).contiguous().permute(0, 1, 4, 3, 2),
        "part": lambda: mapped(tmp_path / "views.npy", np.concatenate([noise((3, V, SIDE, SIDE, 3)), data]))[3:],
    }[kind]()
    views = ArrayGallery(pixels)
    assert views.shape == (N, V, SIDE, SIDE, 3)
    objects, which = torch.randint(N, (64,)), torch.randint(V, (64,))
    found = views(objects, which)
    assert found.dtype == torch.uint8
    assert found.is_contiguous()
    for i in range(64):
        assert np.array_equal(found[i].numpy(), data[objects[i], which[i]])
    found.zero_()  # new memory: the next gather does not see this
    assert np.array_equal(views(objects, which)[0].numpy(), data[objects[0], which[0]])
    assert views(objects[:0], which[:0]).shape == (0, SIDE, SIDE, 3)


def test_a_folder_gives_each_object_and_view(tree: Path) -> None:
    objects, which = torch.arange(N).repeat_interleave(V), torch.arange(V).repeat(N)
    found = folder(tree)(objects, which).int()
    assert found.shape == (N * V, SIDE, SIDE, 3)
    for i in range(N * V):
        left, right = torch.from_numpy(colours(int(objects[i]), int(which[i])).astype(np.int32))
        assert (found[i, 8, 3] - left).abs().max() <= 3
        assert (found[i, 8, 12] - right).abs().max() <= 3


def test_a_batch_from_a_folder_is_its_rows(tree: Path) -> None:
    views, objects, which = folder(tree), torch.randint(N, (40,)), torch.randint(V, (40,))
    rows = torch.cat([views(objects[i : i + 1], which[i : i + 1]) for i in range(40)])
    assert torch.equal(views(objects, which), rows)
    assert torch.equal(pickle.loads(pickle.dumps(views))(objects, which), rows)


@pytest.mark.parametrize("size", [8, 20, 32])
def test_resizing_is_that_of_torchvision_on_pillow_images(tree: Path, size: int) -> None:
    from torchvision.transforms import Resize

    rough = np.random.default_rng(1).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    path = tree / "rough.jpg"
    Image.fromarray(rough).resize((32, 32)).save(path, quality=95)
    with Image.open(path) as file:
        expected = np.asarray(Resize(size)(file.convert("RGB")))
    assert np.array_equal(decoded(path, size), expected)


@pytest.mark.parametrize("name", ["array", "folder"])
@pytest.mark.parametrize(("objects", "views"), [([N], [0]), ([-1], [0]), ([0], [V]), ([0], [-1])])
def test_numbers_out_of_range_are_refused(tree: Path, name: str, objects: list[int], views: list[int]) -> None:
    found: Gallery = ArrayGallery(noise()) if name == "array" else folder(tree)
    with pytest.raises(IndexError, match=r"asked for, there are 0 …"):
        found(torch.tensor(objects), torch.tensor(views))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_every_kind_of_jpeg_becomes_colour(tmp_path: Path, mode: str) -> None:
    Image.new("RGB", (8, 8), (255, 255, 255)).convert(mode).save(tmp_path / "i.jpg")
    found = decoded(tmp_path / "i.jpg", 8)
    assert found.shape == (8, 8, 3)
    assert (found > 250).all()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("half", r"cannot be decoded .*, expected a whole JPEG"),
        ("ten", r"cannot be decoded .*, expected a whole JPEG"),
        ("empty", r"cannot be decoded .*, expected a whole JPEG"),
        ("text", r"cannot be decoded .*, expected a whole JPEG"),
        ("png", r"cannot be decoded .*, expected a whole JPEG"),
        ("gone", r"not there, expected a whole JPEG"),
        ("wide", r"12 x 8 pixels, expected a square image"),
        ("small", r"8 pixels square, expected at least the 16 asked for; ask for size=8 or less"),
    ],
)
@pytest.mark.parametrize("batch", [1, 30])
def test_a_bad_jpeg_is_named(tmp_path: Path, damage: str, message: str, batch: int) -> None:
    write_tree(tmp_path, {"a": 14}, views=V, side=32)
    path = tmp_path / "a" / "aobject3" / "image_2.jpg"
    Image.fromarray(noise((64, 64, 3))).save(path)
    whole = path.read_bytes()
    path.write_bytes({"half": whole[: len(whole) // 2], "ten": whole[:-10], "text": b"no image"}.get(damage, b""))
    if damage == "png":
        Image.new("RGB", (8, 8)).save(path, "PNG")
    if damage == "wide":
        Image.new("RGB", (12, 8)).save(path)
    if damage == "small":
        Image.new("RGB", (8, 8)).save(path)
    if damage == "gone":
        path.unlink()
    objects, views = torch.full((batch,), 3), torch.full((batch,), 1)
    views[-1] = 2
    with pytest.raises(DataError, match=rf"aobject3/image_2.jpg: {message}"):
        folder(tmp_path)(objects, views)


def test_statistics_are_those_of_the_views(tree: Path) -> None:
    data = noise()
    data[..., 1] //= 2
    every = torch.from_numpy(data).double() / 255
    found = statistics(ArrayGallery(data))
    assert torch.allclose(torch.tensor(found.mean), every.mean((0, 1, 2, 3)).float())
    assert torch.allclose(torch.tensor(found.std), every.std((0, 1, 2, 3)).float(), atol=1e-4)
    everything = folder(tree)(torch.arange(N).repeat_interleave(V), torch.arange(V).repeat(N))
    assert statistics(folder(tree)) == statistics(ArrayGallery(everything.view(N, V, SIDE, SIDE, 3)))


def test_statistics_look_at_a_sample_spread_evenly() -> None:
    seen: list[int] = []

    class Counting(Gallery):
        shape, device = (1000, 50, 2, 2, 3), torch.device("cpu")

        def __call__(self, objects: torch.Tensor, views: torch.Tensor) -> torch.Tensor:
            seen.extend((objects * 50 + views).tolist())
            return torch.zeros(len(objects), 2, 2, 3, dtype=torch.uint8)

    assert statistics(Counting(), most=100).std == (1e-3,) * 3
    assert len(seen) == 100
    assert (seen[0], seen[-1]) == (0, 49_999)
    assert {b - a for a, b in itertools.pairwise(seen)} <= {505, 506}


@pytest.mark.skipif(sys.platform != "linux", reason="this system cannot be told what will be read")
def test_reading_ahead_names_the_bytes_of_the_views(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = noise()
    pixels = mapped(tmp_path / "views.npy", data)
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(module.os, "posix_fadvise", lambda _, where, length, how: told.append((where, length)))
    view = SIDE * SIDE * 3
    # A gallery of the objects from 4 on, and of their first three views only.
    ahead = ReadAhead(tmp_path / "views.npy", pixels.offset + 4 * V * view, V, view)
    found = ArrayGallery(pixels[4:, :3], ahead)(torch.tensor([0, 9]), torch.tensor([2, 1]))
    raw = (tmp_path / "views.npy").read_bytes()
    assert [raw[where : where + length] for where, length in told] == [image.numpy().tobytes() for image in found]
    assert np.array_equal(found[1].numpy(), data[13, 1])


def test_a_gallery_moves_to_a_device() -> None:
    data = noise()
    moved = ArrayGallery(data).to("cuda" if torch.cuda.is_available() else "cpu")
    objects, views = torch.tensor([3, 1]), torch.tensor([0, 4])
    assert np.array_equal(moved(objects, views).cpu().numpy(), data[[3, 1], [0, 4]])


def make(**changes: object) -> Objects:
    facts: dict[str, object] = {
        "name": "made",
        "split": "train",
        "gallery": ArrayGallery(noise()),
        "latents": torch.zeros(N, V, 7),
        "labels": torch.zeros(N, dtype=torch.int64),
        "classes": ("a", "b"),
        "mean": (0.5,) * 3,
        "std": (0.2,) * 3,
        "fingerprint": "f",
        "names": tuple(f"/a/{i}/" for i in range(N)),
    }
    return Objects(**{**facts, **changes})  # type: ignore[arg-type]


def test_objects_know_their_size() -> None:
    found = make()
    assert (len(found), found.side) == (N, SIDE)
    assert len(replace(found, labels=torch.full((N,), -1))) == N


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gallery": ArrayGallery(noise((N, V, 4, 5, 3)))}, r"4 x 5, expected square"),
        ({"gallery": ArrayGallery(noise((0, V, 4, 4, 3)))}, r"0 objects with 5 views"),
        ({"latents": torch.zeros(N, V + 1, 7)}, r"latents of shape \(14, 6, 7\), expected \(14, 5, 7\)"),
        ({"latents": torch.full((N, V, 7), float("nan"))}, r"latents hold numbers that are not finite"),
        ({"latents": torch.full((N, V, 7), 1.5)}, r"hues of 1.5 … 1.5 among the latents, expected them in \[0, 1\]"),
        ({"labels": torch.full((N,), 2)}, r"labels 2 … 2 for 2 classes"),
        ({"labels": torch.full((N,), -2)}, r"labels -2 … -2"),
        ({"names": ("/a/0/",)}, r"1 names for 14 objects"),
        ({"mean": (0.5,)}, r"mean and std need 3 numbers"),
        ({"items": (None,)}, r"1 meshes for 14 objects"),
    ],
)
def test_objects_that_do_not_belong_together_are_refused(changes: dict[str, object], message: str) -> None:
    if "items" in changes:
        from gazeworld.envs.meshes.mesh import Item

        changes = {"items": (Item("a", "a/0", lambda: pytest.fail("loaded")),)}
    with pytest.raises(DataError, match=rf"made/train: .*{message}"):
        make(**changes)
