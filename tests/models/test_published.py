"""The authors' checkpoint format against plain tensor operations on tensors called by its names."""

import argparse
import copy
import functools
import logging
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import resnet18

from gazeworld.envs.stream import Stream
from gazeworld.models import published
from gazeworld.models.method import CheckpointError, WorldSpec
from gazeworld.models.methods.seq_jepa import SeqJEPA

MEAN, STD = (0.4467, 0.4398, 0.4066), (0.2241, 0.2215, 0.2239)
LAYERS = "transformer_encoder.transformer_encoder.layers."
Tensors = dict[str, Tensor]


@functools.cache
def trunk() -> dict[str, tuple]:
    return {name: tuple(tensor.shape) for name, tensor in resnet18().state_dict().items() if name[:3] != "fc."}


def shapes_of(a: int, k: int, *, act: bool, carried: bool, layers: int, hidden: int, side: int) -> dict[str, tuple]:
    """Every tensor of the format: actions of `a` numbers embedded in `k`, a stem for views of `side` pixels."""
    e = 512 + k * act
    shapes: dict[str, tuple] = {"agg_token": (1, 1, e)}
    for network in ("encoder", "target_encoder"):
        shapes |= {f"{network}.{name}": shape for name, shape in trunk().items()}
        shapes[f"{network}.conv1.weight"] = (64, 3, 3, 3) if side == 32 else (64, 3, 7, 7)
    if act or carried:
        shapes |= {"action_proj.0.weight": (k, a), "action_proj.1.num_batches_tracked": ()}
        shapes |= {"action_proj.1.running_mean": (k,), "action_proj.1.running_var": (k,)}
    rows = hidden or 512
    shapes |= {"predictor.0.weight": (rows, e + k * act), "predictor.1.num_batches_tracked": ()}
    shapes |= {f"predictor.1.{n}": (rows,) for n in ("weight", "bias", "running_mean", "running_var")}
    if hidden:
        shapes |= {"predictor.3.weight": (512, hidden), "predictor.3.bias": (512,)}
    for i in range(layers):
        shapes |= {f"{LAYERS}{i}.self_attn.in_proj_weight": (3 * e, e), f"{LAYERS}{i}.self_attn.in_proj_bias": (3 * e,)}
        shapes |= {f"{LAYERS}{i}.self_attn.out_proj.weight": (e, e), f"{LAYERS}{i}.self_attn.out_proj.bias": (e,)}
        shapes |= {f"{LAYERS}{i}.linear1.weight": (4 * e, e), f"{LAYERS}{i}.linear1.bias": (4 * e,)}
        shapes |= {f"{LAYERS}{i}.linear2.weight": (e, 4 * e), f"{LAYERS}{i}.linear2.bias": (e,)}
        shapes |= {f"{LAYERS}{i}.{n}.{p}": (e,) for n in ("norm1", "norm2") for p in ("weight", "bias")}
    return shapes | {"transformer_encoder.norm.weight": (e,), "transformer_encoder.norm.bias": (e,)}


def tensors_of(
    a: int = 2,
    k: int = 128,
    *,
    act: bool = True,
    carried: bool = True,
    layers: int = 1,
    hidden: int = 64,
    side: int = 32,
) -> Tensors:
    """Random tensors of a model as the authors save it; nothing is left at what it would start from."""
    g, tensors = torch.Generator().manual_seed(a + k + layers), {}
    shapes = shapes_of(a, k, act=act, carried=carried, layers=layers, hidden=hidden, side=side)
    for name, shape in shapes.items():
        noise = torch.randn(shape, generator=g)
        if name.endswith("num_batches_tracked"):
            tensors[name] = torch.tensor(17)
        elif name.endswith("running_var"):
            tensors[name] = 0.5 + noise.abs()
        elif len(shape) == 1:
            tensors[name] = name.endswith("weight") + 0.2 * noise
        else:
            tensors[name] = noise * (1.5 / noise[0].numel()) ** 0.5
    return tensors


