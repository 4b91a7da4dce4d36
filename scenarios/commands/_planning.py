"""What a trained world model is given to plan with, and how well it plans."""

import dataclasses
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from torch.nn import functional as F

from gazeworld.agents.planning import ensemble_files, goal_reaching, imagination
from gazeworld.agents.planning.ensemble import Heads, HeadsConfig, fit
from gazeworld.agents.policy import make_policy
from gazeworld.agents.probes.features import FULL, Tick, features, quiet, rollouts, scored
from gazeworld.agents.probes.retrieval import retrieval
from gazeworld.agents.runs import build, lock, provenance, run_folder
from gazeworld.agents.runs.run_folder import Run
from gazeworld.agents.training.loop import env_of, rows_for
from gazeworld.agents.training.trained_methods import load_method
from gazeworld.envs.stream import Stream
from gazeworld.envs.world import World
from gazeworld.models.method import Method

from ..reports import probe_figures, tables
from ._console import Progress, save_figure, say
from .fit_ensemble import FitEnsembleArguments
from .goal_reaching import GoalReachingArguments
from .rollout_error import RolloutErrorArguments

_HIDDEN = 1024  # units of the paper's predictor (section 3.2)
REACHED, TIMES = 0.60, 3.0
"""T4: share of goals to be reached in three saccades, and how many times the best baseline without a model."""


@dataclass(frozen=True)
class Opened:
    """A run with its test world and its trained model, on a device."""

    run: Run
    world: World
    method: Method
    step: int


def opened(folder: Path, device: str) -> Opened:
    """Open a run over its test split. Raises ValueError and CheckpointError for folders without a trained model."""
    run = run_folder.open_run(folder)
    world = build.world_of(run.scenario, run.scenario.test_split, build.fabric_of(run.scenario, device).device)
    method, step = load_method(folder, world)
    return Opened(run, world, method, step)


def equip(chosen: FitEnsembleArguments, console: Console) -> int:
    """Fit heads, say how good they are on the test split, and write them; returns the exit code."""
    place = opened(chosen.run, chosen.device)
    config = heads_config(
        place.run,
        heads=chosen.heads,
        hidden=chosen.hidden,
        epochs=chosen.epochs,
        label_epochs=chosen.label_epochs,
        seed=chosen.seed,
    )
    with Progress(console, place.run.folder.name) as tick:
        made = fitted(place.run, place.method, config, chosen.scenes, tick)
        found = quality(place, made, chosen.scenes)
    table = tables.new_table(
        f"{config.heads} predictor heads of {config.hidden} units, on uniform fixations of the test split",
        "cosine of what is foreseen and the target's embedding; the label head has seen one view more than z_AGG",
        ("", "value"),
        [],
    )
    for name, value in found.items():
        table.add_row(name, f"{value:.3f}")
    tables.put(console, table)
    folder = (chosen.out or place.run.folder / ensemble_files.FOLDER).absolute()
    with lock.held(folder.parent, provenance.command(), f".{folder.name}.lock"):
        ensemble_files.save(made, folder)
    say(console, f"written: {folder}")
    return 0


def heads_config(run: Run, *, hidden: int = 0, **options: Any) -> HeadsConfig:
    """How the heads of a run are fitted; as wide as its predictor unless `hidden` says otherwise."""
    return HeadsConfig(hidden=hidden or int(run.scenario.method.get("predictor_hidden", _HIDDEN)), **options)


def fitted(run: Run, method: Method, config: HeadsConfig, scenes: int, tick: Tick = quiet) -> Heads:
    """Heads for a run's model, from uniform fixations over the labelled split that probes are trained on."""
    world = build.world_of(run.scenario, run.scenario.probe_split, next(method.parameters()).device)
    return fit(method, _looked(world, run, scenes, config.seed), world, config, tick)


def _looked(world: World, run: Run, scenes: int, seed: int) -> Stream:
    """Streams of uniform fixations, as long as those in training."""
    length = run.scenario.train.observed + 1
    env, policy = env_of(world, rows_for(world, scenes), length - 1), make_policy("uniform", world)
    return rollouts(env, policy, length, scenes=min(scenes, world.size), seed=seed)


