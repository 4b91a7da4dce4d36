"""The paper's own numbers (arXiv 2505.03176, Tables 1 to 4, 7 and 12), for tables in which runs stand beside them.

A scenario names the data set whose numbers belong beside its runs by a line at the top of its file, `paper = NAME`:
3diebench, stl10, cifar100 or tiny-imagenet. Baselines were probed on encoder outputs, which is our column z_1;
seq-JEPA on aggregates. Where the paper's tables differ from one another (top-1 of one model is 86.14 in Table 1 and
85.32 in Table 12), each stands under its own number. Scores of Table 4 are over three seeds.
"""

from collections.abc import Callable, Sequence

from gazeworld.agents.run_folder import aggregate
from gazeworld.agents.runs.records import NONE

from .rows import COLUMNS, Row, Score

_ROTATION = """
1 | method           | conditioning | M_tr | settings | z_1 | M=1 | M=3 | M=5 | relative rotation | absolute rotation
  | byol             | –   |   |         | 82.90 |       |       |       | 0.12 | 0.25
  | simclr           | –   |   |         | 81.13 |       |       |       | 0.35 | 0.54
  | vicreg           | –   |   |         | 80.48 |       |       |       | 0.20 | 0.36
  | vicreg-traj      | –   |   |         | 81.26 |       |       |       | 0.27 | 0.43
  | sen              | rot |   |         | 83.43 |       |       |       | 0.35 | 0.57
  | equimod          | rot |   |         | 84.29 |       |       |       | 0.32 | 0.55
  | sie              | rot |   |         | 77.49 |       |       |       | 0.58 | 0.62
  | conditional-byol | rot |   |         | 82.61 |       |       |       | 0.31 | 0.47
  | contextssl       | rot |   | c = 126 | 80.40 |       |       |       | 0.74 | 0.78
  | seq-jepa         | rot | 1 |         |       | 84.08 | 85.31 |       | 0.65 | 0.69
  | seq-jepa         | rot | 3 |         |       |       | 86.14 | 87.41 | 0.71 | 0.74
  | seq-jepa         | –   | 3 |         |       |       | 86.05 |       | 0.29 | 0.37
4 | method   | conditioning           | M_tr | settings         | M=5         | relative rotation
  | seq-jepa | –                      | 3    |                  | 87.36 ± 0.7 | 0.29 ± 0.04
  | seq-jepa | rot (transformer only) | 3    |                  | 87.17 ± 0.3 | 0.37 ± 0.06
  | seq-jepa | rot (predictor only)   | 3    |                  | 86.33 ± 0.1 | 0.53 ± 0.05
  | seq-jepa | rot                    | 3    | action_width=16  | 86.29 ± 0.4 | 0.70 ± 0.01
  | seq-jepa | rot                    | 3    | action_width=64  | 87.11 ± 0.2 | 0.70 ± 0.02
  | seq-jepa | rot                    | 3    | action_width=128 | 87.41 ± 0.5 | 0.71 ± 0.02
  | seq-jepa | rot                    | 3    | action_width=256 | 87.26 ± 0.6 | 0.72 ± 0.00
7 | method           | conditioning | M_tr | z_1   | M=5     | relative rotation | relative color
  | sen              | rotcolor     |      | 82.17 |         | 0.29              | 0.96
  | equimod          | rotcolor     |      | 82.58 |         | 0.27              | 0.95
  | conditional-byol | rotcolor     |      | 81.95 |         | 0.38              | 0.94
  | sie              | rotcolor     |      | 75.34 |         | 0.46              | 0.97
  | seq-jepa         | rotcolor     | 4    |       | 79.31   | 0.52              | 0.97
12 | method   | conditioning | M_tr | z_1   | M=1     | M=3     | M=5
   | seq-jepa | –            | 3    | 80.91 | 81.61   | 86.05   | 87.36
   | seq-jepa | rot          | 1    | 84.88 | 84.08   | 85.34   | 85.31
   | seq-jepa | rot          | 3    | 82.49 | 81.72   | 85.32   | 87.41
   | seq-jepa | rotcolor     | 4    | 74.88 | 71.14   | 75.97   | 79.31
"""

_SACCADES = """
3 | method    | conditioning | M_tr | variant            | settings      | z_1   | M=4     | M=6     | relative position
  | simclr    | –            |      |                    | augmented     | 85.23 |         |         | -0.06
  | conv-jepa | position     | 4    |                    | no aggregator |       | 80.04   |         | 0.80
  | seq-jepa  | –            | 4    | no-conditioning    |               |       | 70.45   |         | 0.38
  | seq-jepa  | position     | 4    |                    |               |       | 83.44   | 84.12   | 0.80
  | seq-jepa  | position     | 4    | no-saliency-no-ior |               |       | 79.85   |         | 0.88
  | seq-jepa  | position     | 4    | no-ior             |               |       | 77.97   |         | 0.85
12 | method   | conditioning | M_tr | variant         | settings    | z_1   | M=1     | M=3     | M=5
   | seq-jepa | –            | 4    | no-conditioning |             | 61.38 | 62.21   | 69.06   | 70.45
   | seq-jepa | position     | 4    |                 |             | 81.20 | 71.45   | 81.53   | 83.44
   | seq-jepa | position     | 4    |                 | no saliency | 79.29 | 63.14   | 76.93   | 79.85
   | seq-jepa | position     | 4    | no-ior          |             | 72.49 | 68.95   | 76.84   | 77.97
"""

