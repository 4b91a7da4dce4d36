"""A trained model as an object: what it embeds, sees and predicts, without its data, and what it refuses."""

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes.images import noise
from fakes.runs import DIGITS, TINY, trained
from PIL import Image

from gazeworld.agents import collect, load
from gazeworld.agents.runs.trained_model import TrainedModel
from gazeworld.agents.training.loop import POLICY, env_of
from gazeworld.envs import registry
from gazeworld.envs.images import load_source
from gazeworld.envs.rng import Draws
from gazeworld.envs.validation import OptionError
from gazeworld.envs.worlds.augmentation import AugmentationWorld
from gazeworld.models.method import METHODS, CheckpointError, WorldSpec, make_method

SIDE = 24


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("runs") / "tiny", policy={"name": "saliency"})


@pytest.fixture(scope="module")
def model(run: Path) -> TrainedModel:
    return load(run, "cpu")


def images(n: int = 5, side: int = SIDE, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (n, side, side, channels), dtype=np.uint8)


def test_a_model_knows_what_it_is(model: TrainedModel) -> None:
    assert (model.name, model.step, model.image_side, model.view_shape) == ("tiny", 2, SIDE, (1, 8, 8))
    assert model.classes == tuple("0123456789")
    assert model.facts.observed == 3
    assert not model.method.training
    assert repr(model) == "TrainedModel('tiny', seq-jepa, step 2, views 1 x 8 x 8 of images of 24, cpu)"


