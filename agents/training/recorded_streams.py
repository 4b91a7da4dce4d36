"""Streams of a Minari dataset, as they were collected: a world model learns from them without an environment.

What is read are datasets of gazeworld's environments, as `recording.record` writes them: views and poses are the
observations, what a model is told of an action is `commanded` in the infos, and `label` and `scene` stand beside.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium.envs.registration import EnvSpec
from jaxtyping import Float32, Int64
from torch import Tensor

from gazeworld.envs.files import DataError, expanded, located, one_line, read_json
from gazeworld.envs.stream import Stream
from gazeworld.envs.world import World

OURS = "gazeworld"
"""What ids of gazeworld's environments begin with, and the entry of a dataset's metadata that says how it was made."""
_TOLD = ("commanded", "label", "scene")
_NAMED = 5


@dataclass(frozen=True)
class Recorded:
    """A dataset in memory: n streams of t views, in the order of its episodes.

    `moves` are the actions as the environment was given them, before it clipped and snapped them; `seeds` and
    `episodes` bring each episode back in it. `spec` is the environment's (None: not known), `about` what the dataset
    says of how it was made, `fingerprint` changes when a stream does.
    """

    name: str
    path: Path
    streams: Stream
    moves: Float32[Tensor, "n s a"]
    seeds: Int64[Tensor, " n"]
    episodes: Int64[Tensor, " n"]
    spec: EnvSpec | None
    about: dict[str, Any]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.seeds)

    def take(self, rows: slice | Int64[Tensor, " k"], length: int = 0) -> Stream:
        """Some of the streams, cut after their first `length` views (0: whole)."""
        s = self.streams
        whole = Stream(s.views[rows], s.actions[rows], s.poses[rows], s.labels[rows], s.scenes[rows])
        return whole.first(length) if length else whole

    def batches(self, size: int) -> Iterator[Stream]:
        """All streams, so many at a time, in the order in which they were recorded; the last batch may be smaller."""
        for start in range(0, len(self), size):
            yield self.take(slice(start, start + size))


@dataclass(frozen=True)
class StreamSource:
    """What every step of a training learns from: `size` recorded streams a step, cut to `length` views.

    The dataset is gone through in its own order first, then again and again in orders that follow from `seed`; what
    does not fill a batch is left out of a pass. A process has `count` streams of every batch from `first` on. A step's
    streams depend on its number alone, so that a training that goes on sees the same.
    """

    recorded: Recorded
    size: int
    length: int
    seed: int
    device: torch.device
    first: int = 0
    count: int = 0

    def __call__(self, step: int) -> Stream:
        """The streams of a step."""
        per_pass, n = len(self.recorded) // self.size, len(self.recorded)
        turn, place = divmod(step, per_pass)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + turn)
        order = torch.randperm(n, generator=generator) if turn else torch.arange(n)
        start = place * self.size + self.first
        found = self.recorded.take(order[start : start + (self.count or self.size)], self.length)
        on = self.device
        parts = (found.actions, found.poses, found.labels, found.scenes)
        views = found.views.permute(0, 1, 3, 4, 2).contiguous().to(on).permute(0, 1, 4, 2, 3)  # channels-last, as seen
        return Stream(views, *(part.to(on) for part in parts))

    def require_fitting(self, world: World) -> None:
        """Raise ValueError for streams that a model of this world cannot learn from, and for too few of them."""
        s, name = self.recorded.streams, self.recorded.name
        found = {"views": tuple(s.views.shape[2:]), "actions": s.actions.shape[2], "poses": s.poses.shape[2]}
        wanted = {"views": tuple(world.view_shape), "actions": world.action_dim, "poses": world.pose_dim}
        for what, size in wanted.items():
            if found[what] != size:
                raise ValueError(f"{name}: {what} of {found[what]} numbers, but those of the scenario have {size}")
        if s.length < self.length:
            raise ValueError(f"{name}: streams of {s.length} views, expected {self.length} as train.observed + 1")
        if len(self.recorded) < self.size:
            raise ValueError(f"{name}: {len(self.recorded)} streams, expected train.batch = {self.size} or more")


def open_recorded(dataset: str | Path) -> Recorded:
    """The streams of a Minari dataset, all of them in memory, by its id or by the folder that it lies in.

    Raises DataError for one that is not there or damaged, of another environment, or without what a stream needs.
    """
    require_minari()
    from minari import MinariDataset

    place = data_folder(dataset)
    facts = read_json(place / "metadata.json", "the metadata of a Minari dataset")
    name = str(facts.get("dataset_id", place.parent)) if isinstance(facts, dict) else str(place)
    _require_ours(name, facts)
    try:
        found = MinariDataset(str(place))
        parts, metas = _parts(name, found), list(found.storage.get_episode_metadata(found.episode_indices))
        seeds = torch.tensor([int(one.get("seed", -1)) for one in metas])
        episodes = torch.tensor([int(one.get("options", {}).get("episode", 0)) for one in metas])
    except DataError:
        raise
    except Exception as error:  # Minari and what it reads with raise anything, assertions among it
        raise DataError(
            f"{place}: cannot be read as a Minari dataset ({one_line(str(error) or type(error).__name__)})"
        ) from error
    views = torch.from_numpy(parts["view"]).permute(0, 1, 4, 2, 3)  # n t c h w, channels-last in memory
    told = {key: torch.from_numpy(parts[key]) for key in ("pose", *_TOLD)}
    labels, scenes = (told[key][:, 0].contiguous() for key in ("label", "scene"))
    streams = Stream(views, told["commanded"][:, 1:].contiguous(), told["pose"], labels, scenes)
    return Recorded(
        name,
        place,
        streams,
        torch.from_numpy(parts["action"]),
        seeds,
        episodes,
        found.env_spec,
        facts.get(OURS, {}),
        _digest(parts),
    )


def data_folder(dataset: str | Path) -> Path:
    """The folder of a dataset's files, by its id or by a folder around them. Raises DataError where there is none."""
    path = expanded(dataset, "dataset")
    if path.is_dir():
        found = [one for one in (path, path / "data") if (one / "metadata.json").is_file()][:1]
        found = found or sorted(file.parent for file in path.glob("**/data/metadata.json"))
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(str(one.parent) for one in found[:_NAMED])
            raise DataError(f"{path}: {len(found)} datasets in it, expected one of them: {names}")
        raise DataError(f"{path}: no Minari dataset in it, expected data/metadata.json")
    root = datasets_root()
    place = root / str(dataset) / "data"
    if not place.is_dir():
        there = [str(one.parent.relative_to(root)) for one in sorted(root.glob("**/data")) if one.is_dir()]
        more = f"; there are: {', '.join(there[:_NAMED])}{' …' if len(there) > _NAMED else ''}" if there else ""
        raise DataError(f"{dataset}: neither a folder nor the id of a dataset in {root}{more}")
    return place