_CIFAR100 = """
2 | method           | conditioning | M_tr | z_1   | M=5     | relative crop | relative jitter | relative blur
  | simclr           | –      |   | 61.72 |       | 0.56 | 0.18 | 0.04
  | byol             | –      |   | 62.17 |       | 0.39 | 0.05 | -0.01
  | vicreg           | –      |   | 61.35 |       | 0.49 | 0.11 | -0.06
  | vicreg-traj      | –      |   | 61.07 |       | 0.46 | 0.14 | 0.02
  | sen              | all    |   | 61.94 |       | 0.65 | 0.51 | 0.85
  | equimod          | all    |   | 61.80 |       | 0.59 | 0.49 | 0.74
  | sie              | all    |   | 58.81 |       | 0.34 | 0.26 | 0.53
  | conditional-byol | all    |   | 60.63 |       | 0.56 | 0.46 | 0.73
  | sen              | crop   |   | 61.56 |       | 0.66 | 0.15 | 0.10
  | equimod          | crop   |   | 61.77 |       | 0.62 | 0.15 | 0.01
  | sie              | crop   |   | 57.55 |       | 0.69 | 0.11 | 0.25
  | conditional-byol | crop   |   | 60.17 |       | 0.55 | 0.10 | -0.01
  | sen              | jitter |   | 61.78 |       | 0.50 | 0.52 | 0.02
  | equimod          | jitter |   | 61.53 |       | 0.44 | 0.50 | -0.02
  | sie              | jitter |   | 59.29 |       | 0.48 | 0.59 | 0.06
  | conditional-byol | jitter |   | 61.30 |       | 0.36 | 0.52 | 0.02
  | sen              | blur   |   | 61.47 |       | 0.43 | 0.15 | 0.84
  | equimod          | blur   |   | 62.72 |       | 0.41 | 0.15 | 0.74
  | sie              | blur   |   | 57.66 |       | 0.40 | 0.07 | 0.71
  | conditional-byol | blur   |   | 60.74 |       | 0.36 | 0.11 | 0.69
  | seq-jepa         | all    | 1 |       | 52.90 | 0.77 | 0.52 | 0.23
  | seq-jepa         | all    | 2 |       | 60.17 | 0.78 | 0.64 | 0.88
  | seq-jepa         | all    | 3 |       | 58.33 | 0.79 | 0.63 | 0.92
  | seq-jepa         | crop   | 2 |       | 59.32 | 0.78 | 0.01 | 0.10
  | seq-jepa         | jitter | 3 |       | 58.62 | 0.68 | 0.68 | 0.29
  | seq-jepa         | blur   | 3 |       | 56.82 | 0.71 | 0.15 | 0.74
  | seq-jepa         | –      | 2 |       | 58.37 | 0.64 | 0.14 | 0.16
12 | method   | conditioning | M_tr | z_1   | M=1     | M=3     | M=5
   | seq-jepa | –            | 2    | 53.00 | 51.60   | 57.05   | 58.37
   | seq-jepa | all          | 1    | 56.23 | 54.24   | 52.90   | 52.92
   | seq-jepa | all          | 2    | 52.07 | 53.07   | 59.34   | 60.35
   | seq-jepa | all          | 3    | 46.31 | 49.48   | 57.60   | 58.33
   | seq-jepa | crop         | 2    | 52.62 | 52.06   | 58.07   | 59.32
   | seq-jepa | jitter       | 3    | 54.92 | 50.21   | 57.20   | 58.62
   | seq-jepa | blur         | 3    | 51.41 | 48.69   | 55.54   | 56.72
"""

