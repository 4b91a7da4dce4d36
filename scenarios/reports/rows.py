"""Runs beside each other: rows of seeds and the columns of the paper's Tables 1 to 4 and 12. Imports no torch.

Top-1 is in percent, on z_1 (view 1 alone: where the paper probes its baselines, and z_res of Table 12) and on z_AGG of
the first M views (M_val); R² is that of the paper's read-outs, of relative values from two views and of individual ones
from one (`relative rotation` and `absolute rotation` of probes.json, for instance).
"""

import json
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from gazeworld.agents.run_folder import scores
from gazeworld.agents.runs.records import NONE, Record
from gazeworld.agents.runs.scenario import flat

HOUSEKEEPING = ("train.log_every", "train.probe_every", "train.save_every", "train.keep", "train.threads", "world.root")
"""What runs of one row may differ in, beside the seed: it changes no number (data are compared by fingerprint)."""

COLUMNS: dict[str, tuple[str, ...]] = {
    "all": (),
    "1": ("relative rotation", "absolute rotation"),
    "2": ("relative crop", "relative jitter", "relative blur"),
    "3": ("relative position",),
    "4": ("relative rotation",),
    "12": (),
}
"""R² columns by table of the paper; `all` has whatever was measured."""


@dataclass(frozen=True)
class Score:
    """Mean over `n` runs and their sample standard deviation (n − 1 in the denominator; None for a single run)."""

    mean: float
    std: float | None = None
    n: int = 1

    @classmethod
    def of(cls, values: list[float]) -> "Score":
        """Of numbers, one per run."""
        return cls(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values))


@dataclass(frozen=True)
class Row:
    """Runs that differ in the seed alone, their untrained baseline, or a row of the paper.

    `scores` holds `z_1` and `relative rotation`, for instance, and aggregates as `z_AGG M`; what was not measured is
    not in it. Rows of one `family` differ in M_tr alone (and in the name of a variant that sets it).
    """

    scenario: str
    conditioning: str
    method: str
    kind: Literal["run", "untrained", "paper"] = "run"
    settings: str = ""
    observed: int | None = None
    scores: dict[str, Score] = field(default_factory=dict)
    steps: int | None = None
    seconds: Score | None = None
    seeds: tuple[int, ...] = ()
    table: str = ""
    folders: tuple[Path, ...] = ()
    family: str = ""

    @property
    def base(self) -> str:
        """Name of the scenario without the variant."""
        return self.scenario.partition(":")[0]


def rows(records: Iterable[Record], *, ridge: bool = False) -> list[Row]:
    """One row for all runs that differ in the seed alone, in the order of the first of each; no baselines yet.

    Raises ValueError for a run given twice, and for two runs of one row with the same seed.
    """
    groups: dict[str, list[Record]] = {}
    seen: dict[Path, Path] = {}
    for record in records:
        place = record.folder.resolve()
        if place in seen:
            raise ValueError(f"{record.folder}: the run is given twice")
        seen[place] = record.folder
        group = groups.setdefault(_key(record), [])
        for other in group:
            if other.seed == record.seed:
                raise ValueError(
                    f"{other.folder} and {record.folder}: both are {record.scenario} with the same settings and seed "
                    f"{record.seed}; a row needs different seeds: leave one of them out"
                )
        group.append(record)
    settings = _settings([group[0] for group in groups.values()])
    return [_row(group, text, ridge) for group, text in zip(groups.values(), settings, strict=True)]


def untrained(records: Iterable[Record], *, ridge: bool = False) -> list[Row]:
    """The untrained baseline of every kind of model among the runs: same shape, weights of the same seeds.

    Runs that differ in their training alone share one, that of the first of them.
    """
    groups: dict[str, dict[int, Record]] = {}
    trained: dict[str, str] = {}
    for record in records:
        key = _key(record, without=("train.", "step"))
        if trained.setdefault(key, _key(record)) == _key(record):
            groups.setdefault(key, {})[record.seed] = record
    found: list[Row] = []
    for group in groups.values():
        first = next(iter(group.values()))
        values = [scores(record.probes, "untrained", ridge=ridge) for record in group.values()]
        found.append(
            Row(
                scenario=first.scenario,
                conditioning=first.conditioning,
                method=first.config["method"]["name"],
                kind="untrained",
                scores=_means(values),
                steps=0,
                seeds=tuple(sorted(group)),
            )
        )
    return _merged(found)


def _merged(baselines: list[Row]) -> list[Row]:
    """Methods on the same encoder share its baseline to the last digit: one row for those."""
    found: dict[str, Row] = {}
    for row in baselines:
        numbers = {name: score.mean for name, score in row.scores.items()}
        key = json.dumps([row.base, row.seeds, numbers], sort_keys=True)
        old = found.get(key)
        if old is None:
            found[key] = row
            continue
        names = old.method if row.method in old.method.split(", ") else f"{old.method}, {row.method}"
        scenario = row.scenario if row.scenario == old.scenario else row.base
        conditioning = row.conditioning if row.conditioning == old.conditioning else NONE
        found[key] = replace(old, scenario=scenario, conditioning=conditioning, method=names)
    return list(found.values())


def _row(group: list[Record], settings: str, ridge: bool) -> Row:
    group = sorted(group, key=lambda record: record.seed)
    first = group[0]
    times = [record.seconds for record in group if record.seconds is not None]
    return Row(
        scenario=first.scenario,
        conditioning=first.conditioning,
        method=first.config["method"]["name"],
        settings=settings,
        observed=first.config["train"]["observed"],
        scores=_means([scores(record.probes, "trained", ridge=ridge) for record in group]),
        steps=first.probes["step"],
        seconds=Score.of(times) if len(times) == len(group) else None,
        seeds=tuple(record.seed for record in group),
        folders=tuple(record.folder for record in group),
        family=f"{first.base} {_key(first, without=('scenario', 'train.observed'))}",
    )


def _means(values: list[dict[str, float]]) -> dict[str, Score]:
    """Means of what every one of the runs has."""
    return {name: Score.of([one[name] for one in values]) for name in values[0] if all(name in one for one in values)}


def _key(record: Record, without: tuple[str, ...] = ()) -> str:
    """What runs of one row have in common."""
    common = _common(record) | {"scenario": record.scenario, "data": record.data, "step": record.probes["step"]}
    kept = {key: value for key, value in common.items() if not key.startswith(without)} if without else common
    return json.dumps(kept, sort_keys=True)


def _common(record: Record) -> dict[str, Any]:
    """The configuration without the seed; probes as they were really made."""
    config = flat({key: value for key, value in record.config.items() if key not in ("seed", "probe")})
    probe = {f"probe.{key}": value for key, value in record.probes["config"].items() if key != "online"}
    return {key: value for key, value in (config | probe).items() if key not in HOUSEKEEPING}


def _settings(firsts: list[Record]) -> list[str]:
    """What tells each row from the others of its scenario and method, but for what has a column of its own."""
    own = ("method.name", "method.condition_", "train.observed", "train.steps", "train.epochs")
    texts = []
    for record in firsts:
        mine, told = _common(record), []
        others = [_common(other) for other in firsts if other.scenario == record.scenario]
        alike = [other for other in others if other["method.name"] == mine["method.name"]]
        for key, value in mine.items():
            rivals = alike if key.startswith("method.") else others
            if not key.startswith(own) and any(other.get(key) != value for other in rivals):
                told.append(f"{key.removeprefix('method.')}={value}")
        texts.append(", ".join(told))
    return texts
