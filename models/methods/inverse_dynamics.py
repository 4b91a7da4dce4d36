"""Inverse dynamics: the action shall be told from the views before and after it (Agrawal et al. 2015)."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import mse_loss

from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import Width

from ..encoders import Encoder
from ..joint_embedding import JointEmbedding, each, mlp, parts
from ..method import WorldSpec


class InverseDynamics(JointEmbedding):
    """Encoder and a head that regresses each action from the embeddings on either side of it.

    "Learning to see by moving" (ICCV 2015), with a regression in place of its bins; the inverse model of Pathak et al.
    (2017) is the same. It is none of the paper's baselines. It is here as a ceiling: it is trained, on the streams that
    other methods learn from, for the very thing that the probe of relative actions asks (section 3.3). What its encoder
    does not know of actions on scenes it has not seen, the data do not tell an encoder of its shape.
    """

    def __init__(
        self,
        spec: WorldSpec,
        *,
        encoder: Encoder = "cifar-resnet18",
        dim: Width = 128,
        width: Width = 32,
        head_hidden: Width = 512,
    ) -> None:
        super().__init__(spec, encoder, dim, width)
        self.head = mlp((2 * self.view_dim, head_hidden, spec.action_dim), norm_last=False)

    def loss(self, stream: Stream) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Mean squared error of all actions of all streams, in the units of the world."""
        self.check(stream)
        encoded = self.encode(stream.views)
        told = each(self.head, torch.cat([encoded[:, :-1], encoded[:, 1:]], dim=-1))
        loss = mse_loss(told, stream.actions)
        return loss, parts({"action": loss})
