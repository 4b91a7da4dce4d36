"""Words of a command line as typed arguments. Imports no torch, so that every --help is quick.

Types and bounds stand in the annotations of the classes of arguments; here they become the options' help, and what is
refused becomes one sentence. Policies are named in one way everywhere: NAME, or NAME:KEY=VALUE,KEY=VALUE.
"""

import dataclasses
import json
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import tyro
from annotated_types import Interval
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, StructConstructorSpec, StructTypeInfo

from gazeworld.agents.config import AgentConfig, Algorithm, Observation
from gazeworld.agents.runs.scenario import Scenario
from gazeworld.envs import registry
from gazeworld.envs.validation import COMMAS, INNER, Options, Rows, limits, shown

from . import _catalogue
from ._places import require_path, settled

Arguments = TypeVar("Arguments")
_Arg: Any = type(tyro.conf.arg())


BARE = {"bare": True}
"""Metadata of a field whose own fields are options as they are, without its name before them."""
Size = Annotated[int, Interval(ge=8, le=2**12)]
"""Pixels per side of a view."""


class _Refused(Exception):
    """Carries what a class of arguments said past tyro, which would wrap the sentence into a box of its own."""


def parsed(kind: type[Arguments], words: Sequence[str], prog: str, default: Arguments | None = None) -> Arguments:
    """The arguments that the words stand for. Ends the process after --help, and where tyro cannot read them.

    Raises ValueError for an option of several values that is given twice, since all values but the last would be
    dropped; for values out of their bounds; for names that no folder can have, and places that cannot be written.
    """
    several, met = _several(kind), set[str]()
    for word in words:
        if word == "--":
            break
        option = word.partition("=")[0].replace("_", "-")
        if option in several & met:
            raise ValueError(f"{option} is given twice; give all its values after one")
        met.add(option)
    try:
        with _told_bounds():
            given: dict[str, Any] = {} if default is None else {"default": default}
            chosen = tyro.cli(kind, args=list(words), prog=prog, **given)
    except _Refused as refused:
        raise ValueError(str(refused)) from refused.__cause__
    return settled(chosen)


def _told_bounds() -> ConstructorRegistry:
    """A registry of tyro that makes classes of arguments as tyro does, and says the bounds of their fields in help."""
    rules, asking = ConstructorRegistry(), False

    @rules.struct_rule
    def with_bounds(info: StructTypeInfo) -> StructConstructorSpec | None:
        nonlocal asking
        if asking or not dataclasses.is_dataclass(info.type):
            return None  # tyro's own rule comes next
        asking = True
        try:
            usual = ConstructorRegistry.get_struct_spec(info)
        finally:
            asking = False
        if not isinstance(usual, StructConstructorSpec):
            return None
        notes = {field.name: field.metadata for field in dataclasses.fields(info.type)}
        fields = tuple(
            dataclasses.replace(field, type=_Policy, helptext=_POLICY_HELP)
            if (info.type, field.name) == (Scenario, "policy")
            else dataclasses.replace(field, type=_told(field.type, notes[field.name]))
            for field in usual.fields
            if notes[field.name] != INNER
        )
        return dataclasses.replace(usual, fields=fields, instantiate=_plainly(usual.instantiate))

    return rules


def _written(options: dict[str, Any]) -> list[str]:
    """The word that stands for a policy, as `spec` reads it."""
    rest = {key: value if isinstance(value, str) else json.dumps(value) for key, value in options.items()}
    others = ",".join(f"{key}={value}" for key, value in rest.items() if key != "name")
    return [f"{rest['name']}:{others}" if others else rest["name"]]


_Policy = Annotated[
    dict[str, Any],
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="SPEC",
        instance_from_str=lambda words: {"name": words[0]},  # `with_policy` reads it where the scenario is known
        is_instance=lambda given: isinstance(given, dict),
        str_from_instance=_written,
    ),
]
_POLICY_HELP = (
    "how fixations are chosen, in training and in probing: NAME or NAME:KEY=VALUE,… of the registry (the scenario's "
    "own policy keeps what is not said), or the folder of a learnt policy, which looks with the model in training "
    "unless `sb3:path=…,model=RUN` names another"
)


