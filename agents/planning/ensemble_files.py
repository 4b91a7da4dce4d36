"""Heads on disk and in policies: safetensors and JSON in a folder beside the run whose model they belong to."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from gazeworld.envs.files import DataError, left_behind, whole_folder
from gazeworld.models.method import CheckpointError, Method

from ..file_schemas import HeadsFacts, read_fields
from ..training import checkpoint
from ..training.checkpoint import signature
from .ensemble import Heads, HeadsConfig, Sizes
from .lookahead import Foresight

FOLDER = "heads"
"""Where in the folder of a run its heads are looked for."""
_TENSORS, _FACTS = "heads.safetensors", "heads.json"


def save(heads: Heads, folder: Path) -> None:
    """Write the heads into a folder, whole or not at all; policies look for them in the folder `heads` of a run."""
    folder = folder if folder.name else folder.resolve()  # "." has no name for its draft
    earlier = folder.parent.glob(f".{folder.name}-draft-*")  # as drafts were called before November 2026
    for left in [*earlier, *left_behind(folder.parent, folder.name)]:
        shutil.rmtree(left)  # by a kill
    facts = {"model": heads.model, "sizes": asdict(heads.sizes), "config": asdict(heads.config)}
    with whole_folder(folder) as draft, checkpoint.told(draft, folder):
        checkpoint.put({k: v.detach().cpu().contiguous() for k, v in heads.state_dict().items()}, draft / _TENSORS)
        (draft / _FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def load(folder: Path, method: Method) -> Heads:
    """Heads that `save` wrote, on the device of the method that they belong to.

    Raises CheckpointError where there are none, where they are damaged and where they are for another model.
    """
    facts = _facts(folder / _FACTS)
    own = signature(method)
    if facts["model"] != own:
        raise CheckpointError(
            f"{folder / _FACTS}: these heads were fitted for the model {facts['model']}, and this one is {own}; fit "
            "heads for it, or name the run that they belong to as the policy's option 'model'"
        )
    sizes, config = Sizes(**facts["sizes"]), HeadsConfig(**facts["config"])
    try:
        tensors = checkpoint.read(folder / _TENSORS)
    except checkpoint.NonFiniteWeightsError:
        raise
    except CheckpointError as error:
        raise CheckpointError(f"{error}; not the heads that {_FACTS} describes") from error
    _require_sizes(tensors, sizes, config, folder / _TENSORS)
    heads = Heads(sizes, config, own)
    checkpoint.require_shapes(heads.state_dict(), tensors, str(folder / _TENSORS))
    heads.load_state_dict(tensors)
    return heads.to(next(method.parameters()).device).eval().requires_grad_(False)


def _require_sizes(tensors: dict[str, Tensor], sizes: Sizes, config: HeadsConfig, file: Path) -> None:
    """Raise CheckpointError unless the tensors are of these sizes, before memory is taken for them."""
    inputs, k, hidden = sizes.aggregate + sizes.action, config.heads, config.hidden
    wanted = {
        "first": (k, hidden, inputs),
        "first_bias": (k, hidden, 1),
        "second": (k, sizes.embedding, hidden),
        "second_bias": (k, sizes.embedding, 1),
        "mean": (inputs,),
        "std": (inputs,),
        "label": (sizes.classes, sizes.aggregate + sizes.embedding),
        "label_bias": (sizes.classes,),
    }
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if strange := sorted(found.items() ^ wanted.items()):
        name = strange[0][0]
        raise CheckpointError(
            f"{file}: not the heads that {_FACTS} describes: {name} has shape {found.get(name)}, "
            f"expected {wanted.get(name)}"
        )


def _facts(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise CheckpointError(
            f"{file}: no such file; expected heads written by gazeworld.agents.planning.ensemble_files.save"
        )
    try:
        return read_fields(file, HeadsFacts)
    except DataError as error:
        raise CheckpointError(f"{error}; expected an object with the keys model, sizes and config") from error


class HeadsOf:
    """The heads that a policy uses: those in a folder, or those that it was given in Python.

    `folder` "" stands for the folder `heads` of the run `model`, if there is one. Errors as of `load`.
    """

    def __init__(self, foresight: Foresight, model: str, folder: str) -> None:
        self._foresight = foresight
        self._heads: Heads | None = None
        beside = Path(model) / FOLDER
        self._folder = Path(folder) if folder else beside if model and beside.is_dir() else None
        if model and self._folder is not None:
            self._heads = load(self._folder, foresight.method)

    def attach(self) -> None:
        """Hear that the policy was attached: heads of another model are dropped, those of a folder are read."""
        if self._foresight.fixed:
            return
        if self._folder is not None:
            self._heads = load(self._folder, self._foresight.method)
        elif self._heads is not None and self._heads.model != signature(self._foresight.method):
            self._heads = None

    def equip(self, heads: Heads) -> None:
        """Use these. Raises CheckpointError where they were fitted for another model than the policy's."""
        own = signature(self._foresight.method)
        if heads.model != own:
            raise CheckpointError(f"heads for the model {heads.model} were given to a policy whose model is {own}")
        self._heads = heads

    def get(self) -> Heads:
        """The heads. Raises ValueError where there are none."""
        if self._heads is None:
            raise ValueError(
                f"policy {self._foresight.policy!r} has no heads: name their folder as its option 'heads', or fit some "
                "with gazeworld.agents.planning.ensemble.fit and give them to equip()"
            )
        return self._heads
