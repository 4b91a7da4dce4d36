"""How well each fixation is predicted from those before it: log-likelihood, normalised scan path saliency, AUC.

Log-likelihood is the only one of them that punishes too much confidence as well as too little. Since one impossible
fixation would cost everything, a policy is scored as looking anywhere now and then (a lapse); a policy that takes the
best by what a model foresees has a temperature, too. Both are fitted to other images. NSS is (p - mean) / standard
deviation over all places (Peters et al. 2005). AUC is the share of all places that are less likely than the one that
was looked at, those that are as likely counting half, as in pysaliency with uniform nonfixations. Neither depends on
lapses, and AUC does not depend on temperature.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from ..probes.features import Tick, quiet
from .contenders import Contender
from .cross_fitting import cross_fitted, folds_of
from .observed import Observed

LAPSES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)
"""How often a policy may look anywhere."""
TEMPERATURES = tuple(2.0**k for k in range(3, -13, -1))
"""What worth may be divided by before the softmax."""


@dataclass(frozen=True)
class FixationScores:
    """Scores of f fixations, in the order of `Observed.rows`; NaN where nothing was said.

    `log_p` in nats. `parameters` are what was fitted for each fold. `impossible` is the share of fixations to which the
    policy itself gave no probability at all.
    """

    log_p: Float64[Tensor, " f"]
    nss: Float64[Tensor, " f"]
    auc: Float64[Tensor, " f"]
    parameters: list[dict[str, float]]
    impossible: float


def score_fixations(contender: Contender, seen: Observed, tick: Tick = quiet) -> FixationScores:
    """Score every fixation given the person's own history."""
    temperatures = TEMPERATURES if contender.tempered else (1.0,)
    log_p, nss, auc, done = [], [], [], 0
    for rows in seen.rows():
        density, target = contender.log_density(rows), seen.target(rows)
        tempered = [(density / t).flatten(1).double().log_softmax(1) for t in temperatures]
        cell = target[:, :1] * seen.lattice.count + target[:, 1:]
        log_p.append(torch.stack([one.gather(1, cell)[:, 0] for one in tempered]))
        nss.append(torch.stack([nss_of(one.exp(), cell[:, 0]) for one in tempered]))
        auc.append(auc_of(density.flatten(1), cell[:, 0]))
        done += len(target)
        tick(f"fixations: {contender.name}", done, seen.count)
    return _fitted(contender, seen, torch.cat(log_p, 1), torch.cat(nss, 1), torch.cat(auc), temperatures)


def _fitted(
    contender: Contender,
    seen: Observed,
    log_p: Float64[Tensor, "s f"],
    nss: Float64[Tensor, "s f"],
    auc: Float64[Tensor, " f"],
    temperatures: tuple[float, ...],
) -> FixationScores:
    """Temperature and lapse of every fold, where they are to be fitted."""
    impossible = float((log_p[0] == -math.inf).double().mean())
    if not contender.fitted:
        return FixationScores(log_p[0], nss[0], auc, contender.parameters, impossible)
    folds, even = folds_of(seen.scenes)[seen.path], 1 / seen.lattice.count**2
    settings = list(product(range(len(temperatures)), LAPSES))
    p = log_p.exp()

    def tried() -> Iterator[tuple[tuple[int, float], Float64[Tensor, " f"]]]:
        for i, lapse in settings:
            yield (i, lapse), ((1 - lapse) * p[i] + lapse * even).log()

    chosen = cross_fitted(tried(), folds)
    kept = torch.tensor([i for i, _ in chosen.settings])[folds]
    lapses = torch.tensor([lapse for _, lapse in chosen.settings], dtype=torch.float64)[folds]
    each = torch.arange(len(folds))
    found = ((1 - lapses) * p[kept, each] + lapses * even).log()
    parameters = [
        ({"temperature": temperatures[i]} if contender.tempered else {}) | {"lapse": lapse}
        for i, lapse in chosen.settings
    ]
    return FixationScores(found, nss[kept, each], auc, parameters, impossible)


def nss_of(p: Float64[Tensor, "b c"], cell: Int64[Tensor, " b"]) -> Float64[Tensor, " b"]:
    """Normalised scan path saliency of one cell of each map; 0 where a map is the same everywhere."""
    mean, deviation = p.mean(1), p.std(1, correction=0)
    above = p[torch.arange(len(p)), cell] - mean
    flat = deviation <= 1e-9 * mean  # what rounding leaves; false of NaN
    return torch.where(flat, 0.0, above / deviation)


def auc_of(values: Float32[Tensor, "b c"], cell: Int64[Tensor, " b"]) -> Float64[Tensor, " b"]:
    """The share of all cells with a smaller value than one cell, equal ones counting half."""
    there = values[torch.arange(len(values)), cell][:, None]
    share = ((values < there).double() + 0.5 * (values == there).double()).mean(1)
    return torch.where(there[:, 0].isnan(), torch.nan, share)
