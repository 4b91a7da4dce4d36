"""Signatures that are read from the source are those that Python has, and every option is explained."""

import inspect
import subprocess
import sys
import typing
from typing import Annotated, Any

import pytest

from gazeworld.agents.policy import POLICIES, Policy
from gazeworld.envs import registry
from gazeworld.envs.signatures import MISSING, signature_of
from gazeworld.envs.validation import PathText
from gazeworld.envs.world import WORLDS, World
from gazeworld.models.method import METHODS, Method

SOURCES = "gazeworld.envs.sources"
BASES: dict[str, Any] = {WORLDS: World, METHODS: Method, POLICIES: Policy}
THINGS = [(package, name) for package in (WORLDS, SOURCES, METHODS, POLICIES) for name in registry.names(package)]
GIVEN = {"self", "spec", "world", "device"}
NAMED_BY_A_PLACE = {"source", "split", "root", "source_options"}
"""Options whose help is that of the source; the command line writes it."""


def function_of(package: str, name: str) -> Any:
    if package == SOURCES:
        return registry.module(package, name).load
    return registry.concrete(package, name, BASES[package]).__init__


@pytest.mark.parametrize(("package", "name"), THINGS)
def test_what_is_read_is_what_python_has(package: str, name: str) -> None:
    function, found = function_of(package, name), signature_of(package, name).options
    parameters = inspect.signature(function).parameters.values()
    named = {one.name: one for one in parameters if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)}
    assert {*named} - GIVEN <= {*found}
    assert ({*found} == {*named} - GIVEN) or any(one.kind == one.VAR_KEYWORD for one in parameters)
    hints = typing.get_type_hints(function, include_extras=True)
    for one in named.values():
        if one.name in GIVEN:
            continue
        assert found[one.name].default == one.default, one.name
        hint = hints[one.name]
        if typing.get_origin(hint) in (Annotated, typing.Literal) or hint in (str, int, float, bool):
            assert found[one.name].hint == hint, one.name


@pytest.mark.parametrize(("package", "name"), THINGS)
def test_every_option_is_explained(package: str, name: str) -> None:
    found = signature_of(package, name)
    assert found.summary
    bare = [one.name for one in found.options.values() if not one.told and one.name not in NAMED_BY_A_PLACE]
    assert not bare, "say in the docstring what these options are for"
    assert all(one.default is not MISSING for one in found.options.values())


def test_options_that_are_passed_on_are_those_of_the_class_that_the_docstring_names() -> None:
    from gazeworld.envs.fixations import Inhibition

    saliency = signature_of(POLICIES, "saliency").options
    assert saliency["radius"].hint == typing.get_type_hints(Inhibition, include_extras=True)["radius"]
    assert saliency["strength"].default == 1.0
    assert "inhibition" not in saliency
    assert signature_of(SOURCES, "digits").options["clutter"].told.startswith("the number of scraps of other digits")


def test_bases_say_what_a_class_does_not() -> None:
    disagreement = signature_of(POLICIES, "disagreement").options
    assert disagreement["ensemble"].hint == PathText, "the constructor is that of a base in another folder"
    assert signature_of(METHODS, "simclr").options["temperature"].told == (
        "`temperature` divides the similarities of a contrastive loss"
    )


def test_a_class_of_any_module_is_read_too() -> None:
    found = signature_of(METHODS, "gazeworld.models.methods.byol:BYOL")
    assert found == signature_of(METHODS, "byol")
    with pytest.raises(ValueError, match="no class derived from Method, expected one"):
        signature_of(METHODS, "gazeworld.models.losses:Nothing")
    with pytest.raises(ValueError, match=r"there is no module 'gazeworld\.nothing'"):
        signature_of(METHODS, "gazeworld.nothing:Nothing")
    with pytest.raises(registry.UnknownNameError, match=r"unknown method 'boyl'; .*; did you mean 'byol'\?"):
        signature_of(METHODS, "boyl")


def test_reading_imports_no_torch() -> None:
    code = (
        "import sys\nfrom gazeworld.envs import registry\nfrom gazeworld.envs.signatures import signature_of\n"
        f"[signature_of(package, name) for package, name in {THINGS!r}]\nsys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
