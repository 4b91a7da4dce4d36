"""Command lines with something wrong in them, drawn at random: one sentence, exit code 2, and nothing left behind.

Options and their bounds are taken from the classes of arguments, so that a new option is tried without an edit here.
GAZEWORLD_FUZZ sets how many lines each group of commands is given; what is drawn is fixed.
"""

import dataclasses
import os
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Literal

import annotated_types as bounds
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gazeworld.agents.runs import scenario
from gazeworld.envs.validation import INNER
from gazeworld.scenarios.commands import (
    _catalogue,
    bench,
    compare,
    controls,
    data,
    evaluate,
    fit_ensemble,
    goal_reaching,
    report,
    rollout_error,
    sweep,
    table,
    train,
    train_jointly,
    train_policy,
    watch,
)
from gazeworld.scenarios.commands._arguments import BARE
from gazeworld.scenarios.commands._main import main
from gazeworld.scenarios.commands._places import File, Folder, Name

TRIES = int(os.environ.get("GAZEWORLD_FUZZ", "25"))
SMALL = [
    "--train.steps", "1", "--train.batch", "4", "--train.observed", "1", "--probe.online", "0", "--probe.scenes", "20",
    "--probe.views", "1", "--method.dim", "8", "--method.width", "4", "--method.action-width", "4",
    "--method.predictor-hidden", "16", "--device", "cpu",
]  # fmt: skip
DIGITS = _catalogue.load("saccade-digits")
JUNK = ["", "x", "1.5.2", "1e3x", "--", "∞", "\udcff", "None", "[1]", "1 2", "0x10", "\n"]
LONG = "n" * 300
NOWHERE = ["file", "file/inside", "/proc/nowhere", LONG, "a\0b", "~no-such-user/x", "/dev/null/x", "x/" * 3000]
TRAINING = {
    "train": (["train", "saccade-digits", *SMALL], train.TrainArguments),
    "train-jointly": (
        ["train-jointly", "saccade-digits", *SMALL, "--train.steps", "20"],
        train_jointly.TrainJointlyArguments,
    ),
    "bench step": (["bench", "step", "saccade-digits", *SMALL], bench.StepArguments),
}
LOOKING = {
    "train-policy": (["train-policy", "RUN"], train_policy.TrainPolicyArguments),
    "compare": (["compare", "RUN"], compare.CompareArguments),
    "fit-ensemble": (["fit-ensemble", "RUN"], fit_ensemble.FitEnsembleArguments),
    "goal-reaching": (["goal-reaching", "RUN"], goal_reaching.GoalReachingArguments),
    "rollout-error": (["rollout-error", "RUN"], rollout_error.RolloutErrorArguments),
    "table": (["table", "RUN"], table.TableArguments),
    "report": (["report", "RUN"], report.ReportArguments),
    "watch": (["watch", "RUN"], watch.WatchArguments),
    "evaluate": (["evaluate", "RUN"], evaluate.EvaluateArguments),
}
MAKING = {
    "sweep": (["sweep", "saccade-digits"], sweep.SweepArguments),
    "controls": (["controls", "saccade-digits"], controls.ControlsArguments),
    "render": (["data", "render", "--out", "out", "--source", "solids"], data.RenderArguments),
    "pack": (["data", "pack", "tree", "--out", "out"], data.PackArguments),
    "rollout": (["bench", "rollout"], bench.RolloutArguments),
    "views": (["bench", "views"], bench.ViewsArguments),
    "sb3": (["bench", "sb3"], bench.SB3Arguments),
    "methods": (["bench", "methods", "saccade-digits"], bench.MethodsArguments),
}
NAMES = {
    "device": ["gpu1", "cuda:-1", "cuda:x", "cpu:y", "", "quantum", "cuda:99"],
    "source": ["no-such-source", "", "a\0b", "../x", LONG],
    "renderer": ["no-such-renderer", ""],
    "split": ["no-such-split", LONG],
    "policy": ["no-such-policy", "grid:side=0", "grid:side", "grid:nix=1", ":", "grid:name=x", "a\0b", LONG],
    "prepare-policies": [
        "no-such-policy",
        "grid:side=0",
        "grid:side=" + "9" * 5000,
        "saliency:map=[",
        ":x=1",
        "a\0b",
        LONG,
    ],
    "shard": ["", "1", "2/2", "x/y", "0/0", "-1/2", "²/3", "0/" + "9" * 5000],
    "methods": ["no-such-method", "byol,byol"],
    "seeds": ["", "x", "-1", "1.5", "0,0", str(2**32), "9" * 5000],
    "observed": ["0", "x", "-1", str(10**9), "9" * 5000],
    "set": [
        "x",
        "=1",
        "nix=1",
        "train=1",
        "train.steps=x",
        "train.batch=1",
        "world.nix={1}",
        "method.dim=0",
        "[" * 900,
    ],
    "policies": ["no-such-policy"],
    "conditions": ["no-such-condition", "own,own", LONG],
    "learned": ["no-such-policy", "a\0b", LONG],
    "versus": ["no-such-run", "a\0b"],
    "rewards": ["applause", "coverage:x=1", ":", "coverage:cells"],
    "algorithm": ["dqn", ""],
    "observation": ["smell", ""],
    "discrete-actions": ["soup", "fixations:side=0", "fixations:nix=1"],
    "options": ["gamma", "nonsense=1", "n_steps=x", "seed=1"],
    "regions": ["no-such-region", "x=no-such-folder"],
    "probe-split": ["no-such-split", LONG],
    "test-split": ["no-such-split"],
    "world": ["no-such-thing", LONG, "a\0b"],
    "method": ["no-such-thing", LONG],
}
"""Values of options of text that cannot be meant, by the option's name, or by the dictionary that it stands in."""


