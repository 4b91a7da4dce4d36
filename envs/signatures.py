"""What the things of a registry can be told, read from their source: a class is not imported, and neither is torch.

A command line has to name every option of a world, a source, a method and a policy in its help, which must answer at
once, while importing a method takes seconds. So the file is parsed: the arguments of the constructor (of a source: of
its function `load`), or those of the nearest base that has one, with their annotations, which are looked up where they
were written, and their defaults. `**options` stands for the fields of the dataclass of which the docstring says that
they are "those of `Name`".

What an option is for is said by the docstring that belongs to it: the sentence of the class's docstring, or of its
bases' in order, that mentions the option in backticks; a sentence that begins with it comes before all others, and the
paragraph "Options:", where there is one, before the rest. Where none does, it is what is said of the annotation's name
(`Width`: units of a layer).
"""

import ast
import functools
import importlib.util
import re
import sys
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union

from . import registry

MISSING: Any = object()
"""The default of an option that has to be given."""
_ROOTS = {"worlds": "World", "methods": "Method", "policies": "Policy", "rewards": "Reward"}
_NOT_ASKED = ("self", "spec", "world", "device")  # what whoever builds the thing gives
_OURS = "gazeworld."
_READY = f"{_OURS}envs.validation"  # imports no torch, and its annotations hold functions
_THOSE_OF = re.compile(r"options are those of `([\w.]+)`")
_HEAD = "Options: "  # of the paragraph of a docstring that is about them
_LONG = 240  # of a sentence, from where on the part between semicolons is enough


@dataclass(frozen=True)
class Option:
    """One option: its annotation with the bounds (Any where it cannot be read), its default, and what it is for.

    `written` is the annotation as it stands there, with what no command line can give, too: "str | Images".
    """

    name: str
    hint: Any
    default: Any
    told: str
    written: str = ""


@dataclass(frozen=True)
class Signature:
    """What a thing is, in one sentence, what `load` is said to return (of a source), and its options by name."""

    summary: str
    returns: str
    options: dict[str, Option]


@functools.cache
def signature_of(package: str, name: str) -> Signature:
    """The signature of the thing called `name` in a registry (`gazeworld.models.methods`), or of `module:Class`.

    Raises UnknownNameError for a name that is not there, ValueError for a file without a class of the kind.
    """
    place, wanted = registry.place(package, name)
    source, kind = _source(place), package.rpartition(".")[2]
    if kind == "sources":
        made = source.bound.get(wanted or "load")
        if not isinstance(made, ast.FunctionDef):
            raise ValueError(f"{source.name}: no function {wanted or 'load'!r}, expected that of a source")
        return _signature(source, made, [ast.get_docstring(made) or ""])
    root = _ROOTS[kind]
    for one, node in source.bound.items():
        if isinstance(node, ast.ClassDef) and (one == wanted if wanted else True):
            line = list(_ancestors(source, node))
            if any(above.name == root for _, above in line[1:]):
                return _of_class(line)
    raise ValueError(f"{source.name}: no class derived from {root}, expected one")


def readable(package: str, name: str) -> Signature:
    """The same as far as it can be read: nothing where nothing is there, or a compiled module."""
    try:
        return signature_of(package, name)
    except (ValueError, OSError, SyntaxError):
        return Signature("", "", {})


def _of_class(line: "list[tuple[_Source, ast.ClassDef]]") -> Signature:
    """That of a class with its bases: the constructor is the first one among them."""
    told = [ast.get_docstring(node) or "" for _, node in line]
    for source, node in line:
        for part in node.body:
            if isinstance(part, ast.FunctionDef) and part.name == "__init__":
                return _signature(source, part, told)
    return Signature(_sentences(told[0])[0], "", {})


