"""Policies scored by people's gaze, beside baselines and the ceiling, in one call."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64
from torch import Tensor

from gazeworld.envs.gaze import HumanGaze
from gazeworld.envs.rng import Draws
from gazeworld.envs.world import World

from ..config import GazeConfig
from ..policy import Policy, make_policy
from ..probes.features import Tick, quiet
from .baselines import CentrePrior, Kernels, OtherPeople
from .contenders import Contender, PolicyContender
from .fixation_scores import FixationScores, score_fixations
from .multimatch import Simplification
from .observed import Observed, Rows, observed
from .path_scores import DIAGONAL, Comparing, chosen_paths, comparing, score_paths, score_people, walks
from .summary import fixation_summary, path_summary

PEOPLE = "people"
"""The name of the ceiling among scan paths: other people's."""
_AMPLITUDE, _ANGLE, _PAUSE = 0.1, 45.0, 300.0  # of the diagonal, degrees, ms: as Dewhurst et al. (2012) advise


@dataclass(frozen=True)
class Example:
    """One image for figures: its number, people's paths, and every contender's map and one path of its own.

    `maps` say how likely each legal fixation is after the first of the first person's path, over the lattice.
    """

    image: int
    people: list[Float64[np.ndarray, "_ 2"]]
    paths: dict[str, Float64[np.ndarray, "_ 2"]]
    maps: dict[str, Float32[Tensor, "n n"]]


@dataclass(frozen=True)
class GazeScores:
    """What was found, JSON-able, and examples to draw."""

    found: dict[str, Any]
    examples: list[Example]


def score_gaze(
    world: World,
    gaze: HumanGaze,
    policies: Mapping[str, Policy],
    config: GazeConfig | None = None,
    tick: Tick = quiet,
) -> GazeScores:
    """How much each of these policies looks as these people do; policies are attached to their world model before.

    The result holds `data` (what was scored and what was left out), `contenders`, `fixations` and `paths` by name, and
    `config`. Baselines stand beside the policies: looking anywhere, the centre prior, other people. Raises ValueError
    for a world without fixations, for fixations on one image alone, and for a policy with the name of a baseline.
    """
    config, seen = config or GazeConfig(), observed(gaze, world)
    kernels = Kernels(seen)
    tick("baselines", 0, 2)
    prior = CentrePrior(kernels)
    tick("baselines", 1, 2)
    people = OtherPeople(kernels, prior)
    tick("baselines", 2, 2)
    anywhere = PolicyContender("uniform", "looking anywhere", make_policy("uniform", world), world, seen)
    own = [PolicyContender(name, name, policy, world, seen) for name, policy in policies.items()]
    everybody: list[Contender] = [anywhere, prior, *own, people]
    names = [one.name for one in everybody] + [PEOPLE]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two contenders are called {twice[0]!r}, expected another name for the policy")
    found = {
        "data": _data(gaze, seen),
        "contenders": {one.name: {"label": one.label, "baseline": one not in own} for one in everybody},
        "fixations": _fixations(everybody, prior, people, seen, config, tick),
        "paths": _paths(everybody, seen, config, tick) if config.samples else {},
        "config": asdict(config),
    }
    return GazeScores(found, _examples(everybody, seen, config))


def _data(gaze: HumanGaze, seen: Observed) -> dict[str, Any]:
    """What was scored, and what was left out."""
    return {
        "images": len(gaze.images),
        "subjects": len(gaze.subjects),
        "paths": len(gaze.paths),
        "fixations": seen.count,
        "left out": gaze.counts,
        "moved to a legal fixation": seen.moved,
    }


def _fixations(
    everybody: Sequence[Contender],
    prior: Contender,
    people: Contender,
    seen: Observed,
    config: GazeConfig,
    tick: Tick,
) -> dict[str, Any]:
    """Scores of fixations given their history, of everybody who says a distribution."""
    scores: dict[str, FixationScores] = {one.name: score_fixations(one, seen, tick) for one in everybody if one.says}
    places = seen.scenes[seen.path], seen.step
    best = scores[people.name] if bool(scores[people.name].log_p.isfinite().any()) else None
    cells, bootstrap = seen.lattice.count**2, (config.resamples, config.seed)
    return {
        name: fixation_summary(one, scores[prior.name], best, places, cells, bootstrap) for name, one in scores.items()
    }


def _paths(everybody: Sequence[Contender], seen: Observed, config: GazeConfig, tick: Tick) -> dict[str, Any]:
    """Measures between scan paths, of everybody and of people with each other."""
    how, chosen = comparing_by(seen, config), chosen_paths(seen, config.paths)
    if not len(chosen):
        return {}
    images, bootstrap = seen.scenes[chosen], (config.resamples, config.seed)
    found = {
        one.name: score_paths(one, seen, chosen, how, samples=config.samples, seed=config.seed, tick=tick)
        for one in everybody
    }
    found[PEOPLE] = score_people(seen, chosen, how, tick)
    return {name: path_summary(values, images, *bootstrap) for name, values in found.items()}


def comparing_by(seen: Observed, config: GazeConfig) -> Comparing:
    """How paths are compared as the configuration says."""
    simple = Simplification(_AMPLITUDE * DIAGONAL, _ANGLE, _PAUSE) if config.simplify else Simplification()
    return comparing(seen, bins=config.bins, radius=config.radius, simplification=simple)


def _examples(everybody: Sequence[Contender], seen: Observed, config: GazeConfig) -> list[Example]:
    """The images that most people looked at, with everybody's paths and maps."""
    each, count = seen.scenes.unique(return_counts=True)
    wanted = each[count.argsort(descending=True, stable=True)[: config.examples]]
    found = []
    for image in wanted.tolist():
        paths = (seen.scenes == image).nonzero()[:, 0]
        first = paths[seen.lengths[paths].argmax(keepdim=True)]
        rng = Draws.rows(config.seed, 1).fold(image)
        walked = {one.name: next(walks(one, seen, first, rng))[1] for one in everybody}
        maps = {one.name: one.log_density(Rows(first, 1))[0].exp() for one in everybody if one.says}
        found.append(Example(image, [seen.poses(path) for path in paths.tolist()], walked, maps))
    return found
