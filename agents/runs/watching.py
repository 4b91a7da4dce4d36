"""Where a policy looks in the scenes of a run or a scenario: its fixations, as a stream and as a table."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxtyping import Float32, Float64
from torch import Tensor

from gazeworld.envs.files import write_text
from gazeworld.envs.rng import Draws
from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import OptionError, Options, Positive, Seed
from gazeworld.envs.world import Scene, World, require_prior

from ..probes.features import rollouts
from ..run_folder import RunFolder
from ..training.checkpoint import latest, load_method
from ..training.loop import POLICY, collect, rows_for
from . import build
from .scenario import Run

COLUMNS = {
    "path": "number of the scan path, from 0 on",
    "scene": "index of the scene in its split",
    "label": "what the scene shows, -1 where that is not known",
    "class": "name of the label, empty where it is not known",
    "index": "number of the fixation in its path, from 1 on",
    "row": "centre of the view, downwards, in units of the picture's height",
    "col": "centre of the view, to the right, in units of the picture's width",
    "y": "row in pixels of the picture",
    "x": "col in pixels of the picture",
}
"""The columns of a table of fixations, and what stands in them."""


@dataclass(frozen=True)
class WatchChoices(Options, owner="watch"):
    """What is looked at, and by which draws."""

    split: str = ""
    """split to look at (empty: the one that probes are scored on)"""
    scenes: Positive = 6
    """number of scenes"""
    seed: Seed = 0
    """which scenes and fixations"""
    spread: bool = False
    """scenes at even distances over the split, each once (else drawn at random, with replacement)"""


@dataclass(frozen=True)
class Watched:
    """What was looked at: a world, the stream of views, and who looked (`name` and options); on the CPU.

    `about` is what a file says of it besides: scenario, run, step of the world model, split and seed.
    """

    world: World
    stream: Stream
    policy: dict[str, Any]
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def scene(self) -> Scene:
        """The scenes and first poses, for what is asked of the world."""
        return Scene(self.stream.scenes, self.stream.labels, self.stream.poses[:, 0])

    @property
    def centres(self) -> Float64[Tensor, "n t 2"]:
        """Row and column of every view's centre, in units of the picture's sides.

        Raises OptionError for a world whose views have no place in a picture.
        """
        n, t, _ = self.stream.poses.shape
        frames = self.world.frame(self.stream.poses.flatten(0, 1))
        if frames is None or self.world.picture(self.scene, 0) is None:
            raise OptionError(
                f"the views of {type(self.world).__name__} have no place in a picture, which tables and heat maps of "
                "fixations need; pictures and films show the views themselves"
            )
        return ((frames[:, :2] + frames[:, 2:]).double() / 2).unflatten(0, (n, t))


def watch_run(run: Run, policy: Mapping[str, Any] | None = None, choices: WatchChoices | None = None) -> Watched:
    """Let a policy (`name` and options; None: the run's own) look at scenes with a run's world model.

    Where nothing has been trained in the run's folder yet, the world model has the weights that training begins with.
    Raises ValueError for a policy, a split or a number of scenes that there is not.
    """
    choices, found = WatchChoices() if choices is None else choices, run.scenario
    split = choices.split or found.test_split
    world = build.world_of(found, split, "cpu")
    if choices.scenes > world.size:
        raise OptionError(f"scenes is {choices.scenes}, but the {split} split has {world.size}")
    rows = rows_for(world, choices.scenes) if choices.spread else choices.scenes
    place = build.place_of(found, world, rows, **(policy or {}))
    if latest(RunFolder(run.folder).checkpoints) is None:
        method, step = build.method_of(found, world), None
    else:
        method, step = load_method(run.folder, world)
    place.policy.attach(method)
    length = found.train.observed + 1
    if choices.spread:
        stream = rollouts(place.env, place.policy, length, scenes=choices.scenes, seed=choices.seed)
    else:
        place.env.reset(seed=choices.seed)
        rng = Draws.rows(choices.seed, choices.scenes).fold(POLICY)
        stream = collect(place.env, place.policy, length, rng, {"episode": 0})
    about = {"scenario": run.name, "run": str(run.folder), "step": step, "split": split, "seed": choices.seed}
    return Watched(world, stream, dict(policy or found.policy), about if step is not None else about | {"run": None})


def saliency_of(watched: Watched, usual: Mapping[str, Any] | None = None) -> Float32[Tensor, "n k k"]:
    """How likely each legal fixation is by the map of each scene, over the lattice of the world.

    The map is that of the policy if it looks by one (its options `map`, `sigma` and `map_options`), else the world's
    own, of whose options (`saliency`, `centre_sigma` and `map_options`) `usual` is a dictionary. Raises ValueError for
    a world that has none.
    """
    world, options = watched.world, usual or {}
    if watched.policy["name"] == "saliency":
        kind, sigma = watched.policy.get("map", "image-signature"), watched.policy.get("sigma", 0.0)
        own = watched.policy.get("map_options")
    else:
        kind, sigma = options.get("saliency", "image-signature"), options.get("centre_sigma", 0.0)
        own = options.get("map_options")
    return require_prior(world, "a map of saliency", kind, sigma, own).probabilities(watched.stream.scenes)


def fixations(watched: Watched) -> list[dict[str, Any]]:
    """The table of all fixations, a dictionary of `COLUMNS` for each. Raises OptionError where views have no place."""
    world, stream, centres = watched.world, watched.stream, watched.centres
    picture = world.picture(watched.scene, 0)
    assert picture is not None
    height, width = picture.shape[:2]
    rows = []
    for path, (scene, label) in enumerate(zip(stream.scenes.tolist(), stream.labels.tolist(), strict=True)):
        shown = world.classes[label] if label >= 0 else ""
        for index, (row, col) in enumerate(centres[path].tolist(), 1):
            place = {
                "row": round(row, 6),
                "col": round(col, 6),
                "y": round(row * height, 3),
                "x": round(col * width, 3),
            }
            rows.append({"path": path, "scene": scene, "label": label, "class": shown, "index": index, **place})
    return rows


def write_fixations(watched: Watched, path: Path) -> None:
    """Write the table of all fixations, as its name's ending says: .csv, or .json, which explains itself.

    Raises OptionError for another ending, and where views have no place in a picture.
    """
    match path.suffix.lower():
        case ".csv":
            text = io.StringIO()
            table = csv.DictWriter(text, list(COLUMNS), lineterminator="\n")
            table.writeheader()
            table.writerows(fixations(watched))
            write_text(path, text.getvalue())
        case ".json":
            told = {**watched.about, "policy": watched.policy, "columns": COLUMNS, "fixations": fixations(watched)}
            write_text(path, json.dumps(told, indent=1, ensure_ascii=False) + "\n")
        case other:
            raise OptionError(
                f"{path}: tables of fixations are written as .csv or .json, found {other or 'no ending'!r}"
            )
