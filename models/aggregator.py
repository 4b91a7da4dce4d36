"""The sequence aggregator g of seq-JEPA: a small transformer encoder with one learnable token."""

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gazeworld.envs.validation import Dropout, Layers, OptionError, Positive, validated


class Aggregator(nn.Module):
    """Transformer encoder over (view, action) tokens; the output at the [AGG] token is the aggregate (equation 3).

    Three layers, four heads, post-normalisation (section 3.2, appendix A.3). The paper speaks neither of dropout nor of
    positions: there is no dropout by default (the released code has 0.1) and no positional encoding, as in the
    released code. The tokens are then a set, of which the missing action marks the last one. `positions` adds the
    sinusoids of Vaswani et al. (2017), counted back from the last token so that any number of them can be read.
    `final_norm` normalises what comes out of the last layer once more, as the released code does.
    Layers are initialised independently; `start_as_copies` is how `nn.TransformerEncoder` starts them.
    """

    @validated
    def __init__(
        self,
        dim: Positive,
        *,
        layers: Layers = 3,
        heads: Layers = 4,
        dropout: Dropout = 0.0,
        positions: bool = False,
        final_norm: bool = False,
    ) -> None:
        super().__init__()
        if dim % heads:
            raise OptionError(
                f"heads is {heads}: token width {dim} (embedding + action) is not divisible by {heads} heads; "
                "change dim, projector, action_width or heads"
            )
        self.positions = positions
        self.token = nn.Parameter(torch.zeros(1, 1, dim, dtype=torch.float32))
        nn.init.trunc_normal_(self.token, std=0.02)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(dim, heads, 4 * dim, dropout=dropout, batch_first=True, dtype=torch.float32)
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(dim, dtype=torch.float32) if final_norm else nn.Identity()

    def start_as_copies(self) -> None:
        """Make every layer a copy of the first and the token zero: how the released code starts."""
        nn.init.zeros_(self.token)
        self.layers = nn.ModuleList(copy.deepcopy(self.layers[0]) for _ in self.layers)

    def forward(self, tokens: Float[Tensor, "b m e"]) -> Float[Tensor, "b e"]:
        """The aggregate of m tokens, in whatever order they come."""
        if self.positions:
            tokens = tokens + sinusoids(tokens.shape[1], tokens.shape[2], tokens.device).flip(0)
        x = torch.cat([self.token.expand(len(tokens), -1, -1), tokens], dim=1)  # b m+1 e
        for layer in self.layers:
            x = layer(x)
        return self.norm(x[:, 0])  # b e


def sinusoids(count: int, dim: int, device: torch.device) -> Float[Tensor, "count dim"]:
    """Sines and cosines of the place in a sequence, at geometrically spaced wavelengths (Vaswani et al. 2017, 3.5)."""
    rates = 10_000 ** (-torch.arange(0, dim, 2, dtype=torch.float32, device=device) / dim)
    angles = torch.arange(count, dtype=torch.float32, device=device)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :dim]
