"""The policies of a run scored by people's gaze, in one call."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gazeworld.envs.gaze import FixationOptions, human_gaze
from gazeworld.envs.validation import Options
from gazeworld.envs.world import World, require_lattice

from ..comparison.contestants import NEED_ENSEMBLE
from ..config import GazeConfig
from ..policy import Policy, make_policy
from ..probes.features import Tick, quiet
from ..run_folder import RunFolder
from ..runs import build
from ..runs.own_data import own_data
from ..runs.scenario import Run
from ..training.checkpoint import latest, load_method
from .scoring import GazeScores, score_gaze


@dataclass(frozen=True)
class Looked(Options):
    """What is looked at while a run's policies are scored."""

    split: str = ""
    """split of the images (empty: the one that probes are scored on)"""
    data: str = ""
    """other images than the run's own, brought to their side: a folder, or SOURCE:DIR of any source of images"""


@dataclass(frozen=True)
class RunGaze:
    """Scores, and the world that they were found in, for figures."""

    scores: GazeScores
    world: World


def score_run(
    run: Run,
    fixations: Path,
    policies: Mapping[str, Mapping[str, Any]] | None = None,
    options: FixationOptions | None = None,
    config: GazeConfig | None = None,
    *,
    looked: Looked | None = None,
    device: str = "auto",
    tick: Tick = quiet,
) -> RunGaze:
    """Score policies by people's fixations on the images of a run: by the names of tables, `name` and options of each.

    None stands for the run's own policy. They look with the run's world model; where nothing has been trained in its
    folder, with the weights that training begins with. Policies that need an ensemble take that of the run, if it has
    one. The result is that of `score_gaze`, and `about`. Raises ValueError for policies, splits and data that there are
    not, and as `human_gaze` does.
    """
    looked = looked or Looked()
    world = _world(run, looked, device)
    if world.images is None:
        raise ValueError(f"{run.folder}: people's gaze is scored in worlds of still images")
    gaze = human_gaze(fixations, world.images, options)
    if latest(RunFolder(run.folder).checkpoints) is None:
        method, step = build.method_of(run.scenario, world), None
    else:
        method, step = load_method(run.folder, world)
    method = method.to(world.device)
    chosen = policies or {str(run.scenario.policy["name"]): run.scenario.policy}
    made: dict[str, Policy] = {name: make_policy(world=world, **_ready(run, one)) for name, one in chosen.items()}
    for policy in made.values():
        policy.attach(method)
    scores = score_gaze(world, gaze, made, config, tick)
    for name, one in chosen.items():
        scores.found["contenders"][name]["policy"] = dict(one)
    about = {"scenario": run.name, "run": str(run.folder) if step is not None else None, "step": step}
    about |= {"fixations": str(fixations), "taken": asdict(options or FixationOptions()), **asdict(looked)}
    about |= {"source": world.images.name, "split": world.images.split}
    scores.found["about"] = about
    return RunGaze(scores, world)


def _ready(run: Run, policy: Mapping[str, Any]) -> dict[str, Any]:
    """Options with the ensemble of the run, for a policy that needs one and names none."""
    own = RunFolder(run.folder).ensemble_found
    if policy["name"] in NEED_ENSEMBLE and not policy.get("ensemble") and own.is_dir():
        return {**policy, "ensemble": str(own)}
    return dict(policy)


def _world(run: Run, looked: Looked, device: str) -> World:
    """The run's world over the images that are asked for."""
    scenario, there = run.scenario, build.fabric_of(run.scenario, device).device
    split = looked.split or scenario.test_split
    if not looked.data:
        return build.world_of(scenario, split, there)
    data = own_data(looked.data, scenario.world["name"])
    own = build.world_of(scenario, scenario.test_split, there)
    lattice = require_lattice(own, "people's gaze")
    changes = {"source": data.source, "root": data.root, "glimpse": lattice.glimpse}
    return build.world_of(scenario, split, there, **changes, source_options={"side": lattice.side})
