"""The length of training against the length of inference: the heat maps of Figures 7 and 8 of the paper."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.table import Table

from gazeworld.agents.run_folder import aggregate
from gazeworld.agents.runs.records import NONE

from .figures import new
from .rows import Row, Score
from .tables import new_table

_LINES = {"relative": "-o", "absolute": "--s"}
_FLOOR = -0.25  # R² below this is drawn at the edge: how far below says nothing


@dataclass(frozen=True)
class Grid:
    """Rows that differ in M_tr alone, ordered by it; every row has scores for some M_val."""

    rows: tuple[Row, ...]

    @property
    def title(self) -> str:
        """Scenario and method."""
        first = self.rows[0]
        words = [first.base, first.method, "" if first.conditioning == NONE else first.conditioning, first.settings]
        return ", ".join(word for word in words if word)

    @property
    def name(self) -> str:
        """The title as part of a file's name."""
        return "-".join("".join(c if c.isalnum() else " " for c in self.title).split())

    @property
    def observed(self) -> list[int]:
        """Values of M_tr."""
        return [row.observed for row in self.rows if row.observed is not None]

    @property
    def views(self) -> list[int]:
        """Values of M_val that any of the rows was probed with."""
        names = {name for row in self.rows for name in row.scores}
        return sorted(int(name.rpartition(" ")[2]) for name in names if name.startswith(aggregate(0)[:-1]))

    @property
    def quantities(self) -> list[str]:
        """What R² was measured of."""
        names = dict.fromkeys(name for row in self.rows for name in row.scores)
        return [name for name in names if name.partition(" ")[0] in _LINES]


def grids(rows: Sequence[Row]) -> list[Grid]:
    """All families of rows in which M_tr takes at least two values."""
    families: dict[str, dict[int, Row]] = {}
    for row in rows:
        if row.kind == "run" and row.observed is not None:
            families.setdefault(row.family, {}).setdefault(row.observed, row)
    return [Grid(tuple(row for _, row in sorted(found.items()))) for found in families.values() if len(found) > 1]


def table(grid: Grid) -> Table:
    """The numbers of a heat map, for the terminal and for pages."""
    made = new_table(
        f"Training length against inference length: {grid.title}",
        "top-1 (%) on the aggregate after M_val views, and R²; mean ± standard deviation (n − 1) over seeds",
        ("M_tr",),
        [f"M_val = {m}" for m in grid.views] + [f"R² {name}" for name in grid.quantities] + ["seeds"],
    )
    for row in grid.rows:
        top1 = [_text(row.scores.get(aggregate(m)), 1) for m in grid.views]
        read = [_text(row.scores.get(name), 3) for name in grid.quantities]
        made.add_row(str(row.observed), *top1, *read, str(len(row.seeds)))
    return made


def figure(grid: Grid) -> Figure:
    """Top-1 over M_tr and M_val as a heat map, and beside it R² over M_tr where it was measured."""
    width = 2.6 + 0.85 * len(grid.views)
    made = new(width + (4.2 if grid.quantities else 0), 1.9 + 0.55 * max(4, len(grid.rows)))
    shown = ([width] if grid.views else []) + ([4.2] if grid.quantities else [])
    panels = iter(made.subplots(1, len(shown), gridspec_kw={"width_ratios": shown}, squeeze=False)[0])
    if grid.views:
        _cells(next(panels), made, grid)
    if grid.quantities:
        _lines(next(panels), grid)
    made.suptitle(grid.title, fontsize=11)
    return made


def _cells(axes: Axes, made: Figure, grid: Grid) -> None:
    scores = [[row.scores.get(aggregate(m)) for m in grid.views] for row in grid.rows]
    values = np.array([[np.nan if score is None else score.mean for score in line] for line in scores])
    image = axes.imshow(values, cmap="viridis", aspect="auto", origin="lower")
    middle = (np.nanmin(values) + np.nanmax(values)) / 2
    for i, line in enumerate(scores):
        for j, score in enumerate(line):
            colour = "white" if score is not None and score.mean < middle else "black"
            spread = "" if score is None or score.std is None else f"\n± {score.std:.1f}"
            text = NONE if score is None else f"{score.mean:.1f}{spread}"
            axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(grid.views)), [str(m) for m in grid.views])
    axes.set_yticks(range(len(grid.rows)), [str(m) for m in grid.observed])
    axes.set_xlabel("views at inference, M_val")
    axes.set_ylabel("observed views in training, M_tr")
    axes.set_title("top-1 (%) on the aggregate", fontsize=10)
    made.colorbar(image, ax=axes, pad=0.02)


def _lines(axes: Axes, grid: Grid) -> None:
    whats = list(dict.fromkeys(name.partition(" ")[2] for name in grid.quantities))
    for name in grid.quantities:
        kind, _, what = name.partition(" ")
        found = [(m, row.scores[name]) for m, row in zip(grid.observed, grid.rows, strict=True) if name in row.scores]
        means = np.maximum([score.mean for _, score in found], _FLOOR)
        errors = [score.std or 0.0 for _, score in found]
        label = f"{'individual' if kind == 'absolute' else kind} {what}"
        colour = f"C{whats.index(what)}"
        axes.errorbar(
            [m for m, _ in found], means, errors, fmt=_LINES[kind], color=colour, ms=5, capsize=3, label=label
        )
        low = [m for m, score in found if score.mean < _FLOOR]
        if low:
            axes.plot(low, [_FLOOR] * len(low), "v", color=colour, ms=8, clip_on=False)
    axes.axhline(0, color="#616161", lw=1, ls=(0, (1, 1)))
    axes.set_ylim(_FLOOR, 1.05)
    axes.set_xticks(grid.observed)
    axes.set_xlabel("observed views in training, M_tr")
    axes.set_title("R² of read-outs from views", fontsize=10)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, frameon=False)


def _text(score: Score | None, digits: int) -> str:
    if score is None:
        return NONE
    return f"{score.mean:.{digits}f}" + ("" if score.std is None else f" ± {score.std:.{digits}f}")
