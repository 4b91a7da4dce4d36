"""Runs compared: fixation policies swapped in their frozen world models, in one call; `contest` holds the protocol."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gazeworld.envs.files import DataError
from gazeworld.envs.fixations import Inhibition
from gazeworld.envs.prior import parsed
from gazeworld.envs.validation import nameable, shown
from gazeworld.envs.world import require_lattice
from gazeworld.models.method import CheckpointError, Method

from ..config import Compared, Entrants
from ..planning.ensemble import load_ensemble, save_ensemble
from ..probes.features import Tick, quiet
from ..probes.measures import nothing_to_recognise
from ..run_folder import RunFolder, model_of_policy
from ..runs import build
from ..runs.planning_measures import ENSEMBLE_SCENES, ensemble_config, ensemble_of
from ..runs.scenario import Run, open_run
from ..training.checkpoint import load_method, signature
from ..training.loop import env_of, rows_for
from .contest import Contest, Field, contest
from .contestants import (
    CONTROLS,
    NEED_ENSEMBLE,
    SALIENCY,
    STANDARD,
    Contestant,
    Gaze,
    choose,
    learned,
    policy_folder,
    standard,
)
from .path_integration import path_integration
from .statistics import glimpses_needed, path_change, summary, two_by_two
from .streams import whole_image

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


def compare_runs(
    folders: Sequence[Path],
    config: Compared,
    entrants: Entrants | None = None,
    *,
    versus: Sequence[Path] = (),
    out: Path | None = None,
    device: str = "auto",
    tick: Tick = quiet,
) -> dict[str, Any]:
    """Compare policies in the world models of runs, which are seeds of one scenario and are averaged; JSON-able.

    `versus` names as many runs that were trained with another policy: the 2 × 2 of trained with × tested with. Streams
    and ensembles that were made are kept in the folder `kept` in `out` (None: in RUN/compare of the first run), so that
    the same call goes on where it stopped. The result is what `statistics.summary` says, and `runs`, `versus`, `whole
    image`, `glimpses`, `path integration` and, with `versus`, `two by two`. Raises ValueError for runs that are named
    twice or cannot be averaged, for worlds without fixations or labels, and for policies that there are not.
    """
    for group in (folders, versus):
        if twice := [one for i, one in enumerate(group) if one.resolve() in [two.resolve() for two in group[:i]]]:
            raise ValueError(f"{twice[0]} is named twice, expected every run once")
    if versus and len(versus) != len(folders):
        raise ValueError(f"{len(versus)} runs after --versus for {len(folders)} runs, expected as many")
    store, entrants = (out or RunFolder(folders[0]).comparison) / "kept", entrants or Entrants()
    sides = [_side(folder, config, store, device) for folder in folders]
    others = [_side(folder, config, store, device) for folder in versus]
    _require_alike([*sides, *others], len(sides))
    plans = [_plan(sides, i, entrants, others, config) for i in range(len(sides))]
    for side, plan in zip(sides, plans, strict=True):
        if [one.name for one in plan] != [one.name for one in plans[0]]:
            names = ", ".join(sorted({one.name for one in plan} ^ {one.name for one in plans[0]}))
            raise ValueError(
                f"{side.run.folder} and {sides[0].run.folder} cannot be averaged: one of them has no {names}"
            )
    return _found(sides, others, plans, config, tick)


def compared_as(run: Run, chosen: Compared | None = None) -> Compared:
    """How the policies of a run are compared, with as many epochs and as large a batch as its own probes have."""
    probe = run.scenario.probe
    return dataclasses.replace(chosen or Compared(), epochs=probe.epochs_linear, batch=probe.batch)


def _side(folder: Path, config: Compared, store: Path, device: str) -> Side:
    """Open a run with both of its splits. Raises ValueError for a run of another world than one of fixations."""
    run = open_run(folder)
    there = build.fabric_of(run.scenario, device).device
    splits = (run.scenario.probe_split, run.scenario.test_split)
    worlds = [build.world_of(run.scenario, split, there) for split in splits]
    lattice = require_lattice(worlds[1], f"{folder}: comparing fixation policies")
    if worlds[1].images is None:
        raise ValueError(f"{folder}: comparing fixation policies needs still images")
    if why := nothing_to_recognise(worlds[0].labels, worlds[1].labels):
        raise ValueError(f"{folder}: fixation policies are compared by recognition, and {why}")
    method, step = load_method(folder, worlds[1])
    settings = {"world": run.scenario.world, "splits": splits, "data": [world.fingerprint for world in worlds]}
    counts = (config.scenes, config.test_scenes)
    envs = [env_of(world, rows_for(world, n), config.views) for world, n in zip(worlds, counts, strict=True)]
    place = Field(method, envs[0], envs[1], None, settings, store)
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
    kind, options = (policy.get("map", ""), policy.get("map_options")) if policy["name"] == "saliency" else ("", None)
    if kind in ("", "uniform", "centre") or parsed(str(kind))[0]:
        kind, options = world.get("saliency", "image-signature"), world.get("map_options")
    fields = {field.name for field in dataclasses.fields(Inhibition)}
    inhibition = Inhibition(**{name: value for name, value in policy.items() if name in fields})
    return Gaze(str(kind), inhibition, dict(options or {}))


def _plan(
    sides: Sequence[Side], i: int, entrants: Entrants, versus: Sequence[Side], config: Compared
) -> list[Contestant]:
    """Who takes part in the comparison of run number i."""
    side = sides[i]
    there = standard(gaze_of(side.run), config.grid)
    for label, folder in _learned(sides, i, entrants.learned).items():
        there[label] = learned(label, folder, deterministic=entrants.deterministic)
    if policy_folder(side.run.folder) is not None:
        there[_OWN] = learned(_OWN, side.run.folder, deterministic=entrants.deterministic)
    if versus:
        there[_THEIRS] = _their_policy(versus[i], entrants.deterministic)
    names = list(entrants.policies)
    if names:
        names += [name for name in there if name not in STANDARD]
    found = choose(names, there)
    for one in found:
        if one.kind == "learned":  # a policy for another world is told before anything long begins
            one.make(side.place.test.world, side.place.method, None)
    return found


def _learned(sides: Sequence[Side], i: int, given: Sequence[str]) -> dict[str, Path]:
    """Folders of the learnt policies of a run, by the name that they have in the comparison."""
    run = sides[i].run
    if 1 < len(sides) == len(given) and not any("{" in text or (run.files.policies / text).is_dir() for text in given):
        given = (given[i],)  # one folder for every run
        names = ["learned"]
    else:
        names = [Path(text).name.replace("{seed}", "").replace("{run}", "").strip("-_.") or "learned" for text in given]
    found: dict[str, Path] = {}
    for name, text in zip(names, given, strict=True):
        text = text.replace("{seed}", str(run.scenario.seed)).replace("{run}", run.folder.name)
        own = run.files.policies / text
        _require_nameable(own)
        folder = own if own.is_dir() else Path(text)
        if name in (*STANDARD, _OWN, _THEIRS) or name in found:
            raise ValueError(f"two policies are called {name!r}; name the folders of learnt policies differently")
        _require_model(folder, sides[i].place.method)
        found[name] = folder
    return found


def _require_nameable(path: Path) -> None:
    """Raise ValueError for a path that no file system takes."""
    if not nameable(str(path)):
        raise ValueError(
            f"learned is {shown(str(path), 200)}, expected a path without NUL, of at most 4095 bytes and 255 per name"
        )


def _require_model(folder: Path, method: Method) -> None:
    """Raise ValueError for a policy that was trained to look with another world model."""
    try:
        trained = model_of_policy(folder)
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
    if options["name"] in NEED_ENSEMBLE:
        raise ValueError(f"{other.run.folder}: policy {options['name']!r} cannot be taken along to another run")
    label = f"policy of {other.run.folder.name}"
    return Contestant(_THEIRS, label, "control", options)


def _found(
    sides: Sequence[Side], versus: Sequence[Side], plans: Sequence[list[Contestant]], config: Compared, tick: Tick
) -> dict[str, Any]:
    """Everything that is measured."""
    contests, others, wholes, paths, their_paths = [], [], [], [], []
    for side, plan in zip(sides, plans, strict=True):
        told = _told(tick, side)
        place = _with_ensemble(side, plan, told)
        contests.append(contest(place, plan, config, told))
        wholes.append(whole_image(place.method, (place.train.world, place.test.world), config, told))
        paths.append(path_integration(place.method, place.train, place.test, config, told))
    for side, plan in zip(versus, plans, strict=False):
        told = _told(tick, side)
        few = [one for one in plan if one.name in (*CONTROLS, _THEIRS)]
        others.append(contest(side.place, few, config, told))
        their_paths.append(path_integration(side.place.method, side.place.train, side.place.test, config, told))
    found = summary(contests, config, sides[0].pixels)
    found["runs"] = [_about(side) for side in sides]
    found["versus"] = [_about(side) for side in versus]
    found["whole image"] = whole_of(wholes)
    found["glimpses"] = glimpses_needed(found, found["whole image"]["best top-1"])
    groups = {sides[0].trained_with: paths}
    if versus:
        groups[_other_name(sides[0], versus[0])] = their_paths
        found["two by two"] = _crossed(sides[0], versus[0], contests, others, config)
    found["path integration"] = path_change(groups)
    return found


def _told(tick: Tick, side: Side) -> Callable[[str, int, int], None]:
    """A Tick that says of which run it speaks."""
    return lambda what, done, total: tick(f"{side.run.folder.name}, {what}", done, total)


def _about(side: Side) -> dict[str, Any]:
    run = side.run
    return {
        "folder": str(run.folder),
        "scenario": run.name,
        "seed": run.scenario.seed,
        "step": side.step,
        "trained with": side.trained_with,
    }


def _with_ensemble(side: Side, plan: Sequence[Contestant], tick: Tick) -> Field:
    """The place with the ensemble that planners need: the run's own, or one fitted now and kept."""
    if not any(one.name in NEED_ENSEMBLE for one in plan):
        return side.place
    own, store, method = side.run.files.ensemble_found, side.place.store, side.place.method
    assert store is not None
    kept = store / f"ensemble-{side.run.folder.name}-{signature(method)}"
    if own.is_dir():
        found = load_ensemble(own, method)
    else:
        try:
            found = load_ensemble(kept, method)
        except CheckpointError:  # none, or of another model: fitted anew
            found = ensemble_of(side.run, method, ensemble_config(side.run), ENSEMBLE_SCENES, tick)
            save_ensemble(found, kept)
    return dataclasses.replace(side.place, ensemble=found)


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