def normed(x: Tensor, sd: Tensors, name: str) -> Tensor:
    return F.batch_norm(
        x, sd[f"{name}.running_mean"], sd[f"{name}.running_var"], sd.get(f"{name}.weight"), sd.get(f"{name}.bias")
    )


def resnet(x: Tensor, sd: Tensors, at: str) -> Tensor:
    stem = sd[f"{at}.conv1.weight"]
    small = stem.shape[-1] == 3
    x = normed(F.conv2d(x, stem, stride=1 if small else 2, padding=1 if small else 3), sd, f"{at}.bn1").relu()
    if not small:
        x = F.max_pool2d(x, 3, 2, 1)
    for layer in range(1, 5):
        for block in range(2):
            here, stride = f"{at}.layer{layer}.{block}", 2 if layer > 1 and block == 0 else 1
            y = normed(F.conv2d(x, sd[f"{here}.conv1.weight"], stride=stride, padding=1), sd, f"{here}.bn1").relu()
            y = normed(F.conv2d(y, sd[f"{here}.conv2.weight"], padding=1), sd, f"{here}.bn2")
            if stride == 2:
                x = normed(F.conv2d(x, sd[f"{here}.downsample.0.weight"], stride=2), sd, f"{here}.downsample.1")
            x = (x + y).relu()
    return x.mean((2, 3))


def attention(x: Tensor, sd: Tensors, at: str, heads: int) -> Tensor:
    q, k, v = (x @ sd[f"{at}.in_proj_weight"].T + sd[f"{at}.in_proj_bias"]).chunk(3, dim=-1)
    width, out = x.shape[-1] // heads, []
    for h in range(heads):
        part = slice(h * width, (h + 1) * width)
        weights = (q[..., part] @ k[..., part].mT / width**0.5).softmax(-1)
        out.append(weights @ v[..., part])
    return torch.cat(out, -1) @ sd[f"{at}.out_proj.weight"].T + sd[f"{at}.out_proj.bias"]


def layer_norm(x: Tensor, sd: Tensors, at: str) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], sd[f"{at}.weight"], sd[f"{at}.bias"])


def embedded(actions: Tensor, sd: Tensors) -> Tensor:
    flat = normed(actions.flatten(0, -2) @ sd["action_proj.0.weight"].T, sd, "action_proj.1")
    return flat.unflatten(0, actions.shape[:-1])


def released(sd: Tensors, stream: Stream, heads: int = 4) -> dict[str, Tensor]:
    """What the released classes give in eval mode, for the views but the last and the actions between them."""
    mean, std = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
    images = (stream.views.float() / 255 - mean) / std
    views = resnet(images[:, :-1].flatten(0, 1), sd, "encoder").unflatten(0, images[:, :-1].shape[:2])
    target = resnet(images[:, -1], sd, "target_encoder")
    act = sd["agg_token"].shape[-1] > 512
    x = views
    if act:
        observed = embedded(stream.actions, sd).clone()
        observed[:, -1] = 0
        x = torch.cat([views, observed], -1)
    x = torch.cat([sd["agg_token"].expand(len(x), -1, -1), x], 1)
    for i in range(len({name.split(".")[3] for name in sd if name.startswith(LAYERS)})):
        x = layer_norm(x + attention(x, sd, f"{LAYERS}{i}.self_attn", heads), sd, f"{LAYERS}{i}.norm1")
        y = (x @ sd[f"{LAYERS}{i}.linear1.weight"].T + sd[f"{LAYERS}{i}.linear1.bias"]).relu()
        y = y @ sd[f"{LAYERS}{i}.linear2.weight"].T + sd[f"{LAYERS}{i}.linear2.bias"]
        x = layer_norm(x + y, sd, f"{LAYERS}{i}.norm2")
    aggregate = layer_norm(x, sd, "transformer_encoder.norm")[:, 0]
    y = torch.cat([aggregate, embedded(stream.actions[:, -1], sd)], -1) if act else aggregate
    y = normed(y @ sd["predictor.0.weight"].T, sd, "predictor.1")
    if "predictor.3.weight" in sd:
        y = y.relu() @ sd["predictor.3.weight"].T + sd["predictor.3.bias"]
    loss = (1 - F.cosine_similarity(y, target)).mean()
    return {"loss": loss, "aggregate": aggregate, "views": views, "target": target, "predicted": y}


