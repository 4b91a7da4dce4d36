"""What can be learnt: the contract between a method and everything that trains, probes and plans with it."""

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, TypeVar, runtime_checkable

import torch
from annotated_types import Interval
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn

from gazeworld.envs import registry
from gazeworld.envs.files import DataError
from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import OptionError, Options, Share, Side, Validated, shown
from gazeworld.envs.world import World

Built = TypeVar("Built", bound=nn.Module)
ViewShape = tuple[Annotated[int, Interval(ge=1, le=2**8)], Side, Side]
"""Channels, height and width of a view."""
Means = tuple[Share, ...]
"""The mean of every channel over the training data, in [0, 1]."""
Deviation = Annotated[float, Interval(ge=1e-6, le=1)]
Deviations = tuple[Deviation, ...]
"""The standard deviation of every channel over the training data; views of one grey alone have none."""


@dataclass(frozen=True)
class WorldSpec(Options):
    """What a world dictates to every method that learns in it: views, actions, and what views are normalised with.

    `action_dim` is 0 where no action is told. Raises OptionError, also where `mean` or `std` does not hold a number for
    each channel.
    """

    view_shape: ViewShape
    action_dim: Annotated[int, Interval(ge=0, le=2**12)]
    mean: Means
    std: Deviations

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, given in (("mean", self.mean), ("std", self.std)):
            if len(given) != self.view_shape[0]:
                raise OptionError(
                    f"{name} is {shown(given)}, expected a number for each of {self.view_shape[0]} channels"
                )

    @classmethod
    def of(cls, world: World) -> "WorldSpec":
        """That of a world."""
        return cls(world.view_shape, world.action_dim, world.mean, world.std)


class CheckpointError(DataError):
    """A checkpoint that does not fit: the message names the file, what was found and what was expected."""


@dataclass(frozen=True)
class Representation:
    """Embedding of every view and of the sequence as a whole (z_i and z_AGG of the paper, section 2.2)."""

    views: Float[Tensor, "b t d"]
    aggregate: Float[Tensor, "b e"]


def _guarded(call: Callable[..., Any], *, check: Callable[..., None]) -> Callable[..., Any]:
    """A door that looks at what it is given first: at types and shapes alone, so that no device is asked."""

    @functools.wraps(call)
    def guarded(self: Any, *given: Any, **named: Any) -> Any:
        check(self, *given, **named)
        return call(self, *given, **named)

    return guarded


def _require_views(method: "Method | ViewEncoder", views: Any, axes: str = "b, t") -> None:
    fits = isinstance(views, Tensor) and views.dtype == torch.uint8 and views.ndim == axes.count(",") + 4
    if not fits or any(found != size for found, size in zip(views.shape[-3:], method.view_shape, strict=True) if size):
        wanted = ", ".join(str(size or letter) for size, letter in zip(method.view_shape, "chw", strict=True))
        raise OptionError(
            f"views are {_kind(views)}, expected a uint8 tensor of shape ({axes}, {wanted}) with values 0 … 255: "
            f"{type(method).__name__} normalises them itself"
        )


def _require_sequence(method: "Method", views: Any, actions: Any) -> None:
    _require_views(method, views)
    b, t = views.shape[:2]
    fits = isinstance(actions, Tensor) and actions.is_floating_point() and actions.shape[:-1] == (b, t - 1)
    if not fits or method.action_dim not in (None, actions.shape[-1]):
        wanted = f"({b}, {t - 1}, {method.action_dim or 'a'})"
        raise OptionError(f"actions are {_kind(actions)}, expected a float tensor of shape {wanted} between {t} views")


def _require_rows(method: "Method", aggregate: Any, action: Any) -> None:
    for name, rows, width in (("aggregate", aggregate, method.aggregate_dim), ("action", action, method.action_dim)):
        fits = isinstance(rows, Tensor) and rows.is_floating_point() and rows.ndim == 2
        if not fits or len(rows) != len(aggregate) or width not in (None, rows.shape[1]):
            raise OptionError(
                f"{name} is {_kind(rows)}, expected a float tensor of shape "
                f"({len(aggregate) if isinstance(aggregate, Tensor) and aggregate.ndim else 'b'}, {width or 'n'})"
            )


def _kind(found: Any) -> str:
    return f"{found.dtype} of shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__


