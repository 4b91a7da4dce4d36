"""What a policy sees ahead: its world model, asked about all candidates of all episodes in one call, in eval mode."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from gazeworld.envs.world import World
from gazeworld.models.method import Method, frozen

from ..policy import Memory
from ..training.checkpoint import load_method
from .imagination import agreement, require_predictions, roll, rows_at_once


@dataclass(frozen=True)
class Past:
    """What a world model makes of the episodes so far, on its own device: z_1 … z_t, the actions, z_AGG."""

    encoded: Float[Tensor, "b t d"]
    actions: Float32[Tensor, "b t-1 a"]
    aggregate: Float[Tensor, "b e"]


class Foresight:
    """The world model that a policy looks ahead with: the one in the folder of a run, or the one it is attached to.

    `policy` stands in error messages. Raises ValueError where a model predicts nothing, and as `load_method` does.
    """

    def __init__(self, policy: str, world: World, model: str = "") -> None:
        self.policy = policy
        self.fixed = bool(model)
        self._agrees = False
        self._method = self._checked(load_method(Path(model), world)[0]) if model else None

    def attach(self, method: Method) -> None:
        """Look ahead with this model from now on, unless one was named when the policy was made."""
        if not self.fixed:
            self._method, self._agrees = self._checked(method), False

    @property
    def method(self) -> Method:
        """The model. Raises ValueError where there is none."""
        if self._method is None:
            raise ValueError(
                f"policy {self.policy!r} has no world model: attach one, or name the folder of a run as its option "
                "'model'"
            )
        return self._method

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.method.parameters()).device

    def past(self, memory: Memory) -> Past:
        """The episodes as the model sees them."""
        views, actions = memory.views.to(self.device), memory.actions.to(self.device)
        with frozen(self.method):
            encoded = self.method.encode(views).float()
            return Past(encoded, actions, self.method.aggregate(encoded, actions).float())

    def goals(self, views: UInt8[Tensor, "b t c h w"]) -> Float[Tensor, "b t d"]:
        """The embeddings that perfect predictions of views would have."""
        with frozen(self.method):
            return require_predictions(self.method, self._who).goal(views.to(self.device)).float()

    def foresee(self, past: Past, actions: Float32[Tensor, "b k a"]) -> Float[Tensor, "b k d"]:
        """Predicted embeddings of the views to which k actions of every episode would lead, in one call."""
        k, predictor = actions.shape[1], require_predictions(self.method, self._who)
        size = rows_at_once(self.device, k)
        pairs = zip(past.aggregate.split(size), actions.to(self.device).split(size), strict=True)
        with frozen(self.method):
            parts = [predictor.predict(z.repeat_interleave(k, 0), a.flatten(0, 1)).float() for z, a in pairs]
            return torch.cat(parts).unflatten(0, (-1, k))

    def require_agreement(self, past: Past, views: UInt8[Tensor, "b t c h w"]) -> None:
        """Raise ValueError if predictions cannot take the place of views; asked once for every model."""
        if not self._agrees:
            agreement(self.method, past.encoded, self.goals(views))
            self._agrees = True

    def imagine(self, past: Past, actions: Float32[Tensor, "b n s a"]) -> Float[Tensor, "b n s d"]:
        """Predicted embeddings along n sequences of s actions, each rolled forward from its own predictions."""
        with frozen(self.method):
            return roll(self.method, past.encoded, past.actions, actions.to(self.device))

    @property
    def _who(self) -> str:
        return f"policy {self.policy!r}"

    def _checked(self, method: Method) -> Method:
        require_predictions(method, self._who)
        return method