def wrong(hint: Any, name: str, near: str = "") -> list[str]:
    """Values that an option with such an annotation must refuse; none where every text may be meant."""
    if hint == Name:
        return ["a/b", "..", LONG, "a\0b", "a\nb", "/"]
    options = [hint, *typing.get_args(hint)]
    if any(one in (File, Folder) for one in options):
        return [*NOWHERE[1:], "/dev/null"] if File in options else NOWHERE  # a file is written over
    if typing.get_origin(hint) is Literal:
        return [word for word in JUNK if word]
    base = next((one for one in options if typing.get_origin(one) is Annotated), hint)
    kind = typing.get_args(base)[0] if base is not hint or typing.get_origin(hint) is Annotated else hint
    kind = kind if kind in (int, float) else next((one for one in options if one in (int, float)), kind)
    if kind in (int, float):
        texts = [word for word in JUNK if not (word == "None" and type(None) in options)]
        return [
            *texts,
            *_beyond(base, kind),
            *(["nan", "inf", "-1e999"] if kind is float else ["1.5", "nan", str(10**30)]),
        ]
    return NAMES.get(name) or NAMES.get(near, [])


def _beyond(hint: Any, kind: type) -> Iterator[str]:
    """Numbers just outside the bounds of an annotation."""
    step: Any = 1 if kind is int else 0.5
    for note in getattr(hint, "__metadata__", ()):
        for one in note if isinstance(note, bounds.GroupedMetadata) else (note,):
            match one:
                case bounds.Ge(ge):
                    yield str(ge - step)
                case bounds.Gt(gt):
                    yield str(gt)
                case bounds.Le(le):
                    yield str(le + step)
                case bounds.Lt(lt):
                    yield str(lt)
                case _:
                    pass


def options_of(kind: Any, prefix: str = "--") -> Iterator[tuple[str, list[str]]]:
    """Every option of a class of arguments, and the values that it must refuse."""
    notes = {field.name: field.metadata for field in dataclasses.fields(kind)}
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        if notes.get(name) == INNER:
            continue
        plain = typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint
        told = [note.name for note in getattr(hint, "__metadata__", ()) if getattr(note, "name", None)]
        option = prefix + (told[0] if told else name).replace("_", "-")
        if dataclasses.is_dataclass(plain):
            yield from options_of(plain, prefix if notes[name] == BARE else f"{option}.")
        elif option == "--policy" and kind is scenario.Scenario:
            yield option, [*NAMES["policy"], *NAMES["prepare-policies"]]
        elif typing.get_origin(plain) is dict and kind is scenario.Scenario:
            for key, value in getattr(DIGITS, name).items():
                yield f"{option}.{key.replace('_', '-')}", wrong(type(value), key, name)
        else:
            yield option, wrong(hint, option.rpartition(".")[2].removeprefix("--"))


