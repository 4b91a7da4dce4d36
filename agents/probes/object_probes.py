"""What is measured in worlds of turning objects beside recognition, rotation and paths: the paper's other probes."""

from typing import Any

from gazeworld.models.method import Method, Predicts

from ..config import ProbeConfig
from .evaluate import Arena
from .features import Tick, quiet
from .generalisation import elsewhere, generalisation
from .neighbours import neighbours
from .odd_one_out import Puzzle, odd_one_out
from .retrieval import retrieval


def has_stored_views(arena: Arena) -> bool:
    """Whether the probes of this module can be made: they search among the stored views of objects."""
    return arena.test.world.stored_poses is not None


def turning(
    methods: dict[str, Method],
    arena: Arena,
    places: dict[str, Arena],
    config: ProbeConfig,
    tick: Tick = quiet,
) -> dict[str, Any]:
    """Retrieval by the predictor, nearest neighbours, odd one out, and heads trained here used elsewhere.

    `places` are other worlds with the same classes and actions, by name: rotations of another region, for instance.
    Retrieval is left out where a method foresees no views (see `Predicts`).
    The result is JSON-able; the modules that measure say what its entries hold.
    """
    found: dict[str, Any] = {}
    if all(isinstance(method, Predicts) for method in methods.values()):
        tick("retrieval", 0, 1)
        found["retrieval"] = retrieval(methods, arena.test, arena.test_policy(), config, tick=tick)
    tick("neighbours", 0, 1)
    found["neighbours"] = neighbours(methods, arena.test.world, config, tick=tick)
    tick("odd one out", 0, 1)
    puzzle = Puzzle(epochs=config.puzzle_epochs)
    found["odd_one_out"] = odd_one_out(methods, arena.train.world, arena.test.world, config, puzzle, tick)
    if places:
        found["elsewhere"] = _elsewhere(methods, arena, places, config, tick)
    return found


def _elsewhere(
    methods: dict[str, Method], arena: Arena, places: dict[str, Arena], config: ProbeConfig, tick: Tick
) -> dict[str, Any]:
    world = arena.test.world
    here = arena.visit(config.views, config, config.rounds).pairs(methods, config.views, tick)
    found = {}
    for name, place in places.items():
        there = elsewhere(methods, world, place.test, place.test_policy(), config, tick)
        found[name] = generalisation(here, there, name, world.quantities(), len(world.classes), config)
    return found