def _signature(source: "_Source", made: ast.FunctionDef, told: list[str]) -> Signature:
    given = made.args
    positional = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(positional) - len(given.defaults)) + list(given.defaults)
    pairs = [*zip(positional, defaults, strict=True), *zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    found = {
        one.arg: source.option(one.arg, one.annotation, default, _said(one, source, told))
        for one, default in pairs
        if one.arg not in _NOT_ASKED
    }
    if given.kwarg is not None and (those := _THOSE_OF.search(" ".join(" ".join(told).split()))):
        found |= _fields(*source.resolved(those[1]))
    returns = made.returns
    return Signature(_sentences(told[0])[0], ast.unparse(returns) if returns is not None else "", found)


def _fields(source: "_Source | None", node: ast.AST | None) -> dict[str, Option]:
    """The fields of a dataclass as options, each with the text below it or the sentence of the class's docstring."""
    found: dict[str, Option] = {}
    if source is None or not isinstance(node, ast.ClassDef):
        return found
    texts, told = _texts(node.body), [ast.get_docstring(node) or ""]
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name) and not part.target.id.startswith("_"):
            name = part.target.id
            said = texts.get(name) or _said(ast.arg(name, part.annotation), source, told)
            found[name] = source.option(name, part.annotation, part.value, said)
    return found


def _ancestors(source: "_Source", node: ast.ClassDef) -> "Iterator[tuple[_Source, ast.ClassDef]]":
    """A class and its bases, as far as their source is ours or beside it, nearest first."""
    yield source, node
    for base in node.bases:
        there, above = source.resolved(ast.unparse(base))
        if there is not None and isinstance(above, ast.ClassDef):
            yield from _ancestors(there, above)


def _said(one: ast.arg, source: "_Source", told: list[str]) -> str:
    """What docstrings say of an argument, and else what is said of its annotation's name."""
    mark = re.compile(f"`{one.arg}[`=]")
    heads = [text.partition(_HEAD)[2] for text in told]
    for text in [*heads, *(text.replace(_HEAD, "") for text in told)]:
        mentions = [one for one in _sentences(text) if mark.search(one)]
        if mentions:
            best = next(filter(mark.match, mentions), mentions[0])
            parts = re.split(r";\s+", best) if len(best) > _LONG else [best]
            return next(filter(mark.search, parts)).removeprefix(f"`{one.arg}` is ").rstrip(".:;")
    return source.about(ast.unparse(one.annotation)) if one.annotation is not None else ""


def _sentences(text: str) -> list[str]:
    """The sentences of a docstring, without what breaks its lines; an item of a list begins one."""
    blocks = re.split(r"\n\s*\n|\n\s*- ", text)
    return [one for block in blocks for one in re.split(r"(?<=[.])\s+(?=[A-Z`\"(])", " ".join(block.split()))]


def _texts(body: list[ast.stmt]) -> dict[str, str]:
    """What stands as a text of its own below an assignment, by the name that is assigned to."""
    found = {}
    for one, after in pairwise(body):
        target = one.target if isinstance(one, ast.AnnAssign) else one.targets[0] if isinstance(one, ast.Assign) else 0
        if isinstance(target, ast.Name) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            found[target.id] = " ".join(str(after.value.value).split()).rstrip(".")
    return found


class _Names(dict[str, Any]):
    """What names mean in a source, found when they are asked for."""

    def __init__(self, source: "_Source") -> None:
        super().__init__()
        self._source = source

    def __missing__(self, name: str) -> Any:
        self[name] = found = self._source.meaning(name)
        return found


