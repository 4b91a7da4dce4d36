"""`gazeworld compare`: fixation policies swapped in frozen world models, by the protocol of `agents/comparison`."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console

from gazeworld.agents.comparison import verdicts
from gazeworld.agents.comparison.contest import Contest, Field, contest
from gazeworld.agents.comparison.contestants import (
    CONTROLS,
    NEED_HEADS,
    SALIENCY,
    STANDARD,
    Compared,
    Contestant,
    Gaze,
    choose,
    learned,
    policy_folder,
    standard,
)
from gazeworld.agents.comparison.path_integration import path_integration
from gazeworld.agents.comparison.statistics import poses_of, summary, two_by_two
from gazeworld.agents.comparison.streams import whole_image
from gazeworld.agents.file_schemas import Beside, read_fields
from gazeworld.agents.planning import ensemble_files
from gazeworld.agents.planning.ensemble import Heads
from gazeworld.agents.probes.features import Tick
from gazeworld.agents.runs import build, run_folder
from gazeworld.agents.runs.run_folder import Run
from gazeworld.agents.training.checkpoint import signature
from gazeworld.agents.training.loop import env_of, rows_for
from gazeworld.agents.training.trained_methods import load_method
from gazeworld.envs.files import DataError
from gazeworld.envs.fixations import Inhibition
from gazeworld.envs.world import require_lattice
from gazeworld.models.method import CheckpointError, Method

from ..reports import comparison_report, tables
from ._console import Progress, save_figure, say
from ._places import require_path
from ._planning import fitted, heads_config
from ._table import folders_of
from .compare import CompareArguments
from .fit_ensemble import FitEnsembleArguments

_OWN, _THEIRS = "own", "theirs"


@dataclass(frozen=True)
class Side:
    """One run in a comparison: its place, what it was trained with, and the side of its images in pixels."""

    run: Run
    place: Field
    step: int
    pixels: int

    @property
    def trained_with(self) -> str:
        """The policy of its training, in words."""
        options = self.run.scenario.policy
        if policy_folder(self.run.folder) is not None or options["name"] == "sb3":
            return "a learnt policy"
        own = options.get("map") not in ("uniform", "centre")
        words = SALIENCY if options["name"] == "saliency" and own else options.get("map", options["name"])
        return f"{words} + IoR" if options["name"] == "saliency" and options.get("ior", True) else str(words)


def compare(chosen: CompareArguments, console: Console) -> int:
    """Compare, print, and write compare.json and figures; returns the exit code."""
    folders = folders_of(chosen.runs)
    others = folders_of(chosen.versus) if chosen.versus else []
    for group in (folders, others):
        if twice := [one for i, one in enumerate(group) if one.resolve() in [two.resolve() for two in group[:i]]]:
            raise ValueError(f"{twice[0]} is named twice, expected every run once")
    if others and len(others) != len(folders):
        raise ValueError(f"{len(others)} runs after --versus for {len(folders)} runs, expected as many")
    out = chosen.out or folders[0] / "compare"
    config = _config(chosen, run_folder.open_run(folders[0]))
    sides = [_side(folder, chosen, out) for folder in folders]
    versus = [_side(folder, chosen, out) for folder in others]
    _require_alike([*sides, *versus], len(sides))
    plans = [_plan(side, i, chosen, versus, config) for i, side in enumerate(sides)]
    for side, plan in zip(sides, plans, strict=True):
        if [one.name for one in plan] != [one.name for one in plans[0]]:
            names = ", ".join(sorted({one.name for one in plan} ^ {one.name for one in plans[0]}))
            raise ValueError(
                f"{side.run.folder} and {sides[0].run.folder} cannot be averaged: one of them has no {names}"
            )
    found = _found(sides, versus, plans, config, console)
    comparison_report.show(found, console)
    tables.write(found, out / "compare.json")
    say(console, f"written: {out / 'compare.json'}")
    return 0


def _config(chosen: CompareArguments, run: Run) -> Compared:
    probe = run.scenario.probe
    return Compared(
        views=chosen.views,
        scenes=chosen.scenes,
        test_scenes=chosen.test_scenes,
        shared=chosen.shared,
        epochs=probe.epochs_linear,
        batch=probe.batch,
        resamples=chosen.resamples,
        seed=chosen.seed,
    )


def _side(folder: Path, chosen: CompareArguments, out: Path) -> Side:
    """Open a run with both of its splits. Raises ValueError for a run of another world than one of fixations."""
    run = run_folder.open_run(folder)
    device = build.fabric_of(run.scenario, chosen.device).device
    splits = (run.scenario.probe_split, run.scenario.test_split)
    worlds = [build.world_of(run.scenario, split, device) for split in splits]
    lattice = require_lattice(worlds[1], f"{folder}: comparing fixation policies")
    if worlds[1].images is None:
        raise ValueError(f"{folder}: comparing fixation policies needs still images")
    method, step = load_method(folder, worlds[1])
    settings = {"world": run.scenario.world, "splits": splits, "data": [world.fingerprint for world in worlds]}
    counts = (chosen.scenes, chosen.test_scenes)
    envs = [env_of(world, rows_for(world, n), chosen.views) for world, n in zip(worlds, counts, strict=True)]
    place = Field(method, envs[0], envs[1], None, settings, out / "kept")
    return Side(run, place, step, lattice.side)


def _require_alike(sides: Sequence[Side], first: int) -> None:
    """All on the same images, and the first group of one scenario."""
    for i, side in enumerate(sides):
        if i < first and side.run.name != sides[0].run.name:
            raise ValueError(
                f"{side.run.folder} is a run of {side.run.name}, and {sides[0].run.folder} one of {sides[0].run.name}: "
                "runs are averaged only over seeds; compare others with --versus"
            )
        if side.place.settings["data"] != sides[0].place.settings["data"] or side.pixels != sides[0].pixels:
            raise ValueError(f"{side.run.folder} looks at other images than {sides[0].run.folder}")


def gaze_of(run: Run) -> Gaze:
    """The map and the inhibition of a run's scenario: those of its policy if that is saliency, else of its world."""
    policy, world = run.scenario.policy, run.scenario.world
    kind = str(policy.get("map", "")) if policy["name"] == "saliency" else ""
    if kind in ("", "uniform", "centre") or kind.startswith("mismatched"):
        kind = str(world.get("saliency", "image-signature"))
    fields = {field.name for field in dataclasses.fields(Inhibition)}
    return Gaze(kind, Inhibition(**{name: value for name, value in policy.items() if name in fields}))


