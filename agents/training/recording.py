"""Streams written as a Minari dataset, which its readers understand, and replayed in the environment they are from.

An episode of the dataset is one of a row of the environment: its actions as they were given, one observation more than
actions, rewards of 0, the last step truncated. Infos are those of the environment (`executed`, `commanded`, `label`,
`scene`), and `seed` and `options` of an episode's metadata bring it back: `env.reset(seed=…, options=…)` and the
actions give the same views, with motor noise, too. Views are stored as they are: Minari's own choice is JPEG.
"""

import itertools
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode
from jaxtyping import Float32
from torch import Tensor

from gazeworld.envs.files import DataError, left_behind, located, whole_folder
from gazeworld.envs.rng import Draws
from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import OptionError, Options, Positive, Seed, shown
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import Scene

from ..policy import Choice, Memory, Policy
from .loop import POLICY, collect
from .recorded_streams import OURS, Recorded, open_recorded, require_minari

Tick = Callable[[str, int, int], None]
_MOST = 512  # episodes that are replayed at once
_ID = re.compile(r"(?:[-\w][-\w/]*[-\w]/)?[-\w]+-v\d+")  # as Minari parses ids
_OF_VECTORS = (
    "num_envs", "tensors", "autoreset_mode", "max_episode_steps", "vectorization_mode", "first_row", "render_mode",
    "device",
)  # fmt: skip


class DiffersError(DataError):
    """A dataset that is not what its environment gives; the message names the first difference."""


@dataclass(frozen=True)
class Recording(Options):
    """What is recorded, and what the dataset says of it."""

    episodes: Positive
    """episodes, each of a row of the environment"""
    name: str = "gazeworld/streams-v0"
    """id of the dataset"""
    policy: dict[str, Any] = field(default_factory=dict)
    """who looked: `name` and options"""
    seed: Seed = 0
    """seed of the environment and of the policy"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _ID.fullmatch(self.name):
            raise OptionError(f"id is {shown(self.name)}, expected one as Minari has them, gazeworld/digits/uniform-v0")


def record(
    env: ActiveVisionVectorEnv, policy: Policy, folder: Path, recording: Recording, tick: Tick | None = None
) -> Any:
    """Look around with a policy and write every episode to a Minari dataset in `folder`, which is given, too.

    `env` gives tensors and its episodes are recorded whole. Batch k is what `collect` gives of it with the rows' policy
    streams folded by k and `{"episode": k}`: the streams on which training with this seed and as many rows learns at
    its step k. The folder appears when all is written. Raises OptionError for an environment that resets by itself
    within a step, and ValueError where `folder` is there already.
    """
    require_minari()
    from minari import MinariDataset, __version__
    from minari.dataset.minari_storage import MinariStorage

    _require_recordable(env)
    folder = located(folder, "folder of the dataset")  # Minari measures nothing below a relative path
    if folder.exists():
        raise ValueError(f"{folder}: is there already, expected a new folder; name another dataset or delete this one")
    for left in left_behind(folder.parent, folder.name):  # by a kill
        shutil.rmtree(left)
    with whole_folder(folder) as draft:
        storage = MinariStorage.new(
            draft / "data",
            observation_space=env.single_observation_space,
            action_space=env.single_action_space,
            env_spec=_single(env),
            data_format="hdf5",
            jpeg_encoding=False,
        )
        storage.update_metadata(_facts(env, recording, __version__))
        _episodes(env, policy, recording, storage, tick or (lambda what, done, total: None))
    return MinariDataset(str(folder / "data"))


def _require_recordable(env: ActiveVisionVectorEnv) -> None:
    if not env.tensors or env.autoreset_mode is AutoresetMode.SAME_STEP:
        raise OptionError(
            f"an environment with tensors={env.tensors} and autoreset_mode {env.autoreset_mode.value} cannot be "
            "recorded, expected tensors=True and NextStep or Disabled"
        )
    if env.episode_steps < 1:
        raise OptionError("an environment without steps cannot be recorded, expected episode_steps of 1 or more")


def _single(env: ActiveVisionVectorEnv) -> EnvSpec | None:
    """How Gymnasium makes one row of an environment, None where it was made of a world that has no words."""
    if env.spec is None or not isinstance(env.spec.kwargs.get("world"), str | dict):
        return None
    kwargs = {key: value for key, value in env.spec.kwargs.items() if key not in _OF_VECTORS}
    return replace(env.spec, kwargs={**kwargs, "episode_steps": env.episode_steps})


def _facts(env: ActiveVisionVectorEnv, recording: Recording, version: str) -> dict[str, Any]:
    """What the dataset's metadata says beside spaces and environment."""
    world = env.world
    own = {
        "policy": recording.policy,
        "seed": recording.seed,
        "rows": env.num_envs,
        "split": world.split,
        "classes": list(world.classes),
        "fingerprint": world.fingerprint,
    }
    c, h, w = world.view_shape
    return {
        "dataset_id": recording.name,
        "minari_version": version,
        "algorithm_name": str(recording.policy.get("name", "unknown")),
        "description": f"Episodes of {env.episode_steps + 1} glimpses of {h} × {w} × {c} bytes, seen by gazeworld.",
        OURS: own,
    }


