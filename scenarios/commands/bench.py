"""`gazeworld bench KIND`: which measurements there are and what they take. Heavy imports wait until one runs."""

import dataclasses
from collections.abc import Callable

from rich.console import Console

from gazeworld.agents.runs import scenario as scenarios

from ._arguments import scenario_of
from ._bench_arguments import MethodsArguments, RolloutArguments, SB3Arguments, StepArguments, ViewsArguments
from ._parsing import parsed


def bench(words: list[str]) -> int:
    """Run one measurement; returns the exit code. Raises ValueError for a kind that there is not."""
    kind = words[0] if words else "--help"
    if kind in ("-h", "--help"):
        print(
            "usage: gazeworld bench rollout|sb3|views [OPTIONS]\n       gazeworld bench step|methods SCENARIO [OPTIONS]"
        )
        return 0 if words else 2
    if kind not in BENCHES:
        raise ValueError(f"unknown bench {kind!r}; there are: {', '.join(BENCHES)}")
    return BENCHES[kind](words[1:])


def _rollout(words: list[str]) -> int:
    chosen = parsed(RolloutArguments, words, "gazeworld bench rollout")
    from ..bench.rollout import rollout_bench

    rollout_bench(**dataclasses.asdict(chosen))
    return 0


def _views(words: list[str]) -> int:
    chosen = parsed(ViewsArguments, words, "gazeworld bench views")
    from ..bench.views import views_bench

    views_bench(**dataclasses.asdict(chosen))
    return 0


def _sb3(words: list[str]) -> int:
    chosen = parsed(SB3Arguments, words, "gazeworld bench sb3")
    from ..bench.sb3 import sb3_bench

    sb3_bench(**dataclasses.asdict(chosen))
    return 0


def _step(words: list[str]) -> int:
    if not words or words[0].startswith("-"):
        print(f"usage: gazeworld bench step SCENARIO [OPTIONS]\n\nscenarios: {', '.join(scenarios.names())}")
        return 0 if words else 2
    default = StepArguments(**vars(scenarios.load(words[0])))
    chosen = parsed(StepArguments, words[1:], f"gazeworld bench step {words[0]}", default)
    from ..bench.step import step_bench

    step_bench(scenario_of(chosen), chosen.timed, chosen.device, Console())
    return 0


def _methods(words: list[str]) -> int:
    chosen = parsed(MethodsArguments, words, "gazeworld bench methods")
    from ..bench.methods import methods_bench

    methods_bench(chosen, Console())
    return 0


BENCHES: dict[str, Callable[[list[str]], int]] = {
    "rollout": _rollout,
    "views": _views,
    "sb3": _sb3,
    "step": _step,
    "methods": _methods,
}