def _plan(side: Side, i: int, chosen: CompareArguments, versus: Sequence[Side], config: Compared) -> list[Contestant]:
    """Who takes part in the comparison of run number i."""
    there = standard(gaze_of(side.run), config.grid)
    for label, folder in _learned(side, i, chosen).items():
        there[label] = learned(label, folder, deterministic=chosen.deterministic)
    if policy_folder(side.run.folder) is not None:
        there[_OWN] = learned(_OWN, side.run.folder, deterministic=chosen.deterministic)
    if versus:
        there[_THEIRS] = _their_policy(versus[i], chosen.deterministic)
    names = [name for name in chosen.policies.replace(" ", "").split(",") if name]
    if names:
        names += [name for name in there if name not in STANDARD]
    found = choose(names, there)
    for one in found:
        if one.kind == "learned":  # a policy for another world is told before anything long begins
            one.make(side.place.test.world, side.place.method, None)
    return found


def _learned(side: Side, i: int, chosen: CompareArguments) -> dict[str, Path]:
    """Folders of the learnt policies of a run, by the name that they have in the comparison."""
    given, run = chosen.learned, side.run
    count = len(folders_of(chosen.runs))
    if 1 < count == len(given) and not any("{" in text or (run.folder / "policies" / text).is_dir() for text in given):
        given = (given[i],)  # one folder for every run
        names = ["learned"]
    else:
        names = [Path(text).name.replace("{seed}", "").replace("{run}", "").strip("-_.") or "learned" for text in given]
    found: dict[str, Path] = {}
    for name, text in zip(names, given, strict=True):
        text = text.replace("{seed}", str(run.scenario.seed)).replace("{run}", run.folder.name)
        own = run.folder / "policies" / text
        require_path("learned", own)
        folder = own if own.is_dir() else Path(text)
        if name in (*STANDARD, _OWN, _THEIRS) or name in found:
            raise ValueError(f"two policies are called {name!r}; name the folders of learnt policies differently")
        _require_model(folder, side.place.method)
        found[name] = folder
    return found


def _require_model(folder: Path, method: Method) -> None:
    """Raise ValueError for a policy that was trained to look with another world model."""
    file = folder / "config.json"
    if not file.is_file():
        return
    try:
        trained = read_fields(file, Beside).get("train_policy", {}).get("model")
    except DataError as error:
        raise DataError(f"{error}; expected what gazeworld train-policy writes") from error
    if trained is not None and trained != signature(method):
        raise ValueError(
            f"{folder}: trained to look with the world model {trained}, and that of the run is {signature(method)}; "
            "every run needs a policy of its own (as in --learned NAME for RUN/policies/NAME)"
        )


def _their_policy(other: Side, deterministic: bool) -> Contestant:
    """What the other run was trained with: its learnt policy, looking with its own world model, or its scenario's."""
    if policy_folder(other.run.folder) is not None:
        found = learned(_THEIRS, other.run.folder, deterministic=deterministic, model=str(other.run.folder))
        return dataclasses.replace(found, label=f"learnt by {other.run.folder.name}")
    options = other.run.scenario.policy
    if options["name"] in NEED_HEADS:
        raise ValueError(f"{other.run.folder}: policy {options['name']!r} cannot be taken along to another run")
    label = f"policy of {other.run.folder.name}"
    return Contestant(_THEIRS, label, "control", options)