def test_an_embedding_is_that_of_its_image_wherever_it_stands(
    model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = images()
    found = model.embed(pixels)
    assert found.shape == (5, model.method.aggregate_dim)
    assert not found.requires_grad
    assert not found.is_inference()
    assert len(found.unique(dim=0)) == 5
    torch.testing.assert_close(model.embed(pixels[3:4]), found[3:4])
    torch.testing.assert_close(model.embed(pixels[::-1]), found.flip(0))
    monkeypatch.setattr("gazeworld.agents.runs.trained_model._AT_ONCE", 2)
    torch.testing.assert_close(model.embed(pixels), found)
    assert not torch.allclose(model.embed(pixels, seed=1), found)


def test_images_of_any_kind_are_the_same_images(model: TrainedModel) -> None:
    pixels = images()
    kinds: list[Any] = [
        pixels[..., 0],
        torch.from_numpy(pixels),
        torch.from_numpy(pixels).permute(0, 3, 1, 2),
        [Image.fromarray(one[..., 0]) for one in pixels],
        (Image.fromarray(one[..., 0]).convert("RGB") for one in pixels),
        [pixels[0], pixels[1][..., 0], pixels[2].transpose(2, 0, 1), *torch.from_numpy(pixels[3:])],
    ]
    for kind in kinds:
        torch.testing.assert_close(model.embed(kind), model.embed(pixels))
    torch.testing.assert_close(model.embed(pixels[0]), model.embed(pixels[:1]))
    torch.testing.assert_close(model.embed(Image.fromarray(pixels[0, ..., 0])), model.embed(pixels[:1]))


def test_images_of_other_sizes_are_cut_and_reduced_as_the_source_of_folders_does(
    tmp_path: Path, model: TrainedModel
) -> None:
    rng = np.random.default_rng(0)
    for name, shape in (("a", (40, 64, 3)), ("b", (SIDE, SIDE, 3)), ("c", (10, 9, 3))):
        (tmp_path / "train" / name).mkdir(parents=True)
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(tmp_path / "train" / name / "0.png")
    for fit in ("crop", "resize"):
        source = load_source("folder", "train", str(tmp_path), side=SIDE, fit=fit)
        files = [Image.open(path) for path in sorted(tmp_path.rglob("*.png"))]
        colour = load(trained_on(tmp_path, fit), "cpu")
        for given in (files, [np.asarray(one) for one in files]):
            seen = colour.world(given).images
            assert seen is not None
            assert torch.equal(seen.pixels, source.pixels)
        assert colour.classes == ("a", "b", "c")


def trained_on(tree: Path, fit: str) -> Path:
    world = {"name": "saccade", "source": "folder", "root": str(tree), "split": "train", "glimpse": 8}
    options = {"source_options": {"side": SIDE, "fit": fit}}
    return trained(tree.parent / f"{tree.name}-{fit}", world={**world, **options})


def test_the_data_need_not_be_there(tmp_path: Path) -> None:
    tree = tmp_path / "mine"
    for i, name in enumerate("abcd" * 4):
        (tree / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(images(1, 30, 3)[0]).save(tree / name / f"{i}.png")
    run = trained_on(tree, "crop")
    shutil.rmtree(tree)
    copied = shutil.copytree(run / "checkpoints" / "step-00000002", tmp_path / "elsewhere" / "step-00000002")
    pixels = images(channels=3)
    found = load(run).embed(pixels)
    assert torch.equal(load(copied).embed(pixels), found)
    assert str(tmp_path) not in (copied / "state.json").read_text()


def test_a_scan_is_what_an_environment_of_one_row_shows(model: TrainedModel) -> None:
    pixels, seed = images(), 7
    for policy in (None, "uniform", {"name": "novelty"}):
        seen = model.scan(pixels, policy=policy, views=4, seed=seed)
        world = model.world(pixels)
        env = env_of(world, 1, 4)
        for i in range(len(pixels)):
            env.reset(seed=seed)
            rng = Draws.rows(seed, 1).fold(POLICY).fold(0)
            stream = collect(env, model.policy_in(world, policy), 4, rng, {"scene": i, "episode": 0})
            assert torch.equal(seen.views[i], stream.views[0])
            assert torch.equal(seen.actions[i], stream.actions[0])
            assert torch.equal(seen.poses[i], stream.poses[0])
        represented = model.method.represent(seen.views, seen.actions)
        torch.testing.assert_close(seen.aggregate, represented.aggregate, check_device=False)
        torch.testing.assert_close(seen.embeddings, represented.views)
        torch.testing.assert_close(model.embed(pixels, policy=policy, views=4, seed=seed), seen.aggregate)
    assert model.scan(pixels).views.shape == (5, 3, 1, 8, 8)


def test_noise_and_the_last_seed_are_those_of_the_environment(tmp_path: Path) -> None:
    model, seed = load(trained(tmp_path / "noisy", world={**DIGITS, "noise": 0.1}), "cpu"), 2**64 - 1
    seen, world = model.scan(images(1), views=4, seed=seed), model.world(images(1))
    env = env_of(world, 1, 4)
    env.reset(seed=seed)
    rng = Draws.rows(-1, 1).fold(POLICY).fold(0)
    stream = collect(env, model.policy_in(world), 4, rng, {"scene": 0, "episode": 0})
    assert torch.equal(seen.poses, stream.poses)
    assert torch.equal(seen.actions, stream.actions)
    assert not torch.allclose(seen.poses.diff(dim=1), seen.actions)


def test_nothing_is_kept_of_the_images(model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAZEWORLD_CACHE", str(tmp_path))
    model.scan(images())
    assert not list(tmp_path.iterdir())


def test_loading_leaves_the_callers_draws_alone(run: Path) -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    load(run)
    assert torch.equal(torch.rand(3), wanted)


def test_glimpses_are_embedded_as_they_are(model: TrainedModel) -> None:
    seen = model.scan(images())
    torch.testing.assert_close(model.embed_glimpses(seen.views[:, 1]), seen.embeddings[:, 1])
    torch.testing.assert_close(model.embed_glimpses(seen.views[:, 1].permute(0, 2, 3, 1)), seen.embeddings[:, 1])
    torch.testing.assert_close(model.encoder(seen.views[:, 1]), seen.embeddings[:, 1])
    with pytest.raises(OptionError, match=r"view 0 has 24 x 24 pixels, expected 8 x 8: views are taken as they are"):
        model.embed_glimpses(images())


def test_what_is_predicted_can_be_compared_with_what_is_there(model: TrainedModel) -> None:
    seen = model.scan(images())
    told = model.predict(seen.aggregate, seen.actions[:, 0])
    assert told.shape == model.targets(seen.views[:, 1]).shape == (5, 8)
    torch.testing.assert_close(model.predict(seen.aggregate.numpy(), seen.actions[:, 0].tolist()), told)
    with pytest.raises(OptionError, match=r"aggregate is torch.float32 of shape \(5, 3\), expected .*\(5, 12\)"):
        model.predict(seen.aggregate[:, :3], seen.actions[:, 0])
    with pytest.raises(OptionError, match=r"action holds numbers that are not finite"):
        model.predict(seen.aggregate, seen.actions[:, 0] * torch.nan)
    with pytest.raises(OptionError, match=r"action is no array of numbers"):
        model.predict(seen.aggregate, "left")


@pytest.mark.parametrize("name", registry.own_names(METHODS))
def test_the_encoder_of_every_method_is_plain_torch(name: str) -> None:
    torch.manual_seed(0)
    less: dict[str, Any] = {"transformer_width": 16, "pairs": 4, "context": 4} if name == "contextssl" else {}
    spec = WorldSpec((1, 8, 8), 2, (0.5,), (0.25,))
    method = make_method(name, spec, encoder="small", dim=8, width=4, **less).eval()
    views = torch.from_numpy(images(4, 8)).permute(0, 3, 1, 2)
    encoder = method.view_encoder()
    found = encoder(views)
    assert torch.equal(found, method.encode(views[:, None])[:, 0])
    found.sum().backward()
    assert any(x.grad is not None for x in encoder.parameters())
    own, whole = (sum(x.numel() for x in one.parameters()) for one in (encoder, method))
    assert own < whole or name in ("contextssl", "simclr")
    with pytest.raises(
        OptionError, match=r"views are torch.float32 of shape .* expected a uint8 tensor of shape \(b, 1"
    ):
        encoder(views.float())
    with pytest.raises(OptionError, match=r"expected a uint8 tensor"):
        encoder(views[:, None])


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: images() / np.float32(255), "images: float32 from 0 to 1, which may be shares of white"),
    (lambda: torch.from_numpy(images()).float(), "images: float32 from 0 to 255, expected bytes"),
    (lambda: torch.from_numpy(images()).half() / 255, "images: float16 from 0 to 1, which may"),
    (lambda: images().astype(np.int64) - 9, "images: int64 from -9 to 24., expected bytes"),
    (lambda: images() > 9, "images: bool from 0 to 1, expected bytes"),
    (lambda: images(channels=3), r"shape \(5, 24, 24, 3\) holds no axis of 1 channels \(this model sees grey"),
    (lambda: images()[..., 0, 0, 0], r"images have shape \(5,\), expected"),
    (lambda: images()[:0], r"images have shape \(0, 24, 24, 1\), expected at least one"),
    (lambda: np.array(["a"]), "images: <U1, expected bytes"),
    (lambda: images(1, 1, 1)[:, :, [0] * 4], "may have their channels first or last"),
    (list, "images are empty"),
    (lambda: "cat.png", "images are 'cat.png', expected .* a file is opened by PIL.Image.open"),
    (lambda: None, "images are None, expected"),
    (lambda: [images()[0], "b"], "image 1 is 'b', expected"),
    (lambda: [images()[0], images()], r"image 1 has shape \(5, 24, 24, 1\), expected"),
    (lambda: [images()[0, :0]], r"image 0 has shape \(0, 24, 1\), expected one that holds pixels"),
    (lambda: Image.new("RGBA", (9, 9)), r"image 0 has transparency \(Pillow's mode RGBA\)"),
    (lambda: Image.new("I;16", (9, 9)), "image 0 has Pillow's mode I;16, expected at most 8 bits"),
]


@pytest.mark.parametrize(("made", "said"), REFUSED, ids=[said[:30] for _, said in REFUSED])
def test_what_could_be_wrong_in_silence_is_refused(made: Callable[[], Any], said: str, model: TrainedModel) -> None:
    with pytest.raises(OptionError, match=said):
        model.embed(made())


def test_files_that_are_cut_off_are_named(model: TrainedModel, tmp_path: Path) -> None:
    Image.fromarray(images(1, 90)[0, ..., 0]).save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "b.png").write_bytes(whole[: len(whole) // 2])
    with (
        Image.open(tmp_path / "a.png") as first,
        Image.open(tmp_path / "b.png") as second,
        pytest.raises(OptionError, match=r"image 1 cannot be decoded"),
    ):
        model.embed([first, second])


def test_policies_that_cannot_look_say_why(model: TrainedModel) -> None:
    with pytest.raises(ValueError, match=r"unknown policy 'nowhere'"):
        model.scan(images(), policy="nowhere")
    with pytest.raises(ValueError, match=r"images/given: no saliency maps came with the images"):
        model.scan(images(), policy={"name": "saliency", "map": "precomputed"})
    with pytest.raises(OptionError, match=r"policy has no entry 'name'"):
        model.scan(images(), policy={"map": "contrast"})
    with pytest.raises(OptionError, match=r"views is 0, expected an integer from 1"):
        model.scan(images(), views=0)
    with pytest.raises(OptionError, match=r"seed is -1"):
        model.embed(images(), seed=-1)


def test_maps_come_with_images_of_a_source(model: TrainedModel) -> None:
    given = dataclasses.replace(noise(n=3, side=SIDE, c=1), maps=torch.rand(3, SIDE, SIDE))
    seen = model.scan(given, policy={"name": "saliency", "map": "precomputed"})
    assert seen.views.shape[:2] == (3, 3)


def test_a_model_whose_own_policy_is_gone_asks_for_another(tmp_path: Path) -> None:
    run = trained(tmp_path / "tiny")
    file = run / "checkpoints" / "step-00000002" / "state.json"
    state = json.loads(file.read_text())
    state["model"]["policy"] = {"name": "sb3", "path": str(tmp_path / "gone")}
    file.write_text(json.dumps(state))
    with pytest.raises(OptionError, match=r"own policy cannot look here; name another, as policy='uniform': .*gone"):
        load(run).embed(images())
    assert load(run).embed(images(), policy="uniform").shape == (5, 12)


def test_a_model_of_augmentations_looks_once_at_the_whole_image(tmp_path: Path) -> None:
    world = {**DIGITS, "name": "augmentation", "size": 16}
    del world["glimpse"]
    model = load(trained(tmp_path / "seen", world=world), "cpu")
    pixels = images()
    found = model.embed(pixels)
    assert found.shape == (5, model.method.aggregate_dim)
    source = noise(n=5, side=SIDE, c=1)
    of_source = AugmentationWorld(source, size=16)
    scene = of_source.scene(torch.arange(5), Draws.rows(0, 5))
    views = of_source.look(scene, torch.tensor(of_source.middle).expand(5, -1).contiguous())
    plain = model.method.represent(views[:, None], torch.zeros(5, 0, model.facts.spec.action_dim)).aggregate
    torch.testing.assert_close(model.embed(source), plain)
    with pytest.raises(OptionError, match=r"this model sees an image in one view"):
        model.embed(pixels, views=2)
    assert model.scan(pixels, views=2).views.shape == (5, 2, 1, 16, 16)


def test_a_model_of_objects_takes_images_as_views(tmp_path: Path) -> None:
    options = {"per_family": 2, "size": 16, "views": 2}
    world = {"name": "rotation", "source": "solids", "split": "train", "source_options": options}
    model = load(trained(tmp_path / "turned", world=world), "cpu")
    pixels = images(3, 16, 3)
    found = model.embed(pixels)
    torch.testing.assert_close(model.embed([Image.fromarray(one) for one in pixels]), found)
    assert model.embed(images(3, 40, 3)).shape == found.shape
    with pytest.raises(OptionError, match=r"world 'rotation' does not look around in images: embed takes each as one"):
        model.scan(pixels)


def older(run: Path, tmp_path: Path) -> Path:
    """A copy of a run as an earlier version left it."""
    copy = shutil.copytree(run, tmp_path / "old")
    file = copy / "checkpoints" / "step-00000002" / "state.json"
    state = json.loads(file.read_text())
    del state["model"]
    file.write_text(json.dumps(state))
    return copy


def test_older_checkpoints_are_read_with_their_data(run: Path, model: TrainedModel, tmp_path: Path) -> None:
    copy = older(run, tmp_path)
    assert load(copy).facts == model.facts
    alone = shutil.copytree(copy / "checkpoints" / "step-00000002", tmp_path / "alone" / "step-00000002")
    with pytest.raises(CheckpointError, match=r"does not say what its model is, .* expected its run around it"):
        load(alone)
    config = json.loads((copy / "config.json").read_text())
    config["config"]["world"] |= {"source": "stl10", "root": "/nowhere", "source_options": {}}
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        CheckpointError, match=r"does not say what its model is, .* and the run's data cannot tell: .*nowhere"
    ):
        load(copy)


WRONG: list[tuple[str, Any, str]] = [
    ("format", 2, "model.format is 2, expected 1: another version of gazeworld wrote it"),
    ("classes", None, "model: classes is None, expected a list"),
    ("image_side", -3, "image_side is -3, expected an integer from 0"),
    ("method", {}, "model: method.name is None, expected a name"),
    ("method", {"name": "nothing"}, "the model cannot be built: unknown method 'nothing'"),
    ("method", {**TINY, "dim": 16}, "model.safetensors: .* has shape"),
    ("method", {**TINY, "dim": 2**15, "width": 2**15}, "the model cannot be built: .* would hold .* numbers"),
    ("spec", {"view_shape": [1, 8, 8], "action_dim": 2, "mean": [0.5, 0.5], "std": [0.2]}, "mean is .*each of 1 chan"),
]


@pytest.mark.parametrize(("field", "value", "said"), WRONG)
def test_a_checkpoint_that_says_nonsense_is_named(field: str, value: Any, said: str, run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "copy")
    file = copy / "checkpoints" / "step-00000002" / "state.json"
    state = json.loads(file.read_text())
    state["model"][field] = value
    file.write_text(json.dumps(state))
    with pytest.raises(CheckpointError, match=said):
        load(copy)
    del state["model"][field]
    file.write_text(json.dumps(state))
    with pytest.raises(CheckpointError, match=rf"{file}: model.*{field}"):
        load(copy)


def test_folders_that_hold_no_model_are_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"nothing: no such folder, expected a run, or one of its checkpoints or policies"
    ):
        load(tmp_path / "nothing")
    with pytest.raises(ValueError, match=r"config.json: no such file; expected the folder of a run"):
        load(tmp_path)
    renamed = shutil.copytree(run / "checkpoints" / "step-00000002", tmp_path / "mine")
    with pytest.raises(ValueError, match=r"mine: a checkpoint under another name, expected it to be called like step-"):
        load(renamed)
    with pytest.raises(ValueError, match=r"device 'tpu' cannot be used: there is cpu"):
        load(run, "tpu")
    os.remove(run / "checkpoints" / "step-00000002" / "optimizer.safetensors")
    assert load(run).step == 2, "the optimiser is of no use here"
