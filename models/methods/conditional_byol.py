"""Conditional BYOL: the predictor is told the action, so that views need not become alike (seq-JEPA, section 3.1)."""

from jaxtyping import Float
from torch import Tensor

from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import Share, Width

from ..encoders import Encoder
from ..joint_embedding import ActionPredictor, Projector, action_projection, make_projector, mlp, parts
from ..losses import byol
from ..method import WorldSpec


class ConditionalBYOL(ActionPredictor):
    """BYOL from view 1 to view 2, with the action between them at the predictor's input.

    Appendix A.3: BYOL's architecture and momentum, a linear action projection of 128 numbers. The loss goes one way, in
    which the action leads, as in the released code; that one has BYOL's other differences, too. Predictions live in the
    space of projections: `goal` is what the momentum target and its projector make of a view, and `predict` takes a
    view's embedding (or the mean of several) through the projector first. `projector="transformer"` is the variant of
    appendix B.2.
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
        predictor_hidden: Width = 512,
        momentum: Share = 0.996,
    ) -> None:
        super().__init__(spec, encoder, dim, width)
        self.projector, out = make_projector(projector, self.view_dim, projector_hidden, projector_out, norm_last=False)
        self.action_projection = action_projection(spec.action_dim, action_width)
        self.predictor = mlp((out + action_width, predictor_hidden, out), norm_last=False)
        self.begin_target(momentum)

    def loss(self, stream: Stream) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """BYOL's loss between the prediction for the action and the target's projection of view 2."""
        self.check(stream)
        encoded = self.encode(stream.views[:, :1])[:, 0]
        predicted = self.predict(encoded, stream.actions[:, 0])
        loss = byol(predicted, self.goal(stream.views[:, 1:])[:, 0])
        return loss, parts({"forth": loss})
