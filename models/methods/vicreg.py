"""VICReg: two views shall agree while components keep their variance and lose their covariance (Bardes et al. 2022)."""

from jaxtyping import Float
from torch import Tensor

from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import Amount, Width

from ..encoders import Encoder
from ..joint_embedding import JointEmbedding, Projector, each, make_projector, parts
from ..losses import vicreg, weighted
from ..method import WorldSpec


class VICReg(JointEmbedding):
    """Encoder and projector ("expander"), trained by three terms; actions play no part.

    Appendix A.3: λ_inv = λ_V = 10, λ_C = 1, projector 2048-2048-2048. The released code's defaults are VICReg's own
    25, 25 and 1. `projector="transformer"` is the variant of appendix B.2.
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
        invariance: Amount = 10.0,
        variance: Amount = 10.0,
        covariance: Amount = 1.0,
    ) -> None:
        super().__init__(spec, encoder, dim, width)
        self.projector, _ = make_projector(projector, self.view_dim, projector_hidden, projector_out, norm_last=False)
        self.weights = {"invariance": invariance, "variance": variance, "covariance": covariance}

    def loss(self, stream: Stream) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """The weighted terms between the projections of the two views."""
        self.check(stream)
        one, other = each(self.projector, self.encode(stream.views)).unbind(1)
        terms = vicreg(one, other)
        return weighted(terms, self.weights), parts(terms)
