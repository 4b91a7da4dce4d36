"""A test of conformance for methods: does it learn, tell what was learnt, and keep what the loop relies on?"""

import copy
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gazeworld.envs.conformance import check_tensor, fail
from gazeworld.envs.stream import Stream

from .method import Method, Predicts, WorldSpec, make_method

SPEC = WorldSpec((1, 16, 16), 2, (0.4,), (0.2,))
"""The world of the test: grey views of 16 px, and actions of two numbers."""
_LONGEST = 6


def check_method(method: str | Callable[..., Method], *, spec: WorldSpec = SPEC, seed: int = 0, **options: Any) -> None:
    """Check that a method keeps the contract of `Method`: its name (or MODULE:CLASS), its class, or what makes one.

    It is made for `spec` with `options`, which should be small, and fed random streams. Checked are that losses of all
    lengths it allows are finite scalars; that the gradient reaches every weight that is trained, and no other; that a
    step lowers the loss; that `after_step` moves no trained weight; that `represent` has the shapes it promises,
    changes nothing in eval mode and minds neither the order of a batch nor its size; that a state dict is the whole
    state; and, where it predicts, that predictions live where goals do. Raises ConformanceError.
    """
    name = method if isinstance(method, str) else getattr(method, "__name__", repr(method))

    def make(offset: int = 0) -> Any:
        torch.manual_seed(seed + offset)
        return make_method(method, spec, **options) if isinstance(method, str) else method(spec, **options)

    with torch.random.fork_rng([]):
        made = make()
        if not isinstance(made, Method):
            fail(f"{name} made {type(made).__name__}, expected a class derived from gazeworld.models.Method")
        _check_says(made, name)
        for views in range(made.least_views, longest(made) + 1):
            _check_loss(made, _stream(spec, 8, views), f"{name}.loss() of {views} views")
        _check_gradient(make(), _stream(spec, 8, longest(made)), name)
        _check_learning(make(), _stream(spec, 16, longest(made)), name)
        _check_represent(_fed(make(), spec), _stream(spec, 6, 3), name)
        _check_state(_fed(make(), spec), make(1), _stream(spec, 6, longest(made)), name)
        _check_predictions(_fed(make(), spec), _stream(spec, 6, 2), name)


def longest(method: Method) -> int:
    """The most views of a stream that the test feeds it."""
    return max(method.least_views, min(method.most_views or _LONGEST, _LONGEST))


def _stream(spec: WorldSpec, b: int, t: int, seed: int = 0) -> Stream:
    """Random views, poses and the actions between them."""
    generator = torch.Generator().manual_seed(seed)
    c, h, w = spec.view_shape
    views = torch.randint(0, 256, (b, t, h, w, c), generator=generator, dtype=torch.uint8).permute(0, 1, 4, 2, 3)
    poses = torch.rand(b, t, max(1, spec.action_dim), dtype=torch.float32, generator=generator)
    actions = poses.diff(dim=1)[..., : spec.action_dim]
    return Stream(views, actions, poses, torch.zeros(b, dtype=torch.int64), torch.arange(b))


def _fed(method: Method, spec: WorldSpec) -> Method:
    """A method that has seen one batch, in eval mode."""
    with torch.no_grad():
        method.loss(_stream(spec, 16, longest(method), seed=7))
    return method.eval()


def _trained(method: Method) -> list[torch.nn.Parameter]:
    return [parameter for parameter in method.parameters() if parameter.requires_grad]


def _stepped(method: Method, stream: Stream, rate: float = 1e-3) -> Tensor:
    """The loss before one step of the optimiser."""
    optimiser = torch.optim.AdamW(_trained(method), rate)
    loss, _ = method.loss(stream)
    loss.backward()
    optimiser.step()
    return loss.detach()


def _check_says(method: Method, name: str) -> None:
    for what in ("view_dim", "aggregate_dim"):
        if not isinstance(getattr(method, what, None), int) or getattr(method, what) < 1:
            fail(f"{name} does not say its {what}; expected an integer above 0, set in the class or in __init__")
    least, most = method.least_views, method.most_views
    if least < 1 or (most is not None and most < least):
        fail(f"{name} learns from {least} to {most} views, expected 1 <= least_views <= most_views")
    if not _trained(method):
        fail(f"{name} has no weight to train")
    if strange := [key for key, value in method.state_dict().items() if not isinstance(value, Tensor)]:
        fail(f"{name}: {strange[0]!r} in its state dict is no tensor, and checkpoints hold nothing else")
    if any(one.kind is one.VAR_POSITIONAL for one in inspect.signature(type(method)).parameters.values()):
        fail(f"{name} takes any number of arguments without names; options of methods have names")


