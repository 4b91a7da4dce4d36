"""What joint-embedding methods share: one encoder for every view, projectors, actions as predictors see them."""

from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn

from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import OptionError, Width, validated

from .aggregator import Aggregator
from .encoders import Encoder, Normalise, make_encoder
from .method import Method, ViewEncoder, WorldSpec
from .momentum import follow, momentum_schedule, target_of

Projector = Literal["mlp", "transformer"]


class JointEmbedding(Method):
    """A method whose views meet only in its loss: there is no aggregator.

    The paper probes these methods on embeddings of views (section 3.3); as an aggregate of several views they have
    their mean, the plainest there is. Encoders and normalisation are those of seq-JEPA.

    Options: what is called the same in several methods is the same in all of them. `encoder` is one of those of
    `make_encoder`. `dim` is the width of the embedding, for the small encoders alone. `width` is the number of channels
    of the first stage, for the small encoders alone. `projector` is what the loss sees embeddings through: "mlp", or
    the "transformer" of appendix B.2. `projector_hidden` is the width of the MLP projector's hidden layers.
    `projector_out` is the width of what the MLP projector gives. `action_width` is the width of the linear projection
    of actions. `predictor_hidden` is the width of the predictor's hidden layer. `head_hidden` is the width of the
    hidden layer of the head that tells actions. `momentum` is that of the target at the first step; it rises to 1 on a
    cosine. `temperature` divides the similarities of a contrastive loss. `invariance` is the weight of the term that
    draws views together. `equivariance` is the weight of the term in which the action counts. `variance` is the weight
    of the term that keeps components spread. `covariance` is the weight of the term that keeps components apart.
    """

    def __init__(
        self,
        spec: WorldSpec,
        encoder: Encoder,
        dim: Width,
        width: Width,
    ) -> None:
        super().__init__()
        if not spec.action_dim:
            raise OptionError("action_dim is 0, expected a world in which something can be done")
        self.made_for(spec, fixed=encoder == "small-grid")
        self.normalise = Normalise(spec)
        network, self.view_dim = make_encoder(encoder, spec.view_shape, dim=dim, width=width)
        self.encoder = network.to(memory_format=torch.channels_last)
        self.aggregate_dim = self.view_dim

    def encode(self, views: UInt8[Tensor, "b t c h w"]) -> Float[Tensor, "b t d"]:
        """z_i = f(x_i), all views of the batch in one pass."""
        return self.through(self.encoder, views)

    def aggregate(self, encoded: Float[Tensor, "b t d"], actions: Float32[Tensor, "b t-1 a"]) -> Float[Tensor, "b e"]:
        """The mean of the views' embeddings; actions play no part."""
        return encoded.mean(dim=1)

    def through(self, network: nn.Module, views: UInt8[Tensor, "b t c h w"]) -> Float[Tensor, "b t d"]:
        """What an encoder makes of each view."""
        flat = self.normalise(views.flatten(0, 1))
        return network(flat.contiguous(memory_format=torch.channels_last)).unflatten(0, views.shape[:2])

    def view_encoder(self) -> nn.Module:
        """The encoder that views go through."""
        return ViewEncoder(self.normalise, self.encoder, self.view_shape)

    def check(self, stream: Stream) -> None:
        """Raise ValueError for streams of too few or too many views, and for a batch of one."""
        least, most = self.least_views, self.most_views
        if stream.length < least or (most is not None and stream.length > most):
            wanted = f"{least}" if most == least else f"{least} or more" if most is None else f"{least} to {most}"
            raise ValueError(f"streams of {stream.length} views: {type(self).__name__} learns from {wanted}")
        if len(stream.views) < 2:
            raise ValueError(
                f"a batch of {len(stream.views)} stream: {type(self).__name__} needs at least 2 to compare"
            )


class MomentumJointEmbedding(JointEmbedding):
    """Joint embedding with a target: a momentum copy of encoder and projector, which says what is to be foreseen.

    A subclass makes its `projector` and all else that learns, and then calls `begin_target`.
    """

    projector: nn.Module

    def begin_target(self, momentum: float) -> None:
        """Make the target, a copy of encoder and projector as they are now, whose momentum starts from `momentum`."""
        self.momentum = momentum
        self.target = target_of(self.encoder)
        self.target_projector = target_of(self.projector)

    @torch.no_grad()
    def targets(self, views: UInt8[Tensor, "b t c h w"]) -> Float[Tensor, "b t k"]:
        """The momentum target's projection of each view."""
        return each(self.target_projector, self.through(self.target, views))

    def after_step(self, progress: float) -> None:
        """Both targets follow; their momentum rises from `momentum` to 1 on a cosine."""
        momentum = momentum_schedule(progress, base=self.momentum)
        follow(self.target, self.encoder, momentum)
        if list(self.projector.parameters()):  # where nothing is projected there are none
            follow(self.target_projector, self.projector, momentum)


