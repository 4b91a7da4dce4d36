"""The collapse monitor: whether embeddings still spread, whatever the loss says."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


class NonFiniteEmbeddingsError(ValueError):
    """Embeddings are NaN or infinite, so that nothing can be said of how they spread."""


def require_finite(embeddings: Float[Tensor, "n d"]) -> None:
    """Raise NonFiniteEmbeddingsError, with their number, if there are embeddings that are not finite."""
    bad = int((~torch.isfinite(embeddings)).any(dim=-1).sum())
    if bad:
        raise NonFiniteEmbeddingsError(f"{bad} of {len(embeddings)} embeddings are not finite")


def effective_rank(embeddings: Float[Tensor, "n d"]) -> float:
    """Exponential of the entropy of the normalised singular values of the centred embeddings (Roy and Vetterli 2007).

    1 when everything lies on a line, min(n − 1, d) when variance is equal in all directions. Zero variance gives 0.
    Raises NonFiniteEmbeddingsError.
    """
    require_finite(embeddings)
    values = torch.linalg.svdvals((embeddings - embeddings.mean(0)).double())
    total = values.sum()
    if total <= 0:
        return 0.0
    shares = values / total
    return float(torch.exp(torch.special.entr(shares).sum()))


def spread(embeddings: Float[Tensor, "n d"]) -> float:
    """Mean standard deviation of unit-length embeddings, times √d: 1 for an isotropic cloud, 0 after collapse.

    Raises NonFiniteEmbeddingsError.
    """
    require_finite(embeddings)
    unit = F.normalize(embeddings.float(), dim=-1)
    return float(unit.std(0).mean() * embeddings.shape[1] ** 0.5)
