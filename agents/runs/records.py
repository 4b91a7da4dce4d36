"""What a finished run holds for tables and reports: its configuration, probes, time taken. Imports no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gazeworld.envs.files import DataError, read_json, typed

from ..file_schemas import Probes, read_lines, require_fields, require_shallow

PROBES = "probes.json"
"""What a run's probes found, in its folder."""


@dataclass(frozen=True)
class Record:
    """A probed run: what it was asked to do and what came of it.

    `scenario` is its name with the variant, `config` its configuration as plain dictionaries, `conditioning` what its
    method sees of actions, `data` the fingerprint of its data, `seconds` how long it trained (None: not known).
    """

    folder: Path
    scenario: str
    config: dict[str, Any]
    conditioning: str
    data: str
    probes: dict[str, Any]
    seconds: float | None = None

    @property
    def seed(self) -> int:
        """The seed from which everything random in the run follows."""
        return self.config["seed"]

    @property
    def base(self) -> str:
        """Name of the scenario without the variant."""
        return self.scenario.partition(":")[0]


@dataclass(frozen=True)
class Point:
    """A number recorded after so many optimiser steps."""

    step: int
    value: float


def aggregate(views: int) -> str:
    """Key of the top-1 on z_AGG of this many views."""
    return f"z_AGG {views}"


def probed(folder: Path) -> bool:
    """Whether a run has been probed: whether there is a probes.json in its folder."""
    return (folder / PROBES).is_file()


def read_probes(folder: Path) -> dict[str, Any]:
    """What probes.json in the folder of a run holds.

    Raises ValueError where there is none, or where it is cut short or of another version: each names the command that
    makes it.
    """
    file, cure = folder / PROBES, f"`{typed('gazeworld', 'evaluate', folder)}` makes it"
    if not probed(folder):
        raise ValueError(f"{file}: no such file: the run has not been probed; {cure}")
    try:
        found = read_json(file, "what probes found")
        require_shallow(found, f"{file}: nested too deep")
    except DataError as error:
        raise DataError(f"{file}: not whole: {str(error).removeprefix(f'{file}: ')}; {cure} anew") from error
    try:
        require_fields(found, Probes, str(file))
    except DataError as error:
        found_out = str(error).removeprefix(f"{file}: ")
        raise DataError(f"{file}: written by another version: {found_out}; {cure} anew") from error
    try:
        wrong = [name for name in found["position"] if name.partition(" ")[0] not in ("relative", "absolute")]
        wrong += [name for name in found["position"] if " " not in name]
        if wrong:
            raise ValueError(f"read-out {wrong[0]!r}, expected names like 'relative position'")
        for model in ("trained", "untrained"):
            scores(found, model)
    except KeyError as error:
        raise DataError(f"{file}: written by another version: there is no {error}; {cure} anew") from error
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        raise DataError(f"{file}: written by another version: {error}; {cure} anew") from error
    return found


def scores(probes: dict[str, Any], model: str, *, ridge: bool = False) -> dict[str, float]:
    """The numbers of the columns, of the `trained` or `untrained` model.

    R² is of the paper's read-out (Adam), or with `ridge` of the linear one in closed form.
    """
    policy = probes["recognition"]["policy"]
    found = {"z_1": 100 * policy["single"]["values"][model][0]}
    entry = policy["aggregate"]
    for views, value in zip(entry["views"], entry["values"][model], strict=True):
        found[aggregate(views)] = 100 * value
    for name, entry in probes["position"].items():
        head = "ridge" if ridge else entry["heads"][0]
        found[name] = float(entry["values"][model][head]["mean"])
    return found


def flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, with dotted keys."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, dict) and value:
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def training_seconds(folder: Path) -> float | None:
    """Wall-clock time for which a run trained, online probes included, in all its sessions; None if not recorded.

    From the times of each session's TensorBoard events. Work that a kill took away counts.
    """
    from ..training.event_files import event_files, seconds

    found = [seconds(file) for file in event_files(folder / "tensorboard")]
    sessions = [length for length in found if length is not None]
    return sum(sessions) if sessions else None


def read_metrics(folder: Path) -> dict[str, list[Point]]:
    """Every number of a run's metrics.jsonl over training, by name; empty where nothing was recorded yet.

    Raises ValueError naming the line that is no record of metrics; a last line that a kill cut short is left out.
    """
    return read_numbers(folder / "metrics.jsonl")


def read_numbers(file: Path) -> dict[str, list[Point]]:
    """Every number of a file like metrics.jsonl, by name; errors as of `read_lines`."""
    found: dict[str, list[Point]] = {}
    for record in read_lines(file):
        for name, value in record.items():
            if name != "step" and isinstance(value, int | float) and not isinstance(value, bool):
                found.setdefault(name, []).append(Point(record["step"], float(value)))
    return found