class ActionPredictor(MomentumJointEmbedding):
    """Joint embedding with a target and a `predictor` that is told the action by an `action_projection`."""

    action_projection: nn.Module
    predictor: nn.Module

    def embed(self, actions: Float32[Tensor, "*b a"]) -> Float[Tensor, "*b k"]:
        """The linear projection of actions; zero for no movement."""
        return self.action_projection(actions)

    def predict(self, aggregate: Float[Tensor, "b e"], action: Float32[Tensor, "b a"]) -> Float[Tensor, "b k"]:
        """What the target is expected to make of the view to which an action would lead."""
        return self.predictor(torch.cat([self.projector(aggregate), self.embed(action)], dim=-1))

    def goal(self, views: UInt8[Tensor, "b t c h w"]) -> Float[Tensor, "b t k"]:
        """What `predict` is trained to answer: the momentum target's projection of each view."""
        return self.targets(views)


def each(network: nn.Module, embeddings: Float[Tensor, "b t d"]) -> Float[Tensor, "b t k"]:
    """What a network for rows makes of every view of every stream, all in one batch."""
    return network(embeddings.flatten(0, 1)).unflatten(0, embeddings.shape[:2])


def mlp(widths: tuple[int, ...], *, norm_last: bool) -> nn.Sequential:
    """Linear layers from width to width, with BatchNorm and ReLU between them.

    `norm_last` ends with a BatchNorm without gain or offset. A linear layer before a BatchNorm has no bias.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths[:-1]):
        layers += [
            nn.Linear(inputs, outputs, bias=False, dtype=torch.float32),
            nn.BatchNorm1d(outputs, dtype=torch.float32),
            nn.ReLU(inplace=True),
        ]
    layers.append(nn.Linear(widths[-2], widths[-1], bias=not norm_last, dtype=torch.float32))
    return nn.Sequential(
        *layers, *([nn.BatchNorm1d(widths[-1], affine=False, dtype=torch.float32)] if norm_last else [])
    )


class TransformerProjector(nn.Module):
    """A transformer in the MLP projector's place: seq-JEPA's aggregator reading a sequence of one embedding.

    Appendix B.2 compares the baselines with it ("a transformer encoder and a sequence length of one", section 3.2), to
    see whether a transformer alone makes the difference. Three layers, four heads; what comes out is as wide as what
    goes in. Raises ValueError if that is not divisible by the number of heads.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.aggregator = Aggregator(dim, layers=3, heads=4)

    def forward(self, rows: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """The output at the learnable token."""
        return self.aggregator(rows[:, None])


@validated
def make_projector(kind: Projector, dim: Width, hidden: Width, out: Width, *, norm_last: bool) -> tuple[nn.Module, int]:
    """A projector of embeddings of `dim` numbers and its output width: `mlp` (dim-hidden-hidden-out) or `transformer`.

    `hidden`, `out` and `norm_last` are used by the MLP alone. Raises ValueError for an unknown kind.
    """
    match kind:
        case "mlp":
            return mlp((dim, hidden, hidden, out), norm_last=norm_last), out
        case "transformer":
            return TransformerProjector(dim), dim


def action_projection(action_dim: int, width: int) -> nn.Linear:
    """The linear projection of actions (section 3.2), as in seq-JEPA: no bias, weights of variance one."""
    projection = nn.Linear(action_dim, width, bias=False, dtype=torch.float32)
    nn.init.normal_(projection.weight)
    return projection


class Hypernetwork(nn.Module):
    """A linear map of embeddings whose matrix is a linear function of the action: SIE's predictor.

    W(a) = W_0 + Σ_k a_k W_k, without hidden layers, as in SIE's code. W_0 exists only with `bias`; there is none by
    default. Without it an action of zeros maps everything to zero and −a to the opposite of a: right for
    quaternions, whose neutral element is no zero vector; where actions are displacements, `bias` starts from the
    identity, so that no movement predicts no change. The W_k start with variance 1/d, so that a unit action keeps the
    size of what it acts on. The matrices of a batch are never built.
    """

    def __init__(self, dim: int, action_dim: int, *, bias: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(action_dim, dim, dim, dtype=torch.float32) / dim**0.5)
        self.bias = nn.Parameter(torch.eye(dim, dtype=torch.float32)) if bias else None

    def forward(self, rows: Float[Tensor, "b d"], action: Float32[Tensor, "b a"]) -> Float[Tensor, "b d"]:
        """W(a) times each row."""
        moved = torch.einsum("bi,aoi->bao", rows, self.weight)
        turned = (moved * action[..., None]).sum(1)
        return turned if self.bias is None else turned + rows @ self.bias.T


def parts(terms: dict[str, Float[Tensor, ""]]) -> dict[str, Tensor]:
    """The terms of a loss, detached, for the log."""
    return {name: term.detach() for name, term in terms.items()}
