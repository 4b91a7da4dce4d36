"""Checkpoints in the authors' format (arXiv 2505.03176): read into `SeqJEPA`, and written from it.

Their training scripts save a dictionary with torch.save: `model` (the tensors), `optimizer`, `min_loss`, `epoch`,
`args` and more. The saccade models (SeqJEPA_PLS) and the transformed-view models (SeqJEPA_Transforms) share the names
of their tensors, and everything about a model but its number of heads can be told from their shapes.

The released models differ from the paper's in ways that are options of `SeqJEPA`: `action_norm="batch"`,
`final_norm=True`, `dropout=0.1`, `predictor_hidden=0` without a hidden layer in the predictor, `action_width=0` in
transformed-view models that were trained without actions.
"""

import logging
import pickle
import re
import warnings
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.serialization import safe_globals

from gazeworld.envs.validation import OptionError, Share, checked

from .method import CheckpointError, Deviation, WorldSpec, within_memory
from .methods.seq_jepa import SeqJEPA

_log = logging.getLogger(__name__)

_VIEW_DIM = 512  # ResNet-18's
_HEADS = 4  # of the released code; stands in no tensor
_DROPOUT = 0.1  # nn.TransformerEncoderLayer's, which the released code leaves as it is
_MOMENTUM = 0.996
_STEMS: dict[tuple[int, ...], str] = {(64, 3, 3, 3): "cifar-resnet18", (64, 3, 7, 7): "resnet18"}
_LAYERS = "transformer_encoder.transformer_encoder.layers."

# Parts of a model's tensor names, here and in the authors' format.
_PARTS = {
    "encoder.": "encoder.",
    "target.": "target_encoder.",
    "action_projection.": "action_proj.0.",
    "action_norm.": "action_proj.1.",
    "predictor.": "predictor.",
    "aggregator.token": "agg_token",
    "aggregator.layers.": _LAYERS,
    "aggregator.norm.": "transformer_encoder.norm.",
}

# Heads for measuring, which live in the authors' models: online_res_probe, online_equiprobe, agg_classifier …
_PROBE = re.compile(r"(online_\w+|\w*probe|\w+_classifier|\w+_regressor)\.")


@dataclass(frozen=True)
class Published:
    """A checkpoint in the authors' format, as found: the model's own tensors, and what came with them.

    `probes` names the tensors of heads for measuring, which are left out; `epoch` is the number of epochs done, None
    where the checkpoint does not say; `args` are the options of the training script, empty where there are none;
    `source` is what messages call the checkpoint.
    """

    tensors: dict[str, Tensor] = field(repr=False)
    probes: tuple[str, ...] = ()
    epoch: int | None = None
    args: dict[str, Any] = field(default_factory=dict)
    source: str = "checkpoint"


def read(checkpoint: Mapping[str, Any] | str | Path) -> Published:
    """What a checkpoint in the authors' format holds: a state dict, the dictionary around it, or a file with either.

    Files are opened without running code: tensors, plain values and argparse.Namespace are let in, nothing else.
    Prefixes `module.` of distributed training are taken off. Raises CheckpointError for what is no such checkpoint.
    """
    if isinstance(checkpoint, str | Path):
        source, found = str(checkpoint), _opened(Path(checkpoint))
    else:
        source, found = "checkpoint", checkpoint
    outer = _mapping(found, source, "a dictionary")
    whole = "model" in outer
    inner = _mapping(outer["model"], source, "a state dict under 'model'") if whole else outer
    tensors = {}
    for name, tensor in inner.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise CheckpointError(
                f"{source}: {name!r} is {_kind(tensor)}, expected a state dict of tensors or a dictionary with the key "
                "'model', as the authors' training scripts write it"
            )
        tensors[name] = tensor
    if tensors and all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    probes = tuple(sorted(name for name in tensors if _PROBE.match(name)))
    epoch, args = (outer.get("epoch"), outer.get("args")) if whole else (None, None)
    return Published(
        {name: tensor for name, tensor in tensors.items() if name not in probes},
        probes,
        epoch if isinstance(epoch, int) else None,
        vars(args) if isinstance(args, Namespace) else {},
        source,
    )


