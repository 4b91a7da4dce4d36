"""What a policy has looked at, as a comparison needs it: aggregates of a frozen world model, places, labels."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Float32, Int64
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from gazeworld.envs.files import write_bytes
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import Scene, World, require_lattice, spread_poses
from gazeworld.models.method import Method, frozen

from ..config import Compared
from ..policy import Policy
from ..probes.features import FULL, Tick, features, quiet, rollouts, spread_over
from ..probes.readouts import Budget, accuracy, fit_classifier

_NAMES = ("aggregates", "poses", "labels", "scenes")
_ROWS, _ROWS_CUDA = 32, 512  # scenes at a time whose dense grids are encoded


@dataclass(frozen=True)
class Visit:
    """Streams of one policy over one split: z_AGG of the first 1 … m views, where they were, what the scenes are."""

    aggregates: Float[Tensor, "m n e"]
    poses: Float32[Tensor, "n m p"]
    labels: Int64[Tensor, " n"]
    scenes: Int64[Tensor, " n"]

    def save(self, file: Path) -> None:
        """Write a safetensors file, whole or not at all."""
        write_bytes(file, save({name: getattr(self, name).cpu().contiguous() for name in _NAMES}))

    @classmethod
    def load(cls, file: Path, device: torch.device) -> "Visit | None":
        """What `save` wrote, or None where there is nothing or it is damaged: it is then made again."""
        if not file.is_file():
            return None
        try:
            found = load_file(file)
            return cls(**{name: found[name].to(device) for name in _NAMES})
        except (SafetensorError, KeyError):
            return None


def visit(
    method: Method,
    env: ActiveVisionVectorEnv,
    policy: Policy,
    scenes: int,
    views: int,
    seed: int,
    tick: Tick = quiet,
) -> Visit:
    """Streams of so many views of so many scenes. First fixations depend on the seed and the world alone."""
    stream = rollouts(env, policy, views, scenes=min(scenes, env.world.size), seed=seed)
    seen = features(method, stream, env.world, observed=views, tick=tick)
    return Visit(seen.aggregates[FULL], stream.poses, seen.labels, stream.scenes)


def labels_of(world: World) -> Int64[Tensor, " n"]:
    """The labels of all scenes of a world of images. Raises ValueError where there are none."""
    if world.images is None:
        raise ValueError(f"labels of all scenes need a world of images, and {type(world).__name__} is none")
    return world.images.labels


def whole_image(
    method: Method, worlds: tuple[World, World], config: Compared, tick: Tick = quiet
) -> dict[str, dict[str, float]]:
    """Top-1 of what the frozen model makes of whole images, by the number of glimpses and the way they are read.

    The model has never seen a whole image, only glimpses: an encoder that is given one works outside of what it was
    trained on. So everything is looked at: the smallest square grid of glimpses that covers the image, and one that is
    finer by one. Read are z_AGG of all glimpses (row by row), their embeddings side by side, and their mean, each
    with a probe of its own, trained on the training split. The best of all is the accuracy of the whole image.
    """
    lattice = require_lattice(worlds[1], "looking at whole images")
    least = -(-lattice.side // lattice.glimpse)
    found = {}
    for side in sorted({min(k, lattice.count) for k in (least, least + 1)}):
        tick(f"looking at whole images, {side} × {side} glimpses", 0, 1)
        counts = (config.scenes, config.test_scenes)
        seen = [_everything(method, world, side, n) for world, n in zip(worlds, counts, strict=True)]
        found[f"{side} × {side} glimpses"] = {
            way: _top1(seen[0][way], seen[0]["labels"], seen[1][way], seen[1]["labels"], worlds[1], config)
            for way in ("aggregate", "side by side", "mean")
        }
    return found


def encoded_at(
    method: Method, world: World, scenes: Int64[Tensor, " b"], poses: Float32[Tensor, "k 2"]
) -> Float[Tensor, "b k d"]:
    """What a frozen method makes of the same k views of every scene, each alone, on the method's device."""
    index, there = scenes.repeat_interleave(len(poses)), poses.repeat(len(scenes), 1)
    views = world.look(Scene(index, torch.full_like(index, -1), there), there)
    encoded = method.encode(views.to(next(method.parameters()).device)[:, None])[:, 0].float()
    return encoded.unflatten(0, (len(scenes), -1))


def _everything(method: Method, world: World, side: int, scenes: int) -> dict[str, Tensor]:
    """What is read from all glimpses of a grid over so many scenes (0: all), and their labels."""
    device = next(method.parameters()).device
    poses = spread_poses(require_lattice(world, "looking at whole images"), side, world.device)  # k 2
    told = torch.stack([world.difference(poses[:-1], poses[1:])]).to(device)  # 1 k-1 2
    index = spread_over(world.size, min(scenes, world.size)).to(world.device)
    parts: dict[str, list[Tensor]] = {"aggregate": [], "side by side": [], "mean": []}
    with frozen(method):
        for part in index.split(_ROWS_CUDA if device.type == "cuda" else _ROWS):
            encoded = encoded_at(method, world, part, poses)
            parts["aggregate"].append(method.aggregate(encoded, told.expand(len(part), -1, -1)).float())
            parts["side by side"].append(encoded.flatten(1))
            parts["mean"].append(encoded.mean(1))
    labels = labels_of(world).to(index.device)[index].to(device)
    return {way: torch.cat(found).clone() for way, found in parts.items()} | {"labels": labels}


def _top1(x: Tensor, y: Tensor, test: Tensor, truth: Tensor, world: World, config: Compared) -> float:
    # Wide features need fewer epochs, and their probes cost as much as all others together.
    epochs = config.epochs if x.shape[1] < 512 else max(1, config.epochs // 5)
    heads = fit_classifier(x[None], y, len(world.classes), Budget(epochs, config.batch, config.seed))
    return float(accuracy(heads, test[None], truth)[0])
