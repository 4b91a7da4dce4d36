"""Any world as a Gymnasium vector environment: one set of tensor operations for all environments."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
import torch
from annotated_types import Interval
from gymnasium import logger
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.spaces import Box, Dict, Space
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from jaxtyping import Float32, Int64
from torch import Tensor

from . import render, resets
from .rng import Draws
from .validation import EnvSeed, OptionError, Rows, Views, shown, validated
from .world import Scene, World, make_world

MOTOR = 2
"""Folded into an episode's stream for motor noise: `World.sample` and `World.scene` use folds 0 and 1."""
_OF_A_SOURCE = ("source", "root", "source_options")  # options that belong to the source of a world
_SLACK = 1e-6  # how far an action may lie outside its bounds, for rounding


@dataclass(frozen=True)
class _State:
    """Where all environments are: scenes with the present poses, and the stream of each episode's motor noise."""

    scene: Scene
    motor: Int64[Tensor, " n"]


class ActiveVisionVectorEnv(VectorEnv):
    """N sensors look at n scenes of one world; episodes are `episode_steps` (M) actions long, hence M + 1 views.

    Observation: dict of `view`, uint8 (n, h, w, c); `pose`, float32 (n, p) in the world's pose bounds; and what else
        the world observes.
    Action: float32 (n, a) in the world's action bounds; others are refused.
    Reward: 0. Episode end: truncated after `episode_steps` actions, never terminated.
    Info: `executed`, the displacement that really happened, and `commanded`, the one that the model is told, float32
        (n, a) in the units of an action and zero after a reset; they differ only in worlds with motor noise. `label`
        and `scene`, int64 (n,). Each has its mask `_key`.
    Reset options: see `envs/resets.py`. Without a seed each row goes on to its next episode. Row i draws from a
        stream keyed by (seed + first_row + i, episode), however many rows there are.

    `max_episode_steps` cuts episodes short as Gymnasium's TimeLimit does, and -1 does not; `spec.max_episode_steps`
    tells how long they are. With `tensors`, tensors on the world's device are given and taken, not NumPy arrays; then
    `final_obs` is one batched dict instead of Gymnasium's array of dicts. `autoreset_mode` may be a string, so that
    specs serialise. `world` may be a World; otherwise it is built from `world_options`, which stand beside or instead
    of its own where it is a mapping of `name` and options; another `source` has its own `source_options`. `first_row`
    is the number of rows that other processes have before these.
    Raises OptionError, a TypeError and a ValueError, for an argument that is unknown, of another type or impossible.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (Gymnasium's own convention)
        "render_modes": ["rgb_array"],
        "render_fps": 2,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    _spec: EnvSpec | None = None

    @validated
    def __init__(
        self,
        num_envs: Rows = 1,
        world: str | dict[str, Any] | World = "saccade",
        *,
        episode_steps: Views = 4,
        max_episode_steps: Views | Literal[-1] | None = None,
        tensors: bool = False,
        autoreset_mode: AutoresetMode | Literal["NextStep", "SameStep", "Disabled"] = AutoresetMode.NEXT_STEP,
        render_mode: Literal["rgb_array"] | None = None,
        first_row: Annotated[int, Interval(ge=0, lt=2**62)] = 0,
        **world_options: Any,
    ) -> None:
        if isinstance(world, World) and world_options:
            raise OptionError(f"options {sorted(world_options)} for a world that is already built")
        if max_episode_steps not in (None, -1):
            episode_steps = min(episode_steps, max_episode_steps)
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.world = world if isinstance(world, World) else make_world(**settled(world, world_options))
        self.num_envs, self.episode_steps, self.tensors = num_envs, episode_steps, tensors
        self.render_mode, self.first_row = render_mode, first_row
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.single_observation_space = _observation_space(self.world)
        self.single_action_space = Box(*self.world.action_bounds, (self.world.action_dim,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        # Episodes have a fixed length, so their clocks live on the host: no step waits for a device to know them.
        self._seeds, self._episodes, self._steps = np.zeros((3, num_envs), dtype=np.int64)
        self._state: _State | None = None
        self._trail: Tensor | None = None  # n M+1 p, kept only to be drawn
        self._fresh = np.zeros(num_envs, dtype=bool)  # rows whose next episode the world has not been told of

    @property
    def spec(self) -> EnvSpec | None:
        """What Gymnasium made this from, with the length of an episode; None where it was made by hand."""
        return self._spec

    @spec.setter
    def spec(self, value: EnvSpec | None) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self._spec = None if value is None else replace(value, max_episode_steps=self.episode_steps)

    @property
    def episodes(self) -> np.ndarray:
        """Number of each row's current episode, n integers; `options["episode"]` brings one back."""
        return self._episodes.copy()

    @validated
    def reset(
        self, *, seed: EnvSeed | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin a new episode in all rows, or in those of `options["reset_mask"]`; rows are seeded `seed + i`."""
        self._require_open("reset")
        request = resets.read(options, self.num_envs, self.world)
        rows = request.rows
        if self._state is None and len(rows) < self.num_envs:
            raise ResetNeeded("the first reset has to begin all rows, but options['reset_mask'] leaves some out")
        super().reset(seed=seed)
        self._episodes[rows] += 1
        if seed is not None or self._state is None:
            start = int(self.np_random.integers(2**62)) if seed is None else seed
            start = (start + self.first_row + 2**63) % 2**64 - 2**63
            self._seeds[rows] = (start + np.arange(self.num_envs))[rows]
            self._episodes[rows] = 0
        if request.episode is not None:
            self._episodes[rows] = request.episode[rows]
        self._begin(rows, request.scene, request.pose)
        began = np.zeros(self.num_envs, dtype=bool)
        began[rows] = True
        still = torch.zeros((self.num_envs, self.world.action_dim), dtype=torch.float32, device=self.world.device)
        return self._observe(), self._info(still, still, began)

    def step(self, actions: Any) -> tuple[dict[str, Any], Any, Any, Any, dict[str, Any]]:
        """Move all sensors at once.

        Rows that NEXT_STEP resets in this step may have any action. Raises ValueError naming the row of another action
        that is not finite or out of bounds, and ResetNeeded for rows that were not (in DISABLED mode: not again) reset.
        """
        self._require_open("step")
        if self._state is None:
            raise ResetNeeded("step was called before reset")
        over = self._steps >= self.episode_steps
        if self.autoreset_mode is AutoresetMode.DISABLED and over.any():
            rows = np.flatnonzero(over).tolist()
            raise ResetNeeded(f"the episodes of rows {rows} are over; reset them with options['reset_mask']")
        commanded, executed = self._act(self._checked(actions, over))
        if over.any():  # NEXT_STEP: these rows' actions are ignored, and they show the first view of the next episode
            self._renew(over, commanded, executed)
        truncated = self._steps >= self.episode_steps
        info: dict[str, Any] = {}
        if self.autoreset_mode is AutoresetMode.SAME_STEP and truncated.any():
            final = self._info(commanded, executed, truncated)
            info = {"final_obs": self._final(self._observe(), truncated), "_final_obs": self._mask(truncated)}
            info |= {"final_info": final, "_final_info": self._mask(truncated)}
            self._renew(truncated, commanded, executed)
        everyone = np.ones(self.num_envs, dtype=bool)
        info |= self._info(commanded, executed, everyone)
        on = self.world.device
        reward = torch.zeros(self.num_envs, dtype=torch.float32, device=on) if self.tensors else np.zeros(self.num_envs)
        return self._observe(), reward, self._mask(~everyone), self._mask(truncated), info

    def render(self) -> tuple[np.ndarray, ...] | None:
        """One frame per row: the image with the scan path so far, the current glimpse, and the glimpses in order."""
        self._require_open("render")
        if self.render_mode is None:
            logger.warn("render() was called, but the environment was made without render_mode='rgb_array'")
            return None
        if self._state is None or self._trail is None:
            raise ResetNeeded("render was called before reset")
        return tuple(self._draw(self._state, self._trail, row) for row in range(self.num_envs))

    def _require_open(self, what: str) -> None:
        if self.closed:
            raise ClosedEnvironmentError(f"{what} was called after close")

    def _draw(self, state: _State, trail: Tensor, row: int) -> np.ndarray:
        poses = trail[row, : self._steps[row] + 1]  # t p
        again = torch.full((len(poses),), row, device=poses.device)
        scene = Scene(state.scene.index[again], state.scene.label[again], poses)
        views = self.world.look(scene, poses).permute(0, 2, 3, 1)  # t h w c
        picture, boxes = self.world.picture(scene, 0), self.world.frame(poses)
        return render.draw(
            None if picture is None else picture.cpu().numpy(),
            None if boxes is None else boxes.cpu().numpy(),
            views.cpu().numpy(),
            self.episode_steps + 1,
        )

    def _begin(self, rows: np.ndarray, scene: np.ndarray | None = None, pose: np.ndarray | None = None) -> None:
        """New episodes for these rows, with the scenes and first poses given (n each) or drawn."""
        on, some = self.world.device, len(rows)
        rng = Draws.seeded(torch.as_tensor(self._seeds[rows], device=on))
        rng = rng.fold(torch.as_tensor(self._episodes[rows], device=on))
        if scene is None:
            drawn = self.world.sample(some, rng)
        else:
            drawn = self.world.scene(torch.as_tensor(scene[rows], device=on), rng)
        start = drawn.pose
        if pose is not None:
            start = self.world.snap(drawn, torch.as_tensor(pose[rows], device=on))
        self._steps[rows] = 0
        self._fresh[rows] = scene is None  # who names scenes knows the next ones better
        new = _State(replace(drawn, pose=start), rng.fold(MOTOR).keys)
        if len(rows) == self.num_envs or self._state is None:
            self._state = new
        else:
            self._state = _replaced(self._state, torch.as_tensor(rows, device=on), new)
        self._remember()

    def _renew(self, over: np.ndarray, commanded: Tensor, executed: Tensor) -> None:
        """The next episode of the rows that are over; nothing has moved in it yet."""
        rows = np.flatnonzero(over)
        self._episodes[rows] += 1
        self._begin(rows)
        commanded[rows] = 0
        executed[rows] = 0

    def _act(self, action: Float32[Tensor, "n a"]) -> tuple[Float32[Tensor, "n a"], Float32[Tensor, "n a"]]:
        """Move all poses; what was commanded (clipped and snapped as the world does) and what happened."""
        state, world = self._state, self.world
        assert state is not None
        scene, start = state.scene, state.scene.pose
        landed = aim = world.move(scene, start, action)
        commanded = executed = world.difference(start, aim)
        if world.noisy:
            steps = torch.as_tensor(self._steps, device=world.device)
            landed = world.land(scene, aim, Draws(state.motor).fold(steps))
            executed = world.difference(start, landed)
        self._state = replace(state, scene=replace(scene, pose=landed))
        self._steps = np.minimum(self._steps + 1, self.episode_steps)
        self._remember()
        return commanded, executed

    def _remember(self) -> None:
        if self.render_mode is None or self._state is None:
            return
        if self._trail is None:
            shape = (self.num_envs, self.episode_steps + 1, self.world.pose_dim)
            self._trail = torch.zeros(shape, dtype=torch.float32, device=self.world.device)
        self._trail[torch.arange(self.num_envs), torch.from_numpy(self._steps)] = self._state.scene.pose

    def _checked(self, actions: Any, over: np.ndarray) -> Float32[Tensor, "n a"]:
        """The actions on the world's device; those of rows that are over, which nobody looks at, move nothing."""
        value = _numbers(actions).to(self.world.device, torch.float32)
        if value.shape != self.action_space.shape:
            raise ValueError(f"actions have shape {tuple(value.shape)}, expected {self.action_space.shape}")
        if over.any() and self._state is not None:
            here = self._state.scene.pose
            ignored = torch.from_numpy(over).to(self.world.device)[:, None]
            value = torch.where(ignored, self.world.difference(here, here), value)
        low, high = self.world.action_bounds
        lowest, highest = torch.stack(value.aminmax()).tolist()  # NaN if any is
        if low <= lowest and highest <= high:
            return value
        good = (value >= low - _SLACK) & (value <= high + _SLACK)  # False for NaN, too
        if not good.all():
            row = int((~good).any(1).nonzero()[0, 0])
            raise ValueError(
                f"the action of row {row} is {value[row].tolist()}, expected finite numbers in [{low}, {high}]"
            )
        return value.clamp(low, high)

    def _observe(self) -> dict[str, Any]:
        assert self._state is not None
        scene = self._state.scene
        view = self.world.look(scene, scene.pose).permute(0, 2, 3, 1)  # n h w c
        extra = self.world.observe(scene, scene.pose)
        if self.world.expects and self._fresh.any():
            self._expect()
        return {k: self._face(v) for k, v in {"view": view, "pose": scene.pose.clone(), **extra}.items()}

    def _expect(self) -> None:
        """Tell the world which scenes the next episodes of rows that have just begun one will show, unless reseeded."""
        rows, on = np.flatnonzero(self._fresh), self.world.device
        rng = Draws.seeded(torch.as_tensor(self._seeds[rows], device=on))
        self.world.expect(self.world.drawn(rng.fold(torch.as_tensor(self._episodes[rows] + 1, device=on))))
        self._fresh[:] = False

    def _info(self, commanded: Tensor, executed: Tensor, mask: np.ndarray) -> dict[str, Any]:
        assert self._state is not None
        scene = self._state.scene
        values = {"executed": executed, "commanded": commanded, "label": scene.label, "scene": scene.index}
        info: dict[str, Any] = {}
        for key, value in values.items():
            info[key], info[f"_{key}"] = self._face(value.clone()), self._mask(mask)
        return info

    def _final(self, observation: dict[str, Any], over: np.ndarray) -> Any:
        """Last observations of the rows that are over; Gymnasium wants an array of single ones, None elsewhere."""
        if self.tensors:
            return observation
        final = np.full(self.num_envs, None, dtype=object)
        for row in np.flatnonzero(over):
            final[row] = {key: value[row].copy() for key, value in observation.items()}
        return final

    def _face(self, value: Tensor) -> Any:
        return value if self.tensors else value.cpu().numpy()

    def _mask(self, mask: np.ndarray) -> Any:
        fresh = mask.copy()
        return torch.from_numpy(fresh).to(self.world.device) if self.tensors else fresh


def settled(world: str | Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Name and options of a world that is given as its name or as a mapping of both, with further options.

    Raises OptionError for a mapping without a name.
    """
    own = {"name": world} if isinstance(world, str) else dict(world)
    if not isinstance(own.get("name"), str):
        raise OptionError(f"world is {shown(world)}, expected a name, or a mapping of 'name' and options")
    if options.get("source", own.get("source")) != own.get("source"):
        own = {key: value for key, value in own.items() if key not in _OF_A_SOURCE}
    mine, given = own.get("source_options"), options.get("source_options")
    if isinstance(mine, Mapping) and isinstance(given, Mapping):
        options = {**options, "source_options": {**mine, **given}}
    return {**own, **options}


def _numbers(actions: Any) -> Tensor:
    """Actions as a tensor of real numbers. Raises OptionError for what is ragged, text, a date, complex or boolean."""
    if isinstance(actions, Tensor):
        if actions.dtype is torch.bool or actions.is_complex():
            raise OptionError(f"actions are {actions.dtype}, expected real numbers")
        return actions.detach()
    try:
        array = np.asarray(actions)
    except (ValueError, TypeError) as error:
        raise OptionError(f"actions are {shown(actions)}, expected one array of numbers: {error}") from error
    if array.dtype.kind not in "iuf":
        raise OptionError(f"actions are {shown(actions)} of type {array.dtype}, expected real numbers")
    return torch.from_numpy(array.astype(np.float64))


def _observation_space(world: World) -> Dict:
    c, h, w = world.view_shape
    spaces: dict[str, Space[Any]] = {
        "view": Box(0, 255, (h, w, c), np.uint8),
        "pose": Box(*world.pose_bounds, (world.pose_dim,), np.float32),
    }
    for key, (shape, low, high, kind) in world.extra_spaces().items():
        spaces[key] = Box(low, high, shape, kind)
    return Dict(spaces)


def _replaced(state: _State, rows: Tensor, new: _State) -> _State:
    """The state with some rows exchanged; the old one is left as it was."""
    scene = Scene(
        state.scene.index.index_copy(0, rows, new.scene.index),
        state.scene.label.index_copy(0, rows, new.scene.label),
        state.scene.pose.index_copy(0, rows, new.scene.pose),
    )
    return _State(scene, state.motor.index_copy(0, rows, new.motor))
