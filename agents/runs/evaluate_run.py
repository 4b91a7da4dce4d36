"""A run is probed by one call: its representations are read out as its scenario, or whoever asks, says."""

import dataclasses
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gazeworld.envs.object_datasets.packed_store import MANIFEST_FILE
from gazeworld.models.method import Method

from ..config import ProbeConfig
from ..probes.evaluate import Arena, evaluate, has_stored_views, object_probes
from ..probes.features import Tick, quiet
from ..run_folder import write_probes
from ..training.checkpoint import load_method
from ..training.loop import rows_for
from . import build
from .scenario import Run, Scenario, open_run


@dataclass(frozen=True)
class Evaluated:
    """A run that was probed: `config` says how, `found` is what its probes.json holds, `arena` where, `method` what."""

    run: Run
    config: ProbeConfig
    found: dict[str, Any]
    arena: Arena
    method: Method


def evaluate_run(
    folder: Path,
    config: ProbeConfig | None = None,
    device: str = "auto",
    tick: Tick = quiet,
    elsewhere: Scenario | None = None,
) -> Evaluated:
    """Probe the run in a folder and write its probes.json, as `gazeworld evaluate` does.

    `config` says how (None: as the run's scenario). `elsewhere` is a scenario in whose world, by whose policy, the
    model looks instead of in its own (transfer, appendix B.10 of the paper); then `config` None means as that one
    says, and nothing is written. `tick` is told of the work as it goes on. Raises ValueError for a
    folder that holds no run and for regions that are not there, CheckpointError where no weights are or do not fit.
    """
    run = open_run(folder)
    if elsewhere is not None:
        place = {name: getattr(elsewhere, name) for name in ("world", "policy", "probe", "probe_split", "test_split")}
        run = dataclasses.replace(run, scenario=dataclasses.replace(run.scenario, **place))
    config = run.scenario.probe if config is None else config
    fabric = build.fabric_of(run.scenario, device)
    world = build.world_of(run.scenario, run.scenario.test_split, fabric.device)
    build.check_regions(dataclasses.replace(run.scenario, probe=config), world)
    method, step = load_method(folder, world)
    plain = arena_of(run.scenario, config, method)
    others = {name: arena_of(run.scenario, config, method, region=name) for name in config.regions}
    known = plain.visit(run.scenario.train.observed, dataclasses.replace(config, scenes=build.CALIBRATE), 1).train
    untrained = build.untrained_of(run.scenario, world, known)
    can = config.noise and "noise" in inspect.signature(type(world)).parameters  # a world of another package may not
    noisy = arena_of(run.scenario, config, method, noise=config.noise) if can else None
    found = evaluate(method, untrained, plain, noisy, config, tick=tick)
    if has_stored_views(plain):
        found["objects"] = object_probes({"trained": method, "untrained": untrained}, plain, others, config, tick)
    found = {"run": run.folder.name, "scenario": run.name, "step": step, **found}
    if elsewhere is None:
        write_probes(folder, found)
    return Evaluated(run, config, found, plain, method)


def arena_of(chosen: Scenario, config: ProbeConfig, method: Method, *, region: str = "", **changes: Any) -> Arena:
    """The scenario's world over the two splits that probes are trained and scored on, where the method is.

    `region` has the views of objects drawn with rotations from another region, or, as NAME=ROOT, takes a stored set
    with the same classes: a packed one or a tree in 3DIEBench's layout, such as the authors' out-of-distribution set.
    In "ood", whose rotations differ from the paper's in the sign of their quaternions only, signs are left as the
    angles give them.
    """
    chosen, device = chosen.changed(probe={"views": config.views}), next(method.parameters()).device
    if region:
        changes |= _elsewhere(chosen, region, device)
    places = []
    for split in (chosen.probe_split, chosen.test_split):
        world = build.world_of(chosen, split, device, **changes)
        places.append(build.place_of(chosen, world, rows_for(world)))
    train_place, test_place = places
    return Arena(train_place.env, test_place.env, chosen.policy, chosen.probe_split, chosen.test_split, method)


def _elsewhere(chosen: Scenario, region: str, device: torch.device) -> dict[str, Any]:
    """What makes the scenario's world one of another region."""
    name, _, root = region.partition("=")
    sign = "free" if name == "ood" else chosen.world.get("sign", "canonical")
    options = chosen.world.get("source_options", {})
    if not root:
        return {"source_options": {**options, "region": region}, "sign": sign}
    if (Path(root) / MANIFEST_FILE).is_file():
        return {"source": "packed", "root": root, "source_options": {}, "sign": sign}
    size = build.world_of(chosen, chosen.test_split, device).view_shape[1]
    return {"source": "3diebench", "root": root, "source_options": {"size": size}, "sign": sign}