def lines(group: dict[str, tuple[list[str], Any]]) -> SearchStrategy[list[str]]:
    """Lines of a group of commands, with one to three wrong values."""
    found = []
    for words, kind in group.values():
        unused = ("--probe", "--test") if words[:2] == ["bench", "step"] else ()  # where nothing is probed
        wanted = [(option, values) for option, values in options_of(kind) if not option.startswith(unused)]
        pairs = [(option, value) for option, values in wanted for value in values]
        bad = st.sampled_from(sorted({option for option, _ in pairs})).flatmap(
            lambda option, pairs=pairs: st.sampled_from([pair for pair in pairs if pair[0] == option])
        )
        given = st.lists(st.tuples(bad, st.booleans()), min_size=1, max_size=3, unique_by=lambda one: one[0][0])
        found.append(given.map(lambda picked, words=words: [*words, *_written(picked)]))
    return st.one_of(found)


def _written(picked: list[tuple[tuple[str, str], bool]]) -> Iterator[str]:
    for (option, value), joined in picked:
        yield from [f"{option}={value}"] if joined or value.startswith("-") else [option, value]


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a trained run, a file and an empty tree."""
    folder = tmp_path_factory.mktemp("place")
    os.environ["GAZEWORLD_CACHE"] = str(tmp_path_factory.getbasetemp() / "cache")
    with _inside(folder), redirect_stdout(StringIO()):
        assert main(["train", "saccade-digits", *SMALL, "--runs", ".", "--name", "RUN", "--no-evaluate"]) == 0
        assert main(["evaluate", "RUN", "--device", "cpu", "--probe.epochs-linear", "1"]) == 0
    (folder / "file").write_text("a file")
    (folder / "tree").mkdir()
    return folder


def refused(place: Path, words: list[str], codes: tuple[int, ...] = (2,)) -> None:
    """Carry out a line, and look at what came of it."""
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*") if path.is_file()}
    out, err = StringIO(), StringIO()
    with _inside(place), redirect_stdout(out), redirect_stderr(err):
        try:
            code = main(words)
        except SystemExit as stop:  # tyro ends the process itself
            code = stop.code
    assert code in codes, (code, words, out.getvalue()[-200:], err.getvalue())
    said = err.getvalue()
    assert "Traceback" not in said
    if said.startswith("gazeworld: error: "):
        assert said.count("\n") == 1, said
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*") if path.is_file()} == before, words
    assert {path.name for path in place.iterdir()} == {"RUN", "file", "tree"}, words


def tried(strategy: SearchStrategy[list[str]]) -> Callable[[Any], Any]:
    """A test given lines of a strategy, the same at every run."""
    quiet = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    how = settings(max_examples=TRIES, derandomize=True, deadline=None, database=None, suppress_health_check=quiet)
    return lambda test: how(given(words=strategy)(test))


@tried(lines(TRAINING))
def test_training_with_a_wrong_value_is_refused(place: Path, words: list[str]) -> None:
    refused(place, words)


@tried(lines(LOOKING))
def test_looking_at_a_run_with_a_wrong_value_is_refused(place: Path, words: list[str]) -> None:
    refused(place, words)


@tried(lines(MAKING))
def test_making_or_measuring_with_a_wrong_value_is_refused(place: Path, words: list[str]) -> None:
    refused(place, words)


COMMANDS = [*_catalogue.commands()]
WORDS = st.one_of(
    st.sampled_from([*JUNK, *NOWHERE, "--help", "-h", "--seed", "--seed=1", "saccade-digits:", "file", "--nix"]),
    st.text(max_size=20),
    st.characters(categories=["Cs", "Cc", "Zl"]),
)


@tried(st.tuples(st.sampled_from([*COMMANDS, "bench step", "data pack", "fly"]), st.lists(WORDS, max_size=4)).map(
    lambda drawn: [*drawn[0].split(), *drawn[1]]
))  # fmt: skip
def test_words_of_no_meaning_are_refused_or_helped(place: Path, words: list[str]) -> None:
    refused(place, words, (0, 2))


def test_every_bound_is_tried_from_outside() -> None:
    found = dict(options_of(train.TrainArguments))
    assert {"-1", str(2**32)} <= {*found["--seed"]}
    assert "0" in found["--processes"]
    assert {"nan", "inf", "0"} & {*found["--train.lr"]}
    assert "a/b" in found["--name"]
    assert "file" in found["--runs"]
    assert "no-such-thing" in found["--world.padding"]
