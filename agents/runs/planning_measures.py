"""How well the world model of a run plans, in one call each: its ensemble, reaching goals, the error of rollouts."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gazeworld.envs.stream import Stream
from gazeworld.envs.world import World
from gazeworld.models.method import Method

from ..config import EnsembleChoices, EnsembleConfig, ReachChoices, ReachConfig
from ..planning import goal_reaching, imagination
from ..planning.ensemble import Ensemble, fit_ensemble, quality, save_ensemble
from ..policy import make_policy
from ..probes.features import Tick, quiet, rollouts, scored
from ..probes.retrieval import retrieval
from ..run_folder import RunFolder
from ..training.checkpoint import load_method
from ..training.loop import env_of, rows_for
from . import build, lock, provenance
from .scenario import Run, open_run

ENSEMBLE_SCENES = EnsembleChoices.scenes
"""Scenes that are looked at for an ensemble, unless another number is asked for."""
_PLACES, _VIEWS = 3, 5  # actions in which a goal is to be reached: among fixations, and among the views of an object


@dataclass(frozen=True)
class Opened:
    """A run with its test world and its trained model, on a device."""

    run: Run
    world: World
    method: Method
    step: int


def opened(folder: Path, device: str = "auto") -> Opened:
    """Open a run over its test split. Raises ValueError and CheckpointError for folders without a trained model."""
    run = open_run(folder)
    world = build.world_of(run.scenario, run.scenario.test_split, build.fabric_of(run.scenario, device).device)
    method, step = load_method(folder, world)
    return Opened(run, world, method, step)


def untrained(place: Opened) -> Method:
    """A model of the same shape with the weights that training began with, and batch statistics of its own."""
    stream = _looked(place.world, place.run, min(build.CALIBRATE, place.world.size), 0)
    return build.untrained_of(place.run.scenario, place.world, stream)


def _looked(world: World, run: Run, scenes: int, seed: int) -> Stream:
    """Streams of uniform fixations, as long as those in training."""
    length = run.scenario.train.observed + 1
    env, policy = env_of(world, rows_for(world, scenes), length - 1), make_policy("uniform", world)
    return rollouts(env, policy, length, scenes=min(scenes, world.size), seed=seed)


def ensemble_config(run: Run, chosen: EnsembleChoices | None = None) -> EnsembleConfig:
    """How the ensemble of a run is fitted; as wide as its predictor unless `hidden` says otherwise."""
    chosen = chosen or EnsembleChoices()
    options = {one.name: getattr(chosen, one.name) for one in dataclasses.fields(EnsembleConfig)}
    own = int(run.scenario.method.get("predictor_hidden", EnsembleConfig.hidden))
    return EnsembleConfig(**{**options, "hidden": chosen.hidden or own})


def ensemble_of(run: Run, method: Method, config: EnsembleConfig, scenes: int, tick: Tick = quiet) -> Ensemble:
    """An ensemble for a run's model, from uniform fixations over the labelled split that probes are trained on."""
    world = build.world_of(run.scenario, run.scenario.probe_split, next(method.parameters()).device)
    return fit_ensemble(method, _looked(world, run, scenes, config.seed), world, config, tick)


def ensemble_for_run(
    folder: Path,
    chosen: EnsembleChoices | None = None,
    *,
    out: Path | None = None,
    device: str = "auto",
    tick: Tick = quiet,
) -> dict[str, Any]:
    """Fit the ensemble that planners of a run need, write it into RUN/ensemble (or `out`), and say how good it is.

    The result has the ensemble's `config`, its `quality` on uniform fixations of the test split, and the `folder`.
    Raises BusyError where another process writes there.
    """
    place = opened(folder, device)
    chosen = chosen or EnsembleChoices()
    config = ensemble_config(place.run, chosen)
    made = ensemble_of(place.run, place.method, config, chosen.scenes, tick)
    stream = _looked(place.world, place.run, chosen.scenes, scored(config.seed))
    found = quality(made, place.method, place.world, stream)
    there = (out or RunFolder(folder).ensemble).absolute()
    with lock.held(there.parent, provenance.command(), f".{there.name}.lock"):
        save_ensemble(made, there)
    return {"config": dataclasses.asdict(config), "quality": found, "folder": str(there)}


def goals_of_run(
    folder: Path, chosen: ReachChoices | None = None, *, device: str = "auto", tick: Tick = quiet
) -> dict[str, Any]:
    """How often a run's trained and untrained model reach goals on the test split, beside what needs no model.

    The result is that of `goal_reaching.reach`, with a `summary` and, in a world of stored views, `one shot` retrieval.
    """
    place = opened(folder, device)
    scenario, world, lattice = place.run.scenario, place.world, place.world.lattice
    chosen = chosen or ReachChoices()
    options = {one.name: getattr(chosen, one.name) for one in dataclasses.fields(ReachConfig)}
    saccades = chosen.saccades or (_PLACES if world.stored_poses is None else _VIEWS)
    within = chosen.within or (0.0 if lattice is None else round(lattice.side / 12, 2))
    config = ReachConfig(**{**options, "saccades": saccades, "within": within})
    methods = {"trained": place.method, "untrained": untrained(place)}
    kind = str(scenario.policy.get("map") or scenario.world.get("saliency", "image-signature"))
    saliency = kind if kind not in ("uniform", "centre") else "image-signature"
    plan = {} if chosen.planner == "grid" else {"planner": chosen.planner}
    policies = goal_reaching.seekers(methods, world, config, plan, saliency)
    found = goal_reaching.reach(policies, world, config, tick)
    if world.stored_poses is None:
        found["summary"] = goal_reaching.places_reached(found)
    else:
        few = dataclasses.replace(scenario.probe, views=config.seen, seed=config.seed)
        env = env_of(world, rows_for(world), few.views)
        found["one shot"] = retrieval(methods, env, make_policy("unseen", world), few, tick=tick)
        found["summary"] = goal_reaching.views_reached(found)
    return found | {"run": place.run.folder.name, "step": place.step, "planner": chosen.planner}


def rollout_error_of_run(
    folder: Path,
    *,
    seen: int = 0,
    horizon: int = 4,
    scenes: int = 1000,
    seed: int = 0,
    device: str = "auto",
    tick: Tick = quiet,
) -> dict[str, Any]:
    """How far a run's model can be rolled forward from its own predictions, beside the untrained one: `imagination`.

    `seen` views of test streams by the run's policy are looked at first (0: as many as in training), `horizon` further
    ones are imagined.
    """
    place = opened(folder, device)
    seen = seen or place.run.scenario.train.observed
    env = env_of(place.world, rows_for(place.world, scenes), max(1, seen + horizon - 1))
    name, options = build.named(place.run.scenario.policy)
    policy = make_policy(name, place.world, **options)
    policy.attach(place.method)
    methods = {"trained": place.method, "untrained": untrained(place)}
    found = imagination.imagination(
        methods, env, policy, seen=seen, horizon=horizon, scenes=scenes, seed=seed, tick=tick
    )
    return found | {"run": place.run.folder.name, "step": place.step, "fixations": place.run.scenario.policy}