def quality(place: Opened, made: Heads, scenes: int) -> dict[str, float]:
    """How well heads foresee the last view of test streams, beside the model's own predictor; and the label head."""
    stream = _looked(place.world, place.run, scenes, scored(made.config.seed))
    predictor = imagination.require_predictions(place.method, "heads")
    seen = features(place.method, stream, place.world, observed=stream.length - 1)
    aggregate, action = seen.aggregates[FULL][-1], seen.actions[:, -1]
    with torch.inference_mode():
        goal = F.normalize(predictor.goal(stream.views[:, -1:].to(aggregate.device))[:, 0].float(), dim=-1)
        foreseen = made.foresee(place.method, aggregate, action[:, None])[:, :, 0]  # j n d
        own = predictor.predict(aggregate, action).float()
        found = {
            "cosine of one head, mean": float((foreseen * goal).sum(-1).mean()),
            "cosine of the mean of all heads": float(F.cosine_similarity(foreseen.mean(0), goal, dim=-1).mean()),
            "cosine of the model's own predictor": float(F.cosine_similarity(own, goal, dim=-1).mean()),
            "disagreement, mean": float(made.disagreement(foreseen[:, :, None]).mean()),
        }
        if made.sizes.classes and bool((seen.labels >= 0).all()):
            logits = torch.cat([aggregate, goal], 1) @ made.label.T + made.label_bias
            found["top-1 of the label head"] = float((logits.argmax(1) == seen.labels).float().mean())
    return found


def untrained(place: Opened) -> Method:
    """A model of the same shape with the weights that training began with, and batch statistics of its own."""
    stream = _looked(place.world, place.run, min(build.CALIBRATE, place.world.size), 0)
    return build.untrained_of(place.run.scenario, place.world, stream)


def reach(chosen: GoalReachingArguments, console: Console) -> int:
    """`gazeworld goal-reaching`: table, goal_reaching.json and a figure; returns the exit code."""
    place = opened(chosen.run, chosen.device)
    objects = place.world.stored_poses is not None
    config = goal_reaching.ReachConfig(
        saccades=chosen.saccades or (5 if objects else 3),
        within=chosen.within or _twelfth(place.world),
        seen=chosen.seen,
        scenes=chosen.scenes,
        seed=chosen.seed,
    )
    methods = {"trained": place.method, "untrained": untrained(place)}
    options = {} if chosen.planner == "grid" else {"planner": chosen.planner}
    kind = str(place.run.scenario.policy.get("map") or place.run.scenario.world.get("saliency", "image-signature"))
    saliency = kind if kind not in ("uniform", "centre") else "image-signature"
    with Progress(console, place.run.folder.name) as tick:
        policies = goal_reaching.seekers(methods, place.world, config, options, saliency)
        found = goal_reaching.reach(policies, place.world, config, tick)
        if objects:
            few = dataclasses.replace(place.run.scenario.probe, views=max(chosen.seen, 1), seed=chosen.seed)
            env = env_of(place.world, rows_for(place.world), few.views)
            found["one shot"] = retrieval(methods, env, make_policy("unseen", place.world), few, tick=tick)
    verdict = _found_views(found) if objects else _found_places(found)
    found |= {"run": place.run.folder.name, "step": place.step, "planner": chosen.planner, "verdict": verdict}
    tables.put(console, _reach_table(found))
    console.print(verdict["sentence"], highlight=False)
    picture = probe_figures.goal_figure(found)
    _write(found, picture, chosen.out, place.run, "goal_reaching", console)
    return 0


def _twelfth(world: World) -> float:
    return round(world.lattice.side / 12, 2) if world.lattice is not None else 0.0


def _reach_table(found: dict[str, Any]) -> Table:
    table = tables.new_table(
        "Goals reached (%)",
        f"{found['task']}; {found['scenes']} test scenes; below: 95 % interval, and mean smallest distance so far in "
        f"{found['unit']}",
        ("policy",),
        [f"{n} action{'s' * (n > 1)}" for n in found["actions"]],
    )
    for name, one in found["values"].items():
        cells = zip(one["reached"], one["interval"], one["nearest"], strict=True)
        table.add_row(name, *(f"{100 * r:.1f}\n{100 * lo:.1f}–{100 * hi:.1f}\n{d:.1f}" for r, (lo, hi), d in cells))
    table.add_row("chance", *(f"{100 * value:.1f}" for value in found["chance"]))
    return table


