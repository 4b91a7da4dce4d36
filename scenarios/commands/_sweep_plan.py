"""What a sweep will train: scenarios × methods × M_tr × seeds, checked before anything is trained."""

import ast
import dataclasses
import inspect
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gazeworld.agents.runs import build, scenario
from gazeworld.agents.runs.scenario import Scenario
from gazeworld.agents.training.loop import POLICY, collect
from gazeworld.envs import registry
from gazeworld.envs.rng import Draws
from gazeworld.envs.validation import shown
from gazeworld.envs.world import World
from gazeworld.models.method import METHODS, Method

from . import _catalogue
from .sweep import SweepArguments

ENCODER = ("encoder", "dim", "width")
"""Options that a method takes over from the one in whose place it stands; all others are its own."""
_DIGITS = 20  # of whole numbers; what is beyond their bounds is said by those who have them
_OWN_FLAGS = {"train.observed": "--observed", "seed": "--seeds", "method.name": "--methods"}


@dataclass(frozen=True)
class Planned:
    """One run of a sweep: the scenario's name, what exactly will be trained and where it lies."""

    name: str
    scenario: Scenario
    folder: Path


@dataclass(frozen=True)
class Plan:
    """All runs of a sweep, what people should know of how they came about, and the worlds built so far to find out."""

    runs: tuple[Planned, ...]
    told: tuple[str, ...]
    worlds: dict[str, World]


def plan(chosen: SweepArguments) -> Plan:
    """The runs that the arguments ask for.

    Raises ValueError for names that are not there and settings that do not fit.
    """
    names = _listed(",".join(chosen.scenarios), "SCENARIO")
    methods, seeds = _listed(chosen.methods, "--methods"), _whole(chosen.seeds, "--seeds", 0)
    lengths = _whole(chosen.observed, "--observed", 1)
    if not names or not seeds:
        raise ValueError(f"nothing to do: {'--seeds is empty' if names else 'no scenario was named'}")
    found: dict[Path, Planned] = {}
    told: dict[str, None] = {}
    worlds: dict[str, World] = {}
    for name in (name.replace("_", "-") for name in names):
        base = _catalogue.load(name)
        for method in methods or [base.method["name"]]:
            swapped = _swapped(base, name, method.replace("_", "-"), told)
            changed = _changed(swapped, chosen.changes, [m.replace("_", "-") for m in methods])
            fitted = _fitted(changed, name, told, worlds)
            for observed in lengths or [fitted.train.observed]:
                longer = fitted.changed(train={"observed": observed})
                label = _label(name, base, longer, default=fitted.train.observed)
                for seed in seeds:
                    folder = chosen.runs / f"{label}-{seed}"
                    if folder in found:
                        raise ValueError(f"{folder}: two runs of the sweep would lie there")
                    found[folder] = Planned(name, longer.changed(seed=seed), folder)
    for one in {run.scenario.train.precision: run.scenario for run in found.values()}.values():
        build.fabric_of(one, chosen.device)  # a device that is not there is told once, not by every run
    return Plan(tuple(found.values()), tuple(told), worlds)


def try_out(plan: Plan) -> None:
    """Build every kind of run of a plan once, and look around in its world, without training anything.

    Raises ValueError, naming the run, where a world, a method or a policy cannot be had as it is asked for.
    """
    tried: set[str] = set()
    for run in plan.runs:
        asked = run.scenario
        key = json.dumps(scenario.to_json(asked.changed(seed=0)), sort_keys=True)
        if key in tried:
            continue
        tried.add(key)
        try:
            world = _world(asked, plan.worlds)
            build.check_method(asked, world)
            build.check_regions(asked, world)
            method = build.method_of(asked, world).eval()
            there = build.place_of(asked, world, 2)
            there.policy.attach(method)
            length = max(asked.train.observed, asked.probe.views) + 1
            collect(there.env, there.policy, length, Draws.rows(0, 2).fold(POLICY), {"episode": 0})
            for split in (asked.probe_split, asked.test_split):
                _world(asked.changed(world={"split": split}), plan.worlds)
        except ValueError as error:
            raise ValueError(f"{run.folder.name} cannot be trained: {error}") from error


def _world(asked: Scenario, worlds: dict[str, World]) -> World:
    """The world that a run learns in, built once."""
    place = json.dumps(asked.world, sort_keys=True)
    if place not in worlds:
        worlds[place] = build.world_of(asked, asked.world["split"], "cpu")
    return worlds[place]


def _listed(text: str, flag: str) -> list[str]:
    found = [word.strip() for word in text.split(",") if word.strip()]
    for word in found:
        if found.count(word) > 1:
            raise ValueError(f"{flag}: {word!r} stands there twice")
    return found


