"""Maps of what a model represents: two dimensions by UMAP, coloured by class and by pose (Figures 5, 12 to 14).

The paper does not say how its maps were made. Here they are UMAP's (McInnes et al. 2018) with the library's defaults
of 15 neighbours and a minimal distance of 0.1, and the cosine as distance, which the training loss uses. A map is for
looking at; the silhouettes beside it are measured in the full space.
"""

import warnings
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Interval
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from gazeworld.envs.objects import rotations
from gazeworld.envs.stream import Stream
from gazeworld.envs.validation import Options, Share, Views
from gazeworld.envs.vector_env import ActiveVisionVectorEnv
from gazeworld.envs.world import World
from gazeworld.models.method import Method

from ..config import ProbeConfig
from ..policy import Policy
from .features import FULL, Features, Tick, features, quiet, rollouts, spread_over

Points = Annotated[int, Interval(ge=3, le=2**17)]
"""Points on a map."""


@dataclass(frozen=True)
class MapConfig(Options):
    """What is drawn on the maps, and how UMAP draws them."""

    views: Views = 5
    """M_val, the number of views in an aggregate (5 in the paper's Figure 5)"""
    aggregates: Points = 1000
    """aggregates on the map, at most; scenes are visited as often as that takes"""
    points: Points = 3000
    """views on the map, at most, all of them different"""
    neighbours: Annotated[int, Interval(ge=2, le=2**12)] = 15
    """UMAP's n_neighbors"""
    distance: Share = 0.1
    """UMAP's min_dist"""


def embedding(
    methods: dict[str, Method],
    env: ActiveVisionVectorEnv,
    policy: Policy,
    config: ProbeConfig,
    maps: MapConfig | None = None,
    tick: Tick = quiet,
) -> dict[str, Any]:
    """Points on a map for views and for aggregates of streams of the environment's world, by every model.

    For each model `views` and `aggregates` hold `points`, `labels` and `silhouette` (of the classes, by cosine in the
    full space; -1 … 1, None where it is not defined), and `views` also `colours`, what the poses say by name: angle
    from the identity and yaw of a rotation in degrees, every component of anything else. Raises
    ValueError where umap-learn is not installed.
    """
    maps = maps or MapConfig()
    world = env.world
    scenes = min(config.scenes, world.size) or world.size
    scenes, repeats = min(scenes, maps.aggregates), -(-maps.aggregates // scenes)
    stream = rollouts(env, policy, maps.views, scenes=scenes, repeats=repeats, seed=config.seed)
    values = {}
    for name, method in methods.items():
        seen = features(method, stream, world, observed=maps.views, tick=tick)
        tick(f"drawing maps ({name})", 0, 1)
        values[name] = _maps(seen, stream, world, config.seed, maps)
    return {
        "tensor": f"z of single views; z_AGG of {maps.views} views",
        "target": "class (views and aggregates) and pose (views)",
        "protocol": f"UMAP, {maps.neighbours} neighbours, min_dist {maps.distance}, cosine; no head is trained",
        "seed": config.seed,
        "scored on": {"streams": len(stream.scenes)},
        "score": "silhouette of the classes in the full space, by cosine",
        "views": maps.views,
        "classes": list(world.classes),
        "values": values,
    }


def project(vectors: Float[Tensor, "n d"], seed: int, maps: MapConfig) -> Float32[np.ndarray, "n 2"]:
    """Points in two dimensions for n >= 4 vectors, by UMAP; the same for the same seed.

    Raises ValueError for fewer vectors and where umap-learn is not installed.
    """
    if len(vectors) < 4:
        raise ValueError(f"a map of {len(vectors)} points was asked for, expected at least 4")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ImportWarning)  # it misses TensorFlow, which nobody needs here
            from umap import UMAP
    except ImportError as error:
        raise ValueError(
            "maps of representations are drawn by umap-learn, which is not installed; pip install 'gazeworld[report]'"
        ) from error
    drawing = UMAP(
        n_neighbors=min(maps.neighbours, len(vectors) - 1),
        min_dist=maps.distance,
        metric="cosine",
        random_state=seed,
        n_jobs=1,  # which a seed enforces, with a warning
    )
    return np.asarray(drawing.fit_transform(vectors.float().cpu().numpy()), dtype=np.float32)


def _maps(seen: Features, stream: Stream, world: World, seed: int, maps: MapConfig) -> dict[str, Any]:
    n, m, _ = seen.encodings.shape
    on = seen.labels.device
    different = _different(stream)
    views = different[spread_over(len(different), min(maps.points, len(different)))]
    whole = spread_over(n, min(maps.aggregates, n))
    z, label = seen.encodings.flatten(0, 1)[views.to(on)], seen.labels.cpu()
    colours = _colours(world, stream.poses.flatten(0, 1)[views.to(stream.poses.device)])
    return {
        "views": _map(z, label[views // m], seed, maps) | {"colours": colours},
        "aggregates": _map(seen.aggregates[FULL][-1][whole.to(on)], label[whole], seed, maps),
    }


def _different(stream: Stream) -> Int64[Tensor, " k"]:
    """Numbers of the views (stream by stream), each scene and pose once: equal points would draw a map together."""
    scenes = stream.scenes[:, None, None].expand(-1, stream.length, 1).to(stream.poses.dtype)
    _, same = torch.cat([scenes, stream.poses], -1).flatten(0, 1).cpu().unique(dim=0, return_inverse=True)
    numbers = torch.arange(len(same))
    first = torch.full((int(same.max()) + 1,), len(same)).scatter_reduce(0, same, numbers, "amin")
    return first.sort().values


def _map(vectors: Float[Tensor, "n d"], labels: Int64[Tensor, " n"], seed: int, maps: MapConfig) -> dict[str, Any]:
    from sklearn.metrics import silhouette_score  # half a second that no probe without maps needs

    points = project(vectors, seed, maps).round(3).astype(float)
    spread = None
    if 1 < len(labels.unique()) < len(labels):
        spread = float(silhouette_score(vectors.float().cpu().numpy(), labels.numpy(), metric="cosine"))
    return {"points": points.tolist(), "labels": labels.tolist(), "silhouette": spread}


def _colours(world: World, poses: Float32[Tensor, "n p"]) -> dict[str, list[float]]:
    """What poses say, as one number each; the world's first quantity comes first."""
    found: dict[str, Tensor] = {}
    for quantity in world.quantities():
        value = quantity.of(poses).cpu()
        if quantity.angular:
            still = torch.tensor([0.0, 0, 0, 1], dtype=torch.float32).expand_as(value)
            found[f"{quantity.name}: angle from the identity (°)"] = torch.rad2deg(rotations.angle(still, value))
            found[f"{quantity.name}: yaw (°)"] = torch.rad2deg(rotations.to_euler(value)[:, 0])
        else:
            found |= {f"{quantity.name} {i}": component for i, component in enumerate(value.unbind(1), 1)}
    return {name: [round(number, 3) for number in values.tolist()] for name, values in found.items()}
