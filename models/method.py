"""What can be learnt: the contract between a method and everything that trains, probes and plans with it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn

from gazeworld.envs import shelf
from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import Validated


class CheckpointError(ValueError):
    """A checkpoint that does not fit: the message names the file, what was found and what was expected."""


@dataclass(frozen=True)
class Representation:
    """Embedding of every view and of the sequence as a whole (z_i and z_AGG of the paper, section 2.2)."""

    views: Float[Tensor, "b t d"]
    aggregate: Float[Tensor, "b e"]


class Method(Validated, nn.Module, ABC):
    """A way to learn from streams; it never sees a file, a device or a logger.

    `view_dim` and `aggregate_dim` are d and e. Actions go in as worlds produce them; normalising pixels is the
    method's own business. `least_views` and `most_views` (None: any number) say how long a stream may be that it
    learns from; `adds_actions` says whether it takes the sum of actions for the way that they lead together.
    """

    view_dim: int
    aggregate_dim: int
    least_views: int = 2
    most_views: int | None = None
    adds_actions: bool = False

    @abstractmethod
    def loss(self, stream: Stream) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """The loss to descend and detached scalars worth logging."""

    @abstractmethod
    def encode(self, views: UInt8[Tensor, "b t c h w"]) -> Float[Tensor, "b t d"]:
        """Each view on its own."""

    @abstractmethod
    def aggregate(self, encoded: Float[Tensor, "b t d"], actions: Float32[Tensor, "b t-1 a"]) -> Float[Tensor, "b e"]:
        """The sequence as a whole, from encoded views and the actions between them."""

    def embed(self, actions: Float32[Tensor, "*b a"]) -> Float[Tensor, "*b k"]:
        """Actions as the method sees them, for probes that read them beside the aggregate; here as they are."""
        return actions

    def represent(self, views: UInt8[Tensor, "b t c h w"], actions: Float32[Tensor, "b t-1 a"]) -> Representation:
        """Both representations of a sequence; changes no buffer when the module is in eval mode."""
        encoded = self.encode(views)
        return Representation(encoded, self.aggregate(encoded, actions))

    def after_step(self, progress: float) -> None:
        """What follows an optimiser step, at `progress` in [0, 1] of training (a momentum update, for instance)."""
        del progress


@runtime_checkable
class Predicts(Protocol):
    """A method that foresees views: what planners imagine with and retrieval measures.

    Predictions are compared with goals by cosine; both live in the same space, whose embeddings of views may come
    from another network than those of `Method.encode` (a momentum target, for instance).
    """

    def predict(self, aggregate: Float[Tensor, "b e"], action: Float32[Tensor, "b a"]) -> Float[Tensor, "b d"]:
        """The embedding of the view to which an action would lead."""
        ...

    def goal(self, views: UInt8[Tensor, "b t c h w"]) -> Float[Tensor, "b t d"]:
        """The embeddings that a perfect prediction of these views would have, without gradient."""
        ...


@contextmanager
def frozen(method: Method) -> Iterator[None]:
    """Eval mode without gradients; afterwards every module is back in its own mode, and nothing in it has moved."""
    modes = [(module, module.training) for module in method.modules()]
    method.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


METHODS = "gazeworld.models.methods"


def make_method(
    name: str,
    *,
    view_shape: tuple[int, int, int],
    action_dim: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    **options: Any,
) -> Method:
    """The method called `name` on the shelf, for views and actions of a world.

    Raises ValueError naming an option that the method does not have, or one of another type or out of its bounds.
    """
    kind = shelf.concrete(METHODS, name, Method)
    given = {"view_shape": view_shape, "action_dim": action_dim, "mean": mean, "std": std}
    return shelf.built(f"method {name!r}", kind, **given, **options)