def stream_of(m: int, a: int, side: int = 32, b: int = 2) -> Stream:
    g = torch.Generator().manual_seed(m)
    views = torch.randint(0, 256, (b, m + 1, side, side, 3), generator=g, dtype=torch.uint8).permute(0, 1, 4, 2, 3)
    poses = torch.randn(b, m + 1, a, generator=g)
    return Stream(views, poses[:, 1:] - poses[:, :-1], poses, torch.zeros(b).long(), torch.arange(b))


@torch.no_grad()
def answers(model: SeqJEPA, stream: Stream) -> dict[str, Tensor]:
    found = model.represent(stream.views[:, :-1], stream.actions[:, :-1])
    predicted = model.predict(found.aggregate, stream.actions[:, -1])
    target = model.goal(stream.views[:, -1:])[:, 0]
    loss = model.loss(stream)[0]
    return {"loss": loss, "aggregate": found.aggregate, "views": found.views, "target": target, "predicted": predicted}


def load(checkpoint: object) -> SeqJEPA:
    return published.load(checkpoint, mean=MEAN, std=STD)


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    return tensors_of()


@pytest.mark.parametrize(
    ("m", "options"),
    [
        (1, {}),
        (3, {"layers": 3, "hidden": 1024}),
        (2, {"act": False}),  # a saccade model, which carries its projection all the same
        (2, {"act": False, "carried": False, "hidden": 0, "side": 64}),
        (3, {"a": 4, "side": 64, "k": 64}),
        (2, {"a": 6, "hidden": 0, "side": 64}),
        (5, {"a": 9, "k": 16, "hidden": 512, "layers": 2, "side": 64}),
        (2, {"a": 3, "k": 256, "side": 64}),
    ],
)
def test_outputs_are_the_released_ones(m: int, options: dict) -> None:
    sd = tensors_of(**options)
    stream = stream_of(m, options.get("a", 2), options.get("side", 32))
    model = load(sd)
    expected = released(sd, stream)
    for name, found in answers(model, stream).items():
        far = (found - expected[name]).norm() / expected[name].norm()
        assert far < 1e-4, (name, float(far))
    exported = published.export(model)
    assert exported.keys() == sd.keys()
    assert all(torch.equal(exported[name], sd[name]) for name in sd)


def test_a_file_with_the_whole_dictionary(tensors: Tensors, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    probes = {"online_res_probe.0.weight": torch.zeros(10, 512), "online_equiprobe.0.bias": torch.zeros(2)}
    probes |= {"agg_classifier.weight": torch.zeros(10, 640), "pos_regressor.bias": torch.zeros(2)}
    args = argparse.Namespace(num_heads=8, ema_decay=0.99, dataset="stl10", act_cond=1)
    file = tmp_path / "checkpoint.pth"
    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(3))]).state_dict()
    whole = {"model": tensors | probes, "optimizer": optimiser, "min_loss": 0.1, "epoch": 7, "args": args}
    torch.save(whole, file)
    found = published.read(file)
    assert found.probes == tuple(sorted(probes))
    assert (found.epoch, found.args["dataset"], found.source) == (7, "stl10", str(file))
    assert found.tensors.keys() == tensors.keys()
    with caplog.at_level(logging.WARNING, "gazeworld.models.published"):
        model = load(str(file))
    assert all(name in caplog.text for name in probes)
    assert model.momentum == 0.99
    stream = stream_of(2, 2)
    expected = released(tensors, stream, heads=8)
    torch.testing.assert_close(answers(model, stream)["aggregate"], expected["aggregate"], rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="1 layers of \\[8\\] heads"):  # which the format's tensors do not say
        published.export(model)


