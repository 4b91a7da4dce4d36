"""The control experiment: does it matter that saliency is that of *this* image, beyond centre and not looking twice?

Five maps, each with and without inhibition of return: uniform, a centre prior, the map of another image of another
label, the image's own, and the own one transposed. Each of the ten conditions trains a world model of its own for every
seed, from streams that begin and go on as its map says, and is tested with streams of its own. What differs between
conditions is a whole way to look; what is paired between them is the seed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float64
from scipy import stats
from torch import Tensor

from gazeworld.envs import registry
from gazeworld.envs.prior import make_prior
from gazeworld.envs.world import World

from ..config import ControlConfig
from ..probes.features import spread_over
from ..probes.on_object import map_scores
from ..run_folder import read_probes
from ..runs import build
from ..runs.scenario import Scenario, placed
from ..runs.sweep import Plan, Planned

OWN, OTHER, TRANSPOSED, CENTRE, UNIFORM = "own", "another image's", "transposed", "centre", "uniform"
MAPS = (UNIFORM, CENTRE, OTHER, OWN, TRANSPOSED)
LEVEL = 0.95
_ROWS = 64  # scenes whose maps are held at once


@dataclass(frozen=True)
class Condition:
    """One way to look: which of `MAPS`, and whether there is inhibition of return."""

    map: str
    ior: bool

    @property
    def name(self) -> str:
        """As folders are called: own-ior, own."""
        return self.map.replace("another image's", "other") + ("-ior" if self.ior else "")

    @property
    def label(self) -> str:
        """As tables have it."""
        return f"{self.map} map, IoR" if self.ior else f"{self.map} map"

    def kind(self, own: str) -> str:
        """The prior behind the map, where the image's own is called `own`."""
        return {OWN: own, OTHER: f"mismatched-{own}", TRANSPOSED: f"transposed-{own}"}.get(self.map, self.map)

    def of(self, base: Scenario, config: ControlConfig) -> Scenario:
        """The scenario with fixations of this condition, from the first one on, at the size of the experiment."""
        kind = self.kind(base.policy["map"])
        changed = base.changed(
            world={"first": "saliency", "saliency": kind, "centre_sigma": 0.0},
            policy={"map": kind, "sigma": 0.0, "ior": self.ior},
            train={"steps": config.steps, "epochs": 0, "batch": config.batch},
            # No curve of path integration is read: few scenes, and none with motor noise.
            probe={"scenes": config.scenes, "repeats": 1, "noise": 0.0, "path_scenes": 64, "online": 0},
        )
        return placed(changed)


CONDITIONS = tuple(Condition(name, ior) for ior in (False, True) for name in MAPS)
CONTRASTS = (
    ("own − uniform, both with IoR", Condition(OWN, True), Condition(UNIFORM, True)),
    ("own − centre, both with IoR", Condition(OWN, True), Condition(CENTRE, True)),
    ("own − another image's, both with IoR", Condition(OWN, True), Condition(OTHER, True)),
    ("own − transposed, both with IoR", Condition(OWN, True), Condition(TRANSPOSED, True)),
    ("own − another image's, both without IoR", Condition(OWN, False), Condition(OTHER, False)),
    *((f"{name}: IoR − none", Condition(name, True), Condition(name, False)) for name in MAPS),
)
"""What the question asks: pairs of conditions, the second taken from the first."""


def plan(
    scenarios: Sequence[tuple[str, Scenario]],
    config: ControlConfig,
    seeds: Sequence[int],
    runs: Path,
    change: Callable[[Scenario], Scenario] = lambda asked: asked,
    conditions: Sequence[Condition] | None = None,
) -> Plan:
    """The runs of the experiment, for `sweep`: seeds outermost, so that what was done so far can be compared.

    `change` makes further settings, `conditions` are all ten unless some are named. Raises ValueError for a scenario
    whose policy is not one of maps.
    """
    found = []
    for name, base in scenarios:
        if base.policy["name"] != "saliency" or "map" not in base.policy:
            raise ValueError(
                f"{name}: policy {base.policy['name']!r}, expected 'saliency' with a map to take controls of"
            )
    for seed in seeds:
        for name, base in scenarios:
            for one in CONDITIONS if conditions is None else conditions:
                asked = change(one.of(base, config)).changed(seed=seed)
                found.append(Planned(name, asked, folder_of(runs, name, one, seed)))
    return Plan(tuple(found), (), {})


def condition(name: str) -> Condition:
    """The condition of this name. Raises ValueError saying which there are."""
    known = {one.name: one for one in CONDITIONS}
    if name not in known:
        raise registry.unknown("condition", name, list(known))
    return known[name]


def folder_of(runs: Path, name: str, one: Condition, seed: int) -> Path:
    """Where one run of the experiment lies."""
    return runs / f"{name.replace(':', '-')}-{one.name}-{seed}"


