"""The sequence aggregator g of seq-JEPA: a small transformer encoder with one learnable token."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Aggregator(nn.Module):
    """Transformer encoder over (view, action) tokens; the output at the [AGG] token is the aggregate (equation 3).

    Three layers, four heads, post-normalisation (section 3.2, appendix A.3). The paper speaks neither of dropout nor of
    positions: there is no dropout by default (the released code has 0.1) and no positional encoding, as in the
    released code; order reaches the model through the actions alone. Layers are initialised independently, where
    `nn.TransformerEncoder` would start them as copies of one another.
    """

    def __init__(self, dim: int, *, layers: int = 3, heads: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"token width {dim} (embedding + action) is not divisible by {heads} heads")
        self.token = nn.Parameter(torch.zeros(1, 1, dim))
        nn.init.trunc_normal_(self.token, std=0.02)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(dim, heads, 4 * dim, dropout=dropout, batch_first=True) for _ in range(layers)
        )

    def forward(self, tokens: Float[Tensor, "b m e"]) -> Float[Tensor, "b e"]:
        """The aggregate of m tokens, in whatever order they come."""
        x = torch.cat([self.token.expand(len(tokens), -1, -1), tokens], dim=1)  # b m+1 e
        for layer in self.layers:
            x = layer(x)
        return x[:, 0]  # b e
