"""The control experiment: what its conditions are, and numbers over seeds against those by hand."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes.images import images
from fakes.runs import probes

from gazeworld.agents.comparison import controls
from gazeworld.agents.comparison.controls import CONDITIONS, CONTRASTS, Condition, collected, folder_of, plan
from gazeworld.agents.config import ControlConfig
from gazeworld.agents.runs.scenario import Scenario, flat, to_json
from gazeworld.envs.worlds.saccade import SaccadeWorld

BASE = Scenario(
    world={"name": "saccade", "source": "digits", "split": "train", "first": "centre", "saliency": "contrast"},
    method={"name": "seq-jepa"},
    policy={"name": "saliency", "map": "contrast", "sigma": 0.3, "ior": True, "radius": 9.0},
)
T = 4.302652729911275  # Student's t for two degrees of freedom, 97.5 %


def test_conditions_are_all_pairs_and_differ_in_how_they_look_alone(tmp_path: Path) -> None:
    config = ControlConfig(steps=7, batch=8, scenes=9)
    made = plan([("a", BASE), ("b:c", BASE)], config, (0, 5), tmp_path)
    assert len(made.runs) == len({run.folder for run in made.runs}) == 40
    assert [run.scenario.seed for run in made.runs] == [0] * 20 + [5] * 20, "one seed of everything comes first"
    assert made.runs[10].folder == tmp_path / "b-c-uniform-0"
    settings = [flat(to_json(run.scenario)) for run in made.runs[:10]]
    apart = {key for one in settings for key in one if one[key] != settings[0][key]}
    assert apart == {"world.saliency", "policy.map", "policy.ior"}
    assert {(one["policy.map"], one["policy.ior"]) for one in settings} == {
        (kind, ior)
        for kind in ("uniform", "centre", "contrast", "mismatched-contrast", "transposed-contrast")
        for ior in (False, True)
    }
    for one in settings:
        assert one["world.saliency"] == one["policy.map"], "the first fixation is of the same map"
        assert (one["world.first"], one["policy.sigma"], one["policy.radius"]) == ("saliency", 0.0, 9.0)
        assert (one["train.steps"], one["train.batch"], one["probe.scenes"]) == (7, 8, 9)
    assert {one for _, *pair in CONTRASTS for one in pair} <= set(CONDITIONS)


def test_settings_are_made_last_and_a_policy_without_maps_is_refused(tmp_path: Path) -> None:
    made = plan([("a", BASE)], ControlConfig(), (1,), tmp_path, lambda asked: asked.changed(train={"steps": 3}))
    assert {(run.scenario.train.steps, run.scenario.seed) for run in made.runs} == {(3, 1)}
    with pytest.raises(ValueError, match=r"a: policy 'uniform', expected 'saliency' with a map"):
        plan([("a", dataclasses.replace(BASE, policy={"name": "uniform"}))], ControlConfig(), (1,), tmp_path)


def leave(runs: Path, one: Condition, seed: int, top1: float, shares: float | None) -> None:
    folder = folder_of(runs, "a", one, seed)
    folder.mkdir(parents=True)
    found: dict[str, Any] = probes((top1, top1 + 0.2), {"relative position": top1 / 2})
    if shares is not None:
        curve = [shares, shares / 2]
        found["on_object"] = {"centre": curve, "pixels": curve, "covered": curve, "image": 0.1}
    (folder / "probes.json").write_text(json.dumps(found))


def test_means_intervals_and_paired_differences_are_over_seeds(tmp_path: Path) -> None:
    own, centre = Condition("own", True), Condition("centre", True)
    for seed, (a, b) in {0: (0.5, 0.4), 7: (0.6, 0.4), 9: (0.7, 0.7)}.items():
        leave(tmp_path, own, seed, a, shares=a)
        if seed != 9:
            leave(tmp_path, centre, seed, b, shares=None)
    found = collected(["a"], (0, 7, 9), tmp_path)["a"]
    assert list(found["conditions"]) == ["centre map, IoR", "own map, IoR"]
    one = found["conditions"]["own map, IoR"]
    assert one["seeds"] == [0, 7, 9]
    assert one["top-1"]["mean"] == pytest.approx([0.6, 0.8])
    assert one["top-1"]["interval"] == pytest.approx([T * 0.1 / 3**0.5] * 2)
    assert one["top-1"]["runs"][1] == pytest.approx([0.6, 0.8])
    assert one["position R²"]["mean"] == pytest.approx([0.3 + 0.25]), "of the ridge"
    assert one["object: pixels"]["mean"] == pytest.approx([0.6, 0.3])
    assert one["object: pixels"]["overall"] == pytest.approx({"mean": 0.45, "interval": T * 0.075 / 3**0.5})
    assert "object: pixels" not in found["conditions"]["centre map, IoR"]
    assert list(found["contrasts"]) == ["own − centre, both with IoR"]
    apart = found["contrasts"]["own − centre, both with IoR"]
    assert apart["seeds"] == [0, 7]
    assert apart["top-1"]["mean"] == pytest.approx([0.15, 0.15])
    assert apart["top-1"]["interval"] == pytest.approx([12.706204736432095 * 0.1 / 2] * 2)  # t of one degree; ± 0.05
    single = collected(["a"], (0,), tmp_path)["a"]["conditions"]["own map, IoR"]
    assert single["top-1"]["interval"] is None
    assert collected(["none"], (0,), tmp_path) == {"none": {"conditions": {}, "contrasts": {}}}


def test_maps_are_scored_against_masks() -> None:
    pixels = torch.full((6, 24, 24, 1), 90, dtype=torch.uint8)
    masks = torch.zeros(6, 24, 24, dtype=torch.bool)
    for i in range(6):  # every object stands elsewhere, and none on the diagonal
        masks[i, 2 + i : 6 + i, 16 : 20 + i % 2] = True
    pixels[masks] = 250
    world = SaccadeWorld(dataclasses.replace(images(pixels), masks=lambda index: masks[index]), glimpse=8)
    names = {"own": "contrast", "uniform": "uniform", "transposed": "transposed-contrast"}
    found = controls.scored_priors(world, names, 5)
    assert found is not None
    assert found["uniform"] == pytest.approx({"auc": 0.5, "mass": 1.0})
    assert found["own"]["auc"] > 0.95
    assert found["own"]["mass"] > 5
    assert found["transposed"]["mass"] < 0.2
    assert controls.scored_priors(SaccadeWorld(images(pixels), glimpse=8), names, 5) is None