def test_every_way_to_give_a_checkpoint(tensors: Tensors, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "plain.pth"
    torch.save(tensors, file)
    wrapped = {f"module.{name}": tensor.double() for name, tensor in tensors.items()}  # of distributed training
    for given in (file, {"model": wrapped, "epoch": 1}, published.read(tensors)):
        exported = published.export(load(given))
        assert all(torch.equal(exported[name], tensors[name]) for name in tensors)
    assert not caplog.records


def test_a_model_written_and_read_is_the_same_model() -> None:
    released_options = {
        "encoder": "resnet18",
        "action_norm": "batch",
        "final_norm": True,
        "dropout": 0.1,
        "predictor_hidden": 32,
        "layers": 1,
    }
    made = WorldSpec((3, 32, 32), 4, MEAN, STD)
    model = SeqJEPA(made, **released_options)
    stream = stream_of(2, 4, side=64)
    model.loss(stream)  # moves the running statistics
    written = published.export(model)
    again = load(written)
    for name, tensor in model.eval().state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)
    for name, found in answers(again, stream).items():
        torch.testing.assert_close(found, answers(model, stream)[name])
    dropouts = {layer.dropout.p for layer in again.aggregator.layers}
    assert dropouts == {0.1}
    assert all(tensor.is_contiguous() for tensor in written.values())
    with torch.no_grad():
        model.aggregator.token.fill_(3)
    assert not (written["agg_token"] == 3).any()


def test_reading_gives_eval_mode_and_leaves_random_numbers_alone(tensors: Tensors) -> None:
    before = torch.get_rng_state()
    model = load(tensors)
    assert torch.equal(before, torch.get_rng_state())
    assert not any(module.training for module in model.modules())
    assert not any(p.requires_grad for p in model.target.parameters())
    with pytest.raises(ValueError, match=r"actions are .* expected a float tensor of shape \(2, 2, 2\)"):
        model.represent(stream_of(2, 4).views, stream_of(2, 4).actions)


@pytest.mark.parametrize(
    "name",
    [
        "encoder.conv1.weight",
        "target_encoder.layer1.0.conv1.weight",
        "agg_token",
        "action_proj.0.weight",
        "action_proj.1.running_mean",
        "predictor.0.weight",
        f"{LAYERS}0.linear1.weight",
        "transformer_encoder.norm.bias",
    ],
)
def test_a_missing_or_misshapen_tensor_is_named(tensors: Tensors, name: str) -> None:
    lacking = {key: value for key, value in tensors.items() if key != name}
    with pytest.raises(CheckpointError, match=f"{name} is missing, expected shape"):
        load(lacking)
    wrong = tensors | {name: tensors[name].new_ones(5, *tensors[name].shape)}
    with pytest.raises(CheckpointError, match=rf"{name} has shape \(5, .*expected"):
        load(wrong)