def datasets_root() -> Path:
    """Where Minari keeps datasets: $MINARI_DATASETS_PATH, or ~/.minari/datasets."""
    return expanded(os.environ.get("MINARI_DATASETS_PATH") or "~/.minari/datasets", "MINARI_DATASETS_PATH")


def settled(dataset: str) -> str:
    """The same dataset from whatever folder it is asked for: an absolute path, or the id as it is."""
    return str(located(data_folder(dataset))) if dataset and expanded(dataset, "dataset").is_dir() else dataset


def require_minari() -> None:
    """Raise ValueError, saying how to get it, where Minari is not installed."""
    try:
        import h5py
        import minari
    except ImportError as error:
        raise ValueError(
            f"recorded streams are Minari datasets, and {error.name or error} is not installed; "
            "pip install 'gazeworld[minari]' (Python 3.11 or later)"
        ) from error
    del h5py, minari


def _require_ours(name: str, facts: Any) -> None:
    """Raise DataError for a dataset of an environment that is none of gazeworld's."""
    if not isinstance(facts, dict):
        raise DataError(f"{name}: its metadata.json holds no object, expected that of a Minari dataset")
    try:
        known = str(json.loads(facts["env_spec"])["id"]) if "env_spec" in facts else ""
    except (TypeError, ValueError, KeyError) as error:
        raise DataError(f"{name}: env_spec in its metadata.json is no specification of an environment") from error
    if not (known.startswith(f"{OURS}/") or (not known and OURS in facts)):
        said = f"of the environment {known!r}" if known else "that names no environment"
        raise DataError(f"{name}: a dataset {said}, expected one of {OURS}/…, as `gazeworld data record` writes")


def _parts(name: str, dataset: Any) -> dict[str, np.ndarray]:
    """Everything that streams are made of, side by side. Raises DataError naming an episode that lacks some of it."""
    rows: dict[str, list[np.ndarray]] = {}
    for number, episode in enumerate(dataset.iterate_episodes()):
        given = {**(episode.observations if isinstance(episode.observations, dict) else {})}
        given |= {key: value for key, value in (episode.infos or {}).items() if key in _TOLD}
        if missing := [key for key in ("view", "pose", *_TOLD) if key not in given]:
            raise DataError(
                f"{name}: episode {number} has no {missing[0]}, expected what `gazeworld data record` writes"
            )
        t = len(episode.actions) + 1
        for key in ("view", "pose", *_TOLD, "action"):
            value = np.asarray(episode.actions if key == "action" else given[key])
            steps, before = len(value) + (key == "action"), rows.setdefault(key, [])
            if steps != t or (before and value.shape != before[0].shape):
                raise DataError(f"{name}: {key} of episode {number} is of shape {value.shape}, expected episodes alike")
            before.append(value)
    if not rows:
        raise DataError(f"{name}: no episode in it, expected at least one")
    kinds = {"view": np.uint8, "label": np.int64, "scene": np.int64}
    stacked = {key: np.stack(values) for key, values in rows.items()}
    for key, values in stacked.items():
        if not np.can_cast(values.dtype, kinds.get(key, np.float32), "same_kind") or not np.isfinite(values).all():
            raise DataError(f"{name}: {key} holds {values.dtype} or numbers that are not finite, expected numbers")
    return {key: values.astype(kinds.get(key, np.float32)) for key, values in stacked.items()}


def _digest(parts: dict[str, np.ndarray]) -> str:
    seen = hashlib.sha256()
    for key in sorted(parts):
        seen.update(f"{key}{parts[key].shape}".encode())
        seen.update(np.ascontiguousarray(parts[key]).data)
    return seen.hexdigest()[:16]