def _told(hint: Any, notes: Mapping[str, Any]) -> Any:
    """An annotation as tyro is to see it: with bounds printed beside the default, and as a field's metadata says."""
    if notes == BARE:
        return Annotated[hint, tyro.conf.arg(name="")]
    if notes == COMMAS:
        return _Listed
    if "metavar" in notes:
        return Annotated[hint, tyro.conf.arg(metavar=notes["metavar"])]
    if not (said := limits(hint)):
        return hint
    told = tyro.conf.arg(help_behavior_hint=lambda default: f"({said}; default: {default})")
    return Annotated[hint, told]


_Listed = Annotated[
    tuple[str, ...],
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="STR",
        instance_from_str=lambda words: tuple(name for name in words[0].replace(" ", "").split(",") if name),
        is_instance=lambda given: isinstance(given, tuple),
        str_from_instance=lambda given: [",".join(given)],
    ),
]


def _plainly(make: Callable[..., Any]) -> Callable[..., Any]:
    def made(**values: Any) -> Any:
        try:
            return make(**values)
        except ValueError as error:
            raise _Refused(str(error)) from error

    made.__doc__ = make.__doc__  # the description in help
    return made


def _several(kind: Any, prefix: str = "--") -> set[str]:
    """Options of a class of arguments, and of those within it, that take as many values as there are."""
    found: set[str] = set()
    bare = {field.name for field in dataclasses.fields(kind) if field.metadata == BARE}
    single = {field.name for field in dataclasses.fields(kind) if field.metadata in (COMMAS, INNER)}
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        plain, *notes = typing.get_args(hint) if typing.get_origin(hint) is Annotated else (hint,)
        told = [note.name for note in notes if isinstance(note, _Arg) and note.name]
        option = prefix + (told[0] if told else name).replace("_", "-")
        if dataclasses.is_dataclass(plain):
            found |= _several(plain, prefix if name in bare else f"{option}.")
        elif typing.get_args(plain)[1:] == (...,) and name not in single:
            found.add(option)
    return found


@dataclasses.dataclass(frozen=True)
class AgentArguments(Options, owner="agent"):
    """An agent of Stable-Baselines3 and what it acts in.

    SPEC is a name, or a name with options: `NAME:KEY=VALUE,KEY=VALUE`. Values are JSON, or else text.
    """

    algorithm: Algorithm = AgentConfig.algorithm
    """ppo, recurrent-ppo, maskable-ppo, sac or crossq"""
    rewards: Annotated[tuple[str, ...], tyro.conf.arg(metavar="SPEC …")] = ("recognition:learning=false",)
    """what it is rewarded for, added up: recognition, representation, prediction-error, inverse-dynamics, coverage"""
    observation: Observation = AgentConfig.observation
    """what it observes: latent, latent+periphery, pixels or flat-pixels"""
    discrete_actions: Annotated[str, tyro.conf.arg(metavar="SPEC")] = "auto"
    """what it chooses from: fixations:side=9, views, or none for continuous actions (auto: what suits)"""
    environments: Rows = AgentConfig.environments
    """environments side by side"""
    episode_steps: Annotated[int, Interval(ge=0, le=2**12)] = 0
    """actions of an episode, which has one view more (0: the scenario's number of observed views)"""
    policy: Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE …")] = ()
    """options of its network (SB3's policy_kwargs), as net_arch=[64,64]; beside or instead of the defaults"""
    options: Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE …")] = ()
    """the algorithm's own options, as gamma=0.5 ent_coef=0.01; beside or instead of the defaults"""

    def chosen(self) -> dict[str, Any]:
        """Fields of AgentConfig that are set. Raises ValueError for words of another form than they should be."""
        found: dict[str, Any] = {
            "algorithm": self.algorithm,
            "environments": self.environments,
            "observation": self.observation,
            "rewards": tuple(spec(reward, "agent.rewards", "gazeworld.agents.rewards") for reward in self.rewards),
            "policy": pairs(self.policy, "agent.policy"),
            "options": pairs(self.options, "agent.options"),
        }
        if self.episode_steps:
            found["episode_steps"] = self.episode_steps
        if self.discrete_actions != "auto":
            none = self.discrete_actions == "none"
            found["discrete_actions"] = None if none else spec(self.discrete_actions, "agent.discrete-actions")
        return found


