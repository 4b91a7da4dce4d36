"""Checkpoints: safetensors for tensors, JSON for the rest, written whole or not at all, read without running code."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gazeworld.envs.files import DataError, left_behind, naming, remove_folder, whole_folder
from gazeworld.envs.world import World
from gazeworld.models.method import CheckpointError, Method, WorldSpec, make_method

from ..file_schemas import State, read_fields
from ..run_folder import RunFolder, read_config

_STATE = "state.json"
_MODEL = "model.safetensors"
_OPTIMISER = "optimizer.safetensors"
_NAME = re.compile(r"step-(\d{8,18})")


class NonFiniteWeightsError(CheckpointError):
    """A file of weights that holds NaN or infinite numbers; the message names both."""


@dataclass(frozen=True)
class Checkpoint:
    """A folder `step-00001234` that holds the model, the optimiser and `state.json`."""

    path: Path

    @property
    def weights(self) -> Path:
        """The file of the model's weights."""
        return self.path / _MODEL

    @property
    def state_file(self) -> Path:
        """The file that `state` reads."""
        return self.path / _STATE

    @property
    def step(self) -> int:
        """Optimiser steps done when it was written."""
        return int(self.path.name.removeprefix("step-"))

    def state(self) -> dict[str, Any]:
        """What `state.json` says: the step, the method's name and so on. Raises CheckpointError for a damaged one."""
        file = _existing(self.state_file)
        try:
            found = read_fields(file, State)
        except DataError as error:
            raise CheckpointError(str(error)) from error
        if found["step"] != self.step:
            raise CheckpointError(f"{file}: step is {found['step']}, expected {self.step}, as its folder is called")
        return found


def save(
    folder: Path,
    step: int,
    method: nn.Module,
    optimiser: torch.optim.Optimizer,
    state: dict[str, Any],
    *,
    keep: int,
) -> Checkpoint:
    """Write `folder/step-<step>` atomically and delete all but the newest `keep` checkpoints (0: keep all)."""
    with drafted(folder, step, keep) as draft:
        write(draft, method, optimiser, {"step": step, **state})
    return Checkpoint(folder / f"step-{step:08d}")


@contextmanager
def drafted(folder: Path, step: int, keep: int) -> Iterator[Path]:
    """Lends a folder to write a checkpoint into, which then becomes `folder/step-<step>` at once, whole or not at all.

    Afterwards all but the newest `keep` checkpoints are deleted (0: none is).
    """
    final = folder / f"step-{step:08d}"
    with whole_folder(final, flushed=True) as draft, told(draft, final):
        yield draft
    for old in every(folder)[:-keep] if keep else []:
        remove_folder(old.path)


@contextmanager
def told(draft: Path, final: Path) -> Iterator[None]:
    """Errors of the system in writing a draft speak of what it would have become, and of what is not lost."""
    try:
        with naming(draft):
            yield
    except OSError as error:
        if error.errno is None:
            raise
        name = Path(os.path.relpath(error.filename, draft)) if error.filename else Path()
        raise OSError(f"{final / name}: cannot be written: {error.strerror}; what was saved before is whole") from error


def sweep(folder: Path) -> None:
    """Delete the drafts that a kill left among checkpoints; only for whom the folder is locked."""
    for draft in [*left_behind(folder), *folder.glob(".draft-*")]:  # the latter of runs before November 2026
        shutil.rmtree(draft)


