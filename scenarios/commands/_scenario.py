"""A scenario as options of a command: those of its world, source, policy and method, whichever are asked for.

Before words are parsed, they are looked through for the names of other things than the scenario's, which take their
place with their own options (`gazeworld.agents.runs.swapping`); what is listed and parsed then are the options of the
things that will be used, with types, bounds, choices and explanations as `gazeworld.envs.signatures` reads them from
the source, so that help imports no torch. What is not said is not written either: config.json holds what the scenario
says and what was asked for, all else has the default of its class.
"""

import dataclasses
import json
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import tyro
from tyro.constructors import PrimitiveConstructorSpec, StructConstructorSpec, StructFieldSpec

from gazeworld.agents.runs import swapping
from gazeworld.agents.runs.scenario import POLICIES, Scenario
from gazeworld.agents.runs.swapping import METHODS, SOURCES, WORLDS, Swapped, source_of
from gazeworld.envs import registry
from gazeworld.envs.signatures import MISSING, Option, Signature, readable
from gazeworld.envs.validation import Options

from ._words import pairs, spec, values_of, without

_NAMED = {"world": WORLDS, "policy": POLICIES, "method": METHODS}
_POLICY = (
    "how fixations are chosen, in training and in probing: {names}; also NAME:KEY=VALUE,… with its options, or the "
    "folder of a learnt policy, which looks with the model in training unless `sb3:path=…,model=RUN` names another"
)
_SPLIT = "the split that the world model learns from; {source}: {summary}"


def asked_for(words: Sequence[str], usual: Scenario) -> tuple[Swapped, list[str]]:
    """The scenario with the things in place that the words name, and the words that are left to be parsed.

    A policy of the registry is said by `--policy` with all its options at once, which are read here; other policies are
    folders, of which `policy_of` knows once the run's place is known. Raises UnknownNameError for names that are not
    there.
    """
    found, told = usual, list[str]()
    for option, swap in (
        ("--world.name", swapping.with_world),
        ("--world.source", swapping.with_source),
        ("--method.name", swapping.with_method),
    ):
        for name in values_of(words, option)[-1:]:
            swapped = swap(found, name)
            found, told = swapped.scenario, [*told, *swapped.told]
    for text in (*values_of(words, "--policy"), *values_of(words, "--policy.name"))[-1:]:
        name = registry.plain(registry.split(POLICIES, text)[0])
        if ":" in name or name in registry.names(POLICIES):
            registry.require(POLICIES, name)
            own = found.policy if found.policy["name"] == name else {}
            found = dataclasses.replace(found, policy={**own, **spec(text, "policy", POLICIES), "name": name})
            words = without(words, ("--policy", "--policy.name"))
    return Swapped(found, tuple(told)), list(words)


def fields_of(usual: StructConstructorSpec, given: Scenario) -> StructConstructorSpec:
    """What tyro made of the class, with the options of this scenario's world, policy and method in their places."""
    found = {field.name: field for field in usual.fields}
    parts = {name: _Part.of(name, given) for name in _NAMED}
    for name, part in parts.items():
        found[name] = StructFieldSpec(name, part.kind, part.default(), part.told)

    def made(**values: Any) -> Scenario:
        for name, part in parts.items():
            values[name] = part.written(values[name])
        return usual.instantiate(**values)

    made.__doc__ = usual.instantiate.__doc__
    order = dict.fromkeys((*_NAMED, *found))
    return StructConstructorSpec(made, tuple(found[name] for name in order))


def parts_of(given: Scenario) -> dict[str, type]:
    """The class of options of the world, the policy and the method of a scenario, by the names of its fields."""
    return {name: _Part.of(name, given).kind for name in _NAMED}