def _check_loss(method: Method, stream: Stream, what: str) -> None:
    kept, found = copy.deepcopy(stream), method.loss(stream)
    if not (isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], dict)):
        fail(f"{what} is {type(found).__name__}, expected the loss and a dictionary of scalars worth logging")
    check_tensor(found[0], what, (), "float32")
    for key, value in found[1].items():
        if not isinstance(value, Tensor) or value.requires_grad or not bool(value.isfinite().all()):
            fail(f"{what}: {key!r} among what is worth logging is no detached finite tensor")
    if not torch.equal(kept.views, stream.views) or not torch.equal(kept.actions, stream.actions):
        fail(f"{what} changes the stream that it is given")


def _check_gradient(method: Method, stream: Stream, name: str) -> None:
    method.loss(stream)[0].backward()
    for key, parameter in method.named_parameters():
        if parameter.requires_grad and parameter.grad is None:
            fail(f"{name}: no gradient reaches {key}; what is not trained has requires_grad False")
        if not parameter.requires_grad and parameter.grad is not None:
            fail(f"{name}: a gradient reaches {key}, which has requires_grad False")
    if not any(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in _trained(method)):
        fail(f"{name}: the gradient is 0 everywhere")


def _check_learning(method: Method, stream: Stream, name: str) -> None:
    before = _stepped(method, stream)
    after = method.loss(stream)[0].detach()
    if not after < before:
        fail(
            f"{name}: one step of AdamW at a rate of 0.001 takes the loss of its batch from {before:.4g} to {after:.4g}"
        )
    kept = {key: value.clone() for key, value in method.named_parameters()}
    method.after_step(0.0)
    for key, value in method.named_parameters():
        if value.requires_grad and not torch.equal(value, kept[key]):
            fail(f"{name}.after_step changes {key}, which is trained by gradient")


def _check_represent(method: Method, stream: Stream, name: str) -> None:
    before = copy.deepcopy(method.state_dict())
    with torch.no_grad():
        seen, again = (method.represent(stream.views, stream.actions) for _ in range(2))
        order = torch.tensor([3, 0, 5, 1, 2, 4])
        mixed = method.represent(stream.views[order], stream.actions[order])
        alone = method.represent(stream.views[2:3], stream.actions[2:3])
    b, t = stream.views.shape[:2]
    check_tensor(seen.views, f"{name}.represent().views", (b, t, method.view_dim), "float32")
    check_tensor(seen.aggregate, f"{name}.represent().aggregate", (b, method.aggregate_dim), "float32")
    if not (torch.equal(seen.views, again.views) and torch.equal(seen.aggregate, again.aggregate)):
        fail(f"{name}.represent gives something else for the same views in eval mode")
    for key, value in method.state_dict().items():
        if not torch.equal(value, before[key]):
            fail(f"{name}.represent changes {key} in eval mode")
    for part, whole in ((mixed, order), (alone, torch.tensor([2]))):
        for one, other in ((part.views, seen.views[whole]), (part.aggregate, seen.aggregate[whole])):
            if not torch.allclose(one, other, rtol=1e-4, atol=1e-4):
                fail(f"{name}.represent gives a stream something else when others, or none, are beside it")


def _check_state(method: Method, other: Method, stream: Stream, name: str) -> None:
    other.eval().load_state_dict(method.state_dict())
    with torch.no_grad():
        one, two = (each.represent(stream.views, stream.actions) for each in (method, other))
        same = torch.equal(one.views, two.views) and torch.equal(one.aggregate, two.aggregate)
        if not same or not torch.equal(method.loss(stream)[0], other.loss(stream)[0]):
            fail(f"{name}: another one with the same state dict does something else, so the state is not whole")


def _check_predictions(method: Method, stream: Stream, name: str) -> None:
    if not isinstance(method, Predicts):
        return
    with torch.no_grad():
        aggregate = method.represent(stream.views[:, :1], stream.actions[:, :0]).aggregate
        predicted = method.predict(aggregate, stream.actions[:, 0])
    goal = method.goal(stream.views)
    if goal.requires_grad:
        fail(f"{name}.goal has a gradient, expected none")
    check_tensor(predicted, f"{name}.predict()", tuple(goal[:, 1].shape), "float32")