def _found(
    sides: Sequence[Side],
    versus: Sequence[Side],
    plans: Sequence[list[Contestant]],
    config: Compared,
    console: Console,
) -> dict[str, Any]:
    """Everything that is measured, JSON-able; figures are drawn on the way."""
    contests, others, wholes, paths = [], [], [], []
    for side, plan in zip(sides, plans, strict=True):
        with Progress(console, side.run.folder.name) as tick:
            place = _equipped(side, plan, tick)
            contests.append(contest(place, plan, config, tick))
            wholes.append(whole_image(place.method, (place.train.world, place.test.world), config, tick))
            paths.append(path_integration(place.method, place.train, place.test, config, tick))
        say(console, f"compared: {side.run.folder}")
    their_paths = []
    for side, plan in zip(versus, plans, strict=False):
        with Progress(console, side.run.folder.name) as tick:
            few = [one for one in plan if one.name in (*CONTROLS, _THEIRS)]
            others.append(contest(side.place, few, config, tick))
            their_paths.append(path_integration(side.place.method, side.place.train, side.place.test, config, tick))
        say(console, f"compared: {side.run.folder}")
    found = summary(contests, config, sides[0].pixels)
    found["runs"] = [_about(side) for side in sides]
    found["versus"] = [_about(side) for side in versus]
    found["whole image"] = whole_of(wholes)
    groups = {sides[0].trained_with: paths}
    if versus:
        groups[_other_name(sides[0], versus[0])] = their_paths
        found["two by two"] = _crossed(sides[0], versus[0], contests, others, config)
    _judge(found, groups)
    folder = sides[0].place.store
    assert folder is not None
    _draw(found, contests, folder.parent, console)
    return found


def _judge(found: dict[str, Any], paths: dict[str, list[dict[str, Any]]]) -> None:
    """Add path integration, by what runs were trained with, and the verdicts."""
    third = verdicts.paths(paths)
    found["path integration"] = {"groups": third.pop("groups"), "runs": paths}
    found["verdicts"] = [
        *verdicts.recognition(found),
        verdicts.glimpses(found, found["whole image"]["best top-1"]),
        third,
    ]


def _about(side: Side) -> dict[str, Any]:
    run = side.run
    return {
        "folder": str(run.folder),
        "scenario": run.name,
        "seed": run.scenario.seed,
        "step": side.step,
        "trained with": side.trained_with,
    }


def _equipped(side: Side, plan: Sequence[Contestant], tick: Tick) -> Field:
    """The place with the heads that planners need: those in RUN/heads, or heads fitted now and kept."""
    if not any(one.name in NEED_HEADS for one in plan):
        return side.place
    own, store = side.run.folder / ensemble_files.FOLDER, side.place.store
    assert store is not None
    kept = store / f"heads-{side.run.folder.name}-{signature(side.place.method)}"
    found: Heads
    if own.is_dir():
        found = ensemble_files.load(own, side.place.method)
    else:
        try:
            found = ensemble_files.load(kept, side.place.method)
        except CheckpointError:  # none, or of another model: fitted anew
            found = fitted(side.run, side.place.method, heads_config(side.run), FitEnsembleArguments.scenes, tick)
            ensemble_files.save(found, kept)
    return dataclasses.replace(side.place, heads=found)


def whole_of(runs_: Sequence[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Top-1 of whole images, mean over runs, and the best of all ways of seeing them."""
    top1 = {
        seen: {way: sum(one[seen][way] for one in runs_) / len(runs_) for way in ways}
        for seen, ways in runs_[0].items()
    }
    best = max(((seen, way) for seen in top1 for way in top1[seen]), key=lambda pair: top1[pair[0]][pair[1]])
    return {"top-1": top1, "best": f"{best[1]} of {best[0]}", "best top-1": top1[best[0]][best[1]], "runs": list(runs_)}


def _other_name(side: Side, other: Side) -> str:
    same = other.trained_with == side.trained_with
    return f"{other.trained_with} (--versus)" if same else other.trained_with


def _crossed(
    side: Side, other: Side, contests: list[Contest], others: list[Contest], config: Compared
) -> dict[str, Any]:
    """The 2 × 2 of world models and of the policies that they were trained with; saliency stands for the first one."""
    theirs = _other_name(side, other)
    policy = theirs if theirs != f"{SALIENCY} + IoR" else f"{theirs} (--versus)"
    return two_by_two(
        {side.trained_with: contests, theirs: others}, {f"{SALIENCY} + IoR": SALIENCY, policy: _THEIRS}, config
    )


def _draw(found: dict[str, Any], contests: Sequence[Contest], out: Path, console: Console) -> None:
    figures: dict[str, Figure] = {
        "curves": comparison_report.curves(found),
        "heat_maps": comparison_report.heat_maps(found, poses_of(contests)),
        "saccades": comparison_report.saccade_lengths(found),
        "overlap": comparison_report.overlaps(found),
    }
    if "two by two" in found:
        figures["two_by_two"] = comparison_report.two_by_two(found)
    for name, figure in figures.items():
        save_figure(figure, out / f"{name}.png", console)