def collected(scenarios: Sequence[str], seeds: Sequence[int], runs: Path) -> dict[str, Any]:
    """Numbers of all runs that have been probed, JSON-able; conditions without a run are left out."""
    return {name: _scenario(name, seeds, runs) for name in scenarios}


def _scenario(name: str, seeds: Sequence[int], runs: Path) -> dict[str, Any]:
    seen = {one: _runs(name, one, seeds, runs) for one in CONDITIONS}
    conditions = {
        one.label: {"map": one.map, "ior": one.ior, "seeds": list(of), **_summary(list(of.values()))}
        for one, of in seen.items()
        if of
    }
    contrasts = {}
    for label, plus, minus in CONTRASTS:
        one, other = seen.get(plus, {}), seen.get(minus, {})
        both = [seed for seed in one if seed in other]
        if both:
            pairs = [(one[seed], other[seed]) for seed in both]
            apart = [{what: a[what] - b[what] for what in a if what in b} for a, b in pairs]
            contrasts[label] = {"seeds": both, **_summary(apart)}
    return {"conditions": conditions, "contrasts": contrasts}


def _runs(name: str, one: Condition, seeds: Sequence[int], runs: Path) -> dict[int, dict[str, Float64[Tensor, " m"]]]:
    """What each seed's run of a condition measured."""
    found = {}
    for seed in seeds:
        try:
            probes = read_probes(folder_of(runs, name, one, seed))
        except ValueError:  # not probed yet
            continue
        found[seed] = measured(probes)
    return found


def measured(probes: Mapping[str, Any]) -> dict[str, Float64[Tensor, " m"]]:
    """The numbers of a probed run that the experiment is about, by name, over M or over glimpses; shares 0 … 1."""
    policy, position = probes["recognition"]["policy"], probes["position"]["relative position"]["values"]
    found = {
        "top-1": policy["aggregate"]["values"]["trained"],
        "top-1, untrained": policy["aggregate"]["values"]["untrained"],
        "top-1 of the mean of views": policy.get("pooled", policy["single"])["values"]["trained"],
        "position R²": [position["trained"]["ridge"]["mean"]],
        "position R², untrained": [position["untrained"]["ridge"]["mean"]],
        "chance": [probes["chance"]["top-1 of the majority class"]],
    }
    if "on_object" in probes:
        shares = probes["on_object"]
        found |= {f"object: {what}": shares[what] for what in ("centre", "pixels", "covered")}
        found["object: image"] = [shares["image"]]
    return {what: torch.tensor(values, dtype=torch.float64) for what, values in found.items()}


def _summary(runs: Sequence[Mapping[str, Float64[Tensor, " m"]]]) -> dict[str, Any]:
    """Means over seeds and the half-widths of their intervals; `overall` is of the mean over M or over glimpses."""
    found = {}
    for what in runs[0]:
        each = torch.stack([run[what] for run in runs])
        overall = _interval(each.mean(1, keepdim=True))
        found[what] = {
            **_interval(each),
            "overall": {name: None if values is None else values[0] for name, values in overall.items()},
            "runs": each.tolist(),
        }
    return found


def _interval(each: Float64[Tensor, "seeds m"]) -> dict[str, list[float] | None]:
    """Means and half of their intervals by Student's t, for three seeds 2.5 deviations; None for one seed."""
    n = len(each)
    wide = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) / n**0.5 if n > 1 else None
    return {"mean": each.mean(0).tolist(), "interval": None if wide is None else (wide * each.std(0)).tolist()}


def map_table(base: Scenario, config: ControlConfig, device: str) -> dict[str, dict[str, float]] | None:
    """AUC and mass over chance of every map of the experiment on test scenes; None where masks are not known."""
    world = build.world_of(base, base.test_split, build.fabric_of(base, device).device)
    kinds = {name: Condition(name, True).kind(base.policy["map"]) for name in MAPS}
    return scored_priors(world, kinds, config.map_scenes)


def scored_priors(world: World, priors: Mapping[str, str], scenes: int) -> dict[str, dict[str, float]] | None:
    """How well priors, by label and name, say where objects are; means over at most `scenes` scenes.

    None where masks are not known. Raises ValueError for a world that looks at no images, and what priors raise.
    """
    if world.images is None:
        raise ValueError(f"scoring maps needs a world of images, and {type(world).__name__} is none")
    index = spread_over(world.size, min(scenes, world.size))
    found = {}
    for label, name in priors.items():
        prior, parts = make_prior(name).bind(world.images), []
        for rows in index.split(_ROWS):
            masks = world.masks(rows.to(world.device))
            if masks is None:
                return None
            density = prior.log_density(world.images.batch(rows), index=rows).exp()
            parts.append(map_scores(density.to(masks.device), masks))
        found[label] = {score: float(torch.cat([p[score] for p in parts]).nanmean()) for score in ("auc", "mass")}
    return found