@dataclass(frozen=True)
class _Source:
    """A parsed file: what its names are bound to (statements, or modules and names in them), and texts below them."""

    name: str
    bound: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    def option(self, name: str, annotation: ast.expr | None, default: ast.expr | None, told: str) -> Option:
        """An option as this file writes it."""
        written = ast.unparse(annotation) if annotation is not None else ""
        return Option(name, self.hint(annotation), self.value(default), told, written)

    def hint(self, annotation: ast.expr | None) -> Any:
        """An annotation without what only Python code could give (tensors, images): Any where nothing is left."""
        try:
            return _plain(self._evaluated(_Foreign().visit(annotation))) if annotation is not None else Any
        except Exception:  # a stranger's annotation may be anything
            return Any

    def value(self, default: ast.expr | None) -> Any:
        """A default; MISSING where there is none, and where it is nothing that could be typed."""
        try:
            return MISSING if default is None else self._evaluated(default)
        except Exception:  # whatever it is, it is not to be computed here
            return MISSING

    def about(self, name: str) -> str:
        """The text below the assignment that gave an annotation its name."""
        there, _ = self.resolved(name)
        return there.texts.get(name.rpartition(".")[2], "") if there is not None else ""

    def resolved(self, dotted: str) -> "tuple[_Source | None, Any]":
        """The source and the statement that bind a name, through imports; None where that is no source of ours."""
        module, _, name = dotted.rpartition(".")
        if module and module not in self.bound:
            return _source(module).resolved(name) if module.startswith(_OURS) else (None, None)
        node = self.bound.get(dotted)
        if isinstance(node, tuple):
            there, one = node
            near = there.partition(".")[0] in (self.name.partition(".")[0], _OURS.rstrip("."))
            return _source(there).resolved(one) if one and near else (None, None)
        return (self, node) if node is not None else (None, None)

    def meaning(self, name: str) -> Any:
        """The object that a name stands for in an annotation; a class of ours is a stand-in that says its name."""
        node = self.bound.get(name)
        if isinstance(node, tuple):
            module, one = node
            light = module.partition(".")[0] in sys.stdlib_module_names or module.startswith("annotated_types")
            if module == _READY or (light and one):
                return getattr(importlib.import_module(module), one)
            there, node = self.resolved(name)
            return there.meaning(node_name(node, one)) if there is not None else type(name, (), {"foreign": True})
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            return self._evaluated(node.value)
        if node is not None:
            return type(name, (), {"foreign": True})
        builtins: Any = __builtins__
        return builtins[name] if isinstance(builtins, dict) else getattr(builtins, name)

    def _evaluated(self, node: ast.expr) -> Any:
        tree = ast.fix_missing_locations(ast.Expression(node))
        return eval(compile(tree, self.name, "eval"), {"__builtins__": {}}, _Names(self))


def node_name(node: Any, name: str) -> str:
    """The name that a statement binds; `name` where it is an assignment."""
    return node.name if isinstance(node, ast.ClassDef | ast.FunctionDef) else name


class _Foreign(ast.NodeTransformer):
    """Puts `object` in the place of what lies in modules, as `torch.device`: nothing that could be typed."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """Any dotted name."""
        return ast.copy_location(ast.Constant(None), node)


def _plain(hint: Any) -> Any:
    """An annotation of what a command line or a file can hold."""
    if typing.get_origin(hint) in (Union, UnionType):
        kept = [_plain(part) for part in typing.get_args(hint) if part is not type(None)]
        kept = [part for part in kept if part is not Any and part is not Path]
        if not kept:
            return Any
        return kept[0]
    if getattr(hint, "foreign", False):
        return Any
    if typing.get_origin(hint) is Annotated:
        base, *notes = typing.get_args(hint)
        return Annotated[(_plain(base), *notes)]
    return hint


@functools.cache
def _source(module: str) -> _Source:
    """A module's source, parsed. Raises ValueError where there is none to read."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise ValueError(f"{module}: no source of it is there, expected a module of Python")
    body = ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body
    package = module if spec.submodule_search_locations else module.rpartition(".")[0]
    found = _Source(module, {}, _texts(body))
    for node in _statements(body):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                found.bound[name] = node
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found.bound[name] = node
            case ast.ImportFrom(names=names):
                base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
                found.bound.update({one.asname or one.name: (base, one.name) for one in names})
            case ast.Import(names=names):
                found.bound.update({(one.asname or one.name).partition(".")[0]: (one.name, "") for one in names})
            case _:
                pass
    return found


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, those for type checkers included."""
    for node in body:
        if isinstance(node, ast.If):
            yield from node.body
        else:
            yield node
