"""A trained model as a folder that others can load, with a card that says what it is; and the same on the hub."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gazeworld.envs.downloads import amount, refused, require_agreed
from gazeworld.envs.files import DataError, located, whole_folder
from gazeworld.envs.validation import shown

from ..file_schemas import PolicyConfig, PolicyFacts, read_fields
from ..run_folder import PolicyFolder, RunFolder, probed, read_config, read_probes
from ..training import checkpoint
from . import hub
from .export_folder import ExportFolder, is_export, read_export
from .model_card import card
from .model_facts import to_json
from .pretrained import Placed, facts_in, load, placed
from .trained_model import TrainedModel


@dataclass(frozen=True)
class Export:
    """An exported model: its folder, the sizes of its files in bytes by name, and whether it says what probes found."""

    folder: Path
    files: dict[str, int]
    probed: bool

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(self.files.values())

    def __str__(self) -> str:
        return f"{self.folder}: {', '.join(self.files)}, {amount(self.size)}"


def export(
    run: str | Path, out: str | Path, *, name: str = "", licence: str = "", agree: hub.Agree = refused
) -> Export:
    """Write the trained model of a run, or of one of its checkpoints or policies, into a folder for `from_pretrained`.

    The folder holds the weights without the optimiser, what the model is and what made it (config.json), what probes
    found at this step, of a policy (`RUN/policies/NAME`) the policy as well, and a model card. Paths below the home
    folder are written with ~, and where the training data lie is left out. `name` is what the card's lines load the
    model by (empty: this folder), `licence` that of the data (an identifier of SPDX or the hub; empty: what the source
    says of itself, or unknown). More than 1 GB is written only if `agree` returns True to the sentence that says so.
    Raises DataError for a folder that holds no such model, ValueError for a folder to write into that is not empty.
    """
    place, folder = _exportable(run), located(out, "out")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder}: is not empty, expected a new or an empty folder")
    require_agreed(_size(place), f"{folder} to write", agree)
    return _written(place, folder, name or _private(str(folder)), licence)


def _exportable(run: str | Path) -> Placed:
    """Where the model lies that is to be exported, with the run around it."""
    folder = located(run, "run")
    if is_export(folder):
        raise ValueError(f"{folder}: is exported already, expected a run; copy the folder, or push it as it is")
    place = placed(folder)
    if place.run is None:
        raise DataError(f"{place.checkpoint.path}: a checkpoint without its run, whose config.json says what made it")
    return place


def _written(place: Placed, folder: Path, name: str, licence: str) -> Export:
    model = load(place.policy or place.checkpoint.path, "cpu")  # a model that cannot be loaded is not passed on
    if place.policy is not None:
        read_fields(PolicyFolder(place.policy).facts, PolicyFacts)
        checkpoint.read(PolicyFolder(place.policy).weights)
    config, run = _config(place, model), RunFolder(place.run or folder)
    found = read_probes(run.path) if probed(run.path) else None
    found = found if found is not None and found["step"] == model.step else None
    text = card(model.facts, config, found, name=name, licence=licence)
    with whole_folder(folder) as draft:
        own = ExportFolder(draft)
        for source, copy in _copies(place, own).items():
            copy.parent.mkdir(exist_ok=True)
            shutil.copyfile(source, copy)
        _write(own.config, json.dumps(config, indent=2))
        _write(own.card, text)
        if found is not None:
            shutil.copyfile(run.probes, own.probes)
        files = {
            str(file.relative_to(draft)): file.stat().st_size for file in sorted(draft.rglob("*")) if file.is_file()
        }
    return Export(folder, files, found is not None)


def push(
    model: str | Path,
    name: str,
    *,
    private: bool = False,
    licence: str = "",
    agree: hub.Agree = refused,
) -> str:
    """Upload a model to the Hugging Face hub as USER/NAME; returns its address.

    `model` is the folder of an exported model, or whatever `export` takes. The lines of the card then load it from
    there. More than 1 GB is uploaded only if `agree` returns True to the sentence that says so. Raises HubError where
    the hub does not take it, MissingExtraError where its client is not installed, and errors as of `export`.
    """
    hub.require_id(name)
    folder = located(model, "model")
    with tempfile.TemporaryDirectory() as scratch:
        draft = Path(scratch) / "model"
        if is_export(folder):
            if licence:
                raise ValueError(f"licence is {shown(licence)}, but {folder} is exported, and its card says one")
            read_export(folder)
            size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
            require_agreed(size, f"{folder} to upload", agree)
            shutil.copytree(folder, draft)
            old, text = ExportFolder(folder).card, json.dumps(_private(str(folder)), ensure_ascii=False)
            if old.is_file():
                said = old.read_text(encoding="utf-8").replace(text, json.dumps(name))
                _write(ExportFolder(draft).card, said.removesuffix("\n"))
        else:
            place = _exportable(folder)
            require_agreed(_size(place), f"{folder} to upload", agree)
            _written(place, draft, name, licence)
        step = read_export(draft).step
        return hub.send(draft, name, private=private, message=f"gazeworld export, step {step}")


def _size(place: Placed) -> int:
    """Bytes of the weights that are passed on, as far as they are there."""
    return sum(file.stat().st_size for file in _copies(place, ExportFolder(Path())) if file.is_file())


def _copies(place: Placed, own: ExportFolder) -> Mapping[Path, Path]:
    """The files that are passed on as they are, and where they go."""
    found = {place.checkpoint.weights: own.weights}
    if place.policy is not None:
        learnt, there = PolicyFolder(place.policy), PolicyFolder(own.policy)
        found |= {learnt.facts: there.facts, learnt.weights: there.weights}
    return found


def _config(place: Placed, model: TrainedModel) -> dict[str, Any]:
    """config.json: the run's, and what the model is."""
    if place.run is None:
        raise DataError(f"{place.checkpoint.path}: a checkpoint without its run")
    config = read_config(place.run)
    facts = to_json(facts_in(Placed(place.checkpoint, place.run)))
    found: dict[str, Any] = {**config, "run": place.run.name, "step": model.step, "model": facts}
    found["config"] = {**config["config"], "world": {**config["config"].get("world", {})}}
    found["config"]["world"].pop("root", None)
    if place.policy is not None:
        file = PolicyFolder(place.policy).config
        learnt = read_fields(file, PolicyConfig) if file.is_file() else {}
        found["learnt_policy"] = {"name": place.policy.name, **learnt}
    return _private(found)


def _private(found: Any) -> Any:
    """The same without the user's home in any text: paths in it begin with ~."""
    home = str(Path.home())
    match found:
        case str():
            return found.replace(home, "~") if len(home) > 1 else found
        case dict():
            return {_private(key): _private(value) for key, value in found.items()}
        case list() | tuple():
            return [_private(value) for value in found]
        case _:
            return found


def _write(file: Path, text: str) -> None:
    file.write_bytes((text + "\n").encode("utf-8", "backslashreplace"))
