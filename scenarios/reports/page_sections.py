"""What a page tells of a run, part by part: what came of it in a sentence, then curves, tables, and what was done next.

Whatever lies in the run's folder is shown: probes, a comparison of policies, goals reached, rollouts, learnt policies.
A file that cannot be shown, of another version for instance, is named with the reason, and the rest stands.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from gazeworld.agents.file_schemas import require_shallow
from gazeworld.agents.metric_lines import read_lines, read_numbers
from gazeworld.agents.run_folder import PolicyFolder, RunFolder, aggregate, read_policy_config, scores
from gazeworld.agents.runs.records import Record
from gazeworld.envs.files import DataError, one_line, read_json
from gazeworld.envs.validation import shown

from . import comparison_report, figures, probe_figures, tables
from .page_pictures import KINDS, Picture, drawn, of_file
from .page_tables import Cells, cells, said

_LOOKS = ("scanpaths", "scanpath")
"""Figures in a run's folder that scan paths of the page's own stand for."""
_COMPARED = {
    "curves": ("accuracy against glimpses", "Accuracy of every policy against the number of glimpses, and differences"),
    "heat_maps": ("where each policy looks", "Maps of the fixations of each policy"),
    "saccades": ("lengths of saccades", "Histograms of the lengths of saccades of each policy"),
    "overlap": ("how alike policies look", "Tables of how much the fixations of policies have in common"),
    "two_by_two": ("trained with × tested with", "Accuracy by the policy trained with and the one tested with"),
}


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    title: str
    sentences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Cells, ...] = ()


def headline(data: dict[str, Any], record: Record | None) -> str:
    """What was trained on what, and what it recognises beside an untrained model and chance, as far as is known."""
    config = data["config"]
    world, method = config.get("world", {}), config["method"]["name"]
    seen = str(world.get("source") or world.get("name") or data["scenario"])
    train = config.get("train", {})
    views = f" from streams of {train['observed']} views" if "observed" in train else ""
    gaze = f" chosen by {config['policy']['name']}" if views and "name" in config.get("policy", {}) else ""
    told = f"{method} learnt {seen}{views}{gaze}"
    if record is None:
        return f"{told}; what it recognises has not been measured yet."
    told += f", in {record.probes['step']:,} steps"
    if "recognition" not in record.probes:
        return f"{told}; without labels there is nothing to recognise."
    return f"{told}. {_recognised(record.probes)}"


def _recognised(probes: dict[str, Any]) -> str:
    entry = probes["recognition"]["policy"]["aggregate"]
    first, last = entry["views"][0], entry["views"][-1]
    trained, untrained = scores(probes, "trained"), scores(probes, "untrained")
    words = f"After {last} view{'s' if last > 1 else ''} a linear probe recognises {trained[aggregate(last)]:.1f} %"
    if last > first:
        words += f" ({trained[aggregate(first)]:.1f} % after {first})"
    words += f" of {entry['scored on']['streams']:,} {entry['scored on']['split']} scenes"
    words += f"; of the untrained model {untrained[aggregate(last)]:.1f} %"
    return f"{words}; guessing the most frequent class {100 * probes['chance']['top-1 of the majority class']:.1f} %."


def sections(folder: Path, record: Record | None, *, looked: bool = False) -> list[Section]:
    """Everything that a run's folder has to tell; with `looked` the page shows scan paths besides."""
    files = RunFolder(folder)
    found = [_training(files.metrics)] if read_numbers(files.metrics) else []
    if record is not None:
        found.append(_probes(record.probes))
    for file, title, show in (
        (files.comparison / "compare.json", "Policies swapped in the frozen world model", _comparison),
        (files.goals, "Reaching goals", _goals),
        (files.rollouts, "Imagined views", _rollouts),
    ):
        if file.is_file():
            found.append(_shown(title, file, partial(show, file)))
    found += _policies(files)
    drawn_here = {picture.name for one in found for picture in one.pictures} | set(_LOOKS if looked else ())
    if others := tuple(_others(files.figures, drawn_here)):
        found.append(Section("Figures", pictures=others))
    return found