def load(
    checkpoint: Mapping[str, Any] | str | Path | Published, *, mean: Sequence[float], std: Sequence[float]
) -> SeqJEPA:
    """The model of a checkpoint in the authors' format, on the CPU and in eval mode; `represent` takes uint8 views.

    `mean` and `std` are the statistics of the images per channel (red, green, blue), in [0, 1], that the model was
    trained with, for instance (.4467, .4398, .4066) and (.2241, .2215, .2239) for STL-10, (.5016, .5037, .5060) and
    (.1030, .0999, .0969) for 3DIEBench. Actions are as those models took them: differences of positions divided by the
    image side, relative quaternions (x, y, z, w), differences of augmentation parameters. Tensors of probes are named
    in a warning of this module's logger, and by `read`.

    The number of heads and the momentum's start are taken from the checkpoint's `args` where there are any, else they
    are the released code's defaults (4, 0.996). Models without a momentum target (trained without `--ema`) or with
    actions that were not projected (`--learn-act-emb 0`) are refused for want of those tensors. Raises CheckpointError
    naming the tensor that is missing, unknown, misshapen or not finite, what was found and what was expected;
    ValueError for statistics that cannot be.
    """
    means, deviations = _channels("mean", mean, Share), _channels("std", std, Deviation)
    found = checkpoint if isinstance(checkpoint, Published) else read(checkpoint)
    if found.probes:
        _log.warning("%s: left out %d tensors of probes: %s", found.source, len(found.probes), ", ".join(found.probes))
    options = _options(found)
    with torch.random.fork_rng(devices=[]):  # weights are about to be replaced: leave no trace in the caller's draws
        model = _built(found.source, options, means, deviations)
    names, own = _names(model), model.state_dict()
    _check(found, {theirs: own[ours] for ours, theirs in names.items()})
    model.load_state_dict({ours: found.tensors[theirs] for ours, theirs in names.items()})
    return model.eval()


def export(model: SeqJEPA) -> dict[str, Tensor]:
    """The state dict of a model in the authors' format, on the CPU and independent of the model.

    `load(export(model))` with the statistics of the model's images gives the same model. How it was trained is not in
    it: reading assumes a dropout of 0.1 and a momentum from 0.996, as released. Without actions, the saccade model's
    form is written, which carries an unused projection, or the transformed-view model's where `action_width` is 0.
    Raises ValueError naming what the format cannot express.
    """
    reasons = _inexpressible(model)
    if reasons:
        raise ValueError(f"the authors' format cannot hold this model: {'; '.join(reasons)}")
    own = model.state_dict()
    return {theirs: own[ours].detach().cpu().contiguous().clone() for ours, theirs in _names(model).items()}


def _built(source: str, options: dict[str, Any], mean: tuple[float, ...], std: tuple[float, ...]) -> SeqJEPA:
    """A model for the tensors of a checkpoint. Raises CheckpointError where they tell of sizes that no model has."""
    try:
        # Views of any other side fit as well: a ResNet ends in a mean over places.
        spec = WorldSpec((3, 32, 32), options["action_dim"], mean, std)
        rest = {name: value for name, value in options.items() if name != "action_dim"}
        return within_memory("a model of its tensors' sizes", lambda: SeqJEPA(spec, **rest))
    except OptionError as error:
        raise CheckpointError(f"{source}: {error}") from error


def _names(model: SeqJEPA) -> dict[str, str]:
    """The authors' name of every tensor of a model that their format can express, by our name."""
    names = {}
    for ours in model.state_dict():
        part = next(part for part in _PARTS if ours.startswith(part))
        names[ours] = _PARTS[part] + ours.removeprefix(part)
    return names


def _inexpressible(model: SeqJEPA) -> list[str]:
    """What of a model the authors' format has no place for, one clause each."""
    stem, layers = model.state_dict().get("encoder.conv1.weight"), model.aggregator.layers
    heads = {layer.self_attn.num_heads for layer in layers if isinstance(layer, nn.TransformerEncoderLayer)}
    expressible = {
        "its encoder is not a ResNet-18 for three channels": stem is not None and tuple(stem.shape) in _STEMS,
        "actions condition only one of transformer and predictor": (
            model.condition_transformer == model.condition_predictor
        ),
        "its action_norm is not 'batch'": not model.action_width or isinstance(model.action_norm, nn.BatchNorm1d),
        "its predictor_norm is not 'batch'": isinstance(model.predictor[1], nn.BatchNorm1d),
        "it has no final_norm": isinstance(model.aggregator.norm, nn.LayerNorm),
        "it has positions": not model.aggregator.positions,
        f"it has {len(layers)} layers of {sorted(heads)} heads, where readers take 1 or more of {_HEADS}": (
            heads == {_HEADS}
        ),
    }
    return [reason for reason, holds in expressible.items() if not holds]


def _options(found: Published) -> dict[str, Any]:
    """What `SeqJEPA` is to be built with, told from the shapes of a few tensors."""
    stem = _shape(found, "encoder.conv1.weight", " or ".join(map(str, _STEMS)), lambda s: s in _STEMS)
    width = _width(found)
    size, projected = 0, width
    if width or "action_proj.0.weight" in found.tensors:
        expected = f"({width or 'width of the action embedding'}, size of an action)"
        projected, size = _shape(
            found, "action_proj.0.weight", expected, lambda s: len(s) == 2 and min(s) > 0 and s[0] == (width or s[0])
        )
    heads, momentum = found.args.get("num_heads", _HEADS), found.args.get("ema_decay", _MOMENTUM)
    if not isinstance(heads, int) or heads < 1 or (_VIEW_DIM + width) % heads:
        raise CheckpointError(
            f"{found.source}: tokens are {_VIEW_DIM + width} wide, expected a multiple of the {heads} heads"
        )
    return {
        "encoder": _STEMS[stem],
        "action_dim": size,
        "action_width": projected,
        "action_norm": "batch" if projected else "none",
        "layers": _layers(found),
        "heads": heads,
        "predictor_hidden": _hidden(found),
        "dropout": _DROPOUT,
        "final_norm": True,
        "momentum": momentum if isinstance(momentum, float) and 0 <= momentum <= 1 else _MOMENTUM,
        "condition_transformer": bool(width),
        "condition_predictor": bool(width),
    }


