"""What a checkpoint says of its model besides the weights: all that it takes to use it without its training data.

It stands in `state.json` as `model`, and in `config.json` of an exported model. Where files of the training data lay is
not in it.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import torch

from gazeworld.envs.given_images import Fit
from gazeworld.envs.validation import OptionError, Options, Seed, SideOrOwn, Views, from_mapping, shown
from gazeworld.envs.world import LOOKED_AT, World
from gazeworld.models.method import CheckpointError, Method, WorldSpec, make_method

from .scenario import Scenario

FORMAT = 1
"""Goes up whenever a model of this version cannot be read by the versions before."""


@dataclass(frozen=True)
class ModelFacts(Options):
    """What a trained model is, as JSON holds it."""

    method: dict[str, Any]
    """name and options of the method"""
    spec: WorldSpec
    """views and actions that it was made for, and what views are normalised with"""
    world: dict[str, Any]
    """name and options of the world that it learnt in, without those that say what was looked at"""
    image_side: SideOrOwn
    """pixels along the side of the images that were looked at; 0: views are of no images, but of objects, say"""
    fit: Fit
    """how images of other sizes are brought to that side: their middle square, or all of them squeezed"""
    whole: bool
    """whether one view shows a whole image, or is all that there is, so that there is nowhere to look"""
    classes: tuple[str, ...]
    """names of the labels of its training data"""
    policy: dict[str, Any]
    """name and options of the policy that looked"""
    observed: Views
    """M, the number of views that it observed in training"""
    seed: Seed
    """seed of the run"""
    fingerprint: str
    """of the training data"""
    format: Literal[1] = FORMAT
    """version of all this"""

    def __post_init__(self) -> None:
        super().__post_init__()
        for part in ("method", "world", "policy"):
            name = getattr(self, part).get("name")
            if not (isinstance(name, str) and name):
                raise OptionError(f"{part}.name is {shown(name)}, expected a name")


def facts_of(scenario: Scenario, world: World) -> ModelFacts:
    """Those of a scenario's model in its training world."""
    images = world.images
    fit = scenario.world.get("source_options", {}).get("fit", "crop")
    return ModelFacts(
        method=dict(scenario.method),
        spec=WorldSpec.of(world),
        world={key: value for key, value in scenario.world.items() if key not in (*LOOKED_AT, "device")},
        image_side=0 if images is None else images.side,
        fit="resize" if fit == "resize" else "crop",
        whole=_shows_all(world),
        classes=tuple(world.classes),
        policy=dict(scenario.policy),
        observed=scenario.train.observed,
        seed=scenario.seed,
        fingerprint=world.fingerprint,
    )


def _shows_all(world: World) -> bool:
    """Whether a view from the middle shows all that there is, or there is no such thing as a middle."""
    if world.images is None or world.middle is None:
        return True
    frame = world.frame(torch.tensor([world.middle], dtype=torch.float32, device=world.device))
    return frame is None or frame[0].round(decimals=6).tolist() == [0.0, 0.0, 1.0, 1.0]


def to_json(facts: ModelFacts) -> dict[str, Any]:
    """Plain dictionaries."""
    return dataclasses.asdict(facts)


def from_json(found: Any, where: str) -> ModelFacts:
    """The inverse of `to_json`; `where` names the file and the field.

    Raises CheckpointError for facts of another version, and for what is not as ModelFacts says.
    """
    written = found.get("format") if isinstance(found, dict) else None
    if isinstance(found, dict) and written != FORMAT:
        raise CheckpointError(
            f"{where}.format is {shown(written)}, expected {FORMAT}: another version of gazeworld wrote it"
        )
    try:
        return from_mapping(ModelFacts, found, where)
    except OptionError as error:
        raise CheckpointError(str(error)) from error


def make_model(facts: ModelFacts, shell: bool = False) -> Method:
    """The method that facts describe, without the weights; as a `shell` it takes no memory, and can only be looked at.

    Raises OptionError for a method that is not there, and for options that it does not have.
    """
    options = dict(facts.method)
    with torch.device("meta" if shell else "cpu"):
        return make_method(options.pop("name"), facts.spec, **options)
