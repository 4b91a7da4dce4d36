"""BYOL: each of two views foretells what a momentum target makes of the other (Grill et al. 2020)."""

from jaxtyping import Float
from torch import Tensor

from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import Share, Width

from ..encoders import Encoder
from ..joint_embedding import MomentumJointEmbedding, Projector, each, make_projector, mlp, parts
from ..losses import byol
from ..method import WorldSpec


class BYOL(MomentumJointEmbedding):
    """Encoder, projector and predictor, with a momentum copy of encoder and projector as target; actions play no part.

    Appendix A.3: projector 2048-2048-2048, hidden layer of the predictor 512, momentum from 0.996 to 1 on a cosine. The
    projector's output is not normalised, as in BYOL; hidden layers are. The released code has a projector of two
    layers (2048-128, output normalised), a predictor of 2048, and renews its momentum once an epoch instead of at every
    step. `projector="transformer"` is the variant of appendix B.2.
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
        predictor_hidden: Width = 512,
        momentum: Share = 0.996,
    ) -> None:
        super().__init__(spec, encoder, dim, width)
        self.projector, out = make_projector(projector, self.view_dim, projector_hidden, projector_out, norm_last=False)
        self.predictor = mlp((out, predictor_hidden, out), norm_last=False)
        self.begin_target(momentum)

    def loss(self, stream: Stream) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """BYOL's loss from view 1 to view 2 plus that from view 2 to view 1."""
        self.check(stream)
        one, other = each(self.predictor, each(self.projector, self.encode(stream.views))).unbind(1)
        targets = self.targets(stream.views)
        forth, back = byol(one, targets[:, 1]), byol(other, targets[:, 0])
        return forth + back, parts({"forth": forth, "back": back})