def _width(found: Published) -> int:
    """The width of the action embeddings in the tokens; 0 where the model is not conditioned on actions."""
    expected = f"(1, 1, {_VIEW_DIM} + width of the action embedding)"
    token = _shape(found, "agg_token", expected, lambda s: len(s) == 3 and s[:2] == (1, 1) and s[2] >= _VIEW_DIM)
    return token[2] - _VIEW_DIM


def _layers(found: Published) -> int:
    """The number of transformer layers, of which none may be missing between others."""
    numbers = {int(m[1]) for name in found.tensors if (m := re.match(re.escape(_LAYERS) + r"(\d+)\.", name))}
    for number in range(len(numbers) or 1):
        if number not in numbers:
            raise CheckpointError(
                f"{found.source}: {_LAYERS}{number}.* is missing, expected the tensors of layers 0, 1, …; "
                f"found layers {sorted(numbers)}"
            )
    return len(numbers)


def _hidden(found: Published) -> int:
    """The width of the predictor's hidden layer; 0 where its first layer is its last."""
    rows = _shape(found, "predictor.0.weight", "(width of the hidden layer, inputs)", lambda s: len(s) == 2)[0]
    single = rows == _VIEW_DIM and not any(name.startswith("predictor.3.") for name in found.tensors)
    return 0 if single else rows


def _shape(found: Published, name: str, expected: str, fits: Callable[[tuple[int, ...]], bool]) -> tuple[int, ...]:
    """The shape of a tensor; CheckpointError where it is missing or does not fit."""
    if name not in found.tensors:
        raise CheckpointError(f"{found.source}: {name} is missing, expected shape {expected}")
    shape = tuple(found.tensors[name].shape)
    if not fits(shape):
        raise CheckpointError(f"{found.source}: {name} has shape {shape}, expected {expected}")
    return shape


def _check(found: Published, expected: Mapping[str, Tensor]) -> None:
    """Raise CheckpointError unless the checkpoint has exactly the expected tensors, all of them finite."""
    for name, like in expected.items():
        shape = tuple(like.shape)
        _shape(found, name, str(shape), lambda s, shape=shape: s == shape)
        tensor = found.tensors[name]
        if like.is_floating_point() and not tensor.is_floating_point():
            raise CheckpointError(f"{found.source}: {name} holds {tensor.dtype}, expected {like.dtype}")
        if not tensor.isfinite().all():
            raise CheckpointError(f"{found.source}: {name} holds infinite values or NaN, expected finite numbers")
    surplus = sorted(found.tensors.keys() - expected.keys())
    if surplus:
        raise CheckpointError(
            f"{found.source}: {surplus[0]} has no place in this model ({len(surplus)} unknown tensors), "
            "expected the authors' seq-JEPA and heads for measuring alone"
        )


def _channels(name: str, values: Sequence[float] | Tensor, number: Any) -> tuple[float, ...]:
    given = values.tolist() if isinstance(values, Tensor) else values
    return checked(name, list(given) if isinstance(given, Sequence) else given, tuple[number, number, number])


def _opened(file: Path) -> object:
    """What torch.save wrote, read without running code."""
    if not file.is_file():
        raise CheckpointError(f"{file}: no such file; expected a checkpoint written by torch.save")
    try:
        with safe_globals([Namespace]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about unusual pickles, which are let in or refused all the same
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes raise anything from KeyError to struct.error
        forbidden = re.search(r"GLOBAL (\S+)", str(error))
        if forbidden and isinstance(error, pickle.UnpicklingError):
            raise CheckpointError(
                f"{file}: refused, since it would import {forbidden[1]}; expected tensors, plain values and "
                "argparse.Namespace alone"
            ) from error
        size, kind = file.stat().st_size, type(error).__name__
        raise CheckpointError(
            f"{file}: not a whole file as torch.save writes it ({size} bytes, {kind}: {str(error).partition('.')[0]})"
        ) from error


def _mapping(found: object, source: str, expected: str) -> Mapping[Any, Any]:
    if not isinstance(found, Mapping):
        raise CheckpointError(f"{source}: found {_kind(found)}, expected {expected}")
    return found


def _kind(value: object) -> str:
    return f"something of type {type(value).__name__}"