def _episodes(env: ActiveVisionVectorEnv, policy: Policy, recording: Recording, storage: Any, tick: Tick) -> None:
    n, total = env.num_envs, recording.episodes
    env.reset(seed=recording.seed)
    rng = Draws.rows(recording.seed, n, first=env.first_row, device=env.world.device).fold(POLICY)
    for k in range(-(-total // n)):
        tape = _Tape(policy, env.world.action_bounds)
        stream = collect(env, tape, env.episode_steps + 1, rng.fold(k), {"episode": k})
        first = recording.seed + env.first_row
        storage.update_episodes(_buffers(env, stream, tape, first, k)[: total - k * n])
        tick("recording", min(total, (k + 1) * n), total)


class _Tape(Policy):
    """A policy of which is kept what it chose."""

    def __init__(self, policy: Policy, bounds: tuple[float, float]) -> None:
        self._policy, self._bounds = policy, bounds
        self.chosen: list[Tensor] = []

    def act(self, memory: Memory, rng: Draws) -> Choice:
        """What the policy chooses."""
        choice = self._policy.act(memory, rng)
        self.chosen.append(choice.action.to(torch.float32).clamp(*self._bounds))
        return choice


def _buffers(env: ActiveVisionVectorEnv, stream: Stream, tape: _Tape, first: int, k: int) -> list[Any]:
    """The episodes of one batch as Minari takes them."""
    from minari.data_collector import EpisodeBuffer

    world, (n, t) = env.world, stream.poses.shape[:2]
    labels, scenes = (part[:, None].expand(n, t) for part in (stream.labels, stream.scenes))
    poses = stream.poses.flatten(0, 1)
    seen = world.observe(Scene(scenes.flatten(), labels.flatten(), poses), poses)
    observations = {"view": stream.views.permute(0, 1, 3, 4, 2), "pose": stream.poses}
    observations |= {key: value.unflatten(0, (n, t)) for key, value in seen.items()}
    moved = world.difference(stream.poses[:, :-1].flatten(0, 1), stream.poses[:, 1:].flatten(0, 1))
    infos = {
        "executed": _after_reset(moved.reshape(n, t - 1, -1)),
        "commanded": _after_reset(stream.actions),
        "label": labels,
        "scene": scenes,
    }
    chosen = torch.stack(tape.chosen, 1) if tape.chosen else stream.actions
    arrays = [{key: value.cpu().numpy() for key, value in part.items()} for part in (observations, infos)]
    actions, ends = chosen.cpu().numpy(), [step == env.episode_steps for step in range(1, t)]
    return [
        EpisodeBuffer(
            seed=first + i,
            options={"episode": k},
            observations={key: value[i] for key, value in arrays[0].items()},
            actions=actions[i],
            rewards=[0.0] * (t - 1),
            terminations=[False] * (t - 1),
            truncations=ends,
            infos={key: value[i] for key, value in arrays[1].items()},
        )
        for i in range(n)
    ]


def _after_reset(values: Float32[Tensor, "n s a"]) -> Float32[Tensor, "n s+1 a"]:
    """What infos say of steps, after what they say of a reset: nothing has moved."""
    return torch.cat([torch.zeros_like(values[:, :1]), values], 1)


def replay(dataset: Recorded | str | Path, tick: Tick | None = None) -> int:
    """Do in a rebuilt environment what was done in the recorded one; gives the number of episodes, which are the same.

    Raises DiffersError naming the first episode and view that differ in a bit, and for data that is not what was
    recorded; other ValueErrors where the environment cannot be rebuilt.
    """
    found = dataset if isinstance(dataset, Recorded) else open_recorded(dataset)
    if found.spec is None or not len(found) or int(found.seeds.min()) < 0:
        raise ValueError(f"{found.name}: does not say how to make its environment or how to begin its episodes")
    options = {key: value for key, value in found.spec.kwargs.items() if key not in _OF_VECTORS}
    env = ActiveVisionVectorEnv(1, **options)
    world, steps = env.world, env.episode_steps
    written = found.about.get("fingerprint", world.fingerprint)
    if written != world.fingerprint:
        raise DiffersError(f"{found.name}: recorded on data {written}, but the source now is {world.fingerprint}")
    done = 0
    for rows in _together(found):
        n = rows.stop - rows.start
        env = ActiveVisionVectorEnv(n, world, episode_steps=steps, tensors=True, autoreset_mode=AutoresetMode.DISABLED)
        env.reset(seed=int(found.seeds[rows.start]))
        again = _Again(found.moves[rows].to(world.device))
        episodes = {"episode": found.episodes[rows].numpy()}
        stream = collect(env, again, found.streams.length, Draws.rows(0, n, device=world.device), episodes)
        _require_same(found, rows, stream)
        done += n
        if tick is not None:
            tick("replaying", done, len(found))
    return done


class _Again(Policy):
    """Does what was done."""

    def __init__(self, moves: Float32[Tensor, "n s a"]) -> None:
        self._moves = moves

    def act(self, memory: Memory, rng: Draws) -> Choice:
        """The action that was given at this moment of the episode."""
        action = self._moves[:, memory.actions.shape[1]]
        return Choice(action, torch.zeros_like(action[:, 0]))


def _together(found: Recorded) -> list[slice]:
    """Episodes that rows of one environment can replay: neighbours whose seeds are consecutive."""
    breaks = ((found.seeds[1:] - found.seeds[:-1]) != 1).nonzero()[:, 0].add(1).tolist()
    edges, parts = [0, *breaks, len(found)], []
    for start, stop in itertools.pairwise(edges):
        parts += [slice(i, min(stop, i + _MOST)) for i in range(start, stop, _MOST)]
    return parts


def _require_same(found: Recorded, rows: slice, stream: Stream) -> None:
    """Raise DiffersError naming the first difference between what was recorded and what is seen now."""
    then = found.take(rows)
    for what in ("scenes", "labels", "poses", "views", "actions"):
        one, other = getattr(then, what), getattr(stream, what).cpu()
        differs = (one != other).reshape(*one.shape[: 1 if one.ndim == 1 else 2], -1).any(-1)
        if differs.any():
            episode, *place = differs.nonzero()[0].tolist()
            where = f", view {place[0]}" if place else ""
            raise DiffersError(
                f"{found.name}: {what} of episode {rows.start + episode}{where} are not those that the environment "
                f"gives ({int(differs.sum())} of {differs.numel()} here differ)"
            )
