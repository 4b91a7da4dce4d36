"""Another world, source or method in a scenario's place brings its own options, and what is dropped is told."""

import dataclasses
from pathlib import Path

import pytest

from gazeworld.agents.runs import swapping
from gazeworld.agents.runs.scenario import placed
from gazeworld.envs import registry
from gazeworld.scenarios import rotation_solids, saccade_digits, saccade_stl10

DIGITS, SOLIDS = saccade_digits.scenario, rotation_solids.scenario


def test_a_method_keeps_the_encoder_alone() -> None:
    found = swapping.with_method(DIGITS, "conditional_byol")
    assert found.scenario.method == {"name": "conditional-byol", "encoder": "small", "dim": 64, "width": 16}
    (told,) = found.told
    assert told.startswith("conditional-byol in place of seq-jepa keeps encoder, dim, width; has its own instead of ")
    assert dataclasses.replace(found.scenario, method=DIGITS.method) == DIGITS


def test_the_same_again_changes_nothing() -> None:
    for found in (
        swapping.with_method(DIGITS, "seq_jepa"),
        swapping.with_world(DIGITS, "saccade"),
        swapping.with_source(DIGITS, "digits"),
    ):
        assert (found.scenario, found.told) == (DIGITS, ())


def test_a_world_looks_at_the_same_if_it_can() -> None:
    other = swapping.with_world(DIGITS, "augmentation").scenario
    assert other.world == {"name": "augmentation", "source": "digits", "split": "train"}
    assert other.policy == {"name": "uniform"}
    turned = swapping.with_world(DIGITS, "rotation")
    assert turned.scenario.world == {"name": "rotation", "split": "train"}, "digits are no objects"
    assert turned.told[-1] == "policy uniform in place of saliency, which may not suit world rotation"


def test_a_source_brings_its_splits_and_keeps_the_size_of_views() -> None:
    other = swapping.with_source(saccade_stl10.scenario.changed(world={"root": "x"}), "digits").scenario
    assert (other.world["split"], other.probe_split, other.test_split) == ("train", "train", "test")
    assert "root" not in other.world
    assert other.world["glimpse"] == 32, "the world is the same"
    drawn = swapping.with_source(SOLIDS, "furniture").scenario
    assert drawn.world["source_options"] == {"size": 64, "views": 20, "region": "turntable"}


def test_unknown_names_are_answered_with_the_nearest() -> None:
    for swap, name, meant in (
        (swapping.with_method, "seq-jeppa", "seq-jepa"),
        (swapping.with_world, "sacade", "saccade"),
        (swapping.with_source, "stl11", "stl10"),
    ):
        with pytest.raises(registry.UnknownNameError, match=f"; did you mean '{meant}'"):
            swap(DIGITS, name)


def test_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked = SOLIDS.changed(
        world={"root": "data"}, policy={"name": "sb3", "path": "p", "model": ""}, probe={"regions": ("ood", "far=d/e")}
    )
    found = placed(asked)
    assert found.world["root"] == str(tmp_path / "data")
    assert (found.policy["path"], found.policy["model"]) == (str(tmp_path / "p"), "")
    assert found.probe.regions == ("ood", f"far={tmp_path / 'd/e'}")
    (tmp_path / "recorded").mkdir()
    for given, settled in (("recorded", str(tmp_path / "recorded")), ("an/id-v0", "an/id-v0")):
        assert placed(asked.changed(train={"streams": given})).train.streams == settled
    assert placed(found) == found
    assert placed(DIGITS) == DIGITS