def _read(file: Path, what: str) -> dict[str, Any]:
    """An object of JSON that `what` names for people. Raises DataError where it is none, or cut short."""
    found = read_json(file, what)
    require_shallow(found, f"{file}: nested too deep, expected {what}")
    if not isinstance(found, dict):
        raise DataError(f"{file}: {shown(found)}, expected {what}")
    return found


def _shown(title: str, file: Path, show: Callable[[], Section]) -> Section:
    """A section, or why a file cannot be shown."""
    try:
        return show()
    except (DataError, OSError) as error:
        return Section(title, notes=(one_line(str(error)),))
    except (LookupError, TypeError, ValueError, AttributeError, AssertionError) as error:
        why = f"{type(error).__name__}: {one_line(str(error))}"
        return Section(title, notes=(f"{file}: written by another version, and cannot be shown ({why})",))


def _training(metrics: Path) -> Section:
    alt = f"Curves over {max(points[-1].step for points in read_numbers(metrics).values())} optimiser steps"
    return Section("Training", pictures=(drawn("training", alt, figures.training(metrics)),))


def _probes(probes: dict[str, Any]) -> Section:
    pictures = []
    if "recognition" in probes:
        alt = f"Accuracy against the number of views. {_recognised(probes)}"
        pictures.append(drawn("recognition", alt, figures.recognition(probes)))
    if probes["path_integration"]:
        alt = "R² of the displacement from view 1 to view M + 1 against M, with ablations"
        pictures.append(drawn("path integration", alt, figures.paths(probes)))
    told = said(partial(tables.show, probes))
    objects = said(partial(tables.show_objects, probes["objects"])).tables if "objects" in probes else ()
    return Section("Probes", pictures=tuple(pictures), tables=(*told.tables, *objects))


def _comparison(file: Path) -> Section:
    found = _read(file, "a comparison of policies")
    told = said(partial(comparison_report.show, found))
    pictures = tuple(drawn(*_COMPARED[name], figure) for name, figure in comparison_report.drawn(found).items())
    return Section("Policies swapped in the frozen world model", told.sentences, (), pictures, told.tables)


def _goals(file: Path) -> Section:
    found = _read(file, "goals reached")
    sentence = tables.goal_sentence(found)
    picture = drawn("goal reaching", f"Goals reached after each action. {sentence}", probe_figures.goal_figure(found))
    return Section("Reaching goals", (f"{sentence}.",), (), (picture,), (cells(tables.goal_table(found)),))


def _rollouts(file: Path) -> Section:
    found = _read(file, "the error of imagined views")
    alt = "Error of imagined views against how far ahead they are"
    picture = drawn("rollout error", alt, probe_figures.horizon_figure(found))
    return Section("Imagined views", pictures=(picture,), tables=(cells(tables.rollout_table(found)),))


def _policies(files: RunFolder) -> Iterator[Section]:
    """A section for every policy that was trained in the run's folder."""
    for folder in sorted(files.policies.glob("*")):
        config = PolicyFolder(folder).config
        if config.is_file():
            yield _shown(f"Policy {folder.name}", config, partial(_policy, folder))


def _policy(folder: Path) -> Section:
    plan, history = read_policy_config(folder)["train_policy"], read_lines(PolicyFolder(folder).history)
    rewards = " + ".join(reward["name"] for reward in plan["agent"]["rewards"])
    what = f"{plan['agent']['algorithm']}, rewarded for {rewards}"
    returns = [(line["step"], line["return"]) for line in history if line.get("return") is not None]
    if not returns:
        return Section(f"Policy {folder.name}", (f"{what}; no return has been recorded yet.",))
    (first, begun), (last, ended) = returns[0], returns[-1]
    sentence = f"{what}: the mean return of an episode is {ended:.3g} at step {last:,} of {plan['steps']:,}"
    sentence += f", and was {begun:.3g} at step {first:,}." if last > first else "."
    picture = drawn(f"return of {folder.name}", f"Mean return over steps. {sentence}", figures.returns(history, what))
    return Section(f"Policy {folder.name}", (sentence,), (), (picture,))


def _others(folder: Path, drawn_here: set[str]) -> Iterator[Picture]:
    """Figures that lie in a run's folder and that the page has not drawn itself, from the numbers that they show."""
    for file in sorted(folder.glob("*")):
        if file.suffix.lower() in KINDS and file.stem.replace("_", " ") not in drawn_here:
            yield of_file(file)
