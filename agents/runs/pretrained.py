"""Trained models opened: a run, a checkpoint, a policy or an exported model, without the data of its training."""

from dataclasses import dataclass, replace
from pathlib import Path

from gazeworld.envs.downloads import refused
from gazeworld.envs.files import DataError, located
from gazeworld.models.method import CheckpointError

from ..file_schemas import Beside, read_fields
from ..run_folder import PolicyFolder, RunFolder, model_of_policy, read_config
from ..training import checkpoint
from ..training.checkpoint import Checkpoint
from . import build, hub
from .export_folder import ExportFolder, filled, is_export, read_export, read_model_config
from .model_facts import ModelFacts, facts_of, from_json
from .scenario import open_run
from .trained_model import TrainedModel


@dataclass(frozen=True)
class Placed:
    """Where a model lies: its checkpoint, the run around it (None: there is none), and a policy learnt in it, if asked
    for."""

    checkpoint: Checkpoint
    run: Path | None
    policy: Path | None = None

    @property
    def name(self) -> str:
        """What to call it: by the run, and the policy."""
        names = [one.name for one in (self.run, self.policy) if one is not None]
        return "/".join(names) or self.checkpoint.path.name


def load(path: str | Path, device: str = "auto") -> TrainedModel:
    """The trained model of a run, of one of its checkpoints (`RUN/checkpoints/step-…`) or policies, or an exported one.

    The data of its training need not be there. Of a run it is the newest checkpoint; of a policy (`RUN/policies/NAME`)
    the world model that it was learnt in, which then looks by that policy. `device` is auto, cpu, cuda, mps or cuda:1.
    Raises DataError (CheckpointError is one) naming the file for a folder that holds no model, for a damaged one, and
    for a checkpoint of a version that did not write down what its model is, unless the run's data are there to tell.
    """
    folder = located(path)
    if is_export(folder):
        return opened_export(folder, device)
    place = placed(folder)
    facts = facts_in(place)
    method = filled(facts, place.checkpoint.weights, build.device_named(device))
    if place.policy is not None:
        known = model_of_policy(place.policy)
        if known and known != (now := checkpoint.signature(method)):
            raise CheckpointError(
                f"{place.policy}: learnt in the world model {known}, and that of {place.run} is {now} now"
            )
    return TrainedModel(place.name, place.checkpoint.step, facts, method)


def from_pretrained(
    name: str | Path, revision: str | None = None, *, device: str = "auto", agree: hub.Agree = refused
) -> TrainedModel:
    """A model that `export` wrote or `push` uploaded: a folder, or USER/NAME on the Hugging Face hub.

    A folder of that name is taken first. `revision` is a branch, tag or commit of the hub. What is fetched is kept in
    the hub client's cache, and used from there where there is no network. More than 1 GB is fetched only if `agree`,
    which is given a sentence that says how much, returns True. Nothing that comes with a model is run or unpickled.
    Raises DataError (CheckpointError is one) for what is no model or a damaged one, HubError where the hub gives none,
    MissingExtraError where the hub's client is not installed (extra `hub`).
    """
    text = str(name)
    folder = located(text, "name")
    if not folder.exists() and hub.is_id(text):
        names = ExportFolder(Path()).names
        folder = hub.fetch(text, revision, names, agree=agree, check=read_model_config)
        return replace(opened_export(folder, device), name=text)
    if revision is not None:
        raise DataError(f"{folder}: a folder, which has no revisions; expected revision=None")
    if not folder.exists():
        raise DataError(
            f"{folder}: no such folder, and {text!r} is no model of the hub, whose names are like user/name"
        )
    return opened_export(folder, device)


def opened_export(folder: Path, device: str) -> TrainedModel:
    """The model in the folder of an exported one; errors as of `from_pretrained`."""
    chosen, found = build.device_named(device), read_export(folder)
    return TrainedModel(folder.name, found.step, found.facts, filled(found.facts, ExportFolder(folder).weights, chosen))


def placed(folder: Path) -> Placed:
    """Where the model of a run, a checkpoint or a policy lies. Raises DataError for a folder that is none of these."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder, expected a run, or one of its checkpoints or policies")
    if checkpoint.is_checkpoint(folder):
        run = folder.parent.parent
        return Placed(Checkpoint(folder), run if RunFolder(run).config.is_file() else None)
    if PolicyFolder(folder).facts.is_file():
        run = _run_of(folder)
        return Placed(checkpoint.require(RunFolder(run).checkpoints), run, folder)
    if Checkpoint(folder).state_file.is_file():
        raise DataError(f"{folder}: a checkpoint under another name, expected it to be called like step-00001234")
    read_config(folder)
    return Placed(checkpoint.require(RunFolder(folder).checkpoints), folder)


def _run_of(policy: Path) -> Path:
    """The run in whose world model a policy was learnt."""
    around, file = policy.parent.parent, PolicyFolder(policy).config
    if RunFolder(around).config.is_file():
        return around
    named = read_fields(file, Beside).get("run") if file.is_file() else None
    if isinstance(named, str) and RunFolder(Path(named)).config.is_file():
        return Path(named)
    raise DataError(f"{policy}: a policy without the run of its world model, expected RUN/policies/{policy.name}")


def facts_in(place: Placed) -> ModelFacts:
    """What a checkpoint says of its model; of older ones, what the run and its data say."""
    file = place.checkpoint.state_file
    written = place.checkpoint.state().get("model")
    if written is not None:
        facts = from_json(written, f"{file}: model")
    elif place.run is None:
        raise CheckpointError(
            f"{file}: does not say what its model is, as of an earlier version; expected its run around it, and data"
        )
    else:
        facts = _facts_by_data(place.run, file)
    if place.policy is not None:
        facts = replace(facts, policy={"name": "sb3", "path": str(place.policy)})
    return facts


def _facts_by_data(run: Path, file: Path) -> ModelFacts:
    scenario = open_run(run).scenario
    try:
        return facts_of(scenario, build.world_of(scenario, scenario.world["split"], "cpu"))
    except (ValueError, OSError) as error:
        raise CheckpointError(
            f"{file}: does not say what its model is, as of an earlier version, and the run's data cannot tell: {error}"
        ) from error
