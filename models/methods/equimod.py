"""SimCLR-EquiMod: beside an invariant projection, one in which an action is foretold (Devillers and Lefort 2023)."""

import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import Amount, PositiveAmount, Width

from ..encoders import Encoder
from ..joint_embedding import JointEmbedding, action_projection, each, mlp, parts
from ..losses import equimod, weighted
from ..method import WorldSpec


class EquiMod(JointEmbedding):
    """Two projectors on one encoder: an invariant one, and an equivariant one with a linear predictor.

    Appendix A.3: both losses contrastive with temperature 0.1 and equal weights, projectors 1024-1024-128, a linear
    action projection of 128 numbers. The released code's default temperature is 0.5. EquiMod itself predicts two
    augmented views from the image before augmentation; here, as in the paper and the released code, view 2 is
    predicted from view 1 and the action between them. Outputs of projectors and of the linear predictor are
    batch-normalised, as in EquiMod's code. The paper has no variant with transformer projectors.

    Predictions live in the space of equivariant projections: `goal` is that of a view, and `predict` takes a view's
    embedding (or the mean of several) through the equivariant projector first.
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
        projector_out: Width = 128,
        action_width: Width = 128,
        temperature: PositiveAmount = 0.1,
        equivariance: Amount = 1.0,
    ) -> None:
        super().__init__(spec, encoder, dim, width)
        widths = (self.view_dim, projector_hidden, projector_hidden, projector_out)
        self.invariant = mlp(widths, norm_last=True)
        self.equivariant = mlp(widths, norm_last=True)
        self.action_projection = action_projection(spec.action_dim, action_width)
        self.predictor = mlp((projector_out + action_width, projector_out), norm_last=True)
        self.temperature = temperature
        self.weights = {"invariance": 1.0, "equivariance": equivariance}

    def embed(self, actions: Float32[Tensor, "*b a"]) -> Float[Tensor, "*b k"]:
        """The linear projection of actions."""
        return self.action_projection(actions)

    def predict(self, aggregate: Float[Tensor, "b e"], action: Float32[Tensor, "b a"]) -> Float[Tensor, "b k"]:
        """The equivariant projection of the view to which an action would lead."""
        return self._moved(self.equivariant(aggregate), action)

    @torch.no_grad()
    def goal(self, views: UInt8[Tensor, "b t c h w"]) -> Float[Tensor, "b t k"]:
        """The equivariant projection of each view."""
        return each(self.equivariant, self.encode(views))

    def loss(self, stream: Stream) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """NT-Xent of the two invariant projections plus NT-Xent of the predicted and the actual equivariant one."""
        self.check(stream)
        encoded = self.encode(stream.views)
        one, other = each(self.invariant, encoded).unbind(1)
        before, after = each(self.equivariant, encoded).unbind(1)
        terms = equimod((one, other), self._moved(before, stream.actions[:, 0]), after, self.temperature)
        return weighted(terms, self.weights), parts(terms)

    def _moved(self, projected: Float[Tensor, "b k"], action: Float32[Tensor, "b a"]) -> Float[Tensor, "b k"]:
        return self.predictor(torch.cat([projected, self.embed(action)], dim=-1))
