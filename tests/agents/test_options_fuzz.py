"""Options of everything in the registries and of all configurations, drawn at random: built, or refused by name.

`OPTIONS_FUZZ=2000` draws so many examples per door; they are the same at every run.
"""

import dataclasses
import inspect
import os
import typing
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Literal

import jaxtyping
import numpy as np
import pytest
import torch
from fakes.images import noise
from fakes.methods import Reading, counting
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gazeworld.agents.config import (
    AgentConfig,
    Compared,
    EnsembleChoices,
    EnsembleConfig,
    PhaseConfig,
    ProbeConfig,
    ReachChoices,
    ReachConfig,
    TrainConfig,
)
from gazeworld.agents.planning.cem_mppi import PlanConfig
from gazeworld.agents.policy import POLICIES, Policy, make_policy
from gazeworld.agents.probes import neighbours, odd_one_out, readouts, umap_maps
from gazeworld.agents.rl.algorithms import ALGORITHMS
from gazeworld.agents.rl.discrete_actions import DISCRETE_ACTIONS, make_discrete_actions
from gazeworld.agents.rl.memory import Remember
from gazeworld.agents.rl.options import checked_network, checked_options
from gazeworld.agents.rl.reward import REWARDS, Reward, make_reward
from gazeworld.envs import registry
from gazeworld.envs.files import one_line
from gazeworld.envs.validation import from_mapping
from gazeworld.envs.worlds.saccade import SaccadeWorld
from gazeworld.models.method import METHODS, Method, WorldSpec, make_method

EXAMPLES = int(os.environ.get("GAZEWORLD_FUZZ", "40"))
fuzzed = settings(
    max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
CONFIGS = [
    TrainConfig,
    ProbeConfig,
    AgentConfig,
    PhaseConfig,
    PlanConfig,
    EnsembleConfig,
    EnsembleChoices,
    ReachConfig,
    ReachChoices,
    neighbours.Search,
    odd_one_out.Puzzle,
    umap_maps.MapConfig,
    Compared,
    readouts.Budget,
]
WORLD = WorldSpec((1, 8, 8), 2, (0.4,), (0.2,))
SMALL: dict[str, Any] = {"encoder": "small", "dim": 8, "width": 4, "predictor_hidden": 8, "action_width": 8}
SMALL |= {"head_hidden": 8, "projector_hidden": 8, "projector_out": 8, "transformer_width": 8, "layers": 1}

_EXTREMES = [-(2**63), -1, 0, 1, 2, 3, 5, 64, 255, 2**20, 2**31, 2**32, 10**12, 2**63, 2**64, 10**30, 10**400]
_STRANGE: list[Any] = [
    b"\0bytes",
    1j,
    "",
    "nan",
    "1",
    "True",
    "x" * 10**5,
    "a\0b",
    "caf\udce9",
    "../" * 3000,
    [],
    [[1], [2, 3]],
    [1, "two", None],
    (0.5, float("nan")),
    {},
    {"name": "x", "side": 3},
    {1: 2},
    {"horizon": 10**9},
    np.float32("nan"),
    np.int64(3),
    np.bool_(True),
    np.datetime64("2020-01-01"),
    np.zeros((2, 2)),
    np.array([0.5, 0.5]),
    np.array(["a"]),
    torch.tensor(3),
    torch.zeros(2, 3),
    object(),
    int,
    print,
]
values = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(_EXTREMES),
    st.integers(-3, 64),
    st.floats(),
    st.floats(0, 1),
    st.text(max_size=20),
    st.binary(max_size=8),
    st.sampled_from(_STRANGE),
    st.lists(st.one_of(st.integers(-1, 10**10), st.floats(), st.text(max_size=3)), max_size=4),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)


