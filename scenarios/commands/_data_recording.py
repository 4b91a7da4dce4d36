"""`gazeworld data record|replay`: streams written as a Minari dataset, and a dataset looked into and proved."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from gazeworld.agents.runs.provenance import STOPPED
from gazeworld.agents.runs.scenario import Scenario
from gazeworld.envs.files import typed
from gazeworld.envs.validation import Options, Positive

from ._arguments import BARE, parsed, with_policy
from ._console import Progress, fail, say
from ._named import named, settled
from ._places import Folder

if TYPE_CHECKING:
    from gazeworld.agents.training.recorded_streams import Recorded


@dataclass(frozen=True)
class RecordArguments(Options):
    """Record what a scenario's policy sees as a Minari dataset, which `data replay` and `--train.streams` read.

    With the seed and the batch of a training it holds what that training would see, batch by batch.
    """

    scenario: Scenario = field(metadata=BARE)
    """what is looked at, and how"""
    episodes: Positive = 1024
    """episodes; train.batch of them are looked at side by side"""
    views: Annotated[int, tyro.conf.arg(metavar="INT")] = 0
    """views of an episode (0: as many as training learns from, train.observed + 1)"""
    split: str = ""
    """split that is looked at (empty: the one that is trained on)"""
    id: str = ""
    """id of the dataset (empty: gazeworld/SCENARIO/POLICY-v0)"""
    out: Folder | None = None
    """folder of datasets; this one lies under its id in it (default: $MINARI_DATASETS_PATH, or ~/.minari/datasets)"""
    device: str = "auto"
    """auto, cpu, cuda …"""


@dataclass(frozen=True)
class ReplayArguments(Options):
    """Look into a Minari dataset of recorded streams, and prove that its environment gives the same, bit for bit."""

    dataset: Annotated[str, tyro.conf.Positional]
    """id of the dataset, or a folder that holds it"""


def record(words: list[str]) -> int:
    """`gazeworld data record`; returns the exit code."""
    found = named(words, "data record")
    if found is None:
        return 0 if words else 2
    chosen = found.parsed("data record", RecordArguments(found.scenario))
    from gazeworld.agents.runs.record_run import RecordChoices, record_streams

    console = Console()
    scenario = settled(found, with_policy(chosen.scenario, found.usual, Path()), console)
    choices = RecordChoices(chosen.episodes, chosen.views, chosen.split, chosen.id)
    try:
        with Progress(console, "recording", lines=False) as told:
            made = record_streams(found.name, scenario, choices, out=chosen.out, device=chosen.device, tick=told)
    except KeyboardInterrupt:
        say(console, "stopped; nothing was written")
        return STOPPED
    folder = Path(made.spec.data_path).parent
    say(console, f"written: {folder}: {made.total_episodes} episodes, {made.total_steps} actions, as {made.id}")
    say(console, f"to look into it: {typed('gazeworld', 'data', 'replay', folder)}")
    own = ("--data", found.own.data) if found.own is not None and found.own.data else ()
    say(console, f"to learn from it: {typed('gazeworld', 'train', words[0], *own, '--train.streams', folder)}")
    return 0


def replay(words: list[str]) -> int:
    """`gazeworld data replay`; returns the exit code: 0 proved or not to be proved here, 1 not the same."""
    chosen, console = parsed(ReplayArguments, words, "gazeworld data replay"), Console()
    from gazeworld.agents.training import recording
    from gazeworld.agents.training.recorded_streams import open_recorded
    from gazeworld.envs.files import DataError

    found = open_recorded(chosen.dataset)
    for line in _said(found):
        say(console, line)
    try:
        with Progress(console, "replaying", lines=False) as told:
            done = recording.replay(found, told)
    except recording.DiffersError as error:
        return fail(str(error), 1)
    except (DataError, ValueError, OSError) as error:
        say(console, f"not replayed, its environment cannot be made here: {error}")
        return 0
    say(console, f"replayed: views, poses, actions, labels and scenes of all {done} episodes are the same, bit for bit")
    return 0


def _said(found: "Recorded") -> list[str]:
    """What is in a dataset."""
    streams, about = found.streams, found.about
    policy = dict(about.get("policy") or {"name": "unknown"})
    options = ",".join(f"{key}={value}" for key, value in policy.items() if key != "name")
    looked = policy["name"] + (f":{options}" if options else "")
    c, h, w = streams.views.shape[2:]
    size = sum(file.stat().st_size for file in found.path.iterdir()) / 1e6
    labelled = int((streams.labels >= 0).sum())
    classes = f"{len(streams.labels.unique())} classes" if labelled else "no labels"
    environment = "unknown" if found.spec is None else found.spec.id
    return [
        f"{found.name}: {len(found)} episodes of {streams.length} views of {h} × {w} × {c}, {size:.1f} MB in "
        f"{found.path}",
        f"environment: {environment}, split {about.get('split', 'unknown')}: {len(streams.scenes.unique())} scenes, "
        f"{classes}",
        f"looked at by: {looked}, seed {about.get('seed', 'unknown')}",
    ]
