"""SEN: the embedding foretold from a view and an action is told from all others (Park et al. 2022)."""

import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import PositiveAmount, Width

from ..encoders import Encoder
from ..joint_embedding import JointEmbedding, Projector, action_projection, each, make_projector, mlp, parts
from ..losses import nt_xent
from ..method import WorldSpec


class SEN(JointEmbedding):
    """Encoder, projector and a linear predictor of the next view's projection, trained by contrast.

    Appendix A.3: temperature 0.5, projector 2048-2048-2048; the projection of actions is the paper's usual 128 numbers
    (section 3.2). Park et al. contrast by a hinge on distances; the temperature means NT-Xent, as in the released code,
    from which the linear, batch-normalised predictor is taken, too. There is no invariance term. Predictions live in
    the space of projections: `goal` is the projection of a view, and `predict` takes a view's embedding (or the mean
    of several) through the projector first. `projector="transformer"` is the variant of appendix B.2.
    """

    least_views = most_views = 2

    def __init__(
        self,
        spec: WorldSpec,
        *,
        encoder: Encoder = "cifar-resnet18",
        dim: Width = 128,
        width: Width = 32,
        projector: Projector = "mlp",
        projector_hidden: Width = 2048,
        projector_out: Width = 2048,
        action_width: Width = 128,
        temperature: PositiveAmount = 0.5,
    ) -> None:
        super().__init__(spec, encoder, dim, width)
        self.projector, out = make_projector(projector, self.view_dim, projector_hidden, projector_out, norm_last=True)
        self.action_projection = action_projection(spec.action_dim, action_width)
        self.predictor = mlp((out + action_width, out), norm_last=True)
        self.temperature = temperature

    def embed(self, actions: Float32[Tensor, "*b a"]) -> Float[Tensor, "*b k"]:
        """The linear projection of actions."""
        return self.action_projection(actions)

    def predict(self, aggregate: Float[Tensor, "b e"], action: Float32[Tensor, "b a"]) -> Float[Tensor, "b k"]:
        """The projection of the view to which an action would lead."""
        return self._moved(self.projector(aggregate), action)

    @torch.no_grad()
    def goal(self, views: UInt8[Tensor, "b t c h w"]) -> Float[Tensor, "b t k"]:
        """The projection of each view."""
        return each(self.projector, self.encode(views))

    def loss(self, stream: Stream) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """NT-Xent between the prediction from view 1 and the projection of view 2."""
        self.check(stream)
        one, other = each(self.projector, self.encode(stream.views)).unbind(1)
        loss = nt_xent(self._moved(one, stream.actions[:, 0]), other, self.temperature)
        return loss, parts({"contrast": loss})

    def _moved(self, projected: Float[Tensor, "b k"], action: Float32[Tensor, "b a"]) -> Float[Tensor, "b k"]:
        return self.predictor(torch.cat([projected, self.embed(action)], dim=-1))