def changed(**tensors: Tensor) -> Callable[[Tensors], dict]:
    return lambda own: own | {name.replace("__", "."): tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed(projector__0__weight=torch.zeros(2)), "projector.0.weight has no place in this model"),
        (changed(agg_token=torch.full((1, 1, 640), torch.nan)), "agg_token holds infinite values or NaN"),
        (changed(agg_token=torch.zeros(1, 1, 640, dtype=torch.int64)), "agg_token holds torch.int64, expected"),
        (changed(agg_token=torch.zeros(1, 1, 511)), r"agg_token has shape \(1, 1, 511\)"),
        (changed(predictor__0__weight=torch.zeros(64, 640)), r"predictor.0.weight has shape \(64, 640\), expected"),
        (lambda own: own | {f"{LAYERS}2.norm1.weight": torch.ones(640)}, r"layers.1.\* is missing"),
        (lambda own: {k: v for k, v in own.items() if not k.startswith(LAYERS)}, r"layers.0.\* is missing"),
        (lambda own: {k: v for k, v in own.items() if "target" not in k}, "target_encoder.conv1.weight is missing"),
        (lambda own: {"model": own, "args": argparse.Namespace(num_heads=7)}, "expected a multiple of the 7 heads"),
        (lambda own: {}, "encoder.conv1.weight is missing"),
        (lambda own: {"model": [own]}, "type list, expected a state dict under 'model'"),
        (lambda own: {"state_dict": own}, "'state_dict' is something of type dict, expected a state dict of tensors"),
    ],
)
def test_what_is_no_such_checkpoint_is_refused(tensors: Tensors, change: Callable, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        load(change(tensors))


def test_a_checkpoint_of_another_method_is_refused() -> None:
    made = WorldSpec((3, 32, 32), 4, MEAN, STD)
    with pytest.raises(CheckpointError, match="agg_token is missing"):
        load(SeqJEPA(made, predictor_hidden=16, layers=1).state_dict())


class Runs:
    """Pickled, it creates a file when opened carelessly."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.file),)


def test_damaged_and_malicious_files(tensors: Tensors, tmp_path: Path) -> None:
    file, trap = tmp_path / "bad.pth", tmp_path / "trap"
    with pytest.raises(CheckpointError, match=r"bad.pth: no such file"):
        load(file)
    torch.save({"model": {}, "args": Runs(trap)}, file)
    with pytest.raises(CheckpointError, match=r"bad.pth: refused, since it would import posix.mkdir"):
        load(file)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        file.write_bytes(pickle.dumps(Runs(trap), protocol))
        with pytest.raises(CheckpointError, match=r"bad.pth: (refused|not a whole file)"):
            load(file)
    assert not trap.exists()
    torch.save({"agg_token": torch.zeros(1, 1, 640)}, file)
    whole = file.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"hello world", bytes(1000)):
        file.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=rf"bad.pth: not a whole file .*{len(damaged)} bytes"):
            load(file)
    torch.save([1, 2], file)
    with pytest.raises(CheckpointError, match="type list, expected a dictionary"):
        load(file)


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ((0.5, 0.5), STD, "mean is .* expected 3 values, each a finite number from 0 to 1"),
        ((127.0, 127.0, 127.0), STD, "mean is"),
        (MEAN, (0.2, 0.2, 0.0), "std is"),
        (MEAN, (0.2, 0.2, float("nan")), "std is"),
    ],
)
def test_impossible_statistics(tensors: Tensors, mean: tuple, std: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        published.load(tensors, mean=mean, std=std)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"encoder": "small", "dim": 24}, "its encoder is not a ResNet-18"),
        ({"condition_predictor": False}, "actions condition only one of transformer and predictor"),
        ({"action_norm": "none"}, "its action_norm is not 'batch'"),
        ({"predictor_norm": "none"}, "its predictor_norm is not 'batch'"),
        ({"final_norm": False}, "it has no final_norm"),
        ({"positions": True}, "it has positions"),
        ({"heads": 8}, "it has 1 layers of .8. heads"),
    ],
)
def test_a_model_that_the_format_cannot_express_is_refused(options: dict, reason: str) -> None:
    made = {"predictor_hidden": 16, "layers": 1, "action_norm": "batch", "final_norm": True}
    model = SeqJEPA(WorldSpec((3, 32, 32), 4, MEAN, STD), **made | options)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=f"cannot hold this model: {reason}"):
        published.export(model)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_a_model_that_has_lost_its_layers_is_not_exported() -> None:
    model = SeqJEPA(WorldSpec((3, 32, 32), 4, MEAN, STD), action_norm="batch", final_norm=True)
    model.aggregator.layers = nn.ModuleList()
    with pytest.raises(ValueError, match="cannot hold this model: it has 0 layers"):
        published.export(model)
