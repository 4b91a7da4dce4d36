"""Arguments of the commands that put runs beside each other, typed; imports no torch."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro
from annotated_types import Interval

from gazeworld.envs.validation import Amount, Layers, Natural, Options, Positive, Seed, Views

from ._places import File, Folder


@dataclass(frozen=True)
class TableArguments(Options):
    """Runs beside each other: the columns of the paper's Tables 1 to 4 and 12, mean ± std over seeds.

    Runs that differ in the seed alone are one row; an untrained baseline and, where the scenario names a data set of
    the paper, the paper's own numbers stand below. Scenarios may be mixed: each is printed with its own columns; a file
    has them all, and – where a scenario did not measure what another did.
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN …")]
    """folders of runs, or folders of such folders"""
    out: File | None = None
    """also write OUT.md, OUT.csv and OUT.tex; with one of these endings that file alone; in a folder table.*"""
    columns: Literal["all", "1", "2", "3", "4", "12"] = "all"
    """a table of the paper, or everything that was measured"""
    views: tuple[Views, ...] = ()
    """numbers of views M_val for top-1 on the aggregate (none: 1, 3, 5 and as many as were trained on)"""
    paper: Literal["matching", "all", "none"] = "matching"
    """the paper's rows: of the methods and conditionings that are there, all of its data set, or none"""
    ridge: bool = False
    """R² of the linear read-out in closed form instead of the paper's read-outs"""


@dataclass(frozen=True)
class ReportArguments(Options):
    """One HTML page of a run or of several side by side: it holds its figures and opens anywhere, offline."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN …")]
    """folders of runs, or folders of such folders"""
    out: File | None = None
    """file to write (default: RUN/report.html; needed for several runs)"""


@dataclass(frozen=True)
class SweepArguments(Options):
    """Train and probe scenarios × methods × numbers of views × seeds, then put them in a table.

    What is unfinished is resumed, what is done is skipped: the same command goes on after Ctrl-C, a kill or a failure.
    A run that fails does not stop the others; the exit code is then 1, after Ctrl-C 130.
    """

    scenarios: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SCENARIO …")]
    """scenarios, with or without :variant"""
    methods: str = ""
    """methods in the scenario's place, separated by commas (empty: its own)"""
    seeds: str = "0"
    """seeds, separated by commas"""
    observed: str = ""
    """values of M_tr, separated by commas (empty: the scenario's, or the nearest that the method can learn from)"""
    changes: Annotated[tuple[str, ...], tyro.conf.arg(name="set")] = field(default_factory=tuple)
    """further settings of all runs, as in train.steps=300 probe.views=4; byol:train.lr=1e-3 is for BYOL's runs alone"""
    runs: Folder = Path("runs")
    """folder of all runs"""
    figures: Folder = Path("figures")
    """folder for heat maps of M_tr against M_val"""
    device: str = "auto"
    """auto, cpu, cuda, mps, cuda:1 …"""


@dataclass(frozen=True)
class CompareArguments(Options):
    """One frozen world model, fixation policies swapped: accuracy against glimpses, intervals, figures, verdicts.

    Runs are seeds of one scenario: each is compared for itself, and they are averaged. Streams that were made are kept
    in OUT/kept, so the same command goes on where it stopped.
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN …")]
    """folders of runs, or folders of such folders"""
    policies: str = ""
    """policies, separated by commas (empty: all controls, planners and the oracle); saliency always takes part"""
    learned: Annotated[tuple[str, ...], tyro.conf.arg(metavar="POLICY …")] = ()
    """learnt policies: names in RUN/policies, or folders; {seed} and {run} stand for those of each run; as many folders
    as runs are one each"""
    versus: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="RUN …")] = ()
    """runs trained with another policy, as many as runs: the 2 x 2 of trained with x tested with, and T3"""
    views: Annotated[int, Interval(ge=2, le=2**12)] = 5
    """largest number of glimpses M"""
    scenes: Natural = 2000
    """scenes on which probes are trained, spread evenly over their split (0: all)"""
    test_scenes: Natural = 2000
    """scenes on which probes are scored (0: all)"""
    shared: Literal["controls", "uniform", "all"] = "controls"
    """whose streams the shared probe is trained on (all: everybody but the oracle)"""
    deterministic: bool = True
    """learnt policies take the likeliest action instead of drawing one"""
    resamples: Annotated[int, Interval(ge=1, le=2**20)] = 2000
    """resamples of the paired bootstrap over test images"""
    out: Folder | None = None
    """folder for compare.json and figures (default: RUN/compare of the first run)"""
    seed: Seed = 0
    """seed of fixations, probes and bootstrap"""
    device: str = "auto"
    """auto, cpu, cuda, mps, cuda:1 …"""


@dataclass(frozen=True)
class HeadsArguments(Options):
    """Fit the ensemble of predictor heads and the label head that planners need; they land in RUN/heads."""

    run: Annotated[Path, tyro.conf.Positional]
    """folder of a run"""
    heads: Layers = 5
    """predictor heads"""
    hidden: Annotated[int, Interval(ge=0, le=2**15)] = 0
    """hidden units of each (0: as the run's predictor)"""
    epochs: Positive = 20
    """passes over the streams for predictor heads"""
    label_epochs: Natural = 50
    """passes for the label head (0: no label head)"""
    scenes: Natural = 4000
    """scenes that are looked at, with uniform fixations (0: all)"""
    out: Folder | None = None
    """folder to write (default: RUN/heads)"""
    seed: Seed = 0
    """everything random follows from it"""
    device: str = "auto"
    """auto, cpu, cuda …"""


@dataclass(frozen=True)
class ReachArguments(Options):
    """Can a place be found whose embedding is given? Planning in the latent space beside what needs no model."""

    run: Annotated[Path, tyro.conf.Positional]
    """folder of a run"""
    saccades: Annotated[int, Interval(ge=0, le=2**12)] = 0
    """actions until the goal has to be reached (0: 3, or 5 among the stored views of an object)"""
    within: Amount = 0.0
    """largest distance in pixels that counts as reached (0: a twelfth of the image side, 8 px of 96)"""
    seen: Views = 1
    """views looked at before the goal is given"""
    planner: Literal["grid", "cem", "mppi"] = "grid"
    """how the models' plans are made"""
    scenes: Natural = 512
    """test scenes, spread evenly (0: all)"""
    out: Folder | None = None
    """folder for reach.json and reach.png (default: RUN and RUN/figures)"""
    seed: Seed = 0
    """seed of first views, goals and policies"""
    device: str = "auto"
    """auto, cpu, cuda …"""


@dataclass(frozen=True)
class ImagineArguments(Options):
    """How far a world model can be rolled forward from its own predictions: error against horizon."""

    run: Annotated[Path, tyro.conf.Positional]
    """folder of a run"""
    seen: Annotated[int, Interval(ge=0, le=2**12)] = 0
    """views that are looked at first (0: as many as in training)"""
    horizon: Views = 4
    """views that are imagined"""
    scenes: Natural = 1000
    """test scenes, spread evenly (0: all)"""
    out: Folder | None = None
    """folder for imagine.json and imagine.png (default: RUN and RUN/figures)"""
    seed: Seed = 0
    """seed of fixations"""
    device: str = "auto"
    """auto, cpu, cuda …"""
