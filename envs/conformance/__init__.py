"""Tests of conformance to run on one's own class: is it what everything else here will take it for?

vector_envs   check_vector_env: is anybody's vector environment what Gymnasium says?
worlds        check_world: a world, and the environments that look at it
sources       check_source, check_images, check_objects: a source of data, and what it gives
renderers     check_renderer: a way to draw meshes
priors        check_prior: where somebody may look next in an image

Methods are checked by `gazeworld.models.check_method`, policies and rewards by `gazeworld.agents.check_policy` and
`check_reward`. Each returns nothing, or raises ConformanceError saying in one sentence what is wrong; what a class
raises itself is passed on. Everything here that is called by the same kind of name has passed the same tests.
"""

from typing import TYPE_CHECKING, Any, NoReturn

from ..registry import face

if TYPE_CHECKING:
    from .priors import check_prior
    from .renderers import check_renderer
    from .sources import check_images, check_objects, check_source
    from .vector_envs import check_vector_env
    from .worlds import check_world

__all__ = [
    "ConformanceError",
    "check_images",
    "check_objects",
    "check_prior",
    "check_renderer",
    "check_source",
    "check_tensor",
    "check_vector_env",
    "check_world",
    "fail",
]

__getattr__, __dir__ = face(
    __name__,
    {
        "vector_envs": ("check_vector_env",),
        "worlds": ("check_world",),
        "sources": ("check_images", "check_objects", "check_source"),
        "renderers": ("check_renderer",),
        "priors": ("check_prior",),
    },
)


class ConformanceError(AssertionError):
    """Something is not what it has to be: the message says in one sentence what was found and what was expected."""


def fail(message: str) -> NoReturn:
    """Raise ConformanceError by hand: an assert statement would check nothing under `python -O`."""
    raise ConformanceError(message)


def check_tensor(value: Any, what: str, shape: tuple[int, ...], kind: str) -> None:
    """Fail unless `value` is a tensor of this shape and dtype ("uint8", "float32", "float": any), all of it finite."""
    import torch  # late: this package is named by faces that stay light

    if not isinstance(value, torch.Tensor):
        fail(f"{what} is {type(value).__name__}, expected a tensor")
    if tuple(value.shape) != shape:
        fail(f"{what} has shape {tuple(value.shape)}, expected {shape}")
    dtype = str(value.dtype).removeprefix("torch.")
    if dtype != kind and not (kind == "float" and value.is_floating_point()):
        fail(f"{what} is of {dtype}, expected {kind}")
    if value.is_floating_point() and not bool(value.isfinite().all()):
        fail(f"{what} holds numbers that are not finite")
