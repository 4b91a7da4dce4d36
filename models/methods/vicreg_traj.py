"""VICReg with trajectory regularisation: three views in a row shall lie on a straight path (Wang et al. 2024)."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor

from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import Amount, Width

from ..encoders import Encoder
from ..joint_embedding import JointEmbedding, Projector, each, make_projector, parts
from ..losses import trajectory, vicreg, weighted
from ..method import WorldSpec

Place = Literal["embedding", "projection"]


class VICRegTrajectory(JointEmbedding):
    """VICReg on the first two of three views, and a loss on the bend of the path through all three.

    Appendix A.3: VICReg's architecture and weights, λ_traj = 0.01 (the released code's default is 1). Actions play no
    part: the path is taken to be straight whatever the sensor did. Wang et al. measure the bend on embeddings of the
    encoder (`trajectory_on="embedding"`); the released code does so on projections, which it does not normalise
    (`trajectory_on="projection"` normalises them). `projector="transformer"` is the variant of appendix B.2.

    Options: `trajectory` is the weight of the loss on the bend.
    """

    least_views = most_views = 3

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
        trajectory: Amount = 0.01,
        trajectory_on: Place = "embedding",
    ) -> None:
        super().__init__(spec, encoder, dim, width)
        self.projector, _ = make_projector(projector, self.view_dim, projector_hidden, projector_out, norm_last=False)
        self.weights = {
            "invariance": invariance,
            "variance": variance,
            "covariance": covariance,
            "trajectory": trajectory,
        }
        self.trajectory_on = trajectory_on

    def loss(self, stream: Stream) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """VICReg's terms between views 1 and 2, and the bend at view 2."""
        self.check(stream)
        encoded = self.encode(stream.views)
        projected = each(self.projector, encoded)
        path = encoded if self.trajectory_on == "embedding" else projected
        terms = vicreg(projected[:, 0], projected[:, 1]) | {"trajectory": trajectory(*path.unbind(1))}
        return weighted(terms, self.weights), parts(terms)