def write(draft: Path, method: nn.Module, optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Put method, optimiser and `state.json` into the draft of a checkpoint."""
    put(weights_of(method), draft / _MODEL)
    put(_optimiser_tensors(method, optimiser), draft / _OPTIMISER)
    (draft / _STATE).write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    """Everything that a module saves, as a file takes it."""
    # Contiguous row-major copies: a channels-last kernel would be refused or, worse, silently reordered.
    return {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}


def put(tensors: dict[str, Tensor], file: Path) -> None:
    """Write a safetensors file. Raises OSError naming the file where there is no room for it."""
    try:
        file.touch()
        readers = file.stat().st_mode & 0o777  # whom the user's umask lets read; safetensors itself lets the owner only
        save_file(tensors, file)
        file.chmod(readers)
    except SafetensorError as error:  # how safetensors reports errors of the system
        found = re.search(r"os error (\d+)", str(error))
        if found is None:
            raise OSError(f"{file}: cannot be written: {error}") from error
        raise OSError(int(found[1]), os.strerror(int(found[1])), str(file)) from error


def every(folder: Path) -> list[Checkpoint]:
    """All whole checkpoints of a folder, oldest first; drafts that a kill left behind are not among them."""
    found = (Checkpoint(p) for p in folder.glob("step-*") if _NAME.fullmatch(p.name) and p.is_dir())
    return sorted(found, key=lambda c: c.step)


def is_checkpoint(folder: Path) -> bool:
    """Whether a folder is that of a checkpoint, by its name and its `state.json`."""
    return _NAME.fullmatch(folder.name) is not None and Checkpoint(folder).state_file.is_file()


def latest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint, or None."""
    found = every(folder)
    return found[-1] if found else None


def require(folder: Path | None) -> Checkpoint:
    """The newest checkpoint. Raises CheckpointError where there is none."""
    found = None if folder is None else latest(folder)
    if found is None:
        raise CheckpointError(f"{folder}: no checkpoint yet; expected at least one step-… folder")
    return found


def last_good(folder: Path, what: str = "checkpoint") -> str:
    """Where what was saved last lies, for errors about numbers that are not finite."""
    found = latest(folder)
    return f"last good {what}: {found.path if found else 'none yet'}"


def load_model(checkpoint: Checkpoint, method: nn.Module) -> None:
    """Fill the method's weights and buffers; errors as of `require_fit`."""
    file = checkpoint.weights
    tensors = read(file)
    require_fit(tensors, method, file)
    method.load_state_dict(tensors)


def require_fit(tensors: Mapping[str, Tensor], method: nn.Module, file: Path) -> None:
    """Raise CheckpointError if the tensors of a file are those of another method, or of one of other sizes."""
    own = method.state_dict()
    missing, surplus = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    if missing or surplus:
        raise CheckpointError(
            f"{file}: this checkpoint is of another method or configuration: "
            f"{len(missing)} tensors are missing ({missing[:1]} …), {len(surplus)} are unknown ({surplus[:1]} …)"
        )
    require_shapes(own, tensors, str(file))


def load_method(folder: Path, world: World) -> tuple[Method, int]:
    """The method of a run with the weights of its newest checkpoint, in eval mode on the world's device, and that step.

    Raises ValueError for a folder that holds no run, CheckpointError where there is no checkpoint or where the weights
    do not fit views and actions of this world.
    """
    method = made_for(dict(read_config(folder)["config"]["method"]), world)
    found = require(RunFolder(folder).checkpoints)
    load_model(found, method)
    return method.to(world.device).eval(), found.step


def made_for(options: dict[str, Any], world: World) -> Method:
    """An untrained method for views and actions of a world; `options` holds its `name` and its own options."""
    rest = dict(options)
    return make_method(rest.pop("name"), WorldSpec.of(world), **rest)


def require_shapes(own: Mapping[str, Tensor], found: Mapping[str, Tensor], where: str) -> None:
    """Raise CheckpointError naming the first of the same tensors that has another shape or type of numbers.

    `where` begins the message.
    """
    for name, tensor in own.items():
        if tensor.dtype != found[name].dtype:
            raise CheckpointError(f"{where}: {name} holds {found[name].dtype}, expected {tensor.dtype}")
        if tensor.shape != found[name].shape:
            raise CheckpointError(
                f"{where}: {name} has shape {tuple(found[name].shape)}, expected {tuple(tensor.shape)}"
            )


def load_optimiser(checkpoint: Checkpoint, method: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Restore the optimiser's state exactly, matched by parameter name."""
    file = checkpoint.path / _OPTIMISER
    tensors, names = read(file), {p: n for n, p in method.named_parameters()}
    expected = {names[p] for group in optimiser.param_groups for p in group["params"]}
    found = {key.rpartition("/")[0] for key in tensors}
    if found and found != expected:
        raise CheckpointError(
            f"{file}: optimiser state for {len(found)} parameters, expected {len(expected)} of this method"
        )
    by_name: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        name, _, slot = key.rpartition("/")
        by_name.setdefault(name, {})[slot] = tensor
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    for parameter in parameters if by_name else []:
        _require_slots(by_name[names[parameter]], parameter, f"{file}: {names[parameter]}")
    state = {i: _laid_out(by_name[names[p]], p) for i, p in enumerate(parameters)} if by_name else {}
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def _require_slots(slots: dict[str, Tensor], parameter: Tensor, where: str) -> None:
    """Raise CheckpointError unless there are the moments and the count of steps that Adam keeps of a parameter."""
    wanted = {"step": torch.zeros((), dtype=torch.float32), "exp_avg": parameter, "exp_avg_sq": parameter}
    if slots.keys() != wanted.keys():
        raise CheckpointError(f"{where} has the state {', '.join(sorted(slots))}, expected {', '.join(sorted(wanted))}")
    require_shapes(wanted, slots, where)


def _laid_out(slots: dict[str, Tensor], parameter: Tensor) -> dict[str, Tensor]:
    """Moments in the memory layout of their parameter (channels-last kernels), which fused updates want."""
    return {k: torch.empty_like(parameter).copy_(v) if v.ndim else v for k, v in slots.items()}


def _optimiser_tensors(method: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    names: dict[Tensor, str] = {p: n for n, p in method.named_parameters()}
    return {
        f"{names[parameter]}/{slot}": value.detach().cpu().contiguous()
        for parameter, slots in optimiser.state.items()
        for slot, value in slots.items()
    }


def read(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises CheckpointError for one that is missing or damaged, NonFiniteWeightsError for one that holds NaN or infinite
    numbers: whatever uses weights gets them from here.
    """
    existing = _existing(file)
    try:
        tensors = load_file(existing)
    except (SafetensorError, OSError, KeyError, AttributeError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"{file}: not a whole safetensors file ({file.stat().st_size} bytes): {error}") from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() or tensor.is_complex():
            kind = tensor if tensor.element_size() > 1 else tensor.float()  # torch cannot tell of numbers of 8 bits
            bad = int((~torch.isfinite(kind)).sum())
            if bad:
                raise NonFiniteWeightsError(
                    f"{file}: {name} holds {bad} of {tensor.numel()} numbers that are NaN or infinite, expected finite "
                    "ones: the file is damaged, or training had failed"
                )
    return tensors


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise CheckpointError(f"{file}: no such file; expected a checkpoint written by gazeworld train")
    return file


def signature(module: nn.Module) -> str:
    """What tells one set of weights from another: 16 hexadecimal digits of the SHA-256 of all its tensors."""
    seen = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        seen.update(name.encode())
        seen.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return seen.hexdigest()[:16]
