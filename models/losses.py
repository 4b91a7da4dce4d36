"""Losses of joint-embedding methods: pure functions of embeddings, one row per stream.

Where a loss compares rows with one another (contrast, variance, covariance), it does so over the batches of all
processes of a distributed run; `gather` says how gradients come out right. Everything is computed in single precision.
"""

from typing import Any

import torch
import torch.distributed as distributed
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

_STILL = 1e-8
"""Squared length below which a displacement on the unit sphere has no direction."""


class _Gather(torch.autograd.Function):
    """Rows of all processes; what every process wants of a row comes back to the process that it came from."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        """Concatenate in the order of ranks."""
        parts = [torch.empty_like(rows) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, rows)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Sum over processes, then cut out the own rows."""
        wanted = gradients[0].clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(wanted)
        return wanted.chunk(distributed.get_world_size())[distributed.get_rank()]


def processes() -> int:
    """How many processes share the batch: 1 unless torch.distributed is initialised."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def gather(rows: Float[Tensor, "b d"]) -> Float[Tensor, "n d"]:
    """The rows of all processes in the order of ranks, with gradient; the rows themselves where there is one process.

    Every process must call it with equally many rows. Gradients are summed over processes, so that the average over
    processes that DistributedDataParallel takes of the parameters' gradients is the gradient of the average of all
    processes' losses: that of one process with the whole batch.
    """
    return _Gather.apply(rows.contiguous()) if processes() > 1 else rows  # type: ignore[no-any-return]


def nt_xent(one: Float[Tensor, "b d"], other: Float[Tensor, "b d"], temperature: float = 0.5) -> Float[Tensor, ""]:
    """Cross-entropy of finding the partner among all other rows by cosine / temperature (SimCLR, equation 1).

    Row i of `one` and row i of `other` are partners; the 2n − 2 rows that are neither the row itself nor its partner
    are what it could be mistaken for. The mean over both directions of all pairs. SEN and EquiMod take it between
    predicted and actual embeddings. Raises ValueError for a single pair or a temperature that is not positive.
    """
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}, expected a positive number")
    b, own = len(one), torch.arange(len(one), device=one.device)
    one, other = F.normalize(one.float(), dim=-1), F.normalize(other.float(), dim=-1)
    ones, others = gather(torch.cat([one, other], dim=-1)).tensor_split(2, dim=-1)  # n d
    n = len(ones)
    _require_rows(n, "contrast")
    if n > b:
        own = own + b * distributed.get_rank()
    itself, partner = torch.cat([own, own + n]), torch.cat([own + n, own])  # 2b
    with torch.autocast(one.device.type, enabled=False):
        scores = torch.cat([one, other]) @ torch.cat([ones, others]).T / temperature  # 2b 2n
    return F.cross_entropy(scores.scatter(1, itself[:, None], -torch.inf), partner)


def cosine(predicted: Float[Tensor, "b d"], target: Float[Tensor, "b d"]) -> Float[Tensor, ""]:
    """One minus the cosine, the mean over rows (equation 5 of the seq-JEPA paper)."""
    return 1 - F.cosine_similarity(predicted.float(), target.float(), dim=-1).mean()


def byol(predicted: Float[Tensor, "b d"], target: Float[Tensor, "b d"]) -> Float[Tensor, ""]:
    """Squared distance of the normalised rows, 2 − 2 cos, the mean over rows (BYOL, equation 2)."""
    return 2 * cosine(predicted, target)


def invariance(one: Float[Tensor, "b d"], other: Float[Tensor, "b d"]) -> Float[Tensor, ""]:
    """Mean squared difference over rows and components.

    VICReg's equation 5 sums over components; its code and those of SIE and seq-JEPA, for which the papers' weights are
    meant, take the mean. The same holds for the halves of `vicreg`'s variance.
    """
    return F.mse_loss(one.float(), other.float())


def variance(rows: Float[Tensor, "b d"]) -> Float[Tensor, ""]:
    """How far the standard deviation of components falls short of 1, the mean over components (VICReg, equation 1).

    ε = 1e-4 beneath the root, as there. Raises ValueError for a single row.
    """
    rows = gather(rows.float())
    _require_rows(len(rows), "variance")
    return F.relu(1 - (rows.var(dim=0) + 1e-4).sqrt()).mean()


def covariance(rows: Float[Tensor, "b d"]) -> Float[Tensor, ""]:
    """Squares of the covariances of different components, summed and divided by d (VICReg, equation 4).

    Raises ValueError for a single row.
    """
    rows = gather(rows.float())
    _require_rows(len(rows), "covariance")
    rows = rows - rows.mean(dim=0)
    with torch.autocast(rows.device.type, enabled=False):
        squares = (rows.T @ rows / (len(rows) - 1)).square()  # d d
    return (squares.sum() - squares.diagonal().sum()) / rows.shape[1]


def vicreg(one: Float[Tensor, "b d"], other: Float[Tensor, "b d"]) -> dict[str, Float[Tensor, ""]]:
    """The three terms of VICReg, unweighted: variance is the mean over the two views, covariance their sum."""
    return {
        "invariance": invariance(one, other),
        "variance": (variance(one) + variance(other)) / 2,
        "covariance": covariance(one) + covariance(other),
    }


def trajectory(
    first: Float[Tensor, "b d"], middle: Float[Tensor, "b d"], last: Float[Tensor, "b d"]
) -> Float[Tensor, ""]:
    """How little three views lie on a straight path: minus the cosine of its two legs (Wang et al. 2024, equation 2).

    Embeddings are put on the unit sphere, and the legs first → middle → last into the tangent plane of the middle
    one. From −1 (straight) to 1 (there and back); a leg of no length counts as 0 and has no gradient.
    """
    first, middle, last = (F.normalize(view.float(), dim=-1) for view in (first, middle, last))
    legs = [leg - (leg * middle).sum(-1, keepdim=True) * middle for leg in (middle - first, last - middle)]
    lengths = [leg.square().sum(-1) for leg in legs]
    still = (lengths[0] < _STILL) | (lengths[1] < _STILL)
    scale = torch.where(still, 1.0, lengths[0] * lengths[1]).sqrt()
    return -torch.where(still, 0.0, (legs[0] * legs[1]).sum(-1) / scale).mean()


def equimod(
    views: tuple[Float[Tensor, "b d"], Float[Tensor, "b d"]],
    predicted: Float[Tensor, "b e"],
    actual: Float[Tensor, "b e"],
    temperature: float = 0.1,
) -> dict[str, Float[Tensor, ""]]:
    """EquiMod on SimCLR: contrast of two invariant projections, and of a predicted and an actual equivariant one.

    Unweighted; temperature as in appendix A.3 of the seq-JEPA paper.
    """
    return {
        "invariance": nt_xent(*views, temperature),
        "equivariance": nt_xent(predicted, actual, temperature),
    }


def sie(
    invariant: tuple[Float[Tensor, "b d"], Float[Tensor, "b d"]],
    equivariant: tuple[Float[Tensor, "b e"], Float[Tensor, "b e"]],
    predicted: Float[Tensor, "b e"],
) -> dict[str, Float[Tensor, ""]]:
    """The terms of SIE, unweighted (Garrido et al. 2023, section 4).

    The invariant halves of two views shall agree, and the equivariant half predicted from the first view with the
    second view's. Variance and covariance are VICReg's over both halves together, so that they do not repeat each
    other; half the variance term of the prediction is added, which keeps the predictor from ignoring its input.
    """
    one, other = (
        torch.cat([still.float(), moved.float()], dim=-1) for still, moved in zip(invariant, equivariant, strict=True)
    )
    terms = vicreg(one, other)
    return {
        "invariance": invariance(*invariant),
        "equivariance": invariance(predicted, equivariant[1]),
        "variance": terms["variance"] + variance(predicted) / 2,
        "covariance": terms["covariance"],
    }


def weighted(terms: dict[str, Float[Tensor, ""]], weights: dict[str, float]) -> Float[Tensor, ""]:
    """The sum of terms by their weights. Raises KeyError unless both name the same terms."""
    if terms.keys() != weights.keys():
        raise KeyError(f"terms {sorted(terms)} but weights {sorted(weights)}")
    return torch.stack([weights[name] * term for name, term in terms.items()]).sum()


def _require_rows(n: int, what: str) -> None:
    if n < 2:
        raise ValueError(f"a batch of {n} stream has no {what}: expected at least 2 streams")