def _found_places(found: dict[str, Any]) -> dict[str, Any]:
    """T4: is the place reached often enough, and much more often than without a model?"""
    at = min(3, len(found["actions"])) - 1
    shares = {name: one["reached"][at] for name, one in found["values"].items()}
    plain = {name: share for name, share in shares.items() if not name.endswith(" model")}
    best = max(plain, key=lambda name: plain[name])
    mine = shares["trained model"]
    met = at == 2 and mine >= REACHED and mine >= TIMES * plain[best]
    sentence = (
        f"T4 {'met' if met else 'not met'}: {100 * mine:.1f} % after {at + 1} saccades (goal {100 * REACHED:.0f} %), "
        f"{mine / max(plain[best], 1e-9):.1f} times the best without a model ({best}, {100 * plain[best]:.1f} %; goal "
        f"{TIMES:g} times); untrained model {100 * shares['untrained model']:.1f} %, "
        f"chance {100 * found['chance'][at]:.1f} %"
    )
    return {"target": "T4", "met": met, "sentence": sentence}


def _found_views(found: dict[str, Any]) -> dict[str, Any]:
    """T4b: the view that is looked for, at once and with replans."""
    tries = found["values"]["trained model"]["reached"]
    first, last = tries[0], tries[min(3, len(tries) - 1)]
    gains = [tries[0], *(b - a for a, b in pairwise(tries))]
    mrr = sum(gain / (i + 1) for i, gain in enumerate(gains))
    shot = {
        score: found["one shot"]["values"]["trained"]["all views"][score][-1] for score in ("hit@1", "hit@5", "mrr")
    }
    met = first > 0 and len(tries) > 3 and last >= 2 * first
    sentence = (
        f"T4b {'met' if met else 'not met'}: Hit@1 among unseen views {first:.3f}, with three replans {last:.3f} "
        f"(goal: twice); MRR over {len(tries)} tries {mrr:.3f} (later ones count 0); one shot among all views: Hit@1 "
        f"{shot['hit@1']:.3f}, Hit@5 {shot['hit@5']:.3f}, MRR {shot['mrr']:.3f}; chance {found['chance'][0]:.3f}"
    )
    return {"target": "T4b", "met": met, "mrr": mrr, "sentence": sentence}


def imagine(chosen: RolloutErrorArguments, console: Console) -> int:
    """`gazeworld rollout-error`: table, rollout_error.json and a figure; returns the exit code."""
    place = opened(chosen.run, chosen.device)
    seen = chosen.seen or place.run.scenario.train.observed
    rows = rows_for(place.world, chosen.scenes)
    env = env_of(place.world, rows, max(1, seen + chosen.horizon - 1))
    name, options = build.named(place.run.scenario.policy)
    policy = make_policy(name, place.world, **options)
    policy.attach(place.method)
    with Progress(console, place.run.folder.name) as tick:
        found = imagination.imagination(
            {"trained": place.method, "untrained": untrained(place)},
            env,
            policy,
            seen=seen,
            horizon=chosen.horizon,
            scenes=chosen.scenes,
            seed=chosen.seed,
            tick=tick,
        )
    found |= {"run": place.run.folder.name, "step": place.step, "fixations": place.run.scenario.policy}
    tables.put(console, _imagine_table(found))
    _write(found, probe_figures.horizon_figure(found), chosen.out, place.run, "rollout_error", console)
    return 0


def _imagine_table(found: dict[str, Any]) -> Table:
    table = tables.new_table(
        f"Imagination: 1 − cosine with the true embedding, after {found['seen']} views",
        f"mean over {found['scored on']['streams']} test streams (standard error); models have targets of their own: "
        "compare rows of one model",
        ("model", "answer"),
        [f"{n} ahead" for n in found["horizon"]],
    )
    for model, kinds in found["values"].items():
        for kind, one in kinds.items():
            cells = zip(one["mean"], one["sem"], strict=True)
            table.add_row(model, kind, *(f"{mean:.3f} ({sem:.3f})" for mean, sem in cells))
        table.add_section()
    return table


def _write(found: dict[str, Any], figure: Figure, out: Path | None, run: Run, name: str, console: Console) -> None:
    numbers = (out or run.folder) / f"{name}.json"
    tables.write(found, numbers)
    say(console, f"written: {numbers}")
    save_figure(figure, (out or run.figures) / f"{name}.png", console)
