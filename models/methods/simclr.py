"""SimCLR: two views of a scene shall be told from all other views (Chen et al. 2020)."""

from jaxtyping import Float
from torch import Tensor

from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import PositiveAmount, Width

from ..encoders import Encoder
from ..joint_embedding import JointEmbedding, Projector, each, make_projector, parts
from ..losses import nt_xent
from ..method import WorldSpec


class SimCLR(JointEmbedding):
    """Encoder and projector, trained by contrast; actions play no part.

    Appendix A.3: temperature 0.5, projector 2048-2048-2048. Its output is batch-normalised, as in SimCLR's and the
    released code, of which the paper does not speak. `projector="transformer"` is the variant of appendix B.2.
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
        temperature: PositiveAmount = 0.5,
    ) -> None:
        super().__init__(spec, encoder, dim, width)
        self.projector, _ = make_projector(projector, self.view_dim, projector_hidden, projector_out, norm_last=True)
        self.temperature = temperature

    def loss(self, stream: Stream) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """NT-Xent between the projections of the two views."""
        self.check(stream)
        one, other = each(self.projector, self.encode(stream.views)).unbind(1)
        loss = nt_xent(one, other, self.temperature)
        return loss, parts({"contrast": loss})