@pytest.fixture(autouse=True, scope="module")
def _as_users_have_it() -> Iterator[None]:
    """Without the checks of annotations that the tests switch on, which would speak first."""
    jaxtyping.config.update("jaxtyping_disable", True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    jaxtyping.config.update("jaxtyping_disable", False)


def drawn(data: st.DataObject, maker: Callable[..., Any], skipped: tuple[str, ...] = ()) -> dict[str, Any]:
    """One or two options of a constructor with values of any kind; words that it knows are among them."""
    known = [n for n, p in inspect.signature(maker).parameters.items() if p.kind != p.VAR_KEYWORD]
    names = [name for name in known if name not in ("self", "world", "env", *skipped)] or ["colour"]
    hints = typing.get_type_hints(maker.__init__ if isinstance(maker, type) else maker, include_extras=True)
    chosen = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
    found = {}
    for name in chosen:
        words = typing.get_args(hints.get(name)) if typing.get_origin(hints.get(name)) is Literal else ()
        found[name] = data.draw(st.one_of(values, st.sampled_from(words)) if words else values)
    return found


def built_or_named(build: Callable[[], Any], options: dict[str, Any]) -> None:
    try:
        build()
        return
    except (ValueError, TypeError) as error:
        said = str(error)
    # Named in place of the option, as errors print them.
    files = [one_line(value) for value in options.values() if isinstance(value, str) and value]
    assert any(name in said for name in (*options, *files)), f"{options!r}: {said}"
    assert len(said) < 2000, "a sentence, not a page"


@fuzzed
@given(st.sampled_from(registry.names(METHODS)), st.data())
def test_methods(name: str, data: st.DataObject) -> None:
    kind = registry.concrete(METHODS, name, Method)
    known = inspect.signature(kind).parameters
    usual = {key: value for key, value in SMALL.items() if key in known}
    usual |= {"pairs": 4, "context": 6} if "pairs" in known else {}
    options = drawn(data, kind, ("spec",))
    built_or_named(lambda: make_method(name, WORLD, **{**usual, **options}), options)


@fuzzed
@given(st.sampled_from(registry.names(METHODS)), st.data())
def test_what_a_world_dictates_to_methods(name: str, data: st.DataObject) -> None:
    known = inspect.signature(registry.concrete(METHODS, name, Method)).parameters
    usual = {key: value for key, value in SMALL.items() if key in known}
    usual |= {"pairs": 4, "context": 6} if "pairs" in known else {}
    options = drawn(data, WorldSpec)
    built_or_named(lambda: make_method(name, replace(WORLD, **options), **usual), options)


PLACES = SaccadeWorld(noise(), glimpse=3)
_INHIBITION = {"radius": 0, "shape": "circle", "memory": 0, "strength": 1.0}


@fuzzed
@given(st.sampled_from(sorted(set(registry.names(POLICIES)) - {"unseen", "deepgaze3"})), st.data())
def test_policies(name: str, data: st.DataObject) -> None:
    kind = registry.concrete(POLICIES, name, Policy)
    options = drawn(data, kind)
    if any(p.kind == p.VAR_KEYWORD for p in inspect.signature(kind).parameters.values()) and data.draw(st.booleans()):
        options[data.draw(st.sampled_from(list(_INHIBITION)))] = data.draw(values)
    options = {**({"path": "nowhere"} if name == "sb3" else {}), **options}  # which it cannot do without
    built_or_named(lambda: make_policy(name, PLACES, **options), options)


@fuzzed
@given(st.sampled_from(registry.names(REWARDS)), st.data())
def test_rewards(name: str, data: st.DataObject) -> None:
    options = drawn(data, registry.concrete(REWARDS, name, Reward))
    env = Remember(counting(2), Reading())
    usual = {"by": "poses"} if name == "coverage" else {}
    built_or_named(lambda: make_reward(name, env, **{**usual, **options}), options)


@fuzzed
@given(values, st.data())
def test_discrete_actions(name: Any, data: st.DataObject) -> None:
    options = drawn(data, DISCRETE_ACTIONS["fixations"])
    named = data.draw(st.sampled_from(["fixations", name]))
    built_or_named(
        lambda: make_discrete_actions(PLACES, {"name": named, **options}), {"discrete actions": named, **options}
    )


@fuzzed
@given(st.sampled_from(CONFIGS), st.booleans(), st.data())
def test_configurations(kind: type, from_file: bool, data: st.DataObject) -> None:
    options = drawn(data, kind)
    needed = {} if kind is not readouts.Budget else {"epochs": 3}
    given_all = {**needed, **options}
    build = (lambda: from_mapping(kind, given_all, "x.json")) if from_file else (lambda: kind(**given_all))
    built_or_named(build, options)


@fuzzed
@given(st.sampled_from(list(ALGORITHMS)), st.booleans(), st.data())
def test_options_of_stable_baselines(name: Any, network: bool, data: st.DataObject) -> None:
    kind = ALGORITHMS[name]
    skipped = ("policy", "env", "policy_kwargs", "seed", "device", "_init_setup_model")
    if network:
        policies = kind.policy_aliases
        maker = policies.get("MlpPolicy") or policies["MlpLstmPolicy"]
        options = drawn_names(data, maker.__init__, skipped)
        built_or_named(lambda: checked_network(maker, name, options), options)
    else:
        options = drawn_names(data, kind.__init__, skipped)
        built_or_named(lambda: checked_options(kind, name, options), options)


def drawn_names(data: st.DataObject, maker: Callable[..., Any], skipped: tuple[str, ...]) -> dict[str, Any]:
    """The same for signatures whose annotations cannot all be looked up."""
    names = [name for name in inspect.signature(maker).parameters if name not in ("self", *skipped)]
    return {data.draw(st.sampled_from(names)): data.draw(values)}


def test_every_configuration_says_its_types() -> None:
    for kind in CONFIGS:
        hints = typing.get_type_hints(kind, include_extras=True)
        bare = [f.name for f in dataclasses.fields(kind) if hints[f.name] in (int, float)]
        assert not bare, f"{kind.__name__} states no bounds of {', '.join(bare)}"