def _whole(text: str, flag: str, least: int) -> list[int]:
    words = _listed(text, flag)
    for word in words:
        if not (word.isdecimal() and len(word) <= _DIGITS) or int(word) < least:
            raise ValueError(f"{flag}: {shown(word)} is no whole number from {least} on; expected a list like 0,1,2")
    return [int(word) for word in words]


def _label(name: str, base: Scenario, asked: Scenario, default: int) -> str:
    """Name of a run without its seed: as `gazeworld train` would call it, and what differs from the scenario."""
    words = [name.replace(":", "-")]
    if asked.method["name"] != base.method["name"]:
        words.append(asked.method["name"])
    if asked.train.observed != default:
        words.append(f"m{asked.train.observed}")
    return "-".join(words)


def _swapped(base: Scenario, name: str, method: str, told: dict[str, None]) -> Scenario:
    """The scenario with another method on the same encoder; all other options are the method's own defaults."""
    kind = registry.concrete(METHODS, method, Method)
    if method == base.method["name"]:
        return base
    has = inspect.signature(kind).parameters
    kept = {key: value for key, value in base.method.items() if key in ENCODER and key in has}
    dropped = [key for key in base.method if key not in kept and key != "name"]
    text = f"{name}: {method} in place of {base.method['name']} keeps {', '.join(kept) or 'nothing'}"
    told[f"{text}; has its own instead of {', '.join(dropped)}" if dropped else text] = None
    return dataclasses.replace(base, method={"name": method, **kept})


def _fitted(asked: Scenario, name: str, told: dict[str, None], worlds: dict[str, World]) -> Scenario:
    """The scenario with the nearest M_tr that its method can learn from."""
    kind = registry.concrete(METHODS, asked.method["name"], Method)
    views = max(asked.train.observed + 1, kind.least_views)
    views = views if kind.most_views is None else min(views, kind.most_views)
    if kind.adds_actions and views > 2 and not _world(asked, worlds).additive:
        views = 2
    if views == asked.train.observed + 1:
        return asked
    method, old = asked.method["name"], asked.train.observed
    told[f"{name}: {method} is trained on {views} views: train.observed {old} → {views - 1}"] = None
    return asked.changed(train={"observed": views - 1})


def _changed(asked: Scenario, changes: tuple[str, ...], methods: list[str]) -> Scenario:
    """The scenario with `key=value` settings; `METHOD:key=value` is for the runs of one method."""
    for text in changes:
        key, equals, value = text.partition("=")
        only, colon, rest = key.partition(":")
        if colon and only not in (methods or [asked.method["name"]]):
            raise ValueError(f"--set {text}: {only!r} is no method of this sweep")
        key = rest if colon else key
        if not equals or not key:
            raise ValueError(f"--set {text}: expected key=value or METHOD:key=value, as in train.steps=300")
        if key in _OWN_FLAGS:
            raise ValueError(f"--set {text}: this is what {_OWN_FLAGS[key]} is for")
        if not colon or only == asked.method["name"]:
            try:
                asked = _set(asked, key.split("."), _value(value))
            except ValueError as error:
                raise ValueError(f"--set {text}: {error}") from error
    return asked


def _value(text: str) -> Any:
    """A number, true or false, a list, or else the text itself: what config.json can hold."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        found = ast.literal_eval(text)
        json.dumps(found)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return text
    return found


def _set(asked: Scenario, path: list[str], value: Any) -> Scenario:
    names = [field.name for field in dataclasses.fields(Scenario)]
    if path[0] not in names:
        raise ValueError(f"a scenario has no {path[0]!r}; it has {', '.join(names)}")
    return dataclasses.replace(asked, **{path[0]: _put(getattr(asked, path[0]), path[1:], value)})


def _put(old: Any, path: list[str], value: Any) -> Any:
    """A copy of a configuration or dictionary with one value replaced."""
    if not path:
        return _like(old, value)
    if dataclasses.is_dataclass(old) and not isinstance(old, type):
        names = [field.name for field in dataclasses.fields(old)]
        if path[0] not in names:
            raise ValueError(f"there is no {path[0]!r}; there are {', '.join(names)}")
        return dataclasses.replace(old, **{path[0]: _put(getattr(old, path[0]), path[1:], value)})
    if not isinstance(old, dict):
        raise ValueError(f"{old!r} has no {path[0]!r} in it")
    # An option that is not written down has the default of its world, policy or method; those refuse what they lack.
    inner = old.get(path[0], {} if path[1:] else value)
    return {**old, path[0]: _put(inner, path[1:], value)}


def _like(old: Any, value: Any) -> Any:
    """The value, if it is of the kind of the old one."""
    if isinstance(old, dict) or dataclasses.is_dataclass(old):
        raise ValueError(f"{value!r} cannot stand for all its settings; name one of them after a dot")
    if isinstance(old, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(old, tuple):
        return tuple(value) if isinstance(value, list | tuple) else (value,)
    if old is not None and type(old) is not type(value):
        raise ValueError(f"expected something like {old!r}, found {value!r}")
    return value
