"""The `gazeworld` command. Heavy imports wait until a command runs, so that every --help is quick."""

import os
import re
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from rich.console import Console

from gazeworld.agents.runs import processes, provenance
from gazeworld.agents.runs import scenario as scenarios
from gazeworld.agents.runs.scenario import Scenario
from gazeworld.envs.files import one_line

from ._arguments import EvaluateArguments, TrainArguments, WatchArguments
from ._comparing_arguments import (
    CompareArguments,
    HeadsArguments,
    ImagineArguments,
    ReachArguments,
    ReportArguments,
    SweepArguments,
    TableArguments,
)
from ._data_arguments import PackArguments, RenderArguments
from ._outlets import guarded
from ._parsing import parsed
from ._steering_arguments import AlternateArguments, SteerArguments, alternate_defaults

USAGE = """\
usage: gazeworld COMMAND …

  list                  scenarios, worlds, sources, policies and methods
  train SCENARIO        train a world model online and probe it
  evaluate RUN          probe a run by the protocol of its scenario
  sweep SCENARIO…       train and probe methods × seeds × numbers of views, go on where it stopped
  table RUN…            runs beside each other and the paper: terminal, Markdown, CSV, LaTeX
  report RUN…           one HTML page with configuration, curves, tables and figures
  watch SCENARIO|RUN    pictures of where a policy looks
  steer RUN             train a policy (PPO, SAC …) in the frozen world model of a run
  alternate SCENARIO    train a world model and a policy in turns
  compare RUN…          policies swapped in frozen world models: curves, intervals, the 2 × 2, verdicts
  heads RUN             fit the ensemble that planners by disagreement and information need
  reach RUN             find the place whose embedding is given, by planning and without a model
  imagine RUN           error of imagined views against the horizon
  data render|pack      views of 3-D models drawn to disk, and packed into one file
  bench KIND            speed of environments, training steps and methods

gazeworld COMMAND --help says more."""


