"""What every world keeps, whatever its geometry: legal poses, moves that lead where differences say, rows alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from torch import Tensor

from ..rng import Draws
from ..vector_env import ActiveVisionVectorEnv
from ..world import Quantity, Scene, World
from . import check_tensor, fail
from .vector_envs import check_vector_env

_CLOSE = 1e-4  # how far an action that a move has carried out may be from what was asked for, for rounding


@dataclass(frozen=True)
class _Case:
    """A world, some of its scenes, and a stream of random numbers for each."""

    world: World
    scene: Scene
    rng: Draws

    @property
    def name(self) -> str:
        return type(self.world).__name__

    def tensor(self, value: Any, what: str, width: int) -> None:
        check_tensor(value, f"{self.name}.{what}", (len(self.rng), width), "float32")

    def legal(self, pose: Tensor, what: str) -> None:
        """A pose within the bounds that `snap` leaves as it is."""
        self.tensor(pose, what, self.world.pose_dim)
        low, high = self.world.pose_bounds
        if bool((pose < low).any() | (pose > high).any()):
            fail(f"{self.name}.{what} lies outside of pose_bounds, [{low}, {high}]")
        if not torch.equal(self.world.snap(self.scene, pose), pose):
            fail(f"{self.name}.{what} is no legal pose: snap changes it")

    def rows(self, what: str, made: Callable[["_Case"], Tensor]) -> Tensor:
        """What is made of the case: the same again, and for some of the rows alone."""
        whole = made(self)
        if not torch.equal(made(self), whole):
            fail(f"{self.name}.{what} gave another result for the same arguments; all randomness comes from `rng`")
        few = torch.tensor([len(self.rng) - 1, 0], device=self.world.device)
        scene = Scene(self.scene.index[few], self.scene.label[few], self.scene.pose[few])
        part = made(_Case(self.world, scene, self.rng[few]))
        if not torch.equal(part, whole[few]):
            fail(f"{self.name}.{what} gives a row something else when other rows are beside it")
        return whole


def check_world(world: Any, *, rows: int = 8, seed: int = 0, environments: bool = True) -> None:
    """Check that a world keeps the contract of `World`, on `rows` of its scenes, and its environments Gymnasium's.

    Checked are what it says of itself; that scenes, views, poses and actions are of the right type, shape and range,
    repeat, change nothing that they are given, and do not depend on the rows beside them; that poses are legal; and
    that the difference of two poses is what a move carries out. With `environments`, the vector environment over it is
    checked in all autoreset modes (`check_vector_env`). The world is left as it was. Raises ConformanceError.
    """
    if not isinstance(world, World):
        fail(f"{world!r} is no World; expected an instance of a class derived from gazeworld.envs.World")
    _check_description(world, type(world).__name__)
    rng = Draws.rows(seed, rows, device=world.device)
    case = _Case(world, _scene(world, rng), rng)
    _check_look(case)
    there = case.rows("random_pose", lambda some: world.random_pose(some.scene, some.rng.fold(8)))
    case.legal(there, "random_pose()")
    if not torch.equal(world.snap(case.scene, there), there):
        fail(f"{case.name}.snap moves a legal pose")
    _check_moves(case, there)
    _check_landing(case, there)
    _check_observed(case)
    for quantity in world.quantities():
        _check_quantity(case, quantity, there)
    if environments:
        for mode in AutoresetMode:
            _check_environment(world, mode, seed)


def _check_description(world: World, name: str) -> None:
    missing = [one for one in World.__annotations__ if one not in dir(world)]
    if missing:
        fail(f"{name} does not say its {missing[0]}; set it in the class or in __init__")
    shape, n = world.view_shape, world.size
    if not (len(shape) == 3 and all(isinstance(side, int) and side > 0 for side in shape)):
        fail(f"{name}.view_shape is {shape}, expected channels, height and width")
    for what in ("pose_dim", "action_dim", "size"):
        if not (isinstance(getattr(world, what), int) and getattr(world, what) > 0):
            fail(f"{name}.{what} is {getattr(world, what)!r}, expected an integer above 0")
    for what in ("pose_bounds", "action_bounds"):
        low, high = getattr(world, what)
        if not low < high:
            fail(f"{name}.{what} is {(low, high)}, expected low < high")
    if world.labels.dtype != torch.int64 or tuple(world.labels.shape) != (n,):
        fail(f"{name}.labels is {world.labels.dtype} of shape {tuple(world.labels.shape)}, expected int64 of ({n},)")
    if int(world.labels.min()) < -1 or int(world.labels.max()) >= len(world.classes):
        fail(f"{name}.labels reach {int(world.labels.max())}, expected -1 or one of {len(world.classes)} classes")
    for what in ("mean", "std"):
        if len(getattr(world, what)) != shape[0]:
            fail(f"{name}.{what} is {getattr(world, what)}, expected a number for each of {shape[0]} channels")
    if not all(deviation > 0 for deviation in world.std):
        fail(f"{name}.std is {world.std}, expected numbers above 0")
    if not (isinstance(world.fingerprint, str) and world.fingerprint):
        fail(f"{name}.fingerprint is {world.fingerprint!r}, expected text that changes when the data do")
    if world.middle is not None and len(world.middle) != world.pose_dim:
        fail(f"{name}.middle is {world.middle}, expected {world.pose_dim} numbers")


def _scene(world: World, rng: Draws) -> Scene:
    """Scenes spread over the world, checked."""
    index = torch.arange(len(rng), device=world.device) * 7 % world.size
    scene, again = world.scene(index, rng), world.scene(index, rng)
    case = _Case(world, scene, rng)
    if not torch.equal(scene.index, index):
        fail(f"{case.name}.scene gave the scenes {scene.index.tolist()} where {index.tolist()} were asked for")
    if not torch.equal(scene.label, world.labels[index]):
        fail(f"{case.name}.scene gave labels that are not those of `labels`")
    case.legal(scene.pose, "scene().pose")
    if not torch.equal(scene.pose, again.pose):
        fail(f"{case.name}.scene gave other first poses for the same stream; all randomness comes from `rng`")
    case.rows("scene", lambda some: world.scene(some.scene.index, some.rng).pose)
    return scene


def _check_look(case: _Case) -> None:
    world, pose = case.world, case.scene.pose
    kept = pose.clone()
    views = case.rows("look", lambda some: world.look(some.scene, some.scene.pose))
    check_tensor(views, f"{case.name}.look()", (len(pose), *world.view_shape), "uint8")
    if not torch.equal(kept, pose):
        fail(f"{case.name}.look changes the poses that it is given")


def _check_moves(case: _Case, there: Tensor) -> None:
    """Differences are actions, moves carry them out, and what they lead to is legal."""
    world, here = case.world, case.scene.pose
    low, high = world.action_bounds
    wanted, still = world.difference(here, there), world.difference(here, here)
    for action in (wanted, still):
        case.tensor(action, "difference()", world.action_dim)
    near = ((wanted >= low) & (wanted <= high)).all(1)  # what lies farther takes more than one action
    for action, what in ((wanted, "the difference to another pose"), (still, "the difference to itself")):
        landed = world.move(case.scene, here, action.clamp(low, high))
        case.legal(landed, "move()")
        off = (world.difference(here, landed) - action).abs().amax(1)[near]
        if len(off) and float(off.max()) > _CLOSE:
            fail(
                f"{case.name}.move does not do what {what} says: it is off by {float(off.max()):.3g}; expected "
                "difference(pose, move(pose, difference(pose, other))) to be difference(pose, other)"
            )
    case.legal(case.rows("move", lambda some: _moved(some, low, high)), "move()")
    if world.additive:
        far = world.random_pose(case.scene, case.rng.fold(10))
        both = world.compose(wanted, world.difference(there, far))
        if not torch.allclose(both, world.difference(here, far), atol=_CLOSE):
            fail(f"{case.name} is additive, but compose does not give the way from the first pose to the last")


def _moved(case: _Case, low: float, high: float) -> Tensor:
    """Where random actions lead."""
    action = low + (high - low) * case.rng.fold(9).uniform(case.world.action_dim)
    return case.world.move(case.scene, case.scene.pose, action)


def _check_landing(case: _Case, aim: Tensor) -> None:
    world = case.world
    landed = case.rows("land", lambda some: world.land(some.scene, some.scene.pose, some.rng.fold(11)))
    case.legal(landed, "land()")
    if not world.noisy and not torch.equal(world.land(case.scene, aim, case.rng), aim):
        fail(f"{case.name}.land misses its aim, but the world does not say that it is noisy")


def _check_observed(case: _Case) -> None:
    """What is observed beside view and pose, and what people are shown."""
    world, pose, n = case.world, case.scene.pose, len(case.rng)
    extra, spaces = world.observe(case.scene, pose), world.extra_spaces()
    if extra.keys() != spaces.keys():
        fail(f"{case.name}.observe gives {sorted(extra)}, and extra_spaces says {sorted(spaces)}")
    for key, (shape, low, high, kind) in spaces.items():
        check_tensor(extra[key], f"{case.name}.observe()[{key!r}]", (n, *shape), np.dtype(kind).name)
        if bool((extra[key] < low).any() | (extra[key] > high).any()):
            fail(f"{case.name}.observe()[{key!r}] lies outside of what extra_spaces says, [{low}, {high}]")
    wide = world.periphery(case.scene.index)
    if (wide is None) != (world.periphery_shape is None):
        fail(f"{case.name}.periphery and periphery_shape disagree on whether there is one")
    if wide is not None and world.periphery_shape is not None:
        check_tensor(wide, f"{case.name}.periphery()", (n, *world.periphery_shape), "uint8")
    frame, picture = world.frame(pose), world.picture(case.scene, 0)
    if frame is not None:
        case.tensor(frame, "frame()", 4)
    if picture is not None and not (picture.dtype == torch.uint8 and picture.ndim == 3 and picture.shape[2] == 3):
        fail(f"{case.name}.picture is {picture.dtype} of shape {tuple(picture.shape)}, expected uint8 (H, W, 3)")


def _check_quantity(case: _Case, quantity: Quantity, there: Tensor) -> None:
    one, between = quantity.of(case.scene.pose), quantity.between(case.scene.pose, there)
    for what, value in (("of", one), ("between", between)):
        if value.ndim != 2:
            fail(f"quantity {quantity.name!r}: {what} gives shape {tuple(value.shape)}, expected one row for each pose")
        case.tensor(value, f"quantities(), {quantity.name!r}: {what}()", value.shape[1])
    if quantity.angular and one.shape[1] != 4:
        fail(f"quantity {quantity.name!r} is angular and has {one.shape[1]} numbers, expected quaternions")


def _check_environment(world: World, mode: AutoresetMode, seed: int) -> None:
    def make(n: int) -> ActiveVisionVectorEnv:
        return ActiveVisionVectorEnv(n, world, episode_steps=2, autoreset_mode=mode)

    check_vector_env(make(3), factory=make, seed=seed, stochastic=world.size > 1)