class Method(Validated, nn.Module, ABC):
    """A way to learn from streams; it never sees a file, a device or a logger.

    `view_dim` and `aggregate_dim` are d and e. Actions go in as worlds produce them; normalising pixels is the
    method's own business. `least_views` and `most_views` (None: any number) say how long a stream may be that it
    learns from; `adds_actions` says whether it takes the sum of actions for the way that they lead together.

    Whatever a subclass does, its `encode` and `goal` take uint8 views (b, t, c, h, w) alone, and its `predict` rows of
    aggregates and actions: anything else is refused with OptionError (`made_for` says which sizes fit).
    """

    view_dim: int
    aggregate_dim: int
    least_views: int = 2
    most_views: int | None = None
    adds_actions: bool = False
    view_shape: tuple[int | None, int | None, int | None] = (None, None, None)
    action_dim: int | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, check in (("encode", _require_views), ("goal", _require_views), ("predict", _require_rows)):
            if name in vars(cls):
                setattr(cls, name, _guarded(vars(cls)[name], check=check))

    def made_for(self, spec: WorldSpec, *, fixed: bool) -> None:
        """Say which channels and actions fit, and where `fixed` which height and width; None is anything."""
        self.view_shape = spec.view_shape if fixed else (spec.view_shape[0], None, None)
        self.action_dim = spec.action_dim or None  # 0: a model that minds no actions

    def require_actions(self, actions: Float32[Tensor, "*b a"]) -> None:
        """Raise OptionError for actions of another size than the model was made for."""
        if self.action_dim is not None and actions.shape[-1] != self.action_dim:
            raise OptionError(f"actions of {actions.shape[-1]} numbers, but this model was made for {self.action_dim}")

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

    @functools.partial(_guarded, check=_require_sequence)
    def represent(self, views: UInt8[Tensor, "b t c h w"], actions: Float32[Tensor, "b t-1 a"]) -> Representation:
        """Both representations of a sequence; changes no buffer when the module is in eval mode.

        Raises OptionError for anything but uint8 views, and the actions between them.
        """
        encoded = self.encode(views)
        return Representation(encoded, self.aggregate(encoded, actions))

    def view_encoder(self) -> nn.Module:
        """A module of plain torch that takes uint8 views (b, c, h, w) and gives what `encode` makes of each (b, d).

        It shares its weights with the method, and is in whatever mode the method is. Here it holds the whole method; a
        method whose views go through one network gives that alone.
        """
        return ViewEncoder(nn.Identity(), EncodeAlone(self), self.view_shape)

    def after_step(self, progress: float) -> None:
        """What follows an optimiser step, at `progress` in [0, 1] of training (a momentum update, for instance)."""
        del progress


class ViewEncoder(nn.Module):
    """Normalisation and the network that views go through, for those who use torch alone.

    Takes uint8 views (b, c, h, w) and gives embeddings (b, d), with gradients where torch keeps them; anything else is
    refused with OptionError. `network` is what follows on `normalise`: who has floats that are normalised already, or
    wants gradients of pixels, calls it.
    """

    def __init__(
        self, normalise: nn.Module, network: nn.Module, view_shape: tuple[int | None, int | None, int | None]
    ) -> None:
        super().__init__()
        self.normalise, self.network, self.view_shape = normalise, network, view_shape

    @functools.partial(_guarded, check=functools.partial(_require_views, axes="b"))
    def forward(self, views: UInt8[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        """The embedding of each view."""
        return self.network(self.normalise(views).contiguous(memory_format=torch.channels_last))


class EncodeAlone(nn.Module):
    """A method's `encode` of single views as a module, for methods whose views go through more than one network."""

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method

    def forward(self, views: UInt8[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        """The embedding of each view."""
        return self.method.encode(views[:, None])[:, 0]


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


MOST = 2**30
"""Numbers of weights and other state that a method may hold: 4 GiB, or 16 with their gradients and Adam's moments."""


def within_memory(what: str, build: Callable[[], Built]) -> Built:
    """A network, unless it would hold more than MOST numbers: that is counted before any memory is taken.

    `what` names it and the options that its size depends on. Raises OptionError.
    """
    with torch.device("meta"):
        shell = build()
    numbers = sum(x.numel() for x in (*shell.parameters(), *shell.buffers()))
    if numbers > MOST:
        raise OptionError(f"{what} would hold {numbers:,} numbers, expected at most {MOST:,}: take smaller sizes")
    return build()


METHODS = "gazeworld.models.methods"


def make_method(name: str, spec: WorldSpec, **options: Any) -> Method:
    """The method called `name` in the registry, for the views and actions of a world (`WorldSpec.of(world)`).

    Raises ValueError naming an option that the method does not have, or one of another type or out of its bounds.
    """
    kind = registry.concrete(METHODS, name, Method)
    named = ", ".join(f"{key}={shown(value)}" for key, value in options.items()) or "its usual options"
    return within_memory(
        f"method {name!r} with {named}", lambda: registry.built(f"method {name!r}", kind, spec, **options)
    )
