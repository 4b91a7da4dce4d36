"""Words of a command line as typed arguments. Imports no torch, so that every --help is quick.

Types and bounds stand in the annotations of the classes of arguments; here they become the options' help, and what is
refused becomes one sentence. Policies are named in one way everywhere: NAME, or NAME:KEY=VALUE,KEY=VALUE.
"""

import dataclasses
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import tyro
from annotated_types import Interval
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, StructConstructorSpec, StructTypeInfo

from gazeworld.agents.config import AgentConfig, Algorithm, Observation
from gazeworld.agents.runs.scenario import POLICIES, Scenario
from gazeworld.envs import registry
from gazeworld.envs.validation import COMMAS, INNER, Options, Rows, limits, meant, nearest, shown

from ._places import require_path, settled
from ._scenario import fields_of, parts_of
from ._words import pairs, spec

Arguments = TypeVar("Arguments")
_Arg: Any = type(tyro.conf.arg())


OWN = "own_data"
"""The field of arguments that says what somebody's own data are."""
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
    known, met = dict(_options(kind, default)), set[str]()
    for word in words:
        if word == "--":
            break
        option = word.partition("=")[0].replace("_", "-")
        if known.get(option) and option in met:
            raise ValueError(f"{option} is given twice; give all its values after one")
        met.add(option)
    try:
        with _told_bounds():
            given: dict[str, Any] = {} if default is None else {"default": default}
            chosen, strange = tyro.cli(kind, args=list(words), prog=prog, return_unknown_args=True, **given)
    except _Refused as refused:
        raise ValueError(str(refused)) from refused.__cause__
    if strange:
        raise ValueError(_unknown(strange[0], [*known]))
    return settled(chosen)


def _unknown(word: str, known: Sequence[str]) -> str:
    """What is wrong with a word that stands for nothing, and what may have been meant."""
    option = word.partition("=")[0]
    if not option.startswith("-"):
        return f"unexpected word {shown(word)}; expected options, which begin with --"
    near = nearest(option.replace("_", "-"), known, cutoff=0.75)
    last = option.rpartition(".")[2].strip("-").replace("_", "-")
    same = [one for one in known if one.rpartition(".")[2].strip("-") == last]  # right but for what it belongs to
    likely = same[0] if same else near
    cure = f"did you mean {likely}?" if likely else "--help lists what there is"
    return f"unknown option {shown(option)[1:-1]}; {cure}"


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
        if info.type is Scenario and isinstance(info.default, Scenario):
            usual = fields_of(usual, info.default)
        notes = {field.name: field.metadata for field in dataclasses.fields(info.type)}
        fields = tuple(
            dataclasses.replace(
                field,
                type=_told(field.type, notes[field.name]),
                helptext=notes[field.name].get("told", field.helptext),
            )
            for field in usual.fields
            if notes[field.name] != INNER
        )
        fields = tuple(sorted(fields, key=lambda field: field.name != OWN))  # what a scenario needs comes first
        return dataclasses.replace(usual, fields=fields, instantiate=_plainly(usual.instantiate))

    return rules


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


def _options(kind: Any, default: Any, prefix: str = "--") -> Iterator[tuple[str, bool]]:
    """Options of a class of arguments, and of those within it, and whether each takes as many values as there are."""
    notes = {field.name: field.metadata for field in dataclasses.fields(kind)}
    parts = parts_of(default) if isinstance(default, Scenario) else {}
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        if notes[name] == INNER:
            continue
        plain, *told = typing.get_args(hint) if typing.get_origin(hint) is Annotated else (hint,)
        renamed = [note.name for note in told if isinstance(note, _Arg) and note.name]
        option = prefix + (renamed[0] if renamed else name).replace("_", "-")
        plain, within = parts.get(name, plain), getattr(default, name, None)
        yield from ((alias, False) for note in told if isinstance(note, _Arg) for alias in note.aliases or ())
        if dataclasses.is_dataclass(plain):
            yield from _options(plain, within, prefix if notes[name] == BARE else f"{option}.")
            continue
        yield option, typing.get_args(plain)[1:] == (...,) and notes[name] != COMMAS
        if plain is bool:
            head, dot, last = option.rpartition(".")
            yield (f"{head}.no-{last}" if dot else f"--no-{last[2:]}"), False


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


def with_policy(asked: Scenario, usual: Scenario, run: Path) -> Scenario:
    """The scenario as `parsed` gives it, with the learnt policy that its `--policy` names, if it is none by name."""
    if ":" in asked.policy["name"] or asked.policy["name"] in registry.names(POLICIES):
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
        f"{own.parent}, nor the folder of one{meant(name, registry.names(POLICIES))}"
    )