def scenario_argument(words: list[str], command: str) -> tuple[str, Scenario] | None:
    """The scenario named first, with its name; None where help was asked for, or nothing named, which is told."""
    if not words or words[0].startswith("-"):
        print(f"usage: gazeworld {command} SCENARIO [OPTIONS]\n\nscenarios: {', '.join(_catalogue.names())}\n")
        print(f"gazeworld {command} SCENARIO --help lists what can be set, with the scenario's values.")
        return None
    return words[0].replace("_", "-"), _catalogue.load(words[0])


def with_policy(asked: Scenario, usual: Scenario, run: Path) -> Scenario:
    """The scenario as `parsed` gives it, with the policy that its `--policy` names; `usual` has the scenario's own."""
    if asked.policy == usual.policy:
        return asked
    return dataclasses.replace(asked, policy=policy_of(asked.policy["name"], usual, run))


def policy_of(text: str, found: Scenario, run: Path) -> dict[str, Any]:
    """Name and options of the policy that is asked for; {} for the scenario's own, which "" stands for.

    NAME in the registry (with the scenario's options if it has the same policy), NAME:KEY=VALUE,…, the NAME of a policy
    in the folder `policies` of the run, or the folder of a policy. MODULE:CLASS may stand for NAME. Raises ValueError
    for anything else.
    """
    if not text:
        return {}
    from gazeworld.agents.policy import POLICIES
    from gazeworld.agents.run_folder import RunFolder

    own, (name, _) = RunFolder(run).policies / text, registry.split(POLICIES, text)
    name = registry.plain(name)
    if ":" in name or name in registry.names(POLICIES):
        registry.require(POLICIES, name)
        given = spec(text, "policy", POLICIES)
        return {**(found.policy if found.policy["name"] == name else {}), **given, "name": name}
    for folder in (own, Path(text)):
        require_path("policy", folder)
        if folder.is_dir():
            return {"name": "sb3", "path": str(folder.resolve())}
    raise ValueError(
        f"{text!r} is neither a policy of the registry ({', '.join(registry.names(POLICIES))}), nor one in "
        f"{own.parent}, nor the folder of one"
    )


def spec(text: str, what: str, place: str = "") -> dict[str, Any]:
    """`NAME:KEY=VALUE,KEY=VALUE` as a dictionary with the entry `name`. Raises ValueError for anything else.

    In the registry `place` NAME may be MODULE:CLASS, a thing of another package.
    """
    name, rest = registry.split(place, text)
    if not name:
        raise ValueError(f"{what} is {text!r}, expected NAME or NAME:KEY=VALUE,KEY=VALUE")
    options = pairs(_parts(rest) if rest else (), what)
    if "name" in options:
        raise ValueError(f"{what} is {shown(text)}, which says the name twice; expected NAME:KEY=VALUE,KEY=VALUE")
    return {"name": name, **options}


def _parts(text: str) -> list[str]:
    """What commas separate, but those within the brackets of a list or an object."""
    found: list[str] = []
    for part in text.split(","):
        value = found[-1].partition("=")[2] if found else ""
        if value[:1] in ("[", "{") and value.count("[") + value.count("{") > value.count("]") + value.count("}"):
            found[-1] += f",{part}"
        else:
            found.append(part)
    return found


def pairs(words: Iterable[str], what: str) -> dict[str, Any]:
    """Words KEY=VALUE as a dictionary; values that are no JSON are text. Raises ValueError for other words."""
    found: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (key and equals):
            raise ValueError(f"{what} holds {word!r}, expected KEY=VALUE")
        try:
            found[key] = json.loads(value)
        except (ValueError, RecursionError):  # no JSON, or integers and nesting beyond what Python reads
            found[key] = value
    return found


def listed(text: str, flag: str) -> list[str]:
    """Words between commas. Raises ValueError for one that stands there twice."""
    found = [word.strip() for word in text.split(",") if word.strip()]
    for word in found:
        if found.count(word) > 1:
            raise ValueError(f"{flag}: {word!r} stands there twice")
    return found
