"""SIE: half of an embedding shall not change, the other half shall be steered by the action (Garrido et al. 2023)."""

import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import Amount, OptionError, Width

from ..encoders import Encoder
from ..joint_embedding import Hypernetwork, JointEmbedding, each, mlp, parts
from ..losses import sie, weighted
from ..method import WorldSpec


class SIE(JointEmbedding):
    """The first half of the embedding is invariant, the second equivariant; each has a projector of its own.

    Appendix A.3: both projectors 1024-1024-1024, λ_inv = λ_V = 10, λ_equi = 4.5, λ_C = 1, and the hypernetwork as
    predictor (`Hypernetwork`, fed with the action as it is; the released code's equi_factor of 0.45 is λ_equi / λ_inv,
    its default is 1). `hypernetwork_bias` suits actions that are displacements. The paper has no variant with
    transformer projectors. An odd embedding width is refused with ValueError.

    Predictions live in the space of equivariant projections: `goal` is that of a view, and `predict` takes the
    equivariant half of a view's embedding (or of the mean of several) through the equivariant projector first.
    """

    least_views = most_views = 2

    def __init__(
        self,
        spec: WorldSpec,
        *,
        encoder: Encoder = "cifar-resnet18",
        dim: Width = 128,
        width: Width = 32,
        projector_hidden: Width = 1024,
        projector_out: Width = 1024,
        hypernetwork_bias: bool = False,
        invariance: Amount = 10.0,
        equivariance: Amount = 4.5,
        variance: Amount = 10.0,
        covariance: Amount = 1.0,
    ) -> None:
        super().__init__(spec, encoder, dim, width)
        if self.view_dim % 2:
            raise OptionError(f"dim makes an embedding of {self.view_dim} numbers, which cannot be split in halves")
        widths = (self.view_dim // 2, projector_hidden, projector_hidden, projector_out)
        self.invariant = mlp(widths, norm_last=False)
        self.equivariant = mlp(widths, norm_last=False)
        self.predictor = Hypernetwork(projector_out, spec.action_dim, bias=hypernetwork_bias)
        self.weights = {
            "invariance": invariance,
            "equivariance": equivariance,
            "variance": variance,
            "covariance": covariance,
        }

    def predict(self, aggregate: Float[Tensor, "b e"], action: Float32[Tensor, "b a"]) -> Float[Tensor, "b k"]:
        """The equivariant projection of the view to which an action would lead."""
        return self.predictor(self.equivariant(aggregate.chunk(2, dim=-1)[1]), action)

    @torch.no_grad()
    def goal(self, views: UInt8[Tensor, "b t c h w"]) -> Float[Tensor, "b t k"]:
        """The equivariant projection of each view."""
        return each(self.equivariant, self.encode(views).chunk(2, dim=-1)[1])

    def loss(self, stream: Stream) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """The weighted terms of SIE between the two views."""
        self.check(stream)
        still, moving = self.encode(stream.views).chunk(2, dim=-1)
        one, other = each(self.invariant, still).unbind(1)
        before, after = each(self.equivariant, moving).unbind(1)
        terms = sie((one, other), (before, after), self.predictor(before, stream.actions[:, 0]))
        return weighted(terms, self.weights), parts(terms)
