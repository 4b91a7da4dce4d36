"""What the JSON files of runs, policies, ensembles and checkpoints hold: types of fields, checked where they are read.

Fields that nothing reads may be anything, so that files of other versions still serve. Imports no torch.
"""

import json
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Len
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from gazeworld.envs.files import DataError, read_json
from gazeworld.envs.validation import Layers, Natural, Positive, PositiveAmount, Rows, Seed, Views, Width, shown

from .old_files import renamed

Named = dict[str, Any]
Count = Annotated[int, Ge(0)]
_DEEPEST = 64  # far more than anything here needs


class Fields(BaseModel):
    """The fields of a JSON object; those that are not named may be anything."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class Known(Fields):
    """The fields of a JSON object; there are no others."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class MethodOptions(Fields):
    """The method within a run's settings."""

    name: str


class Settings(Fields):
    """A run's settings; all but the method is read by the command line's `scenario` module."""

    method: MethodOptions


class MadeBy(Fields):
    """What a run was made with."""

    fingerprint: str | None = None
    versions: Named = {}


class Made(Fields):
    """config.json of a run or a policy, as far as it says what made it."""

    made_by: MadeBy


class PolicyConfig(Made):
    """config.json of a policy."""

    train_policy: Named


class Beside(Fields):
    """config.json beside a learnt policy: that of the policy, or that of the run in which it was trained."""

    train_policy: Named = {}


class RunConfig(Fields):
    """config.json of a run."""

    scenario: Annotated[str, Len(1)]
    config: Settings
    made_by: MadeBy = MadeBy()


class LoggedRuns(Fields):
    """What the run is called by the services that its numbers were sent to."""

    wandb: str | None = None
    trackio: str | None = None


class ExportedConfig(RunConfig):
    """config.json of an exported model."""

    step: Natural
    model: Named
    learnt_policy: Named | None = None


class Resumption(Fields):
    """From which step on a run went on, and with how many processes, in state.json."""

    step: Natural
    processes: Positive


class State(Fields):
    """state.json of a checkpoint."""

    step: Natural
    steps: Positive | None = None
    seed: Seed | None = None
    method: str | None = None
    precision: Named | None = None
    phase: Natural | None = None
    policy_steps: Count | None = None
    resumed: list[Resumption] = []
    model: Named | None = None


class Line(Fields):
    """A line of metrics.jsonl or history.jsonl."""

    step: Natural


class PolicyFacts(Fields):
    """policy.json of a policy of Stable-Baselines3."""

    format: int
    algorithm: str
    policy: Named
    observation: str
    aggregate_dim: Natural
    episode_steps: Views
    discrete_actions: Named | None
    world: Named
    steps: Count


class Replay(Fields):
    """Where the replay of an off-policy algorithm stands."""

    position: Count
    full: bool
    size: Count


class AgentFacts(Fields):
    """agent.json of an agent from which training goes on."""

    parameters: Named
    counters: dict[str, Count]
    replay: Replay | None = None


class EnsembleSizes(Known):
    """Widths of what goes into an ensemble and comes out."""

    aggregate: Positive
    action: Natural
    embedding: Positive
    classes: Natural


class EnsembleFitted(Known):
    """How an ensemble was fitted."""

    heads: Layers
    hidden: Width
    epochs: Positive
    label_epochs: Natural
    batch: Rows
    lr: PositiveAmount
    seed: Seed


class EnsembleFacts(Known):
    """ensemble.json of an ensemble."""

    model: str
    sizes: EnsembleSizes
    config: EnsembleFitted


class Scenes(Fields):
    """What a probe was fitted or scored on."""

    split: str
    streams: Natural


class ReadOut(Fields):
    """What all read-outs say of themselves."""

    trained: Scenes = Field(validation_alias="heads trained on")
    scored: Scenes = Field(validation_alias="scored on")


class Curve(ReadOut):
    """Top-1 by the number of views, of each model."""

    views: Annotated[list[Positive], Len(1)]
    values: dict[str, Annotated[list[FiniteFloat], Len(1)]]


class Recognised(Fields):
    """Classifiers on streams of one kind of fixations."""

    aggregate: Curve
    single: Curve


class OfPolicy(Recognised):
    """Those on streams of the run's own policy."""

    fixations: Named


class Recognition(Fields):
    """By fixations: those of the policy are always there."""

    policy: OfPolicy


class Mean(Fields):
    """The score of one head."""

    mean: FiniteFloat


class Position(ReadOut):
    """R² by model and head."""

    heads: Annotated[list[str], Len(1)]
    values: dict[str, dict[str, Mean]]


class Chance(Fields):
    """What guessing gives."""

    majority: FiniteFloat = Field(validation_alias="top-1 of the majority class")


class Unlabelled(Fields):
    """probes.json of a run whose scenes have no labels, as far as tables and pages read it."""

    step: Natural
    config: Named
    left_out: dict[str, str] = Field({}, validation_alias="left out")
    position: dict[str, Position]
    path_integration: Named


class Probes(Unlabelled):
    """probes.json of a run, as far as tables and pages read it."""

    chance: Chance
    recognition: Recognition


def unrecognised(probes: Any) -> str:
    """Why probes measured no recognition, in a few words; empty where they did."""
    told = probes.get("left out") if isinstance(probes, dict) else None
    return str(told.get("recognition", "")) if isinstance(told, dict) else ""


def read_fields(file: Path, kind: type[Fields]) -> dict[str, Any]:
    """The object of a JSON file, whose fields are as `kind` says. Raises DataError naming the file and the field."""
    what = (kind.__doc__ or "").removesuffix(".")
    try:
        found = read_json(file, what)
    except DataError as error:
        raise DataError(str(error).replace(f"{file}: not a whole JSON file (", f"{file}: not JSON (")) from error
    require_shallow(found, f"{file}: nested too deep, expected {what}")
    return require_fields(renamed(found, kind.__name__), kind, str(file))


def parse(text: str, kind: type[Fields]) -> dict[str, Any]:
    """The object of a line of JSON. Raises ValueError for what is none, and for a field that is not as `kind` says."""
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    require_shallow(found, "nested too deep")
    return require_fields(found, kind, "")


def require_shallow(found: Any, message: str) -> None:
    """Raise DataError for what is nested deeper than functions that call themselves can follow."""
    level = [found]
    for _ in range(_DEEPEST):
        inside = (one.values() if isinstance(one, dict) else one if isinstance(one, list) else () for one in level)
        level = [part for parts in inside for part in parts if isinstance(part, dict | list)]
        if not level:
            return
    raise DataError(message)


def require_fields(found: Any, kind: type[Fields], where: str) -> dict[str, Any]:
    """The same object. Raises DataError, beginning with `where`, for the first field that is not as `kind` says."""
    where += ": " if where else ""
    try:
        kind.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        if first["type"] == "missing":
            raise DataError(f"{where}{field!r} is missing") from error
        if first["type"] == "extra_forbidden":
            raise DataError(f"{where}{field!r} is unknown") from error
        said = first["msg"].removeprefix("Input should be ")
        said = "an object" if first["type"] in ("model_type", "dict_type") else said.removeprefix("a valid ")
        what = f"{field} is " if field else "holds "
        raise DataError(f"{where}{what}{shown(first['input'])}, expected {said}") from error
    return found
