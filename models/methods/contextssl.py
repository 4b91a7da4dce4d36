"""ContextSSL: what a view becomes depends on a context of pairs of views and actions (Gupta et al. 2024)."""

from typing import Annotated

import torch
from annotated_types import Interval
from jaxtyping import Bool, Float, Float32, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import Amount, Layers, OptionError, PositiveAmount, Views, Width

from ..encoders import Encoder
from ..joint_embedding import JointEmbedding, parts
from ..losses import invariance, nt_xent, weighted
from ..method import Method, WorldSpec

_QUERIES = 512
"""Views read at a time: attention costs their square."""


class ContextSSL(JointEmbedding):
    """Encoder and a causal transformer that reads pairs (view, action), (next view, no action) of different scenes.

    In training, pairs of the batch stand in rows of `pairs` (64, a block of 128 tokens); every token is read in the
    context of the pairs before it, a second view not in sight of its own first one. Outputs of partners are
    contrasted over the whole batch, and the action is foretold from the first view's embedding and the second view's
    output. For probes, a view is one more token, without action, after a context of `context` views with their actions
    (126, the number of Table 1): those of the last training batch, which are part of the checkpoint. An untrained model
    has no context. There is no positional encoding, as in the authors' code.

    Sizes, temperature and weight are those of the authors' code: three layers, four heads, width 2048, 0.5 and 1. The
    seq-JEPA paper does not train this method, but reads the authors' weights. Departures:
    - the authors foretell the second view's pose; methods here see no poses, so it is the action between the views;
    - their batches show either rotation or colour actions, so that the context decides between them; here the context
      shows whatever the action is, as in Table 1, where it is a rotation;
    - masking of context pairs at random, off in the authors' configuration, is left out;
    - no labels: the authors train a linear classifier beside the model.

    There is no `predict`: the outputs that are probed do not hold what a prediction would start from.

    Options: `transformer_width` is the width of the transformer. `layers` and `heads` are those of the transformer.
    `action_weight` is the weight of the term in which the action is foretold.
    """

    least_views = most_views = 2

    def __init__(
        self,
        spec: WorldSpec,
        *,
        encoder: Encoder = "cifar-resnet18",
        dim: Width = 128,
        width: Width = 32,
        transformer_width: Width = 2048,
        layers: Layers = 3,
        heads: Layers = 4,
        pairs: Views = 64,
        context: Annotated[int, Interval(ge=0, le=2**13)] = 126,
        head_hidden: Width = 1024,
        temperature: PositiveAmount = 0.5,
        action_weight: Amount = 1.0,
    ) -> None:
        super().__init__(spec, encoder, dim, width)
        if context % 2 or context >= 2 * pairs:
            raise OptionError(
                f"context is {context} views, expected an even number below {2 * pairs}, twice pairs={pairs}"
            )
        if transformer_width % heads:
            raise OptionError(
                f"heads is {heads}: transformer_width {transformer_width} is not divisible by {heads} heads"
            )
        self.pairs = pairs
        self.temperature = temperature
        self.weights = {"contrast": 1.0, "action": action_weight}
        self.read_in = nn.Linear(self.view_dim + spec.action_dim, transformer_width, dtype=torch.float32)
        self.layers = nn.ModuleList(_layer(transformer_width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(transformer_width, dtype=torch.float32)
        self.read_out = nn.Linear(transformer_width, self.view_dim, dtype=torch.float32)
        self.action_head = nn.Sequential(
            nn.Linear(2 * self.view_dim, head_hidden, dtype=torch.float32),
            nn.ReLU(inplace=True),
            nn.Linear(head_hidden, head_hidden, dtype=torch.float32),
            nn.ReLU(inplace=True),
            nn.Linear(head_hidden, spec.action_dim, dtype=torch.float32),
        )
        self.register_buffer("context_views", torch.zeros(context // 2, 2, *spec.view_shape, dtype=torch.uint8))
        self.register_buffer("context_actions", torch.zeros(context // 2, spec.action_dim, dtype=torch.float32))
        self.register_buffer("context_pairs", torch.zeros((), dtype=torch.long))
        self.context_views: Tensor
        self.context_actions: Tensor
        self.context_pairs: Tensor

    def encode(self, views: UInt8[Tensor, "b t c h w"]) -> Float[Tensor, "b t d"]:
        """Each view read without action after the stored context."""
        context = self._context()
        queries = F.pad(super().encode(views).flatten(0, 1), (0, self.context_actions.shape[1]))
        return torch.cat([self._ask(context, some) for some in queries.split(_QUERIES)]).unflatten(0, views.shape[:2])

    def view_encoder(self) -> nn.Module:
        """All of the model: a view is read in a context, by more than the encoder."""
        return Method.view_encoder(self)

    def loss(self, stream: Stream) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Contrast of partners' outputs plus the squared error of the foretold action."""
        self.check(stream)
        encoded = super().encode(stream.views)
        tokens = _tokens(encoded, stream.actions[:, 0])  # 2b k
        rows = F.pad(tokens, (0, 0, 0, -len(tokens) % (2 * self.pairs))).unflatten(0, (-1, 2 * self.pairs))
        read = self._read(rows, _pair_mask(2 * self.pairs, tokens.device)).flatten(0, 1)[: len(tokens)]
        one, other = read.unflatten(0, (-1, 2)).unbind(1)  # b d
        known = torch.cat([F.normalize(encoded[:, 0], dim=-1), F.normalize(other, dim=-1)], dim=-1)
        terms = {
            "contrast": nt_xent(one, other, self.temperature),
            "action": invariance(self.action_head(known), stream.actions[:, 0]),
        }
        if self.training:
            self._keep(stream)
        return weighted(terms, self.weights), parts(terms)

    def _keep(self, stream: Stream) -> None:
        """The first pairs of the batch become the context of probes."""
        k = min(len(self.context_views), len(stream.views))
        self.context_views[:k] = stream.views[:k]
        self.context_actions[:k] = stream.actions[:k, 0]
        self.context_pairs.clamp_(min=k)

    def _context(self) -> Float[Tensor, "c k"]:
        """Tokens of the stored context, encoded with the weights of now."""
        known = int(self.context_pairs)
        if not known:
            return self.context_actions.new_zeros(0, self.read_in.in_features)
        return _tokens(super().encode(self.context_views[:known]), self.context_actions[:known])

    def _ask(self, context: Float[Tensor, "c k"], queries: Float[Tensor, "n k"]) -> Float[Tensor, "n d"]:
        """Queries see the context and themselves, so that all of them can be read in one sequence."""
        c, n = len(context), len(queries)
        mask = torch.zeros(c + n, c + n, dtype=torch.bool, device=queries.device)
        mask[:c, :c] = _pair_mask(c, queries.device)
        mask[:c, c:] = True
        mask[c:, c:] = ~torch.eye(n, dtype=torch.bool, device=queries.device)
        return self._read(torch.cat([context.to(queries.dtype), queries])[None], mask)[0, c:]

    def _read(self, tokens: Float[Tensor, "s n k"], mask: Bool[Tensor, "n n"]) -> Float[Tensor, "s n d"]:
        """Outputs of the transformer; `mask` says which token (row) must not see which."""
        x = self.read_in(tokens)
        for layer in self.layers:
            x = layer(x, src_mask=mask)
        return self.read_out(self.norm(x))


def _layer(width: int, heads: int) -> nn.TransformerEncoderLayer:
    return nn.TransformerEncoderLayer(
        width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True, dtype=torch.float32
    )


def _tokens(encoded: Float[Tensor, "b 2 d"], actions: Float32[Tensor, "b a"]) -> Float[Tensor, "b2 k"]:
    """Pairs one after the other: the first view with the action, the second with none."""
    shown = torch.stack([actions, torch.zeros_like(actions)], dim=1)  # b 2 a
    return torch.cat([encoded, shown.to(encoded.dtype)], dim=-1).flatten(0, 1)  # 2b d+a


def _pair_mask(n: int, device: torch.device) -> Bool[Tensor, "n n"]:
    """What a token must not see: those after it, and a second view its own first one."""
    place = torch.arange(n, device=device)
    later = place[None] > place[:, None]
    own_first = (place[:, None] % 2 == 1) & (place[None] == place[:, None] - 1)
    return later | own_first
