"""The folder of an exported model: what lies where, how it is told from a run, and how a stranger's is read.

It holds `config.json` (a run's, with the facts of the model), `model.safetensors`, `probes.json` where the run was
probed, README.md, and of a learnt policy the folder `policy`. It is what somebody else sends, so nothing in it is
believed: fields are checked, weights must fit what the fields say before memory is taken for them, and no module that
it names is imported.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from gazeworld.envs.files import DataError, read_json
from gazeworld.envs.validation import shown
from gazeworld.models.method import CheckpointError, Method

from ..file_schemas import ExportedConfig, read_fields
from ..training import checkpoint
from .model_facts import ModelFacts, from_json, make_model


@dataclass(frozen=True)
class ExportFolder:
    """Where everything lies in the folder of an exported model."""

    path: Path

    @property
    def config(self) -> Path:
        """What the model is, and what made it."""
        return self.path / "config.json"

    @property
    def weights(self) -> Path:
        """The weights, as a checkpoint has them, without the optimiser."""
        return self.path / "model.safetensors"

    @property
    def probes(self) -> Path:
        """What probes found, as the run has it."""
        return self.path / "probes.json"

    @property
    def card(self) -> Path:
        """The model card."""
        return self.path / "README.md"

    @property
    def policy(self) -> Path:
        """The policy that was learnt in the model, if it is one that was exported."""
        return self.path / "policy"

    @property
    def names(self) -> tuple[str, ...]:
        """Every file that may be needed to use the model, below the folder."""
        return (
            self.config.name,
            self.weights.name,
            self.probes.name,
            f"{self.policy.name}/policy.json",
            f"{self.policy.name}/policy.safetensors",
        )


@dataclass(frozen=True)
class Exported:
    """What config.json of an exported model says of it."""

    facts: ModelFacts
    step: int


def is_export(folder: Path) -> bool:
    """Whether this is the folder of an exported model, be it whole or not."""
    own = ExportFolder(folder)
    try:
        found = read_json(own.config, "what a model is")
    except DataError:
        return own.weights.is_file() and not checkpoint.Checkpoint(folder).state_file.is_file()
    return isinstance(found, dict) and {"model", "step"} <= found.keys()


def read_export(folder: Path) -> Exported:
    """What the folder of an exported model says of it.

    Raises DataError for a file that is missing or damaged, CheckpointError for a model of another version and for one
    that would have to be imported from a package that nobody has imported.
    """
    own = ExportFolder(folder)
    found = read_model_config(folder)
    if not own.weights.is_file():
        raise CheckpointError(f"{own.weights}: no such file, expected the weights of the model that {own.config} names")
    return found


def read_model_config(folder: Path) -> Exported:
    """The same, where only config.json need be there."""
    own = ExportFolder(folder)
    if not own.config.is_file():
        raise DataError(f"{own.config}: no such file, expected what gazeworld export writes beside the weights")
    if not is_export(folder):
        raise DataError(
            f"{own.config}: is of no exported model, expected what gazeworld export writes (load opens runs)"
        )
    found = read_fields(own.config, ExportedConfig)
    facts = from_json(found["model"], f"{own.config}: model")
    _require_known(facts, own.config)
    if found.get("learnt_policy") is not None:
        facts = replace(facts, policy={"name": "sb3", "path": str(own.policy)})
    return Exported(facts, found["step"])


def _require_known(facts: ModelFacts, file: Path) -> None:
    """Raise CheckpointError for a thing of another package (`module:Class`) unless that is imported already."""
    for part in ("method", "world", "policy"):
        name = getattr(facts, part)["name"]
        module, colon, _ = name.partition(":")
        if colon and module not in sys.modules:
            raise CheckpointError(
                f"{file}: model.{part}.name is {shown(name)}, of a package that is not imported; import {module} "
                "first if you trust it: what a file names is never imported"
            )


def filled(facts: ModelFacts, weights: Path, device: torch.device) -> Method:
    """The method that facts describe with the weights of a file, in eval mode.

    Raises CheckpointError where the file is missing or damaged, holds numbers that are not finite, or does not fit;
    that is known before memory is taken for the model.
    """
    tensors = checkpoint.read(weights)
    with torch.random.fork_rng(devices=[]):  # initial weights are drawn; the caller's generator does not notice
        try:
            checkpoint.require_fit(tensors, make_model(facts, shell=True), weights)
            method = make_model(facts)
        except CheckpointError:
            raise
        except ValueError as error:
            raise CheckpointError(f"{weights.parent}: the model cannot be built: {error}") from error
    method.load_state_dict(tensors)
    return method.to(device).eval()