_TINY_IMAGENET = """
2 | method           | conditioning | M_tr | z_1   | M=5     | relative crop | relative jitter | relative blur
  | simclr           | –      |   | 34.29 |       | 0.30 | 0.08 | 0.13
  | byol             | –      |   | 35.70 |       | 0.17 | 0.01 | 0.16
  | vicreg           | –      |   | 35.29 |       | 0.31 | 0.05 | 0.19
  | vicreg-traj      | –      |   | 34.95 |       | 0.28 | 0.09 | 0.16
  | sen              | all    |   | 36.01 |       | 0.24 | 0.48 | 0.87
  | equimod          | all    |   | 36.75 |       | 0.38 | 0.46 | 0.86
  | sie              | all    |   | 31.37 |       | 0.26 | 0.56 | 0.88
  | conditional-byol | all    |   | 35.49 |       | 0.34 | 0.54 | 0.87
  | sen              | crop   |   | 35.95 |       | 0.24 | 0.11 | 0.49
  | equimod          | crop   |   | 36.83 |       | 0.26 | 0.12 | 0.30
  | sie              | crop   |   | 32.38 |       | 0.34 | 0.05 | 0.14
  | conditional-byol | crop   |   | 37.07 |       | 0.22 | 0.01 | 0.24
  | sen              | jitter |   | 36.59 |       | 0.26 | 0.50 | 0.21
  | equimod          | jitter |   | 37.18 |       | 0.20 | 0.52 | 0.29
  | sie              | jitter |   | 34.37 |       | 0.39 | 0.62 | 0.35
  | conditional-byol | jitter |   | 37.93 |       | 0.24 | 0.62 | 0.30
  | sen              | blur   |   | 34.62 |       | 0.16 | 0.08 | 0.79
  | equimod          | blur   |   | 36.12 |       | 0.24 | 0.10 | 0.91
  | sie              | blur   |   | 31.00 |       | 0.26 | 0.05 | 0.85
  | conditional-byol | blur   |   | 36.17 |       | 0.19 | 0.02 | 0.85
  | seq-jepa         | all    | 1 |       | 37.10 | 0.64 | 0.49 | 0.89
  | seq-jepa         | all    | 2 |       | 35.56 | 0.69 | 0.42 | 0.93
  | seq-jepa         | all    | 3 |       | 34.85 | 0.67 | 0.64 | 0.96
  | seq-jepa         | crop   | 2 |       | 35.74 | 0.70 | 0.12 | 0.46
  | seq-jepa         | jitter | 3 |       | 35.21 | 0.60 | 0.66 | 0.62
  | seq-jepa         | blur   | 3 |       | 35.79 | 0.58 | 0.22 | 0.97
  | seq-jepa         | –      | 2 |       | 35.97 | 0.52 | 0.18 | 0.47
12 | method   | conditioning | M_tr | z_1   | M=1     | M=3     | M=5
   | seq-jepa | –            | 2    | 32.84 | 30.48   | 35.03   | 35.97
   | seq-jepa | all          | 1    | 33.03 | 32.34   | 36.14   | 37.07
   | seq-jepa | all          | 2    | 27.20 | 30.57   | 34.99   | 35.56
   | seq-jepa | all          | 3    | 24.74 | 28.84   | 33.78   | 34.68
   | seq-jepa | crop         | 2    | 31.13 | 30.89   | 35.07   | 35.69
   | seq-jepa | jitter       | 3    | 31.85 | 29.05   | 34.27   | 35.21
   | seq-jepa | blur         | 3    | 27.20 | 28.83   | 34.82   | 35.79
"""

_KEYS = {f"M={m}": aggregate(m) for m in range(1, 9)}
_DATA = {"3diebench": _ROTATION, "stl10": _SACCADES, "cifar100": _CIFAR100, "tiny-imagenet": _TINY_IMAGENET}


def paper_rows(own: Sequence[Row], columns: str, data_of: Callable[[str], str], *, everything: bool) -> list[Row]:
    """The paper's rows for the scenarios that name one of its data sets, of one of its tables or of all.

    `data_of` gives the name of that data set, or "", by the scenario's name without the variant. Without `everything`,
    of methods and conditionings that stand among the runs. Raises ValueError for a table and a data set that there is
    not.
    """
    if columns not in COLUMNS:
        raise ValueError(f"unknown table {columns!r}; there are: {', '.join(COLUMNS)}")
    found = []
    for base in dict.fromkeys(row.base for row in own):
        there = {(row.method, row.conditioning) for row in own if row.base == base}
        data = data_of(base)
        for row in rows_of(data, base) if data else ():
            if columns in ("all", row.table) and (everything or (row.method, row.conditioning) in there):
                found.append(row)
    return found


def rows_of(data: str, scenario: str) -> list[Row]:
    """The paper's rows on a data set, as rows of a scenario. Raises ValueError for a data set that it has not."""
    if data not in _DATA:
        raise ValueError(f"scenario {scenario!r}: no numbers of the paper on {data!r}; there are: {', '.join(_DATA)}")
    found: list[Row] = []
    table, keys = "", list[str]()
    for line in _DATA[data].strip().splitlines():
        first, *cells = (part.strip() for part in line.split("|"))
        if first:  # the head of a table
            table, keys = first, [_KEYS.get(name, name) for name in cells]
        else:
            found.append(_row(scenario, table, dict(zip(keys, cells, strict=True))))
    return found


def _row(scenario: str, table: str, cells: dict[str, str]) -> Row:
    method, conditioning, observed = (cells.pop(name) for name in ("method", "conditioning", "M_tr"))
    settings, variant = (cells.pop(name, "") for name in ("settings", "variant"))
    return Row(
        scenario=f"{scenario}:{variant}" if variant else scenario,
        conditioning=conditioning or NONE,
        method=method,
        kind="paper",
        settings=settings,
        observed=int(observed) if observed else None,
        scores={name: _score(text) for name, text in cells.items() if text},
        table=table,
    )


def _score(text: str) -> Score:
    mean, _, std = text.partition(" ± ")
    return Score(float(mean), float(std), 3) if std else Score(float(mean))