@dataclass(frozen=True)
class _Part:
    """The options of one thing: as a class, as they are without being asked for, and what the thing is."""

    kind: type
    told: str
    base: dict[str, Any]
    usual: dict[str, Any]

    @classmethod
    def of(cls, part: str, given: Scenario) -> "_Part":
        """Those of the world, the policy or the method of a scenario."""
        base, package = getattr(given, part), _NAMED[part]
        signature = readable(package, base["name"])
        options = dict(signature.options)
        names = ", ".join(registry.names(package))
        head = {"name": Option("name", str, base["name"], names)}
        if part == "policy":
            head["name"] = Option("name", _Policy, base["name"], _POLICY.format(names=names))
        if part == "world":
            inner, nested = source_of(base), base.get("source_options") or {}
            source = readable(SOURCES, inner) if inner else Signature("", "", {})
            within = _class(
                "world.source_options", {k: v for k, v in source.options.items() if k not in _PLACE}, nested
            )
            options |= {
                "source": Option("source", str, inner, ", ".join(registry.names(SOURCES))),
                "split": Option("split", str, "train", _SPLIT.format(source=inner, summary=source.summary)),
                "root": Option("root", str, "", _where(source, signature)),
                "source_options": Option("source_options", within, within(), f"{inner}: {source.summary}"),
            }
        kind = _class(part, {**head, **options}, {k: v for k, v in base.items() if k != "source_options"})
        usual = {one.name: None if one.default is MISSING else one.default for one in options.values()}
        return cls(kind, f"{base['name']}: {signature.summary}", base, usual)

    def default(self) -> Any:
        """The options when nothing is said."""
        return self.kind()

    def written(self, chosen: Any) -> dict[str, Any]:
        """The dictionary of a scenario: what was there, and what was asked for in another way than the class has it."""
        found = _chosen(chosen, self.default(), {k: v for k, v in self.base.items() if k != "source_options"})
        if "source_options" in self.usual:
            before = self.base.get("source_options") or {}
            inner = _chosen(chosen.source_options, self.usual["source_options"], before)
            if inner or "source_options" in self.base:
                found["source_options"] = inner
        return {key: found[key] for key in dict.fromkeys((*self.base, *found)) if key in found}


_PLACE = ("split", "root")


def _where(source: Signature, world: Signature) -> str:
    told = [one.options["root"].told for one in (source, world) if "root" in one.options]
    return next(filter(None, told), "where the source lies")


def _chosen(chosen: Any, usual: Any, base: dict[str, Any]) -> dict[str, Any]:
    """What was there, and what differs from what is usual; names are settled before words are parsed."""
    found = dict(base)
    for field in dataclasses.fields(chosen):
        value = getattr(chosen, field.name)
        settled = field.name in ("name", "source") and field.name in base and not field.metadata.get("open")
        if value != getattr(usual, field.name) and not settled and field.name != "source_options":
            found[field.name] = json.loads(json.dumps(value))
    return found


def _class(owner: str, options: dict[str, Option], base: dict[str, Any]) -> Any:
    """A class of arguments with these options and defaults; what `base` holds beside them is of the kind it has."""
    extra = {key: Option(key, _kind_of(value), value, "") for key, value in base.items() if key not in options}
    fields, before = [], ""
    for one in (*options.values(), *extra.values()):
        hint = _typed(one.hint)
        value = base.get(one.name, None if one.default is MISSING else one.default)
        value = tuple(value) if isinstance(value, list) and typing.get_origin(hint) is tuple else value
        if value is None and not dataclasses.is_dataclass(hint):
            value = {} if hint is _Pairs else None
            hint = hint if hint is _Pairs else hint | None
        notes = {"told": one.told if one.told != before else "see above", "open": one.hint is _Policy}
        before = one.told or before
        fields.append((one.name, hint, dataclasses.field(default=value, metadata=notes)))
        if isinstance(value, dict):
            fields[-1] = (one.name, hint, dataclasses.field(default_factory=lambda v=value: dict(v), metadata=notes))
    return dataclasses.make_dataclass(
        owner.rpartition(".")[2].title(), fields, bases=(Options,), frozen=True, namespace={"_owner": owner}
    )


def _kind_of(value: Any) -> Any:
    return type(value) if isinstance(value, bool | int | float | str) else _Json


def _typed(hint: Any) -> Any:
    """An annotation as tyro can read it from words."""
    origin = typing.get_origin(hint)
    if hint is Any:
        return _Json
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _Pairs
    if isinstance(origin, type) and issubclass(origin, Sequence) and origin is not tuple:
        return tuple[typing.get_args(hint)[0], ...]
    return hint


_Pairs = Annotated[
    dict[str, Any],
    PrimitiveConstructorSpec(
        nargs="*",
        metavar="KEY=VALUE …",
        instance_from_str=lambda words: pairs(words, "an option"),
        is_instance=lambda given: isinstance(given, dict),
        str_from_instance=lambda given: [f"{key}={json.dumps(value)}" for key, value in given.items()],
    ),
]
_Json = Annotated[
    Any,
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="JSON",
        instance_from_str=lambda words: pairs([f"it={words[0]}"], "an option")["it"],
        is_instance=lambda given: True,
        str_from_instance=lambda given: [json.dumps(given)],
    ),
]
_Policy = Annotated[str, tyro.conf.arg(aliases=("--policy",), metavar="SPEC")]
