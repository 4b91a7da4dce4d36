"""Another world, source, policy or method in a scenario's place, as a command line or a sweep asks for it by name.

What takes the place brings its own options with their own defaults; those of the old one would mean something else to
it, or nothing. Kept is only what both have and what says how large things are, not how they learn: the encoder of a
method, the size and number of a source's views; of a world what it looks at, if the new one can look at it. Whatever is
dropped is told. Imports no torch: signatures are read from the source, so that help shows them at once.
"""

import dataclasses
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from gazeworld.envs import registry
from gazeworld.envs.signatures import Signature, readable

from .scenario import Scenario

if TYPE_CHECKING:
    from gazeworld.envs.world import World

WORLDS = "gazeworld.envs.worlds"
SOURCES = "gazeworld.envs.sources"
METHODS = "gazeworld.models.methods"

ENCODER = ("encoder", "dim", "width")
"""Options that a method takes over from the one in whose place it stands; all others are its own."""
VIEWS = ("side", "size", "views", "region", "renderer")
"""The same of a source."""
LOOKED_AT = ("source", "split", "root", "source_options")
"""What a world takes over, where it can look at such a source."""


@dataclasses.dataclass(frozen=True)
class Swapped:
    """A scenario with something else in the place of what it had, and a sentence for each such change."""

    scenario: Scenario
    told: tuple[str, ...] = ()


def source_of(world: dict[str, Any]) -> str:
    """The name of what a scenario's world looks at: the world's default where none is written."""
    usual = readable(WORLDS, world["name"]).options.get("source")
    return world.get("source") or (usual.default if usual is not None else "")


def with_method(asked: Scenario, name: str) -> Swapped:
    """The scenario with another method on the same encoder. Raises UnknownNameError for one that is not there."""
    name = _known(METHODS, name)
    if name == asked.method["name"]:
        return Swapped(asked)
    kept = _shared(asked.method, readable(METHODS, name), ENCODER)
    told = _told(name, asked.method["name"], kept, asked.method)
    return Swapped(dataclasses.replace(asked, method={"name": name, **kept}), (told,))


def with_world(asked: Scenario, name: str) -> Swapped:
    """The scenario with another world over the same source, if it can look at that, and uniform fixations.

    A policy that suits one world (a map of an image, stored views) rarely suits another; uniform ones suit all.
    Raises UnknownNameError for a world that is not there.
    """
    name = _known(WORLDS, name)
    if name == asked.world["name"]:
        return Swapped(asked)
    has, source = readable(WORLDS, name), source_of(asked.world)
    fits = can_look(name, source)
    kept = _shared({"source": source, **asked.world}, has, LOOKED_AT) if fits else {"split": "train"}
    told = [_told(name, asked.world["name"], kept, asked.world)]
    policy = {"name": "uniform"}
    if asked.policy["name"] != "uniform":
        told.append(f"policy uniform in place of {asked.policy['name']}, which may not suit world {name}")
    changed = dataclasses.replace(asked, world={"name": name, **kept}, policy=policy)
    return Swapped(changed if fits else _with_usual_splits(changed), tuple(told))


def can_look(world: str, source: str) -> bool:
    """Whether a world looks at what a source gives (images, objects), as far as their signatures say."""
    given, looks = readable(SOURCES, source).returns, readable(WORLDS, world).options.get("source")
    return not given or looks is None or bool(_kinds(given) & _kinds(looks.written))


def _kinds(written: str) -> set[str]:
    """The kinds of data in an annotation, of which still images are one however they are kept."""
    return {"StillImages" if part.endswith("Images") else part for part in written.split(" | ")} - {"str"}


def with_source(asked: Scenario, name: str) -> Swapped:
    """The scenario with another source, whose views are as large and as many where it has such options.

    Its root is the usual one, and its splits are those that all sources have. Raises UnknownNameError for a source that
    is not there.
    """
    name, old = _known(SOURCES, name), source_of(asked.world)
    if name == old:
        return Swapped(asked)
    before = dict(asked.world.get("source_options") or {})
    kept = _shared(before, readable(SOURCES, name), VIEWS)
    world = {key: value for key, value in asked.world.items() if key not in ("source_options", "root")}
    world |= {"source": name, **({"source_options": kept} if kept else {})}
    dropped = before | ({"root": ""} if asked.world.get("root") else {})
    return Swapped(_with_usual_splits(dataclasses.replace(asked, world=world)), (_told(name, old, kept, dropped),))


def fitted(asked: Scenario, worlds: "dict[str, World]") -> Swapped:
    """The scenario with the nearest M_tr that its method can learn from; `worlds` keeps worlds that were built."""
    from gazeworld.models.method import Method

    kind = registry.concrete(METHODS, asked.method["name"], Method)
    views = max(asked.train.observed + 1, kind.least_views)
    views = views if kind.most_views is None else min(views, kind.most_views)
    if kind.adds_actions and views > 2 and not world_once(asked, worlds).additive:
        views = 2
    if views == asked.train.observed + 1:
        return Swapped(asked)
    method, old = asked.method["name"], asked.train.observed
    told = f"{method} is trained on {views} views: train.observed {old} → {views - 1}"
    return Swapped(asked.changed(train={"observed": views - 1}), (told,))


def world_once(asked: Scenario, worlds: "dict[str, World]") -> "World":
    """The world that a run learns in, built once."""
    from . import build

    place = json.dumps(asked.world, sort_keys=True)
    if place not in worlds:
        worlds[place] = build.world_of(asked, asked.world["split"], "cpu")
    return worlds[place]


def _known(package: str, name: str) -> str:
    registry.require(package, name)
    return registry.plain(name)


def _with_usual_splits(asked: Scenario) -> Scenario:
    """The scenario with the splits that every source has: its own ones were those of another source."""
    usual = {field.name: field.default for field in dataclasses.fields(Scenario)}
    splits = {name: usual[name] for name in ("probe_split", "test_split")}
    return dataclasses.replace(asked, world={**asked.world, "split": usual["probe_split"]}, **splits)


def _shared(options: dict[str, Any], has: Signature, names: Iterable[str]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key in names and key in has.options}


def _told(name: str, old: str, kept: dict[str, Any], options: dict[str, Any]) -> str:
    dropped = [key for key in options if key not in kept and key != "name"]
    text = f"{name} in place of {old} keeps {', '.join(kept) or 'nothing'}"
    return f"{text}; has its own instead of {', '.join(dropped)}" if dropped else text