_NO_MEMORY = re.compile("(can't|[Tt]ried to|Unable to) allocate|out of memory|not enough memory")  # how torch says it


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code: 0 done, 1 training failed, 2 wrong use or bad input, 130 interrupted."""
    # Threads of torch that wait should sleep: while they spin, a busy machine does nothing else. Read at its import.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    words = list(sys.argv[1:] if arguments is None else arguments)
    provenance.begin(words)
    with guarded() as outlets:
        try:
            code = _carried_out(words)
        except SystemExit:  # how help ends
            if outlets.complaint():
                return _fail(outlets.complaint())
            raise
        return _fail(outlets.complaint()) if outlets.complaint() and not code else code


def _carried_out(words: list[str]) -> int:
    """The exit code of what the words ask for."""
    if not words or words[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if words else 2
    command, rest = words[0], words[1:]
    if command not in COMMANDS:
        return _fail(f"unknown command {command!r}; there are: {', '.join(COMMANDS)}")
    # It would be taken for the present folder, whatever was meant by a variable of the shell that is not set.
    if (empty := _empty(words)) is not None:
        return _fail(f"an empty word follows {words[empty - 1]!r}, expected a name or a path")
    try:
        return COMMANDS[command](rest)
    except KeyboardInterrupt:
        return _fail("interrupted", provenance.STOPPED)
    except (ValueError, OSError) as error:
        return _fail(str(error))
    except (MemoryError, RuntimeError) as error:
        if not (isinstance(error, MemoryError) or _NO_MEMORY.search(str(error))):
            raise
        return _fail(f"there is not enough memory for what was asked for: {str(error).partition('] ')[2] or error}")


def _empty(words: list[str]) -> int | None:
    """Where an empty word stands that is not the value of an option."""
    pairs = enumerate(pairwise(words), 1)
    return next((i for i, (before, word) in pairs if not word and not before.startswith("-")), None)


def _fail(sentence: str, code: int = 2) -> int:
    if processes.report(sentence):
        return code
    print(f"gazeworld: error: {one_line(sentence)}", file=sys.stderr)
    return code


def _scenario_argument(words: list[str], command: str) -> tuple[str, Scenario | None]:
    """The scenario named first; None when help was asked for or nothing was named."""
    if not words or words[0].startswith("-"):
        print(f"usage: gazeworld {command} SCENARIO [OPTIONS]\n\nscenarios: {', '.join(scenarios.names())}\n")
        print(f"gazeworld {command} SCENARIO --help lists what can be set, with the scenario's values.")
        return "", None
    return words[0].replace("_", "-"), scenarios.load(words[0])


def _list(words: list[str]) -> int:
    if words and words[0] not in ("-h", "--help"):
        return _fail(f"list takes no argument, found {words[0]!r}")
    if words:
        print("usage: gazeworld list\n\nScenarios with their variants, worlds, sources, policies and methods.")
        return 0
    from .list import show

    show(Console())
    return 0


def _train(words: list[str]) -> int:
    name, found = _scenario_argument(words, "train")
    if found is None:
        return 0 if words else 2
    default = TrainArguments(**vars(found))
    chosen = parsed(TrainArguments, words[1:], f"gazeworld train {name}", default)
    from gazeworld.agents.training.loop import NonFiniteLossError

    from .train import train

    try:
        return train(name, chosen, Console())
    except (NonFiniteLossError, processes.LostProcessError) as error:
        return _fail(str(error), 1)


def _evaluate(words: list[str]) -> int:
    if not words or words[0].startswith("-"):
        print("usage: gazeworld evaluate RUN [OPTIONS]\n\nRUN is the folder of a run; options start as it was made.")
        return 0 if words else 2
    from gazeworld.agents.runs.run_folder import open_run

    folder = Path(words[0])
    default = EvaluateArguments(open_run(folder).scenario.probe)
    chosen = parsed(EvaluateArguments, words[1:], f"gazeworld evaluate {folder}", default)
    from .train import probe

    return probe(folder, chosen.probe, chosen.device, Console())


def _watch(words: list[str]) -> int:
    chosen = parsed(WatchArguments, words, "gazeworld watch")
    from .train import watch

    return watch(chosen, Console())


def _steer(words: list[str]) -> int:
    chosen = parsed(SteerArguments, words, "gazeworld steer")
    from gazeworld.agents.rl.train_policy import NonFiniteError

    from .train_policy import steer

    try:
        return steer(chosen, Console())
    except NonFiniteError as error:
        return _fail(str(error), 1)


def _alternate(words: list[str]) -> int:
    name, found = _scenario_argument(words, "alternate")
    if found is None:
        return 0 if words else 2
    default = alternate_defaults(found)
    chosen = parsed(AlternateArguments, words[1:], f"gazeworld alternate {name}", default)
    from gazeworld.agents.rl.train_policy import NonFiniteError
    from gazeworld.agents.training.loop import NonFiniteLossError

    from .train_jointly import alternate

    try:
        return alternate(name, chosen, Console())
    except (NonFiniteLossError, NonFiniteError) as error:
        return _fail(str(error), 1)


def _sweep(words: list[str]) -> int:
    chosen = parsed(SweepArguments, words, "gazeworld sweep")
    from .sweep import sweep

    return sweep(chosen, Console())


def _table(words: list[str]) -> int:
    chosen = parsed(TableArguments, words, "gazeworld table")
    from .table import table

    return table(chosen, Console())


def _report(words: list[str]) -> int:
    chosen = parsed(ReportArguments, words, "gazeworld report")
    from .report import report

    return report(chosen, Console())


def _compare(words: list[str]) -> int:
    chosen = parsed(CompareArguments, words, "gazeworld compare")
    from .compare import compare

    return compare(chosen, Console())


def _heads(words: list[str]) -> int:
    chosen = parsed(HeadsArguments, words, "gazeworld heads")
    from .fit_ensemble import equip

    return equip(chosen, Console())


def _reach(words: list[str]) -> int:
    chosen = parsed(ReachArguments, words, "gazeworld reach")
    from .fit_ensemble import reach

    return reach(chosen, Console())


def _imagine(words: list[str]) -> int:
    chosen = parsed(ImagineArguments, words, "gazeworld imagine")
    from .fit_ensemble import imagine

    return imagine(chosen, Console())


def _data(words: list[str]) -> int:
    kind = words[0] if words else "--help"
    if kind == "render":
        chosen = parsed(RenderArguments, words[1:], "gazeworld data render")
        from .data import render

        return render(chosen, Console())
    if kind == "pack":
        packed = parsed(PackArguments, words[1:], "gazeworld data pack")
        from .data import pack

        return pack(packed, Console())
    if kind in ("-h", "--help"):
        print("usage: gazeworld data render [OPTIONS]\n       gazeworld data pack ROOT [OPTIONS]")
        return 0 if words else 2
    return _fail(f"unknown data command {kind!r}; there are: render, pack")


def _bench(words: list[str]) -> int:
    from .bench import bench

    return bench(words)


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "list": _list,
    "train": _train,
    "evaluate": _evaluate,
    "sweep": _sweep,
    "table": _table,
    "report": _report,
    "watch": _watch,
    "steer": _steer,
    "alternate": _alternate,
    "compare": _compare,
    "heads": _heads,
    "reach": _reach,
    "imagine": _imagine,
    "data": _data,
    "bench": _bench,
}


if __name__ == "__main__":
    sys.exit(main())
