"""seq-JEPA: predict the next view from an aggregate of the views and actions before it (arXiv 2505.03176)."""

from typing import Literal

import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import Dropout, Layers, MaybeWidth, OptionError, Share, Width

from ..aggregator import Aggregator
from ..encoders import Encoder, Normalise, make_encoder
from ..method import Method, ViewEncoder, WorldSpec
from ..momentum import follow, momentum_schedule, target_of

Norm = Literal["batch", "none"]


class SeqJEPA(Method):
    """The world model of section 2.2: encoder f, aggregator g, predictor h, and a momentum copy of f as target.

    Departures and choices, where the paper leaves room:
    - the predictor's hidden layer is batch-normalised (as in BYOL, whose set-up the paper takes, and in the released
      code); `predictor_norm="none"` is the letter of section 3.2. `predictor_hidden=0` leaves the hidden layer out;
    - actions are projected linearly without bias, so that "no action" is the zero vector. Weights start at variance
      one, which gives actions about as much weight as views from the first step; the released code gets there with a
      BatchNorm on the projection, without gain or offset: `action_norm="batch"`. The action missing after the last
      view then counts in the batch's statistics as a row of zeros, as in the released saccade model (for 3DIEBench
      the released code counts the action to the predicted view instead; in eval mode there is no difference);
    - `positions`, `final_norm` and `dropout` are the aggregator's (see `Aggregator`): off here, while the released code
      has a final norm and a dropout of 0.1; `identical_layers` has its layers start as copies of one another and its
      token at zero, as there;
    - the target runs in train mode and keeps BatchNorm statistics of its own (see `momentum.follow`);
    - momentum is updated at every step (BYOL), the released code does so once an epoch;
    - the released models hand two view embeddings to their probes, and where a single view is observed the second
      comes from the target: that is `goal`, while `represent` always answers with the encoder.

    `condition_transformer` and `condition_predictor` switch the two uses of actions (Table 4); where both are off,
    `action_width=0` leaves the projection out. `encoder` is one of those of `make_encoder`; `dim` and `width` are used
    by the small ones alone. `models.published` reads the authors' checkpoints into this class.

    Options: `action_width` is the width of the projection of actions. `layers` and `heads` are those of the aggregator.
    `predictor_hidden` is the width of the predictor's hidden layer (0: none). `predictor_norm` is what normalises that
    layer. `action_norm` is what normalises projected actions. `momentum` is that of the target at the first step; it
    rises to 1 on a cosine.
    """

    def __init__(
        self,
        spec: WorldSpec,
        *,
        encoder: Encoder = "cifar-resnet18",
        dim: Width = 128,
        width: Width = 32,
        action_width: MaybeWidth = 128,
        layers: Layers = 3,
        heads: Layers = 4,
        dropout: Dropout = 0.0,
        positions: bool = False,
        final_norm: bool = False,
        identical_layers: bool = False,
        action_norm: Norm = "none",
        predictor_hidden: MaybeWidth = 1024,
        predictor_norm: Norm = "batch",
        momentum: Share = 0.996,
        condition_transformer: bool = True,
        condition_predictor: bool = True,
    ) -> None:
        super().__init__()
        uses_actions = condition_transformer or condition_predictor or action_norm != "none"
        for name, size in (("action_width", action_width), ("action_dim", spec.action_dim or not action_width)):
            if size < uses_actions:
                raise OptionError(f"{name} is {size:d}, expected at least 1 in a model that uses actions")
        self.made_for(spec, fixed=encoder == "small-grid")
        self.momentum = momentum
        self.condition_transformer = condition_transformer
        self.condition_predictor = condition_predictor
        self.action_width = action_width
        self.normalise = Normalise(spec)
        network, self.view_dim = make_encoder(encoder, spec.view_shape, dim=dim, width=width)
        self.encoder = network.to(memory_format=torch.channels_last)  # as the views lie; a fifth faster on the CPU
        self.target = target_of(self.encoder)
        self.action_projection = _projection(spec.action_dim, action_width)
        if not (condition_transformer or condition_predictor):  # a weight that nothing uses would get no gradient
            self.action_projection.requires_grad_(False)
        self.action_norm = (
            nn.BatchNorm1d(action_width, affine=False, dtype=torch.float32) if action_norm == "batch" else nn.Identity()
        )
        self.counts_missing_action = action_norm == "batch"
        self.aggregate_dim = self.view_dim + action_width * condition_transformer
        self.aggregator = Aggregator(
            self.aggregate_dim,
            layers=layers,
            heads=heads,
            dropout=dropout,
            positions=positions,
            final_norm=final_norm,
        )
        if identical_layers:
            self.aggregator.start_as_copies()
        inputs = self.aggregate_dim + action_width * condition_predictor
        self.predictor = _predictor(inputs, predictor_hidden, self.view_dim, predictor_norm)

    def encode(self, views: UInt8[Tensor, "b t c h w"]) -> Float[Tensor, "b t d"]:
        """z_i = f(x_i), all views of the batch in one pass."""
        return self._through(self.encoder, views)

    def embed(self, actions: Float32[Tensor, "*b a"]) -> Float[Tensor, "*b k"]:
        """The projection of actions (128-d by default); zero for no movement, unless it is batch-normalised.

        Raises ValueError for actions of another size than the model was made for.
        """
        if not self.action_width:
            return actions
        self.require_actions(actions)
        projected = self.action_projection(actions)
        return self.action_norm(projected.reshape(-1, self.action_width)).reshape(projected.shape)

    def aggregate(self, encoded: Float[Tensor, "b t d"], actions: Float32[Tensor, "b t-1 a"]) -> Float[Tensor, "b e"]:
        """Equation 3: z_AGG = g((z_1, a_1), …, (z_{M−1}, a_{M−1}), z_M); the last view goes without an action."""
        if not self.condition_transformer:
            return self.aggregator(encoded)
        if self.counts_missing_action:
            embedded = self.embed(F.pad(actions, (0, 0, 0, 1)))[:, :-1]
        else:
            embedded = self.embed(actions)
        embedded = F.pad(embedded, (0, 0, 0, 1))  # b t k: the action after the last view is zero
        return self.aggregator(torch.cat([encoded, embedded], dim=-1))

    def view_encoder(self) -> nn.Module:
        """The encoder f."""
        return ViewEncoder(self.normalise, self.encoder, self.view_shape)

    def predict(self, aggregate: Float[Tensor, "b e"], action: Float32[Tensor, "b a"]) -> Float[Tensor, "b d"]:
        """Equation 4: the embedding of the view to which an action would lead."""
        if self.condition_predictor:
            aggregate = torch.cat([aggregate, self.embed(action)], dim=-1)
        return self.predictor(aggregate)

    @torch.no_grad()
    def goal(self, views: UInt8[Tensor, "b t c h w"]) -> Float[Tensor, "b t d"]:
        """What `predict` is trained to answer: the momentum target's embedding of each view."""
        return self._through(self.target, views)

    def loss(self, stream: Stream) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Equation 5: one minus the cosine between the predicted and the target embedding of the last view."""
        if stream.length < 2:
            raise ValueError(f"a stream of {stream.length} view: seq-JEPA needs M >= 1 observed views and one more")
        encoded = self.encode(stream.views[:, :-1])  # b M d
        aggregate = self.aggregate(encoded, stream.actions[:, :-1])
        predicted = self.predict(aggregate, stream.actions[:, -1])
        target = self.goal(stream.views[:, -1:])[:, 0]
        loss = 1 - F.cosine_similarity(predicted.float(), target.float(), dim=-1).mean()
        return loss, {}

    def after_step(self, progress: float) -> None:
        """The target follows the encoder; its momentum rises from `momentum` to 1 on a cosine (appendix A.3)."""
        follow(self.target, self.encoder, momentum_schedule(progress, base=self.momentum))

    def _through(self, network: nn.Module, views: UInt8[Tensor, "b t c h w"]) -> Float[Tensor, "b t d"]:
        flat = self.normalise(views.flatten(0, 1))
        return network(flat.contiguous(memory_format=torch.channels_last)).unflatten(0, views.shape[:2])


def _projection(action_dim: int, width: int) -> nn.Module:
    if not width:
        return nn.Identity()
    projection = nn.Linear(action_dim, width, bias=False, dtype=torch.float32)
    nn.init.normal_(projection.weight)
    return projection


def _predictor(inputs: int, hidden: int, outputs: int, norm: Norm) -> nn.Sequential:
    """The predictor h; a normalised layer needs no bias, since the norm takes the mean away."""
    first = hidden or outputs
    layers: list[nn.Module] = [
        nn.Linear(inputs, first, bias=norm == "none", dtype=torch.float32),
        nn.BatchNorm1d(first, dtype=torch.float32) if norm == "batch" else nn.Identity(),
    ]
    if hidden:
        layers += [nn.ReLU(inplace=True), nn.Linear(hidden, outputs, dtype=torch.float32)]
    return nn.Sequential(*layers)
