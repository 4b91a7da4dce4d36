"""Conv-JEPA: every view on its own foretells the last one, given the way there (seq-JEPA, section 3.1)."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import MaybeWidth, Share, Width

from ..encoders import Encoder
from ..joint_embedding import ActionPredictor, action_projection, mlp, parts
from ..losses import cosine
from ..method import WorldSpec

Reduction = Literal["sum", "mean"]


class ConvJEPA(ActionPredictor):
    """The saccade baseline: seq-JEPA's patches, encoder, predictor and target, without its aggregator.

    M losses, one for each pair of an observed view and the last one, summed over the pairs as in section 3.1; the
    released code takes their mean (`reduction="mean"`). The action of a pair is the sum of the actions on the way, so
    more than two views need a world in which displacements add up: saccades and augmentations, not rotations.

    Appendix A.3 is silent about this method: the predictor (hidden layer 1024, batch-normalised), the action projection
    and the momentum are seq-JEPA's, and the target is the embedding of the last view itself. `projector_out` > 0 puts a
    projector of `projector_hidden` hidden units, with batch-normalised output, between them, as the released code has
    (2048 and 128). `predict` takes a view's embedding (or the mean of several); `goal` is the momentum target's
    embedding, or its projection where there is a projector.
    """

    adds_actions = True

    def __init__(
        self,
        spec: WorldSpec,
        *,
        encoder: Encoder = "cifar-resnet18",
        dim: Width = 128,
        width: Width = 32,
        projector_hidden: Width = 2048,
        projector_out: MaybeWidth = 0,
        action_width: Width = 128,
        predictor_hidden: Width = 1024,
        momentum: Share = 0.996,
        reduction: Reduction = "sum",
    ) -> None:
        super().__init__(spec, encoder, dim, width)
        self.reduction = reduction
        out = projector_out or self.view_dim
        widths = (self.view_dim, projector_hidden, projector_out)
        self.projector = mlp(widths, norm_last=True) if projector_out else nn.Identity()
        self.action_projection = action_projection(spec.action_dim, action_width)
        self.predictor = mlp((out + action_width, predictor_hidden, out), norm_last=False)
        self.begin_target(momentum)

    def loss(self, stream: Stream) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """One minus the cosine between prediction and target, summed over the M observed views."""
        self.check(stream)
        encoded = self.encode(stream.views[:, :-1])  # b M d
        ways = stream.actions.flip(1).cumsum(1).flip(1)  # b M a: from each view to the last one
        predicted = self.predict(encoded.flatten(0, 1), ways.flatten(0, 1))  # b·M k
        target = self.goal(stream.views[:, -1:])[:, 0].repeat_interleave(encoded.shape[1], dim=0)
        pair = cosine(predicted, target)
        return pair * encoded.shape[1] if self.reduction == "sum" else pair, parts({"pair": pair})
