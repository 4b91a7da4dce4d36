"""Any value for any option of worlds, sources and environments: something built, or one sentence with its name."""

import inspect
import os
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from fakes.worlds import CountingWorld
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gazeworld.envs import registry
from gazeworld.envs.files import printable
from gazeworld.envs.images import load_source
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import WORLDS, World, make_world

TRIES = int(os.environ.get("GAZEWORLD_FUZZ", "60"))
SOURCES = "gazeworld.envs.sources"
LONG = {
    "variants",
    "per_family",
    "views",
    "num_envs",
    "side",
    "size",
    "samples",
    "items",
    "clutter",
}  # what takes long when it is legal and large

odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, 1, 2, 3, 7, 8, -1, 10**7, 10**9, 10**12, 2**63, 2**64, -(2**63)]),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["cpu", "cuda:99", "uniform", "true", "nan", "1", "x" * 500, "\0", "\udce9", "../..", "~nosuchuser"]
    ),
    st.binary(max_size=4),
    st.complex_numbers(),
    st.lists(st.integers() | st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.builds(np.float64, st.floats()),
    st.builds(np.int64, st.integers(-5, 5)),
    st.sampled_from([np.zeros(2), np.array("a"), torch.zeros(1), object(), dict, len, float]),
)
fuzzed = settings(
    max_examples=TRIES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)


def options_of(function: Any) -> list[str]:
    kinds = inspect.Parameter
    return [
        name
        for name, one in inspect.signature(function).parameters.items()
        if one.kind not in (kinds.VAR_KEYWORD, kinds.VAR_POSITIONAL)
    ]


def sentence(act: Any) -> str | None:
    """What is said where something is refused: one line that can be printed."""
    try:
        act()
    except (ValueError, OSError) as error:
        said = str(error)
    else:
        return None
    assert "\n" not in said
    assert printable(said) == said
    return said


def refused_by_name(act: Any, name: str, value: Any) -> None:
    """Do it; what is refused is refused with a ValueError of one line that names the option, and without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        said = sentence(act)
    if said is not None:
        assert name in said, (name, value, said)


def sensible(name: str, value: Any) -> bool:
    """Whether a legal value would not have the test do an hour's work."""
    return not (name in LONG and isinstance(value, int | np.integer) and 64 < value < 10**6)


@pytest.mark.parametrize("world", registry.names(WORLDS))
@fuzzed
@given(st.data())
def test_options_of_worlds(world: str, data: st.DataObject) -> None:
    kind = registry.concrete(WORLDS, world, World)
    name = data.draw(st.sampled_from([n for n in options_of(kind) if n not in ("source", "source_options")]))
    value = data.draw(odd)
    small = {"source_options": {"variants": 1}} if world != "rotation" else {"source_options": {"per_family": 2}}
    source = {"source": "solids" if world == "rotation" else "digits"}
    refused_by_name(lambda: make_world(world, **{**source, **small, name: value}), name, value)


@pytest.mark.parametrize("source", registry.names(SOURCES))
@fuzzed
@given(st.data())
def test_options_of_sources(source: str, data: st.DataObject) -> None:
    found = registry.module(SOURCES, source)
    layout = vars(found).get("Layout")
    names = options_of(found.load) + (options_of(layout) if layout else [])
    name, value = data.draw(st.sampled_from(names)), data.draw(odd)
    if not sensible(name, value):
        return
    few = {"variants": 1} if "variants" in names else {"scenes": 2} if "scenes" in names else {}
    few |= {"per_family": 2, "views": 1} if source == "solids" else {}
    # Others may say first that there are no files.
    drawn = name != "root" and ("variants" in names or source == "solids")
    refused_by_name(lambda: load_source(source, **{**few, name: value}), name if drawn else "", value)


@fuzzed
@given(st.data())
def test_options_of_environments(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([n for n in options_of(ActiveVisionVectorEnv) if n != "world"]))
    value = data.draw(odd)
    if not sensible(name, value):
        return
    refused_by_name(
        lambda: ActiveVisionVectorEnv(**{"num_envs": 2, "world": CountingWorld(), name: value}), name, value
    )


@fuzzed
@given(odd | st.lists(odd, min_size=2, max_size=2), st.sampled_from(["actions", "seed", "options", "scene", "pose"]))
def test_calls_of_environments(value: Any, what: str) -> None:
    env = ActiveVisionVectorEnv(2, CountingWorld())
    env.reset(seed=0)
    given = {"actions": lambda: env.step(value), "seed": lambda: env.reset(seed=value)}
    given["options"] = lambda: env.reset(options=value)
    said = sentence(given.get(what, lambda: env.reset(options={what: value})))
    if said is not None:
        assert what.removesuffix("s") in said, (what, value, said)
    seen, *_ = env.step(env.action_space.sample())  # whatever was refused, it goes on
    assert seen in env.observation_space
