"""A method of a package of one's own: what is seen next, pixel by pixel; `--method.name forward:ForwardPixels`."""

import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn

from gazeworld.envs import Stream
from gazeworld.models import Method, WorldSpec


class ForwardPixels(Method):
    """A network foresees the next view in `side` × `side` pixels, from the embedding of this one and the action.

    Nothing is predicted in the latent space, so planners and retrieval cannot be used with it; probes can.
    """

    def __init__(self, spec: WorldSpec, *, dim: int = 64, width: int = 32, side: int = 8) -> None:
        super().__init__()
        channels = spec.view_shape[0]
        self.view_dim = self.aggregate_dim = dim
        self.made_for(spec, fixed=True)
        self.encoder = nn.Sequential(
            nn.Conv2d(channels, width, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, 2, 1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(3),
            nn.Flatten(),
            nn.Linear(18 * width, dim),
        )
        self.decoder = nn.Sequential(
            nn.Linear(dim + spec.action_dim, 128), nn.ReLU(), nn.Linear(128, channels * side**2)
        )
        self.reduce = nn.AdaptiveAvgPool2d(side)
        self.register_buffer("mean", torch.tensor(spec.mean)[:, None, None])
        self.register_buffer("std", torch.tensor(spec.std)[:, None, None])

    def loss(self, stream: Stream) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Mean square error over all steps, in standard deviations of a pixel."""
        seen = self.encode(stream.views)
        foreseen = self.decoder(torch.cat((seen[:, :-1], stream.actions), -1))  # b t-1 pixels
        target = self.reduce(self._normal(stream.views[:, 1:]).flatten(0, 1)).flatten(1)
        loss = (foreseen.flatten(0, 1) - target).square().mean()
        return loss, {"pixels": loss.detach()}

    def encode(self, views: UInt8[Tensor, "b t c h w"]) -> Float[Tensor, "b t d"]:
        """Each view on its own."""
        return self.encoder(self._normal(views).flatten(0, 1)).unflatten(0, views.shape[:2])

    def aggregate(self, encoded: Float[Tensor, "b t d"], actions: Float32[Tensor, "b t-1 a"]) -> Float[Tensor, "b d"]:
        """The mean of what was seen."""
        return encoded.mean(1)

    def _normal(self, views: UInt8[Tensor, "b t c h w"]) -> Float[Tensor, "b t c h w"]:
        return (views / 255 - self.get_buffer("mean")) / self.get_buffer("std")
