"""Do fixations find the object: where scenes come with exact masks, glimpses and maps are scored against these.

The object is what the label names. All numbers are means over scenes; what chance gives stands beside.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float, Float32, Float64
from torch import Tensor

from gazeworld.envs.stream import Stream
from gazeworld.envs.world import World

_ROWS = 128  # scenes whose masks are held at once


def on_object(world: World, stream: Stream) -> dict[str, Any] | None:
    """What of the object was looked at, in the streams of one policy; None where masks are not known.

    Three curves over the glimpses 1 … t of a stream: `centre`, the share of the t-th fixations that lie on the object;
    `pixels`, the share of the t-th glimpse's pixels that show it; `covered`, the share of the object that the first t
    glimpses have shown, all of its pixels counting alike. `image` is the share of the image that is the object: what
    `centre` would be for pixels drawn uniformly. Scenes without a pixel of object are left out and counted in `empty`.
    JSON-able. Raises ValueError for a world whose views have no frame in the picture.
    """
    parts, empty = [], 0
    for rows in torch.arange(len(stream.scenes)).split(_ROWS):
        masks = world.masks(stream.scenes[rows.to(stream.scenes.device)].to(world.device))
        if masks is None:
            return None
        poses = stream.poses[rows.to(stream.poses.device)].to(masks.device)
        there = masks.flatten(1).any(1)
        empty += int((~there).sum())
        parts.append(looks(masks[there], poses[there], _frames(world, poses[there])))
    found = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    scores = {name: values.mean(0).tolist() for name, values in found.items()}
    return {
        "note": "shares of glimpses and of the object that the label names, by its exact mask, means over scenes",
        "streams": len(stream.scenes) - empty,
        "empty": empty,
        "glimpses": list(range(1, stream.poses.shape[1] + 1)),
        **scores,
    }


def _frames(world: World, poses: Float32[Tensor, "b t 2"]) -> Float32[Tensor, "b t 4"]:
    frames = world.frame(poses.flatten(0, 1))
    if frames is None:
        raise ValueError(f"shares of glimpses on objects need views with a frame, and {type(world).__name__} has none")
    return frames.unflatten(0, poses.shape[:2])


def looks(
    masks: Bool[Tensor, "b h w"], poses: Float32[Tensor, "b t 2"], frames: Float32[Tensor, "b t 4"]
) -> dict[str, Float64[Tensor, "b *t"]]:
    """`centre`, `pixels`, `covered` of every scene and glimpse and `image` of every scene, see `on_object`.

    Poses are (row, col), frames top, left, bottom and right, in units of the side; pixels beyond the border show no
    object. Every mask has a pixel.
    """
    b, side, _ = masks.shape
    at = (poses * side).long().clamp(0, side - 1)
    centre = masks[torch.arange(b, device=masks.device)[:, None], at[..., 0], at[..., 1]]
    # Whole pixels: where a frame ends half way, as it does for no whole-pixel crop, its middle decides.
    edges = (frames * side).round()
    steps = torch.arange(side, device=masks.device) + 0.5
    rows = (edges[..., :1] < steps) & (steps < edges[..., 2:3])  # b t h
    columns = (edges[..., 1:2] < steps) & (steps < edges[..., 3:])  # b t w
    area = ((edges[..., 2] - edges[..., 0]) * (edges[..., 3] - edges[..., 1])).double()
    solid = masks.double()
    shown = torch.einsum("bth,bhw,btw->bt", rows.double(), solid, columns.double())
    seen, covered = torch.zeros_like(masks), []
    total = solid.sum((1, 2))
    for t in range(poses.shape[1]):
        seen |= rows[:, t, :, None] & columns[:, t, None, :]
        covered.append((seen & masks).double().sum((1, 2)) / total)
    return {
        "centre": centre.double(),
        "pixels": shown / area,
        "covered": torch.stack(covered, 1),
        "image": total / side**2,
    }


def map_scores(maps: Float[Tensor, "b h w"], masks: Bool[Tensor, "b h w"]) -> dict[str, Float64[Tensor, " b"]]:
    """How well maps say where the objects are, exactly: `auc` and `mass` of every scene.

    `auc` is the probability that a pixel of the object has a larger value than one that is none, ties counting half:
    0.5 for a map that says nothing. `mass` is the share of the map's mass on the object over the object's share of the
    image: 1 for a uniform map. Maps are non-negative; NaN where the object is nowhere or everywhere.
    """
    values, object_ = maps.flatten(1).double(), masks.flatten(1)
    ordered = values.sort(1).values
    # The mean rank of equal values, from 0: half of those below or equal and of those strictly below.
    rank = (torch.searchsorted(ordered, values) + torch.searchsorted(ordered, values, right=True) - 1).double() / 2
    inside = object_.sum(1).double()
    outside = object_.shape[1] - inside
    auc = ((rank * object_).sum(1) - inside * (inside - 1) / 2) / (inside * outside)
    mass = (values * object_).sum(1) / values.sum(1) / (inside / object_.shape[1])
    whole = (inside == 0) | (outside == 0)
    return {"auc": auc.masked_fill(whole, torch.nan), "mass": mass.masked_fill(whole, torch.nan)}
